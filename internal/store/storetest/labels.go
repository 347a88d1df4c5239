package storetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"primum/internal/store"
)

// Labels are random labels of things.
type Labels interface {
	Put(ctx context.Context, l store.Label, limit int, derive func(epoch int64) string) (store.Label, error)
	Of(ctx context.Context, account string) ([]store.Label, error)
	Get(ctx context.Context, label string) (store.Label, error)
	Remove(ctx context.Context, account, label string) error
	Hushed(ctx context.Context, hush []byte) (bool, error)
	OptOut(ctx context.Context, hush []byte, out bool, now time.Time) error
}

func labels(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	derive := func(epoch int64) string { return "label-" + strconv.FormatInt(epoch, 10) }
	put := func(account, name string) (store.Label, error) {
		return e.Labels.Put(ctx, store.Label{Account: account, Name: name, Hush: []byte("h" + name), Made: now()}, 2, derive)
	}
	hushed := func(name string, want bool) {
		t.Helper()
		equal(t, "hushed "+name, must[bool](t)(e.Labels.Hushed(ctx, []byte("h"+name))), want)
	}
	hushed("lamp", false)
	first := must[store.Label](t)(put(owner, "lamp"))
	equal(t, "the same again", must[store.Label](t)(put(owner, "lamp")).Label, first.Label)
	hushed("lamp", true)
	must[store.Label](t)(put(owner, "door"))
	_, err := put(owner, "third")
	is(t, err, store.ErrQuota)
	equal(t, "one that a full account has", must[store.Label](t)(put(owner, "lamp")).Label, first.Label)
	equal(t, "number", len(must[[]store.Label](t)(e.Labels.Of(ctx, owner))), 2)
	got := must[store.Label](t)(e.Labels.Get(ctx, first.Label))
	equal(t, "whose", got.Account, owner)

	ok(t, e.Notices.Put(ctx, store.Notice{ID: first.Label, Account: owner, Changed: now(), Document: []byte("page")}, 2))
	is(t, e.Labels.Remove(ctx, friend, first.Label), store.ErrNotFound)
	ok(t, e.Labels.Remove(ctx, owner, first.Label))
	_, err = e.Labels.Get(ctx, first.Label)
	is(t, err, store.ErrNotFound)
	_, err = e.Notices.Get(ctx, first.Label)
	is(t, err, store.ErrNotFound)
	hushed("lamp", false)
	next := must[store.Label](t)(put(friend, "lamp"))
	if next.Label == first.Label || next.Epoch <= first.Epoch {
		t.Errorf("the next owner's label is %+v after %+v", next, first)
	}

	ok(t, e.Labels.OptOut(ctx, []byte("hserial"), true, now()))
	ok(t, e.Labels.OptOut(ctx, []byte("hserial"), true, now()))
	hushed("serial", true)
	ok(t, e.Labels.OptOut(ctx, []byte("hserial"), false, now()))
	hushed("serial", false)
}
