package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/client/link"
	"primum/internal/wire"
	"primum/ledger"
)

// ErrWaiting: the time of a promise has not come yet.
var ErrWaiting = errors.New("the log's next tick has not come yet")

// Proof is what is known of one entry of a log.
type Proof struct {
	Log        ledger.Log
	By         time.Time // of the promise; zero without one
	Entry      []byte    // as logged
	Receipt    ledger.Receipt
	Checkpoint ledger.Checkpoint // with the cosignatures that verify
}

// Redeem checks a node's promise and asks the node to keep it. Before its time
// a missing proof is ErrWaiting; after it, a Finding of kind ledger.ErrOmitted
// with the promise as evidence.
func (m Monitor) Redeem(ctx context.Context, compact string) (Proof, error) {
	peeked, _, err := ledger.PeekPromise(compact)
	if err != nil {
		return Proof{}, err
	}
	node := link.Node{Calls: m.Calls.WithDefaults(), Authority: ledger.Authority(peeked.Origin)}
	info, err := node.Info(ctx)
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %s: %w", ledger.ErrUnreachable, node.Authority, err)
	}
	promise, err := promised(compact, info.Keys)
	if err != nil {
		return Proof{}, err
	}
	if info.Ledger == nil || info.Ledger.Commitments.Origin != promise.Origin {
		return Proof{}, ledger.ErrNoLedger
	}
	p := Proof{Log: info.Ledger.Commitments, By: promise.By, Entry: promise.Leaf}
	text, err := node.LedgerProof(ctx, [32]byte(promise.Leaf))
	if err != nil {
		return p, m.unproved(promise, compact, err)
	}
	if p.Receipt, err = ledger.ParseReceipt(text); err != nil {
		return p, err
	}
	return m.check(ctx, p)
}

// promised reads a promise by whichever of the node's keys signed it.
func promised(compact string, keys []wire.NodeKey) (ledger.Promise, error) {
	err := ledger.ErrSignature
	for _, k := range keys {
		p, failed := ledger.ReadPromise(compact, k.X)
		if failed == nil {
			return p, nil
		}
		err = failed
	}
	return ledger.Promise{}, err
}

// unproved tells a promise that waits from one that was broken.
func (m Monitor) unproved(p ledger.Promise, compact string, err error) error {
	var problem *wire.Problem
	if !errors.As(err, &problem) || !problem.Named(wire.ProbNotYet) && !problem.Named(wire.ProbNotFound) {
		return fmt.Errorf("%w: %w", ledger.ErrUnreachable, err)
	}
	if !p.Overdue(m.Calls.WithDefaults().Clock.Now()) {
		return ErrWaiting
	}
	return &ledger.Finding{
		Kind: ledger.ErrOmitted, Log: p.Origin, Evidence: []string{compact},
		Detail: fmt.Sprintf("leaf %s was promised by %s and is not there", p.Leaf, p.By.Format(time.RFC3339)),
	}
}

// Check verifies a receipt for an entry, as logged. The log is looked up at its
// authority, or taken from what was kept of it where that does not answer.
func (m Monitor) Check(ctx context.Context, text, entry []byte) (Proof, error) {
	receipt, err := ledger.ParseReceipt(text)
	if err != nil {
		return Proof{}, err
	}
	origin, err := ledger.PeekOrigin([]byte(receipt.Checkpoint))
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Entry: entry, Receipt: receipt}
	if p.Log, err = m.log(ctx, origin); err != nil {
		return p, err
	}
	return m.check(ctx, p)
}

// log is a log by its origin; what was kept of it must agree.
func (m Monitor) log(ctx context.Context, origin string) (ledger.Log, error) {
	authority := ledger.Authority(origin)
	kept, err := m.Kept(authority)
	if err != nil {
		return ledger.Log{}, err
	}
	known, ok := kept.Logs[origin]
	n, err := ledger.Discover(ctx, m.Calls.WithDefaults(), authority, link.BaseURL(authority))
	switch {
	case err != nil && ok:
		return ledger.Log{Origin: origin, Key: known.Key}, nil
	case err != nil:
		return ledger.Log{}, err
	}
	logs := []ledger.Log{n.Public, n.Commitments}
	i := slices.IndexFunc(logs, func(l ledger.Log) bool { return l.Origin == origin })
	switch {
	case i < 0:
		return ledger.Log{}, fmt.Errorf("%w: %s", ledger.ErrNoLedger, origin)
	case ok && known.Key != logs[i].Key:
		return ledger.Log{}, &ledger.Finding{Kind: ledger.ErrKey, Log: origin, Detail: "it was " + known.Key, Evidence: []string{known.Checkpoint}}
	}
	return logs[i], nil
}

// check verifies the receipt and the cosignatures that it carries.
func (m Monitor) check(ctx context.Context, p Proof) (_ Proof, err error) {
	if p.Checkpoint, err = p.Receipt.Verify(p.Entry, p.Log); err != nil {
		return p, err
	}
	others := slices.DeleteFunc(p.Checkpoint.Others, func(name string) bool { // nobody is one's own witness
		return ledger.Authority(name) == ledger.Authority(p.Log.Origin)
	})
	witnesses := ledger.FindWitnesses(ctx, m.Calls.WithDefaults(), others, link.BaseURL)
	p.Checkpoint, err = p.Receipt.Verify(p.Entry, p.Log, witnesses...)
	return p, err
}

// EntryAt reads the entry that a receipt is about from the log itself, for who
// has the receipt alone.
func (m Monitor) EntryAt(ctx context.Context, text []byte) ([]byte, error) {
	receipt, err := ledger.ParseReceipt(text)
	if err != nil {
		return nil, err
	}
	origin, err := ledger.PeekOrigin([]byte(receipt.Checkpoint))
	if err != nil {
		return nil, err
	}
	log, err := m.log(ctx, origin)
	if err != nil {
		return nil, err
	}
	c, err := ledger.OpenCheckpoint([]byte(receipt.Checkpoint), log)
	if err != nil {
		return nil, err
	}
	if log.URL == "" || receipt.Index >= c.Size {
		return nil, ledger.ErrUnreachable
	}
	get := func(ctx context.Context, path string) ([]byte, error) { return m.Calls.Get(ctx, log.URL+path) }
	tree, err := ledger.OpenTree(ctx, get, c.Size, c.Root)
	if err != nil {
		return nil, err
	}
	var entry []byte
	err = tree.Entries(ctx, receipt.Index, receipt.Index+1, func(_ uint64, e []byte) error {
		entry = e
		return nil
	})
	return entry, err
}
