package tree

import (
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Node types of the ratchet_tree extension (RFC 9420 §7.8).
const (
	typeLeaf   = 1
	typeParent = 2
)

// Bytes encodes the tree as the ratchet_tree extension does (RFC 9420
// §12.4.3.3).
func (t *Tree) Bytes() []byte {
	end := len(t.nodes)
	for end > 0 && t.nodes[end-1].blank() { // RFC 9420 §12.4.3.3 M1
		end--
	}
	var w codec.Writer
	w.Grow(t.room(end))
	w.Vector(func(w *codec.Writer) {
		for _, n := range t.nodes[:end] {
			writeNode(w, n)
		}
	})
	return w.Out()
}

// room bounds the length of the first nodes' encoding.
func (t *Tree) room(end int) int {
	n := 4
	for _, node := range t.nodes[:end] {
		switch {
		case node.blank():
			n++
		case node.leaf != nil:
			n += 2 + len(node.leaf.raw)
		default:
			n += 2 + 3*4 + len(node.parent.EncryptionKey) + len(node.parent.ParentHash) + 4*len(node.parent.Unmerged)
		}
	}
	return n
}

func writeNode(w *codec.Writer, n *node) {
	w.Optional(!n.blank())
	switch {
	case n.blank():
	case n.leaf != nil:
		w.U8(typeLeaf)
		n.leaf.Write(w)
	default:
		w.U8(typeParent)
		n.parent.Write(w)
	}
}

// Parse decodes a ratchet_tree extension that fills b (RFC 9420 §12.4.3.3). It
// allocates O(len(b)): every place costs a byte of input. The tree must then be
// checked against its hash and by Validate.
func Parse(s *suite.Suite, b []byte) (*Tree, error) {
	r := codec.NewReader(b)
	t := Read(s, r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("read ratchet tree: %w", err)
	}
	return t, nil
}

// Read is Parse in the middle of an input.
func Read(s *suite.Suite, r *codec.Reader) *Tree {
	v := r.Vector()
	var nodes []*node
	for !v.Empty() {
		nodes = append(nodes, readNode(v, len(nodes)%2 == 0))
	}
	if v.Err() == nil && (len(nodes) == 0 || nodes[len(nodes)-1].blank()) {
		v.Fail(errors.New("last node is blank")) // RFC 9420 §12.4.3.3 M2
	}
	r.Join(v)
	if r.Err() != nil {
		return nil
	}
	full := int(Width(fullWidth(uint32(len(nodes)/2 + 1))))
	nodes = append(slices.Grow(nodes, full-len(nodes)), make([]*node, full-len(nodes))...)
	return &Tree{suite: s, nodes: nodes}
}

func readNode(r *codec.Reader, even bool) *node {
	if !r.Optional() {
		return nil
	}
	switch kind := r.U8(); {
	case r.Err() != nil:
		return nil
	case kind == typeLeaf && even:
		return &node{leaf: ReadLeafNode(r)}
	case kind == typeParent && !even:
		return &node{parent: readParent(r)}
	default:
		r.Fail(fmt.Errorf("node of type %d stands in a wrong place", kind))
		return nil
	}
}

// Write appends the ratchet_tree extension's form.
func (t *Tree) Write(w *codec.Writer) { w.Fixed(t.Bytes()) }
