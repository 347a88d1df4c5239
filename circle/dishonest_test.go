package circle

import (
	"encoding/json"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
)

// swallow makes the node take messages from one actor and show them to nobody.
func (s *story) swallow(from string, since time.Time) {
	s.node.refuse = func(actor string, e core.Effect) (*core.Result, *core.Refusal) {
		if actor == from && e.Kind == core.EffectAppend && !s.clock.Now().Before(since) {
			return &core.Result{Seq: 9999}, nil
		}
		if e.Kind == core.EffectFileClosing {
			return &core.Result{At: s.clock.Now(), State: "Withdrawn"}, nil // says so and does nothing
		}
		return nil, nil
	}
}

// P8: a node that swallows the withdrawal never makes it look confirmed, and the
// lease ends what it keeps alive.
func TestP8DishonestNodeSwallowsTheWithdrawal(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	s.swallow(ownerName+phone, s.clock.Now())
	check(t, s.owner.Withdraw(s.grant))
	s.run()
	s.pass(time.Hour, 10*time.Second*30)
	g := s.owner.Given()[0]
	if g.Withdrawal.Confirmed() || g.Withdrawal.LockOne.IsZero() {
		t.Errorf("withdrawal %+v, want lock one only", g.Withdrawal)
	}
	if e := s.lastOf(ownerName+phone, core.EventUnconfirmed); e.Text != "not confirmed by your thing" {
		t.Errorf("the owner reads %q", e.Text)
	}
	if len(s.got(ownerName+phone, core.EventLockTwo)) != 0 {
		t.Error("lock two is shown")
	}
	// The grant lasts a week here; renew it by hand to see the lease at work.
	if s.edge.Grants[s.grant].State != core.GrantOpen {
		t.Fatalf("the grant is %s already", s.edge.Grants[s.grant].State)
	}
}

// P8: signs of life that the node hoards and plays out one by one don't keep a
// grant alive: the signed time counts, and nothing is said while a withdrawal
// is open.
func TestP8DishonestNodeHoardsSignsOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	phoneActor := w.client(ownerName, "phone")
	home := w.claim(edge, phoneActor)
	w.client(friendName, "phone")
	p := w.params(home, friend, every(time.Hour))
	p.Until = w.clock.Now().Add(80 * 24 * time.Hour)
	id := must[string](t)(phoneActor.Give(p))
	w.run()
	s := &story{world: w, edge: edge, owner: phoneActor, home: home, grant: id}
	s.swallow(ownerName+phone, w.clock.Now())
	check(t, phoneActor.Withdraw(id))
	w.run()
	for day := range 40 {
		if day%20 == 19 { // documents are renewed, so that only the lease can end it
			w.publish(owner, "phone")
			w.publish(friend, "phone")
			check(t, edge.Identity(owner.doc.Compact()))
			check(t, edge.Identity(friend.doc.Compact()))
		}
		w.pass(24*time.Hour, 12*time.Hour)
		if state := edge.Grants[id].State; day < 28 && state != core.GrantOpen {
			t.Fatalf("day %d: the grant is %s %s", day, state, edge.Grants[id].Reason)
		}
	}
	if g := edge.Grants[id]; g.State != core.GrantPaused || g.Reason != "lease" {
		t.Errorf("after 40 days of silence the grant is %s %q, want paused by the lease", g.State, g.Reason)
	}
	if phoneActor.Given()[0].Withdrawal.Confirmed() {
		t.Error("shown as confirmed")
	}
}

// P8: another client's "go on without NAME" ends the pause, and nobody excuses
// itself.
func TestP8GoOnWithoutASilentClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(ownerName, "phone", "tablet")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	phoneActor := w.client(ownerName, "phone")
	tablet := w.client(ownerName, "tablet")
	home := w.claim(edge, phoneActor)
	w.client(friendName, "phone")
	p := w.params(home, friend, every(time.Hour))
	p.Until, p.ShortLease = w.clock.Now().Add(60*24*time.Hour), true
	id := must[string](t)(phoneActor.Give(p))
	w.run()
	_ = owner
	w.offline[ownerName+"#tablet"] = true
	w.pass(6*24*time.Hour, 12*time.Hour)
	if g := edge.Grants[id]; g.State != core.GrantOpen {
		t.Fatalf("after six days the grant is %s %s", g.State, g.Reason)
	}
	w.pass(2*24*time.Hour, 12*time.Hour)
	if g := edge.Grants[id]; g.State != core.GrantPaused || g.Reason != "lease" {
		t.Fatalf("after eight days of a short lease the grant is %s %s", g.State, g.Reason)
	}
	if e := w.lastOf(ownerName+phone, core.EventPaused); e.Grant != id {
		t.Errorf("the owner is told %+v", e)
	}
	if err := phoneActor.GoOnWithout(home, "phone"); err == nil {
		t.Error("a client excused itself")
	}
	check(t, phoneActor.GoOnWithout(home, "tablet"))
	w.run()
	if g := edge.Grants[id]; g.State != core.GrantOpen {
		t.Errorf("without the silent client the grant is %s %s", g.State, g.Reason)
	}
	_ = tablet
}

