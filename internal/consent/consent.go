// Package consent is the node's book of envelopes: it files what owners give,
// fences what they withdraw, and remembers what they refused. It sees who
// shares with whom, the purpose class and from when to when; never what is
// shared.
//
// A fence lies in another file than a grant's state, so the fence is written
// first: after a crash in between the circle is ended and its grant not yet,
// and whoever asks again, or the next sweep, completes it. Never the other way
// round.
//
// Sources: design of grants; design of circles, "Opt-out".
package consent

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
)

// Relay is what the book asks of the relay.
type Relay interface {
	Open(ctx context.Context, o relay.Opening) (wire.CircleInfo, error)
	Fence(ctx context.Context, circle wire.CircleID, reason string) error
	Lift(ctx context.Context, circle wire.CircleID) error
	Sweep(ctx context.Context) (next time.Time, err error)
}

// Options are what a Book works with; all but Log, Ledger, Changed and Ended are needed.
type Options struct {
	Store     *store.Store
	Relay     Relay
	Clock     clock.Clock
	Authority string        // the node's domain: it takes envelopes of its own accounts
	Key       crypto.Signer // Ed25519; signs receipts
	KeyID     string        // keyid of Key
	Log       *slog.Logger
	// Ledger promises leaves of the commitments log; nil: no leaf is queued.
	Ledger Ledger
	// Changed is told the accounts whose list of grants changed; it must not
	// block.
	Changed func(accounts ...string)
	// Ended is told a link's guest whose account is gone; it must not block.
	Ended func(account string)
}

// Book is the book of envelopes. All methods are idempotent, may be called
// concurrently, and refuse with *wire.Refusal; other errors are the store's.
type Book struct {
	o Options
	// locks serialise what happens to one circle; by the first bytes of its id.
	// Nobody holds two.
	locks [1024]sync.Mutex
	filed chan struct{} // wakes Run: something may end sooner
}

// New makes a book.
func New(o Options) *Book {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(...string) {}
	}
	if o.Ended == nil {
		o.Ended = func(string) {}
	}
	return &Book{o: o, filed: make(chan struct{}, 1)}
}

// Reasons of fences, beside the store's.
const (
	ReasonWithdrawn  = "withdrawn"
	ReasonRevoked    = "revoked"
	ReasonSuperseded = "superseded"
	ReasonReplaced   = "replaced" // the thing's end was claimed anew
)

// lock serialises what happens to a circle; the caller unlocks.
func (b *Book) lock(c wire.CircleID) *sync.Mutex {
	m := &b.locks[(int(c[0])<<8|int(c[1]))%len(b.locks)]
	m.Lock()
	return m
}

// File takes an envelope: signed within a day by a present client of an
// account of this node. With Replaces it supersedes the old grant in one
// transaction. A known grant is answered with its state, and keeps it; an
// envelope that a present client signed again takes the old one's place.
func (b *Book) File(ctx context.Context, e wire.NewEnvelope) (wire.Receipt, error) {
	env, owner, err := b.envelope(ctx, e.Envelope)
	if err != nil {
		return wire.Receipt{}, err
	}
	id, err := wire.ParseCircleID(env.Circle)
	if err != nil {
		return wire.Receipt{}, refusal(wire.ProbMalformed, err.Error())
	}
	defer b.lock(id).Unlock()
	known, err := b.o.Store.Grants.Get(ctx, env.Grant)
	if err == nil {
		return b.again(ctx, known, env, owner, e.Envelope)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return wire.Receipt{}, err
	}
	if err := errors.Join(b.mayGive(ctx, env, owner), b.mayHave(ctx, env)); err != nil {
		return wire.Receipt{}, err
	}
	return b.file(ctx, id, env, e)
}

// envelope verifies one by its owner's identity document.
func (b *Book) envelope(ctx context.Context, compact string) (grant.Envelope, *identity.Verified, error) {
	address, err := grant.UnverifiedEnvelope(compact)
	if err != nil {
		return grant.Envelope{}, nil, document(err)
	}
	owner, err := b.owner(ctx, address)
	if err != nil {
		return grant.Envelope{}, nil, err
	}
	env, err := grant.VerifyEnvelope(compact, owner)
	return env, owner, document(err)
}

