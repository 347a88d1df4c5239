package circle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/identity"
)

// pairOfClients is a claimed edge whose owner has two clients: the phone, and
// the tablet that a thief has.
type pairOfClients struct {
	*world
	edge          *anchor.Anchor
	owner, friend *account
	phone, tablet *ownerActor
	home          core.ID
}

func newPair(t testing.TB) *pairOfClients {
	t.Helper()
	w := newWorld(t)
	p := &pairOfClients{world: w, owner: w.person(ownerName, "phone", "tablet"), friend: w.person(friendName, "phone")}
	p.edge = w.anchor("edge", nil)
	check(t, p.edge.SetThings(usualThings()))
	p.phone, p.tablet = w.client(ownerName, "phone"), w.client(ownerName, "tablet")
	p.home = w.claim(p.edge, p.phone)
	w.client(friendName, "phone")
	w.run()
	if !p.tablet.Homes()[0].Ready {
		t.Fatal("the second client is not ready")
	}
	return p
}

// says sends a message of a client into the home circle, whatever it is.
func (p *pairOfClients) says(o *ownerActor, m core.HomeMessage) {
	p.t.Helper()
	check(p.t, o.Do(func() error {
		o.Say(o.Rooms[p.home], m, "")
		return nil
	}))
	p.run()
}

func (p *pairOfClients) suspend() {
	p.t.Helper()
	id := must[string](p.t)(identity.NewID(p.edge.Rand, p.clock.Now()))
	doc := must[string](p.t)(identity.SignSuspension(
		identity.Suspension{ID: id, Account: p.owner.address, Client: "phone", At: p.clock.Now()}, p.owner.clients["phone"],
	))
	p.says(p.phone, core.HomeMessage{T: core.HomeIdentity, Documents: []string{doc}})
}

// drop takes the tablet out of the account, and gives every clock time to act.
func (p *pairOfClients) drop() {
	p.t.Helper()
	p.publish(p.owner, "phone")
	check(p.t, p.edge.Identity(p.owner.doc.Compact()))
	check(p.t, p.phone.Identity(p.owner.doc.Compact()))
	p.pass(3*time.Hour, 20*time.Minute)
}

// stolen is a grant that the thief gives with the tablet's keys.
func (p *pairOfClients) stolen(change func(*grant.Envelope)) core.GrantBundle {
	p.t.Helper()
	b := grantBy(p.t, p.world, p.owner.clients["tablet"], "tablet", p.tablet, p.home, p.friend)
	if change != nil {
		var e grant.Envelope
		check(p.t, core.Unverified(b.Envelope, &e))
		change(&e)
		b.Envelope = must[string](p.t)(grant.SignEnvelope(e, p.owner.clients["tablet"]))
	}
	return b
}

func (p *pairOfClients) idOf(b core.GrantBundle) string {
	p.t.Helper()
	var e grant.Envelope
	check(p.t, core.Unverified(b.Envelope, &e))
	return e.Grant
}

// notOpen asks that no client signed a thief's grant, and no circle was made.
func (p *pairOfClients) notOpen(b core.GrantBundle) {
	p.t.Helper()
	id := p.idOf(b)
	if g := p.edge.Grants[id]; g != nil && (g.State != core.GrantDeclined || p.edge.Rooms[g.Circle] != nil) {
		p.t.Errorf("at the edge the thief's grant is %s %s", g.State, g.Text)
	}
	g := p.phone.GivenGrants[id]
	if g == nil {
		return
	}
	if g.Bundle.Envelope != b.Envelope || g.Envelope.Client == "phone" {
		p.t.Error("the honest client signed the thief's grant")
	}
	if g.State == grant.Given {
		p.t.Error("the honest client still holds it for given")
	}
}

// P2: what a stolen client gave while giving was suspended is signed by nobody
// when the client is dropped.
func TestP2AThiefsGrantUnderSuspensionIsDeclined(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.suspend()
	b := p.stolen(nil)
	p.says(p.tablet, core.HomeMessage{T: core.HomeGive, Grant: &b})
	if g := p.edge.Grants[p.idOf(b)]; g == nil || g.State != core.GrantDeclined {
		t.Fatalf("under suspension the grant is %+v", g)
	}
	p.drop()
	p.notOpen(b)
}