// P8: messages after a gap don't count, but closings do.
func TestP8DishonestNodeLeavesAGap(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	from := s.clock.Now()
	s.swallow(ownerName+phone, from)
	check(t, s.owner.SetHomePrecision(s.home, core.Precision{Every: grant.Duration(time.Second), Stat: grant.Last}))
	s.run()
	// The node lost one message for good; the driver thinks it was taken.
	check(t, s.owner.Do(func() error {
		s.owner.Dequeue(s.owner.Rooms[s.home])
		return nil
	}))
	s.node.refuse = nil
	check(t, s.owner.SetHomePrecision(s.home, core.Precision{Every: grant.Duration(2 * time.Second), Stat: grant.Last}))
	s.turn(ownerName + phone)
	s.turn("edge")
	if s.edge.State.Rule.Every == grant.Duration(2*time.Second) {
		t.Error("a message after a gap counted")
	}
	if l := s.edge.State.Lives["phone"]; !l.Gap {
		t.Error("the edge saw no gap")
	}
	check(t, s.owner.Withdraw(s.grant))
	for range 3 {
		s.turn(ownerName + phone)
		s.turn("edge")
	}
	if g := s.edge.Grants[s.grant]; g.State != core.GrantEnded {
		t.Errorf("a closing after a gap left the grant %s", g.State)
	}
	s.run() // the owner's client learns of the gap and rejoins
	s.pass(time.Hour, time.Minute)
	if !s.owner.Given()[0].Withdrawal.Confirmed() {
		t.Error("the statement did not arrive in the end")
	}
	if s.edge.State.Lives["phone"].Gap {
		t.Error("after rejoining the gap is still there")
	}
}

// P8: a statement about another withdrawal, or by another key, confirms nothing.
func TestP8ForeignStatementConfirmsNothing(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	second := must[string](t)(s.owner.Give(s.params(s.home, s.people[friendName], every(time.Hour))))
	s.run()
	check(t, s.owner.Withdraw(second))
	s.run()
	var old string
	for _, g := range s.owner.Given() {
		if g.ID == second {
			old = g.Withdrawal.Statement
		}
	}
	s.swallow(ownerName+phone, s.clock.Now())
	check(t, s.owner.Withdraw(s.grant))
	s.run()
	check(t, s.owner.Statement(old)) // known already: no news
	forged := must[string](t)(grant.SignStatement(grant.Statement{
		ID: "0193a0a0-0000-7000-8000-000000000001", Nonce: s.owner.GivenGrants[s.grant].Withdrawal.Nonces[0], Grant: s.grant,
		Circle: s.owner.GivenGrants[s.grant].Envelope.Circle, At: s.clock.Now(),
	}, newKey(t)))
	if err := s.owner.Statement(forged); err == nil {
		t.Error("a statement by another key was taken")
	}
	for _, g := range s.owner.Given() {
		if g.ID == s.grant && g.Withdrawal.Confirmed() {
			t.Error("shown as confirmed")
		}
	}
	lan := must[core.Withdrawal](t)(s.owner.LANWithdrawal(s.grant))
	statement := must[string](t)(s.edge.Withdraw(lan))
	check(t, s.owner.Statement(statement))
	for _, g := range s.owner.Given() {
		if g.ID == s.grant && !g.Withdrawal.Confirmed() {
			t.Error("the thing's own statement from the LAN did not confirm")
		}
	}
	again := must[string](t)(s.edge.Withdraw(lan))
	if again == statement {
		t.Error("a repetition got the very same document")
	}
}

