package storetest

import (
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

const guestAccount = "guest-aaaaaaaa@h.localhost:8401"

func newLink(guest string) store.Link {
	return store.Link{
		ID: [16]byte(random(16)), Owner: owner, Guest: guest, Expires: now().Add(time.Hour),
		Door: random(32), Commitment: random(32), MAC: random(32),
	}
}

// answered makes a link, answers it and reveals.
func answered(t *testing.T, e *Engine, guest string) store.Link {
	t.Helper()
	k := newLink(guest)
	ok(t, e.Links.Make(t.Context(), k, 20))
	ok(t, e.Links.Answer(t.Context(), k.ID, document(guest, 1, "one"), random(32)))
	ok(t, e.Links.Reveal(t.Context(), k.ID, owner, random(32), random(32), random(32)))
	return k
}

// links are for one guest, and each step is taken once.
func links(t *testing.T, o Opener) {
	e := open(t, o)
	ctx, k := t.Context(), newLink(guestAccount)
	for range 2 {
		ok(t, e.Links.Make(ctx, k, 20))
	}
	other := newLink(guestAccount)
	is(t, e.Links.Make(ctx, other, 20), store.ErrExists) // its name is taken
	other.ID, other.Guest = k.ID, "guest-bbbbbbbb@h.localhost:8401"
	is(t, e.Links.Make(ctx, other, 20), store.ErrExists)
	is(t, e.Links.Make(ctx, newLink("guest-cccccccc@h.localhost:8401"), 1), store.ErrQuota)
	nonce, key, mac := random(32), random(32), random(32)
	is(t, e.Links.Reveal(ctx, k.ID, owner, nonce, key, mac), store.ErrConflict) // nobody came
	is(t, e.Links.Answer(ctx, [16]byte{}, document(guestAccount, 1, "one"), nonce), store.ErrNotFound)
	for range 2 {
		ok(t, e.Links.Answer(ctx, k.ID, document(guestAccount, 1, "one"), nonce))
	}
	is(t, e.Links.Answer(ctx, k.ID, document(guestAccount, 1, "two"), nonce), store.ErrExists)
	is(t, e.Links.Answer(ctx, k.ID, document(guestAccount, 1, "one"), random(32)), store.ErrExists)
	is(t, e.Links.Reveal(ctx, k.ID, friend, nonce, key, mac), store.ErrNotFound)
	for range 2 {
		ok(t, e.Links.Reveal(ctx, k.ID, owner, nonce, key, mac))
	}
	is(t, e.Links.Reveal(ctx, k.ID, owner, nonce, key, random(32)), store.ErrConflict)
	is(t, e.Links.End(ctx, k.ID, friend, wire.LinkCancelled), store.ErrNotFound)
	for range 2 {
		ok(t, e.Links.End(ctx, k.ID, owner, wire.LinkCancelled))
	}
	guestGone(t, e, k, wire.LinkCancelled)
	is(t, e.Links.Answer(ctx, k.ID, document(guestAccount, 1, "one"), nonce), store.ErrConflict)
	is(t, e.Links.Make(ctx, newLink(guestAccount), 20), store.ErrExists) // never again
}

// guestGone checks what is left: enough that nothing is given twice.
func guestGone(t *testing.T, e *Engine, k store.Link, reason string) {
	t.Helper()
	_, err := e.Accounts.Get(t.Context(), k.Guest)
	is(t, err, store.ErrNotFound)
	_, err = e.Identities.Current(t.Context(), k.Guest)
	is(t, err, store.ErrNotFound)
	left := must[store.Link](t)(e.Links.Get(t.Context(), k.ID))
	equal(t, "step", left.Step, wire.LinkEnded)
	equal(t, "reason", left.Reason, reason)
	equal(t, "guest", left.Guest, k.Guest)
	equal(t, "what else is left", left.Owner+left.Identity+left.Grant+string(left.Door)+string(left.MAC)+string(left.Nonce)+string(left.RevealMAC), "")
}

// linkGrants: a guest has one grant, of its link's owner, and ends with it.
func linkGrants(t *testing.T, o Opener) {
	e := open(t, o)
	ctx, k := t.Context(), answered(t, e, guestAccount)
	give := func(id, by, replaces string) error {
		g := newGrant(id)
		g.Owner, g.Grantee, g.Replaces = by, k.Guest, replaces
		return e.Grants.Apply(ctx, store.Change{New: g, Event: event("Given")})
	}
	is(t, give("1", friend, ""), store.ErrConflict)
	ok(t, give("2", owner, ""))
	is(t, give("3", owner, ""), store.ErrConflict)
	is(t, e.Links.End(ctx, k.ID, owner, wire.LinkCancelled), store.ErrConflict)
	equal(t, "nothing expires", len(must[[]store.Link](t)(e.Links.Over(ctx, now().Add(100*time.Hour), 10))), 0)
	// A renewal takes the place of the grant, and the guest stays.
	renewed := newGrant("4")
	renewed.Grantee, renewed.Replaces = k.Guest, "2"
	ok(t, e.Grants.Apply(ctx, store.Change{New: renewed, Event: event("Given")}, store.Change{ID: "2", Expect: "Given", Event: event("Superseded"), Over: true}))
	equal(t, "grant", must[store.Link](t)(e.Links.Get(ctx, k.ID)).Grant, "4")
	equal(t, "guest", must[store.Account](t)(e.Accounts.Get(ctx, k.Guest)).Address, k.Guest)
	ok(t, e.Grants.Apply(ctx, store.Change{ID: "4", Expect: "Given", Event: event("Withdrawn"), Over: true, AskAgain: now().Add(time.Hour)}))
	guestGone(t, e, k, wire.LinkOver)
}

// linksExpire: who was not confirmed in time is gone with the link.
func linksExpire(t *testing.T, o Opener) {
	e := open(t, o)
	ctx, k := t.Context(), answered(t, e, guestAccount)
	equal(t, "next", must[time.Time](t)(e.Links.NextOver(ctx)), k.Expires)
	equal(t, "too early", len(must[[]store.Link](t)(e.Links.Over(ctx, now(), 10))), 0)
	late := newLink("guest-bbbbbbbb@h.localhost:8401")
	ok(t, e.Links.Make(ctx, late, 20))
	first := document(late.Guest, 1, "late")
	first.Received = late.Expires
	is(t, e.Links.Answer(ctx, late.ID, first, random(32)), store.ErrConflict)
	equal(t, "ended", len(must[[]store.Link](t)(e.Links.Over(ctx, k.Expires, 10))), 2)
	guestGone(t, e, k, wire.LinkExpired)
	equal(t, "none is left", must[time.Time](t)(e.Links.NextOver(ctx)), time.Time{})
	// An account that is closed takes its links and guests along.
	ok(t, e.Accounts.Create(ctx, store.Account{Address: owner, Created: now()}, document(owner, 1, "owner"), nil))
	last := answered(t, e, "guest-dddddddd@h.localhost:8401")
	must[store.Erasure](t)(e.Accounts.Close(ctx, owner, now(), []string{"Given"}))
	guestGone(t, e, last, wire.LinkCancelled)
}
