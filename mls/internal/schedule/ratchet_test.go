package schedule_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
)

func newTree(t testing.TB, leaves uint32) (*suite.Suite, *schedule.Tree) {
	t.Helper()
	s, err := suite.ByID(suite.X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	return s, schedule.NewTree(s, bytes.Repeat([]byte{9}, 32), leaves)
}

func written(t *schedule.Tree) []byte {
	var w codec.Writer
	t.Write(&w)
	return w.Out()
}

var limits = schedule.Limits{MaxJump: 50, Window: 4}

func TestDropChangesNothing(t *testing.T) {
	t.Parallel()
	_, tree := newTree(t, 8)
	for _, generation := range []uint32{0, 3, 10, 9, 50} {
		before := written(tree)
		st, err := tree.Find(5, schedule.Application, generation, limits)
		if err != nil {
			t.Fatal(err)
		}
		st.Drop()
		if !bytes.Equal(before, written(tree)) {
			t.Fatalf("a dropped step to generation %d changed the tree", generation)
		}
		if generation == 10 {
			st, err = tree.Find(5, schedule.Application, generation, limits)
			if err != nil {
				t.Fatal(err)
			}
			tree.Consume(st)
		}
	}
}

// RFC 9420 §9.1 M1, §9.2 M1, M2, M2c, M2d
func TestConsumedKeysAreGone(t *testing.T) {
	t.Parallel()
	s, tree := newTree(t, 4)
	for _, generation := range []uint32{2, 0, 7, 5} {
		st, err := tree.Find(1, schedule.Handshake, generation, limits)
		if err != nil {
			t.Fatal(err)
		}
		key := bytes.Clone(st.Key.Key(s))
		tree.Consume(st)
		if bytes.Contains(written(tree), key) {
			t.Errorf("the key of generation %d is still there", generation)
		}
		if _, err := tree.Find(1, schedule.Handshake, generation, limits); !errors.Is(err, schedule.ErrGone) {
			t.Errorf("generation %d again: %v", generation, err)
		}
	}
	if _, err := tree.Find(1, schedule.Handshake, 3, limits); err != nil {
		t.Errorf("a key of the window: %v", err)
	}
	if _, err := tree.Find(1, schedule.Handshake, 1, limits); !errors.Is(err, schedule.ErrGone) {
		t.Errorf("a key before the window: %v", err)
	}
}

// RFC 9420 §9.2 M2b
func TestRootGoesWithTheFirstKey(t *testing.T) {
	t.Parallel()
	_, tree := newTree(t, 4)
	root := bytes.Clone(tree.Root())
	st, err := tree.Next(0, schedule.Application)
	if err != nil || !bytes.Contains(written(tree), root) {
		t.Fatalf("root before Consume: %v", err)
	}
	tree.Consume(st)
	if tree.Root() != nil || bytes.Contains(written(tree), root) {
		t.Error("the encryption secret outlived the first key")
	}
	if _, err := tree.Next(3, schedule.Application); err != nil {
		t.Errorf("another leaf: %v", err)
	}
}

// RFC 9420 §15.3 S2
func TestJumpLimit(t *testing.T) {
	t.Parallel()
	_, tree := newTree(t, 2)
	for _, generation := range []uint32{51, 1 << 20, 1<<32 - 1} {
		if _, err := tree.Find(0, schedule.Application, generation, limits); !errors.Is(err, schedule.ErrJump) {
			t.Errorf("generation %d: %v", generation, err)
		}
	}
	for _, leaf := range []uint32{2, 3, 1 << 31, 1<<32 - 1} {
		if _, err := tree.Find(leaf, schedule.Application, 0, limits); err == nil {
			t.Errorf("leaf %d is outside and was found", leaf)
		}
	}
}

// TestRatchetEnds: the last generation is used once.
func TestRatchetEnds(t *testing.T) {
	t.Parallel()
	s, tree := newTree(t, 1)
	st, err := tree.Next(0, schedule.Application)
	if err != nil {
		t.Fatal(err)
	}
	tree.Consume(st)
	b := written(tree)
	// The application ratchet is the last thing: its next, secret, no skipped.
	at := len(b) - 4 - s.HashLen() - 8
	copy(b[at:], []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	tree = schedule.ReadTree(codec.NewReader(b), s)
	if keys, err := tree.Reserve(0, 5); err != nil || len(keys) != 1 || keys[0].Generation != 1<<32-1 {
		t.Fatalf("reserved %v at the end: %v", keys, err)
	}
	if _, err := tree.Next(0, schedule.Application); !errors.Is(err, schedule.ErrSpent) {
		t.Errorf("Next at the end: %v", err)
	}
	if _, err := tree.Reserve(0, 1); !errors.Is(err, schedule.ErrSpent) {
		t.Errorf("Reserve at the end: %v", err)
	}
	if _, err := tree.Find(0, schedule.Application, 1<<32-1, limits); !errors.Is(err, schedule.ErrGone) {
		t.Errorf("Find at the end: %v", err)
	}
}

func TestReserveIsNext(t *testing.T) {
	t.Parallel()
	s, reserving := newTree(t, 2)
	_, plain := newTree(t, 2)
	keys, err := reserving.Reserve(1, 5)
	if err != nil || reserving.Generation(1, schedule.Application) != 5 {
		t.Fatalf("Reserve: %v", err)
	}
	for i := range keys {
		st, err := plain.Next(1, schedule.Application)
		if err != nil || st.Key.Generation != uint32(i) || !bytes.Equal(st.Key.Key(s), keys[i].Key(s)) {
			t.Errorf("reserved key %d differs: %v", i, err)
		}
		plain.Consume(st)
	}
	if !bytes.Equal(written(plain), written(reserving)) {
		t.Error("after the block both trees should be one")
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	t.Parallel()
	s, tree := newTree(t, 2)
	st, err := tree.Next(0, schedule.Application)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v", st.Key, tree); bytes.Contains([]byte(text), []byte(fmt.Sprint(st.Key.Key(s)[:4]))) {
		t.Errorf("a key prints as %s", text)
	}
}
