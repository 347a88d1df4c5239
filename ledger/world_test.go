package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func testNow() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func testSeed(n byte) []byte {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return seed
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// testLog writes a log into memory as a server would lay it out.
type testLog struct {
	Log
	signer  note.Signer
	entries [][]byte
	levels  [][][32]byte // hashes of each tile level
}

func newTestLog(t testing.TB, seed []byte, p Purpose, origin, url string) *testLog {
	key := must(DeriveKey(seed, p))(t)
	return &testLog{
		Log:    Log{Origin: origin, URL: url, Key: LogKey(origin, public(key))},
		signer: must(NewSigner(origin, key))(t), levels: make([][][32]byte, 8),
	}
}

func (l *testLog) add(entries ...[]byte) {
	for _, e := range entries {
		l.entries = append(l.entries, e)
		h := LeafHash(e)
		for level := range l.levels {
			l.levels[level] = append(l.levels[level], h)
			n := len(l.levels[level])
			if n%TileWidth != 0 {
				break
			}
			h = TreeRoot(l.levels[level][n-TileWidth:])
		}
	}
}

func (l *testLog) root() [32]byte {
	var acc *[32]byte
	for _, hashes := range l.levels {
		if edge := hashes[len(hashes)/TileWidth*TileWidth:]; len(edge) > 0 {
			acc = newPyramid(edge).fold(acc)
		}
	}
	if acc == nil {
		return TreeRoot(nil)
	}
	return *acc
}

func (l *testLog) size() uint64 { return uint64(len(l.entries)) }

func (l *testLog) checkpoint(t testing.TB, cosigners ...note.Signer) string {
	body := Body(l.Origin, l.size(), l.root())
	return string(must(note.Sign(&note.Note{Text: body}, append([]note.Signer{l.signer}, cosigners...)...))(t))
}

// read answers the path below the log's address.
func (l *testLog) read(path string) ([]byte, error) {
	path, partial, isPartial := strings.Cut(path, ".p/")
	width := TileWidth
	if isPartial {
		width, _ = strconv.Atoi(partial)
	}
	rest, ok := strings.CutPrefix(path, "/tile/")
	kind, number, _ := strings.Cut(rest, "/")
	index, err := strconv.Atoi(strings.NewReplacer("x", "", "/", "").Replace(number))
	if !ok || err != nil {
		return nil, ErrNotFound
	}
	from := index * TileWidth
	if kind == "entries" {
		return l.bundle(from, width)
	}
	level, err := strconv.Atoi(kind)
	if err != nil || level > 7 || from+width > len(l.levels[level]) {
		return nil, ErrNotFound
	}
	var b []byte
	for _, h := range l.levels[level][from : from+width] {
		b = append(b, h[:]...)
	}
	return b, nil
}

func (l *testLog) bundle(from, width int) ([]byte, error) {
	if from+width > len(l.entries) {
		return nil, ErrNotFound
	}
	var b []byte
	for _, e := range l.entries[from : from+width] {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
	}
	return b, nil
}

// fork is another history of the same log from an index on.
func (l *testLog) fork(at int) *testLog {
	f := &testLog{Log: l.Log, signer: l.signer, levels: make([][][32]byte, 8)}
	f.add(l.entries[:at]...)
	return f
}

// testNode is a node with both logs, a witness, and the files that it serves.
type testNode struct {
	authority           string
	public, commitments *testLog
	witness             Witness
	cosigner            note.Signer
	node                ed25519.PrivateKey
}

// testNet is an Internet of such nodes.
type testNet struct {
	mu    sync.Mutex
	files map[string][]byte   // before anything else; nil is 404
	logs  map[string]*testLog // by address
	edit  func(url string, b []byte) []byte
	gets  int
}

func newTestNet() *testNet {
	return &testNet{files: map[string][]byte{}, logs: map[string]*testLog{}}
}

func (n *testNet) Get(_ context.Context, url string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gets++
	b, err := n.answer(url)
	if err == nil && n.edit != nil {
		b = n.edit(url, b)
	}
	return b, err
}

func (n *testNet) answer(url string) ([]byte, error) {
	if b, ok := n.files[url]; ok {
		if b == nil {
			return nil, fmt.Errorf("%s: %w", url, ErrNotFound)
		}
		return b, nil
	}
	for prefix, l := range n.logs {
		if path, ok := strings.CutPrefix(url, prefix+"/"); ok {
			return l.read("/" + path)
		}
	}
	return nil, fmt.Errorf("%s: %w", url, ErrNotFound)
}

func (n *testNet) node(t testing.TB, authority string, seed byte) *testNode {
	base := "https://" + authority
	s := testSeed(seed)
	wkey := must(DeriveKey(s, WitnessKey))(t)
	name := WitnessName(authority)
	x := &testNode{
		authority:   authority,
		public:      newTestLog(t, s, PublicKey, PublicOrigin(authority), base+"/ledger/public"),
		commitments: newTestLog(t, s, CommitmentsKey, CommitmentsOrigin(authority), base+"/ledger/commitments"),
		witness:     Witness{Name: name, Key: CosignerKey(name, public(wkey)), URL: base + "/witness"},
		cosigner:    must(NewCosigner(name, wkey, testNow))(t),
		node:        ed25519.NewKeyFromSeed(s),
	}
	n.serve(x.public)
	n.serve(x.commitments)
	info := map[string]any{"authority": authority, "software": "primum", "ledger": x.ledger()}
	n.files[base+NodePath] = must(json.Marshal(info))(t)
	return x
}

func (n *testNet) serve(l *testLog) { n.logs[l.URL] = l }

func (x *testNode) ledger() NodeLedger {
	return NodeLedger{Public: x.public.Log, Commitments: x.commitments.Log, Witness: x.witness}
}

func fact(t testing.TB, e Entry) []byte {
	if e.At.IsZero() {
		e.At = testNow()
	}
	if e.SHA256 == "" && e.T != TypeLegalDemand {
		e.SHA256 = fmt.Sprintf("%x", LeafHash([]byte(e.Ref)))
	}
	return must(e.Marshal())(t)
}

// tick adds 64 leaves, names them in the public log and publishes both
// checkpoints, cosigned.
func (n *testNet) tick(t testing.TB, x *testNode, cosigners ...*testNode) {
	for i := range 64 {
		leaf := Leaf([]byte("dummy"), fmt.Sprint(x.commitments.size(), i))
		x.commitments.add(leaf[:])
	}
	c := Checkpoint{Origin: x.commitments.Origin, Size: x.commitments.size(), Root: x.commitments.root()}
	x.public.add(fact(t, Entry{T: TypeCommitments, Ref: strconv.FormatUint(c.Size, 10), SHA256: c.BodyHash()}))
	n.publish(t, x.public, cosigners...)
	n.publish(t, x.commitments, cosigners...)
}

func (n *testNet) publish(t testing.TB, l *testLog, cosigners ...*testNode) {
	text := l.checkpoint(t)
	for _, w := range cosigners {
		text = string(must(note.Sign(must(note.Open([]byte(text), must2(t, l.Log)))(t), l.signer, w.cosigner))(t))
		n.files[w.witness.URL+WitnessedPath(l.Origin)] = []byte(text)
	}
	n.files[l.URL+CheckpointPath] = []byte(l.checkpoint(t, signers(cosigners)...))
}

func must2(t testing.TB, l Log) note.Verifiers {
	return note.VerifierList(must(verifier(l.Key, algEd25519))(t))
}

func signers(nodes []*testNode) (out []note.Signer) {
	for _, x := range nodes {
		out = append(out, x.cosigner)
	}
	return out
}

func (n *testNet) snapshot() map[string][]byte { return maps.Clone(n.files) }

func b64std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func sha(b []byte) [32]byte { return sha256.Sum256(b) }
