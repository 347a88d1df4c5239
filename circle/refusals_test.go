package circle

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/circle/internal/owner"
	"primum/grant"
	"primum/identity"
	"primum/mls"
)

func TestOthersCannotClaimAnEdgeThatIsOwned(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.person("thief@h.localhost:8401", "phone")
	thief := s.client("thief@h.localhost:8401", "phone")
	req := must[core.ClaimRequest](t)(thief.BeginClaim(nodeH))
	if _, err := s.edge.BeginClaim(req); err == nil {
		t.Error("a stranger began a claim")
	}
	edge := s.anchor("edge2", nil)
	for name, change := range map[string]func(*core.ClaimRequest){
		"client":  func(r *core.ClaimRequest) { r.Client = "nobody" },
		"package": func(r *core.ClaimRequest) { r.KeyPackage = r.KeyPackage[:20] },
		"nonce":   func(r *core.ClaimRequest) { r.Nonce = "x" },
		"node":    func(r *core.ClaimRequest) { r.Node = "not a name" },
		"doc":     func(r *core.ClaimRequest) { r.Identity = "a.b.c" },
	} {
		r := req
		change(&r)
		if _, err := edge.BeginClaim(r); err == nil {
			t.Errorf("a claim with a bad %s began", name)
		}
	}
	if _, err := edge.FinishClaim("x"); !errors.Is(err, core.ErrUnknown) {
		t.Errorf("finishing what was not begun: %v", err)
	}
	offer := must[core.ClaimOffer](t)(edge.BeginClaim(req))
	if _, err := thief.SignClaim(req, offer, publicOf2(newKey(t))); err == nil {
		t.Error("a thing with another key than its label was signed for")
	}
	if _, err := edge.FinishClaim("a.b.c"); err == nil {
		t.Error("a forged countersignature finished a claim")
	}
}

func TestClosedAndLockedDirectories(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	if _, err := anchor.Open(s.path("edge"), anchor.Options{Clock: s.clock}); err == nil {
		t.Error("the directory was opened twice")
	}
	check(t, s.edge.Close())
	if err := s.edge.Tick(); !errors.Is(err, core.ErrClosed) {
		t.Errorf("tick after close: %v", err)
	}
	check(t, s.edge.Close())
}

func TestRefusalsOfAnOwner(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	friend := s.people[friendName]
	cases := map[string]func(p *owner.GiveParams){
		"unknown home":     func(p *owner.GiveParams) { p.Home = core.ID{1} },
		"unknown thing":    func(p *owner.GiveParams) { p.Share[0].Source.Thing = "nothing" },
		"unknown request":  func(p *owner.GiveParams) { p.Request = "x" },
		"the owner itself": func(p *owner.GiveParams) { p.Grantee = s.people[ownerName].doc.Compact() },
		"no document":      func(p *owner.GiveParams) { p.Grantee = "x" },
		"nothing replaced": func(p *owner.GiveParams) { p.Replaces = "x" },
		"no end":           func(p *owner.GiveParams) { p.Until = time.Time{} },
		"no purpose":       func(p *owner.GiveParams) { p.Purpose.Class = "fun" },
	}
	for name, change := range cases {
		p := s.params(s.home, friend, every(time.Minute))
		change(&p)
		before := len(s.owner.Given())
		if _, err := s.owner.Give(p); err == nil {
			t.Errorf("%s: it was given", name)
		}
		if len(s.owner.Given()) != before {
			t.Errorf("%s: a refused grant is listed", name)
		}
	}
	if err := s.owner.Withdraw("x"); !errors.Is(err, core.ErrUnknown) {
		t.Errorf("withdrawing what is not there: %v", err)
	}
	if _, err := s.friend.Command(member.CommandParams{Circle: s.circle(), Name: "power", Op: grant.OpWrite}); err == nil {
		t.Error("a command without the right was sent")
	} else if d := new(grant.Denied); !errors.As(err, &d) || d.Kind != grant.KindGrantRequired {
		t.Errorf("a command without the right: %v", err)
	}
}

func TestStockLetsAnOwnerGiveWhileTheEdgeIsAway(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.offline["edge"] = true
	s.cut("edge")
	var last error
	given := 0
	for i := range core.StockSize + 3 {
		p := s.params(s.home, s.people[friendName], every(time.Minute))
		p.Service = fmt.Sprint("service ", i)
		if _, last = s.owner.Give(p); last == nil {
			given++
		}
	}
	if given < core.StockSize || !errors.Is(last, core.ErrNotYet) {
		t.Errorf("%d grants without the edge, then %v", given, last)
	}
	s.run()
	s.offline["edge"] = false
	s.run()
	live := 0
	for _, g := range s.edge.Grants {
		if g.State == core.GrantOpen {
			live++
		}
	}
	if live != given+1 {
		t.Errorf("%d grants live at the edge, want %d", live, given+1)
	}
	p := s.params(s.home, s.people[friendName], every(time.Minute))
	must[string](t)(s.owner.Give(p))
}

