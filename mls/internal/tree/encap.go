package tree

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"primum/mls/internal/suite"
)

// PathOptions say whose path is renewed and how.
type PathOptions struct {
	Sender  uint32
	GroupID []byte
	Signer  crypto.Signer
	Rand    io.Reader // nil: crypto/rand
	// Leaf is the draft of the new leaf: its credential, signature key,
	// capabilities and extensions are taken. Nil: those of the present leaf.
	Leaf *LeafNode
	// Added lists, sorted, the leaves that the same commit adds.
	Added []uint32
}

// FreshPath is a path that its maker has put into the tree and not yet sealed
// to the others. It holds secrets: Wipe it.
type FreshPath struct {
	tree    *Tree
	sender  uint32
	added   []uint32
	steps   []step
	secrets [][]byte // path secrets; one more than steps, the last is the commit secret
	private *Private
}

// Renew gives the sender fresh keys along its filtered direct path, links them
// by parent hashes and signs the new leaf (RFC 9420 §7.4, §7.5). The tree must
// be a clone with the commit's proposals applied.
func (t *Tree) Renew(o PathOptions) (*FreshPath, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	base := o.Leaf
	if base == nil {
		base = t.Leaf(o.Sender)
	}
	if base == nil || o.Sender >= t.Width() {
		return nil, fmt.Errorf("renew path of leaf %d: %w", o.Sender, ErrNoMember)
	}
	f := &FreshPath{tree: t, sender: o.Sender, added: o.Added, steps: t.filteredPath(o.Sender)}
	draft := base.Draft()
	if err := f.deriveKeys(o.Rand, draft); err != nil {
		f.Wipe()
		return nil, fmt.Errorf("renew path of leaf %d: %w", o.Sender, err)
	}
	if err := draft.Sign(t.suite, o.Rand, o.Signer, o.GroupID, o.Sender); err != nil {
		f.Wipe()
		return nil, fmt.Errorf("renew path of leaf %d: %w", o.Sender, err)
	}
	t.set(NodeOf(o.Sender), &node{leaf: draft})
	return f, nil
}

// deriveKeys makes all keys of the path, sets the nodes above the leaf and
// completes the leaf's draft.
func (f *FreshPath) deriveKeys(random io.Reader, draft *LeafNode) error {
	s := f.tree.suite
	leafPriv, leafPub, err := s.GenerateKeyPair(random)
	if err != nil {
		return err
	}
	f.private = &Private{leaf: f.sender, keys: map[uint32][]byte{NodeOf(f.sender): leafPriv}}
	secret, err := s.Random(random)
	if err != nil {
		return err
	}
	f.secrets = append(f.secrets, secret)
	pubs := make([][]byte, len(f.steps))
	for i, st := range f.steps {
		priv, pub, err := nodeKeys(s, f.secrets[i])
		if err != nil {
			return err
		}
		pubs[i] = pub
		f.private.keys[st.node] = priv
		f.secrets = append(f.secrets, s.DeriveSecret(f.secrets[i], "path"))
	}
	draft.Source = SourceCommit
	draft.Lifetime = Lifetime{}
	draft.EncryptionKey = leafPub
	draft.ParentHash = f.tree.linkPath(f.sender, f.steps, pubs)
	return nil
}

// leastSeals is how many path secrets one goroutine is worth.
const leastSeals = 4

// Seal encrypts the path secrets to everybody else under the provisional group
// context (RFC 9420 §7.5, §7.6), many of them on all processors.
func (f *FreshPath) Seal(context []byte) (*UpdatePath, error) {
	p := &UpdatePath{Leaf: f.tree.Leaf(f.sender), Nodes: make([]PathNode, len(f.steps))}
	type seal struct {
		step int
		to   uint32 // node
		out  *Ciphertext
	}
	var seals []seal
	for i, st := range f.steps {
		to := f.tree.recipients(st.copath, f.added)
		p.Nodes[i] = PathNode{EncryptionKey: f.tree.nodes[st.node].key(), Secrets: make([]Ciphertext, len(to))}
		for k, x := range to {
			seals = append(seals, seal{step: i, to: x, out: &p.Nodes[i].Secrets[k]})
		}
	}
	return p, suite.Spread(len(seals), leastSeals, func(i int) (err error) {
		c := seals[i]
		c.out.KEMOutput, c.out.Ciphertext, err = f.tree.suite.EncryptWithLabel(
			f.tree.nodes[c.to].key(), "UpdatePathNode", context, f.secrets[c.step],
		)
		if err != nil {
			return fmt.Errorf("seal path to node %d: %w", c.to, err)
		}
		return nil
	})
}

// CommitSecret is the secret that goes into the key schedule (RFC 9420
// §12.4.1), a copy for the caller to erase.
func (f *FreshPath) CommitSecret() []byte { return slices.Clone(f.secrets[len(f.secrets)-1]) }

// SecretFor is the path secret that the Welcome of a new member carries, a
// copy for the caller to erase (RFC 9420 §12.4.1).
func (f *FreshPath) SecretFor(leaf uint32) ([]byte, error) {
	for i, st := range f.steps {
		if Covers(st.copath, leaf) {
			return slices.Clone(f.secrets[i]), nil
		}
	}
	return nil, errors.New("find path secret: no node is above both leaves")
}

// Private is the sender's private state with the path in place; it replaces
// the one before.
func (f *FreshPath) Private() *Private { return f.private.Clone() }

// Wipe erases the secrets.
func (f *FreshPath) Wipe() {
	suite.Zero(f.secrets...)
	if f.private != nil {
		f.private.Wipe()
	}
}

// Format hides the secrets from every verb.
func (f *FreshPath) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "fresh path of leaf %d", f.sender)
}

// LogValue hides the secrets.
func (f *FreshPath) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }
