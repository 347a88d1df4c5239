// Package tree is the ratchet tree of RFC 9420: its nodes and key packages, the
// operations on it (§7), its hashes (§7.8, §7.9), and TreeKEM (§7.4–§7.6).
//
// A Tree may be cloned cheaply, and every change is made on a clone, so that
// nothing half-checked ever becomes a group's state. A Tree is for one
// goroutine; clones of it may be used by others.
package tree

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// ErrNoMember means that a leaf index names no member.
var ErrNoMember = errors.New("leaf is blank or outside the tree")

// ParentNode is an intermediate node (RFC 9420 §7.1). It is immutable.
type ParentNode struct {
	EncryptionKey []byte
	ParentHash    []byte
	Unmerged      []uint32 // leaf indices, increasing
}

// Write appends the node.
func (p *ParentNode) Write(w *codec.Writer) { p.writeWithout(w, nil) }

// writeWithout appends the node as if the leaves in gone were not unmerged.
func (p *ParentNode) writeWithout(w *codec.Writer, gone []uint32) {
	w.Bytes(p.EncryptionKey)
	w.Bytes(p.ParentHash)
	w.Vector(func(w *codec.Writer) {
		for _, l := range p.Unmerged {
			if _, found := slices.BinarySearch(gone, l); !found {
				w.U32(l)
			}
		}
	})
}

func readParent(r *codec.Reader) *ParentNode {
	p := &ParentNode{EncryptionKey: slices.Clone(r.Bytes()), ParentHash: slices.Clone(r.Bytes())}
	v := r.Vector()
	for !v.Empty() {
		p.Unmerged = append(p.Unmerged, v.U32())
	}
	r.Join(v)
	return p
}

// node is one place of the tree; neither leaf nor parent means blank. Nodes
// are shared between clones: only hash is ever written, before a clone exists.
type node struct {
	leaf   *LeafNode
	parent *ParentNode
	hash   []byte
	empty  bool // nothing below is occupied; the nodes below are nil
}

func (n *node) blank() bool { return n == nil || n.leaf == nil && n.parent == nil }

func (n *node) key() []byte {
	if n.leaf != nil {
		return n.leaf.EncryptionKey
	}
	return n.parent.EncryptionKey
}

// Tree is a ratchet tree of 2^d leaves.
type Tree struct {
	suite *suite.Suite
	nodes []*node // nil is blank
}

// New is the tree of a group's creator.
func New(s *suite.Suite, leaf *LeafNode) *Tree {
	return &Tree{suite: s, nodes: []*node{{leaf: leaf}}}
}

// Clone is an independent tree. It costs one word per node.
func (t *Tree) Clone() *Tree {
	t.Hash() // shared nodes are never written again
	return &Tree{suite: t.suite, nodes: slices.Clone(t.nodes)}
}

// Suite is the cipher suite of the tree's keys and hashes.
func (t *Tree) Suite() *suite.Suite { return t.suite }

// Width is the number of leaves, blank ones included; a power of two.
func (t *Tree) Width() uint32 { return uint32(len(t.nodes)+1) / 2 }

// Leaf is the member at index i, nil when there is none.
func (t *Tree) Leaf(i uint32) *LeafNode {
	if i >= t.Width() {
		return nil
	}
	if n := t.nodes[NodeOf(i)]; n != nil {
		return n.leaf
	}
	return nil
}

// Members yields the leaves that are not blank, in order.
func (t *Tree) Members() iter.Seq2[uint32, *LeafNode] {
	return func(yield func(uint32, *LeafNode) bool) {
		for i := uint32(0); i < t.Width(); i++ {
			if l := t.Leaf(i); l != nil && !yield(i, l) {
				return
			}
		}
	}
}

// Count is the number of members.
func (t *Tree) Count() int {
	n := 0
	for range t.Members() {
		n++
	}
	return n
}

func (t *Tree) root() uint32 { return Root(t.Width()) }

func (t *Tree) parentAt(x uint32) *ParentNode {
	if n := t.nodes[x]; n != nil {
		return n.parent
	}
	return nil
}

// set replaces the node at x and forgets the hashes that cover it.
func (t *Tree) set(x uint32, n *node) {
	t.nodes[x] = n
	for r := t.root(); x != r; {
		x = Parent(x)
		if o := t.nodes[x]; o.blank() {
			t.nodes[x] = nil
		} else if o.hash != nil {
			t.nodes[x] = &node{parent: o.parent}
		}
	}
}

// directPath lists the nodes above a leaf, the root last.
func (t *Tree) directPath(leaf uint32) []uint32 {
	var path []uint32
	for x, r := NodeOf(leaf), t.root(); x != r; {
		x = Parent(x)
		path = append(path, x)
	}
	return path
}

