package circle

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/internal/jws"
)

// offerBy has an account, honest or not, offer a circle at any node.
func offerBy(w *world, from string, to *ownerActor, node string, until time.Duration) error {
	w.t.Helper()
	sender, grantee := w.people[from], to.Own()
	signed := must[grant.Signed](w.t)(grant.New(grant.Params{
		Now: w.clock.Now(), Owner: sender.address, Client: "phone", Signer: sender.clients["phone"],
		Grantee: grant.Grantee{Account: grantee.Address(), IdentityKey: jws.Bytes(grantee.IdentityKey()), Kind: grantee.Kind()},
		Node:    node, Home: newID(w).String(), Circle: newID(w).String(), AnchorKey: publicOf2(newKey(w.t)), Suite: core.SuiteIDs(nil)[0],
		Valid:   grant.Interval{Until: w.clock.Now().Add(until)},
		Shares:  []grant.Share{{Thing: "meter", Actions: []string{grant.OpRead}, Affordances: []string{"power"}, Precision: every(time.Minute)}},
		Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer"},
	}))
	l := member.Letter{T: member.LetterOffer, Terms: signed.Terms, Opening: signed.Opening}
	return to.Inbox(from, sender.doc.Compact(), "offer", core.MustJSON(l))
}

func newID(w *world) (id core.ID) {
	copy(id[:], publicOf2(newKey(w.t)))
	return id
}

// A stranger's offer does not make a client connect to its own machine.
func TestAnOfferNamesNoNodeOnTheClientsMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("mallory@evil.example.net", "phone")
	w.person("friend@people.example.net", "phone")
	w.person(friendName, "phone")
	friend, local := w.client("friend@people.example.net", "phone"), w.client(friendName, "phone")
	for _, node := range []string{"localhost:22", "x.localhost:8401", "printer.localhost"} {
		if err := offerBy(w, "mallory@evil.example.net", friend, node, time.Hour); !errors.Is(err, core.ErrRefused) {
			t.Errorf("offer at %s: %v, want it refused", node, err)
		}
	}
	if n := len(friend.Subscriptions()); n != 0 {
		t.Errorf("the client subscribes to %d circles", n)
	}
	check(t, offerBy(w, "mallory@evil.example.net", friend, "node.example.net", time.Hour))
	check(t, offerBy(w, "mallory@evil.example.net", local, "x.localhost:8401", time.Hour))
}

// Offers that lead into no circle are bounded, each sender's and all.
func TestOffersThatNobodyFollowsUpAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(friendName, "phone")
	friend := w.client(friendName, "phone")
	for i := range 10 {
		from := fmt.Sprintf("mallory%d@evil.example.net", i)
		w.person(from, "phone")
		for range 20 {
			check(t, offerBy(w, from, friend, "node.example.net", time.Duration(i+1)*time.Hour))
		}
		if err := offerBy(w, from, friend, "node.example.net", time.Hour); !errors.Is(err, core.ErrRefused) {
			t.Fatalf("offer 21 of %s: %v, want it refused", from, err)
		}
	}
	w.person("last@evil.example.net", "phone")
	if err := offerBy(w, "last@evil.example.net", friend, "node.example.net", time.Hour); !errors.Is(err, core.ErrRefused) {
		t.Errorf("offer 201: %v, want it refused", err)
	}
	if n := len(friend.Subscriptions()); n != 200 {
		t.Errorf("the client subscribes to %d circles, want 200", n)
	}
	w.clock.Advance(time.Hour)
	check(t, offerBy(w, "last@evil.example.net", friend, "node.example.net", time.Hour)) // the first have ended
}