// P2: nor what waits because it was signed long ago.
func TestP2AThiefsWaitingGrantIsSignedByNobodyElse(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	b := p.stolen(func(e *grant.Envelope) { e.Issued = e.Issued.Add(-48 * time.Hour) })
	// The thief's own client would sign it again.
	p.says(p.tablet, core.HomeMessage{T: core.HomeGive, Grant: &b})
	if g := p.edge.Grants[p.idOf(b)]; g == nil || g.State != core.GrantWaiting {
		t.Fatalf("an old envelope's grant is %+v", g)
	}
	if p.phone.GivenGrants[p.idOf(b)] == nil {
		t.Fatal("the other client did not learn of the grant")
	}
	p.drop()
	p.notOpen(b)
	if e := p.lastOf(ownerName+phone, core.EventDeclined); e.Grant != p.idOf(b) || e.Text == "" {
		t.Errorf("the owner is told %+v", e)
	}
	if p.phone.Homes()[0].Joined && len(p.edge.State.Stock) != core.StockSize {
		t.Errorf("%d pairs in stock, want those of the phone alone", len(p.edge.State.Stock))
	}
}

// P2: nor what the thief signed in the name of the other client.
func TestP2AGrantInAnothersNameIsNotLearnt(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	b := p.stolen(func(e *grant.Envelope) { e.Issued, e.Client = e.Issued.Add(-48*time.Hour), "phone" })
	p.says(p.tablet, core.HomeMessage{T: core.HomeGive, Grant: &b})
	if g := p.phone.GivenGrants[p.idOf(b)]; g != nil {
		t.Error("a grant in the own name, signed by another key, was learnt")
	}
	if g := p.edge.Grants[p.idOf(b)]; g != nil {
		t.Errorf("the edge keeps it as %s", g.State)
	}
	p.drop()
	p.notOpen(b)
}

// P5: a refused or waiting grant may name any circle; ending it touches neither
// the home nor the circle of another grant.
func TestP5ARefusedGrantEndsNoOthersCircle(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"fresh": false, "stale": true} {
		for _, target := range []string{"home", "grant", "stock"} {
			t.Run(name+" "+target, func(t *testing.T) {
				t.Parallel()
				p := newPair(t)
				good := must[string](t)(p.phone.Give(p.params(p.home, p.friend, every(time.Minute))))
				p.run()
				c := map[string]string{
					"home": p.home.String(), "grant": p.phone.GivenGrants[good].Envelope.Circle,
					"stock": p.phone.Mem.Homes[p.home.String()].Stock[0].Circle.String(),
				}[target]
				p.endsOnlyItself(p.naming(c, old), good)
			})
		}
	}
}

// naming is a well signed grant of the tablet that names a circle it has no
// right to.
func (p *pairOfClients) naming(circle string, old bool) core.GrantBundle {
	p.t.Helper()
	h := p.tablet.Mem.Homes[p.home.String()]
	s := h.Stock[0]
	s.Circle = must[core.ID](p.t)(core.ParseID(circle))
	shares := []grant.Share{{Thing: "meter", Actions: []string{grant.OpObserve}, Affordances: []string{"power"}, Precision: every(time.Minute)}}
	params := must[grant.Params](p.t)(p.tablet.GrantParams(p.params(p.home, p.friend, every(time.Minute)), h, s, p.friend.doc, shares))
	if old {
		params.Now = params.Now.Add(-48 * time.Hour)
	}
	signed := must[grant.Signed](p.t)(grant.New(params))
	return core.GrantBundle{Envelope: signed.Envelope, Terms: signed.Terms, Opening: signed.Opening, Closing: signed.Closing}
}

// endsOnlyItself gives b and withdraws it over the LAN.
func (p *pairOfClients) endsOnlyItself(b core.GrantBundle, good string) {
	p.t.Helper()
	p.says(p.tablet, core.HomeMessage{T: core.HomeGive, Grant: &b})
	g := p.edge.Grants[p.idOf(b)]
	if g == nil || g.State != core.GrantDeclined {
		p.t.Fatalf("the grant of another's circle is %+v", g)
	}
	cs, _, err := p.tablet.Countersign(b.Closing)
	check(p.t, err)
	must[string](p.t)(p.edge.Withdraw(core.Withdrawal{Closing: b.Closing, Countersignature: cs}))
	p.run()
	rooms := p.edge.Rooms
	if r := rooms[p.edge.Grants[good].Circle]; r == nil || r.MLS == nil || p.edge.Grants[good].State != core.GrantOpen {
		p.t.Errorf("the other grant's circle is gone; it is %s", p.edge.Grants[good].State)
	}
	if r := p.edge.Home(); r == nil || r.MLS == nil {
		p.t.Fatal("the home circle is gone")
	}
	must[string](p.t)(p.phone.Give(p.params(p.home, p.friend, every(time.Minute))))
	p.feed(p.edge, 8)
	p.pass(2*time.Minute, time.Minute)
	if len(rooms) != 3 || p.newest(friendName+phone) != "8" {
		p.t.Errorf("%d circles, the friend reads %q, want three and 8", len(rooms), p.newest(friendName+phone))
	}
}

