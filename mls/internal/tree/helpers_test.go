package tree

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// world is a group with all its members' keys, driven by a seed.
type world struct {
	t       testing.TB
	s       *suite.Suite
	rnd     *rand.ChaCha8
	pick    *rand.Rand
	groupID []byte
	tree    *Tree
	private map[uint32]*Private
	signers map[uint32]ed25519.PrivateKey
	born    int
	epoch   uint64
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	return newWorldOf(t, seed, suite.X25519AES128GCM)
}

func newWorldOf(t testing.TB, seed uint64, id uint16) *world {
	t.Helper()
	s, err := suite.ByID(id)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed)))
	w := &world{
		t: t, s: s, rnd: rnd, pick: rand.New(rnd), groupID: []byte("group"),
		private: map[uint32]*Private{}, signers: map[uint32]ed25519.PrivateKey{},
	}
	leaf, signer, priv := w.client()
	w.tree = New(s, leaf)
	w.private[0], w.signers[0] = NewPrivate(0, priv), signer
	return w
}

func (w *world) rules() Rules { return Rules{Suite: w.s, GroupID: w.groupID} }

func (w *world) draft(signer ed25519.PrivateKey) (*LeafNode, []byte) {
	w.t.Helper()
	priv, pub, err := w.s.GenerateKeyPair(w.rnd)
	if err != nil {
		w.t.Fatal(err)
	}
	w.born++
	return &LeafNode{
		EncryptionKey: pub,
		SignatureKey:  signer.Public().(ed25519.PublicKey),
		Credential:    BasicCredential(fmt.Append(nil, "client ", w.born)),
		Capabilities:  DefaultCapabilities(),
		Source:        SourceKeyPackage,
		Lifetime:      Lifetime{100, 200},
	}, priv
}

func (w *world) client() (*LeafNode, ed25519.PrivateKey, []byte) {
	w.t.Helper()
	_, signer, err := ed25519.GenerateKey(w.rnd)
	if err != nil {
		w.t.Fatal(err)
	}
	draft, priv := w.draft(signer)
	return w.sign(draft, signer, 0), signer, priv
}

func (w *world) sign(draft *LeafNode, signer ed25519.PrivateKey, index uint32) *LeafNode {
	w.t.Helper()
	if err := draft.Sign(w.s, w.rnd, signer, w.groupID, index); err != nil {
		w.t.Fatal(err)
	}
	return draft
}

func (w *world) context(tr *Tree) []byte {
	var c codec.Writer
	c.Bytes(w.groupID)
	c.U64(w.epoch)
	c.Bytes(tr.Hash())
	return c.Out()
}

// change is what one commit does.
type change struct {
	sender uint32
	add    int
	remove []uint32
	update []uint32
}

// commit applies a change everywhere and checks that all members agree.
func (w *world) commit(c change) {
	w.t.Helper()
	next := w.tree.Clone()
	for _, i := range c.update {
		draft, priv := w.draft(w.signers[i])
		draft.Source = SourceUpdate
		if err := next.Update(i, w.sign(draft, w.signers[i], i)); err != nil {
			w.t.Fatal(err)
		}
		w.private[i].SetLeafKey(priv)
	}
	for _, i := range c.remove {
		if err := next.Remove(i); err != nil {
			w.t.Fatal(err)
		}
		delete(w.private, i)
		delete(w.signers, i)
	}
	fresh := map[uint32][]byte{}
	var added []uint32
	for range c.add {
		leaf, signer, priv := w.client()
		i, err := next.Add(leaf)
		if err != nil {
			w.t.Fatal(err)
		}
		added = append(added, i)
		fresh[i], w.signers[i] = priv, signer
	}
	slices.Sort(added)
	w.path(c.sender, next, added, fresh)
}

func (w *world) path(sender uint32, next *Tree, added []uint32, fresh map[uint32][]byte) {
	w.t.Helper()
	theirs := next.Clone()
	f, err := next.Renew(PathOptions{Sender: sender, GroupID: w.groupID, Signer: w.signers[sender], Rand: w.rnd, Added: added})
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Wipe()
	w.epoch++
	path, err := f.Seal(w.context(next))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := theirs.Merge(w.rules(), sender, path, added); err != nil {
		w.t.Fatal(err)
	}
	want := f.CommitSecret()
	for i, p := range w.private {
		if i == sender {
			continue
		}
		p.Prune(theirs)
		have, err := p.Open(theirs, sender, path, w.context(theirs), added)
		if err != nil {
			w.t.Fatalf("member %d: %v", i, err)
		}
		if !slices.Equal(have, want) {
			w.t.Fatalf("member %d has another commit secret", i)
		}
	}
	w.private[sender] = f.Private()
	for i, priv := range fresh {
		secret, err := f.SecretFor(i)
		if err != nil {
			w.t.Fatal(err)
		}
		if w.private[i], err = Join(next, i, priv, sender, secret); err != nil {
			w.t.Fatal(err)
		}
	}
	w.tree = theirs
	for i, p := range w.private {
		if err := p.Check(w.tree); err != nil {
			w.t.Fatalf("member %d: %v", i, err)
		}
	}
}

func (w *world) members() []uint32 {
	var out []uint32
	for i := range w.tree.Members() {
		out = append(out, i)
	}
	return out
}

// step makes a random commit.
func (w *world) step(most int) {
	w.t.Helper()
	members := w.members()
	w.pick.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	c := change{sender: members[0]}
	rest := members[1:]
	if n := min(len(rest), w.pick.IntN(3)); w.pick.IntN(2) == 0 {
		c.remove, rest = rest[:n], rest[n:]
	}
	if n := min(len(rest), w.pick.IntN(3)); w.pick.IntN(2) == 0 {
		c.update = rest[:n]
	}
	if room := most - len(members); room > 0 && w.pick.IntN(3) > 0 {
		c.add = 1 + w.pick.IntN(min(room, 3))
	}
	w.commit(c)
}
