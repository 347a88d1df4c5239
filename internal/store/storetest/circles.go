package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

// circle opens one with the anchor at leaf 0.
func circle(t *testing.T, e *Engine, change ...func(*store.Circle)) store.Circle {
	t.Helper()
	c := store.Circle{ID: newID(), AnchorKey: random(32), Account: friend, Oldest: 1, Opened: now()}
	for _, f := range change {
		f(&c)
	}
	ok(t, e.Circles.Open(t.Context(), c, []byte("tracker 0"), []uint32{0}))
	return c
}

func until(when time.Time) func(*store.Circle) {
	return func(c *store.Circle) { c.Until = when }
}

func message(id wire.CircleID, epoch uint64, text string) store.Append {
	return store.Append{Circle: id, Kind: store.KindApplication, Epoch: epoch, Message: []byte(text), Now: now()}
}

func commit(id wire.CircleID, epoch uint64) store.Append {
	return store.Append{
		Circle: id, Kind: store.KindCommit, Epoch: epoch, Message: []byte("commit"), Now: now(),
		Tracker: fmt.Appendf(nil, "tracker %d", epoch+1),
	}
}

func add(t *testing.T, e *Engine, a store.Append) store.Appended {
	t.Helper()
	return must[store.Appended](t)(e.Circles.Append(t.Context(), a))
}

func read(t *testing.T, e *Engine, id wire.CircleID, after uint64) (store.Circle, []store.Frame) {
	t.Helper()
	c, frames, err := e.Circles.Read(t.Context(), id, after, 1000, 1<<20)
	ok(t, err)
	return c, frames
}

func circleOpens(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	c := circle(t, e, until(now().Add(time.Hour)))
	ok(t, e.Circles.Open(ctx, c, []byte("again"), nil))
	other := c
	other.AnchorKey = random(32)
	is(t, e.Circles.Open(ctx, other, nil, nil), store.ErrExists)
	got, err := e.Circles.Tracker(ctx, c.ID)
	ok(t, err)
	equal(t, "tracker", string(got.Tracker), "tracker 0")
	equal(t, "seat of the anchor", got.Since[0], 1)
	equal(t, "account", got.Account, friend)
	equal(t, "until", got.Until, c.Until)
	if !bytes.Equal(got.AnchorKey, c.AnchorKey) {
		t.Fatal("the anchor's key changed")
	}
	_, err = e.Circles.Tracker(ctx, newID())
	is(t, err, store.ErrNotFound)
	_, _, err = e.Circles.Read(ctx, newID(), 0, 1, 1)
	is(t, err, store.ErrNotFound)
	_, err = e.Circles.Append(ctx, message(newID(), 0, "lost"))
	is(t, err, store.ErrNotFound)
}

func appendCompares(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	for i := range uint64(3) {
		equal(t, "seq", add(t, e, message(c.ID, 0, "m")).Seq, i+1)
	}
	var stale *store.Stale
	_, err := e.Circles.Append(t.Context(), message(c.ID, 1, "early"))
	if !errors.As(err, &stale) || stale.Epoch != 0 {
		t.Fatalf("early: %v", err)
	}
	equal(t, "epoch", add(t, e, commit(c.ID, 0)).Epoch, 1)
	for _, a := range []store.Append{message(c.ID, 0, "late"), commit(c.ID, 0)} {
		if _, err := e.Circles.Append(t.Context(), a); !errors.As(err, &stale) || stale.Epoch != 1 {
			t.Fatalf("late: %v", err)
		}
	}
	now, frames := read(t, e, c.ID, 0)
	equal(t, "head", now.Head, 4)
	equal(t, "frames", len(frames), 4)
	equal(t, "bytes", now.Bytes, 3+6)
	equal(t, "kind", frames[3].Kind, store.KindCommit)
	equal(t, "epoch of the commit", frames[3].Epoch, 0)
}

