package scenario

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/grant"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/store"
	"primum/internal/wire"
	logbook "primum/ledger"
)

// endedInLog checks what the restored node says of the two grants.
func (w *handWorld) endedInLog(t *testing.T) {
	t.Helper()
	if kept, ended := w.states(t); kept != string(grant.Given) || ended != string(grant.Withdrawn) {
		t.Fatalf("after the restore the one is %s, the other %s", kept, ended)
	}
	again := w.ended.ended
	w.ended.end(t, w.owner)
	if w.ended.ended.State != again.State || w.ended.ended.Promise == "" {
		t.Fatalf("withdrawn again: %+v", w.ended.ended)
	}
	proved(t, w.owner, w.ended, w.ended.ended) // the old leaf still is where it was
}

// TestWithdrawalSurvivesABackup: the backup knows nothing of the withdrawal; the
// ledger does. The grant is over before the node answers anybody.
func TestWithdrawalSurvivesABackup(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]func(*handWorld) string{
		"the old disk's ledger": func(w *handWorld) string { return filepath.Join(w.dir, "ledger") },
		"a stranger's mirror":   func(w *handWorld) string { return w.mirror },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newHandWorld(t)
			w.survives(t, from(w))
		})
	}
}

func (w *handWorld) survives(t *testing.T, ledgerFolder string) {
	t.Helper()
	r, dir, err := w.restore(t, func(o *node.Restoration) { o.Ledger = ledgerFolder })
	if err != nil || r.Compared == nil || r.Compared.Grants != 2 || r.Compared.Ended != 1 {
		t.Fatalf("restore: %v, %+v", err, r.Compared)
	}
	if _, err := w.start(t, dir); err != nil {
		t.Fatal(err)
	}
	w.endedInLog(t)
	friend := newAccount(t, w.authority, "late", w.clock) // the node works on, and so does its log
	g := handGive(t, w.owner, friend, w.clock.Now())
	g.file(t, w.owner)
	w.tick()
	proved(t, w.owner, g, g.given)
}