// P5: answers that can't leave don't pile up.
func TestP5AnswersOfAPausedGrantAreBounded(t *testing.T) {
	t.Parallel()
	const most = 256
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	fo := w.client(friendName, "phone")
	p := w.params(home, friend, every(time.Minute))
	p.From = w.clock.Now().Add(time.Hour)
	id := must[string](t)(owner.Give(p))
	w.run()
	g := edge.Grants[id]
	if g.State != core.GrantPaused || fo.Rooms[g.Circle] == nil {
		t.Fatalf("the grant is %s, want paused before its begin", g.State)
	}
	ask := []byte(`[` + strings.Repeat(`{"op":"readproperty","id":"1","name":"power"},`, 15) + `{"op":"nonce","id":"2"}]`)
	check(t, fo.Do(func() error {
		for range 80 {
			fo.Enqueue(fo.Rooms[g.Circle], core.Outgoing{Plain: ask, Size: core.SizeMedium})
		}
		return nil
	}))
	w.run()
	r := edge.Rooms[g.Circle]
	if n := len(r.Queue); n < most || n > most+8 {
		t.Errorf("%d messages wait in the paused circle, want the %d answers that may", n, most)
	}
	if r.Bad < 80*16-most {
		t.Errorf("%d entries were passed over", r.Bad)
	}
	w.pass(time.Hour, 20*time.Minute)
	if n := len(r.Queue); n > 8 || g.State != core.GrantOpen {
		t.Errorf("%d messages wait after the pause; the grant is %s", n, g.State)
	}
	ref := must[string](t)(fo.Read(member.ReadParams{Circle: g.Circle, Name: "power"}))
	w.feed(edge, 3)
	w.pass(time.Minute, time.Minute)
	if e := w.lastOf(friendName+phone, core.EventHistory); e.Ref != ref {
		t.Errorf("after the pause the answer is %+v", e)
	}
}

// endlessHistory has a sample in every millisecond, and counts.
type endlessHistory struct{ given int }

func (h *endlessHistory) History(thing, name string, from, to time.Time, limit int) (out []core.Sample, err error) {
	for at := from.Add(time.Millisecond - 1).Truncate(time.Millisecond); at.Before(to) && len(out) < limit; at = at.Add(time.Millisecond) {
		out = append(out, core.Sample{Thing: thing, Name: name, At: at, Value: json.RawMessage("1")})
	}
	h.given += len(out)
	return out, nil
}

// P5: one question makes the edge look at so many samples and no more.
func TestP5OneReadLooksAtABoundedPast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	h := &endlessHistory{}
	edge := w.anchor("edge", h)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	fo := w.client(friendName, "phone")
	id := must[string](t)(owner.Give(w.params(home, friend, every(24*time.Hour))))
	w.run()
	w.pass(2*24*time.Hour, 12*time.Hour)
	h.given = 0
	check(t, fo.Do(func() error {
		ask := core.EncodeInner(core.Inner{Op: grant.OpRead, ID: "1", Name: "power", Since: worldStart.UTC()})
		fo.Enqueue(fo.Rooms[edge.Grants[id].Circle], core.Outgoing{Plain: ask, Size: core.SizeMedium})
		return nil
	}))
	w.run()
	if h.given == 0 || h.given > 310_000 {
		t.Errorf("one read looked at %d samples", h.given)
	}
}

// byID is a grant of the tablet that bears the id of another one, made at the
// time at, and the seed of its grant key.
func (p *pairOfClients) byID(id string, at time.Time) (b core.GrantBundle, key ed25519Key) {
	p.t.Helper()
	raw := must[[]byte](p.t)(hex.DecodeString(strings.ReplaceAll(id, "-", "")))
	var drawn bytes.Buffer
	h := p.tablet.Mem.Homes[p.home.String()]
	shares := []grant.Share{{Thing: "meter", Actions: []string{grant.OpObserve}, Affordances: []string{"power"}, Precision: every(time.Minute)}}
	params := must[grant.Params](p.t)(p.tablet.GrantParams(p.params(p.home, p.friend, every(time.Minute)), h, h.Stock[0], p.friend.doc, shares))
	params.Now, params.Rand = at, io.TeeReader(io.MultiReader(bytes.NewReader(raw[6:]), rand.Reader), &drawn)
	signed := must[grant.Signed](p.t)(grant.New(params))
	if id != signed.Grant {
		p.t.Fatalf("the id is %s, want %s", signed.Grant, id)
	}
	seed := drawn.Bytes()[10+32:][:ed25519.SeedSize] // after the id and kGrant
	return core.GrantBundle{Envelope: signed.Envelope, Terms: signed.Terms, Opening: signed.Opening, Closing: signed.Closing}, ed25519.NewKeyFromSeed(seed)
}

