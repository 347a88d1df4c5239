package tree

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
	"primum/mls/internal/vectors"
)

// suiteOf is the suite of a vector row, nil when it is not supported here.
func suiteOf(id uint16) *suite.Suite {
	s, err := suite.ByID(id)
	if err != nil {
		return nil
	}
	return s
}

func TestVectorsTreeMath(t *testing.T) {
	t.Parallel()
	type row struct {
		Leaves  uint32    `json:"n_leaves"`
		Nodes   uint32    `json:"n_nodes"`
		Root    uint32    `json:"root"`
		Left    []*uint32 `json:"left"`
		Right   []*uint32 `json:"right"`
		Parent  []*uint32 `json:"parent"`
		Sibling []*uint32 `json:"sibling"`
	}
	vectors.Each(t, "tree-math", func(t *testing.T, i int, r row) bool {
		if Width(r.Leaves) != r.Nodes || Root(r.Leaves) != r.Root {
			t.Fatalf("row %d: width %d, root %d", i, Width(r.Leaves), Root(r.Leaves))
		}
		for x := range r.Nodes {
			for name, pair := range map[string]struct {
				want *uint32
				have uint32
			}{
				"left": {r.Left[x], Left(x)}, "right": {r.Right[x], Right(x)},
				"parent": {r.Parent[x], Parent(x)}, "sibling": {r.Sibling[x], Sibling(x)},
			} {
				if pair.want != nil && *pair.want != pair.have {
					t.Fatalf("row %d: %s of %d is %d, want %d", i, name, x, pair.have, *pair.want)
				}
			}
		}
		return true
	})
}

// RFC 9420 §12.4.3.3 M1
func TestVectorsTreeOperations(t *testing.T) {
	t.Parallel()
	type row struct {
		Suite      uint16      `json:"cipher_suite"`
		Before     vectors.Hex `json:"tree_before"`
		Proposal   vectors.Hex `json:"proposal"`
		Sender     uint32      `json:"proposal_sender"`
		HashBefore vectors.Hex `json:"tree_hash_before"`
		After      vectors.Hex `json:"tree_after"`
		HashAfter  vectors.Hex `json:"tree_hash_after"`
	}
	vectors.Each(t, "tree-operations", func(t *testing.T, i int, r row) bool {
		s := suiteOf(r.Suite)
		if s == nil {
			return false
		}
		before := mustParse(t, s, r.Before)
		if !bytes.Equal(before.Hash(), r.HashBefore) {
			t.Fatalf("row %d: tree hash before differs", i)
		}
		after := before.Clone()
		applyProposal(t, after, r.Proposal, r.Sender)
		if !bytes.Equal(after.Bytes(), r.After) {
			t.Errorf("row %d: tree after differs", i)
		}
		if !bytes.Equal(after.Hash(), r.HashAfter) {
			t.Errorf("row %d: tree hash after differs", i)
		}
		if !bytes.Equal(before.Bytes(), r.Before) || !bytes.Equal(mustParse(t, s, r.Before).Hash(), before.Hash()) {
			t.Errorf("row %d: the change of a clone changed the original", i)
		}
		return true
	})
}

func applyProposal(t *testing.T, tr *Tree, proposal []byte, sender uint32) {
	t.Helper()
	p := codec.NewReader(proposal)
	var err error
	switch kind := p.U16(); kind {
	case 1:
		_, err = tr.Add(ReadKeyPackage(p).Leaf)
	case 2:
		err = tr.Update(sender, ReadLeafNode(p))
	case 3:
		err = tr.Remove(p.U32())
	default:
		t.Fatalf("proposal type %d", kind)
	}
	if err != nil || p.Close() != nil {
		t.Fatalf("apply proposal: %v, %v", err, p.Close())
	}
}

