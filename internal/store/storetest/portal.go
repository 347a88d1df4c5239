package storetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"primum/internal/store"
)

// Keeps hold wrapped identity keys.
type Keeps interface {
	Put(ctx context.Context, keep store.Keep) error
	Get(ctx context.Context, account string) (store.Keep, error)
}

// Sessions are those of pages.
type Sessions interface {
	Open(ctx context.Context, n store.PageSession, earlier time.Time) error
	Get(ctx context.Context, hash []byte, now time.Time) (store.PageSession, error)
	End(ctx context.Context, account, client string) error
	Drop(ctx context.Context, account string, keep []string) error
}

// Notices are things' public pages.
type Notices interface {
	Put(ctx context.Context, n store.Notice, limit int) error
	Get(ctx context.Context, id string) (store.Notice, error)
	Of(ctx context.Context, account string) ([]store.Notice, error)
	Remove(ctx context.Context, account, id string) error
}

// Pushes are Web Push subscriptions.
type Pushes interface {
	Put(ctx context.Context, p store.Push) error
	Get(ctx context.Context, account, client string) (store.Push, error)
	Remove(ctx context.Context, account, client, endpoint string) error
	Ringer
}

// Ringer is the part of pushes that a clock drives.
type Ringer interface {
	Ring(ctx context.Context, account string) (bool, error)
	Due(ctx context.Context, now time.Time, pause time.Duration, limit int) ([]store.Push, error)
	Rung(ctx context.Context, p store.Push, worked bool, limit int) error
	NextDue(ctx context.Context) (time.Time, error)
	Key(ctx context.Context, fresh func() ([]byte, error)) ([]byte, error)
}

func keeps(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	_, err := e.Keeps.Get(ctx, owner)
	is(t, err, store.ErrNotFound)
	first := store.Keep{Account: owner, Serial: 1, Changed: now(), Document: []byte("one")}
	for range 2 {
		ok(t, e.Keeps.Put(ctx, first))
	}
	is(t, e.Keeps.Put(ctx, store.Keep{Account: owner, Serial: 1, Changed: now(), Document: []byte("other")}), store.ErrConflict)
	third := store.Keep{Account: owner, Serial: 3, Changed: now().Add(time.Hour), Document: []byte("three")}
	ok(t, e.Keeps.Put(ctx, third))
	is(t, e.Keeps.Put(ctx, store.Keep{Account: owner, Serial: 2, Changed: now(), Document: []byte("two")}), store.ErrConflict)
	got := must[store.Keep](t)(e.Keeps.Get(ctx, owner))
	if got.Serial != 3 || !got.Changed.Equal(third.Changed) || string(got.Document) != "three" {
		t.Fatalf("keep is %+v", got)
	}
	_, err = e.Keeps.Get(ctx, friend)
	is(t, err, store.ErrNotFound)
}

func session(hash, client string) store.PageSession {
	return store.PageSession{Hash: []byte(hash), Account: owner, Client: client, Opened: now(), Until: now().Add(12 * time.Hour)}
}

func sessions(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	minute := now().Add(time.Minute)
	ok(t, e.Sessions.Open(ctx, session("one", "phone"), minute))
	ok(t, e.Sessions.Open(ctx, session("desk", "desk"), minute))
	got := must[store.PageSession](t)(e.Sessions.Get(ctx, []byte("one"), now()))
	equal(t, "account", got.Account, owner)
	equal(t, "client", got.Client, "phone")
	ok(t, e.Sessions.Open(ctx, session("two", "phone"), minute))
	has := func(hash string, when time.Time) bool {
		t.Helper()
		_, err := e.Sessions.Get(ctx, []byte(hash), when)
		if err != nil {
			is(t, err, store.ErrNotFound)
		}
		return err == nil
	}
	equal(t, "the earlier one, at once", has("one", now()), true)
	equal(t, "the earlier one, later", has("one", minute), false)
	equal(t, "the newest", has("two", minute), true)
	equal(t, "the other client's", has("desk", minute), true)
	equal(t, "the newest, expired", has("two", now().Add(12*time.Hour)), false)
	ok(t, e.Sessions.Drop(ctx, owner, []string{"desk"}))
	equal(t, "the dropped client's", has("two", now()), false)
	equal(t, "the kept client's", has("desk", now()), true)
	ok(t, e.Sessions.End(ctx, owner, "desk"))
	equal(t, "the ended one", has("desk", now()), false)
}

