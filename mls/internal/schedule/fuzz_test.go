package schedule_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/cost"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
)

// FuzzStored: a stored secret tree, secrets of an epoch, a group context or
// the id of a pre-shared key that decodes encodes to one form, and a tree read
// from anything does no harm in use.
func FuzzStored(f *testing.F) {
	s, tree := newTree(f, 4)
	f.Add(byte(0), written(tree))
	st, err := tree.Find(2, schedule.Application, 3, limits)
	if err != nil {
		f.Fatal(err)
	}
	tree.Consume(st)
	f.Add(byte(0), written(tree))
	var w codec.Writer
	schedule.FromEpoch(s, make([]byte, 32)).Write(&w)
	f.Add(byte(1), w.Out())
	f.Add(byte(2), (&schedule.Context{Suite: 1, GroupID: []byte("g"), Epoch: 7, TreeHash: []byte{1}, Transcript: []byte{2}}).Bytes())
	f.Add(byte(3), []byte{1, 1, 7, 1, 8})
	f.Add(byte(3), []byte{2, 3, 1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0})
	bound := cost.Bound{
		Always: cost.Work{Memory: 64 << 10, Hashed: 256 << 10},
		PerKiB: cost.Work{Memory: 96 << 10, Hashed: 4 << 10},
	}
	f.Fuzz(func(t *testing.T, kind byte, in []byte) {
		bound.Check(t, len(in), func() { recode(t, s, kind, in) })
	})
}

func recode(t *testing.T, s *suite.Suite, kind byte, in []byte) {
	t.Helper()
	r := codec.NewReader(in)
	var out []byte
	switch kind % 4 {
	case 0:
		useStored(t, s, in)
		return
	case 1:
		var w codec.Writer
		schedule.ReadSecrets(r, s).Write(&w)
		out = w.Out()
	case 2:
		out = schedule.ReadContext(r).Bytes()
	case 3:
		id := schedule.ReadPSKID(r)
		out = []byte(id.Key())
		if r.Close() == nil && !id.Same(id) {
			t.Fatal("an id is not the same as itself")
		}
	}
	if r.Close() == nil && !bytes.Equal(out, in) {
		t.Fatalf("kind %d: %x encodes to %x", kind%4, in, out)
	}
}

// useStored reads a secret tree: it has one stored form, dropped steps leave
// no trace, taken ones are gone.
func useStored(t *testing.T, s *suite.Suite, in []byte) {
	t.Helper()
	r := codec.NewReader(in)
	tree := schedule.ReadTree(r, s)
	if r.Close() != nil {
		return
	}
	once := written(tree)
	if again := schedule.ReadTree(codec.NewReader(once), s); !bytes.Equal(written(again), once) {
		t.Fatal("a secret tree does not survive being stored")
	}
	for _, leaf := range []uint32{0, 1, 5, 1<<32 - 1} {
		before := written(tree)
		if st, err := tree.Find(leaf, schedule.Application, 2, limits); err == nil {
			if st.Drop(); !bytes.Equal(written(tree), before) {
				t.Fatal("a dropped step changed the tree")
			}
		}
		if st, err := tree.Next(leaf, schedule.Handshake); err == nil {
			generation := st.Key.Generation
			tree.Consume(st)
			if _, err := tree.Find(leaf, schedule.Handshake, generation, limits); !errors.Is(err, schedule.ErrGone) {
				t.Fatalf("generation %d was taken and is still there: %v", generation, err)
			}
		}
	}
}