// mayGive refuses what is stale, over or suspended.
func (b *Book) mayGive(ctx context.Context, env grant.Envelope, owner *identity.Verified) error {
	now := b.o.Clock.Now()
	if err := grant.CheckFresh(env, owner, now); err != nil {
		return document(err)
	}
	if !now.Before(env.ValidUntil) {
		return refusal(wire.ProbExpired, "the grant ended at "+env.ValidUntil.UTC().Format(time.RFC3339))
	}
	return b.suspended(ctx, owner)
}

func (b *Book) suspended(ctx context.Context, owner *identity.Verified) error {
	switch _, err := b.o.Store.Identities.Suspended(ctx, owner.Address().String()); {
	case err == nil:
		return refusal(wire.ProbForbidden, "the account is suspended: no client gives until its owner signs a new identity document")
	case errors.Is(err, store.ErrNotFound):
		return nil
	default:
		return err
	}
}

func (b *Book) file(ctx context.Context, id wire.CircleID, env grant.Envelope, e wire.NewEnvelope) (wire.Receipt, error) {
	home, err := wire.ParseCircleID(env.Home)
	if err != nil {
		return wire.Receipt{}, refusal(wire.ProbMalformed, err.Error())
	}
	if err := b.unused(ctx, id, env); err != nil {
		return wire.Receipt{}, err
	}
	event, err := b.event(grant.Given, grant.ByOwner, e.Envelope)
	if err != nil {
		return wire.Receipt{}, err
	}
	changes := []store.Change{{Event: event, Leaves: b.leaves(env.KGrant, event), LeavesDue: b.due(), New: &store.Grant{
		ID: env.Grant, Circle: id, Home: home, Owner: env.Owner.String(), Grantee: env.Grantee.String(),
		GrantKey: env.GrantKey, AnchorKey: env.AnchorKey, OpeningHash: env.OpeningHash, From: env.ValidFrom, Until: env.ValidUntil,
		AskAgain: env.AskAgainAfter.D(), Replaces: env.Replaces, EnvelopeHash: event.Hash, Envelope: e.Envelope,
	}}}
	if e.Replaces != nil {
		old, err := b.supersede(ctx, env, *e.Replaces)
		if err != nil {
			return wire.Receipt{}, err
		}
		changes = append(changes, old...)
	}
	if err := b.o.Store.Grants.Apply(ctx, changes...); err != nil {
		return wire.Receipt{}, conflict(err)
	}
	b.o.Changed(env.Owner.String(), env.Grantee.String())
	b.wakeSweep()
	return b.receipt(ctx, env.KGrant, event)
}

