package client_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/link/linktest"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/ledger"

	"golang.org/x/mod/sumdb/note"
)

const logNode = "h.localhost:8401"

// logging is a node with a ledger that a test can have lie.
type logging struct {
	*linktest.Node
	t       *testing.T
	key     ed25519.PrivateKey
	signer  note.Signer
	log     ledger.Log
	clock   *clock.Manual
	entries [][32]byte // of the commitments log
	leaf    func() [32]byte
	checked *client.PledgesForTest
}

func newLogging(t *testing.T) *logging {
	t.Helper()
	origin := ledger.CommitmentsOrigin(logNode)
	l := &logging{Node: linktest.New(), t: t, clock: clock.NewManual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))}
	var err error
	if _, l.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	logKey, err := ledger.DeriveKey(l.key.Seed(), ledger.CommitmentsKey)
	if err != nil {
		t.Fatal(err)
	}
	if l.signer, err = ledger.NewSigner(origin, logKey); err != nil {
		t.Fatal(err)
	}
	l.log = ledger.Log{Origin: origin, URL: "http://" + logNode + "/ledger/commitments", Key: ledger.LogKey(origin, logKey.Public().(ed25519.PublicKey))}
	l.leaf = func() [32]byte { return [32]byte{1, 2, 3} }
	l.Answer = l.answer
	l.open(filepath.Join(t.TempDir(), "pledges.json"))
	return l
}

func (l *logging) open(file string) {
	l.t.Helper()
	var err error
	if l.checked, err = client.OpenPledgesForTest(file, client.Calls{Transport: l, Clock: l.clock}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *logging) answer(r client.Request) (client.Response, error) {
	switch {
	case strings.HasSuffix(r.URL, wire.NodePath):
		return linktest.JSON(http.StatusOK, wire.NodeInfo{
			Authority: logNode, Keys: []wire.NodeKey{{ID: "1", X: l.key.Public().(ed25519.PublicKey)}}, Ledger: &ledger.NodeLedger{Commitments: l.log},
		}), nil
	case strings.Contains(r.URL, wire.LedgerProofPath) && len(l.entries) > 0:
		return client.Response{Status: http.StatusOK, Body: l.proof(l.leaf())}, nil
	}
	return linktest.JSON(http.StatusConflict, wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotYet, Status: http.StatusConflict}), nil
}

