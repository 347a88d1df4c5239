package notary

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/ledger"
)

// copyDir copies a ledger folder as an operator's backup would.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestDamageIsNamed(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(dir string) error{
		"truncated tile":      func(d string) error { return os.Truncate(filepath.Join(d, "public/tile/0/000.p/70"), 100) },
		"truncated bundle":    func(d string) error { return os.Truncate(filepath.Join(d, "public/tile/entries/000.p/70"), 100) },
		"edited tile":         func(d string) error { return flip(filepath.Join(d, "commitments/tile/0/000.p/64")) },
		"edited newest entry": func(d string) error { return flip(filepath.Join(d, "commitments/tile/entries/000.p/64")) },
		"missing tile":        func(d string) error { return os.Remove(filepath.Join(d, "public/tile/0/000.p/70")) },
		"missing state":       func(d string) error { return os.Remove(filepath.Join(d, "public/.state/treeState")) },
		"garbled state": func(d string) error {
			return os.WriteFile(filepath.Join(d, "public/.state/treeState"), []byte("{"), 0o600)
		},
		"empty state":          func(d string) error { return os.Truncate(filepath.Join(d, "public/.state/treeState"), 0) },
		"garbled checkpoint":   func(d string) error { return os.WriteFile(filepath.Join(d, "public/cosigned"), []byte("?"), 0o600) },
		"truncated checkpoint": func(d string) error { return os.Truncate(filepath.Join(d, "public/cosigned"), 40) },
		"foreign checkpoint": func(d string) error {
			return os.WriteFile(filepath.Join(d, "public/cosigned"), []byte(forged()), 0o600)
		},
		"state of another size": func(d string) error {
			return os.WriteFile(filepath.Join(d, "public/.state/treeState"), []byte(`{"size":7,"root":""}`), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTown(t).home("a").mustOpen()
			h.mustTick()
			h.grown(70)
			h.mustClose()
			if err := damage(h.cfg.Dir); err != nil {
				t.Fatal(err)
			}
			if err := h.open(); !errors.Is(err, ErrDamaged) {
				t.Errorf("opened with %v, want ErrDamaged", err)
			}
		})
	}
}

// flip changes the last byte of a file.
func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)-1] ^= 1
	return os.WriteFile(path, b, 0o600)
}

