package tree

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// sealed is a path by member 2 of a grown tree, not merged anywhere.
func sealed(t *testing.T, w *world, base *LeafNode) (*UpdatePath, *Tree) {
	t.Helper()
	own := w.tree.Clone()
	f, err := own.Renew(PathOptions{Sender: 2, GroupID: w.groupID, Signer: w.signers[2], Rand: w.rnd, Leaf: base})
	if err != nil {
		t.Fatal(err)
	}
	path, err := f.Seal(w.context(own))
	if err != nil {
		t.Fatal(err)
	}
	return path, own
}

func copyPath(p *UpdatePath) *UpdatePath {
	var w codec.Writer
	p.Write(&w)
	return ReadUpdatePath(codec.NewReader(w.Out()))
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	w := grown(t)
	path, _ := sealed(t, w, nil)
	resign := func(p *UpdatePath, change func(*LeafNode)) {
		d := p.Leaf.Draft()
		change(d)
		p.Leaf = w.sign(d, w.signers[2], 2)
	}
	for name, spoil := range map[string]func(*UpdatePath){
		"a node less":        func(p *UpdatePath) { p.Nodes = p.Nodes[1:] },
		"a node more":        func(p *UpdatePath) { p.Nodes = append(p.Nodes, p.Nodes[0]) },
		"a ciphertext less":  func(p *UpdatePath) { p.Nodes[1].Secrets = p.Nodes[1].Secrets[1:] }, // RFC 9420 §7.6 M2
		"a ciphertext more":  func(p *UpdatePath) { p.Nodes[0].Secrets = append(p.Nodes[0].Secrets, Ciphertext{}) },
		"a key twice":        func(p *UpdatePath) { p.Nodes[1].EncryptionKey = p.Nodes[0].EncryptionKey }, // RFC 9420 §12.4.2 R11
		"a key of the tree":  func(p *UpdatePath) { p.Nodes[1].EncryptionKey = w.tree.Leaf(4).EncryptionKey },
		"another parent key": func(p *UpdatePath) { _, p.Nodes[1].EncryptionKey, _ = w.s.GenerateKeyPair(w.rnd) },
		"a key that is none": func(p *UpdatePath) { p.Nodes[1].EncryptionKey = []byte{9} },
		"the old leaf key":   func(p *UpdatePath) { resign(p, func(l *LeafNode) { l.EncryptionKey = w.tree.Leaf(2).EncryptionKey }) }, // RFC 9420 §12.4.2 R10
		"another parent hash": func(p *UpdatePath) { // RFC 9420 §7.5 R1, §7.9.2 M2
			resign(p, func(l *LeafNode) { l.ParentHash = make([]byte, 32) })
		},
		"source update":     func(p *UpdatePath) { resign(p, func(l *LeafNode) { l.Source = SourceUpdate }) }, // RFC 9420 §7.3 R7, §12.4.2 M1
		"no capabilities":   func(p *UpdatePath) { resign(p, func(l *LeafNode) { l.Capabilities = Capabilities{} }) },
		"no signature":      func(p *UpdatePath) { p.Leaf.Signature = nil }, // RFC 9420 §12.4.2 R9
		"leaf of another":   func(p *UpdatePath) { p.Leaf = w.tree.Leaf(1) },
		"signature key too": func(p *UpdatePath) { stealKey(w, p) }, // RFC 9420 §7.5 M1
	} {
		bad := copyPath(path)
		spoil(bad)
		next := w.tree.Clone()
		before := next.Hash()
		if err := next.Merge(w.rules(), 2, bad, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if !bytes.Equal(w.tree.Hash(), before) {
			t.Errorf("%s: the original tree changed", name)
		}
	}
	if err := w.tree.Clone().Merge(w.rules(), 99, path, nil); !errors.Is(err, ErrNoMember) {
		t.Errorf("path from outside: %v", err)
	}
	if err := w.tree.Clone().Merge(w.rules(), 3, path, nil); err == nil {
		t.Error("path of another member accepted")
	}
	if err := w.tree.Clone().Merge(w.rules(), 2, copyPath(path), nil); err != nil {
		t.Errorf("the good path: %v", err)
	}
}

// stealKey signs the path's leaf by the key of member 3, who shares it.
func stealKey(w *world, p *UpdatePath) {
	d := p.Leaf.Draft()
	d.SignatureKey = w.tree.Leaf(3).SignatureKey
	p.Leaf = w.sign(d, w.signers[3], 2)
}

// TestOpenRefuses: a path that does not open leaves no secret in its error.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	w := grown(t)
	path, own := sealed(t, w, nil)
	context := w.context(own)
	next := w.tree.Clone()
	if err := next.Merge(w.rules(), 2, path, nil); err != nil {
		t.Fatal(err)
	}
	check := func(name string, leaf uint32, path *UpdatePath, context []byte, want error) {
		t.Helper()
		p := w.private[leaf].Clone()
		_, err := p.Open(next, 2, path, context, nil)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
			return
		}
		if strings.Contains(err.Error(), hex.EncodeToString(p.LeafKey())) {
			t.Errorf("%s: the error holds a key", name)
		}
	}
	check("another context", 0, path, append(bytes.Clone(context), 0), suite.ErrDecrypt) // RFC 9420 §12.4.2 R12
	check("the sender", 2, path, context, nil)
	for leaf := range w.private {
		if leaf == 2 {
			continue
		}
		bad := copyPath(path)
		for _, n := range bad.Nodes {
			for i := range n.Secrets {
				n.Secrets[i].Ciphertext = bytes.Clone(n.Secrets[i].Ciphertext)
				n.Secrets[i].Ciphertext[0] ^= 1
			}
		}
		check("a bit flipped", leaf, bad, context, suite.ErrDecrypt)
	}
	check("no ciphertext", 0, &UpdatePath{Leaf: path.Leaf, Nodes: make([]PathNode, len(path.Nodes))}, context, nil)
	check("no nodes", 0, &UpdatePath{Leaf: path.Leaf}, context, nil)
	if _, err := NewPrivate(5, w.private[5].LeafKey()).Open(next, 2, path, context, []uint32{5}); err == nil {
		t.Error("a member added by the commit opened its path") // RFC 9420 §7.5 M2
	}
}

