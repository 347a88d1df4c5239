package circle

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/mls"
)

const (
	hybrid  = mls.MLKEM768X25519AES128GCMSHA256Ed25519
	classic = mls.X25519AES128GCMSHA256Ed25519
)

// offered is an owner with a claimed edge who has given the meter to a friend
// with these clients, all of which are open.
type offered struct {
	*story
	ownerAcc, friendAcc *account
}

func newOffered(t testing.TB, owners, friends []string, o anchor.Options) *offered {
	t.Helper()
	w := newWorld(t)
	s := &offered{story: &story{world: w}, ownerAcc: w.person(ownerName, owners...), friendAcc: w.person(friendName, friends...)}
	o.Clock = w.clock
	s.edge = must[*anchor.Anchor](t)(anchor.Open(w.path("edge"), o))
	w.add("edge", s.edge)
	check(t, s.edge.SetThings(usualThings()))
	for _, c := range owners {
		actor := w.client(ownerName, c)
		if s.owner == nil {
			s.owner = actor
		}
	}
	for _, c := range friends {
		actor := w.client(friendName, c)
		if s.friend == nil {
			s.friend = actor
		}
	}
	s.home = w.claim(s.edge, s.owner)
	return s
}

// give gives the meter and runs.
func (s *offered) give() {
	s.t.Helper()
	s.grant = must[string](s.t)(s.owner.Give(s.params(s.home, s.friendAcc, every(time.Minute))))
	s.run()
}

// suites are those of home and grant circle at the edge; 0: there is none.
func (s *offered) suites() (home, given mls.Suite) {
	for _, r := range s.edge.Rooms {
		if r.Home {
			home = r.MLS.Suite()
		} else if r.Grant == s.grant {
			given = r.MLS.Suite()
		}
	}
	return home, given
}

// works checks that a value arrives at these clients of the friend.
func (s *offered) works(friends ...string) {
	s.t.Helper()
	s.feed(s.edge, 7)
	s.pass(2*time.Minute, time.Minute)
	for _, c := range friends {
		if v := s.newest(friendName + "#" + c); v != "7" {
			s.t.Errorf("%s reads %q; %s", c, v, s.kinds(friendName+"#"+c))
		}
	}
}

// TestSuiteOfACircle: the strongest that the anchor and all clients concerned
// list, in home and grant circle.
func TestSuiteOfACircle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		owners, friends []string
		thing           []mls.Suite
		home, given     mls.Suite
	}{
		"all have the hybrid":        {[]string{"phone"}, []string{"phone", "tablet"}, nil, hybrid, hybrid},
		"one friend's client is old": {[]string{"phone"}, []string{"phone", "tablet-old"}, nil, hybrid, classic},
		"one owner's client is old":  {[]string{"phone", "tablet-old"}, []string{"phone"}, nil, classic, hybrid},
		"the thing is constrained":   {[]string{"phone"}, []string{"phone"}, []mls.Suite{classic}, classic, classic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOffered(t, c.owners, c.friends, anchor.Options{Suites: c.thing})
			s.give()
			if home, given := s.suites(); home != c.home || given != c.given {
				t.Errorf("home circle %s, grant circle %s", home, given)
			}
			s.works(c.friends...)
			for actor, info := range map[string]mls.Suite{"owner": s.owner.Given()[0].Suite, "friend": s.friend.Grants()[0].Suite} {
				if info != c.given {
					t.Errorf("the %s sees %s", actor, info)
				}
			}
			if h := s.owner.Homes()[0]; h.Suite != c.home {
				t.Errorf("the owner sees a home of %s", h.Suite)
			}
		})
	}
}

