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

const (
	ownerName  = "owner@h.localhost:8401"
	friendName = "friend@s.localhost:8402"
	phone      = "#phone"
)

// story is a claimed edge and a friend who has been given the meter.
type story struct {
	*world
	edge   *anchor.Anchor
	owner  *ownerActor
	friend *ownerActor
	home   core.ID
	grant  string
}

func newStory(t testing.TB, p core.Precision, ops ...string) *story {
	t.Helper()
	w := newWorld(t)
	w.person(ownerName, "phone")
	w.person(friendName, "phone")
	s := &story{world: w, edge: w.anchor("edge", nil)}
	if err := s.edge.SetThings(usualThings()); err != nil {
		t.Fatal(err)
	}
	s.owner, s.friend = w.client(ownerName, "phone"), w.client(friendName, "phone")
	s.home = w.claim(s.edge, s.owner)
	s.grant = must[string](t)(s.owner.Give(w.params(s.home, w.people[friendName], p, ops...)))
	w.run()
	return s
}

func (s *story) circle() core.ID {
	s.t.Helper()
	for _, g := range s.friend.Grants() {
		if g.ID == s.grant {
			return g.Circle
		}
	}
	s.t.Fatal("the friend knows no grant")
	return core.ID{}
}

func TestAValueTravelsByMeans(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.lastOf("edge", core.EventGranted)
	s.lastOf(friendName+phone, core.EventJoined)
	for i := range 60 {
		s.feed(s.edge, float64(i))
		s.clock.Advance(time.Second)
		s.run()
	}
	v := s.lastOf(friendName+phone, core.EventValue)
	if string(v.Value) != "29.5" || !v.ValueAt.Equal(worldStart.Add(time.Minute)) || v.Unit != "W" || v.Title != "meter" {
		t.Errorf("value %s %s at %s of %q, want 29.5 W at the window's end", v.Value, v.Unit, v.ValueAt, v.Title)
	}
	home := s.lastOf(ownerName+phone, core.EventValue)
	if string(home.Value) != "59" || home.Thing != "meter" {
		t.Errorf("the owner sees %s of %q, want 59 of meter", home.Value, home.Thing)
	}
	if n := len(s.got(friendName+phone, core.EventValue)); n != 1 {
		t.Errorf("%d values, want 1", n)
	}
	s.pass(time.Minute, time.Minute)
	if v := s.lastOf(friendName+phone, core.EventValue); v.Value != nil {
		t.Errorf("an empty window carries %s", v.Value)
	}
}

func TestACommandIsObeyedOnce(t *testing.T) {
	t.Parallel()
	s := newStory(t, core.Precision{}, grant.OpWrite)
	ref := must[string](t)(s.friend.Command(member.CommandParams{Circle: s.circle(), Name: "power", Op: grant.OpWrite, Input: json.RawMessage(`"ON"`)}))
	s.run()
	c := s.lastOf("edge", core.EventCommand)
	if c.Thing != "meter" || c.Name != "power" || string(c.Value) != `"ON"` || c.Account != friendName || c.Client != "phone" {
		t.Errorf("command %+v", c)
	}
	if err := s.edge.Answer(c.Ref, json.RawMessage(`"ON"`), nil); err != nil {
		t.Fatal(err)
	}
	s.run()
	a := s.lastOf(friendName+phone, core.EventAnswer)
	if a.Ref != ref || a.Problem != nil || string(a.Value) != `"ON"` {
		t.Errorf("answer %+v", a)
	}
	if _, err := s.friend.Command(member.CommandParams{Circle: s.circle(), Name: "energy", Op: grant.OpWrite}); err == nil {
		t.Error("a command without the right was sent")
	}
}

func TestWithdrawingTakesBothLocks(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	circle := s.circle()
	if err := s.owner.Withdraw(s.grant); err != nil {
		t.Fatal(err)
	}
	s.run()
	g := s.owner.Given()[0]
	if !g.Withdrawal.Confirmed() || g.Withdrawal.LockOne.IsZero() || g.State != grant.Withdrawn {
		t.Errorf("withdrawal %+v, state %s", g.Withdrawal, g.State)
	}
	s.lastOf(ownerName+phone, core.EventLockOne)
	s.lastOf(ownerName+phone, core.EventLockTwo)
	if e := s.lastOf(friendName+phone, core.EventEnded); e.Reason != "withdrawn" || e.Grant != s.grant {
		t.Errorf("the friend is told %+v", e)
	}
	if s.edge.Signer(circle) != nil {
		t.Error("the edge still holds the circle's key")
	}
	if s.friend.Grants()[0].State != grant.Withdrawn {
		t.Errorf("the friend's state is %s", s.friend.Grants()[0].State)
	}
}
