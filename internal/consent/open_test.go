package consent_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"primum/grant"
	"primum/internal/jws"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
)

// home is an edge with a claim.
type home struct {
	thing, anchor ed25519.PrivateKey
	id            wire.CircleID
	wire.NewHome
}

func (w *world) claim(thing ed25519.PrivateKey, number uint64, change ...func(*grant.Claim)) *home {
	w.t.Helper()
	h := &home{thing: thing, anchor: newKey(w.t), id: circleID(w.t, hexID())}
	c := grant.Claim{
		ID: w.id(), Number: number, ThingKey: jws.Bytes(public(thing)), Home: h.id.String(), Node: authority, AnchorKey: jws.Bytes(public(h.anchor)),
		Suite: 1, Owner: w.owner.Address(), OwnerIdentityKey: jws.Bytes(w.owner.IdentityKey()), KeyPackage: grant.Hash("key package"),
		Nonce: random(16), At: w.clock.Now(),
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	h.Claim, err = grant.SignClaim(c, thing)
	w.must(err)
	h.Countersignature = w.countersign("laptop", h.Claim)
	h.GroupInfo, _ = w.groupInfo(h.id, h.anchor)
	return h
}

func (w *world) openHome(h *home) {
	w.t.Helper()
	_, err := w.book.OpenHome(w.t.Context(), h.NewHome)
	w.must(err)
}

func (w *world) fenceOf(circle wire.CircleID) string {
	w.t.Helper()
	c, err := w.store.Circles.Get(w.t.Context(), circle)
	w.must(err)
	return c.Fence
}

func TestOpenHome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	thing := newKey(t)
	h := w.claim(thing, 1)
	w.openHome(h)
	w.openHome(h)
	account, err := w.book.Party(t.Context(), h.id)
	w.must(err)
	key, err := w.book.AnchorKey(t.Context(), h.id)
	w.must(err)
	if account != w.owner.Address().String() || !key.Equal(public(h.anchor)) {
		t.Fatalf("party is %s", account)
	}
	try := func(name string, h *home) {
		t.Helper()
		_, err := w.book.OpenHome(t.Context(), h.NewHome)
		w.refused(err, name)
		if _, err := w.store.Circles.Get(t.Context(), h.id); err == nil {
			t.Fatal("a refused home was opened")
		}
	}
	try(wire.ProbConflict, w.claim(thing, 1))
	try(wire.ProbForbidden, w.claim(thing, 2, func(c *grant.Claim) { c.Node = "s.localhost:8402" }))
	try(wire.ProbForbidden, w.claim(thing, 2, func(c *grant.Claim) { c.Owner = w.friend.Account }))
	try(wire.ProbConflict, w.claim(thing, 2, func(c *grant.Claim) { c.OwnerIdentityKey = jws.Bytes(public(newKey(t))) }))
	try(wire.ProbForbidden, w.claim(thing, 2, func(c *grant.Claim) { c.AnchorKey = jws.Bytes(public(newKey(t))) })) // not in the group
	unsigned := w.claim(thing, 2)
	unsigned.Countersignature = h.Countersignature
	try(wire.ProbConflict, unsigned)
	bent := w.claim(thing, 2)
	bent.Claim = bent.Claim[:len(bent.Claim)-8] + "AAAAAAAA"
	try(wire.ProbBadSignature, bent)
	broken := w.claim(thing, 2)
	broken.GroupInfo = broken.GroupInfo[:20]
	try(wire.ProbMalformed, broken)
}

// TestNextClaim: a restored edge opens anew, and what was lived from the old
// home ends.
func TestNextClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	thing := newKey(t)
	first := w.claim(thing, 1)
	w.openHome(first)
	g := w.give(func(p *grant.Params) { p.Home = first.id.String() })
	w.file(g)
	w.openCircle(g)
	other := w.give()
	w.file(other)
	second := w.claim(thing, 2)
	w.openHome(second)
	w.openHome(second)
	_, err := w.book.OpenHome(t.Context(), first.NewHome)
	w.refused(err, wire.ProbConflict)
	if w.fenceOf(first.id) != "replaced" || w.fenceOf(second.id) != "" {
		t.Fatalf("fences are %q and %q", w.fenceOf(first.id), w.fenceOf(second.id))
	}
	if got := w.states(g.Grant); got != "Given by owner;Revoked by node;" {
		t.Fatalf("history is %s", got)
	}
	w.refused(w.send(g), wire.ProbFenced)
	if got := w.states(other.Grant); got != "Given by owner;" {
		t.Fatalf("another home's grant: %s", got)
	}
	_, err = w.book.Party(t.Context(), first.id)
	w.refused(err, wire.ProbFenced)
}

