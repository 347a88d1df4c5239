package circle

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/mls"
)

func TestRequestIsAskedAndGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ownerAcc := w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner, fo := w.client(ownerName, "phone"), w.client(friendName, "phone")
	home := w.claim(edge, owner)
	until := w.clock.Now().Add(48 * time.Hour)
	ask := member.AskParams{Recipient: ownerAcc.doc.Compact(), Request: grant.Request{
		Service: "energy advice", Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer"}, Until: &until,
		Wants:  []grant.Want{{Quantity: "power", Unit: "W", Actions: []string{grant.OpObserve}, Precision: every(time.Hour)}},
		Notice: grant.NewNotice("en", "your power, hourly"),
	}}
	first := must[string](t)(fo.Ask(ask))
	second := must[string](t)(fo.Ask(ask))
	w.run()
	if n := len(owner.Requests()); n != 2 {
		t.Fatalf("%d requests, want 2", n)
	}
	if e := w.lastOf(ownerName+phone, core.EventRequested); e.Account != friendName {
		t.Errorf("asked by %q", e.Account)
	}
	check(t, owner.Refuse(second, time.Hour))
	p := w.params(home, friend, every(time.Hour), grant.OpObserve)
	p.Request = first
	must[string](t)(owner.Give(p))
	w.run()
	if e := w.lastOf(friendName+phone, core.EventRefused); e.Ref != second {
		t.Errorf("refused is %q, want %q", e.Ref, second)
	}
	if e := w.lastOf(friendName+phone, core.EventOffered); e.Ref != first || e.Account != ownerName {
		t.Errorf("offered %+v", e)
	}
	if len(owner.Requests()) != 0 {
		t.Error("answered requests are still listed")
	}
	if err := owner.Refuse(second, 0); !errors.Is(err, core.ErrUnknown) {
		t.Errorf("refusing twice: %v", err)
	}
}

func TestARenewalReplacesTheGrant(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	p := s.params(s.home, s.people[friendName], every(time.Hour))
	p.Replaces = s.grant
	id := must[string](t)(s.owner.Give(p))
	s.run()
	states := map[string]grant.State{}
	for _, g := range s.owner.Given() {
		states[g.ID] = g.State
	}
	if states[s.grant] != grant.Superseded || states[id] != grant.Given {
		t.Errorf("states %v", states)
	}
	if e := s.lastOf(friendName+phone, core.EventEnded); e.Reason != "superseded" || e.Grant != s.grant {
		t.Errorf("the friend is told %+v", e)
	}
	if g := s.edge.Grants[s.grant]; g.Reason != "superseded" {
		t.Errorf("at the edge the old grant is %s", g.Reason)
	}
}

func TestAGrantEndsByTheClock(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	s.pass(7*24*time.Hour+time.Hour, 6*time.Hour)
	if g := s.edge.Grants[s.grant]; g.State != core.GrantEnded || g.Reason != "expired" {
		t.Errorf("at the edge the grant is %s %s", g.State, g.Reason)
	}
	if g := s.owner.Given()[0]; g.State != grant.Expired {
		t.Errorf("for the owner it is %s", g.State)
	}
	if e := s.lastOf(friendName+phone, core.EventEnded); e.Reason != "expired" {
		t.Errorf("the friend is told %q", e.Reason)
	}
}

func TestTheEpochTurnsByCount(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Second))
	c := s.circle()
	epoch := s.edge.Rooms[c].MLS.Epoch()
	s.pass(950*time.Second, time.Second)
	if got := s.edge.Rooms[c].MLS.Epoch(); got != epoch+1 {
		t.Errorf("after 950 messages the epoch went from %d to %d", epoch, got)
	}
	if n := len(s.got(friendName+phone, core.EventValue)); n < 948 {
		t.Errorf("%d of 950 values arrived", n)
	}
}

func TestTheEpochTurnsDaily(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	h, c := s.edge.Home().MLS.Epoch(), s.edge.Rooms[s.circle()].MLS.Epoch()
	s.pass(25*time.Hour, time.Hour)
	if got := s.edge.Home().MLS.Epoch(); got != h+1 {
		t.Errorf("after a day the home's epoch went from %d to %d", h, got)
	}
	if got := s.edge.Rooms[s.circle()].MLS.Epoch(); got != c+1 {
		t.Errorf("after a day the grant's epoch went from %d to %d", c, got)
	}
}

func TestTheRestOfTheClientsFindTheCircleFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "a", "b", "c")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	for _, name := range []string{"a", "b", "c"} {
		w.client(friendName, name)
	}
	p := w.params(home, friend, every(time.Minute))
	p.MaxClients = 2
	must[string](t)(owner.Give(p))
	w.run()
	if e := w.lastOf("edge", core.EventRoster); e.Reason != "circle-full" || strings.Join(e.Clients, " ") != "a b" {
		t.Errorf("roster %v %q, want a b circle-full", e.Clients, e.Reason)
	}
	if len(w.got(friendName+"#c", core.EventJoined)) != 0 {
		t.Error("the third client joined")
	}
}

