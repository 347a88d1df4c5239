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