// unused refuses an envelope whose circle is a home, or one that the relay has
// for others: who files it could fence what isn't theirs. A circle that the
// relay has for the same anchor and grantee is the envelope's own: a restore
// may have kept it and lost the grant.
func (b *Book) unused(ctx context.Context, id wire.CircleID, env grant.Envelope) error {
	_, err := b.o.Store.Homes.Get(ctx, id)
	if err == nil {
		return refusal(wire.ProbConflict, "the circle is a home circle")
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	c, err := b.o.Store.Circles.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.Home || c.Account != env.Grantee.String() || !bytes.Equal(c.AnchorKey, env.AnchorKey) {
		return refusal(wire.ProbConflict, "the circle belongs to another anchor or another party")
	}
	return nil
}

// supersede fences the grant that a renewal replaces, and says what becomes of
// it. A grant that is over already stays as it is.
func (b *Book) supersede(ctx context.Context, env grant.Envelope, c wire.NewClosing) ([]store.Change, error) {
	w, err := b.withdrawal(ctx, c)
	if err != nil {
		return nil, err
	}
	old := w.grant
	if env.Replaces != old.ID || env.Owner.String() != old.Owner {
		return nil, refusal(wire.ProbMalformed, "the closing is not of the grant that the envelope replaces")
	}
	if grant.State(old.State).Terminal() {
		return nil, nil
	}
	event, err := b.move(old, grant.Supersede, grant.ByOwner, c.Closing)
	if err != nil {
		return nil, err
	}
	if err := b.fence(ctx, old.Circle, ReasonSuperseded); err != nil {
		return nil, err
	}
	return []store.Change{{
		ID: old.ID, Expect: old.State, Event: event, Over: true, Leaves: b.leaves(w.key, event), LeavesDue: b.due(),
	}}, nil
}

// again answers for a grant that is known. A terminal one stays so.
func (b *Book) again(ctx context.Context, known store.Grant, env grant.Envelope, owner *identity.Verified, compact string) (wire.Receipt, error) {
	if known.EnvelopeHash == grant.Hash(compact) || grant.State(known.State).Terminal() {
		return b.status(ctx, known)
	}
	old, err := filed(known)
	if err != nil {
		return wire.Receipt{}, err
	}
	old.ID, old.Client, old.Issued = env.ID, env.Client, env.Issued
	if !same(old, env) {
		return wire.Receipt{}, refusal(wire.ProbConflict, "another envelope is filed for this grant: a change is a new grant")
	}
	if err := b.mayGive(ctx, env, owner); err != nil {
		return wire.Receipt{}, err
	}
	event, err := b.event(grant.State(known.State), grant.ByOwner, compact)
	if err != nil {
		return wire.Receipt{}, err
	}
	err = b.o.Store.Grants.Apply(ctx, store.Change{
		ID: known.ID, Expect: known.State, Envelope: compact, EnvelopeHash: event.Hash, Event: event,
		Leaves: b.leaves(env.KGrant, event), LeavesDue: b.due(), // known already, but to a node that had no ledger
	})
	if err != nil {
		return wire.Receipt{}, conflict(err)
	}
	return b.receipt(ctx, env.KGrant, event)
}

// filed reads the envelope of a grant in the book, which was verified when it
// was filed.
func filed(g store.Grant) (env grant.Envelope, err error) {
	u, err := jws.Parse(g.Envelope, grant.MaxSize)
	if err == nil {
		err = jws.DecodeStrict(u.UntrustedPayload(), &env)
	}
	if err != nil {
		return env, fmt.Errorf("read filed envelope: %w", err)
	}
	return env, nil
}

// List is an account's grants as owner or grantee, after an id, 200 at most.
// Envelopes are shown to their owner only, and so is the owner's name: who
// receives knows it from inside the circle, if it is meant to.
func (b *Book) List(ctx context.Context, account, after string) ([]wire.GrantStatus, error) {
	grants, err := b.o.Store.Grants.Of(ctx, account, after, 200)
	if err != nil {
		return nil, err
	}
	list := make([]wire.GrantStatus, 0, len(grants))
	for _, g := range grants {
		events, err := b.o.Store.Grants.Events(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		s := wire.GrantStatus{ID: g.ID, State: g.State, Grantee: g.Grantee, Circle: g.Circle.String()}
		if account == g.Owner {
			s.Owner, s.Envelope = g.Owner, g.Envelope
		}
		for _, e := range events {
			s.Events = append(s.Events, wire.GrantEvent{State: e.State, At: e.At, By: e.By, Hash: e.Hash})
		}
		list = append(list, s)
	}
	return list, nil
}

// AnchorKey is the key that may sign requests as "circle:HEX": the anchor's
// leaf key, known from a filed envelope before the circle is opened.
func (b *Book) AnchorKey(ctx context.Context, circle wire.CircleID) (ed25519.PublicKey, error) {
	p, err := b.parties(ctx, circle)
	return p.anchor, err
}

// Party is the other account of a circle: a grant's grantee, a home's owner.
// An anchor may claim the key packages of this account only, and only while
// the circle lives.
func (b *Book) Party(ctx context.Context, circle wire.CircleID) (account string, err error) {
	p, err := b.parties(ctx, circle)
	if err == nil && p.over {
		return "", &wire.Refusal{Name: wire.ProbFenced, Detail: "the circle has ended"}
	}
	return p.account, err
}

type parties struct {
	anchor  ed25519.PublicKey
	account string
	over    bool
}

// parties looks among the homes first: no grant speaks for a home circle.
func (b *Book) parties(ctx context.Context, circle wire.CircleID) (parties, error) {
	h, err := b.o.Store.Homes.Get(ctx, circle)
	if err == nil {
		return parties{h.AnchorKey, h.Owner, !h.Ended.IsZero()}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return parties{}, err
	}
	g, err := b.o.Store.Grants.ByCircle(ctx, circle)
	if errors.Is(err, store.ErrNotFound) {
		return parties{}, refusal(wire.ProbNotFound, "the node knows no such circle")
	}
	return parties{g.AnchorKey, g.Grantee, grant.State(g.State).Terminal()}, err
}
