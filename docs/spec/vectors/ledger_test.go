package vectors

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"primum/internal/jws"
	"primum/ledger"
)

// ledgerVector is ledger.json.
type ledgerVector struct {
	About       string         `json:"about"`
	Seed        jws.Bytes      `json:"seed"` // of the node's key
	Ledger      any            `json:"ledger"`
	Cosigner    ledger.Witness `json:"cosigner"` // another node's
	Entries     []string       `json:"entries"`  // of the public log, in order
	Refused     []string       `json:"refused"`  // no entries
	Leaves      []leafVector   `json:"leaves"`
	Commitments string         `json:"commitments"` // how its leaves are made
	Checkpoints []string       `json:"checkpoints"` // public, then commitments, cosigned
	Receipts    []proofVector  `json:"receipts"`
	Submission  string         `json:"submission"` // to a witness that has seen 40 entries
	Witnessed   string         `json:"witnessed"`  // path below the witness's address, of the commitments log
}

type leafVector struct {
	Of    string    `json:"of"`
	Key   jws.Bytes `json:"key"`
	Label string    `json:"label"` // hex
	Leaf  string    `json:"leaf"`  // hex
}

type proofVector struct {
	About string `json:"about"`
	Entry string `json:"entry"` // hex
	Text  string `json:"text"`
	Error string `json:"error,omitempty"` // empty: it is good
}

// vectorLog is a log of one tile.
type vectorLog struct {
	ledger.Log
	signer  note.Signer
	entries [][]byte
}