// TestOldClientComesToAHybridCircle: it is left out, named with the reason, and
// the others go on; when its program is brought up to date it enters.
func TestOldClientComesToAHybridCircle(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone"}, anchor.Options{})
	s.give()
	s.friendAcc.old["watch-old"], s.ownerAcc.old["laptop-old"] = true, true
	s.publish(s.friendAcc, "phone", "watch-old")
	check(t, s.friend.Identity(s.friendAcc.doc.Compact()))
	s.client(friendName, "watch-old")
	s.publish(s.ownerAcc, "phone", "laptop-old")
	s.client(ownerName, "laptop-old")
	check(t, s.owner.Identity(s.ownerAcc.doc.Compact()))
	s.run()
	s.pass(3*time.Hour, time.Hour)
	if e := s.lastOf(ownerName+"#laptop-old", core.EventProblem); e.Reason != "suite" {
		t.Errorf("the laptop is told %+v", e)
	}
	g := s.owner.Given()[0]
	if !slices.Equal(g.Unfit, []string{"watch-old"}) || slices.Contains(g.Clients, "watch-old") || g.Suite != hybrid {
		t.Errorf("the owner sees clients %v, without place %v, %s", g.Clients, g.Unfit, g.Suite)
	}
	if h := s.owner.Homes()[0]; !slices.Equal(h.Unfit, []string{"laptop-old"}) || slices.Contains(h.Clients, "laptop-old") {
		t.Errorf("in the home %v, without place %v", h.Clients, h.Unfit)
	}
	told := map[string]int{}
	for _, e := range s.got(ownerName+phone, core.EventProblem) {
		for _, name := range []string{"watch-old", "laptop-old"} {
			if e.Reason == "suite" && strings.Contains(e.Text, name) && strings.Contains(e.Text, "up to date") {
				told[name]++
			}
		}
	}
	if told["watch-old"] != 1 || told["laptop-old"] != 1 {
		t.Errorf("the owner was told %v", told)
	}
	s.works("phone")
	s.friendAcc.old["watch-old"] = false
	s.publish(s.friendAcc, "phone", "watch-old")
	watch := s.actors[friendName+"#watch-old"].(*ownerActor)
	check(t, watch.Identity(s.friendAcc.doc.Compact()))
	check(t, watch.KeyPackageStock(nil))
	check(t, s.friend.Identity(s.friendAcc.doc.Compact()))
	s.run()
	s.pass(2*time.Hour, time.Hour)
	s.ownerAcc.old["laptop-old"] = false
	s.publish(s.ownerAcc, "phone", "laptop-old")
	laptop := s.actors[ownerName+"#laptop-old"].(*ownerActor)
	check(t, laptop.Identity(s.ownerAcc.doc.Compact()))
	check(t, laptop.KeyPackageStock(nil))
	check(t, s.owner.Identity(s.ownerAcc.doc.Compact()))
	s.run()
	s.pass(2*time.Hour, time.Hour)
	if h := s.owner.Homes()[0]; len(h.Unfit) != 0 || !slices.Contains(h.Clients, "laptop-old") || !laptop.Homes()[0].Ready {
		t.Errorf("brought up to date: in the home %v, without place %v, the laptop's %+v", h.Clients, h.Unfit, laptop.Homes())
	}
	if g := s.owner.Given()[0]; len(g.Unfit) != 0 || !slices.Contains(g.Clients, "watch-old") {
		t.Errorf("brought up to date: clients %v, without place %v", g.Clients, g.Unfit)
	}
}

// TestARenewalChoosesAnew: circles keep their suite; the grant that replaces one
// has the strongest that everybody has now.
func TestARenewalChoosesAnew(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone", "tablet-old"}, anchor.Options{})
	s.give()
	s.friendAcc.old["tablet-old"] = false
	s.clock.Advance(time.Minute)
	s.publish(s.friendAcc, "phone", "tablet-old")
	for _, c := range []string{"phone", "tablet-old"} {
		actor := s.actors[friendName+"#"+c].(*ownerActor)
		check(t, actor.Identity(s.friendAcc.doc.Compact()))
		check(t, actor.KeyPackageStock([]core.PackageStock{{Suite: 1, OneTime: 20, LastResort: true}}))
	}
	s.run()
	s.pass(2*time.Hour, time.Hour)
	if _, given := s.suites(); given != classic {
		t.Errorf("a living circle changed to %s", given)
	}
	s.works("phone", "tablet-old")
	p := s.params(s.home, s.friendAcc, every(time.Minute))
	p.Replaces = s.grant
	s.grant = must[string](t)(s.owner.Give(p))
	s.run()
	if _, given := s.suites(); given != hybrid {
		t.Errorf("the renewal has %s", given)
	}
	s.works("phone", "tablet-old")
}

// P2 (a): a node that strips key packages, or swaps them for others of its own
// choice, keeps clients out and brings nobody down to the weaker suite.
func TestP2NodeCannotWeakenACircleByKeyPackages(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]func(n *fakeNode, e core.Effect) core.Result{
		"stripped": func(*fakeNode, core.Effect) core.Result { return core.Result{} },
		"of suite 1 instead": func(n *fakeNode, e core.Effect) core.Result {
			e.Suite = uint16(classic)
			return n.claimPackages(e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOffered(t, []string{"phone"}, []string{"phone"}, anchor.Options{})
			asked := 0
			s.node.refuse = func(_ string, e core.Effect) (*core.Result, *core.Refusal) {
				if e.Kind != core.EffectClaimKeyPackages {
					return nil, nil
				}
				if asked++; e.Suite != uint16(hybrid) {
					t.Errorf("the anchor asks for packages of %#x", e.Suite)
				}
				r := lie(s.node, e)
				return &r, nil
			}
			s.give()
			s.pass(5*time.Hour, time.Hour)
			if _, given := s.suites(); given != hybrid || asked < 3 {
				t.Errorf("the circle is of %s after %d claims", given, asked)
			}
			if n := len(s.got(friendName+phone, core.EventJoined)); n != 0 {
				t.Error("the friend joined")
			}
			s.node.refuse = nil // the honest node lets it in
			s.pass(2*time.Hour, time.Hour)
			s.works("phone")
		})
	}
}