func commitReleases(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	a := commit(c.ID, 0)
	a.Welcome, a.Joined = []byte("welcome"), []uint32{1, 2}
	equal(t, "first commit", add(t, e, a), store.Appended{Seq: 1, WelcomeAt: 2, Epoch: 1})
	b := commit(c.ID, 1)
	b.Welcome, b.Left, b.Joined = []byte("welcome"), []uint32{1, 2}, []uint32{1}
	equal(t, "second commit", add(t, e, b), store.Appended{Seq: 3, WelcomeAt: 4, Epoch: 2})
	got, err := e.Circles.Tracker(t.Context(), c.ID)
	ok(t, err)
	equal(t, "tracker", string(got.Tracker), "tracker 2")
	equal(t, "newest welcome", got.Welcome, 4)
	equal(t, "seats", fmt.Sprint(got.Since), "map[0:1 1:3]")
	_, frames := read(t, e, c.ID, 1)
	equal(t, "kind", frames[0].Kind, store.KindWelcome)
	equal(t, "epoch of the welcome", frames[0].Epoch, 1)
}

func updates(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	propose := func(leaf uint32, epoch uint64, when time.Time) error {
		_, err := e.Circles.Append(t.Context(), store.Append{
			Circle: c.ID, Kind: store.KindProposal, Epoch: epoch, Message: []byte("update"),
			Tracker: fmt.Appendf(nil, "proposed %d", leaf), Leaf: leaf, Now: when,
		})
		return err
	}
	ok(t, propose(1, 0, now()))
	ok(t, propose(2, 0, now()))
	var soon *store.TooSoon
	if err := propose(1, 0, now().Add(time.Hour-time.Second)); !errors.As(err, &soon) || !soon.Until.Equal(now().Add(time.Hour)) {
		t.Fatalf("again within the hour: %v", err)
	}
	got, err := e.Circles.Tracker(t.Context(), c.ID)
	ok(t, err)
	equal(t, "tracker", string(got.Tracker), "proposed 2")
	equal(t, "head", got.Head, 2)
	ok(t, propose(1, 0, now().Add(time.Hour)))
	a := commit(c.ID, 0)
	a.Left, a.Joined = []uint32{2}, []uint32{2}
	add(t, e, a)
	ok(t, propose(2, 1, now().Add(time.Minute))) // another member on that leaf
	if err := propose(1, 1, now().Add(time.Hour+time.Minute)); !errors.As(err, &soon) {
		t.Fatalf("the commit freed a leaf that it left alone: %v", err)
	}
}

func keyPackageFrame(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	add(t, e, commit(c.ID, 0))
	equal(t, "seq", add(t, e, store.Append{Circle: c.ID, Kind: store.KindKeyPackage, Message: []byte("package"), Now: now()}).Seq, 2)
	_, frames := read(t, e, c.ID, 1)
	equal(t, "epoch", frames[0].Epoch, 1)
}

func quota(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	a := message(c.ID, 0, "12345")
	a.MaxBytes = 10
	add(t, e, a)
	add(t, e, a)
	_, err := e.Circles.Append(t.Context(), a)
	is(t, err, store.ErrQuota)
	got, _ := read(t, e, c.ID, 0)
	equal(t, "head", got.Head, 2)
}

func fence(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	c := circle(t, e)
	add(t, e, message(c.ID, 0, "before"))
	for _, reason := range []string{"withdrawn", "revoked", store.FenceRestored} { // the first stays
		got := must[store.Circle](t)(e.Circles.Fence(ctx, c.ID, reason, now()))
		equal(t, "fence", got.Fence, "withdrawn")
		equal(t, "since", got.Fenced, now())
	}
	var fenced *store.Fenced
	for _, a := range []store.Append{message(c.ID, 0, "after"), commit(c.ID, 0), {Circle: c.ID, Kind: store.KindKeyPackage, Now: now()}} {
		if _, err := e.Circles.Append(ctx, a); !errors.As(err, &fenced) || fenced.Reason != "withdrawn" || !fenced.At.Equal(now()) {
			t.Fatalf("after the fence: %v", err)
		}
	}
	if err := e.Circles.Lift(ctx, c.ID); !errors.As(err, &fenced) {
		t.Fatalf("lifted: %v", err)
	}
	last := commit(c.ID, 0)
	last.Last, last.Left = true, []uint32{1}
	equal(t, "last commit", add(t, e, last).Seq, 2)
	again := commit(c.ID, 1)
	again.Last = true
	if _, err := e.Circles.Append(ctx, again); !errors.As(err, &fenced) {
		t.Fatalf("after the last commit: %v", err)
	}
	_, err := e.Circles.Fence(ctx, newID(), "withdrawn", now())
	is(t, err, store.ErrNotFound)
}

