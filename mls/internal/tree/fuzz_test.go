package tree

import (
	"bytes"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/cost"
	"primum/mls/internal/suite"
)

// decoding bounds what decoding and checking may cost: a blank place of a tree
// takes a byte of input and a node with its hash, a leaf a signature and a key.
var decoding = cost.Bound{
	Always: cost.Work{Memory: 128 << 10, Signatures: 4, Keys: 8, Hashed: 16 << 10},
	PerKiB: cost.Work{Memory: 1 << 20, Signatures: 8, Keys: 32, Hashed: 512 << 10},
}

// worldsOf makes a world of each suite, grown by some commits.
func worldsOf(f *testing.F, seed uint64, steps int) []*world {
	f.Helper()
	var out []*world
	for _, id := range suite.IDs() {
		w := newWorldOf(f, seed, id)
		for range steps {
			w.step(7)
		}
		out = append(out, w)
	}
	return out
}

// FuzzTree: a ratchet tree that decodes encodes to the same bytes, whatever is
// then done to it keeps its cached hashes true, and checking it stays within
// bounds.
func FuzzTree(f *testing.F) {
	for i, w := range worldsOf(f, 1, 0) {
		for range 6 {
			w.step(7)
			f.Add(byte(i), []byte{1, 0, 2}, w.tree.Bytes())
		}
	}
	f.Add(byte(1), []byte{0, 1, 2, 3}, []byte{0xbf, 0xff, 0xff, 0xff})
	worlds := worldsOf(f, 2, 1)
	f.Fuzz(func(t *testing.T, which byte, ops, in []byte) {
		w := worlds[int(which)%len(worlds)]
		ops = ops[:min(len(ops), 8)]
		decoding.Check(t, len(in), func() {
			if tr, err := Parse(w.s, in); err == nil {
				checkTree(t, tr, w, in)
			}
		})
		if tr, err := Parse(w.s, in); err == nil {
			changeTree(t, tr, w, ops)
		}
	})
}

func checkTree(t *testing.T, tr *Tree, w *world, in []byte) {
	t.Helper()
	if !bytes.Equal(tr.Bytes(), in) {
		t.Fatal("a tree that was read encodes differently")
	}
	h := bytes.Clone(tr.Hash())
	if tr.Validate(w.rules()) == nil {
		for i := range tr.Members() {
			_ = tr.filteredPath(i)
		}
		_ = tr.Resolution(tr.root())
	}
	if !bytes.Equal(h, tr.Clone().Hash()) {
		t.Fatal("the tree hash is not stable")
	}
}

// changeTree adds, removes and replaces leaves, and compares the cached hash
// with that of the tree read anew.
func changeTree(t *testing.T, tr *Tree, w *world, ops []byte) {
	t.Helper()
	leaf := w.tree.Leaf(w.members()[0])
	_ = tr.Hash()
	for _, op := range ops {
		next := tr.Clone()
		at, err := uint32(op>>2), error(nil)
		switch op & 3 {
		case 0:
			_, err = next.Add(leaf)
		case 1:
			err = next.Remove(at)
		default:
			err = next.Update(at, leaf)
		}
		if err == nil {
			tr = next
		}
		if tr.Count() == 0 {
			return // no group is empty, and its tree has no encoding
		}
	}
	again, err := Parse(w.s, tr.Bytes())
	if err != nil {
		t.Fatalf("a changed tree does not decode: %v", err)
	}
	if again.Width() == tr.Width() && !bytes.Equal(again.Hash(), tr.Hash()) {
		t.Fatal("a cached hash is stale")
	}
}

