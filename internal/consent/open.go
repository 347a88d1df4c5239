package consent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"primum/grant"
	"primum/identity"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
)

// OpenHome takes a claim, by an account of this node, and opens its home
// circle. Claim n+1 of a thing ends claim n: its home circle, and every grant
// that was lived from there.
func (b *Book) OpenHome(ctx context.Context, h wire.NewHome) (wire.CircleInfo, error) {
	c, err := b.claim(ctx, h)
	if err != nil {
		return wire.CircleInfo{}, err
	}
	info, err := b.openHome(ctx, c, h)
	if err != nil {
		return wire.CircleInfo{}, err
	}
	return info, b.endOthers(ctx, c, h.Claim)
}

func (b *Book) openHome(ctx context.Context, c grant.Claim, h wire.NewHome) (wire.CircleInfo, error) {
	id, err := wire.ParseCircleID(c.Home)
	if err != nil {
		return wire.CircleInfo{}, refusal(wire.ProbMalformed, err.Error())
	}
	defer b.lock(id).Unlock()
	if err := b.newest(ctx, c, id, h.Claim); err != nil {
		return wire.CircleInfo{}, err
	}
	if _, err := b.o.Store.Grants.ByCircle(ctx, id); err == nil {
		return wire.CircleInfo{}, refusal(wire.ProbConflict, "the circle is that of a grant")
	} else if !errors.Is(err, store.ErrNotFound) {
		return wire.CircleInfo{}, err
	}
	info, err := b.o.Relay.Open(ctx, relay.Opening{
		Circle: id, GroupInfo: h.GroupInfo, AnchorKey: ed25519.PublicKey(c.AnchorKey), Home: true, Account: c.Owner.String(),
	})
	if err != nil {
		return wire.CircleInfo{}, err
	}
	_, err = b.o.Store.Homes.Put(ctx, store.Home{
		Circle: id, ThingKey: c.ThingKey, Number: c.Number, Owner: c.Owner.String(), AnchorKey: c.AnchorKey,
		Claim: h.Claim, Countersignature: h.Countersignature, Opened: b.o.Clock.Now(),
	})
	return info, conflict(err)
}

func (b *Book) claim(ctx context.Context, h wire.NewHome) (grant.Claim, error) {
	c, err := grant.VerifyClaim(h.Claim)
	if err != nil {
		return c, document(err)
	}
	if c.Node != b.o.Authority {
		return c, refusal(wire.ProbForbidden, "the claim names another node")
	}
	if b.guestHere(c.Owner) {
		return c, refusal(wire.ProbForbidden, "a guest by link owns no things")
	}
	owner, err := b.owner(ctx, c.Owner)
	if err != nil {
		return c, err
	}
	if _, err := grant.VerifyClaimed(h.Claim, h.Countersignature, owner); err != nil {
		return c, document(err)
	}
	if err := owner.ValidAt(b.o.Clock.Now()); err != nil {
		return c, document(err)
	}
	return c, b.suspended(ctx, owner)
}

// newest refuses a claim that a later one has replaced, before a circle is
// opened for it.
func (b *Book) newest(ctx context.Context, c grant.Claim, id wire.CircleID, compact string) error {
	homes, err := b.o.Store.Homes.ByThing(ctx, c.ThingKey)
	if err != nil {
		return err
	}
	for _, h := range homes {
		if h.Number >= c.Number && (h.Circle != id || h.Claim != compact) {
			return refusal(wire.ProbConflict, fmt.Sprintf("claim %d of this thing is known; the next one is %d", h.Number, homes[len(homes)-1].Number+1))
		}
	}
	return nil
}

// endOthers fences a thing's replaced home circles and ends the grants lived
// from there. It runs again when the claim is sent again.
func (b *Book) endOthers(ctx context.Context, c grant.Claim, claim string) error {
	homes, err := b.o.Store.Homes.ByThing(ctx, c.ThingKey)
	if err != nil {
		return err
	}
	for _, old := range homes {
		if old.Number >= c.Number {
			break
		}
		if err := b.fence(ctx, old.Circle, ReasonReplaced); err != nil {
			return err
		}
		if err := b.revokeAll(ctx, old.Circle, claim, func(store.Grant) (bool, error) { return true, nil }); err != nil {
			return err
		}
	}
	return nil
}