func expiry(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	end := now().Add(time.Hour)
	equal(t, "next", must[time.Time](t)(e.Circles.NextExpiry(ctx)), time.Time{})
	circle(t, e)
	c := circle(t, e, until(end))
	equal(t, "next", must[time.Time](t)(e.Circles.NextExpiry(ctx)), end)
	equal(t, "expired", len(must[[]wire.CircleID](t)(e.Circles.Expired(ctx, end.Add(-time.Second), 10))), 0)
	over := must[[]wire.CircleID](t)(e.Circles.Expired(ctx, end, 10))
	if len(over) != 1 || over[0] != c.ID {
		t.Fatalf("expired are %v", over)
	}
	a := message(c.ID, 0, "late")
	a.Now = end // before anybody fenced
	var fenced *store.Fenced
	if _, err := e.Circles.Append(ctx, a); !errors.As(err, &fenced) || fenced.Reason != store.FenceExpired {
		t.Fatalf("late: %v", err)
	}
	last := commit(c.ID, 0)
	last.Last, last.Now = true, end
	add(t, e, last)
	must[store.Circle](t)(e.Circles.Fence(ctx, c.ID, store.FenceExpired, end))
	equal(t, "next", must[time.Time](t)(e.Circles.NextExpiry(ctx)), time.Time{})
}

func trim(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	day := 24 * time.Hour
	keep := func(d time.Duration) func(*store.Circle) { return func(c *store.Circle) { c.Retention = d } }
	c, forever := circle(t, e, keep(30*day)), circle(t, e)
	ended, restored := circle(t, e, keep(30*day)), circle(t, e, keep(30*day))
	for epoch := range uint64(3) {
		when := now().Add(time.Duration(epoch) * day)
		m, k := message(c.ID, epoch, "value"), commit(c.ID, epoch)
		m.Now, k.Now, k.Welcome = when, when, []byte("welcome")
		add(t, e, m) // 1, 4, 7
		add(t, e, k) // 2+3, 5+6, 8+9
		k.Circle = forever.ID
		add(t, e, k)
	}
	add(t, e, message(ended.ID, 0, "value"))
	add(t, e, message(restored.ID, 0, "value"))
	must[store.Circle](t)(e.Circles.Fence(ctx, ended.ID, "withdrawn", now()))
	must[store.Circle](t)(e.Circles.Fence(ctx, restored.ID, store.FenceRestored, now()))
	equal(t, "trimmed at once", must[int](t)(e.Circles.Trim(ctx, now(), 10)), 1)
	equal(t, "trimmed too early", must[int](t)(e.Circles.Trim(ctx, now().Add(30*day-time.Second), 10)), 0)
	equal(t, "trimmed", must[int](t)(e.Circles.Trim(ctx, now().Add(31*day), 10)), 1)
	equal(t, "trimmed again", must[int](t)(e.Circles.Trim(ctx, now().Add(31*day), 10)), 0)
	_, frames := read(t, e, forever.ID, 0)
	equal(t, "frames kept for ever", len(frames), 6)
	got, frames := read(t, e, c.ID, 0)
	equal(t, "oldest", got.Oldest, 6)
	equal(t, "first frame", frames[0].Seq, 6)
	equal(t, "its kind", frames[0].Kind, store.KindWelcome)
	size := 0
	for _, f := range frames {
		size += len(f.Message)
	}
	equal(t, "bytes", got.Bytes, int64(size))
	gone, frames := read(t, e, ended.ID, 0)
	equal(t, "frames of the ended circle", len(frames), 0)
	equal(t, "its oldest", gone.Oldest, 2)
	_, frames = read(t, e, restored.ID, 0)
	equal(t, "frames of the restored circle", len(frames), 1)
	equal(t, "seq", add(t, e, message(c.ID, 3, "goes on")).Seq, 10)
}