func TestASecondPhoneNeedsNoNewGrant(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.publish(s.people[friendName], "phone", "tablet")
	tablet := s.client(friendName, "tablet")
	check(t, s.friend.Identity(s.people[friendName].doc.Compact()))
	s.run()
	if e := s.lastOf("edge", core.EventRoster); len(e.Clients) != 2 {
		t.Fatalf("roster %v", e.Clients)
	}
	if g := tablet.Taken[s.grant]; g == nil || g.Owner != s.friend.Taken[s.grant].Owner {
		t.Errorf("the second phone took %+v", g)
	}
	s.feed(s.edge, 3)
	s.pass(time.Minute, time.Minute)
	if v := s.newest(friendName + "#tablet"); v != "3" {
		t.Errorf("the second phone reads %q", v)
	}
}

func TestALastResortJoinerRenewsBeforeAnythingIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	owner := w.client(ownerName, "phone")
	home := w.claim(edge, owner)
	fo := w.client(friendName, "phone")
	w.node.stock[hybridOf(friendName+phone)].oneTime = nil
	w.offline[friendName+phone] = true
	must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	var r *core.Room
	for _, x := range edge.Rooms {
		if !x.Home {
			r = x
		}
	}
	w.feed(edge, 1)
	w.pass(3*time.Minute, time.Minute)
	for _, f := range w.node.circles[r.ID].log {
		if peek(t, f.Message).wire == "private" {
			t.Fatal("a message was sealed before the last-resort joiner renewed its leaf")
		}
	}
	w.offline[friendName+phone] = false
	w.run()
	if v := w.newest(friendName + phone); v != "1" {
		t.Errorf("after it renewed its leaf it reads %q", v)
	}
	check(t, fo.KeyPackageStock([]core.PackageStock{{Suite: uint16(mls.Suites()[0]), OneTime: 20, LastResort: true}, {Suite: 1, OneTime: 20, LastResort: true}}))
	var news []core.Effect
	for _, e := range fo.Effects() {
		if e.Kind == core.EffectPublishKeyPackages {
			news = append(news, e)
		}
	}
	if len(news) != 1 || news[0].LastResort == nil || news[0].OneTime != nil || news[0].Suite != uint16(mls.Suites()[0]) {
		t.Errorf("published after the last resort was used: %+v", news)
	}
}

func TestAnExpiredIdentityPausesAndARenewalResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	oo := w.client(ownerName, "phone")
	home := w.claim(edge, oo)
	w.client(friendName, "phone")
	p := w.params(home, friend, every(time.Hour))
	p.Until = w.clock.Now().Add(80 * 24 * time.Hour)
	id := must[string](t)(oo.Give(p))
	w.run()
	w.pass(29*24*time.Hour, 12*time.Hour)
	w.publish(owner, "phone")
	check(t, oo.Identity(owner.doc.Compact()))
	w.pass(2*24*time.Hour, 12*time.Hour)
	if g := edge.Grants[id]; g.State != core.GrantPaused || g.Reason != "identity-expired" {
		t.Fatalf("with an expired grantee the grant is %s %s", g.State, g.Reason)
	}
	if g := oo.Given()[0]; g.State != grant.Paused {
		t.Errorf("the owner sees %s", g.State)
	}
	w.publish(friend, "phone")
	w.pass(2*time.Hour, time.Hour)
	if g := edge.Grants[id]; g.State != core.GrantOpen || len(g.Pauses) != 1 {
		t.Errorf("after the renewal the grant is %s %s with pauses %v", g.State, g.Reason, g.Pauses)
	}
	if g := oo.Given()[0]; g.State != grant.Given {
		t.Errorf("the owner sees %s", g.State)
	}
}

func TestNothingIsSealedWhenTheClocksDisagree(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	check(t, s.edge.NodeTime(s.clock.Now().Add(6*time.Minute)))
	before := s.node.appends
	s.feed(s.edge, 1)
	s.pass(3*time.Minute, time.Minute)
	if s.node.appends != before {
		t.Errorf("%d messages were sealed", s.node.appends-before)
	}
	if e := s.lastOf("edge", core.EventPaused); e.Reason != "clock" {
		t.Errorf("paused for %q", e.Reason)
	}
	check(t, s.edge.NodeTime(s.clock.Now()))
	s.run()
	if v := s.newest(friendName + phone); v != "1" {
		t.Errorf("after the clocks agree the friend reads %q", v)
	}
}

