package storetest

import (
	"strings"
	"testing"
	"time"

	"primum/internal/store"
)

func item(id, from string) store.Item {
	return store.Item{
		Account: owner, ID: id, Kind: "request", From: from, Received: now(), Expires: now().Add(time.Hour), Sealed: []byte("sealed " + id),
	}
}

func inbox(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	limits := store.InboxLimits{Items: 3, FromSender: 2}
	put := func(i store.Item) (store.Item, bool) {
		t.Helper()
		kept, fresh, err := e.Inbox.Put(ctx, i, limits)
		ok(t, err)
		return kept, fresh
	}
	first, fresh := put(item("a", friend))
	if !fresh || first.Seq != 1 {
		t.Fatalf("first item is %d, fresh %t", first.Seq, fresh)
	}
	if again, fresh := put(item("a", friend)); fresh || again.Seq != 1 {
		t.Fatalf("the same item again is %d, fresh %t", again.Seq, fresh)
	}
	put(item("b", friend))
	_, _, err := e.Inbox.Put(ctx, item("c", friend), limits)
	is(t, err, store.ErrQuota)
	put(item("d", "other@x.example"))
	_, _, err = e.Inbox.Put(ctx, item("e", "third@x.example"), limits)
	is(t, err, store.ErrQuota)
	items, head, err := e.Inbox.List(ctx, owner, 1, 10, now())
	ok(t, err)
	equal(t, "head", head, 3)
	if len(items) != 2 || items[0].ID != "b" || items[1].Seq != 3 || string(items[1].Sealed) != "sealed d" {
		t.Fatalf("items are %+v", items)
	}
	over := now().Add(time.Hour)
	items, _, err = e.Inbox.List(ctx, owner, 0, 10, over)
	ok(t, err)
	equal(t, "unexpired items", len(items), 0)
	ok(t, e.Inbox.Trim(ctx, over))
	if kept, fresh := put(item("a", friend)); !fresh || kept.Seq != 4 {
		t.Fatalf("numbers start anew: %d", kept.Seq)
	}
	_, head, err = e.Inbox.List(ctx, "nobody@h.localhost", 0, 10, now())
	ok(t, err)
	equal(t, "head of nobody", head, 0)
}

// inboxDomains: a domain invents senders, and takes its share of the room only.
func inboxDomains(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	limits := store.InboxLimits{Items: 4, FromDomain: 2, FromSender: 2}
	put := func(id, from string, want error) {
		t.Helper()
		_, _, err := e.Inbox.Put(ctx, item(id, from), limits)
		is(t, err, want)
	}
	put("a", "one@x.example", nil)
	put("b", "two@x.example", nil)
	put("c", "three@x.example", store.ErrQuota)
	put("d", "three@x.example:8401", nil) // another authority
	put("e", owner, nil)
	put("f", owner, nil)
	put("g", owner, store.ErrQuota) // by FromSender
	put("h", friend, nil)           // the fourth that counts
	put("i", "any@y.example", store.ErrQuota)
	limits.Items = 100
	_, domain, _ := strings.Cut(owner, "@")
	put("j", "one@"+domain, nil) // the account's own don't count for its neighbours
	put("k", "two@"+domain, nil)
	put("l", "three@"+domain, store.ErrQuota)
	limits.Items, limits.FromSender = 1, 3
	put("m", owner, nil) // nobody takes the room of the account's own
}

func outbox(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	doc := func(id string, due time.Duration) store.Outgoing {
		return store.Outgoing{
			ID: id, From: owner, To: friend, Authority: "s.localhost:8402", Created: now(), Due: now().Add(due),
			Expires: now().Add(7 * 24 * time.Hour), Body: []byte("body " + id),
		}
	}
	equal(t, "next", must[time.Time](t)(e.Outbox.NextDue(ctx)), time.Time{})
	ok(t, e.Outbox.Put(ctx, doc("later", time.Minute), 2))
	for range 2 {
		ok(t, e.Outbox.Put(ctx, doc("soon", 0), 2))
	}
	is(t, e.Outbox.Put(ctx, doc("third", 0), 2), store.ErrQuota)
	equal(t, "next", must[time.Time](t)(e.Outbox.NextDue(ctx)), now())
	due := must[[]store.Outgoing](t)(e.Outbox.Due(ctx, now(), 10))
	if len(due) != 1 || due[0].ID != "soon" || string(due[0].Body) != "body soon" || due[0].Authority != "s.localhost:8402" {
		t.Fatalf("due are %+v", due)
	}
	ok(t, e.Outbox.Retry(ctx, "soon", now().Add(time.Hour), "connection refused"))
	equal(t, "due now", len(must[[]store.Outgoing](t)(e.Outbox.Due(ctx, now(), 10))), 0)
	due = must[[]store.Outgoing](t)(e.Outbox.Due(ctx, now().Add(2*time.Hour), 10))
	if len(due) != 2 || due[0].ID != "later" || due[1].Attempts != 1 || due[1].Problem != "connection refused" {
		t.Fatalf("due are %+v", due)
	}
	ok(t, e.Outbox.Done(ctx, "later"))
	ok(t, e.Outbox.Done(ctx, "soon"))
	equal(t, "next", must[time.Time](t)(e.Outbox.NextDue(ctx)), time.Time{})
}
