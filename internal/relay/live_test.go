package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

func TestSubscribeReplaysThenLives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	m := l.members[0]
	l.send(l.anchor, "3")
	late, _ := l.subscribe(m, 2)
	own, _ := l.subscribe(l.anchor, 0)
	l.send(m, "4")
	if late.got() != "[3 4]" {
		t.Fatalf("from the cursor: %s", late.got())
	}
	if own.got() != "[1 2 3 4]" {
		t.Fatalf("everything, one's own too: %s", own.got())
	}
	text, err := l.anchor.group.Process(own.frames[3])
	w.must(err)
	if string(text.Data) != "4" {
		t.Fatalf("delivered %q", text.Data)
	}
}

func TestStoppedSubscriptionIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	r, sub := l.subscribe(l.members[0], 2)
	sub.Stop()
	sub.Stop()
	l.send(l.anchor, "3")
	w.must(w.relay.Fence(t.Context(), l.id, "withdrawn"))
	if r.got() != "[]" {
		t.Fatalf("after Stop: %s", r.got())
	}
}

// TestSlowReader: a full sink loses nothing; it goes on from its cursor.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{PerSecond: -1})
	l := w.circle(1)
	r, sub := l.subscribe(l.members[0], 2)
	r.room = 3
	for range 600 { // more than a page
		l.send(l.anchor, "value")
	}
	if r.got() != "[3 4 5]" {
		t.Fatalf("while full: %s", r.got())
	}
	more, err := sub.Pull(t.Context())
	w.must(err)
	if !more || r.got() != "[3 4 5]" {
		t.Fatalf("pulled into a full sink: %s", r.got())
	}
	r.room = -1
	l.pull(sub)
	l.send(l.anchor, "live again")
	want := make([]uint64, 601)
	for i := range want {
		want[i] = uint64(i + 3)
	}
	if r.got() != fmt.Sprint(want) {
		t.Fatalf("in the end: %s", r.got())
	}
}

// TestHandOver subscribes while appends come: no gap, no duplicate.
func TestHandOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{PerSecond: -1})
	l := w.circle(1)
	const n = 400
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			l.send(l.anchor, fmt.Sprint(i))
		}
	})
	readers := make([]*reader, 20)
	for i := range readers {
		wg.Go(func() { readers[i], _ = l.subscribe(l.members[0], 2) })
	}
	wg.Wait()
	want := make([]uint64, n)
	for i := range want {
		want[i] = uint64(i + 3)
	}
	for _, r := range readers {
		if r.got() != fmt.Sprint(want) {
			t.Fatalf("delivered %s", r.got())
		}
	}
}

func TestPendingReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(1)
	newcomer := w.party(grantee)
	r, _ := l.subscribe(newcomer, 0)
	l.send(l.anchor, "3")
	if r.got() != "[]" {
		t.Fatalf("before it has a leaf: %s", r.got())
	}
	_, err := w.relay.Read(t.Context(), newcomer.Caller, l.id, 0)
	w.refused(err, wire.ProbForbidden)
	done := l.add(newcomer)
	l.send(l.anchor, "6")
	if done.Seq != 4 || r.got() != "[4 5 6]" {
		t.Fatalf("from the commit that adds it: %s", r.got())
	}
	frames, err := w.relay.Read(t.Context(), newcomer.Caller, l.id, 0)
	w.must(err)
	if len(frames) != 3 || frames[0].Number != 4 {
		t.Fatalf("read %d frames from %d", len(frames), frames[0].Number)
	}
	_, _, err = w.relay.Subscribe(t.Context(), w.party("stranger@x.example").Caller, l.id, 0, newReader())
	w.refused(err, wire.ProbForbidden)
	_, err = w.relay.Info(t.Context(), w.party("stranger@x.example").Caller, l.id)
	w.refused(err, wire.ProbForbidden)
	_, _, err = w.relay.Subscribe(t.Context(), newcomer.Caller, wire.CircleID{1}, 0, newReader())
	w.refused(err, wire.ProbNotFound)
}

