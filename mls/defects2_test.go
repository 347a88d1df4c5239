package mls

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

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