// revokeAll ends an anchor's living grants that over names, by the node.
func (b *Book) revokeAll(ctx context.Context, home wire.CircleID, document string, over func(store.Grant) (bool, error)) error {
	for _, state := range []grant.State{grant.Given, grant.Paused} {
		grants, err := b.o.Store.Grants.OfHome(ctx, home, string(state))
		if err != nil {
			return err
		}
		for _, g := range grants {
			yes, err := over(g)
			if err == nil && yes {
				_, err = b.end(ctx, g.ID, grant.Revoke, grant.ByNode, ReasonReplaced, document)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// OpenCircle opens the circle of a filed envelope; key is the leaf key that
// signed the request.
func (b *Book) OpenCircle(ctx context.Context, circle wire.CircleID, key ed25519.PublicKey, groupInfo []byte) (wire.CircleInfo, error) {
	defer b.lock(circle).Unlock()
	g, err := b.o.Store.Grants.ByCircle(ctx, circle)
	if errors.Is(err, store.ErrNotFound) {
		return wire.CircleInfo{}, refusal(wire.ProbGrantRequired, "no envelope is filed for this circle")
	}
	if err != nil {
		return wire.CircleInfo{}, err
	}
	if !bytes.Equal(key, g.AnchorKey) {
		return wire.CircleInfo{}, refusal(wire.ProbForbidden, "the envelope names another anchor's key")
	}
	if grant.State(g.State).Terminal() || !b.o.Clock.Now().Before(g.Until) {
		return wire.CircleInfo{}, &wire.Refusal{Name: wire.ProbFenced, Reason: g.State, Detail: "the grant is over"}
	}
	env, err := filed(g)
	if err != nil {
		return wire.CircleInfo{}, err
	}
	return b.o.Relay.Open(ctx, relay.Opening{
		Circle: circle, GroupInfo: groupInfo, AnchorKey: key, Account: g.Grantee, From: g.From, Until: g.Until,
		Retention: env.Retention.D(),
	})
}

// Active takes an anchor's active set after a restore: it lifts the fences of
// the home circle and of the grants that are both in the set and alive here. A
// grant of this anchor that waits and isn't in the set was ended after the
// backup was made: it is revoked by the node.
func (b *Book) Active(ctx context.Context, home wire.CircleID, a wire.ActiveSet) error {
	h, err := b.o.Store.Homes.Get(ctx, home)
	if errors.Is(err, store.ErrNotFound) {
		return refusal(wire.ProbNotFound, "the node knows no such home circle")
	}
	if err != nil {
		return err
	}
	if !h.Ended.IsZero() {
		return &wire.Refusal{Name: wire.ProbFenced, Reason: ReasonReplaced, Detail: "a later claim has ended this home circle"}
	}
	set, err := grant.VerifyActive(a.Document, home.String(), h.AnchorKey, b.o.Clock.Now())
	if err != nil {
		return document(err)
	}
	listed := map[string]grant.ActiveGrant{}
	for _, g := range set.Grants {
		listed[g.Grant] = g
		if err := b.revive(ctx, home, g); err != nil {
			return err
		}
	}
	if err := b.revokeAll(ctx, home, a.Document, func(g store.Grant) (bool, error) { return b.dead(ctx, g, listed) }); err != nil {
		return err
	}
	return b.o.Relay.Lift(ctx, home)
}

// revive lifts the fence of one listed grant, if the book says the same.
func (b *Book) revive(ctx context.Context, home wire.CircleID, a grant.ActiveGrant) error {
	g, err := b.o.Store.Grants.Get(ctx, a.Grant)
	if errors.Is(err, store.ErrNotFound) {
		return nil // given after the backup: its owner files it again
	}
	if err != nil {
		return err
	}
	defer b.lock(g.Circle).Unlock()
	if g, err = b.o.Store.Grants.Get(ctx, a.Grant); err != nil {
		return err
	}
	if g.Home != home || g.Circle.String() != a.Circle || g.OpeningHash != a.Opening || grant.State(g.State).Terminal() {
		return nil
	}
	err = b.o.Relay.Lift(ctx, g.Circle)
	if named(err, wire.ProbNotFound) || named(err, wire.ProbFenced) {
		return nil // never opened here; or ended: that stays
	}
	return err
}

// dead tells whether a grant waits for its anchor, which doesn't list it.
func (b *Book) dead(ctx context.Context, g store.Grant, listed map[string]grant.ActiveGrant) (bool, error) {
	if _, ok := listed[g.ID]; ok {
		return false, nil
	}
	c, err := b.o.Store.Circles.Get(ctx, g.Circle)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return c.Fence == store.FenceRestored, err
}

// owner reads the newest identity document of an account of this node.
func (b *Book) owner(ctx context.Context, address identity.Address) (*identity.Verified, error) {
	if address.Authority != b.o.Authority {
		return nil, refusal(wire.ProbForbidden, "the owner's account is on another node")
	}
	doc, err := b.o.Store.Identities.Current(ctx, address.String())
	if errors.Is(err, store.ErrNotFound) {
		return nil, refusal(wire.ProbNotFound, "the owner has no account here")
	}
	if err != nil {
		return nil, err
	}
	return b.verified(ctx, doc)
}

// verified reads a document that was verified before it was kept. One that a
// recovery key signed doesn't stand alone: it follows the one before.
func (b *Book) verified(ctx context.Context, doc store.Identity) (*identity.Verified, error) {
	v, err := identity.First(doc.Document)
	if !errors.Is(err, identity.ErrSigner) || doc.Version <= 1 {
		return v, err
	}
	before, missing := b.o.Store.Identities.Version(ctx, doc.Account, doc.Version-1)
	if missing != nil {
		return nil, errors.Join(err, missing)
	}
	previous, err := b.verified(ctx, before)
	if err != nil {
		return nil, err
	}
	return identity.Follow(doc.Document, previous)
}
