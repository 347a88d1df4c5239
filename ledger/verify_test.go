package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a, b, c := n.node(t, "a.example", 1), n.node(t, "b.example", 2), n.node(t, "c.example", 3)
	a.public.add(fact(t, Entry{T: TypeOath, Ref: "/.well-known/primum/oath"}), fact(t, Entry{T: TypePolicy, Ref: "privacy"}))
	var kept Kept
	for round := range 7 {
		n.tick(t, a, b, c)
		l := must(Discover(context.Background(), n, "a.example", "https://a.example"))(t)
		r, err := Verify(context.Background(), n, l, kept, Options{Now: testNow(), MinWitnesses: 2, Full: round == 3})
		if err != nil {
			t.Fatal(err)
		}
		if r.Public.Checkpoint.Size != uint64(round+3) || r.Commitments.Checkpoint.Size != uint64(64*(round+1)) {
			t.Errorf("sizes %d, %d", r.Public.Checkpoint.Size, r.Commitments.Checkpoint.Size)
		}
		if len(r.Commitments.Witnesses) != 2 || !r.Public.Witnesses[0].Good || r.Public.Witnesses[1].Seen != r.Public.Checkpoint.Size {
			t.Errorf("witnesses %+v", r.Public.Witnesses)
		}
		if e, ok := r.Kept.Fact(TypePolicy, "privacy"); !ok || e.Ref != "privacy" {
			t.Errorf("facts %v", r.Kept.Facts)
		}
		// What is kept survives a file.
		kept = Kept{}
		if err := json.Unmarshal(must(json.Marshal(r.Kept))(t), &kept); err != nil {
			t.Fatal(err)
		}
	}
}

