package portal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"primum/internal/clock"
	"primum/internal/peer"
	"primum/internal/portal"
	"primum/internal/wire"
)

// away is another domain's node that tells what it was asked.
type away struct {
	*httptest.Server
	authority string
	asked     chan *http.Request
}

func newAway(t *testing.T, answer http.HandlerFunc) *away {
	t.Helper()
	a := &away{asked: make(chan *http.Request, 100)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		a.asked <- r
		if answer != nil {
			answer(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "spy=1")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(w, `{"echo":`+string(mustJSON(string(body)))+`}`)
	}))
	t.Cleanup(a.Close)
	_, port, err := net.SplitHostPort(a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a.authority = "s.localhost:" + port
	return a
}

func mustJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// carrying opens a portal whose session cookie is "good".
func carrying(t *testing.T, change ...func(*portal.Config)) *portal.Portal {
	t.Helper()
	p := open(t, append([]func(*portal.Config){func(c *portal.Config) {
		c.Loopback, c.LAN, c.Clock = true, true, clock.Real()
		c.Session = func(r *http.Request) (string, bool) {
			k, err := r.Cookie(wire.SessionCookie)
			return "ada@h.localhost:8401", err == nil && k.Value == "good"
		}
	}}, change...)...)
	t.Cleanup(p.Stop)
	return p
}