func TestASuspensionStopsGivingAndNotWithdrawing(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	owner := s.people[ownerName]
	id := must[string](t)(identity.NewID(s.edge.Rand, s.clock.Now()))
	doc := must[string](t)(identity.SignSuspension(identity.Suspension{ID: id, Account: owner.address, Client: "phone", At: s.clock.Now()}, owner.clients["phone"]))
	check(t, s.owner.Do(func() error {
		s.owner.Say(s.owner.Rooms[s.home], core.HomeMessage{T: core.HomeIdentity, Documents: []string{doc}}, "")
		return nil
	}))
	s.run()
	second := must[string](t)(s.owner.Give(s.params(s.home, s.people[friendName], every(time.Minute))))
	s.run()
	if g := s.edge.Grants[second]; g.State != core.GrantDeclined {
		t.Errorf("a grant under suspension is %s", g.State)
	}
	sent := len(s.node.circles[s.home].log)
	s.pass(30*time.Minute, time.Minute)
	if n := len(s.node.circles[s.home].log) - sent; n > 70 {
		t.Errorf("%d messages in half an hour of suspension", n)
	}
	check(t, s.owner.Withdraw(s.grant))
	s.run()
	if g := s.edge.Grants[s.grant]; g.State != core.GrantEnded {
		t.Errorf("a withdrawal under suspension left the grant %s", g.State)
	}
}

func TestOnlyCirclesContextsAreRead(t *testing.T) {
	t.Parallel()
	good := must[[]mls.Extension](t)(core.CircleContext{Opening: core.HashBytes([]byte("a")), Set: core.HashBytes([]byte("b"))}.Extensions())
	c, err := core.ParseContext(good)
	check(t, err)
	if c.Opening != core.HashBytes([]byte("a")) {
		t.Errorf("read %+v", c)
	}
	for name, exts := range map[string][]mls.Extension{
		"none":    nil,
		"foreign": append([]mls.Extension{{Type: 5}}, good...),
		"short":   {good[0], {Type: core.ExtContext, Data: good[1].Data[:10]}},
		"half":    good[1:],
	} {
		if _, err := core.ParseContext(exts); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := (core.CircleContext{Opening: "x"}).Extensions(); err == nil {
		t.Error("a context without hashes was written")
	}
}

func TestASilentLeafIsRemovedAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.person(ownerName, "phone")
	friend := w.person(friendName, "phone")
	edge := w.anchor("edge", nil)
	check(t, edge.SetThings(usualThings()))
	oo := w.client(ownerName, "phone")
	home := w.claim(edge, oo)
	w.client(friendName, "phone")
	p := w.params(home, friend, every(24*time.Hour))
	p.Until = w.clock.Now().Add(80 * 24 * time.Hour)
	id := must[string](t)(oo.Give(p))
	w.run()
	w.offline[friendName+phone] = true
	w.cut(friendName + phone)
	for range 4 {
		w.pass(8*24*time.Hour, 12*time.Hour)
		w.publish(owner, "phone")
		w.publish(friend, "phone")
		check(t, oo.Identity(owner.doc.Compact()))
		w.run()
	}
	r := edge.Rooms[edge.Grants[id].Circle]
	if n := len(r.MLS.Members()); n != 1 || edge.Grants[id].State != core.GrantOpen {
		t.Fatalf("after 32 silent days the circle has %d members and the grant is %s", n, edge.Grants[id].State)
	}
	w.offline[friendName+phone] = false
	w.run()
	w.pass(time.Hour, 20*time.Minute)
	if e := w.lastOf(friendName+phone, core.EventJoined); e.Reason != "rejoined" {
		t.Errorf("the client came back as %q; %s", e.Reason, w.kinds(friendName+phone))
	}
	w.feed(edge, 6)
	w.pass(24*time.Hour, 12*time.Hour)
	if v := w.newest(friendName + phone); v != "6" {
		t.Errorf("after it came back it reads %q", v)
	}
}

func TestALANWithdrawalWithTheNodeDownEndsTheCircle(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.node.down = true
	for _, name := range s.names {
		s.cut(name)
	}
	check(t, s.owner.Withdraw(s.grant))
	statement := must[string](t)(s.edge.Withdraw(must[core.Withdrawal](t)(s.owner.LANWithdrawal(s.grant))))
	check(t, s.owner.Statement(statement))
	s.run()
	w := s.owner.Given()[0].Withdrawal
	if !w.Confirmed() || !w.LockOne.IsZero() {
		t.Errorf("withdrawal %+v, want lock two without lock one", w)
	}
	s.node.down = false
	s.clock.Advance(10 * time.Minute)
	s.run()
	if w := s.owner.Given()[0].Withdrawal; w.LockOne.IsZero() {
		t.Error("lock one did not follow when the node was back")
	}
	if e := s.lastOf(friendName+phone, core.EventEnded); e.Reason != "withdrawn" {
		t.Errorf("the friend is told %q", e.Reason)
	}
}