// TestRestoreWithoutALedger: nothing is known of withdrawals, and the node says
// so and does not start, before its ledger is brought; then it compares.
func TestRestoreWithoutALedger(t *testing.T) {
	t.Parallel()
	w := newHandWorld(t)
	r, dir, err := w.restore(t, func(*node.Restoration) {})
	if err != nil || r.Compared != nil {
		t.Fatalf("restore: %v, %+v", err, r)
	}
	if _, err := w.start(t, dir); !errors.Is(err, logbook.ErrRollback) || !strings.Contains(err.Error(), "--new-ledger") {
		t.Fatalf("started without its ledger: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "ledger"), os.DirFS(filepath.Join(w.dir, "ledger"))); err != nil {
		t.Fatal(err)
	}
	if _, err := w.start(t, dir); err != nil {
		t.Fatal(err)
	}
	w.endedInLog(t)
}

// TestRestoreWithANewLedger: the operator gives the old log up. What it promised
// stands in the new one, and the revived grant waits for its thing.
func TestRestoreWithANewLedger(t *testing.T) {
	t.Parallel()
	w := newHandWorld(t)
	_, dir, err := w.restore(t, func(o *node.Restoration) { o.NewLedger = true })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.start(t, dir); err != nil {
		t.Fatal(err)
	}
	w.tick()
	proved(t, w.owner, w.kept, w.kept.given)
	if kept, ended := w.states(t); kept != string(grant.Given) || ended != string(grant.Given) {
		t.Fatalf("nobody can know: %s, %s", kept, ended)
	}
	_, err = w.owner.node.LedgerProof(t.Context(), w.ended.leaf(grant.Withdrawn))
	if !client.IsProblem(err, wire.ProbNotFound) {
		t.Fatalf("a leaf of the lost log: %v", err)
	}
}

// TestRestoreWithAnOldLedger: a copy of the ledger that is older than the backup,
// or another node's, or damaged, is not taken for the newest.
func TestRestoreWithAnOldLedger(t *testing.T) {
	t.Parallel()
	w := newHandWorld(t)
	later := filepath.Join(t.TempDir(), "later")
	if _, err := node.Backup(t.Context(), w.dir, later, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	w.backup = later
	_, dir, err := w.restore(t, func(o *node.Restoration) { o.Ledger = w.copyOfLedger })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.start(t, dir); !errors.Is(err, logbook.ErrRollback) {
		t.Fatalf("started with an older ledger: %v", err)
	}
	other := newHandWorld(t)
	if _, _, err := w.restore(t, func(o *node.Restoration) { o.Ledger = filepath.Join(other.dir, "ledger") }); err == nil {
		t.Fatal("another node's ledger was taken")
	}
	bundle := filepath.Join(w.copyOfLedger, "commitments", filepath.FromSlash(logbook.BundlePath(0, 64)))
	b, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(bundle, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.restore(t, func(o *node.Restoration) { o.Ledger = w.copyOfLedger }); err == nil {
		t.Fatal("a damaged ledger was taken")
	}
}

// TestARestoredGrantIsOverOnDisk: the store that a restore made has the grant
// that the log ended as ended by the node, before any node opens it.
func TestARestoredGrantIsOverOnDisk(t *testing.T) {
	t.Parallel()
	w := newHandWorld(t)
	_, dir, err := w.restore(t, func(o *node.Restoration) { o.Ledger = filepath.Join(w.dir, "ledger") })
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), filepath.Join(dir, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	g, err := st.Grants.Get(t.Context(), w.ended.Grant)
	if err != nil || g.State != string(grant.Withdrawn) {
		t.Fatalf("grant: %v, %s", err, g.State)
	}
	events, err := st.Grants.Events(t.Context(), g.ID)
	if err != nil || len(events) != 2 || events[1].By != string(grant.ByNode) {
		t.Fatalf("its history: %v, %+v", err, events)
	}
}

// TestRestoreWithAnOldMirror: backup and mirror agree with each other, and both
// are older than what a witness has cosigned: the node does not start.
func TestRestoreWithAnOldMirror(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(time.Date(2026, 11, 23, 8, 0, 30, 0, time.UTC))
	witness := runNode(t, node.Config{Authority: "s.localhost", Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "s"), Clock: c})
	w := newHandWorldAt(t, c, witness.node.Authority())
	for _, name := range []string{"public", "commitments"} { // as a mirror is: without a memory of witnesses
		if err := os.Rename(filepath.Join(w.copyOfLedger, name), filepath.Join(w.oldMirror(t), name)); err != nil {
			t.Fatal(err)
		}
	}
	_, dir, err := w.restore(t, func(o *node.Restoration) { o.Ledger = w.oldMirror(t) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.start(t, dir); !errors.Is(err, logbook.ErrRollback) {
		t.Fatalf("started with an old mirror: %v", err)
	}
	_, dir, err = w.restore(t, func(o *node.Restoration) { o.Ledger = w.mirror })
	if err != nil {
		t.Fatal(err)
	}
	n, err := w.start(t, dir)
	if err != nil {
		t.Fatalf("with the newest mirror: %v", err)
	}
	w.endedInLog(t)
	n.stop(t)
	// What is not the newest can be compared with, and given up.
	r, dir, err := w.restore(t, func(o *node.Restoration) { o.Ledger, o.NewLedger = w.mirror, true })
	if err != nil || r.Compared == nil || r.Compared.Ended != 1 {
		t.Fatalf("compared and given up: %v, %+v", err, r.Compared)
	}
	if _, err := w.start(t, dir); err != nil {
		t.Fatal(err)
	}
	if kept, ended := w.states(t); kept != string(grant.Given) || ended != string(grant.Withdrawn) {
		t.Fatalf("after giving the ledger up: %s, %s", kept, ended)
	}
}

func (w *handWorld) oldMirror(t *testing.T) string {
	t.Helper()
	dir := w.copyOfLedger + "-mirror"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