func TestCommandsAreRefusedWithoutAFreshNonce(t *testing.T) {
	t.Parallel()
	s := newStory(t, core.Precision{}, grant.OpWrite)
	c := s.circle()
	r := s.edge.Rooms[c]
	key := []byte(s.friend.Public)
	n := must[string](t)(s.edge.Issue(r, key))
	check(t, s.edge.Spend(r, key, n))
	if err := s.edge.Spend(r, key, n); err == nil {
		t.Error("a nonce was used twice")
	}
	n = must[string](t)(s.edge.Issue(r, key))
	s.clock.Advance(31 * time.Second)
	if err := s.edge.Spend(r, key, n); err == nil {
		t.Error("a nonce was used after 31 seconds")
	}
	n = must[string](t)(s.edge.Issue(r, key))
	if err := s.edge.Spend(r, []byte("another leaf"), n); err == nil {
		t.Error("a nonce was used by another leaf")
	}
	ref := must[string](t)(s.friend.Command(member.CommandParams{Circle: c, Name: "power", Op: grant.OpWrite, Input: json.RawMessage("1")}))
	s.run()
	s.pass(40*time.Second, 10*time.Second)
	if e := s.lastOf(friendName+phone, core.EventAnswer); e.Ref != ref || e.Problem == nil || e.Problem.Kind != "timeout" {
		t.Errorf("a command that the edge did not answer ends with %+v", e)
	}
	if err := s.edge.Answer(s.lastOf("edge", core.EventCommand).Ref, nil, nil); !errors.Is(err, core.ErrUnknown) {
		t.Errorf("a late answer: %v", err)
	}
}

func TestANodeThatWasRestoredIsToldWhatLives(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.pass(2*time.Minute, time.Minute)
	var presented int
	s.node.refuse = func(_ string, e core.Effect) (*core.Result, *core.Refusal) {
		if e.Kind == core.EffectPresentActive {
			presented++
			if _, err := grant.VerifyActive(string(e.Document), s.home.String(), []byte(anchor.PublicSeed(s.edge.Home().Seed)), s.clock.Now()); err != nil {
				t.Errorf("active set: %v", err)
			}
		}
		return nil, nil
	}
	for id, c := range s.node.circles { // the tail is lost; numbers go on in a new half
		c.log = c.log[:len(c.log)-1]
		c.base = 1 << 32
		check(t, s.edge.Ended(id, "restored", s.clock.Now()))
		check(t, s.owner.Ended(id, "restored", s.clock.Now()))
		check(t, s.friend.Ended(id, "restored", s.clock.Now()))
	}
	for _, name := range s.names {
		s.cut(name)
	}
	s.feed(s.edge, 8)
	s.pass(2*time.Minute, time.Minute)
	if presented != 1 {
		t.Errorf("the active set was presented %d times", presented)
	}
	if v := s.newest(friendName + phone); v != "8" {
		t.Errorf("after the node's restore the friend reads %q; %s", v, s.kinds("edge"))
	}
}

func TestPrecisionIsCheckedBeforeSealing(t *testing.T) {
	t.Parallel()
	place := 10
	p := core.Precision{Every: grant.Duration(time.Minute), Stat: grant.Max, Round: 50, Place: &place, Delay: grant.Duration(2 * time.Minute)}
	s := newStory(t, p)
	for _, v := range []float64{12, 137, 90} {
		s.feed(s.edge, v)
		s.clock.Advance(10 * time.Second)
	}
	s.pass(2*time.Minute, time.Minute)
	if n := len(s.got(friendName+phone, core.EventValue)); n != 0 {
		t.Errorf("%d values came before the delay was over", n)
	}
	s.pass(2*time.Minute, time.Minute)
	v := s.got(friendName+phone, core.EventValue)[0]
	if string(v.Value) != "150" || !v.ValueAt.Equal(worldStart.Add(time.Minute)) {
		t.Errorf("value %s at %s, want 150 at the window's end", v.Value, v.ValueAt)
	}
}

func TestMessagesOfAGrantHaveOneSize(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	c := s.circle()
	from := len(s.node.circles[c].log)
	for i := range 10 {
		if i%3 != 0 {
			s.feed(s.edge, float64(i)*1234.5678)
		}
		s.pass(time.Minute, time.Minute)
	}
	n := 0
	for _, f := range s.node.circles[c].log[from:] {
		if peek(t, f.Message).wire != "private" {
			continue
		}
		if n++; len(f.Message) != 256 {
			t.Errorf("message %d has %d bytes, want 256", f.Seq, len(f.Message))
		}
	}
	if n != 10 {
		t.Errorf("%d messages in 10 minutes, want 10", n)
	}
}

func TestAMessageOfAStaleEpochIsSealedAnew(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour), grant.OpRead, grant.OpObserve)
	c := s.circle()
	name := friendName + phone
	ref := must[string](t)(s.friend.Read(ReadParams{Circle: c, Name: "power"}))
	before := s.friend.Effects() // sealed in this epoch
	s.offline[name] = true
	s.pass(25*time.Hour, time.Hour) // the epoch turns while the message waits
	stale := 0
	for _, e := range before {
		if _, ref := s.node.perform(name, e); ref != nil && ref.Kind == KindStaleEpoch {
			stale++
			check(t, s.friend.Failed(e.ID, ref))
		}
	}
	if stale != 1 {
		t.Fatalf("%d messages were refused as stale, want 1", stale)
	}
	if n := len(s.friend.Effects()); n != 0 {
		t.Errorf("%d effects before the commit was read", n)
	}
	s.offline[name] = false
	s.turn(name)
	s.run()
	answered := false
	for _, e := range s.got(name, EventHistory) {
		answered = answered || e.Ref == ref
	}
	if !answered {
		t.Error("the request was not sent again in the new epoch")
	}
}
