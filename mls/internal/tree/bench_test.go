package tree

import (
	"fmt"
	"testing"
)

func benchWorld(b *testing.B, n int) *world {
	b.Helper()
	w := newWorld(b, 1)
	w.commit(change{sender: 0, add: n - 1})
	for _, i := range []uint32{1, 3} {
		if i < uint32(n) {
			w.commit(change{sender: i})
		}
	}
	return w
}

func BenchmarkTree(b *testing.B) {
	for _, n := range []int{2, 10, 100, 1000} {
		w := benchWorld(b, n)
		encoded := w.tree.Bytes()
		b.Run(fmt.Sprintf("clone/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				w.tree.Clone()
			}
		})
		b.Run(fmt.Sprintf("validate/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				t, err := Parse(w.s, encoded)
				if err != nil || t.Validate(w.rules()) != nil {
					b.Fatal(err)
				}
			}
		})
		own := w.tree.Clone()
		f, err := own.Renew(PathOptions{Sender: 0, GroupID: w.groupID, Signer: w.signers[0], Rand: w.rnd})
		if err != nil {
			b.Fatal(err)
		}
		path, err := f.Seal(w.context(own))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("merge/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if err := w.tree.Clone().Merge(w.rules(), 0, path, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("renew/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				t := w.tree.Clone()
				if _, err := t.Renew(PathOptions{Sender: 0, GroupID: w.groupID, Signer: w.signers[0], Rand: w.rnd}); err != nil {
					b.Fatal(err)
				}
				t.Hash()
			}
		})
	}
}