func TestLedger(t *testing.T) {
	l, public, commitments, cosigner, w := vectorLogs(t)
	v := ledgerVector{
		About:  "at " + now().Format(time.RFC3339) + "; the cosigner's key is derived of the seed SHA-256(\"primum vector witness\")",
		Seed:   seedOf("node"),
		Ledger: l, Cosigner: w, Refused: refusedEntries(string(public.entries[0])), Leaves: leafVectors(t),
		Commitments: "leaf i of 70 is HMAC-SHA-256(\"primum vector\", decimal i)",
	}
	for _, e := range public.entries {
		v.Entries = append(v.Entries, string(e))
		if _, err := ledger.ParseEntry(e); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
	for _, line := range v.Refused {
		if _, err := ledger.ParseEntry([]byte(line)); !errors.Is(err, ledger.ErrMalformed) {
			t.Errorf("%s is taken", line)
		}
	}
	v.Checkpoints = []string{public.checkpoint(t, cosigner), commitments.checkpoint(t, cosigner)}
	v.Receipts = proofVectors(t, commitments, v.Checkpoints[1], w)
	v.Submission = submission(t, commitments)
	v.Witnessed = ledger.WitnessedPath(commitments.Origin)
	compare(t, "ledger.json", v)
}

func vectorLogs(t *testing.T) (l ledger.NodeLedger, public, commitments *vectorLog, cosigner note.Signer, w ledger.Witness) {
	t.Helper()
	const authority, base = "h.example", "https://h.example"
	key := func(seed string, p ledger.Purpose) ed25519.PrivateKey {
		return must[ed25519.PrivateKey](t)(ledger.DeriveKey(seedOf(seed), p))
	}
	half := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	open := func(origin, url string, k ed25519.PrivateKey, entries [][]byte) *vectorLog {
		return &vectorLog{ledger.Log{Origin: origin, URL: base + url, Key: ledger.LogKey(origin, half(k))}, must[note.Signer](t)(ledger.NewSigner(origin, k)), entries}
	}
	var leaves [][]byte
	for i := range 70 {
		leaf := ledger.Leaf([]byte("primum vector"), strconv.Itoa(i))
		leaves = append(leaves, leaf[:])
	}
	commitments = open(ledger.CommitmentsOrigin(authority), "/ledger/commitments", key("node", ledger.CommitmentsKey), leaves)
	public = open(ledger.PublicOrigin(authority), "/ledger/public", key("node", ledger.PublicKey), entryVectors(t, commitments))
	own := ledger.WitnessName(authority)
	l = ledger.NodeLedger{
		Public: public.Log, Commitments: commitments.Log,
		Witness: ledger.Witness{Name: own, Key: ledger.CosignerKey(own, half(key("node", ledger.WitnessKey))), URL: base + "/witness"},
	}
	name, wk := ledger.WitnessName("w.example"), key("witness", ledger.WitnessKey)
	w = ledger.Witness{Name: name, Key: ledger.CosignerKey(name, half(wk)), URL: "https://w.example/witness"}
	return l, public, commitments, must[note.Signer](t)(ledger.NewCosigner(name, wk, now)), w
}

// entryVectors has an entry of each type.
func entryVectors(t *testing.T, commitments *vectorLog) (lines [][]byte) {
	t.Helper()
	for i, of := range ledger.Types() {
		e := ledger.Entry{T: of, At: now().Add(time.Duration(i) * time.Hour), SHA256: hex.EncodeToString(seedOf(string(of))), Ref: "/.well-known/primum/" + string(of)}
		switch of {
		case ledger.TypeLegalDemand:
			e.SHA256, e.Ref, e.Counts = "", "2026", map[string]int{"received": 3, "answered": 1, "refused": 2}
		case ledger.TypeMisuse, ledger.TypeCheck:
			e.Domains = []string{"shop.example"}
		case ledger.TypeCommitments:
			c := ledger.Checkpoint{Origin: commitments.Origin, Size: uint64(len(commitments.entries)), Root: commitments.root()}
			e.SHA256, e.Ref = c.BodyHash(), strconv.FormatUint(c.Size, 10)
		}
		lines = append(lines, must[[]byte](t)(e.Marshal()))
	}
	return lines
}

func refusedEntries(good string) []string {
	return []string{
		strings.Replace(good, `"ref"`, `"name":"Alice","ref"`, 1), strings.Replace(good, "/.well", "alice@h.example/.well", 1),
		strings.Replace(good, "oath", "grant", 1), strings.Replace(good, "00Z", "00.5Z", 1), strings.Replace(good, ",", ", ", 1),
		strings.Replace(good, `"v":1`, `"v":2`, 1), strings.Replace(good, `"v":1,"t":"oath"`, `"t":"oath","v":1`, 1), good + "\n",
	}
}

func leafVectors(t *testing.T) []leafVector {
	t.Helper()
	key, root, commit := seedOf("leaf key"), [32]byte(seedOf("day root")), [32]byte(seedOf("commit"))
	label := func(name string, parts ...string) string {
		return "primum ledger v1 " + name + "\x00" + strings.Join(parts, "")
	}
	all := []struct {
		of, label string
		leaf      [32]byte
	}{
		{"grant withdrawn", label("grant", "withdrawn"), ledger.GrantLeaf(key, ledger.EventWithdrawn)},
		{"day", label("day", "2026-11-23\x00", string(root[:])), ledger.DayLeaf(key, "2026-11-23", root)},
		{"epoch 7", label("epoch", "\x00\x00\x00\x00\x00\x00\x00\x07", string(commit[:]), string(root[:])), ledger.EpochLeaf(key, 7, commit, root)},
		{"right access", label("right", "access\x00", string(commit[:])), ledger.RightLeaf(key, "access", commit)},
	}
	var out []leafVector
	for _, l := range all {
		if mac(key, l.label) != l.leaf {
			t.Errorf("leaf of %s is not as the specification says", l.of)
		}
		out = append(out, leafVector{l.of, key, hex.EncodeToString([]byte(l.label)), hex.EncodeToString(l.leaf[:])})
	}
	return out
}

func (l *vectorLog) hashes() [][32]byte {
	out := make([][32]byte, len(l.entries))
	for i, e := range l.entries {
		out[i] = ledger.LeafHash(e)
	}
	return out
}

func (l *vectorLog) root() [32]byte { return ledger.TreeRoot(l.hashes()) }

func (l *vectorLog) checkpoint(t *testing.T, cosigners ...note.Signer) string {
	t.Helper()
	n := &note.Note{Text: ledger.Body(l.Origin, uint64(len(l.entries)), l.root())}
	return string(must[[]byte](t)(note.Sign(n, append([]note.Signer{l.signer}, cosigners...)...)))
}

func proofVectors(t *testing.T, l *vectorLog, checkpoint string, w ledger.Witness) (out []proofVector) {
	t.Helper()
	r := ledger.Receipt{Index: 65, Hashes: ledger.TreePath(l.hashes(), 65), Checkpoint: checkpoint}
	good := string(r.Text())
	one := base64.StdEncoding.EncodeToString(r.Hashes[0][:])
	for _, v := range []proofVector{
		{"a leaf of 70, cosigned", hex.EncodeToString(l.entries[65]), good, ""},
		{"another leaf", hex.EncodeToString(l.entries[64]), good, "proof"},
		{"another index", hex.EncodeToString(l.entries[65]), strings.Replace(good, "index 65", "index 64", 1), "proof"},
		{"a hash is missing", hex.EncodeToString(l.entries[65]), strings.Replace(good, one+"\n", "", 1), "proof"},
		{"another size", hex.EncodeToString(l.entries[65]), strings.Replace(good, "\n70\n", "\n71\n", 1), "signature"},
		{"zeroes before the index", hex.EncodeToString(l.entries[65]), strings.Replace(good, "index 65", "index 065", 1), "malformed"},
	} {
		entry := must[[]byte](t)(hex.DecodeString(v.Entry))
		r, err := ledger.ParseReceipt([]byte(v.Text))
		if err == nil {
			_, err = r.Verify(entry, l.Log, w)
		}
		if got := kindOf(err); got != v.Error {
			t.Errorf("%s: %q, want %q (%v)", v.About, got, v.Error, err)
		}
		out = append(out, v)
	}
	return out
}

func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return ledger.KindName(err)
}

// submission is what the log sends to a witness that has seen 40 of its entries.
func submission(t *testing.T, l *vectorLog) string {
	t.Helper()
	hashes := l.hashes()
	get := func(_ context.Context, path string) ([]byte, error) {
		if path != ledger.TilePath(0, 0, len(hashes)) {
			return nil, fmt.Errorf("%s: %w", path, ledger.ErrNotFound)
		}
		var b []byte
		for _, h := range hashes {
			b = append(b, h[:]...)
		}
		return b, nil
	}
	tree := must[*ledger.Tree](t)(ledger.OpenTree(t.Context(), get, uint64(len(hashes)), l.root()))
	s := ledger.Submission{Old: 40, Hashes: must[[][32]byte](t)(tree.ConsistencyProof(t.Context(), 40)), Checkpoint: l.checkpoint(t)}
	if err := ledger.Consistency(40, uint64(len(hashes)), s.Hashes, ledger.TreeRoot(hashes[:40]), l.root()); err != nil {
		t.Error(err)
	}
	return string(s.Text())
}