func page() []string {
	return []string{"Cookie", wire.SessionCookie + "=good", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors"}
}

func TestViaCarriesWhatWasSigned(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	p := carrying(t)
	r := request("POST", "h.localhost:8401", "/via/"+a.authority+"/v1/circles/ab%20c?after=%37", strings.NewReader("body"))
	h := append(page(), "Content-Type", "message/mls", "Signature", "sig1=:x:", "Signature-Input", "sig1=()", "Content-Digest", "sha-256=:y:",
		"Authorization", "secret", "X-Forwarded-For", "1.2.3.4", "User-Agent", "Firefox on a phone", "Accept-Language", "de", "Referer", "http://h.localhost:8401/my", "Origin", "http://h.localhost:8401")
	for i := 0; i < len(h); i += 2 {
		r.Header.Set(h[i], h[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != `{"echo":"body"}` {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	got := <-a.asked
	if got.RequestURI != "/v1/circles/ab%20c?after=%37" || got.Method != "POST" || got.Host != a.authority {
		t.Errorf("asked %s %s at %s", got.Method, got.RequestURI, got.Host)
	}
	for name, want := range map[string]string{
		"Content-Type": "message/mls", "Signature": "sig1=:x:", "Signature-Input": "sig1=()", "Content-Digest": "sha-256=:y:", "User-Agent": "primum/test",
		"Cookie": "", "Authorization": "", "X-Forwarded-For": "", "Accept-Language": "", "Referer": "", "Origin": "", "Sec-Fetch-Site": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s went out as %q, want %q", name, got.Header.Get(name), want)
		}
	}
	for name, want := range map[string]string{
		"Set-Cookie": "", "Access-Control-Allow-Origin": "", "Content-Type": "application/json", "X-Content-Type-Options": "nosniff",
		"Content-Disposition": "attachment", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if w.Header().Get(name) != want {
			t.Errorf("%s came back as %q, want %q", name, w.Header().Get(name), want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") {
		t.Errorf("the answer may become a page: %s", csp)
	}
}

func TestViaRefusals(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	p := carrying(t)
	via := "/via/" + a.authority
	with := func(change ...string) []string { return append(page(), change...) }
	for name, c := range map[string]struct {
		method, target string
		headers        []string
		status         int
		problem        string
	}{
		"no session":           {"GET", via + "/v1/x", with("Cookie", ""), 401, wire.ProbUnsigned},
		"wrong session":        {"GET", via + "/v1/x", with("Cookie", wire.SessionCookie+"=bad"), 401, wire.ProbUnsigned},
		"another site":         {"GET", via + "/v1/x", with("Sec-Fetch-Site", "cross-site"), 403, wire.ProbForbidden},
		"another subdomain":    {"POST", via + "/v1/x", with("Sec-Fetch-Site", "same-site", "Origin", "http://link.h.localhost:8401"), 403, wire.ProbForbidden},
		"typed into the bar":   {"GET", via + "/v1/x", with("Sec-Fetch-Site", "none"), 403, wire.ProbForbidden},
		"as a script":          {"GET", via + "/v1/x", with("Sec-Fetch-Dest", "script"), 403, wire.ProbForbidden},
		"as a worker":          {"GET", via + "/v1/x", with("Sec-Fetch-Dest", "worker"), 403, wire.ProbForbidden},
		"as a frame":           {"GET", via + "/v1/x", with("Sec-Fetch-Dest", "iframe"), 403, wire.ProbForbidden},
		"nothing says whence":  {"GET", via + "/v1/x", with("Sec-Fetch-Site", "", "Sec-Fetch-Dest", ""), 403, wire.ProbForbidden},
		"foreign origin":       {"POST", via + "/v1/x", with("Origin", "http://evil.example"), 403, wire.ProbForbidden},
		"foreign origin alone": {"POST", via + "/v1/x", with("Sec-Fetch-Site", "", "Origin", "null"), 403, wire.ProbForbidden},
		"status page":          {"GET", via + "/", page(), 400, wire.ProbMalformed},
		"metrics":              {"GET", via + "/metrics", page(), 400, wire.ProbMalformed},
		"beside the interface": {"GET", via + "/v1/../metrics", page(), 400, wire.ProbMalformed},
		"hidden dots":          {"GET", via + "/v1/%2e%2e/metrics", page(), 400, wire.ProbMalformed},
		"to a witness":         {"POST", via + "/witness/add-checkpoint", page(), 400, wire.ProbMalformed},
		"beside the logs":      {"GET", via + "/ledgers/public/checkpoint", page(), 400, wire.ProbMalformed},
		"double slash":         {"GET", via + "//v1/x", page(), 400, wire.ProbMalformed},
		"a session elsewhere":  {"POST", via + "/v1/session", page(), 404, wire.ProbNotFound},
		"no authority":         {"GET", "/via//v1/x", page(), 400, wire.ProbMalformed},
		"an address":           {"GET", "/via/192.168.1.1/v1/x", page(), 400, wire.ProbMalformed},
		"a port":               {"GET", "/via/s.example:22/v1/x", page(), 400, wire.ProbMalformed},
		"a user":               {"GET", "/via/me@s.example/v1/x", page(), 400, wire.ProbMalformed},
		"capitals":             {"GET", "/via/S.example/v1/x", page(), 400, wire.ProbMalformed},
		"nothing":              {"GET", "/via/", page(), 400, wire.ProbMalformed},
		"method":               {"PATCH", via + "/v1/x", page(), 405, wire.ProbMalformed},
		"nobody there":         {"GET", "/via/s.localhost:1/v1/x", page(), 502, wire.ProbUnreachable},
	} {
		w := ask(p, c.method, c.target, c.headers...)
		var pr wire.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &pr); err != nil || w.Code != c.status || !pr.Named(c.problem) {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
		}
	}
	if len(a.asked) != 0 {
		t.Errorf("%d refused requests went out", len(a.asked))
	}
}

// A page reads other nodes' ledgers, and what their witnesses saw.
func TestViaReadsLedgers(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	p := carrying(t)
	for _, path := range []string{"/ledger/public/checkpoint", "/ledger/commitments/tile/0/x001/234.p/7", "/witness/checkpoint/00ff"} {
		w := ask(p, "GET", "/via/"+a.authority+path, page()...)
		if w.Code != 200 || len(a.asked) != 1 {
			t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
		}
		if got := <-a.asked; got.RequestURI != path {
			t.Errorf("%s became %s", path, got.RequestURI)
		}
	}
}

func TestViaTakesNoPrivateAddress(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	p := carrying(t, func(c *portal.Config) { c.Loopback = false })
	w := ask(p, "GET", "/via/"+a.authority+"/v1/x", page()...)
	if w.Code != 403 || !strings.Contains(w.Body.String(), "private network") || len(a.asked) != 0 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestViaBoundsSizes(t *testing.T) {
	t.Parallel()
	a := newAway(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/large":
			_, _ = w.Write(make([]byte, 4<<20+1))
		case "/v1/away":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "/v1/page":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<script>")
		}
	})
	p := carrying(t)
	for path, status := range map[string]int{"/v1/large": 502, "/v1/away": 502} {
		if w := ask(p, "GET", "/via/"+a.authority+path, page()...); w.Code != status {
			t.Errorf("%s: status %d, want %d: %.80s", path, w.Code, status, w.Body)
		}
	}
	if w := ask(p, "GET", "/via/"+a.authority+"/v1/page", page()...); w.Code != 200 || w.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("a page came back as %q", w.Header().Get("Content-Type"))
	}
	r := request("POST", "h.localhost:8401", "/via/"+a.authority+"/v1/x", bytes.NewReader(make([]byte, 1<<20+1)))
	for i := 0; i < len(page()); i += 2 {
		r.Header.Set(page()[i], page()[i+1])
	}
	w := httptest.NewRecorder()
	if p.ServeHTTP(w, r); w.Code != 413 {
		t.Errorf("a large body: status %d", w.Code)
	}
}

func TestViaIsLimitedPerAccount(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	p := carrying(t, func(c *portal.Config) {
		c.MayCarry = func(account string) (time.Duration, bool) {
			return 2500 * time.Millisecond, account != "ada@h.localhost:8401"
		}
	})
	if w := ask(p, "GET", "/via/"+a.authority+"/v1/x", page()...); w.Code != 429 || w.Header().Get("Retry-After") != "3" || !strings.Contains(w.Body.String(), `"retryAfter":3`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestViaHasPlacesForOnePerson(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	a := newAway(t, func(http.ResponseWriter, *http.Request) { <-release })
	p := carrying(t)
	done := make(chan int, 64)
	for range 64 {
		go func() { done <- ask(p, "GET", "/via/"+a.authority+"/v1/slow", page()...).Code }()
	}
	// 32 connections to one host are at work; the others wait with their place.
	for range 32 {
		<-a.asked
	}
	waitFor(t, func() bool {
		return ask(p, "GET", "/via/s.localhost:1/v1/x", page()...).Code == http.StatusTooManyRequests
	})
	close(release)
	for range 64 {
		if code := <-done; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if w := ask(p, "GET", "/via/s.localhost:1/v1/x", page()...); w.Code != 502 {
		t.Errorf("a place was not given back: status %d", w.Code)
	}
}

// waitFor asks until something is so, for ten seconds.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not become so")
		case <-tick.C:
		}
	}
}

func TestOwnNodeAnswersItself(t *testing.T) {
	t.Parallel()
	p := carrying(t)
	w := ask(p, "GET", "/via/h.localhost:8401/v1/links/x?a=%20", "Sec-Fetch-Site", "same-origin", "Cookie", wire.SessionCookie+"=good")
	if w.Body.String() != "the door: GET /v1/links/x?a=%20" || w.Header().Get("X-Door") != "" {
		t.Errorf("answer %s, cookie %q", w.Body, w.Header().Get("X-Door"))
	}
}

func TestLANIsForEdgesOnly(t *testing.T) {
	t.Parallel()
	edge := newAway(t, nil)
	p := carrying(t)
	where := "/via-lan/" + edge.Listener.Addr().String()
	if w := ask(p, "POST", where+"/door/claim", page()...); w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if got := <-edge.asked; got.Header.Get("Origin") != "" || got.RequestURI != "/door/claim" {
		t.Errorf("asked %s with origin %q", got.RequestURI, got.Header.Get("Origin"))
	}
	for name, c := range map[string]struct {
		target string
		status int
	}{
		"another path":   {where + "/admin", 400},
		"like the door":  {where + "/doors", 400},
		"dots":           {where + "/door/../admin", 400},
		"the internet":   {"/via-lan/8.8.8.8:80/door", 403},
		"user and place": {"/via-lan/a@127.0.0.1:80/door", 400},
	} {
		if w := ask(p, "GET", c.target, page()...); w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.status, w.Body)
		}
	}
	if w := ask(p, "GET", where+"/door", append(page(), "Cookie", "")...); w.Code != 401 {
		t.Errorf("without a session: status %d", w.Code)
	}
	if w := ask(carrying(t, func(c *portal.Config) { c.LAN = false }), "GET", where+"/door", page()...); w.Code != 404 {
		t.Errorf("on a node of the internet: status %d", w.Code)
	}
	if len(edge.asked) != 0 {
		t.Errorf("%d refused requests went out", len(edge.asked))
	}
}

func TestLinkPagesHaveAnOriginOfTheirOwn(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	p := carrying(t)
	at := func(method, target string, headers ...string) *httptest.ResponseRecorder {
		r := request(method, "link.h.localhost:8401", target, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	w := at("GET", "/l/abcd")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "/assets/link.0123abcd.js") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "connect-src 'self';") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if perms := w.Header().Get("Permissions-Policy"); strings.Contains(perms, "publickey-credentials-get=(self)") || !strings.Contains(perms, "publickey-credentials-get=()") {
		t.Errorf("a guest's page may ask for the portal's passkeys: %s", perms)
	}
	if w := at("GET", "/assets/link.0123abcd.js"); w.Code != 200 {
		t.Errorf("assets: status %d", w.Code)
	}
	for _, path := range []string{"/my", "/sw.js", "/v1/links/x", "/thing/x", "/metrics", "/l/"} {
		if w := at("GET", path); w.Code != 404 || strings.Contains(w.Body.String(), "the door") {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
	if w := at("GET", "/"); w.Code != 303 || w.Header().Get("Location") != "http://h.localhost:8401/" {
		t.Errorf("start: status %d to %q", w.Code, w.Header().Get("Location"))
	}
	if w := at("POST", "/via/h.localhost:8401/v1/links/x", "Origin", "http://link.h.localhost:8401"); w.Body.String() != "the door: POST /v1/links/x" {
		t.Errorf("own node: %s", w.Body)
	}
	if w := at("POST", "/via/h.localhost:8401/v1/links/x", "Origin", "http://h.localhost:8401"); w.Code != 403 {
		t.Errorf("from the portal's origin: status %d", w.Code)
	}
	for _, target := range []string{"/via/" + a.authority + "/v1/x", "/via-lan/" + a.Listener.Addr().String() + "/door"} {
		if w := at("GET", target, page()...); w.Code/100 != 4 {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := ask(p, "GET", "/l/abcd"); w.Body.String() != "the door: GET /l/abcd" {
		t.Errorf("a link page on the portal's origin: %s", w.Body)
	}
	if len(a.asked) != 0 {
		t.Error("a link page reached another node")
	}
}

// echo answers a live socket with what it gets, and says goodbye at "bye".
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	conn.SetReadLimit(2 << 20)
	for {
		kind, b, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if string(b) == "bye" {
			_ = conn.Close(websocket.StatusPolicyViolation, "the client was dropped")
			return
		}
		if conn.Write(r.Context(), kind, b) != nil {
			return
		}
	}
}

// listen serves a portal on a real port and dials a live socket through it.
func listen(t *testing.T, p *portal.Portal, authority string, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}}}
	return websocket.Dial(t.Context(), "ws://h.localhost:8401/via/"+authority+"/v1/live", &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: h, Subprotocols: []string{wire.Subprotocol, wire.TicketPrefix + "abc"},
	})
}