func readPages(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	c := circle(t, e)
	for range 5 {
		add(t, e, message(c.ID, 0, "1234567890"))
	}
	_, frames, err := e.Circles.Read(ctx, c.ID, 1, 2, 1000)
	ok(t, err)
	equal(t, "by number", len(frames), 2)
	equal(t, "first", frames[0].Seq, 2)
	_, frames, err = e.Circles.Read(ctx, c.ID, 0, 10, 15)
	ok(t, err)
	equal(t, "by size", len(frames), 2)
	got, frames, err := e.Circles.Read(ctx, c.ID, 5, 10, 15)
	ok(t, err)
	equal(t, "at the head", len(frames), 0)
	equal(t, "head", got.Head, 5)
}

func appendsInOrder(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	const n = 500
	seqs, answered := make([]uint64, 0, n), make(chan error, n) // calls of done are one after the other
	for i := range n {
		e.Circles.Submit(message(c.ID, 0, fmt.Sprint(i)), func(a store.Appended, err error) {
			seqs = append(seqs, a.Seq)
			answered <- err
		})
	}
	for range n {
		ok(t, <-answered)
	}
	for i, seq := range seqs {
		equal(t, "seq", seq, uint64(i+1))
	}
	_, frames := read(t, e, c.ID, 0)
	equal(t, "frames", len(frames), n)
	for i, f := range frames {
		equal(t, "message", string(f.Message), fmt.Sprint(i))
	}
}

// failedJobs mixes appends with refused ones, so that they share transactions.
func failedJobs(t *testing.T, o Opener) {
	e := open(t, o)
	c := circle(t, e)
	const n = 300
	good := 0
	answered := make(chan error, n)
	for i := range n {
		a := message(c.ID, 0, "value")
		switch i % 3 {
		case 0:
			good++
		case 1:
			a.Epoch = 9
		case 2:
			a = store.Append{Circle: c.ID, Kind: store.KindProposal, Message: []byte("update"), Tracker: []byte("t"), Leaf: 1, Now: now()}
		}
		e.Circles.Submit(a, func(_ store.Appended, err error) { answered <- err })
	}
	refused := 0
	for range n {
		if <-answered != nil {
			refused++
		}
	}
	equal(t, "refused", refused, n-good-1) // one Update was good
	got, frames := read(t, e, c.ID, 0)
	equal(t, "head", got.Head, uint64(good+1))
	equal(t, "frames", len(frames), good+1)
}

func reopen(t *testing.T, o Opener) {
	dir := t.TempDir()
	e, err := o.Open(t.Context(), dir)
	ok(t, err)
	c := store.Circle{ID: newID(), AnchorKey: random(32), Opened: now()}
	ok(t, e.Circles.Open(t.Context(), c, []byte("tracker"), nil))
	add(t, e, message(c.ID, 0, "value"))
	ok(t, e.Close())
	ok(t, e.Close())
	e = openIn(t, o, dir)
	equal(t, "seq", add(t, e, message(c.ID, 0, "value")).Seq, 2)
}

func closed(t *testing.T, o Opener) {
	e, err := o.Open(t.Context(), t.TempDir())
	ok(t, err)
	c := circle(t, e)
	ok(t, e.Close())
	_, err = e.Circles.Append(context.Background(), message(c.ID, 0, "value"))
	is(t, err, store.ErrClosed)
	_, _, err = e.Circles.Read(context.Background(), c.ID, 0, 1, 1)
	is(t, err, store.ErrClosed)
	is(t, e.Refusals.Put(context.Background(), owner, friend, now()), store.ErrClosed)
}

