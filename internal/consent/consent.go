// Package consent is the node's book of envelopes: it files what owners give,
// fences what they withdraw, and remembers what they refused. It sees who
// shares with whom, the purpose class and from when to when; never what is
// shared. Sources: docs/spec/grant.md; design of circles, "Opt-out".
package consent

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"time"

	"primum/internal/clock"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
)

// Options are what a Book works with; all but Log and Changed are needed.
type Options struct {
	Store     *store.Store
	Relay     *relay.Relay
	Clock     clock.Clock
	Authority string        // the node's domain: it takes envelopes of its own accounts
	Key       crypto.Signer // Ed25519; signs receipts
	KeyID     string        // keyid of Key
	Log       *slog.Logger
	// Changed is told the accounts whose list of grants changed; it must not
	// block.
	Changed func(accounts ...string)
}

// Book is the book of envelopes. All methods are idempotent, may be called
// concurrently, and refuse with *wire.Refusal; other errors are the store's.
type Book struct{ o Options }

// New makes a book.
func New(o Options) *Book { return &Book{o} }

// File takes an envelope; with Replaces it supersedes the old grant in one
// transaction.
func (b *Book) File(ctx context.Context, e wire.NewEnvelope) (wire.Receipt, error) {
	return wire.Receipt{}, errors.ErrUnsupported
}

// Close withdraws: it fences the circle and records the closing.
func (b *Book) Close(ctx context.Context, c wire.NewClosing) (wire.Receipt, error) {
	return wire.Receipt{}, errors.ErrUnsupported
}

// Revoke ends a grant by its grantee, an account that the door authenticated.
func (b *Book) Revoke(ctx context.Context, grantee, grantID, reason string) (wire.Receipt, error) {
	return wire.Receipt{}, errors.ErrUnsupported
}

// Refuse remembers that owner (authenticated) refused r.From.
func (b *Book) Refuse(ctx context.Context, owner string, r wire.NewRefusal) error {
	return errors.ErrUnsupported
}

// MayAsk tells whether from may send owner a request now: nil, or
// ask-again-later with Retry.
func (b *Book) MayAsk(ctx context.Context, owner, from string) error { return errors.ErrUnsupported }

// List is an account's grants as owner or grantee, after an id, 200 at most;
// envelopes are shown to their owner only.
func (b *Book) List(ctx context.Context, account, after string) ([]wire.GrantStatus, error) {
	return nil, errors.ErrUnsupported
}

// OpenHome takes a claim and opens its home circle.
func (b *Book) OpenHome(ctx context.Context, h wire.NewHome) (wire.CircleInfo, error) {
	return wire.CircleInfo{}, errors.ErrUnsupported
}

// OpenCircle opens the circle of a filed envelope; key is the leaf key that
// signed the request.
func (b *Book) OpenCircle(ctx context.Context, circle wire.CircleID, key ed25519.PublicKey, groupInfo []byte) (wire.CircleInfo, error) {
	return wire.CircleInfo{}, errors.ErrUnsupported
}

// Active takes an anchor's active set after a restore: it lifts the fences of
// the home circle and of the grants that are both in the set and Given here.
func (b *Book) Active(ctx context.Context, home wire.CircleID, a wire.ActiveSet) error {
	return errors.ErrUnsupported
}

// AnchorKey is the key that may sign requests as "circle:HEX": the anchor's
// leaf key, known from a filed envelope before the circle is opened.
func (b *Book) AnchorKey(ctx context.Context, circle wire.CircleID) (ed25519.PublicKey, error) {
	return nil, errors.ErrUnsupported
}

// Party is the other account of a circle: a grant's grantee, a home's owner.
// An anchor may claim the key packages of this account only.
func (b *Book) Party(ctx context.Context, circle wire.CircleID) (account string, err error) {
	return "", errors.ErrUnsupported
}

// Run ends by the clock what is over (grants, circles), and trims: until ctx
// ends.
func (b *Book) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Sweep is one round of Run, and says when the next one is due.
func (b *Book) Sweep(ctx context.Context) (next time.Time, err error) {
	return time.Time{}, errors.ErrUnsupported
}
