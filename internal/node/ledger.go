package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"primum/identity"
	"primum/internal/consent"
	"primum/internal/notary"
	"primum/internal/peer"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

const (
	ledgerFolder = "ledger" // no part of a backup: a copy of the past must not replace it
	askedFresh   = 10 * time.Minute
)

// openLedger opens the node's logs. It refuses an older or forked copy of them.
func (n *Node) openLedger(ctx context.Context, key ed25519.PrivateKey) (err error) {
	c := n.cfg
	n.around = &neighbourhood{node: n, first: slices.Clone(c.Witnesses), asked: map[string]asked{}}
	n.notary, err = notary.Open(ctx, notary.Config{
		Dir: filepath.Join(c.DataDir, ledgerFolder), Authority: c.Authority, Base: n.BaseURL(), Key: key,
		Clock: c.Clock, Log: c.Log, Every: time.Duration(c.LedgerEvery), Rand: c.Rand,
		Leaves: leafQueue{n.store.Leaves}, Peers: n.peer, Neighbours: n.around.witnesses, Logs: n.peer.Ledger,
	})
	return err
}

// handler answers for the ledger and the witness, then for names, and leaves
// the rest to the node's other parts.
func (n *Node) handler() http.Handler {
	logs := n.notary.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/ledger/") && !strings.HasPrefix(r.URL.Path, "/witness/") {
			if !n.serveName(w, r) {
				n.operator.ServeHTTP(w, r)
			}
			return
		}
		if !n.cfg.Loopback() {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		logs.ServeHTTP(w, r)
	})
}

// AskWitness lets the node ask a domain's node to cosign its ledger, like one
// of Config.Witnesses.
func (n *Node) AskWitness(domain string) {
	n.around.mu.Lock()
	defer n.around.mu.Unlock()
	n.around.first = append(n.around.first, domain)
}

// promiser signs the promises of leaves.
func (n *Node) promiser(key ed25519.PrivateKey) *consent.Promiser {
	return &consent.Promiser{
		Origin: ledger.CommitmentsOrigin(n.cfg.Authority), KeyID: identity.NodeKeyID(n.cfg.Authority, peer.KeyName),
		Key: key, NextTick: n.notary.NextTick,
	}
}

// prove is a leaf's proof, or a refusal.
func (n *Node) prove(ctx context.Context, leaf [32]byte) ([]byte, error) {
	text, err := n.notary.ProofOf(ctx, leaf)
	switch {
	case errors.Is(err, notary.ErrWaiting):
		return nil, &wire.Refusal{Name: wire.ProbNotYet, Retry: n.notary.NextTick().Sub(n.cfg.Clock.Now())}
	case errors.Is(err, notary.ErrUnknown), errors.Is(err, store.ErrNotFound):
		return nil, &wire.Refusal{Name: wire.ProbNotFound}
	}
	return text, err
}

// leafQueue is the store's queue as the notary wants it.
type leafQueue struct{ leaves *store.Leaves }

// Pending lists leaves that wait.
func (q leafQueue) Pending(ctx context.Context, limit int) ([]notary.Leaf, error) {
	found, err := q.leaves.Pending(ctx, limit)
	out := make([]notary.Leaf, len(found))
	for i, l := range found {
		out[i] = notary.Leaf(l)
	}
	return out, err
}

// Fill queues dummies.
func (q leafQueue) Fill(ctx context.Context, dummies [][32]byte) error {
	return q.leaves.Add(ctx, time.Time{}, dummies...)
}

// Placed notes where leaves stand.
func (q leafQueue) Placed(ctx context.Context, places map[int64]uint64) error {
	return q.leaves.Placed(ctx, places)
}

// IndexOf is where a leaf stands.
func (q leafQueue) IndexOf(ctx context.Context, hash [32]byte) (uint64, bool, error) {
	index, placed, err := q.leaves.IndexOf(ctx, hash)
	if errors.Is(err, store.ErrNotFound) {
		err = notary.ErrUnknown
	}
	return index, placed, err
}

