package tree

import (
	"bytes"
	"runtime"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// memoryPerByte bounds what a decoder may allocate for a byte of input: a
// blank place costs a pointer, twice, and its share of hashes.
const (
	memoryPerByte = 1500
	memoryAlways  = 1 << 20
)

// bounded fails when f allocates beyond the bound for n bytes of input.
func bounded(t *testing.T, n int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > memoryAlways+memoryPerByte*uint64(n) {
		t.Fatalf("%d bytes of input made %d bytes of memory", n, got)
	}
}

func FuzzTree(f *testing.F) {
	w := newWorld(f, 1)
	for range 8 {
		w.step(7)
		f.Add(w.tree.Bytes())
	}
	f.Add([]byte{0xbf, 0xff, 0xff, 0xff})
	s, rules := w.s, w.rules()
	f.Fuzz(func(t *testing.T, in []byte) {
		bounded(t, len(in), func() {
			tr, err := Parse(s, in)
			if err != nil {
				return
			}
			if !bytes.Equal(tr.Bytes(), in) {
				t.Fatal("a tree that was read encodes differently")
			}
			h := bytes.Clone(tr.Hash())
			_ = tr.Validate(rules)
			if !bytes.Equal(h, tr.Clone().Hash()) {
				t.Fatal("the tree hash is not stable")
			}
		})
	})
}

func FuzzKeyPackage(f *testing.F) {
	w := newWorld(f, 2)
	leaf, signer, _ := w.client()
	k := &KeyPackage{Version: Version, Suite: w.s.ID(), InitKey: make([]byte, 32), Leaf: leaf}
	if err := k.Sign(w.s, w.rnd, signer); err != nil {
		f.Fatal(err)
	}
	f.Add(k.Bytes())
	s, _ := suite.ByID(suite.X25519AES128GCM)
	f.Fuzz(func(t *testing.T, in []byte) {
		bounded(t, len(in), func() {
			k, err := ParseKeyPackage(in)
			if err != nil {
				return
			}
			if !bytes.Equal(k.Bytes(), in) {
				t.Fatal("a key package that was read encodes differently")
			}
			var out codec.Writer
			k.Leaf.writeUnsigned(&out)
			out.Bytes(k.Leaf.Signature)
			if !bytes.Equal(out.Out(), k.Leaf.Bytes()) {
				t.Fatal("a leaf that was read encodes differently")
			}
			_ = Rules{Suite: s}.CheckKeyPackage(k)
		})
	})
}

// FuzzUpdatePath mutates a path whose leaf is signed anew, so that what
// follows the signature is reached.
func FuzzUpdatePath(f *testing.F) {
	w := newWorld(f, 3)
	for range 6 {
		w.step(7)
	}
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
	f.Add(out.Out(), true)
	f.Add(out.Out(), false)
	before := bytes.Clone(w.tree.Bytes())
	f.Fuzz(func(t *testing.T, in []byte, resign bool) {
		bounded(t, len(in), func() {
			r := codec.NewReader(in)
			p := ReadUpdatePath(r)
			if r.Close() != nil {
				return
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
			if next.Merge(w.rules(), sender, p, nil) == nil {
				for leaf, priv := range w.private {
					if leaf != sender {
						_, _ = priv.Clone().Open(next, sender, p, w.context(next), nil)
					}
				}
			}
			if !bytes.Equal(w.tree.Bytes(), before) {
				t.Fatal("the original tree changed")
			}
		})
	})
}
