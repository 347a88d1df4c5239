package tree

import (
	"strings"
	"testing"
)

// TestKeysAreDistinct: no key stands for two nodes, and none both signs and
// decrypts.
func TestKeysAreDistinct(t *testing.T) {
	t.Parallel()
	w := grown(t)
	for name, spoil := range map[string]func(*Tree){
		"a parent with the key of a leaf": func(tr *Tree) { // RFC 9420 §12.4.3.1 R12, §16.7 M1
			p := *tr.parentAt(1)
			p.EncryptionKey = tr.Leaf(4).EncryptionKey
			tr.nodes[1] = &node{parent: &p}
		},
		"two parents with one key": func(tr *Tree) {
			p := *tr.parentAt(1)
			p.EncryptionKey = tr.parentAt(7).EncryptionKey
			tr.nodes[1] = &node{parent: &p}
		},
		"two leaves with one encryption key": func(tr *Tree) { // RFC 9420 §7.3 R9
			l := *tr.Leaf(1)
			l.EncryptionKey = tr.Leaf(4).EncryptionKey
			tr.nodes[2] = &node{leaf: &l}
		},
		"two leaves with one signature key": func(tr *Tree) { // RFC 9420 §7.3 R8
			l := *tr.Leaf(1)
			l.SignatureKey = tr.Leaf(4).SignatureKey
			tr.nodes[2] = &node{leaf: &l}
		},
	} {
		tr := mustParse(t, w.s, w.tree.Bytes())
		if spoil(tr); tr.CheckUnique() == nil || tr.Validate(w.rules()) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, signer, _ := w.client()
	draft, _ := w.draft(signer)
	draft.EncryptionKey = draft.SignatureKey
	leaf := w.sign(draft, signer, 0)
	if err := w.rules().CheckLeaf(leaf, 0); err == nil || !strings.Contains(err.Error(), "are the same") { // RFC 9420 §16.7 M1
		t.Errorf("a key that signs and decrypts: %v", err)
	}
}

// TestMissingBlanksAreAdded: a tree comes without its blank nodes on the right
// (RFC 9420 §12.4.3.3).
func TestMissingBlanksAreAdded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 12)
	w.commit(change{sender: 0, add: 4})
	tr := mustParse(t, w.s, w.tree.Bytes()) // RFC 9420 §12.4.3.3 M1, M2
	if tr.Width() != 8 || len(tr.nodes) != 15 || tr.Count() != 5 {
		t.Errorf("width %d, %d nodes, %d members", tr.Width(), len(tr.nodes), tr.Count())
	}
}

// TestUnmergedLists: what a list of unmerged leaves must be, whatever the
// parent hashes say.
func TestUnmergedLists(t *testing.T) {
	t.Parallel()
	w := grown(t)
	if err := w.tree.CheckUnmerged(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		node   uint32
		leaves []uint32
		want   string
	}{
		"unsorted":            {7, []uint32{5, 4}, "increasing order"}, // RFC 9420 §7.1 M1
		"doubled":             {7, []uint32{5, 5}, "increasing order"},
		"a leaf elsewhere":    {1, []uint32{3}, "no member below"}, // RFC 9420 §12.4.3.1 R10
		"a blank leaf":        {7, []uint32{7}, "no member below"},
		"a leaf that is none": {7, []uint32{1 << 31}, "no member below"},
		"not listed below":    {7, []uint32{1}, "unmerged above"}, // RFC 9420 §12.4.3.1 R11
	} {
		tr := mustParse(t, w.s, w.tree.Bytes())
		addUnmerged(tr, c.node, c.leaves...)
		if err := tr.CheckUnmerged(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