// P8: no other client takes a grant's closing away, neither from who gave it nor
// from the edge where it waits.
func TestP8NoOtherClientReplacesAGrant(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.offline["edge"] = true
	p.cut("edge")
	at := p.clock.Now()
	id := must[string](t)(p.phone.Give(p.params(p.home, p.friend, every(time.Minute))))
	p.run()
	was := p.phone.GivenGrants[id].Bundle
	b, _ := p.byID(id, at)
	p.clock.Advance(25 * time.Hour)
	var e grant.Envelope
	check(t, core.Unverified(b.Envelope, &e))
	e.Issued = p.clock.Now()
	b.Envelope = must[string](t)(grant.SignEnvelope(e, p.owner.clients["tablet"]))
	p.says(p.tablet, core.HomeMessage{T: core.HomeGive, Grant: &b})
	if g := p.phone.GivenGrants[id]; g.Bundle != was || g.Envelope.Client != "phone" {
		t.Error("the giver's documents were replaced")
	}
	p.offline["edge"], p.offline[ownerName+phone] = false, true
	p.run()
	if g := p.edge.Grants[id]; g == nil || g.State != core.GrantWaiting || g.Bundle.Closing != was.Closing {
		t.Fatalf("at the edge the grant is %+v", g)
	}
	p.offline[ownerName+phone] = false
	p.pass(2*time.Hour, 20*time.Minute)
	if g := p.edge.Grants[id]; g.State != core.GrantOpen || g.Bundle.Closing != was.Closing {
		t.Fatalf("signed again by its giver the grant is %s %s", g.State, g.Text)
	}
	if g := p.tablet.GivenGrants[id]; g == nil || g.Bundle.Envelope != p.edge.Grants[id].Bundle.Envelope {
		t.Error("the other client did not take the newer envelope")
	}
	check(t, p.phone.Withdraw(id))
	p.run()
	if g := p.phone.Given()[0]; !g.Withdrawal.Confirmed() {
		t.Errorf("the giver's withdrawal is %+v", g.Withdrawal)
	}
}

// P8: a grant whose closing would not end it is not learnt.
func TestP8AClosingOfAnotherGrantIsNotLearnt(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for name, change := range map[string]func(c, other *grant.Closing){
		"grant":   func(c, other *grant.Closing) { c.Grant = other.Grant },
		"opening": func(c, other *grant.Closing) { c.Opening = other.Opening },
	} {
		id := must[string](t)(identity.NewID(nil, p.clock.Now()))
		b, key := p.byID(id, p.clock.Now())
		var c, other grant.Closing
		check(t, core.Unverified(b.Closing, &c))
		check(t, core.Unverified(p.stolen(nil).Closing, &other))
		change(&c, &other)
		b.Closing = must[string](t)(grant.SignClosing(c, key))
		p.says(p.tablet, core.HomeMessage{T: core.HomeGive, Grant: &b})
		if p.phone.GivenGrants[id] != nil {
			t.Errorf("a closing of another %s was learnt", name)
		}
		if g := p.edge.Grants[id]; g == nil || g.State != core.GrantDeclined {
			t.Errorf("at the edge the grant with another %s is %+v", name, g)
		}
	}
}

// P8: a client that is not silent can't be excused beforehand, which would take
// the lease away for when it falls silent.
func TestP8NobodyIsExcusedBeforehand(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	g := p.params(p.home, p.friend, every(time.Hour))
	g.Until, g.ShortLease = p.clock.Now().Add(60*24*time.Hour), true
	id := must[string](t)(p.phone.Give(g))
	p.run()
	check(t, p.tablet.GoOnWithout(p.home, "phone"))
	p.run()
	if p.edge.State.Lives["phone"].Excused {
		t.Error("a client that speaks was excused")
	}
	p.offline[ownerName+phone] = true
	p.pass(8*24*time.Hour, 12*time.Hour)
	if g := p.edge.Grants[id]; g.State != core.GrantPaused || g.Reason != "lease" {
		t.Errorf("after eight silent days the grant is %s %q", g.State, g.Reason)
	}
}
