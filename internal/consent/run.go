package consent

import (
	"context"
	"errors"
	"time"

	"primum/grant"
	"primum/internal/wire"
)

const (
	// trimEvery is how often a sweep runs when nothing ends before.
	trimEvery = time.Hour
	// retryAfter is how soon a sweep that failed runs again.
	retryAfter = 10 * time.Second
	sweepStep  = 100
)

// Run ends by the clock what is over (grants, circles), and trims: until ctx
// ends, which is no error.
func (b *Book) Run(ctx context.Context) error {
	for {
		wait := trimEvery
		next, err := b.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			b.o.Log.Error("sweep failed; it runs again", "in", retryAfter, "err", err)
			wait = retryAfter
		case !next.IsZero():
			wait = max(min(wait, next.Sub(b.o.Clock.Now())), 0)
		}
		timer := b.o.Clock.NewTimer(wait)
		select {
		case <-b.filed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// Sweep is one round of Run, and says when the next end is due (the zero time:
// nothing is).
func (b *Book) Sweep(ctx context.Context) (next time.Time, err error) {
	if next, err = b.o.Relay.Sweep(ctx); err != nil {
		return next, err
	}
	now := b.o.Clock.Now()
	for _, state := range []grant.State{grant.Given, grant.Paused} {
		if err := b.expire(ctx, state, now); err != nil {
			return next, err
		}
		over, err := b.o.Store.Grants.NextOver(ctx, string(state))
		if err != nil {
			return next, err
		}
		next = sooner(next, over)
	}
	links, err := b.endLinks(ctx, now)
	if err != nil {
		return next, err
	}
	next = sooner(next, links)
	s := b.o.Store
	return next, errors.Join(s.Refusals.Trim(ctx, now), s.Inbox.Trim(ctx, now), s.KeyPackages.Trim(ctx, now))
}

// sooner is the earlier of two times, of which the zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expire ends the grants of a state whose validity is over.
func (b *Book) expire(ctx context.Context, state grant.State, now time.Time) error {
	for {
		over, err := b.o.Store.Grants.Over(ctx, string(state), now, sweepStep)
		if err != nil {
			return err
		}
		for _, g := range over {
			_, err := b.end(ctx, g.ID, grant.Expire, grant.ByClock, "expired", "")
			if err != nil && !named(err, wire.ProbConflict) {
				return err
			}
		}
		if len(over) < sweepStep {
			return nil
		}
	}
}
