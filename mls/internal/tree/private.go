package tree

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Private holds the HPKE private keys that one member knows: its leaf's and
// those of the nodes above that it learned (RFC 9420 §4.2). It is for one
// goroutine.
type Private struct {
	leaf uint32
	keys map[uint32][]byte // by node index
}

// NewPrivate is the state of a member that knows its leaf key only.
func NewPrivate(leaf uint32, leafKey []byte) *Private {
	return &Private{leaf: leaf, keys: map[uint32][]byte{NodeOf(leaf): bytes.Clone(leafKey)}}
}

// Join makes a new member's state from a Welcome (RFC 9420 §12.4.3.1): the
// path secret, nil when there is none, is of the lowest node above both it and
// the committer. A leaf key that does not fit the leaf is refused.
func Join(t *Tree, leaf uint32, leafKey []byte, committer uint32, pathSecret []byte) (*Private, error) {
	p := NewPrivate(leaf, leafKey)
	if err := p.Check(t); err != nil {
		return nil, fmt.Errorf("join tree: %w", err)
	}
	if pathSecret == nil {
		return p.known(t)
	}
	if t.Leaf(committer) == nil || committer == leaf {
		return nil, fmt.Errorf("join tree: committer %d: %w", committer, ErrNoMember)
	}
	x := CommonAncestor(NodeOf(leaf), NodeOf(committer))
	path := t.filteredPath(committer)
	from := slices.IndexFunc(path, func(s step) bool { return s.node == x })
	if from < 0 {
		return nil, errors.New("join tree: the path secret belongs to no node")
	}
	commitSecret, err := p.climb(t, path[from:], pathSecret)
	suite.Zero(commitSecret)
	if err != nil {
		p.Wipe()
		return nil, fmt.Errorf("join tree: %w", err)
	}
	return p.known(t)
}

// known returns p when it has the key of every node above the member, but for
// those where it is unmerged (RFC 9420 §4.2): else others would encrypt to a
// node for it and it could not follow.
func (p *Private) known(t *Tree) (*Private, error) {
	for _, x := range t.directPath(p.leaf) {
		n := t.parentAt(x)
		if n == nil || p.keys[x] != nil {
			continue
		}
		if _, unmerged := slices.BinarySearch(n.Unmerged, p.leaf); !unmerged {
			p.Wipe()
			return nil, fmt.Errorf("join tree: the key of node %d is missing", x)
		}
	}
	return p, nil
}

// Leaf is the member's own leaf index.
func (p *Private) Leaf() uint32 { return p.leaf }

// LeafKey is the private key of the member's own leaf; it must not be changed.
func (p *Private) LeafKey() []byte { return p.keys[NodeOf(p.leaf)] }

// SetLeafKey replaces the leaf's key, after the member's own Update.
func (p *Private) SetLeafKey(key []byte) { p.setKey(NodeOf(p.leaf), bytes.Clone(key)) }

func (p *Private) setKey(x uint32, key []byte) { // RFC 9420 §7.5 M3b
	suite.Zero(p.keys[x])
	p.keys[x] = key
}

// Clone copies the keys too, so that either copy can be wiped.
func (p *Private) Clone() *Private {
	q := &Private{leaf: p.leaf, keys: make(map[uint32][]byte, len(p.keys))}
	for x, k := range p.keys {
		q.keys[x] = bytes.Clone(k)
	}
	return q
}

// Wipe erases all keys.
func (p *Private) Wipe() {
	for _, k := range p.keys {
		suite.Zero(k)
	}
	clear(p.keys)
}

// Prune erases the keys of nodes that are blank in t or outside it (RFC 9420
// §7.5). Call it after proposals were applied and again after a path.
func (p *Private) Prune(t *Tree) { // RFC 9420 §7.5 M3b
	for x, k := range p.keys {
		if int(x) >= len(t.nodes) || t.nodes[x].blank() {
			suite.Zero(k)
			delete(p.keys, x)
		}
	}
}

// Check verifies that every key fits the tree's public key at its node and
// that the leaf's is there.
func (p *Private) Check(t *Tree) error {
	if _, ok := p.keys[NodeOf(p.leaf)]; !ok || t.Leaf(p.leaf) == nil {
		return fmt.Errorf("check private keys of leaf %d: %w", p.leaf, ErrNoMember)
	}
	nodes := slices.Sorted(maps.Keys(p.keys))
	return suite.Spread(len(nodes), 2, func(i int) error { return p.checkKey(t, nodes[i]) })
}

