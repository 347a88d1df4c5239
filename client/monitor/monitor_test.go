package monitor_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"primum/client/link"
	"primum/client/monitor"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/ledger"
)

const authority = "h.example"

// host is a node with a commitments log of one tile, as a transport.
type host struct {
	clock  *clock.Manual
	key    ed25519.PrivateKey
	log    ledger.Log
	signer note.Signer
	leaves [][]byte
	files  map[string][]byte
	proofs map[string]string // by leaf in hex; "" is "not yet"
}

func (h *host) Do(_ context.Context, r link.Request) (link.Response, error) {
	path := strings.TrimPrefix(r.URL, "https://"+authority)
	if leaf, ok := strings.CutPrefix(path, wire.LedgerProofPath+"?leaf="); ok {
		text, known := h.proofs[leaf]
		switch {
		case text != "":
			return link.Response{Status: 200, Body: []byte(text)}, nil
		case known:
			return problem(wire.ProbNotYet, 409), nil
		}
		return problem(wire.ProbNotFound, 404), nil
	}
	if b, ok := h.files[path]; ok {
		return link.Response{Status: 200, Body: b}, nil
	}
	return link.Response{Status: 404}, nil
}

func problem(name string, status int) link.Response {
	b, _ := json.Marshal(wire.Problem{Type: wire.ProblemPrefix + name, Status: status})
	return link.Response{Status: status, Body: b, Header: map[string]string{"content-type": "application/problem+json"}}
}

func (*host) Open(context.Context, string, []string) (link.Socket, error) {
	return nil, errors.New("no sockets here")
}

func newHost(t *testing.T) *host {
	t.Helper()
	seed := make([]byte, 32)
	h := &host{
		clock: clock.NewManual(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)), key: ed25519.NewKeyFromSeed(seed),
		files: map[string][]byte{}, proofs: map[string]string{},
	}
	key := must(ledger.DeriveKey(seed, ledger.CommitmentsKey))(t)
	origin := ledger.CommitmentsOrigin(authority)
	h.log = ledger.Log{Origin: origin, URL: "https://" + authority + "/ledger/commitments", Key: ledger.LogKey(origin, key.Public().(ed25519.PublicKey))}
	h.signer = must(ledger.NewSigner(origin, key))(t)
	pkey := must(ledger.DeriveKey(seed, ledger.PublicKey))(t)
	porigin := ledger.PublicOrigin(authority)
	public := ledger.Log{Origin: porigin, URL: "https://" + authority + "/ledger/public", Key: ledger.LogKey(porigin, pkey.Public().(ed25519.PublicKey))}
	empty := note.Note{Text: ledger.Body(porigin, 0, ledger.TreeRoot(nil))}
	h.files["/ledger/public/checkpoint"] = must(note.Sign(&empty, must(ledger.NewSigner(porigin, pkey))(t)))(t)
	h.files[ledger.NodePath] = must(json.Marshal(wire.NodeInfo{
		Authority: authority, Keys: []wire.NodeKey{{ID: "node", X: h.key.Public().(ed25519.PublicKey)}},
		Ledger: &ledger.NodeLedger{Public: public, Commitments: h.log},
	}))(t)
	h.tick(t)
	return h
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

// tick signs the leaves so far and proves each.
func (h *host) tick(t *testing.T) {
	t.Helper()
	var hashes [][32]byte
	var tile, bundle []byte
	for _, l := range h.leaves {
		leaf := ledger.LeafHash(l)
		hashes, tile = append(hashes, leaf), append(tile, leaf[:]...)
		bundle = append(append(bundle, 0, byte(len(l))), l...)
	}
	text := must(note.Sign(&note.Note{Text: ledger.Body(h.log.Origin, uint64(len(hashes)), ledger.TreeRoot(hashes))}, h.signer))(t)
	h.files["/ledger/commitments/checkpoint"] = text
	h.files["/ledger/commitments"+ledger.TilePath(0, 0, len(hashes))] = tile
	h.files["/ledger/commitments"+ledger.BundlePath(0, len(hashes))] = bundle
	for i, l := range h.leaves {
		r := ledger.Receipt{Index: uint64(i), Hashes: ledger.TreePath(hashes, i), Checkpoint: string(text)}
		h.proofs[hex.EncodeToString(l)] = string(r.Text())
	}
}