func fromPage() []string {
	return []string{"Cookie", wire.SessionCookie + "=good", "Origin", "http://h.localhost:8401"}
}

func TestViaCarriesALiveSocket(t *testing.T) {
	t.Parallel()
	a := newAway(t, echo)
	conn, _, err := listen(t, carrying(t), a.authority, fromPage()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(2 << 20)
	if got := <-a.asked; got.Header.Get("Cookie") != "" || got.Header.Get("Origin") != "" || !strings.Contains(got.Header.Get("Sec-WebSocket-Protocol"), "primum.ticket.abc") {
		t.Errorf("the socket went out with %v", got.Header)
	}
	if conn.Subprotocol() != wire.Subprotocol {
		t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	for _, frame := range [][]byte{[]byte("hello"), make([]byte, 700<<10)} {
		if err := conn.Write(t.Context(), websocket.MessageBinary, frame); err != nil {
			t.Fatal(err)
		}
		if kind, b, err := conn.Read(t.Context()); err != nil || kind != websocket.MessageBinary || !bytes.Equal(b, frame) {
			t.Fatalf("%d bytes came back as %v, %d bytes: %v", len(frame), kind, len(b), err)
		}
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("bye")); err != nil {
		t.Fatal(err)
	}
	_, _, err = conn.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "the client was dropped") {
		t.Errorf("the end was told as %v", err)
	}
}

func TestCarriedSocketEndsWithThePortal(t *testing.T) {
	t.Parallel()
	a := newAway(t, echo)
	p := carrying(t)
	conn, _, err := listen(t, p, a.authority, fromPage()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	stopped := make(chan struct{})
	go func() { p.Stop(); close(stopped) }()
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("the socket goes on")
	}
	<-stopped
}

// onClock opens a carried socket under a clock that stands still.
func onClock(t *testing.T, answer http.HandlerFunc) (*websocket.Conn, *clock.Manual) {
	t.Helper()
	c := clock.NewManual(begin())
	a := newAway(t, answer)
	conn, _, err := listen(t, carrying(t, func(cfg *portal.Config) { cfg.Clock = c }), a.authority, fromPage()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(2 << 20)
	waiting(t, c, 2) // both ends are watched
	return conn, c
}

func waiting(t *testing.T, c *clock.Manual, timers int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.BlockUntil(ctx, timers); err != nil {
		t.Fatal(err)
	}
}

func TestCarriedSocketIsNotForever(t *testing.T) {
	t.Parallel()
	conn, c := onClock(t, echo)
	c.Advance(wire.SessionLife)
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("after twelve hours: %v", err)
	}
}

func TestCarriedSocketOfAPageThatIsGone(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	_, c := onClock(t, func(w http.ResponseWriter, r *http.Request) { // the page reads nothing, so it answers no ping
		echo(w, r)
		close(ended)
	})
	c.Advance(time.Minute)
	waiting(t, c, 2) // the other end has answered; the page's answer is awaited
	c.Advance(20 * time.Second)
	<-ended
}

func TestCarriedSocketHasAPace(t *testing.T) {
	t.Parallel()
	conn, c := onClock(t, echo)
	got := make(chan int, 8)
	go func() {
		defer close(got)
		for {
			_, b, err := conn.Read(t.Context())
			if err != nil {
				return
			}
			got <- len(b)
		}
	}()
	for range 5 {
		if err := conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	waiting(t, c, 3) // the fifth MiB of this second waits
	c.Advance(time.Second)
	for range 5 {
		select {
		case <-got:
		case <-time.After(20 * time.Second):
			t.Fatal("a frame got lost")
		}
		c.Advance(time.Second)
	}
}

func TestCarriedSocketRefusals(t *testing.T) {
	t.Parallel()
	a := newAway(t, echo)
	p := carrying(t)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"no session":     {[]string{"Origin", "http://h.localhost:8401"}, 401},
		"foreign origin": {[]string{"Cookie", wire.SessionCookie + "=good", "Origin", "http://evil.example"}, 403},
		"no origin":      {[]string{"Cookie", wire.SessionCookie + "=good"}, 403},
	} {
		_, resp, err := listen(t, p, a.authority, c.headers...)
		if err == nil || resp == nil || resp.StatusCode != c.status {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, resp, err := listen(t, p, "s.localhost:1", fromPage()...); err == nil || resp.StatusCode != 502 {
		t.Errorf("nobody there: %v", err)
	}
	if len(a.asked) != 0 {
		t.Error("a refused socket went out")
	}
	conn, _, err := listen(t, p, a.authority, fromPage()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	_ = conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20+1))
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) == -1 {
		t.Errorf("a frame that is too large: %v", err)
	}
}

func TestDialerKnowsOwnAndLocalNames(t *testing.T) {
	t.Parallel()
	a := newAway(t, nil)
	_, port, _ := net.SplitHostPort(a.Listener.Addr().String())
	for name, c := range map[string]struct {
		d  peer.Dialer
		to string
		ok bool
	}{
		"a name of this machine":             {peer.Dialer{}, "s.localhost", false},
		"a name of this machine, locally":    {peer.Dialer{Local: true}, "s.localhost", true},
		"an address of this machine":         {peer.Dialer{Local: true}, "127.0.0.1", false},
		"an address that was named as own":   {peer.Dialer{Own: []string{"127.0.0.1"}}, "127.0.0.1", true},
		"an address on the LAN":              {peer.Dialer{Private: true}, "127.0.0.1", true},
		"an address of the Internet, on LAN": {peer.Dialer{Private: true}, "8.8.8.8", false},
	} {
		conn, err := c.d.DialContext(t.Context(), "tcp", net.JoinHostPort(c.to, port))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}

func FuzzVia(f *testing.F) {
	for _, s := range []string{"s.localhost:1/v1/x", "s.localhost:1/v1/../metrics", "%73.example/v1/x", "//v1", "h.localhost:8401/v1/x?%00"} {
		f.Add(s)
	}
	p, err := portal.New(portal.Config{Authority: "h.localhost:8401", Assets: built(), Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.RequestURI()) // without a session nothing goes further out
	})})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		r := request("GET", "h.localhost:8401", "/", nil)
		r.RequestURI = "/via/" + rest
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code == 200 && !strings.Contains(w.Body.String(), "/v1/") && !strings.Contains(w.Body.String(), "/.well-known/") {
			t.Errorf("%q reached %s", rest, w.Body)
		}
	})
}