func notices(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	n := store.Notice{ID: "b", Account: owner, Changed: now(), Document: []byte("one")}
	ok(t, e.Notices.Put(ctx, n, 2))
	n.Document = []byte("two")
	ok(t, e.Notices.Put(ctx, n, 2))
	is(t, e.Notices.Put(ctx, store.Notice{ID: "b", Account: friend, Changed: now()}, 2), store.ErrExists)
	ok(t, e.Notices.Put(ctx, store.Notice{ID: "a", Account: owner, Changed: now(), Document: []byte("three")}, 2))
	is(t, e.Notices.Put(ctx, store.Notice{ID: "c", Account: owner, Changed: now(), Document: []byte("four")}, 2), store.ErrQuota)
	ok(t, e.Notices.Put(ctx, n, 2)) // a full account may change what it has
	equal(t, "document", string(must[store.Notice](t)(e.Notices.Get(ctx, "b")).Document), "two")
	all := must[[]store.Notice](t)(e.Notices.Of(ctx, owner))
	if len(all) != 2 || all[0].ID != "a" || all[1].ID != "b" {
		t.Fatalf("notices are %+v", all)
	}
	is(t, e.Notices.Remove(ctx, friend, "b"), store.ErrNotFound)
	ok(t, e.Notices.Remove(ctx, owner, "b"))
	_, err := e.Notices.Get(ctx, "b")
	is(t, err, store.ErrNotFound)
}

func pushes(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	const pause = 10 * time.Minute
	due := func(when time.Time) (clients string) {
		t.Helper()
		for _, p := range must[[]store.Push](t)(e.Pushes.Due(ctx, when, pause, 10)) {
			clients += p.Client + " " + p.Endpoint + " "
		}
		return clients
	}
	equal(t, "nobody subscribed", must[bool](t)(e.Pushes.Ring(ctx, owner)), false)
	ok(t, e.Pushes.Put(ctx, store.Push{Account: owner, Client: "phone", Endpoint: "one"}))
	ok(t, e.Pushes.Put(ctx, store.Push{Account: friend, Client: "desk", Endpoint: "desk"}))
	equal(t, "nothing waits", must[time.Time](t)(e.Pushes.NextDue(ctx)), time.Time{})
	equal(t, "rung", must[bool](t)(e.Pushes.Ring(ctx, owner)), true)
	equal(t, "due at once", must[time.Time](t)(e.Pushes.NextDue(ctx)).Before(now()), true)
	equal(t, "due", due(now()), "phone one ")
	equal(t, "due twice", due(now()), "")
	ok(t, e.Pushes.Put(ctx, store.Push{Account: owner, Client: "phone", Endpoint: "two"}))
	equal(t, "rung", must[bool](t)(e.Pushes.Ring(ctx, owner)), true)
	equal(t, "within the pause", due(now().Add(pause-time.Second)), "")
	equal(t, "next", must[time.Time](t)(e.Pushes.NextDue(ctx)), now().Add(pause))
	equal(t, "after the pause", due(now().Add(pause)), "phone two ")
	two := store.Push{Account: owner, Client: "phone", Endpoint: "two"}
	ok(t, e.Pushes.Rung(ctx, two, false, 2))
	equal(t, "again after the pause", due(now().Add(2*pause)), "phone two ")
	ok(t, e.Pushes.Rung(ctx, two, true, 2))
	ok(t, e.Pushes.Rung(ctx, two, false, 2)) // the first in a row
	ok(t, e.Pushes.Remove(ctx, owner, "phone", "one"))
	equal(t, "endpoint", must[store.Push](t)(e.Pushes.Get(ctx, owner, "phone")).Endpoint, "two")
	ok(t, e.Pushes.Remove(ctx, owner, "phone", ""))
	_, err := e.Pushes.Get(ctx, owner, "phone")
	is(t, err, store.ErrNotFound)
	desk := store.Push{Account: friend, Client: "desk", Endpoint: "desk"}
	ok(t, e.Pushes.Rung(ctx, desk, false, 1))
	_, err = e.Pushes.Get(ctx, friend, "desk")
	is(t, err, store.ErrNotFound)
	ok(t, e.Pushes.Put(ctx, desk))
	ok(t, e.Sessions.Drop(ctx, friend, nil))
	_, err = e.Pushes.Get(ctx, friend, "desk")
	is(t, err, store.ErrNotFound)
}

