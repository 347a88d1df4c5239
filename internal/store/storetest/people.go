package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/store"
)

const (
	owner  = "owner@h.localhost:8401"
	friend = "friend@s.localhost:8402"
)

func document(account string, version uint64, text string) store.Identity {
	return store.Identity{
		Account: account, Version: version, Hash: "hash of " + text, IdentityKey: []byte("key"),
		Expires: now().Add(30 * 24 * time.Hour), Received: now(), Document: text,
	}
}

func accounts(t *testing.T, o Opener) {
	e := open(t, o)
	acc := store.Account{Address: owner, Created: now()}
	_, err := e.Accounts.Get(t.Context(), owner)
	is(t, err, store.ErrNotFound)
	for range 2 { // the second time changes nothing
		ok(t, e.Accounts.Create(t.Context(), acc, document(owner, 1, "one"), nil))
	}
	is(t, e.Accounts.Create(t.Context(), acc, document(owner, 1, "another"), nil), store.ErrExists)
	equal(t, "account", must[store.Account](t)(e.Accounts.Get(t.Context(), owner)), acc)
	equal(t, "count", must[int](t)(e.Accounts.Count(t.Context())), 1)
	equal(t, "document", must[store.Identity](t)(e.Identities.Current(t.Context(), owner)).Document, "one")
}

func invitations(t *testing.T, o Opener) {
	e := open(t, o)
	hash, late := random(32), random(32)
	ok(t, e.Accounts.Invite(t.Context(), hash, now(), now().Add(time.Hour)))
	ok(t, e.Accounts.Invite(t.Context(), late, now().Add(-2*time.Hour), now().Add(-time.Hour)))
	acc := store.Account{Address: owner, Created: now()}
	is(t, e.Accounts.Create(t.Context(), acc, document(owner, 1, "one"), random(32)), store.ErrInvite)
	is(t, e.Accounts.Create(t.Context(), acc, document(owner, 1, "one"), late), store.ErrInvite)
	equal(t, "count", must[int](t)(e.Accounts.Count(t.Context())), 0)
	for range 2 { // a lost answer is asked for again
		ok(t, e.Accounts.Create(t.Context(), acc, document(owner, 1, "one"), hash))
	}
	other := store.Account{Address: "other@h.localhost:8401", Created: now()}
	is(t, e.Accounts.Create(t.Context(), other, document(other.Address, 1, "two"), hash), store.ErrInvite)
	_, err := e.Identities.Current(t.Context(), other.Address)
	is(t, err, store.ErrNotFound)
}

func identities(t *testing.T, o Opener) {
	e := open(t, o)
	one, two := document(friend, 4, "four"), document(friend, 5, "five")
	is(t, e.Identities.Put(t.Context(), one, 3), store.ErrConflict)
	ok(t, e.Identities.Put(t.Context(), one, 0))
	is(t, e.Identities.Put(t.Context(), document(friend, 4, "forged four"), 4), store.ErrConflict)
	is(t, e.Identities.Put(t.Context(), two, 0), store.ErrConflict)
	ok(t, e.Identities.Put(t.Context(), two, 4))
	is(t, e.Identities.Put(t.Context(), one, 5), store.ErrConflict)
	two.Received = now().Add(time.Minute)
	ok(t, e.Identities.Put(t.Context(), two, 5))
	got := must[store.Identity](t)(e.Identities.Current(t.Context(), friend))
	equal(t, "version", got.Version, 5)
	equal(t, "checked", got.Checked, now().Add(time.Minute))
	equal(t, "received", got.Received, now())
	equal(t, "expires", got.Expires, two.Expires)
	equal(t, "old document", must[store.Identity](t)(e.Identities.Version(t.Context(), friend, 4)).Document, "four")
}