// TestRemovedReader: P3 at the node. The removed one sees its removal, then
// nothing.
func TestRemovedReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(2)
	gone, stays := l.members[0], l.members[1]
	r, _ := l.subscribe(gone, 4)
	s, _ := l.subscribe(stays, 4)
	before := l.value(gone, "sealed before")
	_, _, err := l.commit(mls.CommitOptions{Remove: []uint32{gone.group.Me()}})
	w.must(err)
	l.send(l.anchor, "without it")
	if r.got() != "[5] "+relay.ReasonRemoved && r.got() != "[5]"+relay.ReasonRemoved {
		t.Fatalf("the removed one got %s", r.got())
	}
	if s.got() != "[5 6]" {
		t.Fatalf("the other one got %s", s.got())
	}
	_, err = l.append(gone, before)
	w.refused(err, wire.ProbForbidden)
	_, err = w.relay.Read(t.Context(), gone.Caller, l.id, 0)
	w.refused(err, wire.ProbForbidden)
}

// TestFence is lock one (P8).
func TestFence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	l := w.circle(2)
	m := l.members[0]
	r, _ := l.subscribe(m, 4)
	full := newReader()
	full.room = 0
	_, _, err := w.relay.Subscribe(t.Context(), l.members[1].Caller, l.id, 0, full)
	w.must(err)
	value, turn := l.value(m, "after"), l.value(l.anchor, "after")
	update, err := m.group.ProposeUpdate(nil)
	w.must(err)
	w.clock.Advance(time.Second)
	for range 2 { // idempotent: the first reason stays
		w.must(w.relay.Fence(t.Context(), l.id, "withdrawn"))
		w.must(w.relay.Fence(t.Context(), l.id, "revoked"))
	}
	w.refused(w.relay.Fence(t.Context(), wire.CircleID{1}, "withdrawn"), wire.ProbNotFound)
	for _, s := range []*reader{r, full} {
		if s.got() != "[]withdrawn" || !s.endedAt.Equal(start().Add(time.Second)) {
			t.Fatalf("the reader got %s at %v", s.got(), s.endedAt)
		}
	}
	for p, message := range map[*party][]byte{m: value, l.anchor: turn} {
		_, err := l.append(p, message)
		if f := w.refused(err, wire.ProbFenced); f.Reason != "withdrawn" || !f.At.Equal(start().Add(time.Second)) {
			t.Fatalf("refusal is %+v", f)
		}
	}
	for p, message := range map[*party][]byte{m: update, l.members[1]: w.keyPackage(l.members[1]).Bytes()} {
		_, err := l.append(p, message)
		w.refused(err, wire.ProbFenced)
	}
	_, err = w.relay.Read(t.Context(), m.Caller, l.id, 0)
	w.refused(err, wire.ProbFenced)
	late, _ := l.subscribe(m, 0)
	if late.got() != "[]withdrawn" {
		t.Fatalf("a late reader got %s", late.got())
	}
	info, err := w.relay.Info(t.Context(), m.Caller, l.id)
	w.must(err)
	if info.Fenced != "withdrawn" {
		t.Fatalf("info says %q", info.Fenced)
	}
	lastCommit(t, l)
}

// lastCommit: behind a fence only the removal of all others passes, once.
func lastCommit(t *testing.T, l *lab) {
	t.Helper()
	for name, o := range map[string]mls.CommitOptions{
		"turns the keys": {},
		"removes one":    {Remove: []uint32{1}},
		"adds":           {Remove: []uint32{1, 2}, Add: []*mls.KeyPackage{l.keyPackage(l.party(grantee))}},
	} {
		if _, _, err := l.commit(o); err == nil {
			t.Fatalf("a commit that %s passed the fence", name)
		} else {
			l.refused(err, wire.ProbFenced)
		}
	}
	late, _ := l.subscribe(l.anchor, 0)
	done, _, err := l.commit(mls.CommitOptions{Remove: []uint32{1, 2}})
	l.must(err)
	if done.Seq != 5 || late.got() != "[]withdrawn" {
		t.Fatalf("the last removal is %d; delivered %s", done.Seq, late.got())
	}
	_, _, err = l.commit(mls.CommitOptions{})
	l.refused(err, wire.ProbFenced)
	l.reopen()
	_, _, err = l.commit(mls.CommitOptions{})
	l.refused(err, wire.ProbFenced)
}

func TestFenceHoldsAgainstAppendsInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{PerSecond: -1})
	l := w.circle(1)
	r, _ := l.subscribe(l.members[0], 2)
	const n = 500
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		if i == n/2 {
			wg.Go(func() {
				if err := w.relay.Fence(context.Background(), l.id, "withdrawn"); err != nil {
					t.Error(err)
				}
			})
		}
		w.relay.Submit(relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: l.value(l.anchor, "x")}, func(d relay.Done, err error) {
			var f *wire.Refusal
			if err != nil && (!errors.As(err, &f) || f.Name != wire.ProbFenced) {
				t.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	c, err := w.store.Circles.Get(t.Context(), l.id)
	w.must(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != "withdrawn" || uint64(len(r.seqs)) != c.Head-2 {
		t.Fatalf("delivered %d of %d frames, ended %q", len(r.seqs), c.Head-2, r.ended)
	}
}

func TestValidity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	from, until := start().Add(time.Hour), start().Add(2*time.Hour)
	l := w.circle(0, func(o *relay.Opening) { o.From, o.Until = from, until })
	_, err := l.append(l.anchor, l.value(l.anchor, "early"))
	if r := w.refused(err, wire.ProbNotYet); r.Retry != time.Hour {
		t.Fatalf("retry after %v", r.Retry)
	}
	next, err := w.relay.Sweep(t.Context())
	w.must(err)
	if !next.Equal(until) {
		t.Fatalf("the next end is %v", next)
	}
	m := w.party(grantee)
	l.add(m) // so that values flow from the first moment on
	w.clock.Set(from.Add(-5 * time.Minute))
	r, _ := l.subscribe(m, 2)
	l.send(l.anchor, "3")
	w.clock.Set(until)
	// From the very moment on, whether or not a sweep has run.
	_, err = l.append(l.anchor, l.value(l.anchor, "late"))
	if f := w.refused(err, wire.ProbFenced); f.Reason != store.FenceExpired {
		t.Fatalf("reason is %q", f.Reason)
	}
	_, err = w.relay.Read(t.Context(), m.Caller, l.id, 0)
	w.refused(err, wire.ProbFenced)
	next, err = w.relay.Sweep(t.Context())
	w.must(err)
	if !next.IsZero() || r.got() != "[3]"+store.FenceExpired {
		t.Fatalf("next is %v, delivered %s", next, r.got())
	}
	_, _, err = l.commit(mls.CommitOptions{Remove: []uint32{1}})
	w.must(err)
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	long, short := w.circle(1), w.circle(1, func(o *relay.Opening) { o.Retention = time.Hour })
	for _, l := range []*lab{long, short} {
		l.send(l.anchor, "3")
		_, _, err := l.commit(mls.CommitOptions{})
		w.must(err)
		l.send(l.anchor, "5")
	}
	oldest := func(l *lab) uint64 {
		t.Helper()
		_, err := w.relay.Sweep(t.Context())
		w.must(err)
		info, err := w.relay.Info(t.Context(), l.anchor.Caller, l.id)
		w.must(err)
		return info.Oldest
	}
	w.clock.Advance(time.Hour)
	if oldest(long) != 1 || oldest(short) != 5 {
		t.Fatalf("after an hour the oldest are %d and %d", oldest(long), oldest(short))
	}
	w.clock.Advance(30 * 24 * time.Hour)
	if oldest(long) != 5 {
		t.Fatalf("after 30 days the oldest is %d", oldest(long))
	}
	frames, err := w.relay.Read(t.Context(), long.anchor.Caller, long.id, 0)
	w.must(err)
	if len(frames) != 1 || frames[0].Number != 5 {
		t.Fatalf("read %d frames", len(frames))
	}
}
