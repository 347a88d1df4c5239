package storetest

import (
	"testing"
	"time"

	"primum/internal/store"
)

func home(thing string, number uint64) store.Home {
	return store.Home{
		Circle: newID(), ThingKey: []byte(thing), Number: number, Owner: owner, AnchorKey: random(32),
		Claim: "claim", Countersignature: "countersignature", Opened: now(),
	}
}

func homes(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	first := home("thing", 1)
	for range 2 {
		equal(t, "ended", len(must[[]store.Home](t)(e.Homes.Put(ctx, first))), 0)
	}
	taken := home("other thing", 1)
	taken.Circle, taken.Claim = first.Circle, "another claim"
	_, err := e.Homes.Put(ctx, taken)
	is(t, err, store.ErrExists)
	_, err = e.Homes.Put(ctx, home("thing", 1))
	is(t, err, store.ErrConflict)
	second := home("thing", 2)
	second.Opened = now().Add(time.Hour)
	ended := must[[]store.Home](t)(e.Homes.Put(ctx, second))
	if len(ended) != 1 || ended[0].Circle != first.Circle || !ended[0].Ended.Equal(second.Opened) {
		t.Fatalf("ended are %+v", ended)
	}
	got := must[store.Home](t)(e.Homes.Get(ctx, first.Circle))
	equal(t, "end of the first", got.Ended, second.Opened)
	equal(t, "owner", got.Owner, owner)
	all := must[[]store.Home](t)(e.Homes.ByThing(ctx, []byte("thing")))
	equal(t, "homes of the thing", len(all), 2)
	equal(t, "the newest", all[1].Circle, second.Circle)
	_, err = e.Homes.Get(ctx, newID())
	is(t, err, store.ErrNotFound)
}

func newGrant(id string) *store.Grant {
	return &store.Grant{
		ID: id, Circle: newID(), Owner: owner, Grantee: friend, GrantKey: []byte("grant key"), AnchorKey: []byte("anchor key"),
		OpeningHash: "opening", From: now(), Until: now().Add(7 * 24 * time.Hour), AskAgain: 90 * 24 * time.Hour,
		State: "Given", EnvelopeHash: "hash", Envelope: "envelope",
	}
}

func event(state string) store.GrantEvent {
	return store.GrantEvent{State: state, At: now(), By: "owner", Hash: "hash", Document: "document", Receipt: "receipt"}
}

func grants(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	g := newGrant("0001")
	ok(t, e.Grants.Apply(ctx, store.Change{New: g, Event: event("Given")}))
	is(t, e.Grants.Apply(ctx, store.Change{New: g, Event: event("Given")}), store.ErrExists)
	sameCircle := newGrant("0002")
	sameCircle.Circle = g.Circle
	is(t, e.Grants.Apply(ctx, store.Change{New: sameCircle, Event: event("Given")}), store.ErrExists)
	is(t, e.Grants.Apply(ctx, store.Change{ID: "0003", Expect: "Given", Event: event("Withdrawn")}), store.ErrNotFound)
	is(t, e.Grants.Apply(ctx, store.Change{ID: "0001", Expect: "Paused", Event: event("Withdrawn")}), store.ErrConflict)
	ok(t, e.Grants.Apply(ctx, store.Change{ID: "0001", Expect: "Given", Envelope: "signed again", EnvelopeHash: "new", Event: event("Given")}))
	ok(t, e.Grants.Apply(ctx, store.Change{ID: "0001", Expect: "Given", Event: event("Withdrawn")}))
	is(t, e.Grants.Apply(ctx, store.Change{ID: "0001", Expect: "Given", Event: event("Expired")}), store.ErrConflict)
	got := must[store.Grant](t)(e.Grants.Get(ctx, "0001"))
	equal(t, "state", got.State, "Withdrawn")
	equal(t, "envelope", got.Envelope, "signed again")
	equal(t, "until", got.Until, g.Until)
	equal(t, "ask again", got.AskAgain, g.AskAgain)
	equal(t, "by circle", must[store.Grant](t)(e.Grants.ByCircle(ctx, g.Circle)).ID, "0001")
	events := must[[]store.GrantEvent](t)(e.Grants.Events(ctx, "0001"))
	equal(t, "events", len(events), 3)
	equal(t, "last event", events[2], event("Withdrawn"))
	_, err := e.Grants.ByCircle(ctx, newID())
	is(t, err, store.ErrNotFound)
}

func grantsTogether(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	ok(t, e.Grants.Apply(ctx, store.Change{New: newGrant("0001"), Event: event("Given")}))
	renewal := store.Change{New: newGrant("0002"), Event: event("Given")}
	is(t, e.Grants.Apply(ctx, renewal, store.Change{ID: "0001", Expect: "Paused", Event: event("Superseded")}), store.ErrConflict)
	_, err := e.Grants.Get(ctx, "0002")
	is(t, err, store.ErrNotFound)
	ok(t, e.Grants.Apply(ctx, renewal, store.Change{ID: "0001", Expect: "Given", Event: event("Superseded")}))
	of := func(account, after string, limit int) int {
		t.Helper()
		return len(must[[]store.Grant](t)(e.Grants.Of(ctx, account, after, limit)))
	}
	equal(t, "grants of the owner", of(owner, "", 10), 2)
	equal(t, "grants of the grantee", of(friend, "0001", 10), 1)
	equal(t, "one page", of(friend, "", 1), 1)
	equal(t, "grants of nobody", of("nobody@x.example", "", 10), 0)
}

func grantLists(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	equal(t, "next of none", must[time.Time](t)(e.Grants.NextOver(ctx, "Given")), time.Time{})
	home := newID()
	for id, days := range map[string]time.Duration{"0001": 3, "0002": 1, "0003": 2} {
		g := newGrant(id)
		g.Until = now().Add(days * 24 * time.Hour)
		if id != "0003" {
			g.Home = home
		}
		ok(t, e.Grants.Apply(ctx, store.Change{New: g, Event: event("Given")}))
	}
	ids := func(grants []store.Grant, err error) (all string) {
		t.Helper()
		ok(t, err)
		for _, g := range grants {
			all += g.ID + " "
		}
		return all
	}
	day := 24 * time.Hour
	equal(t, "next", must[time.Time](t)(e.Grants.NextOver(ctx, "Given")), now().Add(day))
	equal(t, "over too early", ids(e.Grants.Over(ctx, "Given", now().Add(day-time.Second), 10)), "")
	equal(t, "over", ids(e.Grants.Over(ctx, "Given", now().Add(2*day), 10)), "0002 0003 ")
	equal(t, "over, one step", ids(e.Grants.Over(ctx, "Given", now().Add(2*day), 1)), "0002 ")
	equal(t, "of the home", ids(e.Grants.OfHome(ctx, home, "Given")), "0001 0002 ")
	change := store.Change{ID: "0002", Expect: "Given", Event: event("Withdrawn"), AskAgain: now().Add(90 * day)}
	ok(t, e.Grants.Apply(ctx, change))
	equal(t, "of the home", ids(e.Grants.OfHome(ctx, home, "Given")), "0001 ")
	equal(t, "over", ids(e.Grants.Over(ctx, "Given", now().Add(2*day), 10)), "0003 ")
	equal(t, "ask again", must[time.Time](t)(e.Refusals.Until(ctx, owner, friend, now())), now().Add(90*day))
}