// P9: a client whose state was rolled back seals nothing, and rejoins.
func TestP9RolledBackMemberSealsNothingAndRejoins(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute), grant.OpObserve, grant.OpRead, grant.OpWrite)
	name := friendName + phone
	s.pass(time.Minute, time.Minute)
	check(t, s.friend.Close())
	copyDir(t, s.path(name), s.path("old"))
	friend := s.client(friendName, "phone")
	for range 20 {
		must[string](t)(friend.Read(member.ReadParams{Circle: s.circle(), Name: "power"}))
		s.run()
	}
	c := friend.Grants()[0].Circle
	sent := len(s.node.circles[c].log)
	check(t, friend.Close())
	p := s.people[friendName]
	back := must[*ownerActor](t)(openOwner(s.path("old"), member.Options{Clock: s.clock, Signer: p.clients["phone"], Identity: p.doc.Compact()}))
	s.add(name, back)
	ref, err := back.Read(member.ReadParams{Circle: c, Name: "power"})
	check(t, err)
	epoch := s.node.circles[c].epoch
	s.turn(name)
	for _, f := range s.node.circles[c].log[sent:] {
		if head := peek(t, f.Message); head.wire == "private" && head.epoch == epoch {
			t.Error("a rolled back client sealed a message")
		}
	}
	s.run()
	if e := s.lastOf(name, core.EventStopped); e.Reason != core.StoppedRollback {
		t.Errorf("stopped for %q", e.Reason)
	}
	if e := s.lastOf(name, core.EventJoined); e.Reason != "rejoined" {
		t.Errorf("joined %q", e.Reason)
	}
	_ = ref
	s.feed(s.edge, 7)
	s.pass(time.Minute, time.Minute)
	if e := s.lastOf(name, core.EventValue); string(e.Value) != "7" {
		t.Errorf("after rejoining the value is %s", e.Value)
	}
}

// P9: an edge whose state was rolled back seals nothing and opens anew.
func TestP9RolledBackEdgeOpensAnew(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	check(t, s.edge.Close())
	copyDir(t, s.path("edge"), s.path("old"))
	edge := s.anchor("edge", nil)
	for range 70 {
		s.feed(edge, 1)
		s.pass(time.Minute, time.Minute)
	}
	check(t, edge.Close())
	logs := map[core.ID]int{}
	for id, c := range s.node.circles {
		logs[id] = len(c.log)
	}
	back := must[*anchor.Anchor](t)(anchor.Open(s.path("old"), anchor.Options{Clock: s.clock}))
	s.add("edge", back)
	s.feed(back, 2)
	s.pass(3*time.Minute, time.Minute)
	for id, c := range s.node.circles {
		for _, f := range c.log[logs[id]:] {
			if peek(t, f.Message).wire == "private" {
				t.Errorf("circle %s: a rolled back edge sealed frame %d", id, f.Seq)
			}
		}
	}
	if e := s.lastOf("edge", core.EventStopped); e.Reason != core.StoppedRollback {
		t.Fatalf("stopped for %q", e.Reason)
	}
	home := s.claim(back, s.owner)
	s.pass(3*time.Minute, time.Minute)
	if home == s.home {
		t.Fatal("the same home circle")
	}
	s.feed(back, 9)
	s.pass(2*time.Minute, time.Minute)
	live := 0
	for _, g := range s.owner.Given() {
		if g.Home == home && g.State == grant.Given {
			live++
		}
	}
	if live != 1 {
		t.Errorf("%d grants were given anew, want 1: %s", live, s.kinds(ownerName+phone))
	}
	if v := s.newest(friendName + phone); v != "9" {
		t.Errorf("the friend's newest value is %s", v)
	}
}

// P9: a backup holds no ratchet state, and a restored edge needs its owner.
func TestP9BackupHoldsNoRatchetState(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	saved := must[[]byte](t)(s.edge.Backup())
	c := s.circle()
	for _, id := range []core.ID{c, s.home} {
		check(t, s.edge.Do(func() error { s.edge.Touch(s.edge.Rooms[id].Part()); return nil }))
		if n := found(secretsOf(roomOf(t, s.path("edge"), id), s.edge.Rooms[id]), decodings(saved)); n != 0 {
			t.Errorf("the backup holds %d stretches of a circle's state", n)
		}
	}
	mine := must[[]byte](t)(s.friend.Backup())
	if n := found(secretsOf(roomOf(t, s.path(friendName+phone), c), s.friend.Rooms[c]), decodings(mine)); n != 0 {
		t.Errorf("the member's backup holds %d stretches of ratchet state", n)
	}
	check(t, s.edge.Close())
	restored := must[*anchor.Anchor](t)(anchor.Restore(s.path("restored"), saved, anchor.Options{Clock: s.clock}))
	s.add("edge", restored)
	s.run()
	if e := s.lastOf("edge", core.EventStopped); e.Reason != core.StoppedRollback {
		t.Errorf("stopped for %q", e.Reason)
	}
	stranger := s.person("thief@h.localhost:8401", "phone")
	thief := s.client("thief@h.localhost:8401", "phone")
	req := must[core.ClaimRequest](t)(thief.BeginClaim(nodeH))
	if _, err := restored.BeginClaim(req); err == nil {
		t.Error("a stranger could claim a restored edge")
	}
	_ = stranger
	home := s.claim(restored, s.owner)
	s.pass(3*time.Minute, time.Minute)
	s.feed(restored, 4)
	s.pass(2*time.Minute, time.Minute)
	if v := s.newest(friendName + phone); v != "4" {
		t.Errorf("the friend's newest value is %s in home %s", v, home)
	}
}

