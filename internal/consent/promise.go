package consent

import (
	"context"
	"crypto"
	"errors"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

// Ledger promises what will stand in the commitments log.
type Ledger interface {
	// Due is the tick by which a leaf that is queued now stands in the log.
	Due() time.Time
	// Promise signs that a leaf stands in the log by a tick.
	Promise(leaf [32]byte, due time.Time) (string, error)
}

// Promiser is the Ledger of a node. It is safe for concurrent use.
type Promiser struct {
	Origin   string // of the commitments log
	KeyID    string // keyid of Key
	Key      crypto.Signer
	NextTick func() time.Time
}

// Due is the next tick.
func (p *Promiser) Due() time.Time { return p.NextTick() }

// Promise signs with the node's key.
func (p *Promiser) Promise(leaf [32]byte, due time.Time) (string, error) {
	return ledger.Promise{Origin: p.Origin, Leaf: leaf[:], By: due}.Sign(p.KeyID, p.Key)
}

// leaves is an event's leaf, where there is a ledger.
func (b *Book) leaves(kGrant []byte, e store.GrantEvent) [][32]byte {
	if b.o.Ledger == nil {
		return nil
	}
	return [][32]byte{wire.GrantCommitment(kGrant, e.State)}
}

// due is when leaves of now are in the log; the zero time without a ledger.
func (b *Book) due() time.Time {
	if b.o.Ledger == nil {
		return time.Time{}
	}
	return b.o.Ledger.Due()
}

// receipt is what an event is answered with.
func (b *Book) receipt(ctx context.Context, kGrant []byte, e store.GrantEvent) (wire.Receipt, error) {
	r := wire.Receipt{Receipt: e.Receipt, State: e.State, At: e.At}
	var err error
	r.Promise, err = b.promise(ctx, wire.GrantCommitment(kGrant, e.State))
	return r, err
}

// promise signs the promise that was made for a leaf: the same one whenever it
// is asked for.
func (b *Book) promise(ctx context.Context, leaf [32]byte) (string, error) {
	if b.o.Ledger == nil {
		return "", nil
	}
	due, err := b.o.Store.Leaves.Due(ctx, leaf)
	if errors.Is(err, store.ErrNotFound) { // of a node that had no ledger then
		due = b.o.Ledger.Due()
		err = b.o.Store.Leaves.Add(ctx, due, leaf)
	}
	if err != nil {
		return "", err
	}
	return b.o.Ledger.Promise(leaf, due)
}

// status answers for what was done before: the receipt of the last event that
// has one, and the present state.
func (b *Book) status(ctx context.Context, g store.Grant) (wire.Receipt, error) {
	events, err := b.o.Store.Grants.Events(ctx, g.ID)
	if err != nil || len(events) == 0 {
		return wire.Receipt{}, errors.Join(err, store.ErrNotFound)
	}
	env, err := filed(g)
	if err != nil {
		return wire.Receipt{}, err
	}
	r, err := b.receipt(ctx, env.KGrant, events[len(events)-1])
	for _, e := range events {
		if e.Receipt != "" {
			r.Receipt = e.Receipt
		}
	}
	return r, err
}
