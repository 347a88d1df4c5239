package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Ciphertext is HPKECiphertext (RFC 9420 §7.6).
type Ciphertext struct{ KEMOutput, Ciphertext []byte }

// Write appends the ciphertext.
func (c Ciphertext) Write(w *codec.Writer) { w.Bytes(c.KEMOutput); w.Bytes(c.Ciphertext) }

// ReadCiphertext reads a ciphertext; it aliases the input.
func ReadCiphertext(r *codec.Reader) Ciphertext { return Ciphertext{r.Bytes(), r.Bytes()} }

// PathNode is UpdatePathNode (RFC 9420 §7.6).
type PathNode struct {
	EncryptionKey []byte
	Secrets       []Ciphertext
}

// UpdatePath carries a committer's new leaf and keys (RFC 9420 §7.6).
type UpdatePath struct {
	Leaf  *LeafNode
	Nodes []PathNode
}

// Write appends the path.
func (p *UpdatePath) Write(w *codec.Writer) {
	p.Leaf.Write(w)
	w.Vector(func(w *codec.Writer) {
		for _, n := range p.Nodes {
			w.Bytes(n.EncryptionKey)
			w.Vector(func(w *codec.Writer) {
				for _, c := range n.Secrets {
					c.Write(w)
				}
			})
		}
	})
}

// ReadUpdatePath reads a path (RFC 9420 §7.6); its ciphertexts alias the input.
func ReadUpdatePath(r *codec.Reader) *UpdatePath {
	p := &UpdatePath{Leaf: ReadLeafNode(r)}
	v := r.Vector()
	for !v.Empty() {
		n := PathNode{EncryptionKey: bytes.Clone(v.Bytes())}
		s := v.Vector()
		for !s.Empty() {
			n.Secrets = append(n.Secrets, ReadCiphertext(s))
			if len(n.Secrets) == 1 && s.Err() == nil { // the others are as long
				n.Secrets = slices.Grow(n.Secrets, s.Left()/s.Offset())
			}
		}
		v.Join(s)
		p.Nodes = append(p.Nodes, n)
	}
	r.Join(v)
	return p
}

// Merge checks an UpdatePath from the member (or, in an external commit, the
// reserved blank leaf) at sender and merges it (RFC 9420 §7.5, §12.4.2). The
// tree must be a clone with the commit's proposals applied; it is useless
// after an error. Added lists, sorted, the leaves that the commit adds. That
// the leaf fulfils the group's rules is checked here too.
func (t *Tree) Merge(r Rules, sender uint32, p *UpdatePath, added []uint32) error {
	if sender >= t.Width() {
		return fmt.Errorf("merge path of leaf %d: %w", sender, ErrNoMember)
	}
	path := t.filteredPath(sender)
	if err := t.checkPath(path, sender, p, added); err != nil {
		return fmt.Errorf("merge path of leaf %d: %w", sender, err)
	}
	if err := r.CheckLeaf(p.Leaf, sender, SourceCommit); err != nil { // RFC 9420 §7.3 R7, §12.4.2 M1, R9
		return fmt.Errorf("merge path of leaf %d: %w", sender, err)
	}
	keys := make([][]byte, len(path))
	for i, n := range p.Nodes {
		keys[i] = n.EncryptionKey
	}
	want := t.linkPath(sender, path, keys)
	if !bytes.Equal(want, p.Leaf.ParentHash) { // RFC 9420 §7.5 R1, §7.9.2 M2
		return fmt.Errorf("merge path of leaf %d: %w", sender, ErrParentHash)
	}
	t.set(NodeOf(sender), &node{leaf: p.Leaf})
	return nil
}

// checkPath checks a path's shape and that its keys are new (RFC 9420 §7.6,
// §12.4.2).
func (t *Tree) checkPath(path []step, sender uint32, p *UpdatePath, added []uint32) error {
	if len(p.Nodes) != len(path) {
		return fmt.Errorf("path has %d nodes instead of %d", len(p.Nodes), len(path))
	}
	fresh := map[string]struct{}{string(p.Leaf.EncryptionKey): {}}
	for i, n := range p.Nodes {
		if want := len(t.recipients(path[i].copath, added)); len(n.Secrets) != want { // RFC 9420 §7.6 M2
			return fmt.Errorf("path node %d has %d ciphertexts instead of %d", i, len(n.Secrets), want)
		}
		if err := t.suite.CheckPublicKey(n.EncryptionKey); err != nil {
			return err
		}
		fresh[string(n.EncryptionKey)] = struct{}{}
	}
	if len(fresh) != len(path)+1 {
		return errors.New("path uses a key twice")
	}
	for x, n := range t.nodes {
		if n.blank() {
			continue
		}
		if _, old := fresh[string(n.key())]; old {
			return fmt.Errorf("path uses a key that node %d has already", x) // RFC 9420 §12.4.2 R11
		}
		if n.leaf != nil && uint32(x) != NodeOf(sender) && bytes.Equal(n.leaf.SignatureKey, p.Leaf.SignatureKey) {
			return fmt.Errorf("path leaf uses the signature key of leaf %d", LeafOf(uint32(x))) // RFC 9420 §7.3 R8, §16.7 M1
		}
	}
	return nil
}

// recipients is the resolution of a copath node without the leaves added by
// the same commit (RFC 9420 §7.6).
// RFC 9420 §7.5 M2, §7.6 M1
func (t *Tree) recipients(copath uint32, added []uint32) []uint32 {
	return slices.DeleteFunc(t.Resolution(copath), func(x uint32) bool {
		if Level(x) > 0 {
			return false
		}
		_, is := slices.BinarySearch(added, LeafOf(x))
		return is
	})
}

// nodeKeys derives a node's key pair from its path secret (RFC 9420 §7.4).
func nodeKeys(s *suite.Suite, pathSecret []byte) (priv, pub []byte, err error) {
	nodeSecret := s.DeriveSecret(pathSecret, "node")
	defer suite.Zero(nodeSecret)
	return s.DeriveKeyPair(nodeSecret)
}
