package ledger

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Others' implementations of the same specifications agree: the Go checksum
// database's (sumdb/tlog, sumdb/note) and transparency-dev's (formats).

type tlogStorage []tlog.Hash

func (s tlogStorage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = s[at]
	}
	return out, nil
}

func tlogHashes(h [][32]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(h))
	for i := range h {
		out[i] = tlog.Hash(h[i])
	}
	return out
}

func TestTreeAgreesWithSumDB(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, testSeed(1), PublicKey, "a.example/ledger/public", "https://a.example/ledger/public")
	var peer tlogStorage
	sizes := map[int]bool{1: true, 2: true, 3: true, 255: true, 256: true, 257: true, 511: true, 512: true, 700: true}
	for n := range 701 {
		if sizes[n] {
			treeAgrees(t, l, peer)
		}
		entry := []byte(fmt.Sprint("entry ", n))
		stored, err := tlog.StoredHashes(int64(n), entry, peer)
		if err != nil {
			t.Fatal(err)
		}
		peer = append(peer, stored...)
		l.add(entry)
	}
}

func treeAgrees(t *testing.T, l *testLog, peer tlogStorage) {
	t.Helper()
	ctx, n := context.Background(), int64(l.size())
	root := must(tlog.TreeHash(n, peer))(t)
	if l.root() != root {
		t.Fatalf("size %d: another root", n)
	}
	get := func(_ context.Context, path string) ([]byte, error) { return l.read(path) }
	tree := must(OpenTree(ctx, get, l.size(), root))(t)
	for i := int64(0); i < n; i += 1 + n/97 {
		ours := must(tree.InclusionProof(ctx, uint64(i)))(t)
		if err := tlog.CheckRecord(tlogHashes(ours), n, root, i, tlog.RecordHash(l.entries[i])); err != nil {
			t.Fatalf("size %d, entry %d: %v", n, i, err)
		}
		if err := Inclusion(uint64(i), l.size(), LeafHash(l.entries[i]), ours, root); err != nil {
			t.Fatal(err)
		}
		before := must(tlog.TreeHash(i+1, peer))(t)
		if at := must(tree.RootAt(ctx, uint64(i+1)))(t); at != before {
			t.Fatalf("size %d: root at %d", n, i+1)
		}
		if i+1 < n {
			ours = must(tree.ConsistencyProof(ctx, uint64(i+1)))(t)
			if err := tlog.CheckTree(tlogHashes(ours), n, root, i+1, before); err != nil {
				t.Fatalf("size %d from %d: %v", n, i+1, err)
			}
			if err := Consistency(uint64(i+1), l.size(), ours, before, root); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := uint64(0)
	if err := tree.Entries(ctx, 0, l.size(), func(i uint64, e []byte) error {
		if read++; string(e) != string(l.entries[i]) {
			t.Fatalf("entry %d", i)
		}
		return nil
	}); err != nil || read != l.size() {
		t.Fatalf("read %d of %d: %v", read, n, err)
	}
}

func TestTilePathsAgreeWithSumDB(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 5, 999, 1000, 1234067, 999999999} {
		for _, w := range []int{1, 255, 256} {
			full := tlog.Tile{H: 8, L: 1, N: n, W: w}.Path()
			if got, want := TilePath(1, uint64(n), w), strings.Replace(full, "tile/8/", "/tile/", 1); got != want {
				t.Errorf("tile %d: %s, want %s", n, got, want)
			}
			data := tlog.Tile{H: 8, L: -1, N: n, W: w}.Path()
			if got, want := BundlePath(uint64(n), w), strings.Replace(data, "tile/8/data", "/tile/entries", 1); got != want {
				t.Errorf("bundle %d: %s, want %s", n, got, want)
			}
		}
	}
}

func TestTreeRootAndPath(t *testing.T) {
	t.Parallel()
	for n := 1; n < 70; n++ {
		leaves := make([][32]byte, n)
		for i := range leaves {
			leaves[i] = LeafHash([]byte(fmt.Sprint(i)))
		}
		root := TreeRoot(leaves)
		for i := range leaves {
			if err := Inclusion(uint64(i), uint64(n), leaves[i], TreePath(leaves, i), root); err != nil {
				t.Fatalf("%d of %d: %v", i, n, err)
			}
		}
	}
}

func TestKeysAgreeWithPeers(t *testing.T) {
	t.Parallel()
	const origin, name = "a.example/ledger/public", "w.example/witness"
	key, wkey := must(DeriveKey(testSeed(1), PublicKey))(t), must(DeriveKey(testSeed(2), WitnessKey))(t)
	ours := LogKey(origin, public(key))
	theirs := must(note.NewEd25519VerifierKey(origin, public(key)))(t)
	if ours != theirs {
		t.Errorf("verifier key %s, want %s", ours, theirs)
	}
	cosigner := CosignerKey(name, public(wkey))
	converted := must(fnote.VKeyToCosignatureV1(LogKey(name, public(wkey))))(t)
	if cosigner != converted {
		t.Errorf("cosigner key %s, want %s", cosigner, converted)
	}
	logVerifier, witness := must(note.NewVerifier(ours))(t), must(fnote.NewVerifierForCosignatureV1(cosigner))(t)
	root := LeafHash([]byte("x"))
	text := must(note.Sign(&note.Note{Text: Body(origin, 7, root)},
		must(NewSigner(origin, key))(t), must(NewCosigner(name, wkey, testNow))(t)))(t)
	c, _, n, err := log.ParseCheckpoint(text, origin, logVerifier, witness)
	if err != nil || c.Size != 7 || string(c.Hash) != string(root[:]) || len(n.Sigs) != 2 {
		t.Fatalf("their reader: %+v, %v", n, err)
	}
	if at := must(fnote.CoSigV1Timestamp(n.Sigs[1]))(t); !at.Equal(testNow()) {
		t.Errorf("cosigned at %v", at)
	}
	mine := must(OpenCheckpoint(text, Log{Origin: origin, Key: ours}, Witness{Name: name, Key: cosigner}))(t)
	if mine.Size != 7 || mine.Root != root || len(mine.Cosigned) != 1 || !mine.Cosigned[0].At.Equal(testNow()) {
		t.Errorf("our reader: %+v", mine)
	}
	theirSigner := must(fnote.NewSignerForCosignatureV1(secret(name, wkey)))(t)
	text = must(note.Sign(&note.Note{Text: Body(origin, 7, root)}, must(NewSigner(origin, key))(t), theirSigner))(t)
	if mine = must(OpenCheckpoint(text, Log{Origin: origin, Key: ours}, Witness{Name: name, Key: cosigner}))(t); len(mine.Cosigned) != 1 {
		t.Errorf("their cosignature: %+v", mine)
	}
}

// secret is the text form of a signing key (sumdb/note).
func secret(name string, key ed25519.PrivateKey) string {
	v := vkey(name, algEd25519, public(key))
	hash := strings.Split(v, "+")[1]
	return "PRIVATE+KEY+" + name + "+" + hash + "+" + b64std(append([]byte{algEd25519}, key.Seed()...))
}
