package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"primum/client/link"
	"primum/internal/clock"
	"primum/internal/durable"
	"primum/internal/jws"
	"primum/internal/wire"
	"primum/ledger"
)

// Reasons of the events by which a client says that a node's ledger is not as
// it must be (circle.EventProblem).
const (
	FindingPromise = "ledger-promise" // no promise, or one for something else
	FindingOmitted = "ledger-omitted" // the promised leaf is not in the log
	FindingProof   = "ledger-proof"   // what should prove it proves nothing
	FindingForked  = "ledger-forked"  // the log is another than it was, or shorter
)

// Pledge is what a node promised to put into its commitments log, and whether
// it did.
type Pledge struct {
	About   string    `json:"about"` // the grant's id, or what else it is of
	Event   string    `json:"event"` // what happened to it: a grant.State, or a right
	Node    string    `json:"node"`  // authority
	Leaf    jws.Bytes `json:"leaf"`
	At      time.Time `json:"at"`                // when it was promised
	Promise string    `json:"promise,omitempty"` // JWS
	By      time.Time `json:"by,omitzero"`       // as the promise says; zero: not checked yet
	// Proof is the tlog-proof that was verified; Finding the reason if there
	// will be none. Neither: it is not due yet, or the node doesn't answer.
	Proof   string `json:"proof,omitempty"`
	Finding string `json:"finding,omitempty"`
}

// settled tells that nothing more is to be done about it.
func (p *Pledge) settled() bool { return p.Proof != "" || p.Finding != "" }

// due is when to ask for the proof: after the tick, not all clients at once.
func (p *Pledge) due() time.Time {
	if p.By.IsZero() {
		return p.At
	}
	spread := min(2*time.Minute, max(0, p.By.Sub(p.At)/4))
	return p.By.Add(time.Duration(p.Leaf[0])*spread/256 + time.Second)
}

const (
	maxPledges  = 200 // kept; settled ones go first
	pledgeAgain = time.Minute
)

// PledgesFile is where a client keeps what nodes promised it.
const PledgesFile = "pledges.json"

// pledges checks what nodes promise: the promise at once, the proof after the
// tick. Safe for concurrent use.
type pledges struct {
	file  string
	node  func(authority string) Node
	now   func() time.Time // as the own node's clock says
	clock clock.Clock
	found func(p Pledge, text string)
	log   *slog.Logger
	wake  chan struct{} // capacity 1

	working sync.Mutex // of one check of all that is due; before mu

	mu    sync.Mutex
	state pledged
	again map[string]time.Time // not before, by leaf; after a failure
}

// pledged is the file.
type pledged struct {
	Pledges []Pledge         `json:"pledges"`
	Nodes   map[string]known `json:"nodes"` // by authority
}

// known is what a node said of itself at first: a ledger can't change its key.
type known struct {
	Key  []byte     `json:"key"`
	Log  ledger.Log `json:"log"`
	Size uint64     `json:"size"` // of the last tree that was proved, with its root
	Root jws.Bytes  `json:"root,omitempty"`
}

func (p *pledges) open() error {
	p.wake, p.again, p.state.Nodes = make(chan struct{}, 1), map[string]time.Time{}, map[string]known{}
	b, err := durable.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p.state)
	}
	if err != nil {
		return fmt.Errorf("read promises of nodes: %w", err)
	}
	if p.state.Nodes == nil {
		p.state.Nodes = map[string]known{}
	}
	return nil
}

// save writes the file; the caller holds mu.
func (p *pledges) save() error {
	b, err := json.Marshal(p.state)
	if err == nil {
		err = durable.WriteFile(p.file, b)
	}
	if err != nil {
		return fmt.Errorf("keep promises of nodes: %w", err)
	}
	return nil
}

// take keeps a promise; the same leaf again changes nothing.
func (p *pledges) take(g Pledge) error {
	defer signal(p.wake)
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.state.Pledges, func(o Pledge) bool { return o.Node == g.Node && string(o.Leaf) == string(g.Leaf) }) {
		return nil
	}
	g.At = p.now().UTC()
	p.state.Pledges = append(p.state.Pledges, g)
	for len(p.state.Pledges) > maxPledges {
		oldest := max(0, slices.IndexFunc(p.state.Pledges, func(o Pledge) bool { return o.settled() }))
		p.state.Pledges = slices.Delete(p.state.Pledges, oldest, oldest+1)
	}
	return p.save()
}

func (p *pledges) all() []Pledge {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.state.Pledges)
}

// run checks what is due until ctx ends.
func (p *pledges) run(ctx context.Context) {
	for {
		var due <-chan time.Time
		stop := func() bool { return true }
		if next := p.work(ctx); !next.IsZero() {
			t := p.clock.NewTimer(max(0, next.Sub(p.now())))
			due, stop = t.C(), t.Stop
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-p.wake:
		case <-due:
		}
		stop()
	}
}

