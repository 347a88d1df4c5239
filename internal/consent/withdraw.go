package consent

import (
	"context"
	"errors"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

// Close withdraws: the circle is fenced (lock one), then the closing is
// recorded. The closing is signed by the grant key, and under it by any client
// of the owner that hasn't been dropped; no document's age matters. A grant
// that is over is answered with its state.
func (b *Book) Close(ctx context.Context, c wire.NewClosing) (wire.Receipt, error) {
	w, err := b.withdrawal(ctx, c)
	if err != nil {
		return wire.Receipt{}, err
	}
	return b.end(ctx, w.grant.ID, grant.Withdraw, grant.ByOwner, ReasonWithdrawn, c.Closing)
}

// Revoke ends a grant by its grantee, an account that the door authenticated.
func (b *Book) Revoke(ctx context.Context, grantee, grantID string) (wire.Receipt, error) {
	g, err := b.o.Store.Grants.Get(ctx, grantID)
	if errors.Is(err, store.ErrNotFound) || err == nil && g.Grantee != grantee {
		return wire.Receipt{}, refusal(wire.ProbNotFound, "no grant with this id was given to you")
	}
	if err != nil {
		return wire.Receipt{}, err
	}
	return b.end(ctx, grantID, grant.Revoke, grant.ByGrantee, ReasonRevoked, "")
}

type withdrawal struct {
	grant.Withdrawal
	grant store.Grant
	key   []byte // k_grant
}

// withdrawal verifies a closing and its countersignature.
func (b *Book) withdrawal(ctx context.Context, c wire.NewClosing) (withdrawal, error) {
	id, err := grant.UnverifiedClosing(c.Closing)
	if err != nil {
		return withdrawal{}, document(err)
	}
	g, err := b.o.Store.Grants.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return withdrawal{}, refusal(wire.ProbNotFound, "no envelope of this grant is filed here")
	}
	if err != nil {
		return withdrawal{}, err
	}
	env, err := filed(g)
	if err != nil {
		return withdrawal{}, err
	}
	owner, err := b.owner(ctx, env.Owner)
	if err != nil {
		return withdrawal{}, err
	}
	w, err := grant.VerifyWithdrawal(c.Closing, c.Countersignature, env, owner)
	return withdrawal{w, g, env.KGrant}, document(err)
}

// end moves a grant to its end: fence first, then state.
func (b *Book) end(ctx context.Context, id string, event grant.Event, by grant.Actor, reason, document string) (wire.Receipt, error) {
	g, err := b.o.Store.Grants.Get(ctx, id)
	if err != nil {
		return wire.Receipt{}, err
	}
	defer b.lock(g.Circle).Unlock()
	if g, err = b.o.Store.Grants.Get(ctx, id); err != nil {
		return wire.Receipt{}, err
	}
	if grant.State(g.State).Terminal() {
		return b.status(ctx, g)
	}
	e, err := b.move(g, event, by, document)
	if err != nil {
		return wire.Receipt{}, err
	}
	env, err := filed(g)
	if err != nil {
		return wire.Receipt{}, err
	}
	if err := b.fence(ctx, g.Circle, reason); err != nil {
		return wire.Receipt{}, err
	}
	change := store.Change{ID: id, Expect: g.State, Event: e, Over: true, Leaves: b.leaves(env.KGrant, e), LeavesDue: b.due()}
	if event == grant.Withdraw && g.AskAgain > 0 {
		change.AskAgain = e.At.Add(g.AskAgain)
	}
	if err := b.o.Store.Grants.Apply(ctx, change); err != nil {
		return wire.Receipt{}, conflict(err)
	}
	b.o.Changed(g.Owner, g.Grantee)
	b.toldEnded(ctx, g.Grantee)
	return b.receipt(ctx, env.KGrant, e)
}

// fence is relay's; a circle that was never opened needs none.
func (b *Book) fence(ctx context.Context, circle wire.CircleID, reason string) error {
	err := b.o.Relay.Fence(ctx, circle, reason)
	if named(err, wire.ProbNotFound) {
		return nil
	}
	return err
}

// Refuse remembers that owner (authenticated) refused r.From, which may not
// ask again until then: two years at most.
func (b *Book) Refuse(ctx context.Context, owner string, r wire.NewRefusal) error {
	now := b.o.Clock.Now()
	if _, err := identity.ParseAddress(r.From); err != nil || r.From == owner {
		return &wire.Refusal{Name: wire.ProbMalformed, Pointer: "/from", Detail: "who asked is another account"}
	}
	if r.Until.After(now.Add(2 * 366 * 24 * time.Hour)) {
		return &wire.Refusal{Name: wire.ProbMalformed, Pointer: "/until", Detail: "a refusal lasts for two years at most"}
	}
	if !r.Until.After(now) {
		return nil
	}
	return b.o.Store.Refusals.Put(ctx, owner, r.From, r.Until)
}

// MayAsk tells whether from may send owner a request now: nil, or
// ask-again-later with Retry.
func (b *Book) MayAsk(ctx context.Context, owner, from string) error {
	now := b.o.Clock.Now()
	until, err := b.o.Store.Refusals.Until(ctx, owner, from, now)
	if err != nil || until.IsZero() {
		return err
	}
	return &wire.Refusal{
		Name: wire.ProbAskLater, Retry: until.Sub(now), At: until,
		Detail: "this account said no; it may be asked again from " + until.UTC().Format(time.DateOnly),
	}
}
