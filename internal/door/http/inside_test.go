package httpdoor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/peer"
	"primum/internal/store"
	"primum/internal/wire"
)

func begin() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func TestLimiterRefillsAndForgets(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(begin())
	l := newLimiter(Rate{PerSecond: 2, Burst: 2}, c)
	for i, want := range []bool{true, true, false} {
		if _, ok := l.take("a"); ok != want {
			t.Errorf("take %d: %v", i, ok)
		}
	}
	if wait, _ := l.take("a"); wait != 500*time.Millisecond {
		t.Errorf("wait %v, want 500ms", wait)
	}
	if _, ok := l.take("b"); !ok {
		t.Error("another key is limited too")
	}
	c.Advance(500 * time.Millisecond)
	if _, ok := l.take("a"); !ok {
		t.Error("not refilled")
	}
	c.Advance(time.Minute)
	l.sweep()
	if n := len(l.buckets); n != 0 {
		t.Errorf("%d buckets after the sweep", n)
	}
	if _, ok := newLimiter(Rate{}, c).take("a"); !ok {
		t.Error("a zero rate limits")
	}
}

// TestAccountsOfOneDomainShareNonces: another domain invents accounts; those of
// this node and anchors stand for themselves.
func TestAccountsOfOneDomainShareNonces(t *testing.T) {
	t.Parallel()
	d := &Door{cfg: Config{Authority: "h.example"}}
	account := func(user, domain string) string {
		return d.invents(caller{account: identity.Address{User: user, Authority: domain}})
	}
	if account("one", "x.example") != account("two", "x.example") || account("one", "x.example") != d.invents(caller{node: "x.example"}) {
		t.Error("another domain's accounts stand for themselves")
	}
	seen := map[string]bool{}
	for _, s := range []string{
		account("one", "x.example"), account("one", "y.example"), account("one", "h.example"), account("two", "h.example"),
		d.invents(caller{anchor: true, circle: wire.CircleID{1}}), d.invents(caller{anchor: true, circle: wire.CircleID{2}}),
	} {
		if seen[s] {
			t.Errorf("%q stands for two", s)
		}
		seen[s] = true
	}
}

func TestLimiterMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := newLimiter(Rate{PerSecond: 1, Burst: 5}, clock.NewManual(begin()))
	for i := range maxBuckets + 1000 {
		l.take(strconv.Itoa(i))
	}
	if n := len(l.buckets); n > maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

