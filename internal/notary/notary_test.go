package notary

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"primum/ledger"
)

func TestPublishedFactIsProven(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	if c := h.checkpoint(Public); c.Size != 0 {
		t.Fatalf("a new log has %d entries", c.Size)
	}
	at := h.mustPublish("policies/a")
	if _, err := h.Proof(t.Context(), Public, at); !errors.Is(err, ErrWaiting) {
		t.Fatalf("before a checkpoint: %v, want ErrWaiting", err)
	}
	h.mustFlush()
	for _, size := range []uint64{2, 256, 257, 301} {
		h.grown(size)
	}
	line, err := fact("policies/a").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	h.proves(Public, at, line)
	if c := h.checkpoint(Public); c.Size != 301 {
		t.Errorf("%d entries, want 301", c.Size)
	}
	if _, err := h.Publish(t.Context(), ledger.Entry{T: "gossip", At: start()}); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("an entry of no type: %v", err)
	}
}

// proves checks a receipt as a stranger does.
func (h *home) proves(log string, index uint64, entry []byte) {
	h.town.t.Helper()
	text, err := h.Proof(h.town.t.Context(), log, index)
	if err != nil {
		h.town.t.Fatal(err)
	}
	r, err := ledger.ParseReceipt(text)
	if err != nil {
		h.town.t.Fatal(err)
	}
	if _, err := r.Verify(entry, h.tree(log).log); err != nil {
		h.town.t.Error(err)
	}
}

func TestTickFillsUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ leaves, entries int }{{0, 64}, {1, 64}, {64, 64}, {65, 128}, {129, 256}} {
		h := newTown(t).home("a").mustOpen()
		for i := range c.leaves {
			h.leaves.add(leafOf(i))
		}
		h.mustTick()
		got := h.entries(Commitments)
		if len(got) != c.entries || h.Size(Commitments) != uint64(c.entries) {
			t.Errorf("%d leaves: %d entries, want %d", c.leaves, len(got), c.entries)
		}
		seen := map[string]bool{}
		for _, e := range got {
			if len(e) != ledger.LeafSize || seen[string(e)] {
				t.Errorf("an entry of %d bytes, or twice", len(e))
			}
			seen[string(e)] = true
		}
		for i := range c.leaves {
			leaf := leafOf(i)
			at, placed, err := h.leaves.IndexOf(t.Context(), leaf)
			if err != nil || !placed || !bytes.Equal(got[at], leaf[:]) {
				t.Fatalf("leaf %d: at %d, placed %v, %v", i, at, placed, err)
			}
		}
		if c.leaves > 0 {
			leaf := leafOf(0)
			at, _, _ := h.leaves.IndexOf(t.Context(), leaf)
			h.proves(Commitments, at, leaf[:])
		}
	}
}

// Whoever reads the log and asks for every entry's proof learns nothing about
// which of them are leaves.
func TestDummiesAreProvedLikeLeaves(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.leaves.add(leafOf(1))
	h.mustTick()
	for i, e := range h.entries(Commitments) {
		if _, err := h.ProofOf(t.Context(), [32]byte(e)); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
}

// However many leaves somebody has made, all that wait get into the tick that was
// promised.
func TestTickLeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	for i := range maxTick + 1 {
		h.leaves.add(leafOf(i))
	}
	h.mustTick()
	if left, err := h.leaves.Pending(t.Context(), 1); err != nil || len(left) > 0 || h.Size(Commitments) != maxTick+MinTick {
		t.Errorf("%d leaves wait, %d entries, %v", len(left), h.Size(Commitments), err)
	}
}

// The place of a leaf among the dummies says nothing about its arrival.
func TestTickShuffles(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	for i := range 64 {
		h.leaves.add(leafOf(i))
	}
	h.mustTick()
	same := 0
	for i := range 64 {
		if at, _, _ := h.leaves.IndexOf(t.Context(), leafOf(i)); at == uint64(i) {
			same++
		}
	}
	if same > 10 { // one is expected
		t.Errorf("%d of 64 leaves stand where they came", same)
	}
}

func TestTickIsAPublicFact(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.mustTick()
	e, err := ledger.ParseEntry(h.entries(Public)[0])
	if err != nil {
		t.Fatal(err)
	}
	c := h.checkpoint(Commitments)
	if e.T != ledger.TypeCommitments || e.Ref != "64" || e.SHA256 != c.BodyHash() || !e.At.Equal(start().Truncate(6*time.Hour)) {
		t.Errorf("entry %+v", e)
	}
	if h.Size(Public) != 1 {
		t.Error("the fact is not signed")
	}
}

func TestProofOf(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	if _, err := h.ProofOf(t.Context(), leafOf(1)); !errors.Is(err, ErrUnknown) {
		t.Errorf("never queued: %v", err)
	}
	h.leaves.add(leafOf(1))
	if _, err := h.ProofOf(t.Context(), leafOf(1)); !errors.Is(err, ErrWaiting) {
		t.Errorf("before the tick: %v", err)
	}
	h.mustTick()
	text, err := h.ProofOf(t.Context(), leafOf(1))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ledger.ParseReceipt(text)
	if err != nil {
		t.Fatal(err)
	}
	leaf := leafOf(1)
	if _, err := r.Verify(leaf[:], h.NodeLedger().Commitments); err != nil {
		t.Error(err)
	}
}