// FuzzRatchet plays a sender's games with generations against a model: each
// generation opens once, nothing beyond the limits opens, what a receiver
// keeps and does is bounded, and it finds the sender's own keys.
func FuzzRatchet(f *testing.F) {
	f.Add(byte(4), []byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1})
	f.Add(byte(0), []byte{0, 0, 50, 0, 0, 49, 0, 0, 101, 1, 0, 3})
	f.Add(byte(1), []byte{3, 0, 9, 3, 0, 2, 4, 0, 9, 8, 0, 1, 0, 0, 9, 12, 0, 9})
	f.Add(byte(2), []byte{255, 255, 255, 2, 255, 255, 1, 0, 0})
	bound := cost.Bound{
		Always: cost.Work{Memory: 64 << 10, Hashed: 64 << 10},
		PerKiB: cost.Work{Memory: 4 << 20, Hashed: 16 << 20},
	}
	f.Fuzz(func(t *testing.T, window byte, script []byte) {
		script = script[:min(len(script), 300)]
		bound.Check(t, len(script), func() { newGame(t, int(window%8)).play(script) })
	})
}

// game is a receiver, the sender's keys, and what the receiver may hold.
type game struct {
	t       *testing.T
	s       *suite.Suite
	tree    *schedule.Tree
	keys    map[string]schedule.Key // the sender's, by place
	limits  schedule.Limits
	used    map[string]bool
	next    map[string]uint32 // of each ratchet
	skipped map[string][]uint32
}

func newGame(t *testing.T, window int) *game {
	s, tree := newTree(t, 4)
	return &game{
		t: t, s: s, tree: tree, limits: schedule.Limits{MaxJump: 40, Window: window}, keys: map[string]schedule.Key{},
		used: map[string]bool{}, next: map[string]uint32{}, skipped: map[string][]uint32{},
	}
}

func (g *game) play(script []byte) {
	for ; len(script) >= 3; script = script[3:] {
		generation := uint32(script[1])<<8 | uint32(script[2])
		g.turn(uint32(script[0]&3), schedule.Content(script[0]>>2&1), generation, script[0]>>3&3)
	}
	if n := len(written(g.tree)); n > 1024+8*g.limits.Window*64 {
		g.t.Fatalf("the receiver keeps %d bytes", n)
	}
}

// turn lets one message come: it is taken, or dropped, or taken after the
// receiver was stored and read again.
func (g *game) turn(leaf uint32, kind schedule.Content, generation uint32, how byte) {
	ratchet := fmt.Sprint(leaf, kind)
	place := fmt.Sprint(ratchet, generation)
	before := written(g.tree)
	st, err := g.tree.Find(leaf, kind, generation, g.limits)
	want := g.want(ratchet, place, generation)
	if !errors.Is(err, want) {
		g.t.Fatalf("%s: %v instead of %v", place, err, want)
	}
	if err == nil {
		if had, ok := g.keys[place]; ok && had != st.Key {
			g.t.Fatalf("%s: another key than before", place)
		}
		g.keys[place] = st.Key
	}
	if err == nil && how == 0 {
		st.Drop()
	}
	if (err != nil || how == 0) && !bytes.Equal(before, written(g.tree)) {
		g.t.Fatalf("%s: a message that was not taken changed the tree", place)
	}
	if err == nil && how != 0 {
		g.tree.Consume(st)
		g.note(ratchet, place, generation)
	}
	if how == 3 {
		g.tree = schedule.ReadTree(codec.NewReader(written(g.tree)), g.s)
	}
}

func (g *game) want(ratchet, place string, generation uint32) error {
	next := g.next[ratchet]
	switch {
	case generation >= next+g.limits.MaxJump+1:
		return schedule.ErrJump
	case generation >= next:
		return nil
	case g.used[place]:
		return schedule.ErrGone
	}
	for _, kept := range g.skipped[ratchet] {
		if kept == generation {
			return nil
		}
	}
	return schedule.ErrGone
}

// note is what RFC 9420 §9.2 and the window leave after a message was taken.
func (g *game) note(ratchet, place string, generation uint32) {
	g.used[place] = true
	var kept []uint32
	for _, k := range g.skipped[ratchet] {
		if k != generation {
			kept = append(kept, k)
		}
	}
	if next := g.next[ratchet]; generation >= next {
		for k := next; k < generation; k++ {
			kept = append(kept, k)
		}
		g.next[ratchet] = generation + 1
		kept = kept[max(0, len(kept)-g.limits.Window):]
	}
	g.skipped[ratchet] = kept
}
