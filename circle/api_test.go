package circle

import (
	"testing"
	"time"

	"primum/grant"
)

// The exported actors are thin: this is the story through them alone.
func TestTheStoryThroughTheExportedActors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, friend := w.person(ownerName, "phone"), w.person(friendName, "phone")
	edge := must[*Anchor](t)(OpenAnchor(w.path("edge"), AnchorOptions{Clock: w.clock}))
	w.add("edge", edge)
	check(t, edge.SetThings(usualThings()))
	actors := map[string]*Owner{}
	for _, a := range []*account{owner, friend} {
		o := must[*Owner](t)(OpenOwner(w.path(a.address.String()), MemberOptions{
			Clock: w.clock, Signer: a.clients["phone"], Identity: a.doc.Compact(),
		}))
		w.add(a.address.String()+phone, o)
		check(t, o.KeyPackageStock(nil))
		actors[a.address.String()] = o
	}
	w.run()
	oo, fo := actors[ownerName], actors[friendName]
	req := must[ClaimRequest](t)(oo.BeginClaim(nodeH))
	offer := must[ClaimOffer](t)(edge.BeginClaim(req))
	welcome := must[HomeWelcome](t)(edge.FinishClaim(must[string](t)(oo.SignClaim(req, offer, edge.ThingKey()))))
	home := must[ID](t)(oo.JoinHome(offer, welcome))
	w.run()
	if c, ok := edge.Claimed(); !ok || c.Owner != ownerName || c.Home != home {
		t.Fatalf("claimed by %+v", c)
	}
	id := must[string](t)(oo.Give(w.params(home, friend, every(time.Minute))))
	w.run()
	check(t, edge.Feed(Sample{Thing: "meter", Name: "power", At: w.clock.Now(), Value: []byte("5")}))
	w.pass(time.Minute, time.Minute)
	if v := w.newest(friendName + phone); v != "5" {
		t.Errorf("the friend reads %q", v)
	}
	if len(oo.Things(home)) != 2 || len(oo.Homes()) != 1 || len(fo.Grants()) != 1 {
		t.Errorf("things %v, homes %v, grants %v", oo.Things(home), oo.Homes(), fo.Grants())
	}
	check(t, oo.Withdraw(id))
	w.run()
	if g := oo.Given()[0]; g.State != grant.Withdrawn || !g.Withdrawal.Confirmed() {
		t.Errorf("the grant is %s, %+v", g.State, g.Withdrawal)
	}
	m, err := OpenMember(w.path("service"), MemberOptions{Clock: w.clock, Signer: friend.clients["phone"], Identity: friend.doc.Compact()})
	check(t, err)
	check(t, m.Close())
}
