package schedule

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Limits bound the work and memory that a sender can cause.
type Limits struct {
	MaxJump uint32 // generations skipped at once
	Window  int    // skipped keys kept per ratchet
}

// Content picks one of the two ratchets of a leaf (RFC 9420 §9.1).
type Content uint8

// The ratchets.
const (
	Handshake Content = iota
	Application
)

// Tree is the secret tree of an epoch (RFC 9420 §9): the secrets of the nodes
// that were not expanded yet, and the ratchets of the leaves that were. An
// expanded node's secret is gone. A Tree is for one goroutine.
type Tree struct {
	s      *suite.Suite
	leaves uint32 // a power of two
	nodes  map[uint32][]byte
	ratch  map[uint32]*pair
}

type pair [2]ratchet

// NewTree starts a secret tree of the ratchet tree's width (RFC 9420 §9); it
// takes the encryption secret over.
func NewTree(s *suite.Suite, encryption []byte, leaves uint32) *Tree {
	return &Tree{s: s, leaves: leaves, nodes: map[uint32][]byte{leaves - 1: encryption}, ratch: map[uint32]*pair{}}
}

// Step is a key found for one message and what is to become of the tree when
// the message was accepted. Consume or Drop it once.
type Step struct {
	Key  Key
	leaf uint32
	kind Content
	now  *ratchet // as it is until Consume
	used ratchet  // as it is then
	grow *growth
}

// growth is the expansion of the tree down to one leaf.
type growth struct {
	from  uint32            // the node whose secret is consumed
	nodes map[uint32][]byte // the secrets beside the path
	pair  *pair
}

// Find derives the key of a sender's message (RFC 9420 §9.1). The tree does not
// change.
func (t *Tree) Find(leaf uint32, kind Content, generation uint32, limits Limits) (*Step, error) {
	st := &Step{leaf: leaf, kind: kind}
	p, err := t.pairOf(st)
	if err != nil {
		return nil, err
	}
	st.now = &p[kind]
	if err := st.now.find(t.s, generation, limits, st); err != nil {
		st.Drop()
		return nil, err
	}
	return st, nil
}

// Next derives the key of the next message of a sender (RFC 9420 §9.1). The
// tree does not change.
func (t *Tree) Next(leaf uint32, kind Content) (*Step, error) {
	st := &Step{leaf: leaf, kind: kind}
	p, err := t.pairOf(st)
	if err != nil {
		return nil, err
	}
	st.now, st.used = &p[kind], p[kind]
	if st.used.spent() {
		st.Drop()
		return nil, ErrSpent
	}
	st.used.step(t.s, &st.Key)
	return st, nil
}

// Generation is the generation that Next would use.
func (t *Tree) Generation(leaf uint32, kind Content) uint64 {
	if p := t.ratch[leaf]; p != nil {
		return p[kind].next
	}
	return 0
}

// Reserve derives the keys of the next n messages of a sender and moves its
// ratchet past them (RFC 9420 §9.1): the keys returned are the only copy.
func (t *Tree) Reserve(leaf uint32, n uint32) ([]Key, error) {
	st := &Step{leaf: leaf, kind: Application}
	p, err := t.pairOf(st)
	if err != nil {
		return nil, err
	}
	st.now, st.used = &p[Application], p[Application]
	keys := make([]Key, 0, n)
	for range n {
		if st.used.spent() {
			break
		}
		var k Key
		st.used.step(t.s, &k)
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		st.Drop()
		return nil, ErrSpent
	}
	t.Consume(st)
	return keys, nil
}

// Consume makes the step final: the key's secret and every secret above it are
// erased (RFC 9420 §9.2).
func (t *Tree) Consume(st *Step) {
	if g := st.grow; g != nil {
		clear(t.nodes[g.from]) // RFC 9420 §9.2 M2b
		delete(t.nodes, g.from)
		maps.Copy(t.nodes, g.nodes)
		t.ratch[st.leaf] = g.pair
	}
	st.now.replace(&st.used) // RFC 9420 §9.1 M1, §9.2 M1, M2, M2c
	st.Key.Zero()            // RFC 9420 §9.2 M2d
	st.grow = nil
}

// Drop erases a step that is not to be taken.
func (st *Step) Drop() {
	if g := st.grow; g != nil {
		for _, b := range g.nodes {
			clear(b)
		}
		g.pair[0].zero()
		g.pair[1].zero()
	}
	if st.now != nil && !sameKeys(st.now.skipped, st.used.skipped) {
		clear(st.used.skipped)
	}
	clear(st.used.secret[:])
	st.Key.Zero()
}