// What is damaged while the node runs is not proven and not signed on.
func TestDamageUnderWay(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	h.grown(70)
	if err := flip(filepath.Join(h.cfg.Dir, "public/tile/0/000.p/70")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Proof(t.Context(), Public, 3); !errors.Is(err, ErrDamaged) {
		t.Errorf("proof: %v", err)
	}
	if _, err := h.Publish(t.Context(), fact("b")); err == nil {
		err = h.Flush(t.Context())
		if err == nil {
			t.Error("a log that does not continue the shown checkpoint was signed")
		}
	}
	if h.Size(Public) != 70 {
		t.Errorf("shows %d entries", h.Size(Public))
	}
}

// The daily reading finds what no proof has touched.
func TestScrub(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(dir string) error{
		"an old entry":     func(d string) error { return flip(filepath.Join(d, "public/tile/entries/000")) },
		"an old tile":      func(d string) error { return flip(filepath.Join(d, "public/tile/0/001")) },
		"a missing bundle": func(d string) error { return os.Remove(filepath.Join(d, "public/tile/entries/001")) },
		"a short tile":     func(d string) error { return os.Truncate(filepath.Join(d, "public/tile/0/000"), 64) },
	} {
		h := newTown(t).home("a").mustOpen()
		h.grown(600)
		if err := h.Scrub(t.Context()); err != nil || h.Counts().Damaged != 0 {
			t.Fatalf("a whole log: %v", err)
		}
		if err := damage(h.cfg.Dir); err != nil {
			t.Fatal(err)
		}
		if err := h.Scrub(t.Context()); !errors.Is(err, ErrDamaged) || h.Counts().Damaged != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An old copy of the folder: the witness remembers, and so does the database.
func TestOldCopyIsRefused(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"witness", "database", "witness of a lost folder"} {
		w := newTown(t)
		a, b := w.home("a"), w.home("b").mustOpen()
		if who != "database" {
			a.asksOf(b)
		}
		a.mustOpen()
		a.leaves.add(leafOf(1))
		a.mustTick()
		a.mustClose()
		old := copyDir(t, a.cfg.Dir)
		a.mustOpen()
		if who == "database" {
			a.leaves.add(leafOf(2))
		}
		a.mustTick()
		a.mustClose()
		a.cfg.Dir = old
		if who == "witness of a lost folder" {
			a.cfg.Dir, a.cfg.Leaves = t.TempDir(), newQueue()
		}
		err := a.open()
		if !errors.Is(err, ledger.ErrRollback) || !strings.Contains(err.Error(), "Put the newest copy") {
			t.Errorf("%s: %v", who, err)
		}
		// Without the witness, again: the proof was kept.
		b.mustClose()
		if err := a.open(); !errors.Is(err, ledger.ErrRollback) {
			t.Errorf("%s, asked again: %v", who, err)
		}
		if err := BeginAnew(a.cfg.Dir, start()); err != nil {
			t.Fatal(err)
		}
		if err := a.open(); err != nil {
			t.Errorf("%s, given up: %v", who, err)
		}
	}
}

// A witness that is away or lies at the start stops nothing.
func TestStartWithoutWitness(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.home("a"), w.home("b").mustOpen()
	a.asksOf(b)
	a.mustOpen()
	a.mustTick()
	a.cfg.AskWait = 300 * time.Millisecond
	for name, handler := range map[string]http.Handler{
		"away":   nil,
		"lies":   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, forged()) }),
		"stalls": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
	} {
		a.mustClose()
		b.serve(handler)
		if err := a.open(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two nodes sign with one key. The witness saw one of them; the other one stops
// signing as soon as it asks, keeps the proof, and does not start again.
func TestTwoNodesOneKey(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	one, b := w.home("a"), w.home("b").mustOpen()
	one.asksOf(b)
	one.mustOpen()
	one.mustPublish("policies/common")
	one.mustFlush()
	one.mustClose()
	two := w.home("a") // the same key and name; the town's address book knows the second one
	two.cfg.Dir = copyDir(t, one.cfg.Dir)
	two.asksOf(b)
	two.mustOpen()
	one.mustOpen()
	one.mustPublish("policies/one")
	one.mustFlush()
	two.mustPublish("policies/two")
	err := two.Flush(t.Context())
	if !errors.Is(err, ErrHalted) || !errors.Is(err, ledger.ErrFork) {
		t.Fatalf("signing a second history: %v", err)
	}
	if _, err := two.Publish(t.Context(), fact("c")); !errors.Is(err, ErrHalted) {
		t.Errorf("publish afterwards: %v", err)
	}
	if err := two.Tick(t.Context()); !errors.Is(err, ErrHalted) {
		t.Errorf("tick afterwards: %v", err)
	}
	if two.Counts().Halted != 1 || two.Size(Public) != 1 {
		t.Errorf("counts %+v", two.Counts())
	}
	if b.Counts().Forks != 1 {
		t.Errorf("the witness counts %+v", b.Counts())
	}
	proof, err := os.ReadFile(filepath.Join(two.cfg.Dir, evidenceFile))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ledger.OpenCheckpoint(firstNote(proof), two.NodeLedger().Public)
	if err != nil || theirs.Size != 2 {
		t.Errorf("kept proof of size %d: %v", theirs.Size, err)
	}
	two.mustClose()
	b.mustClose() // nobody can be asked, the proof is enough
	if err := two.open(); !errors.Is(err, ledger.ErrFork) || !strings.Contains(err.Error(), "Stop the other one") {
		t.Errorf("started again: %v", err)
	}
	one.mustPublish("policies/three")
	one.mustFlush()
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	a, b := w.home("a"), w.home("b").mustOpen()
	a.asksOf(b)
	a.mustOpen()
	for i := range 700 {
		a.leaves.add(leafOf(i))
	}
	a.mustTick()
	a.grown(5)
	a.mustClose()
	to := t.TempDir()
	if err := Adopt(t.Context(), a.cfg.Dir, to, a.cfg.Authority, a.cfg.Key); err != nil {
		t.Fatal(err)
	}
	a.cfg.Dir = to
	a.mustOpen()
	if a.Size(Commitments) != 1024 || a.Size(Public) != 5 {
		t.Errorf("sizes %d, %d", a.Size(Commitments), a.Size(Public))
	}
	a.mustTick()
	if got := a.checkpoint(Commitments, b); len(got.Cosigned) != 1 {
		t.Errorf("the witness does not go on: %+v", a.Counts())
	}
	a.mustClose()
	// A mirror that was cut or edited is none.
	for _, damage := range []func(string) error{flip, os.Remove, func(p string) error { return os.Truncate(p, 3000) }} {
		bad := copyDir(t, a.cfg.Dir)
		if err := damage(filepath.Join(bad, "commitments/tile/entries/001")); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "ledger")
		if err := Adopt(t.Context(), bad, to, a.cfg.Authority, a.cfg.Key); !errors.Is(err, ErrDamaged) {
			t.Errorf("a damaged copy: %v", err)
		}
		if _, err := os.Stat(filepath.Join(to, Commitments)); err == nil {
			t.Error("a damaged copy was left behind")
		}
	}
}

func TestReadKept(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	for i := range 100 {
		h.leaves.add(leafOf(i))
	}
	h.mustTick()
	h.mustTick()
	h.mustTick()
	want := h.entries(Commitments)
	log := h.NodeLedger().Commitments
	h.mustClose()
	k, err := ReadKept(filepath.Join(h.cfg.Dir, Commitments), log)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	if err := k.Entries(func(_ uint64, e []byte) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 256 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	if _, err := ReadKept(t.TempDir(), log); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := ReadKept(filepath.Join(h.cfg.Dir, Public), log); !errors.Is(err, ledger.ErrSignature) {
		t.Errorf("another log: %v", err)
	}
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	h := newTown(t).home("a").mustOpen()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Publish(ctx, fact("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("publish: %v", err)
	}
}