// TestHomeIsNoGrantCircle: whoever knows the id of a home circle can't become
// a party of it with an envelope of their own, nor claim a grant's circle as a
// home; else they could fence it for good.
func TestHomeIsNoGrantCircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.claim(newKey(t), 1)
	w.openHome(h)
	names := func(id wire.CircleID) func(*grant.Params) {
		return func(p *grant.Params) { p.Circle = id.String() }
	}
	attack := func(id wire.CircleID) {
		t.Helper()
		g := w.give(names(id))
		_, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: g.Envelope})
		w.refused(err, wire.ProbConflict)
		_, err = w.book.Close(t.Context(), w.closing(g, "laptop"))
		w.refused(err, wire.ProbNotFound)
		if f := w.fenceOf(id); f != "" {
			t.Fatalf("the circle is fenced: %s", f)
		}
	}
	attack(h.id)
	key, err := w.book.AnchorKey(t.Context(), h.id)
	w.must(err)
	if !key.Equal(public(h.anchor)) {
		t.Fatal("another key speaks for the home circle")
	}

	// Opened at the relay only, as by a crash before its claim was kept.
	half := w.claim(newKey(t), 1)
	_, err = w.relay.Open(t.Context(), relay.Opening{
		Circle: half.id, GroupInfo: half.GroupInfo, AnchorKey: public(half.anchor), Home: true, Account: w.owner.Address().String(),
	})
	w.must(err)
	attack(half.id)
	w.openHome(half)

	g := w.give()
	w.file(g)
	id := circleID(t, g.circle)
	thief := w.claim(newKey(t), 1, func(c *grant.Claim) { c.Home, c.AnchorKey = g.circle, jws.Bytes(public(g.anchor)) })
	thief.GroupInfo, _ = w.groupInfo(id, g.anchor)
	_, err = w.book.OpenHome(t.Context(), thief.NewHome)
	w.refused(err, wire.ProbConflict)
	w.openCircle(g)
	w.must(w.send(g))

	// A restore that kept the circle and lost the grant takes it again.
	kept := w.give()
	id = circleID(t, kept.circle)
	info, _ := w.groupInfo(id, kept.anchor)
	_, err = w.relay.Open(t.Context(), relay.Opening{
		Circle: id, GroupInfo: info, AnchorKey: public(kept.anchor), Account: w.friend.Account.String(),
	})
	w.must(err)
	attack(id)
	w.file(kept)
}

func TestOpenCircleRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	id := circleID(t, g.circle)
	info, _ := w.groupInfo(id, g.anchor)
	open := func(name string, circle wire.CircleID, key ed25519.PublicKey, info []byte) {
		t.Helper()
		_, err := w.book.OpenCircle(t.Context(), circle, key, info)
		w.refused(err, name)
	}
	open(wire.ProbGrantRequired, id, public(g.anchor), info)
	w.file(g)
	open(wire.ProbForbidden, id, public(newKey(t)), info)
	stranger, _ := w.groupInfo(id, newKey(t))
	open(wire.ProbForbidden, id, public(g.anchor), stranger)
	another, _ := w.groupInfo(circleID(t, hexID()), g.anchor)
	open(wire.ProbMalformed, id, public(g.anchor), another)
	w.openCircle(g)
	w.must(w.send(g))
	over := w.give()
	w.file(over)
	w.clock.Advance(8 * 24 * time.Hour)
	info, _ = w.groupInfo(circleID(t, over.circle), over.anchor)
	open(wire.ProbFenced, circleID(t, over.circle), public(over.anchor), info)
}

