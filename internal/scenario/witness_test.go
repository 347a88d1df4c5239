package scenario

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/monitor"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/notary"
	logbook "primum/ledger"
)

// twoOperators are nodes H and S that witness each other, each by its
// configuration, and whose ledgers tick every minute of a manual clock.
type twoOperators struct {
	clock *clock.Manual
	h, s  *nodeRun
	dir   string // of H
	cfg   node.Config
	ticks uint64
}

func newTwoOperators(t *testing.T) *twoOperators {
	t.Helper()
	w := &twoOperators{clock: clock.NewManual(time.Date(2026, 11, 23, 8, 0, 30, 0, time.UTC)), dir: filepath.Join(t.TempDir(), "h")}
	config := func(host, dir string) node.Config {
		return node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: dir, Clock: w.clock, LedgerEvery: node.Duration(time.Minute)}
	}
	// Each learns its address on a first start, so that the other can name it.
	w.cfg = config("h.localhost", w.dir)
	first := runNode(t, w.cfg)
	s := config("s.localhost", filepath.Join(t.TempDir(), "s"))
	s.Witnesses = []string{first.node.Authority()}
	w.s = runNode(t, s)
	w.cfg.Witnesses, w.cfg.Listen = []string{w.s.node.Authority()}, first.node.Addr()
	first.stop(t)
	w.h = runNode(t, w.cfg)
	w.tick(t)
	return w
}

// tick lets a minute pass, and waits until both logs of both nodes are cosigned
// by the other.
func (w *twoOperators) tick(t *testing.T) {
	t.Helper()
	w.clock.Advance(time.Minute)
	w.ticks++
	for _, n := range []*nodeRun{w.h, w.s} {
		eventually(t, "both logs are cosigned", func() bool {
			_, r, err := w.stranger(t, nil).Verify(t.Context(), n.node.Authority(), logbook.Options{Patience: -1})
			return err == nil && r.Commitments.Checkpoint.Size >= 64*w.ticks && witnessed(r.Public) && witnessed(r.Commitments)
		})
	}
}

func witnessed(l logbook.LogReport) bool { return len(l.Witnesses) == 1 && l.Witnesses[0].Good }

// stranger is a machine that never saw these nodes. lie answers for the ledger
// of H in its place, nil is the truth.
func (w *twoOperators) stranger(t *testing.T, lie http.Handler) *monitor.Monitor {
	t.Helper()
	direct := nethttp.New(nethttp.Options{LAN: true})
	t.Cleanup(direct.Close)
	m := &monitor.Monitor{Calls: client.Calls{Transport: direct, Clock: w.clock}, Dir: t.TempDir()}
	w.deceive(m, lie)
	return m
}

func (w *twoOperators) deceive(m *monitor.Monitor, lie http.Handler) {
	if lie == nil {
		return
	}
	m.Calls.Transport = &lyingLedger{Transport: m.Calls.Transport, below: identity.BaseURL(w.h.node.Authority()) + "/ledger/", lie: lie}
}

// lyingLedger is a node that shows another ledger.
type lyingLedger struct {
	client.Transport
	below string
	lie   http.Handler
}

func (l *lyingLedger) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if !strings.HasPrefix(r.URL, l.below) {
		return l.Transport.Do(ctx, r)
	}
	rec := httptest.NewRecorder()
	l.lie.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body)))
	out := client.Response{Status: rec.Code, Header: map[string]string{}, Body: rec.Body.Bytes()}
	for name := range rec.Header() {
		out.Header[name] = rec.Header().Get(name)
	}
	return out, nil
}

// nodeKey reads the key of a node's directory, as its operator could.
func nodeKey(t *testing.T, dir string) ed25519.PrivateKey {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(ed25519.PrivateKey)
}