func suspensions(t *testing.T, o Opener) {
	e := open(t, o)
	ok(t, e.Identities.Put(t.Context(), document(owner, 1, "one"), 0))
	_, err := e.Identities.Suspended(t.Context(), owner)
	is(t, err, store.ErrNotFound)
	s := store.Suspension{Account: owner, Client: "phone", At: now(), Version: 1, Document: "stop"}
	ok(t, e.Identities.Suspend(t.Context(), s))
	equal(t, "suspension", must[store.Suspension](t)(e.Identities.Suspended(t.Context(), owner)), s)
	ok(t, e.Identities.Put(t.Context(), document(owner, 2, "two"), 1))
	_, err = e.Identities.Suspended(t.Context(), owner)
	is(t, err, store.ErrNotFound)
	ok(t, e.Identities.Suspend(t.Context(), s)) // replayed: it stays over
	_, err = e.Identities.Suspended(t.Context(), owner)
	is(t, err, store.ErrNotFound)
}

// keyPackageSuites: each suite has a stock and a last resort of its own.
func keyPackageSuites(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	of := func(suite uint16, ref string) store.KeyPackage {
		p := keyPackage("phone", ref)
		p.Suite = suite
		return p
	}
	for _, suite := range []uint16{1, 0xF001} {
		last := of(suite, fmt.Sprint("last ", suite))
		ok(t, e.KeyPackages.Publish(ctx, []store.KeyPackage{of(suite, fmt.Sprint("a ", suite)), of(suite, fmt.Sprint("b ", suite))}, &last, 2, now()))
	}
	is(t, e.KeyPackages.Publish(ctx, []store.KeyPackage{of(1, "c")}, nil, 2, now()), store.ErrQuota)
	equal(t, "stock", fmt.Sprint(must[[]store.Stock](t)(e.KeyPackages.Count(ctx, friend, "phone", now()))), "[{1 2 true} {61441 2 true}]")
	for range 3 {
		for _, p := range must[[]store.KeyPackage](t)(e.KeyPackages.Claim(ctx, friend, 0xF001, []string{"phone"}, now())) {
			equal(t, "suite", p.Suite, uint16(0xF001))
		}
	}
	equal(t, "stock", fmt.Sprint(must[[]store.Stock](t)(e.KeyPackages.Count(ctx, friend, "phone", now()))), "[{1 2 true} {61441 0 true}]")
	equal(t, "packages of a third suite", len(must[[]store.KeyPackage](t)(e.KeyPackages.Claim(ctx, friend, 7, []string{"phone"}, now()))), 0)
}

func keyPackage(client, ref string) store.KeyPackage {
	return store.KeyPackage{
		Account: friend, Client: client, Suite: 1, Ref: []byte(ref), Bytes: []byte("package " + ref),
		NotAfter: now().Add(90 * 24 * time.Hour),
	}
}

func keyPackages(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	claim := func(when time.Time, clients ...string) (refs []string) {
		t.Helper()
		for _, p := range must[[]store.KeyPackage](t)(e.KeyPackages.Claim(ctx, friend, 1, clients, when)) {
			equal(t, "bytes", string(p.Bytes), "package "+string(p.Ref))
			refs = append(refs, string(p.Ref))
		}
		return refs
	}
	last := keyPackage("phone", "last")
	ok(t, e.KeyPackages.Publish(ctx, []store.KeyPackage{keyPackage("phone", "a")}, &last, 2, now()))
	ok(t, e.KeyPackages.Publish(ctx, []store.KeyPackage{keyPackage("phone", "a"), keyPackage("laptop", "b")}, nil, 2, now()))
	is(t, e.KeyPackages.Publish(ctx, []store.KeyPackage{keyPackage("phone", "c"), keyPackage("phone", "d")}, nil, 2, now()), store.ErrQuota)
	equal(t, "stock", fmt.Sprint(must[[]store.Stock](t)(e.KeyPackages.Count(ctx, friend, "phone", now()))), "[{1 1 true}]")
	got := claim(now(), "laptop", "phone", "nobody")
	if len(got) != 2 || got[0] != "b" || got[1] != "a" {
		t.Fatalf("claimed %q", got)
	}
	for range 2 { // the last resort is given out again and again
		if got := claim(now(), "laptop", "phone"); len(got) != 1 || got[0] != "last" {
			t.Fatalf("claimed %q", got)
		}
	}
	ok(t, e.KeyPackages.Publish(ctx, []store.KeyPackage{keyPackage("phone", "a")}, nil, 2, now()))
	if got := claim(now(), "phone"); got[0] != "last" {
		t.Fatalf("a package was given out twice: %q", got)
	}
	newer := keyPackage("phone", "newer")
	ok(t, e.KeyPackages.Publish(ctx, nil, &newer, 2, now()))
	if got := claim(now(), "phone"); len(got) != 1 || got[0] != "newer" {
		t.Fatalf("claimed %q", got)
	}
	if got := claim(now().Add(91*24*time.Hour), "phone"); got != nil {
		t.Fatalf("claimed expired %q", got)
	}
	ok(t, e.KeyPackages.Drop(ctx, friend, []string{"laptop"}))
	ok(t, e.KeyPackages.Trim(ctx, now()))
	if got := claim(now(), "phone"); got != nil {
		t.Fatalf("claimed of a dropped client: %q", got)
	}
}

