package httpdoor_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"primum/identity"
	httpdoor "primum/internal/door/http"
	"primum/internal/node"
	"primum/internal/store"
	"primum/internal/wire"
)

// organisation opens the account of an organisation at the node.
func (w *world) organisation(user string) *account {
	w.t.Helper()
	a := w.prepareAs(user, identity.Organisation)
	w.want(http.StatusNoContent, w.do(request{method: "POST", path: "/v1/accounts", json: wire.NewAccount{Identity: a.doc.Compact()}}))
	return a
}

// TestQuotaOfAnOrganisation: it is refused clearly beyond its quota; its rights,
// its own numbers and every person are not.
func TestQuotaOfAnOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "h.localhost", func(c *node.Config) { c.Quotas = map[string]uint64{"requests": 3} })
	org, person := w.organisation("adviser"), w.join("ada")
	ask := func(a *account, path string) response { return w.do(a.signs(request{method: "GET", path: path})) }
	for range 3 {
		w.want(200, ask(org, "/v1/grants"))
	}
	p := w.refused(wire.ProbQuota, ask(org, "/v1/grants"))
	if p.Retry != 10*3600 || !strings.Contains(p.Detail, "requests") || !strings.Contains(p.Detail, "2026-11-23T00:00:00Z") || !strings.Contains(string(p.More), "requests") {
		t.Errorf("the refusal says %+v, %s", p, p.More)
	}
	for range 5 {
		w.want(200, ask(person, "/v1/grants"))
		w.want(200, ask(org, "/v1/rights/access"))
	}
	used := into[wire.Usage](t, w.want(200, ask(org, "/v1/usage")))
	if used.Domain != w.node.Authority() || len(used.Sums) != 1 || used.Sums[0].N != 3 || used.Sums[0].Meter != "requests" {
		t.Errorf("the organisation is told %+v", used)
	}
	if own := into[wire.Usage](t, w.want(200, ask(person, "/v1/usage"))); own.Domain != "" || len(own.Sums) > 0 {
		t.Errorf("a person is counted: %+v", own)
	}
	w.clock.Advance(10 * time.Hour) // midnight
	w.want(200, ask(org, "/v1/grants"))
}

// usage are the sums that are kept.
func (r *room) usage() map[string]uint64 {
	r.t.Helper()
	if err := r.meter.Keep(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	sums, err := r.store.Usages.List(r.t.Context(), begin().Add(-24*time.Hour), begin().Add(24*time.Hour), "", store.Usage{}, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, s := range sums {
		out[s.Meter] += s.N
	}
	return out
}

// TestWhatOrganisationsGetIsCountedExactly: each gets the same messages, a person
// and an organisation; one of them is counted.
func TestWhatOrganisationsGetIsCountedExactly(t *testing.T) {
	t.Parallel()
	r := newRoom(t, httpdoor.DefaultLimits(true))
	for _, kind := range []identity.Kind{identity.Person, identity.Organisation} {
		m := r.memberOf("grantee-"+string(kind), kind)
		c := r.open(m)
		since := r.add(c, m)
		s := r.connect(m)
		before := r.usage()
		s.subscribe(c.id, since.WelcomeAt)
		got, bytes := uint64(0), uint64(0)
		for range 5 {
			r.say(c, "value")
			f := s.frame()
			got, bytes = got+1, bytes+uint64(len(f.Message))
		}
		after := r.usage()
		for meter, n := range map[string]uint64{"delivered": got, "delivered-bytes": bytes} {
			if kind == identity.Person {
				n = 0
			}
			if after[meter]-before[meter] != n {
				t.Errorf("%s: %s rose by %d, want %d", kind, meter, after[meter]-before[meter], n)
			}
		}
	}
}

// TestSocketEndsBeyondTheQuota: within seconds; asking for the next one tells why.
func TestSocketEndsBeyondTheQuota(t *testing.T) {
	t.Parallel()
	r := newRoom(t, httpdoor.DefaultLimits(true), map[string]uint64{"delivered": 2})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.door.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	m := r.memberOf("adviser", identity.Organisation)
	c := r.open(m)
	since := r.add(c, m)
	s := r.connect(m)
	s.subscribe(c.id, since.WelcomeAt)
	for range 2 {
		r.say(c, "value")
		s.frame()
	}
	wait, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := r.clock.BlockUntil(wait, 1); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(15 * time.Second)
	_, _, err := s.c.Read(wait)
	if websocket.CloseStatus(err) != websocket.StatusTryAgainLater || !strings.Contains(err.Error(), "quota") {
		t.Errorf("the socket ended with %v", err)
	}
}
