package ledger

import (
	"context"
	"strconv"
	"testing"
)

func BenchmarkParseEntry(b *testing.B) {
	line := fact(b, Entry{T: TypeCommitments, Ref: "123456"})
	for b.Loop() {
		if _, err := ParseEntry(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTileRoot(b *testing.B) {
	hashes := make([][32]byte, TileWidth)
	for b.Loop() {
		TreeRoot(hashes)
	}
}

// millionTree is a log of a million leaves, in memory.
func millionTree(b *testing.B) (*testLog, TileFunc) {
	l := newTestLog(b, testSeed(1), CommitmentsKey, "a.example/ledger/commitments", "")
	for i := range 1_000_000 {
		leaf := Leaf([]byte("k"), strconv.Itoa(i))
		l.add(leaf[:])
	}
	return l, func(_ context.Context, path string) ([]byte, error) { return l.read(path) }
}

// BenchmarkProofMillion proves an entry of a million and checks the proof.
func BenchmarkProofMillion(b *testing.B) {
	l, get := millionTree(b)
	root := l.root()
	i := uint64(0)
	for b.Loop() {
		i = (i*6364136223846793005 + 1442695040888963407) % l.size()
		tree := must(OpenTree(context.Background(), get, l.size(), root))(b)
		hashes := must(tree.InclusionProof(context.Background(), i))(b)
		if err := Inclusion(i, l.size(), LeafHash(l.entries[i]), hashes, root); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is what a page does at a first visit and at a next one, but
// for the network: a year of public facts, 64,000 commitments.
func BenchmarkVerify(b *testing.B) {
	n := newTestNet()
	a := n.node(b, "a.example", 1)
	for range 1000 {
		for i := range 64 {
			leaf := Leaf([]byte("dummy"), strconv.Itoa(i))
			a.commitments.add(leaf[:])
		}
		c := Checkpoint{Origin: a.commitments.Origin, Size: a.commitments.size(), Root: a.commitments.root()}
		a.public.add(fact(b, Entry{T: TypeCommitments, Ref: strconv.FormatUint(c.Size, 10), SHA256: c.BodyHash()}))
	}
	n.publish(b, a.public)
	n.publish(b, a.commitments)
	o := Options{Now: testNow(), MaxEntries: 64}
	var kept Kept
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			r, err := Verify(context.Background(), n, a.ledger(), Kept{}, o)
			if err != nil {
				b.Fatal(err)
			}
			kept = r.Kept
		}
	})
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			if _, err := Verify(context.Background(), n, a.ledger(), kept, o); err != nil {
				b.Fatal(err)
			}
		}
	})
}