func TestTicketsAreBounded(t *testing.T) {
	t.Parallel()
	var k tickets
	for range maxTickets {
		if _, _, ok := k.issue(caller{}, begin()); !ok {
			t.Fatal("refused too early")
		}
	}
	if _, _, ok := k.issue(caller{}, begin()); ok {
		t.Error("more tickets than are kept")
	}
	if _, _, ok := k.issue(caller{}, begin().Add(ticketLife)); !ok {
		t.Error("expired tickets take room")
	}
	k.sweep(begin().Add(3 * ticketLife))
	if len(k.open) != 0 {
		t.Errorf("%d tickets after the sweep", len(k.open))
	}
}

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remote, forwarded string
		proxy             bool
		want              string
	}{
		{"192.0.2.7:1234", "", false, "192.0.2.7"},
		{"[2001:db8:1:2:3:4:5:6]:1234", "", false, "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.7]:1234", "", false, "192.0.2.7"},
		{"127.0.0.1:1234", "203.0.113.9, 198.51.100.1", true, "198.51.100.1"},
		{"127.0.0.1:1234", "198.51.100.1", false, "127.0.0.1"},
		{"192.0.2.7:1234", "198.51.100.1", true, "192.0.2.7"},
		{"127.0.0.1:1234", "nonsense", true, "unknown"},
	} {
		d := &Door{cfg: Config{Proxy: c.proxy}}
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := d.addressOf(r); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	d := &Door{}
	for _, c := range []struct {
		err  error
		want string
	}{
		{problem(wire.ProbForbidden, "x"), wire.ProbForbidden},
		{fmt.Errorf("wrapped: %w", &wire.Refusal{Name: wire.ProbStaleEpoch, Epoch: 7}), wire.ProbStaleEpoch},
		{fmt.Errorf("x: %w", store.ErrDiskFull), wire.ProbStorage},
		{fmt.Errorf("x: %w", store.ErrClosed), wire.ProbStorage},
		{fmt.Errorf("x: %w", store.ErrNotFound), wire.ProbNotFound},
		{fmt.Errorf("x: %w", store.ErrInvite), wire.ProbInvite},
		{fmt.Errorf("x: %w", store.ErrExists), wire.ProbConflict},
		{fmt.Errorf("x: %w", peer.ErrUnreachable), wire.ProbUnreachable},
		{context.DeadlineExceeded, wire.ProbUnreachable},
		{errors.New("secret detail"), wire.ProbInternal},
	} {
		p := d.explain(c.err)
		if !p.Named(c.want) || strings.Contains(p.Detail, "secret") {
			t.Errorf("%v: %+v", c.err, p)
		}
	}
	for name := range kinds() {
		if p := problem(name, ""); p.Status < 400 || p.Title == "" || !p.Named(name) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := problem("unheard-of", ""); !p.Named(wire.ProbInternal) {
		t.Errorf("an unknown name: %+v", p)
	}
}

func TestPanicIsAProblemWithoutItsValue(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := &Door{cfg: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	d.handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("canary value") })
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != problemType {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
	if strings.Contains(log.String(), "canary") || strings.Contains(w.Body.String(), "canary") || !strings.Contains(log.String(), "inside_test.go") && !strings.Contains(log.String(), "TestPanic") {
		t.Errorf("log %q, body %q", log.String(), w.Body)
	}
}

func TestOutletHoldsAndReleases(t *testing.T) {
	t.Parallel()
	conn := &countingConn{}
	o := &outlet{Conn: conn}
	write := func(s string) {
		t.Helper()
		if n, err := o.Write([]byte(s)); err != nil || n != len(s) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	write("a")
	o.hold()
	write("b")
	write("c")
	if conn.writes != 1 {
		t.Errorf("%d writes while held, want 1", conn.writes)
	}
	if err := o.release(); err != nil || conn.String() != "abc" || conn.writes != 2 {
		t.Errorf("released %q in %d writes, %v", conn.String(), conn.writes, err)
	}
	o.hold()
	write(strings.Repeat("x", outletMax))
	if conn.writes != 3 {
		t.Errorf("what is held is not bounded")
	}
	conn.fail = errors.New("broken")
	_ = o.release()
	if _, err := o.Write([]byte("d")); err == nil {
		t.Error("a broken connection takes more")
	}
	if _, err := o.Write([]byte("e")); err == nil {
		t.Error("an error is forgotten")
	}
}

// countingConn counts writes.
type countingConn struct {
	net.Conn
	bytes.Buffer
	writes int
	fail   error
}

func (c *countingConn) Write(b []byte) (int, error) {
	if c.fail != nil {
		return 0, c.fail
	}
	c.writes++
	return c.Buffer.Write(b)
}

func (c *countingConn) Read(b []byte) (int, error) { return c.Buffer.Read(b) }

func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }

func TestGuestsHaveNoPortal(t *testing.T) {
	t.Parallel()
	d := &Door{}
	called := false
	handle := d.forPersons(func(context.Context, *call) (any, error) { called = true; return nil, nil })
	for user, allowed := range map[string]bool{wire.GuestPrefix + "abcdefgh": false, "ada": true} {
		called = false
		_, err := handle(t.Context(), &call{who: caller{account: identity.Address{User: user, Authority: "h.example"}}})
		if called != allowed || (err == nil) != allowed {
			t.Errorf("%s: called %t, error %v", user, called, err)
		}
	}
}

func TestSessionCookieUnderTLSIsOfOneHost(t *testing.T) {
	t.Parallel()
	d := &Door{cfg: Config{TLS: true}}
	if c := d.cookie("x", 1); c.Name != "__Host-"+wire.SessionCookie || !c.Secure || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie: %+v", c)
	}
}