func (t *Tree) blankPath(leaf uint32) {
	for _, x := range t.directPath(leaf) {
		t.nodes[x] = nil
	}
}

// FirstBlank is the leaf that the next member gets; it may be one past the
// tree's width (RFC 9420 §12.1.1).
func (t *Tree) FirstBlank() uint32 {
	for i := uint32(0); i < t.Width(); i++ {
		if t.Leaf(i) == nil {
			return i
		}
	}
	return t.Width()
}

// Reserve extends the tree so that leaf i exists, blank or not (RFC 9420 §7.7).
func (t *Tree) Reserve(i uint32) error {
	if i >= MaxWidth {
		return fmt.Errorf("extend tree: leaf %d is beyond the limit of %d", i, MaxWidth)
	}
	for i >= t.Width() {
		grown := make([]*node, 2*len(t.nodes)+1)
		copy(grown, t.nodes)
		t.nodes = grown
	}
	return nil
}

// Add places a leaf at the first blank place and returns its index (RFC 9420
// §12.1.1).
func (t *Tree) Add(leaf *LeafNode) (uint32, error) {
	i := t.FirstBlank() // RFC 9420 §12.1.1 R2, §12.3 M1d
	if err := t.Reserve(i); err != nil {
		return 0, err
	}
	t.set(NodeOf(i), &node{leaf: leaf})
	for _, x := range t.directPath(i) {
		p := t.parentAt(x)
		if p == nil {
			continue
		}
		at, _ := slices.BinarySearch(p.Unmerged, i)
		q := *p
		q.Unmerged = slices.Insert(slices.Clone(p.Unmerged), at, i) // RFC 9420 §7.1 M1, §12.1.1 R3
		t.nodes[x] = &node{parent: &q}
	}
	return i, nil
}

// Update replaces a member's leaf and blanks its direct path (RFC 9420
// §12.1.2).
// RFC 9420 §12.1.2 R2
func (t *Tree) Update(i uint32, leaf *LeafNode) error {
	if t.Leaf(i) == nil {
		return fmt.Errorf("update leaf %d: %w", i, ErrNoMember)
	}
	t.set(NodeOf(i), &node{leaf: leaf})
	t.blankPath(i)
	return nil
}

// Remove blanks a member's leaf and direct path and truncates the tree (RFC
// 9420 §12.1.3). Removing the last member leaves one blank leaf.
func (t *Tree) Remove(i uint32) error {
	if t.Leaf(i) == nil {
		return fmt.Errorf("remove leaf %d: %w", i, ErrNoMember)
	}
	t.set(NodeOf(i), nil)
	t.blankPath(i)
	t.truncate() // RFC 9420 §12.1.3 R2
	return nil
}

func (t *Tree) truncate() {
	last := uint32(0)
	for i := t.Width() - 1; i > 0; i-- {
		if t.Leaf(i) != nil {
			last = i
			break
		}
	}
	if n := Width(fullWidth(last + 1)); int(n) < len(t.nodes) {
		t.nodes = slices.Clip(slices.Clone(t.nodes[:n]))
	}
}

// occupied tells whether any node at or below x is not blank.
func (t *Tree) occupied(x uint32) bool {
	n := t.nodes[x]
	if !n.blank() {
		return true
	}
	if n != nil && n.hash != nil {
		return !n.empty
	}
	return Level(x) > 0 && (t.occupied(Left(x)) || t.occupied(Right(x)))
}

// Resolution lists the nodes whose keys reach every member below x (RFC 9420
// §4.1.1), as node indices.
func (t *Tree) Resolution(x uint32) []uint32 { return t.appendResolution(nil, x) }

func (t *Tree) appendResolution(out []uint32, x uint32) []uint32 {
	n := t.nodes[x]
	switch {
	case !n.blank():
		out = append(out, x)
		if n.parent != nil {
			for _, l := range n.parent.Unmerged {
				out = append(out, NodeOf(l))
			}
		}
		return out
	case Level(x) == 0 || n != nil && n.empty:
		return out
	}
	return t.appendResolution(t.appendResolution(out, Left(x)), Right(x))
}

// step is one node of a filtered direct path with the child off the path.
type step struct{ node, copath uint32 }

// filteredPath is the filtered direct path of a leaf (RFC 9420 §4.1.2): the
// nodes above it whose other child has somebody below.
func (t *Tree) filteredPath(leaf uint32) []step {
	var path []step
	for x, r := NodeOf(leaf), t.root(); x != r; x = Parent(x) {
		if s := Sibling(x); t.occupied(s) {
			path = append(path, step{node: Parent(x), copath: s})
		}
	}
	return path
}