func (h *host) promise(t *testing.T, leaf [32]byte) string {
	t.Helper()
	p := ledger.Promise{Origin: h.log.Origin, Leaf: leaf[:], By: h.clock.Now().Add(6 * time.Hour)}
	return must(p.Sign("node", h.key))(t)
}

func (h *host) monitor(t *testing.T) monitor.Monitor {
	return monitor.Monitor{Calls: link.Calls{Transport: h, Clock: h.clock}, Dir: t.TempDir()}
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := h.monitor(t)
	kept, lost := ledger.GrantLeaf([]byte("k"), "withdrawn"), ledger.GrantLeaf([]byte("k"), "given")
	good, broken := h.promise(t, kept), h.promise(t, lost)
	h.proofs[hex.EncodeToString(kept[:])] = ""
	for _, promise := range []string{good, broken} {
		if p, err := m.Redeem(t.Context(), promise); !errors.Is(err, monitor.ErrWaiting) || p.By.IsZero() {
			t.Errorf("before its time: %v", err)
		}
	}
	h.leaves = append(h.leaves, kept[:])
	h.tick(t)
	h.clock.Advance(6*time.Hour + ledger.Grace + time.Second)
	p, err := m.Redeem(t.Context(), good)
	if err != nil || p.Checkpoint.Size != 1 || p.Receipt.Index != 0 {
		t.Errorf("kept: %+v, %v", p, err)
	}
	var f *ledger.Finding
	if _, err := m.Redeem(t.Context(), broken); !errors.Is(err, ledger.ErrOmitted) || !errors.As(err, &f) || f.Evidence[0] != broken {
		t.Errorf("broken: %v", err)
	}
	h.proofs[hex.EncodeToString(lost[:])] = h.proofs[hex.EncodeToString(kept[:])]
	if _, err := m.Redeem(t.Context(), broken); !errors.Is(err, ledger.ErrProof) {
		t.Errorf("another leaf's proof: %v", err)
	}
	forged := must(ledger.Promise{Origin: h.log.Origin, Leaf: lost[:], By: h.clock.Now()}.Sign("node", ed25519.NewKeyFromSeed(append(make([]byte, 31), 1))))(t)
	if _, err := m.Redeem(t.Context(), forged); !errors.Is(err, ledger.ErrSignature) {
		t.Errorf("a stranger's promise: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := h.monitor(t)
	leaf := ledger.GrantLeaf([]byte("k"), "withdrawn")
	h.leaves = append(h.leaves, leaf[:])
	h.tick(t)
	text := []byte(h.proofs[hex.EncodeToString(leaf[:])])
	entry := must(m.EntryAt(t.Context(), text))(t)
	if string(entry) != string(leaf[:]) {
		t.Errorf("the log has %x", entry)
	}
	must(m.Check(t.Context(), text, leaf[:]))(t)
	if _, err := m.Check(t.Context(), text, []byte("another")); !errors.Is(err, ledger.ErrProof) {
		t.Errorf("another entry: %v", err)
	}
	// What was kept is enough when the node is gone.
	if _, _, err := m.Verify(t.Context(), authority, ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	delete(h.files, ledger.NodePath)
	must(m.Check(t.Context(), text, leaf[:]))(t)
	stranger := h.monitor(t)
	if _, err := stranger.Check(t.Context(), text, leaf[:]); !errors.Is(err, ledger.ErrUnreachable) {
		t.Errorf("a stranger: %v", err)
	}
}

func TestVerifyKeeps(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := h.monitor(t)
	old := h.files["/ledger/commitments/checkpoint"]
	leaf := ledger.GrantLeaf([]byte("k"), "given")
	h.leaves = append(h.leaves, leaf[:])
	h.tick(t)
	n, r, err := m.Verify(t.Context(), authority, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if wrote, err := m.Mirror(t.Context(), n, r, t.TempDir()); err != nil || wrote != 2 {
		t.Errorf("copied %d files: %v", wrote, err)
	}
	h.files["/ledger/commitments/checkpoint"] = old
	if _, _, err := m.Verify(t.Context(), authority, ledger.Options{}); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("rolled back: %v", err)
	}
	kept := must(m.Kept(authority))(t)
	if !strings.Contains(kept.Logs[h.log.Origin].Checkpoint, "\n1\n") {
		t.Errorf("kept %+v", kept)
	}
}