// pairOf is the ratchets of a leaf, expanded on the side where they are new.
func (t *Tree) pairOf(st *Step) (*pair, error) {
	if p := t.ratch[st.leaf]; p != nil {
		return p, nil
	}
	if st.leaf >= t.leaves {
		return nil, errors.New("leaf is outside the secret tree")
	}
	st.grow = t.expand(st.leaf)
	if st.grow == nil {
		return nil, ErrGone
	}
	return st.grow.pair, nil
}

// expand derives from the lowest node above the leaf that still has a secret
// (RFC 9420 §9). Nodes are numbered as in RFC 9420 Appendix C.
func (t *Tree) expand(leaf uint32) *growth {
	level, node := 0, 2*leaf
	for t.nodes[node] == nil {
		if node = ancestor(leaf, level+1); node > 2*(t.leaves-1) || level >= bits.Len32(t.leaves-1) {
			return nil
		}
		level++
	}
	g := &growth{from: node, nodes: map[uint32][]byte{}}
	secret := bytes.Clone(t.nodes[node])
	for ; level > 0; level-- {
		left := t.s.ExpandWithLabel(secret, "tree", []byte("left"), t.s.HashLen())
		right := t.s.ExpandWithLabel(secret, "tree", []byte("right"), t.s.HashLen())
		clear(secret)
		// Children of a node at a level lie half its span to either side.
		span := uint32(1) << (level - 1)
		if leaf>>(level-1)&1 == 0 {
			g.nodes[node+span], secret, node = right, left, node-span
		} else {
			g.nodes[node-span], secret, node = left, right, node+span
		}
	}
	g.pair = newPair(t.s, secret)
	clear(secret)
	return g
}

// ancestor is the node at a level above a leaf.
func ancestor(leaf uint32, level int) uint32 {
	return leaf>>level<<(level+1) + 1<<level - 1
}

func newPair(s *suite.Suite, secret []byte) *pair {
	p := new(pair)
	s.ExpandInto(p[Handshake].secret[:s.HashLen()], secret, "handshake", nil)
	s.ExpandInto(p[Application].secret[:s.HashLen()], secret, "application", nil)
	return p
}

// Zero erases the whole tree.
func (t *Tree) Zero() {
	for _, b := range t.nodes {
		clear(b)
	}
	for _, p := range t.ratch {
		p[0].zero()
		p[1].zero()
	}
	clear(t.nodes)
	clear(t.ratch)
}

// Write appends the tree, the same bytes for the same state.
func (t *Tree) Write(w *codec.Writer) {
	w.U32(t.leaves)
	w.U32(uint32(len(t.nodes)))
	for _, n := range slices.Sorted(maps.Keys(t.nodes)) {
		w.U32(n)
		w.Fixed(t.nodes[n])
	}
	w.U32(uint32(len(t.ratch)))
	for _, leaf := range slices.Sorted(maps.Keys(t.ratch)) {
		w.U32(leaf)
		t.ratch[leaf][Handshake].write(w, t.s)
		t.ratch[leaf][Application].write(w, t.s)
	}
}

// ReadTree reads what Write wrote into memory of its own.
func ReadTree(r *codec.Reader, s *suite.Suite) *Tree {
	t := NewTree(s, nil, r.U32())
	clear(t.nodes)
	if t.leaves == 0 || t.leaves&(t.leaves-1) != 0 || t.leaves > 1<<30 {
		r.Fail(errors.New("secret tree has an impossible width"))
	}
	for range r.U32() {
		n := r.U32()
		if b := r.Fixed(s.HashLen()); b != nil {
			t.nodes[n] = bytes.Clone(b)
		}
		if r.Err() != nil {
			return t
		}
	}
	for range r.U32() {
		leaf := r.U32()
		t.ratch[leaf] = &pair{readRatchet(r, s), readRatchet(r, s)}
		if r.Err() != nil {
			return t
		}
	}
	return t
}

// SenderDataKeys is the key and nonce that hide the sender of a message (RFC
// 9420 §6.3.2).
func SenderDataKeys(s *suite.Suite, secret, ciphertext []byte) (k Key) {
	sample := ciphertext[:min(len(ciphertext), s.HashLen())]
	s.ExpandInto(k.key[:s.KeyLen()], secret, "key", sample)
	s.ExpandInto(k.nonce[:s.NonceLen()], secret, "nonce", sample)
	return k
}

// Format hides the secrets from every verb.
func (t Tree) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "schedule.Tree{%d leaves}", t.leaves)
}

// Root is the encryption secret while nothing of the tree was expanded, for
// tests of its deletion; nil after.
func (t *Tree) Root() []byte { return t.nodes[t.leaves-1] }
