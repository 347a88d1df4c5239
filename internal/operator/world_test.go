package operator_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"primum/internal/clock"
	"primum/internal/operator"
	"primum/internal/portal"
	"primum/internal/store"
	"primum/internal/webtest"
	"primum/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }

// world is a node's pages without the node: real store, real portal.
type world struct {
	t         *testing.T
	store     *store.Store
	portal    *portal.Portal
	base      string
	authority string
	clock     *clock.Manual
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), dir, store.Options{})
	must(t, err)
	t.Cleanup(func() { _ = st.Close() })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	must(t, err)
	w := &world{t: t, store: st, authority: "h.localhost:" + port, base: "http://h.localhost:" + port, clock: clock.NewManual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))}
	w.portal, err = portal.New(portal.Config{Authority: w.authority, Clock: w.clock, Next: http.NotFoundHandler()})
	must(t, err)
	t.Cleanup(w.portal.Stop)
	o, err := operator.New(operator.Config{
		Authority: w.authority, Base: w.base, Version: "1.4.0", DataDir: dir, Invite: true, Limits: limits(), Since: w.clock.Now().Add(-50 * time.Hour),
		Clock: w.clock, Store: st, Pages: w.portal, Metrics: metrics(t), Reports: w.portal.Reports, Next: w.portal,
	})
	must(t, err)
	s := httptest.NewUnstartedServer(o)
	_ = s.Listener.Close()
	s.Listener = ln
	s.Start()
	t.Cleanup(s.Close)
	return w
}

func limits() []operator.Limit {
	return []operator.Limit{
		{ID: "address", PerSecond: 50, Burst: 400},
		{ID: "sign"},
		{ID: "circle", Bytes: 256 << 20},
		{ID: "retention", Span: 30 * 24 * time.Hour},
		{ID: "sockets", Most: 20000},
	}
}

func metrics(t *testing.T) prometheus.Gatherer {
	t.Helper()
	reg := prometheus.NewRegistry()
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "primum_refusals_total"}, []string{"problem"})
	sockets := prometheus.NewGauge(prometheus.GaugeOpts{Name: "primum_live_sockets"})
	must(t, reg.Register(refusals))
	must(t, reg.Register(sockets))
	refusals.WithLabelValues("not-permitted").Add(3)
	refusals.WithLabelValues("too-many").Add(17)
	sockets.Set(12)
	return reg
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill puts into the store what operators see, and what they must not.
func (w *world) fill() {
	w.t.Helper()
	ctx, now := w.t.Context(), w.clock.Now()
	for _, name := range []string{"ada", "ben", "cem", "dora"} {
		address := name + "@" + w.authority
		doc := store.Identity{Account: address, Version: 1, Hash: name, IdentityKey: []byte(name), Expires: now.Add(20 * 24 * time.Hour), Received: now, Checked: now, Document: "{}"}
		if name == "dora" {
			doc.Expires = now.Add(-time.Hour)
		}
		must(w.t, w.store.Accounts.Create(ctx, store.Account{Address: address, Created: now}, doc, nil))
	}
	must(w.t, w.store.Identities.Suspend(ctx, store.Suspension{Account: "ben@" + w.authority, Client: "phone", At: now, Version: 1, Document: "{}"}))
	document, err := json.Marshal(wire.Notice{Title: "Weather station on the roof"})
	must(w.t, err)
	must(w.t, w.store.Notices.Put(ctx, store.Notice{ID: "roof-weather-1", Account: "secret-owner@" + w.authority, Changed: now, Document: document}, 10))
	must(w.t, w.store.Outbox.Put(ctx, store.Outgoing{
		ID: "1", From: "secret-sender@" + w.authority, To: "secret-recipient@s.example", Authority: "secret-domain.example",
		Created: now, Due: now, Expires: now.Add(time.Hour), Problem: "secret-problem", Body: []byte("secret-body"),
	}, 0))
	_, _, err = w.store.Inbox.Put(ctx, store.Item{
		Account: "ada@" + w.authority, ID: "secret-item", Kind: "secret-kind", From: "secret-asker@s.example", Received: now, Expires: now.Add(time.Hour), Sealed: []byte("secret-sealed"),
	}, store.InboxLimits{})
	must(w.t, err)
	must(w.t, w.store.Grants.Apply(ctx, store.Change{
		New: &store.Grant{
			ID: "secret-grant", Circle: wire.CircleID{1}, Owner: "secret-owner@" + w.authority, Grantee: "secret-grantee@s.example",
			GrantKey: []byte("secret-key"), AnchorKey: []byte("secret-anchor"), OpeningHash: "secret-opening", From: now, Until: now.Add(time.Hour),
			State: "Given", EnvelopeHash: "secret-hash", Envelope: "secret-terms",
		},
		Event: store.GrantEvent{State: "Given", At: now, By: "secret-owner", Hash: "secret-event", Document: "secret-document", Receipt: "secret-receipt"},
	}))
}

// invite is the one-time address of a new operator.
func (w *world) invite(name string, role operator.Role) string {
	w.t.Helper()
	url, _, err := operator.Add(context.Background(), w.store, w.base, name, role, w.clock.Now())
	must(w.t, err)
	return url
}

// built skips a test that needs the pages' script where it was not built.
func (w *world) built() {
	w.t.Helper()
	if w.portal.Asset("operator.js") != "" {
		return
	}
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		w.t.Fatal("the pages are not built (and PRIMUM_NEED_ALL=1): go generate ./internal/portal")
	}
	w.t.Skip("the pages are not built: go generate ./internal/portal")
}

// enter registers an operator in a browser of their own, who is then inside.
func (w *world) enter(name string, role operator.Role) (*webtest.Tab, *webtest.Authenticator) {
	w.t.Helper()
	w.built()
	tab := webtest.NewTab(w.t)
	keys := tab.Authenticator()
	tab.Open(w.invite(name, role))
	tab.Click("@register")
	tab.WaitVisible("@tab-overview")
	return tab, keys
}

// cookie is the session of the tab, which its pages can't read.
func cookie(tab *webtest.Tab, name string) *http.Cookie {
	for _, c := range tab.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// session makes an operator with a session, without a browser.
func (w *world) session(name string, role operator.Role) *http.Cookie {
	w.t.Helper()
	w.invite(name, role)
	value := (name + strings.Repeat("x", 43))[:43]
	must(w.t, w.store.Operators.Open(w.t.Context(), store.OperatorSession{
		Hash: operator.HashOf(value), Name: name, Opened: w.clock.Now(), Until: w.clock.Now().Add(time.Hour),
	}, nil, store.OperatorKey{}, store.Act{At: w.clock.Now(), Who: name, Act: "login"}))
	return &http.Cookie{Name: "primum-operator", Value: value}
}
