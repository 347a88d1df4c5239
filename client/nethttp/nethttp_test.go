package nethttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"primum/client"
	"primum/client/nethttp"
)

// serve starts a server and gives its address under .localhost.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "h.localhost", 1)
}

func transport(t *testing.T, o nethttp.Options) *nethttp.Transport {
	t.Helper()
	tr := nethttp.New(o)
	t.Cleanup(tr.Close)
	return tr
}

func TestDo(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.Method + r.Header.Get("Signature") + r.Host))
	})
	r, err := transport(t, nethttp.Options{}).Do(t.Context(), client.Request{
		Method: "PUT", URL: url + "/x", Header: map[string]string{"Signature": "!"}, Body: []byte("b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != http.StatusTeapot || r.Header["content-type"] != "text/plain" || !strings.HasPrefix(string(r.Body), "PUT!h.localhost:") {
		t.Errorf("answer %+v %s", r, r.Body)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Error("followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	r, err := transport(t, nethttp.Options{}).Do(t.Context(), client.Request{Method: "GET", URL: url + "/"})
	if err != nil || r.Status != http.StatusFound {
		t.Errorf("status %d, %v", r.Status, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
	tr := transport(t, nethttp.Options{})
	if _, err := tr.Do(t.Context(), client.Request{Method: "GET", URL: url, Max: 999}); err == nil {
		t.Error("a too large answer was taken")
	}
	if r, err := tr.Do(t.Context(), client.Request{Method: "GET", URL: url, Max: 1000}); err != nil || len(r.Body) != 1000 {
		t.Errorf("%d bytes, %v", len(r.Body), err)
	}
}

// Names of strangers must not lead into the own network.
func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	tr := transport(t, nethttp.Options{})
	for _, url := range []string{
		"http://example.org/", "http://127.0.0.1:1/", "https://127.0.0.1:1/", "https://10.0.0.1/", "https://[::1]/",
		"https://192.168.1.1/", "https://169.254.169.254/", "https://[fd00::1]/", "https://0.0.0.0/", "https://[::ffff:10.0.0.1]/",
		"ftp://h.localhost/", "https://user:pw@h.localhost/", "https:///", "%",
	} {
		if _, err := tr.Do(t.Context(), client.Request{Method: "GET", URL: url}); err == nil {
			t.Errorf("%s was asked", url)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("the error for %s tells the password", url)
		}
		if _, err := tr.Open(t.Context(), url, nil); err == nil {
			t.Errorf("%s was opened", url)
		}
	}
}

// Ranges that carry an address of the own network inside, or are reserved, are
// not even dialled.
func TestReservedAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	tr := transport(t, nethttp.Options{})
	for _, host := range []string{
		"127.0.0.1", "100.64.0.1", "198.18.0.1", "240.0.0.1", "[::ffff:100.64.0.1]", "[::7f00:1]",
		"[64:ff9b::7f00:1]", "[64:ff9b::a00:1]", "[2002:c0a8:101::1]", "[fec0::1]",
	} {
		_, err := tr.Do(t.Context(), client.Request{Method: "GET", URL: "https://" + host + "/"})
		if err == nil || !strings.Contains(err.Error(), "private address") {
			t.Errorf("%s: %v, want it refused as private", host, err)
		}
	}
}

func TestLANReachesPrivateAddresses(t *testing.T) {
	t.Parallel()
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	url = strings.Replace(url, "h.localhost", "127.0.0.1", 1)
	if _, err := transport(t, nethttp.Options{LAN: true}).Do(t.Context(), client.Request{Method: "GET", URL: url}); err != nil {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	url := strings.Replace(s.URL, "127.0.0.1", "h.localhost", 1)
	s.Close()
	tr := transport(t, nethttp.Options{})
	if _, err := tr.Do(t.Context(), client.Request{Method: "GET", URL: url}); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("request: %v", err)
	}
	if _, err := tr.Open(t.Context(), url, nil); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("socket: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Do(ctx, client.Request{Method: "GET", URL: url}); errors.Is(err, client.ErrUnreachable) || err == nil {
		t.Errorf("given up by the caller: %v", err)
	}
}

func TestSocketEchoes(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"primum.v1"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.CloseNow() }()
		for range 2 {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Write(r.Context(), kind, b); err != nil {
				t.Error(err)
			}
		}
	})
	s, err := transport(t, nethttp.Options{}).Open(t.Context(), url, []string{"primum.v1", "primum.ticket.x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range []bool{true, false} {
		if err := s.Write(t.Context(), binary, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		got, b, err := s.Read(t.Context())
		if err != nil || got != binary || string(b) != "hi" {
			t.Errorf("read %v %q, %v", got, b, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Read(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("read after close: %v", err)
	}
}

func TestRefusedSocketTellsStatus(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	_, err := transport(t, nethttp.Options{}).Open(t.Context(), url, nil)
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Error(err)
	}
}