// verifyTwice verifies a good node, lets it go bad, and verifies again.
func verifyTwice(t *testing.T, o Options, bad func(n *testNet, a, w *testNode)) (Report, error) {
	t.Helper()
	n := newTestNet()
	a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
	for range 5 {
		n.tick(t, a, w)
	}
	o.Now, o.Patience = testNow(), -1
	first, err := Verify(context.Background(), n, a.ledger(), Kept{}, o)
	if err != nil {
		t.Fatal(err)
	}
	bad(n, a, w)
	r, err := Verify(context.Background(), n, a.ledger(), first.Kept, o)
	for origin, l := range first.Kept.Logs {
		if r.Kept.Logs[origin].Checkpoint != l.Checkpoint && slices.ContainsFunc(r.Findings, func(f *Finding) bool { return f.Log == origin }) {
			t.Errorf("%s: what was kept changed in spite of a finding", origin)
		}
	}
	return r, err
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		want error
		o    Options
		bad  func(t *testing.T, n *testNet, a, w *testNode)
	}{
		"rollback": {want: ErrRollback, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			old := a.commitments.fork(100)
			n.serve(old)
			n.publish(t, old)
		}},
		"fork": {want: ErrFork, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			f := a.commitments.fork(100)
			for i := range 300 {
				leaf := Leaf([]byte("other"), fmt.Sprint(i))
				f.add(leaf[:])
			}
			n.serve(f)
			n.publish(t, f)
		}},
		"fork of the public log": {want: ErrFork, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			f := a.public.fork(2)
			for i := range 9 {
				f.add(fact(t, Entry{T: TypeIncident, Ref: fmt.Sprint(i)}))
			}
			n.serve(f)
			n.publish(t, f)
		}},
		"edited tile": {want: ErrTampered, bad: func(_ *testing.T, n *testNet, _, _ *testNode) {
			n.edit = editing("/tile/1/", func(b []byte) []byte { b[3] ^= 1; return b })
		}},
		"edited entry": {want: ErrTampered, o: Options{Full: true}, bad: func(_ *testing.T, n *testNet, _, _ *testNode) {
			n.edit = editing("commitments/tile/entries/000", func(b []byte) []byte { b[40] ^= 1; return b })
		}},
		"edited fact": {want: ErrTampered, o: Options{Full: true}, bad: func(_ *testing.T, n *testNet, _, _ *testNode) {
			n.edit = editing("public/tile/entries/", func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"ref":"64"`), []byte(`"ref":"65"`), 1)
			})
		}},
		"truncated tile": {want: ErrTampered, bad: func(_ *testing.T, n *testNet, _, _ *testNode) {
			n.edit = editing("/tile/0/", func(b []byte) []byte { return b[:len(b)-1] })
		}},
		"missing tile": {want: ErrTampered, o: Options{Full: true}, bad: func(_ *testing.T, n *testNet, a, _ *testNode) {
			n.files[a.commitments.URL+TilePath(0, 0, TileWidth)] = nil
		}},
		"another key": {want: ErrKey, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			*a = *n.node(t, "a.example", 9)
			n.tick(t, a)
		}},
		"signed by another": {want: ErrSignature, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			stranger := newTestLog(t, testSeed(7), PublicKey, a.public.Origin, a.public.URL)
			n.files[a.public.URL+CheckpointPath] = []byte(stranger.checkpoint(t))
		}},
		"no witness any more": {want: ErrWitness, o: Options{MinWitnesses: 1}, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			n.tick(t, a)
		}},
		"a cosignature made up": {want: ErrWitness, bad: func(t *testing.T, n *testNet, a, w *testNode) {
			forged := *w
			key := must(DeriveKey(testSeed(8), WitnessKey))(t)
			signer := must(NewCosigner(w.witness.Name, key, testNow))(t).(*noteKey)
			signer.hash = w.cosigner.KeyHash()
			forged.cosigner = signer
			n.publish(t, a.public)
			n.files[a.public.URL+CheckpointPath] = []byte(a.public.checkpoint(t, forged.cosigner))
		}},
		"not JSON": {want: ErrMalformed, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			a.public.add([]byte("dear Ms Alice"))
			n.publish(t, a.public)
		}},
		"a leaf that says something": {want: ErrMalformed, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			a.commitments.add([]byte("alice@a.example withdrew"))
			n.publish(t, a.commitments)
		}},
		"other commitments than the public log names": {want: ErrFork, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			c := Checkpoint{Origin: a.commitments.Origin, Size: 64, Root: [32]byte{1}}
			a.public.add(fact(t, Entry{T: TypeCommitments, Ref: "64", SHA256: c.BodyHash()}))
			n.publish(t, a.public)
		}},
		"fewer commitments than the public log names": {want: ErrRollback, bad: func(t *testing.T, n *testNet, a, _ *testNode) {
			c := Checkpoint{Origin: a.commitments.Origin, Size: 6400, Root: [32]byte{1}}
			a.public.add(fact(t, Entry{T: TypeCommitments, Ref: "6400", SHA256: c.BodyHash()}))
			n.publish(t, a.public)
		}},
		"a witness that has seen more": {want: ErrRollback, bad: func(t *testing.T, n *testNet, a, w *testNode) {
			before := n.snapshot()[a.public.URL+CheckpointPath]
			n.tick(t, a, w)
			n.files[a.public.URL+CheckpointPath] = before
		}},
		"a witness that has seen another": {want: ErrFork, bad: func(t *testing.T, n *testNet, a, w *testNode) {
			f := a.public.fork(2)
			f.add(fact(t, Entry{T: TypeIncident, Ref: "hidden"}))
			n.files[w.witness.URL+WitnessedPath(f.Origin)] = []byte(f.checkpoint(t, w.cosigner))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := verifyTwice(t, test.o, func(n *testNet, a, w *testNode) { test.bad(t, n, a, w) })
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if len(r.Findings) == 0 || !errors.Is(r.Findings[0], test.want) {
				t.Errorf("findings %v", r.Findings)
			}
		})
	}
}

func editing(part string, edit func([]byte) []byte) func(string, []byte) []byte {
	return func(url string, b []byte) []byte {
		if strings.Contains(url, part) {
			return edit(bytes.Clone(b))
		}
		return b
	}
}

// The two notes of a fork convict the log without anybody else.
func TestForkEvidence(t *testing.T) {
	t.Parallel()
	r, err := verifyTwice(t, Options{}, func(n *testNet, a, _ *testNode) {
		f := a.public.fork(4)
		f.add(fact(t, Entry{T: TypeIncident, Ref: "x"}))
		n.serve(f)
		n.publish(t, f)
	})
	var f *Finding
	if !errors.As(err, &f) || len(f.Evidence) != 2 {
		t.Fatalf("no evidence: %v", err)
	}
	log := Log{Origin: f.Log, Key: r.Kept.Logs[f.Log].Key}
	one := must(OpenCheckpoint([]byte(f.Evidence[0]), log))(t)
	two := must(OpenCheckpoint([]byte(f.Evidence[1]), log))(t)
	if one.Size != two.Size || one.Root == two.Root {
		t.Errorf("evidence: %d %x and %d %x", one.Size, one.Root, two.Size, two.Root)
	}
}

// What can't be fetched is no finding, and is said.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a := n.node(t, "a.example", 1)
	n.tick(t, a)
	broken := errors.New("connection reset")
	for _, part := range []string{"checkpoint", "/tile/0", "/tile/entries"} {
		f := FetchFunc(func(ctx context.Context, url string) ([]byte, error) {
			if strings.Contains(url, part) {
				return nil, broken
			}
			return n.Get(ctx, url)
		})
		r, err := Verify(context.Background(), f, a.ledger(), Kept{}, Options{Now: testNow()})
		if !errors.Is(err, ErrUnreachable) || !errors.Is(err, broken) || len(r.Findings) != 0 {
			t.Errorf("%s: %v, findings %v", part, err, r.Findings)
		}
	}
}

// A witness that lies, or is away, accuses nobody.
func TestWitnessIsNoJudge(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, n *testNet, a, w *testNode){
		"away": func(_ *testing.T, n *testNet, _, w *testNode) { n.files["https://w.example"+NodePath] = nil },
		"nonsense": func(_ *testing.T, n *testNet, a, w *testNode) {
			n.files[w.witness.URL+WitnessedPath(a.public.Origin)] = []byte("x")
		},
		"a longer log that the log never signed": func(t *testing.T, n *testNet, a, w *testNode) {
			other := newTestLog(t, testSeed(9), PublicKey, a.public.Origin, a.public.URL)
			other.add(make([][]byte, 99)...)
			n.files[w.witness.URL+WitnessedPath(a.public.Origin)] = []byte(other.checkpoint(t, w.cosigner))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTestNet()
			a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
			n.tick(t, a, w)
			spoil(t, n, a, w)
			r, err := Verify(context.Background(), n, a.ledger(), Kept{}, Options{Now: testNow()})
			if err != nil {
				t.Fatal(err)
			}
			if w := r.Public.Witnesses[0]; w.Err == "" {
				t.Errorf("nothing is said about it: %+v", w)
			}
		})
	}
}

// A node's witnesses have signed what it is about to show: no finding, if it
// shows it in time.
func TestAboutToSign(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
	n.tick(t, a, w)
	old := n.snapshot()
	n.tick(t, a, w)
	url := a.commitments.URL + CheckpointPath
	for asked, want := range map[int]error{3: nil, 1000: ErrRollback} {
		left := asked
		f := FetchFunc(func(ctx context.Context, u string) ([]byte, error) {
			if u == url {
				if left--; left > 0 {
					return old[u], nil
				}
			}
			return n.Get(ctx, u)
		})
		_, err := Verify(context.Background(), f, a.ledger(), Kept{}, Options{Now: testNow(), MinWitnesses: 1, Patience: time.Second})
		if !errors.Is(err, want) {
			t.Errorf("shown at request %d: %v, want %v", asked, err, want)
		}
	}
}

// A log grows while it is verified: no finding.
func TestGrowsMeanwhile(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
	n.tick(t, a, w)
	old := n.snapshot()
	n.tick(t, a, w)
	asked := map[string]int{}
	f := FetchFunc(func(ctx context.Context, url string) ([]byte, error) {
		if asked[url]++; strings.HasSuffix(url, "/checkpoint") && asked[url] == 1 {
			return old[url], nil
		}
		return n.Get(ctx, url)
	})
	if _, err := Verify(context.Background(), f, a.ledger(), Kept{}, Options{Now: testNow()}); err != nil {
		t.Fatal(err)
	}
}

func TestDiscoverRefuses(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	n.node(t, "a.example", 1)
	evil := n.node(t, "b.example", 2).ledger()
	evil.Public = n.node(t, "a.example", 1).public.Log
	n.files["https://b.example"+NodePath] = must(json.Marshal(map[string]any{"ledger": evil}))(t)
	n.files["https://c.example"+NodePath] = []byte(`{"authority":"c.example"}`)
	n.files["https://d.example"+NodePath] = []byte(`<html>`)
	for authority, want := range map[string]error{
		"b.example": ErrMalformed, "c.example": ErrNoLedger, "d.example": ErrNoLedger, "e.example": ErrUnreachable,
	} {
		if _, err := Discover(context.Background(), n, authority, "https://"+authority); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", authority, err, want)
		}
	}
}

// A witness that cosigned and then states nonsense for its key accuses nobody.
func TestWitnessWithoutAKey(t *testing.T) {
	t.Parallel()
	n := newTestNet()
	a, w := n.node(t, "a.example", 1), n.node(t, "w.example", 2)
	n.tick(t, a, w)
	broken := w.ledger()
	broken.Witness.Key = "w.example/witness+00000000+AAAA"
	n.files["https://w.example"+NodePath] = must(json.Marshal(map[string]any{"authority": "w.example", "ledger": broken}))(t)
	r, err := Verify(t.Context(), n, a.ledger(), Kept{}, Options{Now: testNow(), Patience: -1})
	if err != nil || len(r.Findings) > 0 {
		t.Errorf("the log was accused: %v", err)
	}
	if words := r.Public.Witnesses; len(words) != 1 || words[0].Good || words[0].Err == "" {
		t.Errorf("the witness: %+v", words)
	}
}