func refusals(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	until := now().Add(90 * 24 * time.Hour)
	equal(t, "until", must[time.Time](t)(e.Refusals.Until(ctx, owner, friend, now())), time.Time{})
	ok(t, e.Refusals.Put(ctx, owner, friend, until))
	ok(t, e.Refusals.Put(ctx, owner, friend, now())) // a replay can't shorten it
	equal(t, "until", must[time.Time](t)(e.Refusals.Until(ctx, owner, friend, now())), until)
	equal(t, "others", must[time.Time](t)(e.Refusals.Until(ctx, friend, owner, now())), time.Time{})
	ok(t, e.Refusals.Trim(ctx, until.Add(-time.Second)))
	equal(t, "until", must[time.Time](t)(e.Refusals.Until(ctx, owner, friend, now())), until)
	ok(t, e.Refusals.Trim(ctx, until))
	equal(t, "until", must[time.Time](t)(e.Refusals.Until(ctx, owner, friend, now())), time.Time{})
}

func peers(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	k := store.NodeKey{Authority: "s.localhost:8402", ID: "k1", Key: random(32), Pinned: now()}
	_, err := e.Peers.Node(ctx, k.Authority, k.ID)
	is(t, err, store.ErrNotFound)
	for range 2 {
		ok(t, e.Peers.PinNode(ctx, k))
	}
	other := k
	other.Key = random(32)
	is(t, e.Peers.PinNode(ctx, other), store.ErrConflict)
	if got := must[store.NodeKey](t)(e.Peers.Node(ctx, k.Authority, k.ID)); !bytes.Equal(got.Key, k.Key) {
		t.Fatal("the pinned key changed")
	}
	pin := store.Pin{Account: friend, IdentityKey: random(32), Pinned: now()}
	_, err = e.Peers.Identity(ctx, friend)
	is(t, err, store.ErrNotFound)
	ok(t, e.Peers.PinIdentity(ctx, pin))
	changed := store.Pin{Account: friend, IdentityKey: random(32), Pinned: now()}
	is(t, e.Peers.PinIdentity(ctx, changed), store.ErrConflict)
	ok(t, e.Peers.RepinIdentity(ctx, changed))
	if got := must[store.Pin](t)(e.Peers.Identity(ctx, friend)); !bytes.Equal(got.IdentityKey, changed.IdentityKey) {
		t.Fatal("the recovery did not change the pin")
	}
	ok(t, e.Peers.PinNode(ctx, store.NodeKey{Authority: "z.example", ID: "k1", Key: random(32), Pinned: now().Add(-time.Hour)}))
	domain := friend[strings.Index(friend, "@")+1:]
	got := must[[]string](t)(e.Peers.Domains(ctx, 10))
	want := slices.Compact(slices.Sorted(slices.Values([]string{"s.localhost:8402", domain})))
	if !slices.Equal(got, append([]string{"z.example"}, want...)) {
		t.Errorf("known domains %q", got)
	}
	equal(t, "at most one", len(must[[]string](t)(e.Peers.Domains(ctx, 1))), 1)
}
