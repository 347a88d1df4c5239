package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/suite"
)

// ErrParentHash means that a parent node was not put in place by a member
// below it (RFC 9420 §7.9.2).
var ErrParentHash = errors.New("parent hash is not valid")

// Validate checks a whole tree as a joiner must (RFC 9420 §12.4.3.1): shape,
// unmerged leaves, unique keys, parent hashes, and every leaf by the rules.
func (t *Tree) Validate(r Rules) error {
	if err := t.checkShape(); err != nil {
		return err
	}
	if err := t.CheckUnique(); err != nil { // RFC 9420 §12.4.3.1 R12
		return err
	}
	if err := t.CheckParentHashes(); err != nil { // RFC 9420 §7.9.2 M1, §12.4.3.1 R8
		return err
	}
	return t.checkLeaves(r) // RFC 9420 §12.4.3.1 R9
}

// checkLeaves checks every leaf by the rules, the signatures of large trees on
// all processors. The error is that of the first leaf that fails.
func (t *Tree) checkLeaves(r Rules) error {
	required, err := RequiredOf(r.Extensions)
	if err != nil {
		return err
	}
	return suite.Spread(int(t.Width()), leastLeaves, func(i int) error {
		if l := t.Leaf(uint32(i)); l != nil {
			return r.checkLeaf(l, uint32(i), required, nil)
		}
		return nil
	})
}

// leastLeaves is how many leaves one goroutine is worth.
const leastLeaves = 2

// checkShape checks what the codec can't: the tree is no wider than needed,
// parents have usable keys, and unmerged leaves are in order (RFC 9420 §7.1,
// §12.4.3.1).
func (t *Tree) checkShape() error {
	half := t.Width() / 2
	if half > 0 && !t.occupiedLeaf(half) {
		return errors.New("check tree: it is wider than its last member needs")
	}
	for x := range t.nodes {
		p := t.parentAt(uint32(x))
		if p == nil {
			continue
		}
		if err := t.suite.CheckPublicKey(p.EncryptionKey); err != nil {
			return fmt.Errorf("check node %d: %w", x, err)
		}
	}
	return t.CheckUnmerged()
}

// CheckUnmerged checks the lists of unmerged leaves (RFC 9420 §7.1,
// §12.4.3.1): by one that is wrong a resolution would leave the tree.
func (t *Tree) CheckUnmerged() error {
	for x := range t.nodes {
		if p := t.parentAt(uint32(x)); p != nil {
			if err := t.checkUnmerged(uint32(x), p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Tree) occupiedLeaf(from uint32) bool {
	for i := from; i < t.Width(); i++ {
		if t.Leaf(i) != nil {
			return true
		}
	}
	return false
}

func (t *Tree) checkUnmerged(x uint32, p *ParentNode) error {
	for i, l := range p.Unmerged {
		if i > 0 && p.Unmerged[i-1] >= l {
			return fmt.Errorf("check node %d: unmerged leaves are not in increasing order", x) // RFC 9420 §7.1 M1
		}
		if t.Leaf(l) == nil || !Covers(x, l) { // RFC 9420 §12.4.3.1 R10
			return fmt.Errorf("check node %d: unmerged leaf %d is no member below it", x, l)
		}
		for y := Parent(NodeOf(l)); y != x; y = Parent(y) {
			between := t.parentAt(y)
			if between == nil {
				continue
			}
			if _, listed := slices.BinarySearch(between.Unmerged, l); !listed {
				return fmt.Errorf("check node %d: leaf %d is unmerged above it but not in it", y, l) // RFC 9420 §12.4.3.1 R11
			}
		}
	}
	return nil
}

// CheckParentHashes checks that every parent node is parent-hash valid by
// exactly one node below it (RFC 9420 §7.9.2).
func (t *Tree) CheckParentHashes() error {
	for i := range t.nodes {
		x := uint32(i)
		p := t.parentAt(x)
		if p == nil {
			continue
		}
		n := t.countLinks(p, Left(x), Right(x)) + t.countLinks(p, Right(x), Left(x))
		if n != 1 {
			return fmt.Errorf("check node %d: %d nodes below vouch for it: %w", x, n, ErrParentHash)
		}
	}
	return nil
}

// countLinks counts the nodes below child c, with sibling s, whose parent hash
// fits p.
func (t *Tree) countLinks(p *ParentNode, c, s uint32) int {
	resolution := t.Resolution(c) // RFC 9420 §7.9.2 R1, R3
	unmerged := below(c, p.Unmerged)
	if len(resolution) != len(unmerged)+1 {
		return 0
	}
	d, ok := t.onlyMerged(resolution, unmerged)
	if !ok {
		return 0
	}
	have := t.storedParentHash(d)
	if len(have) == 0 || !bytes.Equal(have, t.parentHash(p, s)) { // RFC 9420 §7.9.2 R2
		return 0
	}
	return 1
}

// onlyMerged finds the one node of a resolution that is not an unmerged leaf
// of the parent.
func (t *Tree) onlyMerged(resolution, unmerged []uint32) (uint32, bool) {
	var found uint32
	n := 0
	for _, x := range resolution {
		if Level(x) == 0 {
			if _, is := slices.BinarySearch(unmerged, LeafOf(x)); is {
				continue
			}
		}
		found = x
		n++
	}
	return found, n == 1
}

func (t *Tree) storedParentHash(x uint32) []byte {
	n := t.nodes[x]
	switch {
	case n.blank():
		return nil
	case n.parent != nil:
		return n.parent.ParentHash
	case n.leaf.Source == SourceCommit:
		return n.leaf.ParentHash
	}
	return nil
}