func pushKey(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	key := must[[]byte](t)(e.Pushes.Key(ctx, func() ([]byte, error) { return []byte("first"), nil }))
	again := must[[]byte](t)(e.Pushes.Key(ctx, func() ([]byte, error) { return []byte("second"), nil }))
	equal(t, "key", string(key), "first")
	equal(t, "key again", string(again), "first")
}

func closing(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	ok(t, e.Accounts.Create(ctx, store.Account{Address: owner, Created: now()}, document(owner, 1, "one"), nil))
	ok(t, e.Keeps.Put(ctx, store.Keep{Account: owner, Serial: 1, Changed: now(), Document: []byte("keep")}))
	ok(t, e.Sessions.Open(ctx, session("one", "phone"), now()))
	ok(t, e.Notices.Put(ctx, store.Notice{ID: "n", Account: owner, Changed: now(), Document: []byte("one")}, 0))
	ok(t, e.Pushes.Put(ctx, store.Push{Account: owner, Client: "phone", Endpoint: "one"}))
	_, _, err := e.Inbox.Put(ctx, item("a", friend), store.InboxLimits{})
	ok(t, err)
	h := home("thing", 1)
	must[[]store.Home](t)(e.Homes.Put(ctx, h))
	ok(t, e.Grants.Apply(ctx, store.Change{New: newGrant("0001"), Event: event("Given")}))
	_, err = e.Accounts.Close(ctx, owner, now(), []string{"Given", "Paused"})
	is(t, err, store.ErrConflict)
	must[store.Account](t)(e.Accounts.Get(ctx, owner)) // all or nothing
	ok(t, e.Grants.Apply(ctx, store.Change{ID: "0001", Expect: "Given", Event: event("Withdrawn")}))
	_, err = e.Accounts.Close(ctx, friend, now(), nil)
	is(t, err, store.ErrNotFound)
	erased, err := e.Accounts.Close(ctx, owner, now(), []string{"Given", "Paused"})
	ok(t, err)
	if len(erased.Homes) != 1 || !bytes.Equal(erased.Homes[0][:], h.Circle[:]) {
		t.Fatalf("homes are %v", erased.Homes)
	}
	if len(erased.Grants) != 1 || erased.Given != 1 || erased.Gone["keep"] != 1 || erased.Gone["inbox"] != 1 {
		t.Fatalf("erased: %+v", erased)
	}
	for what, err := range map[string]error{
		"account":  second(e.Accounts.Get(ctx, owner)),
		"identity": second(e.Identities.Current(ctx, owner)),
		"keep":     second(e.Keeps.Get(ctx, owner)),
		"session":  second(e.Sessions.Get(ctx, []byte("one"), now())),
		"notice":   second(e.Notices.Get(ctx, "n")),
		"push":     second(e.Pushes.Get(ctx, owner, "phone")),
		"again":    second(e.Accounts.Close(ctx, owner, now(), nil)),
	} {
		t.Log(what)
		is(t, err, store.ErrNotFound)
	}
	items, _, err := e.Inbox.List(ctx, owner, 0, 10, now())
	ok(t, err)
	equal(t, "inbox", len(items), 0)
	equal(t, "count", must[int](t)(e.Accounts.Count(ctx)), 0)
	// The name is never given again, not even to the same document.
	is(t, e.Accounts.Create(ctx, store.Account{Address: owner, Created: now()}, document(owner, 1, "one"), nil), store.ErrExists)
	left := must[store.Grant](t)(e.Grants.Get(ctx, "0001"))
	equal(t, "the grant's record", left.State, "Withdrawn")
	if left.Owner == owner || left.Envelope != "" || len(left.GrantKey) != 0 {
		t.Errorf("of the owner is left: %+v", left)
	}
	for _, e := range must[[]store.GrantEvent](t)(e.Grants.Events(ctx, "0001")) {
		if e.Document != "" || e.Receipt != "" {
			t.Errorf("a document is left: %+v", e)
		}
	}
}

func second[T any](_ T, err error) error { return err }