// TestOpenRefusesForeignSecret: the committer seals a secret that does not
// yield the public keys it published.
// RFC 9420 §7.5 R2
func TestOpenRefusesForeignSecret(t *testing.T) {
	t.Parallel()
	w := grown(t)
	path, own := sealed(t, w, nil)
	next := w.tree.Clone()
	if err := next.Merge(w.rules(), 2, path, nil); err != nil {
		t.Fatal(err)
	}
	bad := copyPath(path)
	steps := w.tree.filteredPath(2)
	for i, st := range steps {
		for j, x := range w.tree.Resolution(st.copath) {
			kem, ct, err := w.s.EncryptWithLabel(w.tree.nodes[x].key(), "UpdatePathNode", w.context(own), make([]byte, 32))
			if err != nil {
				t.Fatal(err)
			}
			bad.Nodes[i].Secrets[j] = Ciphertext{kem, ct}
		}
	}
	for leaf, p := range w.private {
		if leaf == 2 {
			continue
		}
		if _, err := p.Clone().Open(next, 2, bad, w.context(own), nil); err == nil || !strings.Contains(err.Error(), "does not fit node") {
			t.Errorf("member %d: %v", leaf, err)
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	w := grown(t)
	key := w.private[5].LeafKey()
	for name, c := range map[string]struct {
		leaf, committer uint32
		key, secret     []byte
	}{
		"no path secret":      {5, 0, key, nil}, // leaf 5 is not unmerged in the nodes above it
		"a foreign leaf key":  {5, 0, w.private[1].LeafKey(), nil},
		"a foreign secret":    {5, 0, key, make([]byte, 32)}, // RFC 9420 §12.4.3.1 M2
		"a short secret":      {5, 0, key, make([]byte, 31)},
		"a blank leaf":        {6, 0, key, nil},
		"outside":             {1 << 30, 0, key, nil},
		"a blank committer":   {5, 6, key, make([]byte, 32)},
		"itself as committer": {5, 5, key, make([]byte, 32)},
		"no key":              {5, 0, nil, nil},
	} {
		if _, err := Join(w.tree, c.leaf, c.key, c.committer, c.secret); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReadPrivateRefusesDoubles(t *testing.T) {
	t.Parallel()
	var w codec.Writer
	w.U32(0)
	w.Vector(func(w *codec.Writer) {
		for range 2 {
			w.U32(0)
			w.Bytes([]byte{1})
		}
	})
	r := codec.NewReader(w.Out())
	if ReadPrivate(r); r.Err() == nil {
		t.Error("two keys of one node were accepted")
	}
}
