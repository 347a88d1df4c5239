package rights

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"primum/internal/clock"
	"primum/internal/jws"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

// TypeReceipt is the type of a receipt's document.
const TypeReceipt = "primum-right+jwt"

// Ledger promises what will stand in the commitments log.
type Ledger interface {
	// Due is the tick by which a leaf that is queued now stands in the log.
	Due() time.Time
	// Promise signs that a leaf stands in the log by a tick.
	Promise(leaf [32]byte, due time.Time) (string, error)
}

// Options are what a Desk works with; Ledger and Log may be nil.
type Options struct {
	Store     *store.Store
	Authority string
	Base      string        // the node's address, without a final slash
	Key       crypto.Signer // Ed25519; signs receipts
	KeyID     string        // keyid of Key
	Clock     clock.Clock
	Ledger    Ledger
	Log       *slog.Logger
	// Fence ends a circle before it is erased.
	Fence func(ctx context.Context, circle wire.CircleID, reason string) error
	// Forget erases what the node keeps for an account outside its store; nil:
	// nothing.
	Forget func(ctx context.Context, account string) error
	// Things lists what an account keeps in the directory of things; nil: nothing.
	Things func(ctx context.Context, account string) ([]Thing, error)
}

// Thing is a description in the directory, as it is exported.
type Thing struct {
	Visibility  string          `json:"visibility"`
	Description json.RawMessage `json:"description"`
	Created     time.Time       `json:"created"`
}

// KindThings are the things of an account in the directory.
const KindThings = "things"

// Desk is where rights are exercised. It is safe for concurrent use.
type Desk struct{ o Options }

// New makes a desk.
func New(o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Forget == nil {
		o.Forget = func(context.Context, string) error { return nil }
	}
	if o.Things == nil {
		o.Things = func(context.Context, string) ([]Thing, error) { return nil, nil }
	}
	return &Desk{o: o}
}

// receipt signs that a right was exercised; body is what the receipt is about.
func (d *Desk) receipt(right, id string, body []byte, by time.Time) (r wire.RightReceipt, leaf [32]byte, err error) {
	sum := sha256.Sum256(body)
	r.Receipt, err = jws.SignJSON(TypeReceipt, d.o.KeyID, wire.RightDone{
		ID: id, Right: right, Node: d.o.Authority, At: d.now(), By: by, Hash: base64.RawURLEncoding.EncodeToString(sum[:]),
	}, d.o.Key)
	if err != nil {
		return r, leaf, fmt.Errorf("sign receipt: %w", err)
	}
	r.Key = make([]byte, 32)
	_, _ = rand.Read(r.Key) // never fails
	leaf = ledger.RightLeaf(r.Key, right, sha256.Sum256([]byte(r.Receipt)))
	r.Leaf = hex.EncodeToString(leaf[:])
	if d.o.Ledger != nil {
		r.Promise, err = d.o.Ledger.Promise(leaf, d.o.Ledger.Due())
	}
	return r, leaf, err
}

// done is a receipt whose leaf is queued by itself.
func (d *Desk) done(ctx context.Context, right string, body []byte, by time.Time) (*wire.RightReceipt, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	r, leaf, err := d.receipt(right, id, body, by)
	if err == nil && d.o.Ledger != nil {
		err = d.o.Store.Leaves.Add(ctx, d.due(), leaf)
	}
	return &r, err
}

// answered is done for the JSON of an answer that has no receipt yet.
func (d *Desk) answered(ctx context.Context, right string, answer any, by time.Time) (*wire.RightReceipt, error) {
	b, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("write answer: %w", err)
	}
	return d.done(ctx, right, b, by)
}

func (d *Desk) due() time.Time {
	if d.o.Ledger == nil {
		return time.Time{}
	}
	return d.o.Ledger.Due()
}

func (d *Desk) now() time.Time { return d.o.Clock.Now().UTC().Truncate(time.Second) }

// newID is a secret of 128 bits.
func newID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// scrubTries and scrubPause bound how long an erasure waits for readers of the
// files' journals; what it could not empty Run empties later.
const (
	scrubTries = 20
	scrubPause = 100 * time.Millisecond
	sweepEvery = time.Hour
	// keptCases is how long an answered case is kept.
	keptCases = 3 * 365 * 24 * time.Hour
)

// Run forgets old cases and empties journals, until ctx ends.
func (d *Desk) Run(ctx context.Context) {
	for {
		t := d.o.Clock.NewTimer(sweepEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C():
		}
		if err := errors.Join(d.o.Store.Cases.Trim(ctx, d.o.Clock.Now().Add(-keptCases)), d.scrub(ctx)); err != nil && ctx.Err() == nil {
			d.o.Log.Warn("rights not swept", "error", err)
		}
	}
}

// scrub empties the journals, patiently: somebody may read.
func (d *Desk) scrub(ctx context.Context) (err error) {
	for range scrubTries {
		if err = d.o.Store.Scrub(ctx); !errors.Is(err, store.ErrBusy) {
			return err
		}
		pause := time.NewTimer(scrubPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
	return err
}