func backup(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	c, withdrawn := circle(t, e), circle(t, e)
	add(t, e, message(c.ID, 0, "value"))
	must[store.Circle](t)(e.Circles.Fence(ctx, withdrawn.ID, "withdrawn", now()))
	ok(t, e.Grants.Apply(ctx, store.Change{New: newGrant("0001"), Event: event("Given")}))
	dir := t.TempDir()
	copied, target := dir+"/backup", dir+"/restored"
	ok(t, e.Backup(ctx, copied))
	if err := e.Backup(ctx, copied); err == nil {
		t.Fatal("a backup was overwritten")
	}
	add(t, e, message(c.ID, 0, "lost")) // after the backup
	waiting := must[int](t)(o.Restore(ctx, copied, target, now()))
	equal(t, "circles that wait", waiting, 1)
	if _, err := o.Restore(ctx, copied, target, now()); err == nil {
		t.Fatal("a store was overwritten")
	}
	r := openIn(t, o, target)
	equal(t, "grant", must[store.Grant](t)(r.Grants.Get(ctx, "0001")).State, "Given")
	got, frames := read(t, r, withdrawn.ID, 0)
	equal(t, "fence", got.Fence, "withdrawn")
	equal(t, "frames", len(frames), 0)
	var fenced *store.Fenced
	if _, err := r.Circles.Append(ctx, message(c.ID, 0, "value")); !errors.As(err, &fenced) || fenced.Reason != store.FenceRestored {
		t.Fatalf("append to a restored circle: %v", err)
	}
	last := commit(c.ID, 0)
	last.Last = true
	if _, err := r.Circles.Append(ctx, last); !errors.As(err, &fenced) {
		t.Fatalf("a restored circle took a commit: %v", err)
	}
	var stale *store.Stale
	follow := func(epoch uint64) {
		t.Helper()
		ok(t, r.Circles.Follow(ctx, c.ID, epoch, fmt.Appendf(nil, "tracker %d", epoch), []uint32{0, 3}, now()))
	}
	follow(4) // still fenced: nothing
	ok(t, r.Circles.Lift(ctx, c.ID))
	ok(t, r.Circles.Lift(ctx, c.ID))
	follow(0)
	follow(5)
	follow(3)
	if _, err := r.Circles.Append(ctx, message(c.ID, 0, "old")); !errors.As(err, &stale) || stale.Epoch != 5 {
		t.Fatalf("append of the old epoch: %v", err)
	}
	equal(t, "seq", add(t, r, message(c.ID, 5, "value")).Seq, 1<<32+1)
	tracked, err := r.Circles.Tracker(ctx, c.ID)
	ok(t, err)
	equal(t, "tracker", string(tracked.Tracker), "tracker 5")
	equal(t, "seats", fmt.Sprint(tracked.Since), fmt.Sprintf("map[0:%d 3:%d]", 1<<32+1, 1<<32+1))
}

// follow: a store that was never restored follows nobody.
func follow(t *testing.T, o Opener) {
	e, ctx := open(t, o), t.Context()
	c := circle(t, e)
	add(t, e, message(c.ID, 0, "value"))
	ok(t, e.Circles.Follow(ctx, c.ID, 5, []byte("tracker 5"), []uint32{0}, now()))
	equal(t, "epoch", must[store.Circle](t)(e.Circles.Get(ctx, c.ID)).Epoch, 0)
	is(t, e.Circles.Follow(ctx, newID(), 5, nil, nil, now()), store.ErrNotFound)
	is(t, e.Circles.Lift(ctx, newID()), store.ErrNotFound)
	circles, frames, err := e.Circles.Totals(ctx)
	ok(t, err)
	equal(t, "circles", circles, 1)
	equal(t, "frames", frames, 1)
}
