package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func TestEntry(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	for _, e := range []Entry{
		{T: TypeOath, At: testNow(), SHA256: sum, Ref: "/.well-known/primum/oath"},
		{T: TypeLegalDemand, At: testNow(), Counts: map[string]int{"received": 2, "answered": 0, "refused": 2}},
		{T: TypeMisuse, At: testNow(), SHA256: sum, Domains: []string{"shop.example"}},
		{T: TypeCommitments, At: testNow().Add(5 * time.Millisecond), SHA256: sum, Ref: "128"},
	} {
		line := must(e.Marshal())(t)
		back := must(ParseEntry(line))(t)
		if again := must(back.Marshal())(t); !bytes.Equal(again, line) {
			t.Errorf("%s became %s", line, again)
		}
	}
}

func TestEntryRefuses(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("ab", 32)
	good := `{"v":1,"t":"oath","at":"2026-11-23T12:00:00Z","sha256":"` + sum + `","ref":"x"}`
	if _, err := ParseEntry([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		"unknown field":      strings.Replace(good, `"ref"`, `"name":"Alice","ref"`, 1),
		"unknown type":       strings.Replace(good, "oath", "grant", 1),
		"a person's address": strings.Replace(good, `"x"`, `"alice@h.example"`, 1),
		"free text":          strings.Replace(good, `"x"`, `"Alice withdrew"`, 1),
		"fraction of second": strings.Replace(good, "00Z", "00.5Z", 1),
		"another zone":       strings.Replace(good, "00Z", "00+01:00", 1),
		"space":              strings.Replace(good, `,`, `, `, 1),
		"another order":      `{"t":"oath","v":1,"at":"2026-11-23T12:00:00Z","sha256":"` + sum + `","ref":"x"}`,
		"version":            strings.Replace(good, `"v":1`, `"v":2`, 1),
		"upper case":         strings.Replace(good, sum, strings.ToUpper(sum), 1),
		"short hash":         strings.Replace(good, sum, sum[2:], 1),
		"counts":             strings.Replace(good, `"x"`, `"x","counts":{"received":1}`, 1),
		"domains":            strings.Replace(good, `"x"`, `"x","domains":["a.example"]`, 1),
		"twice":              strings.Replace(good, `"x"`, `"x","ref":"x"`, 1),
		"long":               strings.Replace(good, `"x"`, `"`+strings.Repeat("x", 4096)+`"`, 1),
		"long ref":           strings.Replace(good, `"x"`, `"`+strings.Repeat("x", 513)+`"`, 1),
		"two lines":          good + "\n" + good,
		"line end":           good + "\n",
		"empty":              "",
	} {
		if _, err := ParseEntry([]byte(line)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLeavesDiffer(t *testing.T) {
	t.Parallel()
	key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	root, hash := LeafHash([]byte("r")), LeafHash([]byte("h"))
	seen := map[[32]byte]string{}
	for name, leaf := range map[string][32]byte{
		"given": GrantLeaf(key, EventGiven), "withdrawn": GrantLeaf(key, EventWithdrawn), "another's": GrantLeaf(other, EventGiven),
		"day": DayLeaf(key, "2026-11-23", root), "next day": DayLeaf(key, "2026-11-24", root), "other root": DayLeaf(key, "2026-11-23", hash),
		"epoch": EpochLeaf(key, 1, root, hash), "next epoch": EpochLeaf(key, 2, root, hash), "swapped": EpochLeaf(key, 1, hash, root),
		"right": RightLeaf(key, "access", root), "other right": RightLeaf(key, "erase", root),
	} {
		if twin, ok := seen[leaf]; ok {
			t.Errorf("%s and %s are one leaf", name, twin)
		}
		seen[leaf] = name
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
	leaf := GrantLeaf([]byte("k"), EventWithdrawn)
	a.commitments.add(leaf[:])
	for range 6 {
		n.tick(t, a, w)
	}
	r := receipt(t, n, a.commitments, 0)
	r.Extra = []byte("of no weight")
	back := must(ParseReceipt(r.Text()))(t)
	c := must(back.Verify(leaf[:], a.commitments.Log, w.witness))(t)
	if c.Size != a.commitments.size() || len(c.Cosigned) != 1 {
		t.Errorf("proved in %+v", c)
	}
	other := GrantLeaf([]byte("k"), EventGiven)
	if _, err := back.Verify(other[:], a.commitments.Log); !errors.Is(err, ErrProof) {
		t.Errorf("another leaf: %v", err)
	}
	if _, err := back.Verify(leaf[:], a.public.Log); !errors.Is(err, ErrSignature) {
		t.Errorf("another log: %v", err)
	}
	back.Index = 1
	if _, err := back.Verify(leaf[:], a.commitments.Log); !errors.Is(err, ErrProof) {
		t.Errorf("another index: %v", err)
	}
	back.Index = 1 << 40
	if _, err := back.Verify(leaf[:], a.commitments.Log); !errors.Is(err, ErrProof) {
		t.Errorf("an index beyond: %v", err)
	}
}

func receipt(t testing.TB, n *testNet, l *testLog, index uint64) Receipt {
	t.Helper()
	ctx := context.Background()
	get := func(_ context.Context, path string) ([]byte, error) { return l.read(path) }
	tree := must(OpenTree(ctx, get, l.size(), l.root()))(t)
	return Receipt{
		Index: index, Hashes: must(tree.InclusionProof(ctx, index))(t), Checkpoint: string(n.files[l.URL+CheckpointPath]),
	}
}

func TestReceiptRefuses(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a := n.node(t, "a.example", 1)
	n.tick(t, a)
	good := string(receipt(t, n, a.commitments, 5).Text())
	for name, text := range map[string]string{
		"head":          strings.Replace(good, "@v1", "@v2", 1),
		"no index":      strings.Replace(good, "index 5\n", "", 1),
		"zeroes":        strings.Replace(good, "index 5", "index 05", 1),
		"negative":      strings.Replace(good, "index 5", "index -5", 1),
		"no empty line": strings.ReplaceAll(good, "\n\n", "\n"),
		"hash":          strings.Replace(good, "index 5\n", "index 5\nabc\n", 1),
		"too many":      strings.Replace(good, "index 5\n", "index 5\n"+strings.Repeat(b64std(make([]byte, 32))+"\n", 64), 1),
		"extra":         strings.Replace(good, "index", "extra !\nindex", 1),
		"empty extra":   strings.Replace(good, "index", "extra \nindex", 1),
		"long":          good + strings.Repeat("x", MaxReceipt),
	} {
		if _, err := ParseReceipt([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPromise(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a := n.node(t, "a.example", 1)
	leaf := GrantLeaf([]byte("k"), EventWithdrawn)
	p := Promise{Origin: a.commitments.Origin, Leaf: leaf[:], By: testNow().Add(6 * time.Hour)}
	compact := must(p.Sign("n1", a.node))(t)
	back := must(ReadPromise(compact, public(a.node)))(t)
	if !back.By.Equal(p.By) || !bytes.Equal(back.Leaf, leaf[:]) || back.Origin != p.Origin {
		t.Errorf("read %+v", back)
	}
	if peeked, kid, err := PeekPromise(compact); err != nil || kid != "n1" || peeked.Origin != p.Origin {
		t.Errorf("peeked %+v, %s, %v", peeked, kid, err)
	}
	if back.Overdue(p.By.Add(Grace)) || !back.Overdue(p.By.Add(Grace+time.Second)) {
		t.Error("overdue is after the grace, not before")
	}
	if _, err := ReadPromise(compact, n.node(t, "b.example", 2).node.Public().(ed25519.PublicKey)); !errors.Is(err, ErrSignature) {
		t.Errorf("another node's key: %v", err)
	}
	a.commitments.add(leaf[:])
	n.tick(t, a)
	must(back.Kept(receipt(t, n, a.commitments, 0), a.commitments.Log))(t)
	if _, err := back.Kept(receipt(t, n, a.commitments, 1), a.commitments.Log); !errors.Is(err, ErrProof) {
		t.Errorf("another leaf's proof: %v", err)
	}
	if _, err := (Promise{Origin: "x", Leaf: leaf[:4], By: testNow()}).Sign("n1", a.node); !errors.Is(err, ErrMalformed) {
		t.Errorf("a short leaf: %v", err)
	}
}

func TestSubmission(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
	n.tick(t, a)
	checkpoint := string(n.files[a.commitments.URL+CheckpointPath])
	s := Submission{Old: 12, Hashes: [][32]byte{{1}, {2}}, Checkpoint: checkpoint}
	back := must(ParseSubmission(s.Text()))(t)
	if back.Old != 12 || len(back.Hashes) != 2 || back.Checkpoint != checkpoint {
		t.Errorf("read %+v", back)
	}
	for _, text := range []string{"", "old 1\n", "old 01\n\n", "old x\n\nz", "new 1\n\n", "old 1\nxyz\n\n", strings.Repeat("x", MaxSubmission+1)} {
		if _, err := ParseSubmission([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	cosigned := a.commitments.checkpoint(t, w.cosigner)
	line := cosigned[strings.Index(cosigned, "— w.example"):]
	noise := "hello\n— x.example/witness AAAA\n"
	got := must(AddCosignatures(checkpoint, []byte(noise+line), a.commitments.Log, w.witness))(t)
	if c := must(OpenCheckpoint([]byte(got), a.commitments.Log, w.witness))(t); len(c.Cosigned) != 1 || len(c.Others) != 0 {
		t.Errorf("took %+v", c)
	}
	other := a.public.checkpoint(t, w.cosigner)
	line = other[strings.Index(other, "— w.example"):]
	for _, answer := range []string{"", noise, line, strings.TrimSuffix(line, "\n")} {
		if _, err := AddCosignatures(checkpoint, []byte(answer), a.commitments.Log, w.witness); !errors.Is(err, ErrWitness) {
			t.Errorf("%.20q: %v", answer, err)
		}
	}
}

func TestCheckpointRefuses(t *testing.T) {
	t.Parallel()
	l := newTestLog(t, testSeed(1), PublicKey, "a.example/ledger/public", "")
	sign := func(body string) string {
		return string(must(note.Sign(&note.Note{Text: body}, l.signer))(t))
	}
	root := b64std(make([]byte, 32))
	for name, body := range map[string]string{
		"two lines":      l.Origin + "\n5\n",
		"zeroes":         l.Origin + "\n05\n" + root + "\n",
		"beyond":         l.Origin + "\n9223372036854775808\n" + root + "\n",
		"short root":     l.Origin + "\n5\nAAAA\n",
		"empty tree":     l.Origin + "\n0\n" + root + "\n",
		"no origin":      "\n5\n" + root + "\n",
		"root with junk": l.Origin + "\n5\n" + root + " \n",
	} {
		if _, err := OpenCheckpoint([]byte(sign(body)), l.Log); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenCheckpoint([]byte(sign("b.example/x\n5\n"+root+"\n")), l.Log); !errors.Is(err, ErrSignature) {
		t.Errorf("another origin: %v", err)
	}
	if _, err := OpenCheckpoint([]byte(sign(l.Origin+"\n5\n"+root+"\nan extension\n")), l.Log); err != nil {
		t.Errorf("an extension line: %v", err)
	}
	if _, err := OpenCheckpoint(bytes.Repeat([]byte("x"), MaxCheckpoint+1), l.Log); !errors.Is(err, ErrMalformed) {
		t.Errorf("too long: %v", err)
	}
}

func TestBundleRefuses(t *testing.T) {
	t.Parallel()
	many := bytes.Repeat([]byte{0, 0}, TileWidth+1)
	for _, b := range [][]byte{{0}, {0, 2, 1}, {0x10, 1}, many} {
		if _, err := ParseBundle(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", b[:1], err)
		}
	}
	if e := must(ParseBundle([]byte{0, 1, 'x', 0, 0}))(t); len(e) != 2 || string(e[0]) != "x" {
		t.Errorf("read %q", e)
	}
}