// P2 (b): the node shows the owner an older identity document, from before the
// friend's clients had the hybrid. The friend refuses the offer; so does the
// edge, once it knows the document that the giver should have gone by.
func TestP2NodeCannotWeakenACircleByAnOlderIdentity(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone"}, anchor.Options{})
	s.friendAcc.doc = nil
	s.friendAcc.old["phone"] = true
	s.publish(s.friendAcc, "phone")
	older := s.friendAcc.doc
	s.clock.Advance(24 * time.Hour)
	s.friendAcc.old["phone"] = false
	s.publish(s.friendAcc, "phone")
	newer := s.friendAcc.doc
	check(t, s.friend.Close())
	s.friend = must[*ownerActor](t)(openOwner(s.path("again"), member.Options{
		Clock: s.clock, Signer: s.friendAcc.clients["phone"], Identity: newer.Compact(),
	}))
	s.add(friendName+phone, s.friend)
	s.clock.Advance(24 * time.Hour)

	s.friendAcc.doc = older
	p := s.params(s.home, s.friendAcc, every(time.Minute))
	s.friendAcc.doc = newer
	s.grant = must[string](t)(s.owner.Give(p))
	if given := s.owner.Given()[0]; given.Suite != classic {
		t.Fatalf("the owner, deceived, gave %s", given.Suite)
	}
	letter := func() error {
		s.turn(ownerName + phone)
		var err error
		for _, it := range s.node.inbox[friendName+phone] {
			err = errors.Join(err, s.friend.Inbox(it.from, s.ownerAcc.doc.Compact(), it.kind, it.document))
		}
		s.node.inbox[friendName+phone] = nil
		return err
	}
	if err := letter(); !errors.Is(err, core.ErrWeakSuite) {
		t.Errorf("the friend's client says %v", err)
	}
	s.run()
	if g := s.edge.Grants[s.grant]; g.State != core.GrantEnded || g.Reason != core.ReasonWeak {
		t.Errorf("at the edge the grant is %s %q", g.State, g.Reason)
	}
	if g := s.owner.Given()[0]; g.State != grant.Revoked || g.Reason != core.ReasonWeak {
		t.Errorf("the owner sees %s %q", g.State, g.Reason)
	}
	if n := len(s.got(friendName+phone, core.EventJoined)); n != 0 {
		t.Error("the friend joined")
	}
	s.friendAcc.doc = newer
	s.give()
	if _, given := s.suites(); given != hybrid {
		t.Errorf("given again it has %s", given)
	}
}

// P2 (b): the edge is shown the older document too: a client that it takes for
// one without the hybrid is left out of a hybrid circle, and never the circle
// brought down to it.
func TestP2NodeCannotWeakenACircleAtTheEdge(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone"}, anchor.Options{})
	newer := s.friendAcc.doc
	s.friendAcc.doc = nil
	s.friendAcc.old["phone"] = true
	s.publish(s.friendAcc, "phone")
	older := s.friendAcc.doc
	s.friendAcc.doc = newer
	s.node.refuse = func(actor string, e core.Effect) (*core.Result, *core.Refusal) {
		if actor == "edge" && e.Kind == core.EffectFetchIdentity && e.Account == friendName {
			return &core.Result{Identity: older.Compact()}, nil
		}
		return nil, nil
	}
	s.give()
	s.pass(3*time.Hour, time.Hour)
	if _, given := s.suites(); given != hybrid || len(s.got(friendName+phone, core.EventJoined)) != 0 {
		t.Errorf("the circle is of %s", given)
	}
}

