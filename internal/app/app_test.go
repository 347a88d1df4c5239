package app_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"primum/internal/app"
	"primum/internal/peer"
)

// start serves an app, and gives a client that does not follow.
func start(t *testing.T) (*app.App, *http.Client) {
	t.Helper()
	a, err := app.Open(t.Context(), app.Options{Port: -1, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx) }()
	tr := &http.Transport{DialContext: peer.Dialer{Local: true, Own: []string{"127.0.0.1", "localhost"}}.DialContext}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a, &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func do(t *testing.T, c *http.Client, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestAppServesThePortal(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	resp, page := do(t, c, "GET", a.URL())
	built := strings.Contains(page, `data-test="skeleton"`)
	if !built && !strings.Contains(page, "make web") {
		t.Errorf("status %d: %s", resp.StatusCode, page)
	}
	if built && (!strings.Contains(page, `data-authority=""`) || !strings.Contains(page, `data-lan="1"`)) {
		t.Errorf("the page does not know that it is alone: %s", page)
	}
	if !strings.HasPrefix(a.URL(), "http://app.localhost:") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s: %v", a.URL(), resp.Header)
	}
	base := strings.TrimSuffix(a.URL(), "/my")
	if resp, _ := do(t, c, "GET", base+"/"); resp.StatusCode != 303 || resp.Header.Get("Location") != a.URL() {
		t.Errorf("start: status %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
}

func TestAppAnswersToItsOwnNameOnly(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	base := strings.TrimSuffix(a.URL(), "/my")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	for name, x := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"rebound name":          {"GET", []string{"Host", "evil.example:" + port}, 421},
		"rebound, no port":      {"GET", []string{"Host", "evil.example"}, 421},
		"another port":          {"GET", []string{"Host", "app.localhost:1"}, 421},
		"another local name":    {"GET", []string{"Host", "evil.localhost:" + port}, 421},
		"the address":           {"GET", []string{"Host", "127.0.0.1:" + port}, 303},
		"the address, changing": {"POST", []string{"Host", "127.0.0.1:" + port}, 421},
		"a foreign page":        {"GET", []string{"Origin", "https://evil.example"}, 403},
		"a page without origin": {"POST", []string{"Origin", "null"}, 403},
		"a foreign picture":     {"GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		"a neighbour's script":  {"GET", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 403},
		"a foreign form":        {"POST", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403},
	} {
		resp, body := do(t, c, x.method, base+"/manifest.webmanifest", x.headers...)
		if resp.StatusCode != x.status || strings.Contains(body, "Primum") {
			t.Errorf("%s: status %d, want %d: %s", name, resp.StatusCode, x.status, body)
		}
	}
	if resp, _ := do(t, c, "GET", a.URL(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"); resp.StatusCode == 403 {
		t.Error("a link from elsewhere does not open the portal")
	}
}

func TestAppCarriesWithoutASession(t *testing.T) {
	t.Parallel()
	a, c := start(t)
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `"`+r.RequestURI+`"`)
	}))
	defer node.Close()
	_, port, _ := net.SplitHostPort(node.Listener.Addr().String())
	base := strings.TrimSuffix(a.URL(), "/my")
	own := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty"}
	for path, want := range map[string]string{
		"/via/h.localhost:" + port + "/v1/identity/ada": `"/v1/identity/ada"`,
		"/via-lan/127.0.0.1:" + port + "/door":          `"/door"`,
	} {
		if resp, body := do(t, c, "GET", base+path, own...); resp.StatusCode != 200 || body != want {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, body)
		}
		if resp, _ := do(t, c, "GET", base+path); resp.StatusCode != 403 {
			t.Errorf("%s by nobody's page: status %d", path, resp.StatusCode)
		}
	}
	if resp, body := do(t, c, "GET", base+"/via-lan/8.8.8.8:80/door", own...); resp.StatusCode != 403 {
		t.Errorf("the Internet as LAN: status %d: %s", resp.StatusCode, body)
	}
}

func TestAppTakesOnePort(t *testing.T) {
	t.Parallel()
	first, _ := start(t)
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(first.URL(), "http://"), "/my"))
	n := 0
	for _, d := range port {
		n = n*10 + int(d-'0')
	}
	if second, err := app.Open(t.Context(), app.Options{Port: n}); err == nil {
		_ = second.Close()
		t.Error("two apps on one port")
	}
}
