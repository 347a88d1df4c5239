package circle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
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
	ask := AskParams{Recipient: ownerAcc.doc.Compact(), Request: grant.Request{
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
	if e := w.lastOf(ownerName+phone, EventRequested); e.Account != friendName {
		t.Errorf("asked by %q", e.Account)
	}
	check(t, owner.Refuse(second, time.Hour))
	p := w.params(home, friend, every(time.Hour), grant.OpObserve)
	p.Request = first
	must[string](t)(owner.Give(p))
	w.run()
	if e := w.lastOf(friendName+phone, EventRefused); e.Ref != second {
		t.Errorf("refused is %q, want %q", e.Ref, second)
	}
	if e := w.lastOf(friendName+phone, EventOffered); e.Ref != first || e.Account != ownerName {
		t.Errorf("offered %+v", e)
	}
	if len(owner.Requests()) != 0 {
		t.Error("answered requests are still listed")
	}
	if err := owner.Refuse(second, 0); !errors.Is(err, ErrUnknown) {
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
	if e := s.lastOf(friendName+phone, EventEnded); e.Reason != "superseded" || e.Grant != s.grant {
		t.Errorf("the friend is told %+v", e)
	}
	if g := s.edge.grants[s.grant]; g.Reason != "superseded" {
		t.Errorf("at the edge the old grant is %s", g.Reason)
	}
}

func TestAGrantEndsByTheClock(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	s.pass(7*24*time.Hour+time.Hour, 6*time.Hour)
	if g := s.edge.grants[s.grant]; g.State != grantEnded || g.Reason != "expired" {
		t.Errorf("at the edge the grant is %s %s", g.State, g.Reason)
	}
	if g := s.owner.Given()[0]; g.State != grant.Expired {
		t.Errorf("for the owner it is %s", g.State)
	}
	if e := s.lastOf(friendName+phone, EventEnded); e.Reason != "expired" {
		t.Errorf("the friend is told %q", e.Reason)
	}
}

func TestTheEpochTurnsByCount(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Second))
	c := s.circle()
	epoch := s.edge.rooms[c].group.Epoch()
	s.pass(950*time.Second, time.Second)
	if got := s.edge.rooms[c].group.Epoch(); got != epoch+1 {
		t.Errorf("after 950 messages the epoch went from %d to %d", epoch, got)
	}
	if n := len(s.got(friendName+phone, EventValue)); n < 948 {
		t.Errorf("%d of 950 values arrived", n)
	}
}

func TestTheEpochTurnsDaily(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Hour))
	h, c := s.edge.home().group.Epoch(), s.edge.rooms[s.circle()].group.Epoch()
	s.pass(25*time.Hour, time.Hour)
	if got := s.edge.home().group.Epoch(); got != h+1 {
		t.Errorf("after a day the home's epoch went from %d to %d", h, got)
	}
	if got := s.edge.rooms[s.circle()].group.Epoch(); got != c+1 {
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
	if e := w.lastOf("edge", EventRoster); e.Reason != "circle-full" || strings.Join(e.Clients, " ") != "a b" {
		t.Errorf("roster %v %q, want a b circle-full", e.Clients, e.Reason)
	}
	if len(w.got(friendName+"#c", EventJoined)) != 0 {
		t.Error("the third client joined")
	}
}

