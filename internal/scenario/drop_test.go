package scenario

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"primum/client"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
)

// TestP3DroppedBeforeTheOtherJoined (P3): a client is dropped while the one that
// could tell the thing is on its way into the circle; the thing hears of it as
// soon as that one is in, not at its next look for documents, an hour later.
func TestP3DroppedBeforeTheOtherJoined(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, "h.localhost", dir, clock.Real())
	now := time.Now()
	owner := newParty(t, n.Authority(), "owner", now, prime)
	friend := newParty(t, n.Authority(), "friend", now, prime, obs)
	thief := newObserver(t, friend.hands[obs], realCalls(), now)
	if err := friend.open(t, prime, realCalls()).Close(); err != nil { // its key packages are at the node
		t.Fatal(err)
	}
	owning := owner.open(t, prime, realCalls())
	calls := client.Calls{Transport: nethttp.New(nethttp.Options{})}
	a := runAnchor(t, filepath.Join(t.TempDir(), "anchor"), calls, nil)
	home := a.claimBy(t, owning)
	id := giveTo(t, owning, home, friend, now.Add(24*time.Hour), onChange(meter, readOps, "count"))
	c := givenCircle(t, owning, id, 2)
	a.feed(t, "count", 1, time.Now())

	compact := friend.change(t, time.Now(), func(d *identity.Document) { d.Clients = d.Clients[:1] })
	if err := friend.hands[prime].node(calls).PutIdentity(t.Context(), friend.address.User, compact); err != nil {
		t.Fatal(err)
	}
	friendly := friend.open(t, prime, realCalls())
	givenCircle(t, owning, id, 1)
	after := time.Now()
	a.feed(t, "count", 2, after)
	shown := newSeen()
	watchInto(t, friendly, id, shown, "count")
	eventually(t, "the other client goes on", func() bool { return shown.has(after) })
	thief.thiefTries(t, storedFrames(t, dir, c), storedFrames(t, dir, wire.CircleID(home))...)
	if len(thief.values(t, "count")) != 1 {
		t.Errorf("the dropped client opened %d values, one was sealed for it", len(thief.values(t, "count")))
	}
}

// TestOfferReachesAnAccountOfManyClients: an offer holds a sealed copy for each
// client of the account.
func TestOfferReachesAnAccountOfManyClients(t *testing.T) {
	t.Parallel()
	h, s := startNode(t, "h.localhost", t.TempDir(), clock.Real()), startNode(t, "s.localhost", t.TempDir(), clock.Real())
	now := time.Now()
	names := []string{prime}
	for i := range wire.MaxClients - 1 {
		names = append(names, fmt.Sprintf("c%d", i))
	}
	owner := newParty(t, h.Authority(), "owner", now, prime)
	friend := newParty(t, s.Authority(), "friend", now, names...)
	friendly, owning := friend.open(t, prime, realCalls()), owner.open(t, prime, realCalls())
	a := runAnchor(t, filepath.Join(t.TempDir(), "anchor"), realCalls(), nil)
	home := a.claimBy(t, owning)
	giveTo(t, owning, home, friend, now.Add(24*time.Hour), onChange(meter, readOps, "count"))
	eventually(t, "the offer arrives and the client joins", func() bool {
		grants := friendly.Owner.Grants()
		return len(grants) == 1 && grants[0].Joined
	})
}