// Last is the leaf with the highest place.
func (q leafQueue) Last(ctx context.Context) ([32]byte, uint64, bool, error) {
	return q.leaves.Last(ctx)
}

// neighbourhood finds whom to ask as a witness. Safe for concurrent use.
type neighbourhood struct {
	node *Node

	mu    sync.Mutex
	first []string         // guarded by mu; configured
	asked map[string]asked // guarded by mu; by domain
}

type asked struct {
	witness ledger.Witness
	err     error
	at      time.Time
}

// witnesses are those of the configured domains and then of the domains that the
// node knows. One that can't be found now is passed over.
func (h *neighbourhood) witnesses(ctx context.Context) (out []ledger.Witness, err error) {
	known, err := h.node.store.Peers.Domains(ctx, 2*notary.MaxWitnesses)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	first := slices.Clone(h.first)
	h.mu.Unlock()
	var errs []error
	for i, domain := range slices.Concat(first, known) {
		if domain == h.node.cfg.Authority || len(out) == notary.MaxWitnesses {
			continue
		}
		w, err := h.witness(ctx, domain)
		if err != nil && i < len(first) {
			errs = append(errs, err)
		}
		if err == nil && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out, errors.Join(errs...)
}

func (h *neighbourhood) witness(ctx context.Context, domain string) (ledger.Witness, error) {
	now := h.node.cfg.Clock.Now()
	h.mu.Lock()
	a, ok := h.asked[domain]
	h.mu.Unlock()
	if age := now.Sub(a.at); ok && age >= 0 && (age < time.Minute || age < askedFresh && a.err == nil) {
		return a.witness, a.err
	}
	found, err := h.node.peer.Ledger(ctx, domain)
	a = asked{witness: found.Witness, err: err, at: now}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[domain] = a
	return a.witness, a.err
}

// countLedger shows the notary's numbers as metrics.
func (n *Node) countLedger(reg prometheus.Registerer) error {
	for _, m := range []struct {
		name, help string
		read       func(notary.Counts) int64
	}{
		{"primum_ledger_public_entries", "Entries of the public log that its checkpoint covers.", func(c notary.Counts) int64 { return c.Public }},
		{"primum_ledger_commitments_entries", "Entries of the commitments log that its checkpoint covers.", func(c notary.Counts) int64 { return c.Commitments }},
		{"primum_ledger_cosignatures", "Witnesses' signatures on the newest checkpoint.", func(c notary.Counts) int64 { return c.Cosignatures }},
		{"primum_ledger_halted", "1 if the ledger signs no more, because a witness holds another history.", func(c notary.Counts) int64 { return c.Halted }},
		{"primum_ledger_damaged", "1 if the last daily reading of the whole ledger found damaged files.", func(c notary.Counts) int64 { return c.Damaged }},
		{"primum_ledger_ticks_total", "Ticks of the commitments log since the start.", func(c notary.Counts) int64 { return c.Ticks }},
		{"primum_ledger_failures_total", "Appends, signatures and ticks of the ledger that failed, since the start.", func(c notary.Counts) int64 { return c.Failed }},
		{"primum_ledger_unwitnessed_total", "Times that a witness gave no good signature, since the start.", func(c notary.Counts) int64 { return c.Unwitnessed }},
		{"primum_ledger_lying_witnesses_total", "Times that a witness showed what this node never signed, since the start.", func(c notary.Counts) int64 { return c.Liars }},
		{"primum_witness_cosigned_total", "Checkpoints of others that this node cosigned, since the start.", func(c notary.Counts) int64 { return c.Witnessed }},
		{"primum_witness_refused_total", "Checkpoints of others that this node refused, since the start.", func(c notary.Counts) int64 { return c.Refused }},
		{"primum_witness_forks_total", "Others' logs seen with two histories, since the start.", func(c notary.Counts) int64 { return c.Forks }},
	} {
		gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, func() float64 { return float64(m.read(n.notary.Counts())) })
		if err := reg.Register(gauge); err != nil {
			return err
		}
	}
	return nil
}