// A place was not noted, because the program died between the log and the
// database, or because the database is an older copy: nothing is written twice.
func TestNothingTwice(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"the same run": false, "a new start": true} {
		h := newTown(t).home("a").mustOpen()
		h.leaves.add(leafOf(1), leafOf(2))
		h.leaves.fail = errors.New("the database went away")
		if err := h.Tick(t.Context()); err == nil {
			t.Fatal("the tick did not fail")
		}
		h.leaves.fail = nil
		if again {
			h.mustClose()
			h.mustOpen()
		}
		h.leaves.add(leafOf(3))
		h.mustTick()
		count := map[string]int{}
		for _, e := range h.entries(Commitments) {
			count[string(e)]++
		}
		for i := 1; i <= 3; i++ {
			leaf := leafOf(i)
			if count[string(leaf[:])] != 1 {
				t.Errorf("%s: leaf %d stands %d times in the log", name, i, count[string(leaf[:])])
			}
			if _, err := h.ProofOf(t.Context(), leaf); err != nil {
				t.Errorf("%s: leaf %d: %v", name, i, err)
			}
		}
	}
}

func TestNextTick(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	for _, c := range []struct{ now, want string }{
		{"2026-11-23T01:00:00Z", "2026-11-23T06:00:00Z"},
		{"2026-11-23T05:59:29Z", "2026-11-23T06:00:00Z"},
		{"2026-11-23T05:59:31Z", "2026-11-23T12:00:00Z"}, // too close
		{"2026-11-23T06:00:00Z", "2026-11-23T12:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		h.town.clock.Set(now)
		if got := h.NextTick().Format(time.RFC3339); got != c.want {
			t.Errorf("at %s: %s, want %s", c.now, got, c.want)
		}
	}
}

// runs runs the notary's own clock until the test ends.
func (h *home) runs() {
	ctx, cancel := context.WithCancel(h.town.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	h.town.t.Cleanup(func() { cancel(); <-done })
	if err := h.town.clock.BlockUntil(ctx, 1); err != nil {
		h.town.t.Fatal(err)
	}
}

// advance moves the clock and waits until Run waits again.
func (h *home) advance(d time.Duration) {
	h.town.t.Helper()
	h.town.clock.Advance(d)
	if err := h.town.clock.BlockUntil(h.town.t.Context(), 1); err != nil {
		h.town.t.Fatal(err)
	}
}

func TestRunTicksOnMultiples(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen() // 01:00
	h.runs()
	if h.Size(Commitments) != 0 {
		t.Fatal("the first start ticks off the clock")
	}
	h.advance(5*time.Hour - time.Second)
	if h.Size(Commitments) != 0 {
		t.Fatal("ticked too early")
	}
	h.advance(time.Second)
	if got := h.Size(Commitments); got != 64 {
		t.Fatalf("%d entries at the tick, want 64", got)
	}
	h.advance(6 * time.Hour)
	if got := h.Size(Commitments); got != 128 {
		t.Fatalf("%d entries at the next tick, want 128", got)
	}
}

// While the node stood still, ticks went by: one is made up for, not each. A
// clock that was set back to before the last tick makes none.
func TestMissedTicks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now  time.Time
		want uint64
	}{
		"within the period": {start().Add(time.Hour), 64},
		"two days later":    {start().Add(48 * time.Hour), 128},
		"set back a little": {start().Add(-2 * time.Hour), 64},
		"set back by years": {start().Add(-3 * 365 * 24 * time.Hour), 128}, // the old time was wrong
	} {
		h := newTown(t).home("a").mustOpen()
		h.mustTick()
		h.mustClose()
		h.town.clock.Set(c.now)
		h.mustOpen()
		h.runs()
		if got := h.Size(Commitments); got != c.want {
			t.Errorf("%s: %d entries, want %d", name, got, c.want)
		}
	}
}

// A tick comes due while a checkpoint is being signed: it is late, not left out.
func TestTickDuringWork(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.home("a"), w.home("b").mustOpen()
	a.asksOf(b)
	a.mustOpen()
	asked := make(chan struct{}, 8)
	slow := make(chan struct{})
	b.serve(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-slow
	}))
	a.runs()
	a.mustPublish("policies/a")
	<-asked
	w.clock.Advance(5*time.Hour + time.Minute) // over 06:00
	close(slow)
	for a.Size(Commitments) == 0 {
		if err := w.clock.BlockUntil(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunSignsWhatIsPublished(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.runs()
	at := h.mustPublish("policies/a")
	for h.Size(Public) <= at {
		if err := h.town.clock.BlockUntil(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestClosedNotary(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.mustClose()
	if _, err := h.Publish(t.Context(), fact("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("publish after close: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Errorf("close twice: %v", err)
	}
}
