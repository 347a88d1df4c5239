package consent

import (
	"context"
	"errors"
	"strings"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

// guestHere tells whether an account is one that a link of this node opens.
func (b *Book) guestHere(a identity.Address) bool {
	return a.Authority == b.o.Authority && strings.HasPrefix(a.User, wire.GuestPrefix)
}

// MakeLink keeps a new link of an account, until it expires: at most seven days
// from now.
func (b *Book) MakeLink(ctx context.Context, k store.Link) error {
	now := b.o.Clock.Now()
	switch {
	case !k.Expires.After(now):
		return &wire.Refusal{Name: wire.ProbExpired, Pointer: "/expires", Detail: "the link has expired already"}
	case k.Expires.Sub(now) > wire.MaxLinkLife+5*time.Minute: // the caller's clock may be ahead
		return &wire.Refusal{Name: wire.ProbMalformed, Pointer: "/expires", Detail: "a link lives for seven days at most"}
	}
	err := b.o.Store.Links.Make(ctx, k, wire.MaxLinks)
	switch {
	case errors.Is(err, store.ErrExists):
		return refusal(wire.ProbConflict, "a link of this id was made before: make another one")
	case errors.Is(err, store.ErrQuota):
		return &wire.Refusal{Name: wire.ProbTooMany, Retry: time.Hour, Detail: "20 links of yours are open: cancel one, or wait until one expires"}
	case err != nil:
		return err
	}
	b.wakeSweep()
	return nil
}

// Link reads a link. One whose time is over has ended, whether or not a sweep
// came by already.
func (b *Book) Link(ctx context.Context, id [16]byte) (store.Link, error) {
	k, err := b.o.Store.Links.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return k, refusal(wire.ProbNotFound, "there is no such link")
	}
	if err == nil && !k.Expires.IsZero() && !b.o.Clock.Now().Before(k.Expires) {
		k = store.Link{ID: k.ID, Guest: k.Guest, Step: wire.LinkEnded, Reason: wire.LinkExpired}
	}
	return k, err
}

// AnswerLink opens the guest's account. The caller has checked the pass and the
// document.
func (b *Book) AnswerLink(ctx context.Context, k store.Link, first store.Identity, nonce []byte) error {
	err := b.o.Store.Links.Answer(ctx, k.ID, first, nonce)
	switch {
	case errors.Is(err, store.ErrConflict):
		return refusal(wire.ProbExpired, "the link is over")
	case errors.Is(err, store.ErrExists):
		return refusal(wire.ProbLinkUsed, "each link is for one guest: ask for another link, and say that this one was opened")
	case err != nil:
		return err
	}
	b.o.Changed(k.Owner, k.Guest)
	return nil
}

// RevealLink keeps what the owner reveals to the guest.
func (b *Book) RevealLink(ctx context.Context, id [16]byte, owner string, r wire.LinkReveal) error {
	k, err := b.ownLink(ctx, id, owner)
	if err != nil {
		return err
	}
	err = b.o.Store.Links.Reveal(ctx, id, owner, r.Nonce, r.IdentityKey, r.MAC)
	if errors.Is(err, store.ErrConflict) {
		return refusal(wire.ProbConflict, "nobody has answered yet, or something else is revealed already")
	}
	if err == nil {
		b.o.Changed(k.Owner, k.Guest)
	}
	return err
}

// CancelLink ends a link that has no grant, and its guest.
func (b *Book) CancelLink(ctx context.Context, id [16]byte, owner string) error {
	k, err := b.o.Store.Links.Get(ctx, id)
	if err == nil {
		err = b.o.Store.Links.End(ctx, id, owner, wire.LinkCancelled)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return refusal(wire.ProbNotFound, "you made no such link")
	case errors.Is(err, store.ErrConflict):
		return refusal(wire.ProbConflict, "the grant is given: withdraw it, and the guest is gone")
	case err == nil && k.Step != wire.LinkEnded:
		b.o.Ended(k.Guest)
	}
	return err
}

func (b *Book) ownLink(ctx context.Context, id [16]byte, owner string) (store.Link, error) {
	k, err := b.Link(ctx, id)
	switch {
	case err != nil:
		return k, err
	case k.Step == wire.LinkEnded:
		return k, refusal(wire.ProbExpired, "the link is over")
	case k.Owner != owner:
		return k, refusal(wire.ProbNotFound, "you made no such link")
	}
	return k, nil
}

// mayHave refuses an envelope by a guest of this node, and one for a guest that isn't the one grant
// that its link is for. The store compares again when it files.
func (b *Book) mayHave(ctx context.Context, env grant.Envelope) error {
	if b.guestHere(env.Owner) {
		return refusal(wire.ProbForbidden, "a guest by link gives nothing")
	}
	if !b.guestHere(env.Grantee) {
		return nil
	}
	k, err := b.o.Store.Links.OfGuest(ctx, env.Grantee.String())
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && k.Step == wire.LinkEnded:
		return refusal(wire.ProbExpired, "the link of this guest is over, and so is its account")
	case err != nil:
		return err
	case k.Owner != env.Owner.String():
		return refusal(wire.ProbForbidden, "a guest has a grant only of who made its link")
	case k.Step == wire.LinkGiven && env.Replaces != k.Grant:
		return refusal(wire.ProbConflict, "a guest has one grant: renew it, or make another link")
	case k.Step == wire.LinkOpen, k.Step == wire.LinkAnswered:
		return refusal(wire.ProbConflict, "reveal first, and compare the words")
	}
	return nil
}

// endLinks ends links that nobody confirmed, and says when the next one ends.
func (b *Book) endLinks(ctx context.Context, now time.Time) (next time.Time, err error) {
	for {
		ended, err := b.o.Store.Links.Over(ctx, now, sweepStep)
		for _, k := range ended {
			b.o.Ended(k.Guest)
		}
		if err != nil {
			return next, err
		}
		if len(ended) < sweepStep {
			return b.o.Store.Links.NextOver(ctx)
		}
	}
}

// toldEnded tells of a grant's guest that is gone.
func (b *Book) toldEnded(ctx context.Context, grantee string) {
	a, err := identity.ParseAddress(grantee)
	if err != nil || !b.guestHere(a) {
		return
	}
	if k, err := b.o.Store.Links.OfGuest(ctx, grantee); err == nil && k.Step == wire.LinkEnded {
		b.o.Ended(grantee)
	}
}

func (b *Book) wakeSweep() {
	select {
	case b.filed <- struct{}{}:
	default: // Run has been woken already
	}
}
