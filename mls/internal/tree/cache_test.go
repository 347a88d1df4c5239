package tree

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestKeptHashes: through random changes and clones a tree has the hash,
// resolutions and blanks of the same tree read anew, which has nothing kept;
// and a clone's changes leave the original as it was.
func TestKeptHashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 12)
	var leaves []*LeafNode
	for range 20 {
		l, _, _ := w.client()
		leaves = append(leaves, l)
	}
	for seed := range uint64(30) {
		c := &churn{w: w, rng: rand.New(rand.NewPCG(seed, 9)), leaves: leaves, tree: New(w.s, leaves[0])}
		for range 60 {
			c.step()
			c.check(t, c.tree)
		}
		for i, old := range c.old {
			if !bytes.Equal(old.Hash(), c.hashes[i]) {
				t.Errorf("seed %d: a change of a clone reached the original", seed)
			}
			c.check(t, old)
		}
	}
}

// churn changes one tree at random.
type churn struct {
	w      *world
	rng    *rand.Rand
	leaves []*LeafNode
	tree   *Tree
	old    []*Tree // before they were cloned
	hashes [][]byte
}

func (c *churn) leaf() *LeafNode { return c.leaves[c.rng.IntN(len(c.leaves))] }

func (c *churn) place() uint32 { return c.rng.Uint32N(c.tree.Width()) }

func (c *churn) step() {
	switch c.rng.IntN(6) {
	case 0, 1:
		for range c.rng.IntN(12) {
			_, _ = c.tree.Add(c.leaf())
		}
	case 2:
		for range c.rng.IntN(int(c.tree.Width())) {
			if c.tree.Count() > 1 {
				_ = c.tree.Remove(c.place())
			}
		}
	case 3:
		_ = c.tree.Update(c.place(), c.leaf())
	case 4:
		c.old, c.hashes = append(c.old, c.tree), append(c.hashes, c.tree.Hash())
		c.tree = c.tree.Clone()
	case 5:
		if i := c.place(); c.tree.Leaf(i) != nil {
			keys := make([][]byte, len(c.tree.filteredPath(i)))
			for k := range keys {
				keys[k] = []byte{byte(c.rng.IntN(256)), byte(k)}
			}
			c.tree.linkPath(i, c.tree.filteredPath(i), keys)
			c.tree.set(NodeOf(i), &node{leaf: c.leaf()})
		}
	}
}

func (c *churn) check(t *testing.T, kept *Tree) {
	t.Helper()
	fresh, err := Parse(c.w.s, kept.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for x := range uint32(len(kept.nodes)) {
		if !slices.Equal(kept.Resolution(x), fresh.Resolution(x)) || kept.occupied(x) != fresh.occupied(x) {
			t.Fatalf("node %d: another resolution", x)
		}
	}
	if c.rng.IntN(3) > 0 && !bytes.Equal(kept.Hash(), fresh.Hash()) {
		t.Fatal("another tree hash")
	}
}