// P2 (c): an opening or a claim that names suite 1 where both sides list the
// hybrid is refused by the member, whoever signed it; so is a Welcome into a
// group of another suite than the opening says, even by the anchor's own key.
func TestP2WeakOpeningClaimAndWelcomeAreRefused(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone"}, anchor.Options{})
	req := must[core.ClaimRequest](t)(s.owner.BeginClaim(nodeH))
	if len(req.Fallback) == 0 {
		t.Fatal("the request has no package for a constrained thing")
	}
	weak := req
	weak.KeyPackage, weak.Fallback = req.Fallback, nil // somebody on the way took the other one out
	if _, err := s.edge.BeginClaim(weak); !errors.Is(err, core.ErrWeakSuite) {
		t.Errorf("the edge, asked for a weak home, says %v", err)
	}
	forger := must[*anchor.Anchor](t)(anchor.Open(s.path("forger"), anchor.Options{Clock: s.clock, Suites: []mls.Suite{classic}}))
	s.add("forger", forger)
	offer := must[core.ClaimOffer](t)(forger.BeginClaim(req))
	if _, err := s.owner.SignClaim(req, offer, forger.ThingKey()); err != nil {
		t.Errorf("a constrained thing can't be claimed: %v", err)
	}
	lying := must[core.ClaimOffer](t)(forgeClaim(forger, req, offer))
	if _, err := s.owner.SignClaim(req, lying, forger.ThingKey()); !errors.Is(err, core.ErrWeakSuite) {
		t.Errorf("a claim of suite 1 by a thing that lists the hybrid: %v", err)
	}

	s.give()
	c := s.circle()
	room := s.friend.Rooms[c]
	check(t, s.friend.Do(func() error { s.friend.LoseState(room, "test"); return nil }))
	seed := s.edge.Rooms[c].Seed
	welcome := s.welcomeOf(classic, c, seed)
	check(t, s.friend.Do(func() error {
		s.friend.Welcomed(room, &core.Incoming{Kind: core.InWelcome, Raw: welcome})
		return nil
	}))
	if room.MLS != nil {
		t.Errorf("a Welcome of %s was taken for a circle of the hybrid", room.MLS.Suite())
	}
}

// forgeClaim has a thing say that it has every suite, in its claim of suite 1.
func forgeClaim(an *anchor.Anchor, r core.ClaimRequest, o core.ClaimOffer) (forged core.ClaimOffer, err error) {
	var c grant.Claim
	if err := core.Unverified(o.Claim, &c); err != nil {
		return forged, err
	}
	c.Suites, c.KeyPackage = core.SuiteIDs(nil), core.HashBytes(r.Fallback)
	forged.Claim, err = grant.SignClaim(c, ed25519.NewKeyFromSeed(an.State.ThingSeed))
	return forged, err
}

// welcomeOf lets the friend into a group of another suite that says all else as
// its circle does, under the anchor's own leaf key.
func (s *offered) welcomeOf(suite mls.Suite, c core.ID, seed []byte) []byte {
	s.t.Helper()
	cfg := mls.Config{Signer: ed25519.NewKeyFromSeed(seed), Now: s.clock.Now}
	room := s.friend.Rooms[c]
	exts := must[[]mls.Extension](s.t)(core.CircleContext{Opening: room.Member.Opening, Set: room.Member.Set}.Extensions())
	g := must[*mls.Group](s.t)(mls.Create(cfg, c[:], suite, []byte("anchor"), exts))
	for _, p := range s.friend.Packages.Held {
		kp := must[*mls.KeyPackage](s.t)(mls.ParseKeyPackage(p.Package))
		if kp.Suite() == suite {
			staged, err := g.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}, AuthenticatedData: core.AtBytes(s.clock.Now())})
			check(s.t, err)
			return staged.Welcome
		}
	}
	s.t.Fatalf("the friend holds no package of %s", suite)
	return nil
}

// P2 (d): a mixture: the owner is shown the newest document, the edge an older
// one for one of two clients, and packages are swapped for one. Who is in is in
// on the hybrid.
func TestP2NodeCannotWeakenACircleByAMixture(t *testing.T) {
	t.Parallel()
	s := newOffered(t, []string{"phone"}, []string{"phone", "tablet"}, anchor.Options{})
	s.node.refuse = func(_ string, e core.Effect) (*core.Result, *core.Refusal) {
		if e.Kind != core.EffectClaimKeyPackages {
			return nil, nil
		}
		honest := s.node.claimPackages(e)
		e.Suite = uint16(classic)
		weak := s.node.claimPackages(e)
		var mixed core.Result
		for i := range honest.Packages {
			p := honest.Packages[i]
			if p.Client == "tablet" && i < len(weak.Packages) {
				p = weak.Packages[i]
			}
			mixed.Packages = append(mixed.Packages, p)
		}
		return &mixed, nil
	}
	s.give()
	s.pass(3*time.Hour, time.Hour)
	if _, given := s.suites(); given != hybrid {
		t.Errorf("the circle is of %s", given)
	}
	if g := s.owner.Given()[0]; !slices.Equal(g.Clients, []string{"phone"}) {
		t.Errorf("in the circle: %v", g.Clients)
	}
	s.works("phone")
}