// proof is the tlog-proof of the first entry that is the leaf, or else of the
// first one.
func (l *logging) proof(leaf [32]byte) []byte {
	l.t.Helper()
	index := 0
	var hashes [][32]byte
	for i, e := range l.entries {
		hashes = append(hashes, ledger.LeafHash(e[:]))
		if e == leaf {
			index = i
		}
	}
	text, err := note.Sign(&note.Note{Text: ledger.Body(l.log.Origin, uint64(len(hashes)), ledger.TreeRoot(hashes))}, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return ledger.Receipt{Index: uint64(index), Hashes: ledger.TreePath(hashes, index), Checkpoint: string(text)}.Text()
}

// promise makes the node's promise for now + d, and has the client keep it.
func (l *logging) promise(leaf [32]byte, d time.Duration) {
	l.t.Helper()
	p, err := ledger.Promise{Origin: l.log.Origin, Leaf: leaf[:], By: l.clock.Now().Add(d)}.Sign("", l.key)
	if err != nil {
		l.t.Fatal(err)
	}
	l.take(leaf, p)
}

func (l *logging) take(leaf [32]byte, promise string) {
	l.t.Helper()
	if err := l.checked.Take(client.Pledge{About: "g", Event: "Withdrawn", Node: logNode, Leaf: leaf[:], Promise: promise}); err != nil {
		l.t.Fatal(err)
	}
}

// work checks all that is due until moment d from now.
func (l *logging) work(d time.Duration) {
	l.t.Helper()
	end := l.clock.Now().Add(d)
	for {
		next := l.checked.Work(l.t.Context())
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(l.clock.Now()) {
			l.clock.Set(next)
		}
	}
	l.clock.Set(end)
}

// found demands one finding, or none for "".
func (l *logging) found(reason string) {
	l.t.Helper()
	if got := strings.Join(l.checked.Findings, "; "); !strings.HasPrefix(got, reason) || reason == "" && got != "" {
		l.t.Fatalf("found %q, want %q", got, reason)
	}
}

func TestAKeptPromiseIsProved(t *testing.T) {
	t.Parallel()
	l := newLogging(t)
	l.promise(l.leaf(), 6*time.Hour)
	l.work(time.Minute)
	if all := l.checked.All(); len(all) != 1 || all[0].By.IsZero() || all[0].Proof != "" {
		t.Fatalf("after the promise: %+v", all)
	}
	if l.Count("leaf=") != 0 {
		t.Error("the proof was asked for before the tick")
	}
	l.entries = [][32]byte{{9}, l.leaf(), {7}}
	l.work(7 * time.Hour)
	l.found("")
	all := l.checked.All()
	if all[0].Proof == "" {
		t.Fatal("not proved after the tick")
	}
	r, err := ledger.ParseReceipt([]byte(all[0].Proof))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.Verify(all[0].Leaf, l.log); err != nil || c.Size != 3 {
		t.Fatalf("what was kept: %v", err)
	}
	l.take(l.leaf(), "") // the same again is answered already
	if len(l.checked.All()) != 1 {
		t.Error("kept twice")
	}
}

func TestBrokenPromisesAreFound(t *testing.T) {
	t.Parallel()
	leaf, other := [32]byte{1, 2, 3}, [32]byte{4}
	for name, c := range map[string]struct {
		lie  func(*logging)
		want string
	}{
		"none at all":     {func(l *logging) { l.take(leaf, "") }, client.FindingPromise},
		"noise":           {func(l *logging) { l.take(leaf, "a.b.c") }, client.FindingPromise},
		"too late":        {func(l *logging) { l.promise(leaf, 30*24*time.Hour) }, client.FindingPromise},
		"never logged":    {func(l *logging) { l.promise(leaf, time.Hour) }, client.FindingOmitted},
		"another's entry": {func(l *logging) { l.promise(leaf, time.Hour); l.entries = [][32]byte{other} }, client.FindingProof},
		"another's promise": {func(l *logging) {
			p, _ := ledger.Promise{Origin: l.log.Origin, Leaf: other[:], By: l.clock.Now()}.Sign("", l.key)
			l.take(leaf, p)
		}, client.FindingPromise},
		"another's key": {func(l *logging) {
			_, key, _ := ed25519.GenerateKey(rand.Reader)
			p, _ := ledger.Promise{Origin: l.log.Origin, Leaf: leaf[:], By: l.clock.Now()}.Sign("", key)
			l.take(leaf, p)
		}, client.FindingPromise},
		"a shorter log": {func(l *logging) {
			l.promise(leaf, time.Hour)
			l.entries = [][32]byte{other, leaf}
			l.work(2 * time.Hour)
			l.found("")
			l.promise([32]byte{5}, time.Hour)
			l.entries, l.leaf = [][32]byte{{5}}, func() [32]byte { return [32]byte{5} }
		}, client.FindingForked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogging(t)
			c.lie(l)
			l.work(3 * time.Hour)
			l.found(c.want)
		})
	}
}

func TestAnotherLogIsSaidOnce(t *testing.T) {
	t.Parallel()
	l := newLogging(t)
	for i, entries := range [][][32]byte{{{1}, {9}}, {{2}}, {{2}, {3}}} {
		l.entries = entries
		leaf := entries[len(entries)-1]
		l.leaf = func() [32]byte { return leaf }
		l.promise(leaf, time.Hour)
		l.work(3 * time.Hour)
		if want := min(i, 1); len(l.checked.Findings) != want {
			t.Fatalf("after log %d: %q", i, l.checked.Findings)
		}
	}
}

func TestASilentNodeIsNoLiar(t *testing.T) {
	t.Parallel()
	l := newLogging(t)
	file := filepath.Join(t.TempDir(), "pledges.json")
	l.open(file)
	l.SetDown(true)
	l.promise(l.leaf(), time.Hour)
	l.work(5 * time.Hour)
	l.found("")
	l.open(file) // the client was off
	l.SetDown(false)
	l.entries = [][32]byte{l.leaf()}
	l.work(time.Hour)
	l.found("")
	if all := l.checked.All(); len(all) != 1 || all[0].Proof == "" {
		t.Fatalf("after the outage: %+v", all)
	}
}
