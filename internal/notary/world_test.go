package notary

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/ledger"
)

func start() time.Time { return time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC) }

// queue is a LeafSource in memory.
type queue struct {
	mu     sync.Mutex
	leaves []Leaf           // guarded by mu
	places map[int64]uint64 // guarded by mu
	fail   error            // guarded by mu; of Placed
}

func newQueue() *queue { return &queue{places: map[int64]uint64{}} }

func (q *queue) add(hashes ...[32]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range hashes {
		q.leaves = append(q.leaves, Leaf{Seq: int64(len(q.leaves)) + 1, Hash: h})
	}
}

func (q *queue) Fill(_ context.Context, dummies [][32]byte) error {
	q.add(dummies...)
	return nil
}

func (q *queue) Pending(_ context.Context, limit int) (out []Leaf, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.leaves {
		if _, ok := q.places[l.Seq]; !ok && len(out) < limit {
			out = append(out, l)
		}
	}
	return out, nil
}

func (q *queue) Placed(_ context.Context, places map[int64]uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	for seq, at := range places {
		q.places[seq] = at
	}
	return nil
}

func (q *queue) IndexOf(_ context.Context, hash [32]byte) (uint64, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.leaves {
		if l.Hash == hash {
			at, ok := q.places[l.Seq]
			return at, ok, nil
		}
	}
	return 0, false, ErrUnknown
}

func (q *queue) Last(context.Context) (hash [32]byte, index uint64, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.leaves {
		if at, placed := q.places[l.Seq]; placed && (!ok || at > index) {
			hash, index, ok = l.Hash, at, true
		}
	}
	return hash, index, ok, nil
}

// asks is a WitnessClient without the guards of a real one.
type asks struct{ client *http.Client }

func (a asks) Ask(ctx context.Context, url string, body []byte) (int, string, []byte, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, ledger.MaxSubmission))
	return resp.StatusCode, resp.Header.Get("Content-Type"), b, err
}

// town is some notaries that find each other over real HTTP.
type town struct {
	t     testing.TB
	clock *clock.Manual

	mu    sync.Mutex
	homes map[string]*home // guarded by mu; by authority
}

// home is one notary and its server.
type home struct {
	*Notary
	town   *town
	cfg    Config
	leaves *queue
	server *httptest.Server

	mu      sync.Mutex
	handler http.Handler // guarded by mu
}

func newTown(t testing.TB) *town {
	return &town{t: t, clock: clock.NewManual(start()), homes: map[string]*home{}}
}

func keyOf(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

// home prepares a notary; open opens it.
func (w *town) home(name string) *home {
	w.t.Helper()
	h := &home{town: w, leaves: newQueue()}
	h.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		handler := h.handler
		h.mu.Unlock()
		if handler == nil {
			http.Error(rw, "stopped", http.StatusServiceUnavailable)
			return
		}
		handler.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(h.server.Close)
	authority := name + ".example"
	h.cfg = Config{
		Dir: w.t.TempDir(), Authority: authority, Base: h.server.URL, Key: keyOf(name), Clock: w.clock, Log: slog.New(slog.DiscardHandler),
		Leaves: h.leaves, Peers: asks{h.server.Client()}, Logs: w.logs,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.homes[authority] = h
	return h
}

func (w *town) logs(_ context.Context, authority string) (ledger.NodeLedger, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.homes[authority]
	if !ok || h.Notary == nil {
		return ledger.NodeLedger{}, errors.New("no such node")
	}
	return h.NodeLedger(), nil
}

// asksOf lets a home ask others as witnesses.
func (h *home) asksOf(others ...*home) {
	h.cfg.Neighbours = func(context.Context) (out []ledger.Witness, err error) {
		for _, o := range others {
			if o.Notary != nil { // it has been opened before
				out = append(out, o.NodeLedger().Witness)
			}
		}
		return out, nil
	}
}

func (h *home) open() error {
	n, err := Open(h.town.t.Context(), h.cfg)
	if err != nil {
		return err
	}
	h.town.mu.Lock()
	h.Notary = n
	h.town.mu.Unlock()
	h.serve(n.Handler())
	h.town.t.Cleanup(func() { _ = n.Close() })
	return nil
}

func (h *home) mustOpen() *home {
	h.town.t.Helper()
	if err := h.open(); err != nil {
		h.town.t.Fatal(err)
	}
	return h
}

func (h *home) serve(handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = handler
}

func (h *home) mustClose() {
	h.town.t.Helper()
	if err := h.Close(); err != nil {
		h.town.t.Fatal(err)
	}
	h.serve(nil)
}

func (h *home) mustTick() {
	h.town.t.Helper()
	if err := h.Tick(h.town.t.Context()); err != nil {
		h.town.t.Fatal(err)
	}
}

func (h *home) mustPublish(ref string) uint64 {
	h.town.t.Helper()
	at, err := h.Publish(h.town.t.Context(), fact(ref))
	if err != nil {
		h.town.t.Fatal(err)
	}
	return at
}

func (h *home) mustFlush() {
	h.town.t.Helper()
	if err := h.Flush(h.town.t.Context()); err != nil {
		h.town.t.Fatal(err)
	}
}

// entries are all entries of a log.
func (h *home) entries(log string) [][]byte {
	h.town.t.Helper()
	out, err := h.Entries(h.town.t.Context(), log, 0, 1<<20)
	if err != nil {
		h.town.t.Fatal(err)
	}
	return out
}

// checkpoint is what is served, with good cosignatures counted.
func (h *home) checkpoint(log string, witnesses ...*home) ledger.Checkpoint {
	h.town.t.Helper()
	var ws []ledger.Witness
	for _, w := range witnesses {
		ws = append(ws, w.NodeLedger().Witness)
	}
	c, err := ledger.OpenCheckpoint([]byte(h.Checkpoint(log)), h.tree(log).log, ws...)
	if err != nil {
		h.town.t.Fatal(err)
	}
	return c
}

func fact(ref string) ledger.Entry {
	sum := ledger.LeafHash([]byte(ref))
	return ledger.Entry{T: ledger.TypePolicy, At: start(), SHA256: fmt.Sprintf("%x", sum), Ref: ref}
}

func leafOf(i int) [32]byte { return ledger.Leaf([]byte("key"), fmt.Sprint(i)) }
