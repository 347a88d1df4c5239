package tree

import (
	"slices"

	"primum/mls/internal/codec"
)

// Hash is the tree hash (RFC 9420 §7.8). Hashes are kept per node, so that it
// costs O(log n) after one change.
func (t *Tree) Hash() []byte { return t.hashAt(t.root()) }

// HashAt is the tree hash of the subtree at a node (RFC 9420 §7.8).
func (t *Tree) HashAt(x uint32) []byte {
	if int(x) >= len(t.nodes) {
		return nil
	}
	return t.hashAt(x)
}

func (t *Tree) hashAt(x uint32) []byte {
	n := t.nodes[x]
	if n != nil && n.hash != nil {
		return n.hash
	}
	if Level(x) == 0 {
		return t.hashLeaf(x)
	}
	left, right := t.hashAt(Left(x)), t.hashAt(Right(x))
	if n == nil {
		n = &node{empty: t.vacant(Left(x)) && t.vacant(Right(x))}
		t.nodes[x] = n
	}
	n.hash = t.hashParent(n.parent, nil, left, right)
	if n.empty { // one hash stands for the whole blank subtree
		t.nodes[Left(x)], t.nodes[Right(x)] = nil, nil
	}
	return n.hash
}

// vacant tells whether nothing at or below x is occupied, right after the
// hash of x was made.
func (t *Tree) vacant(x uint32) bool {
	n := t.nodes[x]
	return n == nil || n.empty
}

// hashLeaf keeps no hash for a blank leaf: making it is cheaper than a node.
func (t *Tree) hashLeaf(x uint32) []byte {
	n := t.nodes[x]
	if n.blank() {
		return t.leafHash(x, nil)
	}
	n.hash = t.leafHash(x, n.leaf)
	return n.hash
}

func (t *Tree) leafHash(x uint32, leaf *LeafNode) []byte {
	var w codec.Writer
	if leaf != nil {
		w.Grow(8 + len(leaf.raw))
	}
	w.U8(typeLeaf)
	w.U32(LeafOf(x))
	w.Optional(leaf != nil) // RFC 9420 §7.8 M1
	if leaf != nil {
		leaf.Write(&w)
	}
	return t.suite.Hash(w.Out())
}

func (t *Tree) hashParent(p *ParentNode, gone []uint32, left, right []byte) []byte {
	var w codec.Writer
	w.Grow(256)
	w.U8(typeParent)
	w.Optional(p != nil) // RFC 9420 §7.8 M1
	if p != nil {
		p.writeWithout(&w, gone)
	}
	w.Bytes(left)
	w.Bytes(right)
	return t.suite.Hash(w.Out())
}

// hashWithout is the tree hash of the subtree at x as if the leaves in gone,
// sorted, had not been added (RFC 9420 §7.9, original_sibling_tree_hash). It
// recomputes only what covers one of them.
func (t *Tree) hashWithout(x uint32, gone []uint32) []byte {
	gone = below(x, gone)
	switch {
	case len(gone) == 0:
		return t.hashAt(x)
	case Level(x) == 0:
		return t.leafHash(x, nil)
	}
	left, right := t.hashWithout(Left(x), gone), t.hashWithout(Right(x), gone)
	return t.hashParent(t.parentAt(x), gone, left, right)
}

// below cuts a sorted list of leaves to those below node x.
func below(x uint32, leaves []uint32) []uint32 {
	k := Level(x)
	first := LeafOf(x >> k << k)
	from, _ := slices.BinarySearch(leaves, first)
	to, _ := slices.BinarySearch(leaves, first+1<<k)
	return leaves[from:to]
}

// parentHash is the parent hash of a node with the given child off the path
// (RFC 9420 §7.9).
func (t *Tree) parentHash(p *ParentNode, copath uint32) []byte {
	var w codec.Writer
	w.Bytes(p.EncryptionKey)
	w.Bytes(p.ParentHash)
	w.Bytes(t.hashWithout(copath, p.Unmerged))
	return t.suite.Hash(w.Out())
}

// linkPath sets the parent hashes of the nodes on a filtered direct path from
// the root down, blanks the others above the leaf, and returns the parent hash
// for the leaf (RFC 9420 §7.5). The leaf must be set next.
func (t *Tree) linkPath(leaf uint32, path []step, keys [][]byte) []byte {
	t.blankPath(leaf)
	above := []byte{}
	for i := len(path) - 1; i >= 0; i-- {
		p := &ParentNode{EncryptionKey: keys[i], ParentHash: above}
		above = t.parentHash(p, path[i].copath)
		t.nodes[path[i].node] = &node{parent: p}
	}
	return above
}