func (p *Private) checkKey(t *Tree, x uint32) error {
	if int(x) >= len(t.nodes) || t.nodes[x].blank() || !Covers(x, p.leaf) {
		return fmt.Errorf("check private keys of leaf %d: node %d is not above it", p.leaf, x)
	}
	pub, err := t.suite.PublicOf(p.keys[x])
	if err != nil {
		return fmt.Errorf("check private keys of leaf %d: node %d: %w", p.leaf, x, err)
	}
	if !bytes.Equal(pub, t.nodes[x].key()) {
		return fmt.Errorf("check private keys of leaf %d: the key of node %d is another", p.leaf, x)
	}
	return nil
}

// Open decrypts the path secret for this member from a path that was merged
// into t, stores the keys it yields, and returns the commit secret, which the
// caller erases (RFC 9420 §7.5). P must be a clone: it is useless after an
// error. Context is the provisional group context.
func (p *Private) Open(t *Tree, sender uint32, path *UpdatePath, context []byte, added []uint32) ([]byte, error) {
	steps := t.filteredPath(sender)
	if sender == p.leaf || len(steps) != len(path.Nodes) {
		return nil, errors.New("open path: it is not for this member")
	}
	at := slices.IndexFunc(steps, func(s step) bool { return Covers(s.copath, p.leaf) })
	if at < 0 {
		return nil, errors.New("open path: it is not for this member")
	}
	for i, x := range t.recipients(steps[at].copath, added) {
		key, ok := p.keys[x]
		if !ok || i >= len(path.Nodes[at].Secrets) {
			continue
		}
		c := path.Nodes[at].Secrets[i]
		secret, err := t.suite.DecryptWithLabel(key, "UpdatePathNode", context, c.KEMOutput, c.Ciphertext)
		if err != nil {
			return nil, fmt.Errorf("open path at node %d: %w", steps[at].node, err)
		}
		defer suite.Zero(secret)
		commitSecret, err := p.climb(t, steps[at:], secret)
		if err != nil {
			return nil, fmt.Errorf("open path: %w", err)
		}
		p.Prune(t)
		return commitSecret, nil
	}
	return nil, errors.New("open path: no key of this member fits")
}

// climb derives and checks the keys of the nodes from a path secret upwards
// and returns the commit secret (RFC 9420 §7.4).
func (p *Private) climb(t *Tree, steps []step, secret []byte) ([]byte, error) {
	if len(secret) != t.suite.HashLen() {
		return nil, errors.New("path secret has a wrong length")
	}
	secret = bytes.Clone(secret)
	for _, s := range steps {
		priv, pub, err := nodeKeys(t.suite, secret)
		if err != nil {
			suite.Zero(secret)
			return nil, err
		}
		if t.nodes[s.node].blank() || !bytes.Equal(pub, t.nodes[s.node].key()) { // RFC 9420 §7.5 R2, §12.4.3.1 M2
			suite.Zero(secret, priv)
			return nil, fmt.Errorf("the path secret does not fit node %d", s.node)
		}
		p.setKey(s.node, priv)
		next := t.suite.DeriveSecret(secret, "path") // RFC 9420 §7.5 M3, M3a: each secret goes with the next
		suite.Zero(secret)
		secret = next
	}
	return secret, nil
}

// Write appends the state. It holds secrets.
func (p *Private) Write(w *codec.Writer) {
	w.U32(p.leaf)
	w.Vector(func(w *codec.Writer) {
		for _, x := range slices.Sorted(maps.Keys(p.keys)) {
			w.U32(x)
			w.Bytes(p.keys[x])
		}
	})
}

// ReadPrivate reads what Write wrote.
func ReadPrivate(r *codec.Reader) *Private {
	p := &Private{leaf: r.U32(), keys: make(map[uint32][]byte)}
	v := r.Vector()
	for !v.Empty() {
		x := v.U32()
		if _, twice := p.keys[x]; twice {
			v.Fail(errors.New("a private key occurs twice"))
		}
		p.keys[x] = bytes.Clone(v.Bytes())
	}
	r.Join(v)
	return p
}

// Format hides the keys from every verb.
func (p *Private) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "private keys of leaf %d", p.leaf)
}

// LogValue hides the keys.
func (p *Private) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }
