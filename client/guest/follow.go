package guest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"primum/client"
	"primum/client/link"
	"primum/internal/wire"
)

// Follow takes a link of one's own as far as it goes by itself: until somebody
// has come (Arrived) and, after that, until it is given or over. It calls
// changed after every step and returns the link then. Without a network it
// tries again, with growing pauses, until ctx ends, or until changed says no.
func (b *Book) Follow(ctx context.Context, id string, changed func(Kept) (goOn bool)) (Kept, error) {
	pauses := link.NewBackoff(b.pace, b.node.Rand, time.Second, time.Minute)
	for {
		k, err := b.Get(id)
		if err != nil || !k.State.Waits() {
			return k, err
		}
		asked := b.pace.Now()
		next, err := b.step(ctx, k, wire.MaxLinkWait)
		switch {
		case ctx.Err() != nil:
			return k, ctx.Err()
		case err == nil && next.State != k.State:
			pauses.Reset()
			if !changed(next) {
				return next, nil
			}
		case err != nil || b.pace.Now().Sub(asked) < time.Second:
			// A node that answers at once and says nothing new is not asked at once.
			if err := pauses.Wait(ctx, link.RetryAfter(err), nil); err != nil {
				return k, err
			}
		}
	}
}

// Look asks the node once, without waiting, and does what is next.
func (b *Book) Look(ctx context.Context, id string) (Kept, error) {
	k, err := b.Get(id)
	if err != nil || !k.State.Waits() {
		return k, err
	}
	return b.step(ctx, k, 0)
}

// step asks the node once and does what is next.
func (b *Book) step(ctx context.Context, k Kept, wait time.Duration) (Kept, error) {
	if !b.node.Clock.Now().Before(k.Expires) && k.State != Arrived {
		return b.end(k.ID, wire.LinkExpired)
	}
	if k.State == Made {
		return b.offerAgain(ctx, k)
	}
	after := wire.LinkOpen
	if k.State == Arrived {
		after = wire.LinkRevealed
	}
	s, err := b.node.Link(ctx, k.ID, after, wait)
	if client.IsProblem(err, wire.ProbNotFound) {
		return b.end(k.ID, wire.LinkCancelled)
	}
	if err != nil {
		return k, err
	}
	return b.seen(ctx, k, s)
}

// offerAgain tells the node of a link that it may know already.
func (b *Book) offerAgain(ctx context.Context, k Kept) (Kept, error) {
	next, err := b.offer(ctx, k)
	for _, final := range []string{wire.ProbConflict, wire.ProbExpired, wire.ProbForbidden, wire.ProbMalformed} {
		if client.IsProblem(err, final) {
			return b.end(k.ID, wire.LinkCancelled)
		}
	}
	return next, err
}

// seen does what a status asks for.
func (b *Book) seen(ctx context.Context, k Kept, s wire.LinkStatus) (Kept, error) {
	switch {
	case s.Step == wire.LinkEnded:
		return b.end(k.ID, s.Reason)
	case s.Answer == nil:
		return k, nil
	case k.Document == "":
		return b.meet(ctx, k, s)
	case s.Answer.Identity != k.Document || !bytes.Equal(s.Answer.Nonce, k.GuestNonce):
		return b.forged(ctx, k.ID)
	case s.Step == wire.LinkAnswered, s.Step == wire.LinkRevealed && k.State == Open: // its answer was lost
		return b.reveal(ctx, k)
	case s.Step == wire.LinkGiven:
		return b.change(k.ID, func(k *Kept) { k.State = Given })
	}
	return k, nil
}

// meet keeps the first answer for good, before anything is revealed.
func (b *Book) meet(ctx context.Context, k Kept, s wire.LinkStatus) (Kept, error) {
	o, err := k.side()
	if err != nil {
		return k, err
	}
	met, _, err := o.Meet(s)
	if errors.Is(err, ErrForged) {
		return b.forged(ctx, k.ID)
	}
	if err != nil {
		return k, err
	}
	k, err = b.change(k.ID, func(k *Kept) {
		k.Document, k.GuestNonce, k.Guest, k.Words = s.Answer.Identity, met.Nonce, s.Guest, met.Words
	})
	if err != nil {
		return k, err
	}
	return b.reveal(ctx, k)
}

// reveal shows the guest of the kept answer what it needs for the words.
func (b *Book) reveal(ctx context.Context, k Kept) (Kept, error) {
	o, err := k.side()
	if err != nil {
		return k, err
	}
	s := wire.LinkStatus{
		Owner: k.Owner, Guest: k.Guest, Answer: &wire.LinkShown{Identity: k.Document, Nonce: k.GuestNonce},
	}
	_, reveal, err := o.Meet(s)
	if err != nil {
		return k, err
	}
	if err := b.node.RevealLink(ctx, k.ID, reveal); err != nil {
		return k, err
	}
	return b.change(k.ID, func(k *Kept) { k.State = Arrived })
}

// forged gives a link up: somebody is in the middle who has not got it.
func (b *Book) forged(ctx context.Context, id string) (Kept, error) {
	k, err := b.end(id, ReasonForged)
	if err == nil {
		_ = b.node.CancelLink(ctx, id) // the node may be the one: nothing depends on it
	}
	return k, err
}