// FuzzLeaf: a leaf, key package, credential, list of extensions or of required
// capabilities that decodes encodes to the same bytes; signed anew it is
// checked within bounds.
func FuzzLeaf(f *testing.F) {
	worlds := worldsOf(f, 3, 4)
	for i, w := range worlds {
		for _, l := range w.tree.Members() {
			f.Add(byte(i), byte(0), l.Bytes())
		}
		leaf, signer, _ := w.client()
		k := &KeyPackage{Version: Version, Suite: w.s.ID(), InitKey: w.tree.Leaf(w.members()[0]).EncryptionKey, Leaf: leaf}
		if err := k.Sign(w.s, w.rnd, signer); err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), byte(1), k.Bytes())
	}
	f.Add(byte(0), byte(2), []byte{0, 1, 2, 7, 7})
	f.Add(byte(0), byte(2), []byte{0, 2, 3, 2, 7, 7})
	f.Add(byte(0), byte(3), []byte{5, 0, 3, 2, 0, 0})
	f.Add(byte(0), byte(4), []byte{2, 0, 1, 2, 0, 2, 2, 0, 3})
	f.Add(byte(0), byte(5), []byte{2, 0, 1, 2, 0, 2, 0, 0, 2, 0, 1})
	bound := decoding
	bound.Always = cost.Work{Memory: 256 << 10, Signatures: 16, Keys: 32, Hashed: 128 << 10}
	f.Fuzz(func(t *testing.T, which, kind byte, in []byte) {
		w := worlds[int(which)%len(worlds)]
		bound.Check(t, len(in), func() { w.recode(t, kind, in) })
	})
}

// recode reads a value of one kind and writes it from its fields.
func (w *world) recode(t *testing.T, kind byte, in []byte) {
	t.Helper()
	var out codec.Writer
	r := codec.NewReader(in)
	switch kind % 6 {
	case 0:
		if l := ReadLeafNode(r); r.Close() == nil {
			l.writeFields(&out)
			w.judgeLeaf(l)
		}
	case 1:
		if k := ReadKeyPackage(r); r.Close() == nil {
			out.U16(k.Version)
			out.U16(k.Suite)
			out.Bytes(k.InitKey)
			k.Leaf.writeFields(&out)
			k.Extensions.Write(&out)
			out.Bytes(k.Signature)
			_ = w.rules().CheckKeyPackage(k)
			_ = k.Ref(w.s)
		}
	case 2:
		ReadCredential(r).Write(&out)
	case 3:
		x := ReadExtensions(r)
		x.Clone().Write(&out)
		_ = w.tree.Supports(x)
	case 4:
		if q, err := RequiredOf(Extensions{{Type: ExtRequiredCapabilities, Data: in}}); err == nil {
			out.Fixed(q.Bytes())
		} else {
			return
		}
		r = codec.NewReader(nil)
	case 5:
		c := ReadCapabilities(r)
		c.Write(&out)
	}
	if r.Close() == nil && !bytes.Equal(out.Out(), in) {
		t.Fatalf("kind %d: %x encodes to %x", kind%6, in, out.Out())
	}
}

func (l *LeafNode) writeFields(w *codec.Writer) {
	l.writeUnsigned(w)
	w.Bytes(l.Signature)
}

// judgeLeaf checks a leaf as it is, and signed by a member.
func (w *world) judgeLeaf(l *LeafNode) {
	at := w.members()[0]
	_ = w.rules().CheckLeaf(l, at)
	draft := l.Draft()
	draft.SignatureKey = w.tree.Leaf(at).SignatureKey
	if draft.Sign(w.s, w.rnd, w.signers[at], w.groupID, at) == nil {
		_ = w.rules().CheckLeaf(draft, at)
		next := w.tree.Clone()
		if next.Update(at, draft) == nil {
			_ = next.Validate(w.rules())
		}
	}
}

// FuzzUpdatePath mutates a path whose leaf is signed anew, so that what
// follows the signature is reached. Members who open it have one secret.
func FuzzUpdatePath(f *testing.F) {
	worlds := worldsOf(f, 4, 6)
	before := make([][]byte, len(worlds))
	for i, w := range worlds {
		path := w.fuzzPath(f)
		f.Add(byte(i), true, path)
		f.Add(byte(i), false, path)
		before[i] = bytes.Clone(w.tree.Bytes())
	}
	bound := decoding
	bound.Always = cost.Work{Memory: 2 << 20, Signatures: 16, Keys: 256, Hashed: 256 << 10}
	f.Fuzz(func(t *testing.T, which byte, resign bool, in []byte) {
		i := int(which) % len(worlds)
		bound.Check(t, len(in), func() { worlds[i].openPath(t, in, resign) })
		if !bytes.Equal(worlds[i].tree.Bytes(), before[i]) {
			t.Fatal("the original tree changed")
		}
	})
}