// TestActiveSet: after a restore nothing flows before the anchor speaks, and
// closings win.
func TestActiveSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.claim(newKey(t), 1)
	w.openHome(h)
	ofHome := func(p *grant.Params) { p.Home = h.id.String() }
	lives, closed, endedSince, foreign := w.give(ofHome), w.give(ofHome), w.give(ofHome), w.give()
	for _, g := range []*given{lives, closed, endedSince, foreign} {
		w.file(g)
		w.openCircle(g)
	}
	_, err := w.book.Close(t.Context(), w.closing(closed, "laptop"))
	w.must(err)
	w.restore()
	for _, g := range []*given{lives, closed, endedSince, foreign} {
		w.refused(w.send(g), wire.ProbFenced)
	}
	entry := func(g *given) grant.ActiveGrant {
		return grant.ActiveGrant{Grant: g.Grant, Opening: grant.Hash(g.Opening), Circle: g.circle}
	}
	sign := func(key ed25519.PrivateKey, home string, grants ...grant.ActiveGrant) wire.ActiveSet {
		t.Helper()
		doc, err := grant.SignActive(grant.Active{ID: w.id(), Home: home, Grants: grants, At: w.clock.Now()}, key)
		w.must(err)
		return wire.ActiveSet{Document: doc}
	}
	given := w.give(ofHome) // after the backup: the node knows nothing of it
	mixed := entry(lives)
	mixed.Grant = foreign.Grant
	set := sign(h.anchor, h.id.String(), entry(lives), entry(closed), entry(foreign), entry(given), mixed)
	w.refused(w.book.Active(t.Context(), h.id, sign(newKey(t), h.id.String(), entry(lives))), wire.ProbBadSignature)
	w.refused(w.book.Active(t.Context(), h.id, sign(h.anchor, hexID(), entry(lives))), wire.ProbConflict)
	w.refused(w.book.Active(t.Context(), wire.CircleID{1}, set), wire.ProbNotFound)
	w.refused(w.send(lives), wire.ProbFenced)
	for range 2 {
		w.must(w.book.Active(t.Context(), h.id, set))
	}
	w.must(w.send(lives))
	for _, g := range []*given2{{closed, "withdrawn", "Withdrawn by owner"}, {endedSince, "replaced", "Revoked by node"}, {foreign, "restored", "Given by owner"}} {
		w.refused(w.send(g.given), wire.ProbFenced)
		id := circleID(t, g.circle)
		last, err := w.store.Grants.Events(t.Context(), g.Grant)
		w.must(err)
		e := last[len(last)-1]
		if w.fenceOf(id) != g.fence || e.State+" by "+e.By != g.event {
			t.Fatalf("fence is %q, last event %s by %s; want %q, %s", w.fenceOf(id), e.State, e.By, g.fence, g.event)
		}
	}
	if w.fenceOf(h.id) != "" {
		t.Fatalf("the home circle is fenced: %s", w.fenceOf(h.id))
	}
	w.clock.Advance(25 * time.Hour)
	w.refused(w.book.Active(t.Context(), h.id, set), wire.ProbExpired)
}

type given2 struct {
	*given
	fence, event string
}

// restore loses the node and brings it back from a backup made now.
func (w *world) restore() {
	w.t.Helper()
	backup, dir := w.t.TempDir()+"/backup", w.t.TempDir()+"/restored"
	w.must(w.store.Backup(context.Background(), backup))
	w.must(w.store.Close())
	_, err := store.Restore(context.Background(), backup, dir, w.clock.Now())
	w.must(err)
	w.open(dir)
}

// BenchmarkWithdraw is withdrawals with an open circle and a reader each, up
// to 64 at once: from the closing to the node's receipt.
func BenchmarkWithdraw(b *testing.B) {
	w := newWorld(b)
	const n = 1000
	for b.Loop() {
		b.StopTimer()
		closings := make([]wire.NewClosing, n)
		for i := range closings {
			g := w.give()
			_, err := w.book.File(context.Background(), wire.NewEnvelope{Envelope: g.Envelope})
			w.must(err)
			id := circleID(b, g.circle)
			info, _ := w.groupInfo(id, g.anchor)
			_, err = w.book.OpenCircle(context.Background(), id, public(g.anchor), info)
			w.must(err)
			_, _, err = w.relay.Subscribe(context.Background(), relay.Caller{Key: public(g.anchor)}, id, 0, deaf{})
			w.must(err)
			closings[i] = w.closing(g, "laptop")
		}
		b.StartTimer()
		took := inParallel(64, closings, func(c wire.NewClosing) {
			if _, err := w.book.Close(context.Background(), c); err != nil {
				b.Error(err)
			}
		})
		b.ReportMetric(float64(took[n*99/100])/1e6, "p99-ms")
		b.ReportMetric(float64(took[n/2])/1e6, "p50-ms")
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "withdrawals/s")
	if got := fmt.Sprint(w.relay.Counters().Fenced); got == "0" {
		b.Fatal("nothing was fenced")
	}
}

type deaf struct{}

func (deaf) Frame(wire.CircleID, uint64, []byte) bool { return true }
func (deaf) End(wire.CircleID, string, time.Time)     {}
