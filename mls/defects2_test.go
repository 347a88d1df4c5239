package mls

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// Defects that a hostile reading of this package found, each with what an
// attacker gains by it.

// weakKeys are HPKE public keys that no honest client makes: X25519 points of
// small order, to which nobody can encrypt, and other spellings of a good key.
func weakKeys(t *testing.T, good []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, point := range map[string]string{
		"zero":              "0000000000000000000000000000000000000000000000000000000000000000",
		"one":               "0100000000000000000000000000000000000000000000000000000000000000",
		"order 8":           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"the other order 8": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"minus one":         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":                 "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"zero, high bit":    "0000000000000000000000000000000000000000000000000000000000000080",
	} {
		b, err := hex.DecodeString(point)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = append(bytes.Clone(good[:len(good)-len(b)]), b...)
	}
	other := bytes.Clone(good)
	other[len(other)-1] ^= 0x80
	out["another spelling"] = other
	return out
}

// TestDefectWeakEncryptionKeys: a member can't bring a key in to which nobody
// can encrypt. Else every commit of all others would fail until it is removed,
// an honest committer that takes its Update in, for good.
func TestDefectWeakEncryptionKeys(t *testing.T) {
	t.Parallel()
	for _, suite := range Suites() {
		l := newLabOf(t, suite, 40, 4)
		by := l.at(1)
		for name, key := range weakKeys(t, by.g.st.Tree.Leaf(1).EncryptionKey) {
			spoil := func(d *tree.LeafNode) { d.EncryptionKey = key }
			msg, _ := l.proposeBy(by, message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, spoil)})
			l.refused(name+" in an Update", msg, ErrInvalid, by)
			l.refused(name+" as an added leaf's", l.commitBy(by, forge{list: value(l.addOf(l.party(), func(k *tree.KeyPackage) {
				k.Leaf.EncryptionKey = key
			}))}), ErrInvalid, by)
			l.refused(name+" as init key", l.commitBy(by, forge{list: value(l.addOf(l.party(), func(k *tree.KeyPackage) {
				k.InitKey = key
			}))}), ErrInvalid, by)
			l.refused(name+" in a path", l.commitBy(by, forge{path: func(p *tree.UpdatePath) { p.Nodes[0].EncryptionKey = key }}), ErrInvalid, by)
			kp := l.addOf(l.party(), func(k *tree.KeyPackage) { k.InitKey = key }).KeyPackage
			w := message.Header(WireKeyPackage)
			kp.Write(w)
			if _, err := ParseKeyPackage(w.Out()); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: a key package with it as init key: %v", name, err)
			}
		}
		l.commit(l.at(0), CommitOptions{})
		l.agree()
	}
}

// TestDefectCommitterBlocked: a member that sends proposals which contradict
// one another, or the honest ones, costs a committer a fixed number of tries and
// not one for each proposal, and keeps no honest proposal out.
func TestDefectCommitterBlocked(t *testing.T) {
	t.Parallel()
	l := newLab(t, 41, 12)
	committer, evil := l.at(0), l.at(11)
	old := l.addOf(l.at(5), nothing) // who is here already
	twice := l.addOf(l.party(), nothing)
	late := l.addOf(l.party(), func(k *tree.KeyPackage) { k.Leaf.Lifetime = tree.Lifetime{NotAfter: 1} })
	var honest [][]byte
	for leaf := uint32(1); leaf < 11; leaf++ {
		msg, err := l.at(leaf).g.ProposeUpdate(nil)
		l.must(err)
		l.deliver(l.at(leaf), msg)
		honest = append(honest, l.at(leaf).g.st.Proposals[leaf-1].Ref)
	}
	for _, p := range []message.Proposal{
		{Kind: ProposalGroupContextExtensions},
		{Kind: ProposalGroupContextExtensions},
		old, twice, twice, late,
		{Kind: ProposalUpdate, Leaf: l.updateLeaf(evil, func(d *tree.LeafNode) {
			d.EncryptionKey = twice.KeyPackage.Leaf.EncryptionKey
		})},
	} {
		msg := l.proposeAnew(evil, p)
		l.deliver(evil, msg)
	}
	asked := 0
	committer.g.cfg.Now = func() time.Time { asked++; return labTime() }
	staged, err := committer.g.Commit(CommitOptions{Add: []*KeyPackage{l.checked(l.addOf(l.party(), nothing))}})
	l.must(err)
	if asked > 6 {
		t.Errorf("the commit was tried %d times", asked)
	}
	for _, ref := range honest {
		if !bytes.Contains(staged.Commit, ref) {
			t.Errorf("an honest Update is left out")
		}
	}
	delete(l.parties, evil.name) // it kept none of what it sent
	l.deliver(committer, staged.Commit)
	l.must(committer.g.Merge())
	l.agree()
}

// proposeAnew is proposeBy with authenticated data of its own, so that one
// proposal can be sent twice.
func (l *lab) proposeAnew(p *party, v message.Proposal) []byte {
	l.t.Helper()
	st := p.g.st
	aad := make([]byte, 8)
	_, err := l.rnd.Read(aad)
	l.must(err)
	m := &message.Signed{Wire: WirePublicMessage, Content: p.g.content(Proposal, aad)}
	m.Proposal = &v
	l.signBy(p, m)
	return m.PublicMessage(st.Suite, p.g.secrets.Membership, st.Encoded)
}

// checked is the key package of an Add.
func (l *lab) checked(p message.Proposal) *KeyPackage {
	return &KeyPackage{suite: l.public.st.Suite, inner: p.KeyPackage}
}