func mustParse(t *testing.T, s *suite.Suite, b []byte) *Tree {
	t.Helper()
	tr, err := Parse(s, b)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// RFC 9420 §7.8 M1, §12.4.3.1 R7
func TestVectorsTreeValidation(t *testing.T) {
	t.Parallel()
	type row struct {
		Suite       uint16        `json:"cipher_suite"`
		Tree        vectors.Hex   `json:"tree"`
		GroupID     vectors.Hex   `json:"group_id"`
		Resolutions [][]uint32    `json:"resolutions"`
		Hashes      []vectors.Hex `json:"tree_hashes"`
	}
	vectors.Each(t, "tree-validation", func(t *testing.T, i int, r row) bool {
		s := suiteOf(r.Suite)
		if s == nil {
			return false
		}
		tr := mustParse(t, s, r.Tree)
		for x, want := range r.Resolutions {
			if have := tr.Resolution(uint32(x)); !slices.Equal(have, want) {
				t.Errorf("row %d: resolution of %d is %v, want %v", i, x, have, want)
			}
		}
		for x, want := range r.Hashes {
			if !bytes.Equal(tr.HashAt(uint32(x)), want) {
				t.Errorf("row %d: tree hash of node %d differs", i, x)
			}
		}
		if err := tr.Validate(Rules{Suite: s, GroupID: r.GroupID}); err != nil {
			t.Errorf("row %d: %v", i, err)
		}
		if !bytes.Equal(tr.Bytes(), r.Tree) {
			t.Errorf("row %d: the tree encodes differently", i)
		}
		return true
	})
}

type treeKEMRow struct {
	Suite      uint16      `json:"cipher_suite"`
	GroupID    vectors.Hex `json:"group_id"`
	Epoch      uint64      `json:"epoch"`
	Transcript vectors.Hex `json:"confirmed_transcript_hash"`
	Tree       vectors.Hex `json:"ratchet_tree"`
	Private    []struct {
		Index      uint32      `json:"index"`
		Encryption vectors.Hex `json:"encryption_priv"`
		Signature  vectors.Hex `json:"signature_priv"`
		Secrets    []struct {
			Node   uint32      `json:"node"`
			Secret vectors.Hex `json:"path_secret"`
		} `json:"path_secrets"`
	} `json:"leaves_private"`
	Paths []struct {
		Sender       uint32         `json:"sender"`
		Path         vectors.Hex    `json:"update_path"`
		Secrets      []*vectors.Hex `json:"path_secrets"`
		CommitSecret vectors.Hex    `json:"commit_secret"`
		HashAfter    vectors.Hex    `json:"tree_hash_after"`
	} `json:"update_paths"`
}

func TestVectorsTreeKEM(t *testing.T) {
	t.Parallel()
	vectors.Each(t, "treekem", func(t *testing.T, i int, r treeKEMRow) bool {
		s := suiteOf(r.Suite)
		if s == nil {
			return false
		}
		before := mustParse(t, s, r.Tree)
		members, signers := treeKEMMembers(t, s, before, r)
		for _, u := range r.Paths {
			path := ReadUpdatePath(codec.NewReader(u.Path))
			after := before.Clone()
			if err := after.Merge(Rules{Suite: s, GroupID: r.GroupID}, u.Sender, path, nil); err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			if !bytes.Equal(after.Hash(), u.HashAfter) {
				t.Fatalf("row %d: tree hash after differs", i)
			}
			var w codec.Writer
			if path.Write(&w); !bytes.Equal(w.Out(), u.Path) {
				t.Errorf("row %d: update path encodes differently", i)
			}
			openAll(t, after, members, u.Sender, path, context(r, after), u.CommitSecret)

			own := before.Clone()
			f, err := own.Renew(PathOptions{Sender: u.Sender, GroupID: r.GroupID, Signer: signers[u.Sender], Rand: rand.Reader})
			if err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			sealed, err := f.Seal(context(r, own))
			if err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			theirs := before.Clone()
			if err := theirs.Merge(Rules{Suite: s, GroupID: r.GroupID}, u.Sender, sealed, nil); err != nil {
				t.Fatalf("row %d: own path: %v", i, err)
			}
			if !bytes.Equal(theirs.Hash(), own.Hash()) {
				t.Fatalf("row %d: tree hashes of sender and receiver differ", i)
			}
			openAll(t, theirs, members, u.Sender, sealed, context(r, own), f.CommitSecret())
			if err := f.Private().Check(own); err != nil {
				t.Errorf("row %d: sender's keys: %v", i, err)
			}
		}
		return true
	})
}

func treeKEMMembers(t *testing.T, s *suite.Suite, tr *Tree, r treeKEMRow) (map[uint32]*Private, map[uint32]ed25519.PrivateKey) {
	t.Helper()
	members, signers := map[uint32]*Private{}, map[uint32]ed25519.PrivateKey{}
	for _, m := range r.Private {
		p := NewPrivate(m.Index, m.Encryption)
		for _, n := range m.Secrets {
			priv, _, err := nodeKeys(s, n.Secret)
			if err != nil {
				t.Fatal(err)
			}
			p.setKey(n.Node, priv)
		}
		if err := p.Check(tr); err != nil {
			t.Fatal(err)
		}
		members[m.Index] = p
		signers[m.Index] = ed25519.NewKeyFromSeed(m.Signature)
	}
	return members, signers
}

func openAll(t *testing.T, after *Tree, members map[uint32]*Private, sender uint32, path *UpdatePath, ctx, want []byte) {
	t.Helper()
	for leaf, p := range members {
		if leaf == sender {
			continue
		}
		q := p.Clone()
		have, err := q.Open(after, sender, path, ctx, nil)
		if err != nil {
			t.Fatalf("member %d: %v", leaf, err)
		}
		if !bytes.Equal(have, want) {
			t.Fatalf("member %d: commit secret differs", leaf)
		}
		if err := q.Check(after); err != nil {
			t.Fatalf("member %d: %v", leaf, err)
		}
	}
}

// context is the GroupContext of RFC 9420 §8.1 without extensions.
func context(r treeKEMRow, tr *Tree) []byte {
	var w codec.Writer
	w.U16(Version)
	w.U16(r.Suite)
	w.Bytes(r.GroupID)
	w.U64(r.Epoch)
	w.Bytes(tr.Hash())
	w.Bytes(r.Transcript)
	w.Varint(0)
	return w.Out()
}