// work checks what is due now, and says when there is more to do.
func (p *pledges) work(ctx context.Context) (next time.Time) {
	p.working.Lock()
	defer p.working.Unlock()
	for _, g := range p.all() {
		if g.settled() {
			continue
		}
		at := p.notBefore(&g)
		if !p.now().Before(at) && ctx.Err() == nil {
			p.check(ctx, &g)
			if g.settled() {
				continue
			}
			at = p.notBefore(&g)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

func (p *pledges) notBefore(g *Pledge) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if again := p.again[string(g.Leaf)]; again.After(g.due()) {
		return again
	}
	return g.due()
}

// check takes a pledge as far as it goes now, and keeps what came of it.
func (p *pledges) check(ctx context.Context, g *Pledge) {
	ctx, cancel := context.WithTimeout(ctx, effectTimeout)
	defer cancel()
	text, err := p.step(ctx, g)
	if err != nil {
		p.log.Info("promise not checked", "node", g.Node, "why", err)
	}
	p.mu.Lock()
	p.again[string(g.Leaf)] = p.now().Add(pledgeAgain)
	if err == nil {
		delete(p.again, string(g.Leaf))
	}
	at := slices.IndexFunc(p.state.Pledges, func(o Pledge) bool { return o.Node == g.Node && string(o.Leaf) == string(g.Leaf) })
	if at >= 0 && (err == nil || g.settled()) {
		p.state.Pledges[at] = *g
		if failed := p.save(); failed != nil {
			p.log.Error("result of a check not kept", "why", failed)
		}
	}
	p.mu.Unlock()
	if g.Finding != "" {
		p.found(*g, text)
	}
}

// step does one thing about a pledge. With a finding it also says it in a
// sentence. An error means that nothing is known yet.
func (p *pledges) step(ctx context.Context, g *Pledge) (text string, err error) {
	n, keeps, err := p.known(ctx, g.Node)
	switch {
	case err != nil:
		return "", err
	case !keeps:
		p.drop(g)
		return "", nil
	case g.By.IsZero():
		return p.promised(g, n), nil
	}
	b, err := p.node(g.Node).LedgerProof(ctx, [32]byte(g.Leaf))
	if link.IsProblem(err, wire.ProbNotYet) || link.IsProblem(err, wire.ProbNotFound) {
		if (ledger.Promise{By: g.By}).Overdue(p.now()) {
			g.Finding = FindingOmitted
			return fmt.Sprintf("%s promised to log this by %s and has not", g.Node, g.By.UTC().Format(time.RFC3339)), nil
		}
	}
	if err != nil {
		return "", err
	}
	return p.proved(g, n, b), nil
}

// known is what a node said of its keys, at the first time that it was asked;
// keeps is false where it keeps no ledger.
func (p *pledges) known(ctx context.Context, authority string) (k known, keeps bool, err error) {
	p.mu.Lock()
	k, ok := p.state.Nodes[authority]
	p.mu.Unlock()
	if ok {
		return k, true, nil
	}
	info, err := p.node(authority).Info(ctx)
	if err != nil || info.Ledger == nil {
		return k, false, err
	}
	if len(info.Keys) == 0 || info.Ledger.Commitments.Origin != ledger.CommitmentsOrigin(authority) {
		return k, false, fmt.Errorf("%s names no key, or the ledger of another", authority)
	}
	k = known{Key: info.Keys[0].X, Log: info.Ledger.Commitments}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Nodes[authority] = k
	return k, true, p.save()
}

// drop forgets a pledge of a node that keeps no ledger.
func (p *pledges) drop(g *Pledge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Pledges = slices.DeleteFunc(p.state.Pledges, func(o Pledge) bool { return o.Node == g.Node && string(o.Leaf) == string(g.Leaf) })
	if err := p.save(); err != nil {
		p.log.Error("promises of nodes not kept", "why", err)
	}
}

// promised checks a promise.
func (p *pledges) promised(g *Pledge, n known) (text string) {
	if g.Promise == "" {
		g.Finding = FindingPromise
		return g.Node + " keeps a ledger and promised nothing"
	}
	promise, err := ledger.ReadPromise(g.Promise, n.Key)
	switch {
	case err != nil:
		text = fmt.Sprintf("the promise of %s: %v", g.Node, err)
	case string(promise.Leaf) != string(g.Leaf), promise.Origin != n.Log.Origin:
		text = g.Node + " promised to log something else than what happened"
	case promise.By.After(g.At.Add(maxPromise)):
		text = fmt.Sprintf("%s promised to log this only by %s", g.Node, promise.By.UTC().Format(time.RFC3339))
	default:
		g.By = promise.By
		return ""
	}
	g.Finding = FindingPromise
	return text
}

// maxPromise is how long a node may take to log something: four of its ticks.
const maxPromise = 24 * time.Hour

// proved checks a proof, and the tree it is of against the last one.
func (p *pledges) proved(g *Pledge, n known, text []byte) string {
	receipt, err := ledger.ParseReceipt(text)
	var c ledger.Checkpoint
	if err == nil {
		c, err = receipt.Verify(g.Leaf, n.Log)
	}
	if err != nil {
		g.Finding = FindingProof
		return fmt.Sprintf("%s proves nothing: %v", g.Node, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := n.Size
	another := c.Size < before || c.Size == before && string(c.Root[:]) != string(n.Root)
	n.Size, n.Root = c.Size, c.Root[:]
	p.state.Nodes[g.Node] = n // check saves
	if another {
		g.Finding = FindingForked // said once: what follows is compared with the tree of now
		return fmt.Sprintf("the log of %s had %d entries and now is another, of %d", g.Node, before, c.Size)
	}
	g.Proof = string(text)
	return ""
}
