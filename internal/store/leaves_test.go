package store_test

import (
	"errors"
	"testing"
	"time"

	"primum/internal/store"
)

func TestLeavesWaitInOrderAndKnowTheirPlace(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	s := openStore(t, dir, store.Options{})
	a, b, c := [32]byte{3}, [32]byte{2}, [32]byte{1}
	if _, _, ok, err := s.Leaves.Last(ctx); ok || err != nil {
		t.Errorf("last of none: %t %v", ok, err)
	}
	must(t, s.Leaves.Add(ctx, moment(), a, b))
	must(t, s.Leaves.Add(ctx, moment().Add(time.Hour), b, c)) // b again: as it was
	waiting, err := s.Leaves.Pending(ctx, 10)
	must(t, err)
	if len(waiting) != 3 || waiting[0].Hash != a || waiting[1].Hash != b || waiting[2].Hash != c || !waiting[1].Due.Equal(moment()) {
		t.Fatalf("waiting: %+v", waiting)
	}
	must(t, s.Leaves.Placed(ctx, map[int64]uint64{waiting[0].Seq: 70, waiting[1].Seq: 0}))
	if err := s.Leaves.Placed(ctx, map[int64]uint64{waiting[2].Seq: 5, 99: 1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a place of an unknown leaf: %v", err)
	}
	must(t, s.Close())
	s = openStore(t, dir, store.Options{})
	waiting, err = s.Leaves.Pending(ctx, 10)
	must(t, err)
	if len(waiting) != 1 || waiting[0].Hash != c {
		t.Errorf("waiting after the places: %+v", waiting)
	}
	for hash, want := range map[[32]byte]uint64{a: 70, b: 0} {
		if n, placed, err := s.Leaves.IndexOf(ctx, hash); err != nil || !placed || n != want {
			t.Errorf("leaf %x: %d %t %v", hash[0], n, placed, err)
		}
	}
	if hash, n, ok, err := s.Leaves.Last(ctx); err != nil || !ok || n != 70 || hash != a {
		t.Errorf("last: %x %d %t %v", hash[0], n, ok, err)
	}
	if _, placed, err := s.Leaves.IndexOf(ctx, c); placed || err != nil {
		t.Errorf("a waiting leaf: %t %v", placed, err)
	}
	if _, _, err := s.Leaves.IndexOf(ctx, [32]byte{9}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown leaf: %v", err)
	}
}

func TestAGrantsLeafStandsOrFallsWithItsEvent(t *testing.T) {
	t.Parallel()
	s, ctx := openStore(t, t.TempDir(), store.Options{}), t.Context()
	g := store.Grant{ID: "0198f0aa", GrantKey: []byte{1}, AnchorKey: []byte{2}, State: "given"}
	given := store.Change{New: &g, Event: store.GrantEvent{State: "given", At: moment()}, Leaves: [][32]byte{{1}}, LeavesDue: moment()}
	must(t, s.Grants.Apply(ctx, given))
	given.Leaves = [][32]byte{{2}}
	if err := s.Grants.Apply(ctx, given); !errors.Is(err, store.ErrExists) {
		t.Fatalf("given twice: %v", err)
	}
	if _, _, err := s.Leaves.IndexOf(ctx, [32]byte{2}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the leaf of what failed: %v", err)
	}
	if _, _, err := s.Leaves.IndexOf(ctx, [32]byte{1}); err != nil {
		t.Errorf("the leaf of what was done: %v", err)
	}
}

func TestLeavesOfEpochsAreQueuedOnce(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	s := openStore(t, dir, store.Options{})
	c := store.Circle{ID: [16]byte{1}, AnchorKey: []byte{1}, Account: "friend@s.example", Opened: moment()}
	must(t, s.Circles.Open(ctx, c, []byte("tracker"), []uint32{0}))
	for n := range byte(3) {
		_, err := s.Circles.Append(ctx, store.Append{
			Circle: c.ID, Kind: store.KindCommit, Epoch: uint64(n), Message: []byte("commit"), Tracker: []byte("next"), Now: moment(),
			Commitment: [32]byte{n + 1},
		})
		must(t, err)
	}
	_, err := s.Circles.Append(ctx, store.Append{Circle: c.ID, Kind: store.KindCommit, Epoch: 0, Message: []byte("late"), Commitment: [32]byte{9}})
	if err == nil {
		t.Fatal("a stale commit was taken")
	}
	must(t, s.Leaves.Add(ctx, moment(), [32]byte{2})) // as after a crash between the two files
	must(t, s.Close())
	s = openStore(t, dir, store.Options{})
	for range 2 {
		waiting, err := s.Leaves.Pending(ctx, 10)
		must(t, err)
		if len(waiting) != 3 || waiting[0].Hash[0] != 2 || waiting[1].Hash[0] != 1 || waiting[2].Hash[0] != 3 {
			t.Fatalf("waiting: %+v", waiting)
		}
	}
}