func TestASecondPhoneNeedsNoNewGrant(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.publish(s.people[friendName], "phone", "tablet")
	tablet := s.client(friendName, "tablet")
	for _, it := range []string{"offer"} { // the inbox keeps what came before
		g := s.friend.taken[s.grant]
		l := letter{T: letterOffer, Terms: g.Terms, Opening: g.Opening}
		check(t, tablet.Inbox(ownerName, s.people[ownerName].doc.Compact(), it, mustJSON(l)))
	}
	check(t, s.friend.Identity(s.people[friendName].doc.Compact()))
	s.run()
	if e := s.lastOf("edge", EventRoster); len(e.Clients) != 2 {
		t.Fatalf("roster %v", e.Clients)
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
	w.node.stock[friendName+phone].oneTime = nil
	w.offline[friendName+phone] = true
	must[string](t)(owner.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	var r *room
	for _, x := range edge.rooms {
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
	if !fo.ms.Rotate {
		t.Error("the used last resort is not rotated")
	}
	check(t, fo.KeyPackageStock(20, true))
	if fo.ms.Rotate || len(fo.Effects()) == 0 {
		t.Error("no new last resort is published")
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
	if g := edge.grants[id]; g.State != grantPaused || g.Reason != "identity-expired" {
		t.Fatalf("with an expired grantee the grant is %s %s", g.State, g.Reason)
	}
	if g := oo.Given()[0]; g.State != grant.Paused {
		t.Errorf("the owner sees %s", g.State)
	}
	w.publish(friend, "phone")
	w.pass(2*time.Hour, time.Hour)
	if g := edge.grants[id]; g.State != grantOpen || len(g.Pauses) != 1 {
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
	if e := s.lastOf("edge", EventPaused); e.Reason != "clock" {
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
	s := newStory(t, Precision{}, grant.OpWrite)
	c := s.circle()
	r := s.edge.rooms[c]
	key := []byte(s.friend.public)
	n := must[string](t)(s.edge.issue(r, key))
	check(t, s.edge.spend(r, key, n))
	if err := s.edge.spend(r, key, n); err == nil {
		t.Error("a nonce was used twice")
	}
	n = must[string](t)(s.edge.issue(r, key))
	s.clock.Advance(31 * time.Second)
	if err := s.edge.spend(r, key, n); err == nil {
		t.Error("a nonce was used after 31 seconds")
	}
	n = must[string](t)(s.edge.issue(r, key))
	if err := s.edge.spend(r, []byte("another leaf"), n); err == nil {
		t.Error("a nonce was used by another leaf")
	}
	ref := must[string](t)(s.friend.Command(CommandParams{Circle: c, Name: "power", Op: grant.OpWrite, Input: json.RawMessage("1")}))
	s.run()
	s.pass(40*time.Second, 10*time.Second)
	if e := s.lastOf(friendName+phone, EventAnswer); e.Ref != ref || e.Problem == nil || e.Problem.Kind != "timeout" {
		t.Errorf("a command that the edge did not answer ends with %+v", e)
	}
	if err := s.edge.Answer(s.lastOf("edge", EventCommand).Ref, nil, nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("a late answer: %v", err)
	}
}

func TestANodeThatWasRestoredIsToldWhatLives(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.pass(2*time.Minute, time.Minute)
	var presented int
	s.node.refuse = func(_ string, e Effect) (*Result, *Refusal) {
		if e.Kind == EffectPresentActive {
			presented++
			if _, err := grant.VerifyActive(string(e.Document), s.home.String(), []byte(publicSeed(s.edge.home().Seed)), s.clock.Now()); err != nil {
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
	p := Precision{Every: grant.Duration(time.Minute), Stat: grant.Max, Round: 50, Place: &place, Delay: grant.Duration(2 * time.Minute)}
	s := newStory(t, p)
	for _, v := range []float64{12, 137, 90} {
		s.feed(s.edge, v)
		s.clock.Advance(10 * time.Second)
	}
	s.pass(2*time.Minute, time.Minute)
	if n := len(s.got(friendName+phone, EventValue)); n != 0 {
		t.Errorf("%d values came before the delay was over", n)
	}
	s.pass(2*time.Minute, time.Minute)
	v := s.got(friendName+phone, EventValue)[0]
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

func TestOthersCannotClaimAnEdgeThatIsOwned(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	s.person("thief@h.localhost:8401", "phone")
	thief := s.client("thief@h.localhost:8401", "phone")
	req := must[ClaimRequest](t)(thief.BeginClaim(nodeH))
	if _, err := s.edge.BeginClaim(req); err == nil {
		t.Error("a stranger began a claim")
	}
	edge := s.anchor("edge2", nil)
	for name, change := range map[string]func(*ClaimRequest){
		"client":  func(r *ClaimRequest) { r.Client = "nobody" },
		"package": func(r *ClaimRequest) { r.KeyPackage = r.KeyPackage[:20] },
		"nonce":   func(r *ClaimRequest) { r.Nonce = "x" },
		"node":    func(r *ClaimRequest) { r.Node = "not a name" },
		"doc":     func(r *ClaimRequest) { r.Identity = "a.b.c" },
	} {
		r := req
		change(&r)
		if _, err := edge.BeginClaim(r); err == nil {
			t.Errorf("a claim with a bad %s began", name)
		}
	}
	if _, err := edge.FinishClaim("x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("finishing what was not begun: %v", err)
	}
	offer := must[ClaimOffer](t)(edge.BeginClaim(req))
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
	if _, err := OpenAnchor(s.path("edge"), AnchorOptions{Clock: s.clock}); err == nil {
		t.Error("the directory was opened twice")
	}
	check(t, s.edge.Close())
	if err := s.edge.Tick(); !errors.Is(err, ErrClosed) {
		t.Errorf("tick after close: %v", err)
	}
	check(t, s.edge.Close())
}

func TestRefusalsOfAnOwner(t *testing.T) {
	t.Parallel()
	s := newStory(t, every(time.Minute))
	friend := s.people[friendName]
	cases := map[string]func(p *GiveParams){
		"unknown home":     func(p *GiveParams) { p.Home = ID{1} },
		"unknown thing":    func(p *GiveParams) { p.Share[0].Source.Thing = "nothing" },
		"unknown request":  func(p *GiveParams) { p.Request = "x" },
		"the owner itself": func(p *GiveParams) { p.Grantee = s.people[ownerName].doc.Compact() },
		"no document":      func(p *GiveParams) { p.Grantee = "x" },
		"nothing replaced": func(p *GiveParams) { p.Replaces = "x" },
		"no end":           func(p *GiveParams) { p.Until = time.Time{} },
		"no purpose":       func(p *GiveParams) { p.Purpose.Class = "fun" },
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
	if err := s.owner.Withdraw("x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("withdrawing what is not there: %v", err)
	}
	if _, err := s.friend.Command(CommandParams{Circle: s.circle(), Name: "power", Op: grant.OpWrite}); err == nil {
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
	for i := range stockSize + 3 {
		p := s.params(s.home, s.people[friendName], every(time.Minute))
		p.Service = fmt.Sprint("service ", i)
		if _, last = s.owner.Give(p); last == nil {
			given++
		}
	}
	if given < stockSize || !errors.Is(last, ErrNotYet) {
		t.Errorf("%d grants without the edge, then %v", given, last)
	}
	s.run()
	s.offline["edge"] = false
	s.run()
	live := 0
	for _, g := range s.edge.grants {
		if g.State == grantOpen {
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
	id := must[string](t)(identity.NewID(s.edge.rand, s.clock.Now()))
	doc := must[string](t)(identity.SignSuspension(identity.Suspension{ID: id, Account: owner.address, Client: "phone", At: s.clock.Now()}, owner.clients["phone"]))
	check(t, s.owner.do(func() error {
		s.owner.say(s.owner.rooms[s.home], homeMessage{T: homeIdentity, Documents: []string{doc}}, "")
		return nil
	}))
	s.run()
	second := must[string](t)(s.owner.Give(s.params(s.home, s.people[friendName], every(time.Minute))))
	s.run()
	if g := s.edge.grants[second]; g.State != grantWaiting {
		t.Errorf("a grant under suspension is %s", g.State)
	}
	sent := len(s.node.circles[s.home].log)
	s.pass(30*time.Minute, time.Minute)
	if n := len(s.node.circles[s.home].log) - sent; n > 70 {
		t.Errorf("%d messages in half an hour of suspension", n)
	}
	check(t, s.owner.Withdraw(s.grant))
	s.run()
	if g := s.edge.grants[s.grant]; g.State != grantEnded {
		t.Errorf("a withdrawal under suspension left the grant %s", g.State)
	}
}

func TestOnlyCirclesContextsAreRead(t *testing.T) {
	t.Parallel()
	good := must[[]mls.Extension](t)(circleContext{Opening: hashBytes([]byte("a")), Set: hashBytes([]byte("b"))}.extensions())
	c, err := parseContext(good)
	check(t, err)
	if c.Opening != hashBytes([]byte("a")) {
		t.Errorf("read %+v", c)
	}
	for name, exts := range map[string][]mls.Extension{
		"none":    nil,
		"foreign": append([]mls.Extension{{Type: 5}}, good...),
		"short":   {good[0], {Type: extContext, Data: good[1].Data[:10]}},
		"half":    good[1:],
	} {
		if _, err := parseContext(exts); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := (circleContext{Opening: "x"}).extensions(); err == nil {
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
	r := edge.rooms[edge.grants[id].Circle]
	if n := len(r.group.Members()); n != 1 || edge.grants[id].State != grantOpen {
		t.Fatalf("after 32 silent days the circle has %d members and the grant is %s", n, edge.grants[id].State)
	}
	w.offline[friendName+phone] = false
	w.run()
	w.pass(time.Hour, 20*time.Minute)
	if e := w.lastOf(friendName+phone, EventJoined); e.Reason != "rejoined" {
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
	statement := must[string](t)(s.edge.Withdraw(must[Withdrawal](t)(s.owner.LANWithdrawal(s.grant))))
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
	if e := s.lastOf(friendName+phone, EventEnded); e.Reason != "withdrawn" {
		t.Errorf("the friend is told %q", e.Reason)
	}
}