// another opens a copy of H's ledger with H's key, asking nobody.
func (w *twoOperators) another(t *testing.T, dir string) *notary.Notary {
	t.Helper()
	n, err := notary.Open(t.Context(), notary.Config{
		Dir: dir, Authority: w.h.node.Authority(), Base: w.h.node.BaseURL(), Key: nodeKey(t, w.dir), Clock: w.clock,
		Log: slog.New(slog.DiscardHandler), Every: time.Minute, Leaves: &noLeaves{},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// noLeaves is the queue of a liar: there are dummies in it, and nothing that
// people were promised.
type noLeaves struct{ dummies []notary.Leaf }

func (q *noLeaves) Pending(context.Context, int) ([]notary.Leaf, error) { return q.dummies, nil }

func (q *noLeaves) Fill(_ context.Context, dummies [][32]byte) error {
	for i, d := range dummies {
		q.dummies = append(q.dummies, notary.Leaf{Seq: int64(i), Hash: d})
	}
	return nil
}

func (q *noLeaves) Placed(context.Context, map[int64]uint64) error {
	q.dummies = nil
	return nil
}

func (q *noLeaves) IndexOf(context.Context, [32]byte) (uint64, bool, error) {
	return 0, false, notary.ErrUnknown
}

func (q *noLeaves) Last(context.Context) (h [32]byte, i uint64, ok bool, err error) { return }

// Two operators witness each other. A stranger's machine verifies both, and
// catches a fork, a rollback and an edited tile: at the second visit by what it
// kept, at the first one by what the other operator's witness saw or did not sign.
func TestOperatorsWitnessEachOther(t *testing.T) {
	t.Parallel()
	w := newTwoOperators(t)
	old := filepath.Join(t.TempDir(), "old")
	eventually(t, "copy the ledger between two writings", func() bool {
		_ = os.RemoveAll(old)
		return os.CopyFS(old, os.DirFS(filepath.Join(w.dir, "ledger"))) == nil
	})
	fork := filepath.Join(t.TempDir(), "fork")
	if err := os.CopyFS(fork, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	rolledBack, forked := w.another(t, old), w.another(t, fork)
	w.tick(t)
	for range 3 {
		if err := forked.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	known := w.stranger(t, nil)
	for _, n := range []*nodeRun{w.h, w.s} {
		_, r, err := known.Verify(t.Context(), n.node.Authority(), logbook.Options{MinWitnesses: 1, Full: true})
		if err != nil || !witnessed(r.Public) || !witnessed(r.Commitments) || r.Commitments.Read < 128 {
			t.Fatalf("the truth about %s: %v, %+v", n.node.Authority(), err, r)
		}
	}
	for name, c := range map[string]struct {
		lie  http.Handler
		want error // at the second visit
		new  error // at the first one
	}{
		"rollback":    {rolledBack.Handler(), logbook.ErrRollback, logbook.ErrRollback},
		"fork":        {forked.Handler(), logbook.ErrFork, logbook.ErrWitness}, // no witness signs it
		"edited tile": {w.edited("/tile/entries/"), logbook.ErrTampered, logbook.ErrTampered},
		"edited hash": {w.edited("/tile/0/"), logbook.ErrTampered, logbook.ErrTampered},
	} {
		for m, want := range map[*monitor.Monitor]error{w.visitor(t, known): c.want, w.stranger(t, nil): c.new} {
			w.deceive(m, c.lie)
			_, _, err := m.Verify(t.Context(), w.h.node.Authority(), logbook.Options{Full: true, MinWitnesses: 1, Patience: -1})
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
}

// visitor is a copy of a machine that knows the nodes.
func (w *twoOperators) visitor(t *testing.T, known *monitor.Monitor) *monitor.Monitor {
	t.Helper()
	m := w.stranger(t, nil)
	if err := os.CopyFS(m.Dir, os.DirFS(known.Dir)); err != nil {
		t.Fatal(err)
	}
	return m
}

// edited is H's own ledger with one bit of the files below a path turned.
func (w *twoOperators) edited(below string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		direct := nethttp.New(nethttp.Options{LAN: true})
		defer direct.Close()
		resp, err := direct.Do(r.Context(), client.Request{Method: r.Method, URL: r.URL.String(), Max: 2 << 20})
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		if strings.Contains(r.URL.Path, below) && resp.Status == http.StatusOK {
			resp.Body[len(resp.Body)/2] ^= 1
		}
		rw.WriteHeader(resp.Status)
		_, _ = rw.Write(resp.Body)
	})
}

// H's operator puts an old copy of the ledger in its place. The other operator's
// witness remembers: the node does not start, and says what to do.
func TestOldLedgerDoesNotStart(t *testing.T) {
	t.Parallel()
	w := newTwoOperators(t)
	w.h.stop(t)
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(w.dir, "ledger"))); err != nil {
		t.Fatal(err)
	}
	w.h = runNode(t, w.cfg)
	w.tick(t)
	w.h.stop(t)
	folder := filepath.Join(w.dir, "ledger")
	if err := errors.Join(os.Rename(folder, folder+".newest"), os.Rename(old, folder)); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), w.cfg)
	if err == nil {
		_ = n.Close()
	}
	if !errors.Is(err, logbook.ErrRollback) || !strings.Contains(fmt.Sprint(err), "Put the newest copy") {
		t.Fatalf("an old ledger: %v", err)
	}
	if err := errors.Join(os.RemoveAll(folder), os.Rename(folder+".newest", folder)); err != nil {
		t.Fatal(err)
	}
	w.h = runNode(t, w.cfg)
	w.tick(t)
}