// fuzzPath is a good path of the first member.
func (w *world) fuzzPath(f *testing.F) []byte {
	f.Helper()
	sender := w.members()[0]
	own := w.tree.Clone()
	fresh, err := own.Renew(PathOptions{Sender: sender, GroupID: w.groupID, Signer: w.signers[sender], Rand: w.rnd})
	if err != nil {
		f.Fatal(err)
	}
	path, err := fresh.Seal(w.context(own))
	if err != nil {
		f.Fatal(err)
	}
	var out codec.Writer
	path.Write(&out)
	return out.Out()
}

func (w *world) openPath(t *testing.T, in []byte, resign bool) {
	t.Helper()
	sender := w.members()[0]
	r := codec.NewReader(in)
	p := ReadUpdatePath(r)
	if r.Close() != nil {
		return
	}
	var out codec.Writer
	if p.Write(&out); !bytes.Equal(out.Out(), in) {
		t.Fatalf("%x encodes to %x", in, out.Out())
	}
	if resign {
		draft := p.Leaf.Draft()
		draft.SignatureKey = w.tree.Leaf(sender).SignatureKey
		if draft.Sign(w.s, w.rnd, w.signers[sender], w.groupID, sender) != nil {
			return
		}
		p.Leaf = draft
	}
	next := w.tree.Clone()
	if next.Merge(w.rules(), sender, p, nil) != nil {
		return
	}
	var secret []byte
	for leaf, priv := range w.private {
		if leaf == sender {
			continue
		}
		mine := priv.Clone()
		got, err := mine.Open(next, sender, p, w.context(next), nil)
		if err != nil {
			continue
		}
		if secret == nil {
			secret = got
		}
		if !bytes.Equal(got, secret) || mine.Check(next) != nil {
			t.Fatal("members open one path and disagree")
		}
	}
}

// FuzzPrivate: stored private keys that decode encode to the same state, and
// do no harm in use.
func FuzzPrivate(f *testing.F) {
	worlds := worldsOf(f, 5, 6)
	paths := make([]*UpdatePath, len(worlds))
	for i, w := range worlds {
		for _, leaf := range w.members() {
			var out codec.Writer
			w.private[leaf].Write(&out)
			f.Add(byte(i), out.Out())
		}
		paths[i] = ReadUpdatePath(codec.NewReader(w.fuzzPath(f)))
	}
	bound := decoding
	bound.Always = cost.Work{Memory: 1 << 20, Signatures: 1, Keys: 64, Hashed: 64 << 10}
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		i := int(which) % len(worlds)
		bound.Check(t, len(in), func() { worlds[i].usePrivate(t, paths[i], in) })
	})
}

func (w *world) usePrivate(t *testing.T, path *UpdatePath, in []byte) {
	t.Helper()
	r := codec.NewReader(in)
	p := ReadPrivate(r)
	if r.Close() != nil {
		return
	}
	var once, twice codec.Writer
	p.Write(&once)
	ReadPrivate(codec.NewReader(once.Out())).Write(&twice)
	if !bytes.Equal(once.Out(), twice.Out()) {
		t.Fatal("private keys do not survive being stored")
	}
	sender := w.members()[0]
	next := w.tree.Clone()
	if err := next.Merge(w.rules(), sender, path, nil); err != nil {
		t.Fatal(err)
	}
	_, _ = p.Clone().Open(next, sender, path, w.context(next), nil)
	if p.Check(w.tree) == nil && w.tree.Leaf(p.Leaf()) == nil {
		t.Fatal("keys of a blank leaf pass")
	}
	p.Prune(w.tree)
	p.Wipe()
}