// secretsOf are stretches of a circle's stored state that are not public: not of
// the tree and not of the context.
func secretsOf(st core.RoomState, r *core.Room) map[[window]byte]bool {
	secret := windows(st.Group, st.Seed)
	public := [][]byte{r.MLS.Tree()}
	for _, e := range r.MLS.Extensions() {
		for i := 0; i+32 <= len(e.Data); i++ {
			public = append(public, e.Data[i:i+32])
		}
	}
	for k := range windows(public...) {
		delete(secret, k)
	}
	return secret
}

// newest is the newest value that is one.
func (w *world) newest(name string) string {
	v := ""
	for _, e := range w.got(name, core.EventValue) {
		if e.Value != nil {
			v = string(e.Value)
		}
	}
	return v
}

type peeked struct {
	wire  string
	epoch uint64
}

// A driver may be unsure whether an append was taken: the log tells.
func TestLostAcknowledgementsShowNothingTwice(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	n := 0
	s.node.loseAck = func(_ string, e core.Effect) bool {
		n++
		return (e.Kind == core.EffectAppend || e.Kind == core.EffectCommit) && n%2 == 0
	}
	for i := range 20 {
		s.feed(s.edge, float64(i))
		s.clock.Advance(time.Minute)
		s.run()
		s.cut("edge")
		s.run()
	}
	s.pass(10*time.Minute, time.Minute)
	seen := map[string]bool{}
	for _, e := range s.got(friendName+phone, core.EventValue) {
		key := e.ValueAt.String()
		if seen[key] {
			t.Errorf("the value of %s came twice", key)
		}
		seen[key] = true
	}
	if len(seen) < 25 {
		t.Errorf("%d values arrived, want all of 30 minutes but the last few", len(seen))
	}
}

func TestHistoryComesInPagesAtTheGrantsPrecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	h := &fakeHistory{}
	edge := w.anchor("edge", h)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	fo := w.client(friendName, "phone")
	for i := -3600; i < 3600*4; i += 10 {
		h.add(worldStart.Add(time.Duration(i)*time.Second), float64(i/60))
	}
	must[string](t)(owner.Give(w.params(home, friend, every(10*time.Second))))
	w.run()
	c := fo.Grants()[0].Circle
	w.pass(2*time.Hour, time.Hour)
	ref := must[string](t)(fo.Read(member.ReadParams{Circle: c, Name: "power", Since: worldStart.Add(-time.Hour)}))
	w.run()
	var readings []core.Reading
	pages := 0
	for _, e := range w.got(friendName+phone, core.EventHistory) {
		if e.Ref != ref {
			continue
		}
		if e.Problem != nil {
			t.Fatalf("problem %+v", e.Problem)
		}
		pages++
		readings = append(readings, e.Values...)
	}
	if pages < 2 || len(readings) < 2*360-2 || len(readings) > 2*360 {
		t.Errorf("%d readings in %d pages, want two hours of ten seconds in several", len(readings), pages)
	}
	for i, r := range readings {
		if r.At.Before(worldStart) || (i > 0 && !r.At.After(readings[i-1].At)) {
			t.Fatalf("reading %d is of %s", i, r.At)
		}
	}
	if _, err := fo.Read(member.ReadParams{Circle: c, Name: "energy"}); err == nil {
		t.Error("an affordance that was not granted could be asked for")
	}
}

// fakeHistory is the meter's past.
type fakeHistory struct{ samples []core.Sample }

func (h *fakeHistory) add(at time.Time, v float64) {
	b, _ := json.Marshal(v)
	h.samples = append(h.samples, core.Sample{Thing: "meter", Name: "power", At: at, Value: b, Unit: "W"})
}

func (h *fakeHistory) History(thing, name string, from, to time.Time, limit int) (out []core.Sample, err error) {
	for _, s := range h.samples {
		if s.Thing == thing && s.Name == name && !s.At.Before(from) && s.At.Before(to) && len(out) < limit {
			out = append(out, s)
		}
	}
	return out, nil
}
