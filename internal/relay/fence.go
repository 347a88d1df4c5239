package relay

import (
	"context"
	"errors"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

// sweepStep bounds what one transaction of a sweep changes.
const sweepStep = 100

// Fence ends a circle: when it returns nil nothing more is delivered, and only
// the anchor's last removal of all others is taken. Readers are told. It is
// idempotent: the first reason stays (but for that of a restore). Refusals:
// not-found.
func (r *Relay) Fence(ctx context.Context, circle wire.CircleID, reason string) error {
	return r.fenceAt(ctx, circle, reason, r.clock.Now())
}

func (r *Relay) fenceAt(ctx context.Context, id wire.CircleID, reason string, when time.Time) error {
	c, release := r.cache.take(id)
	defer release()
	c.mu.Lock()
	defer c.mu.Unlock()
	// Whoever asked may be gone: a fence is carried through all the same.
	row, err := r.fences.Fence(context.WithoutCancel(ctx), id, reason, when)
	if err != nil {
		return refused(err)
	}
	if v := c.view.Load(); v != nil {
		c.view.Store(v.fencedBy(row))
	}
	for _, s := range r.topics.of(id) {
		s.mu.Lock()
		s.end(row.Fence, row.Fenced)
		s.mu.Unlock()
	}
	r.fenced.Add(1)
	return nil
}

// Lift opens a circle that is fenced as restored, as it was. One that is open
// stays so; under any other fence it is refused as fenced.
func (r *Relay) Lift(ctx context.Context, circle wire.CircleID) error {
	c, release := r.cache.take(circle)
	defer release()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := r.fences.Lift(ctx, circle); err != nil {
		return refused(err)
	}
	_, err := r.load(ctx, c)
	return err
}

// Sweep fences the circles whose validity is over, erases what is past
// its retention, and says when the next circle's validity ends (the
// zero time: none).
func (r *Relay) Sweep(ctx context.Context) (next time.Time, err error) {
	now := r.clock.Now()
	for {
		over, err := r.fences.Expired(ctx, now, sweepStep)
		if err != nil {
			return next, err
		}
		for _, id := range over {
			var w *wire.Refusal
			if err := r.fenceAt(ctx, id, store.FenceExpired, now); err != nil && !errors.As(err, &w) {
				return next, err
			}
		}
		if len(over) < sweepStep {
			break
		}
	}
	for {
		n, err := r.fences.Trim(ctx, now, sweepStep)
		if err != nil {
			return next, err
		}
		if n == 0 {
			break
		}
	}
	return r.fences.NextExpiry(ctx)
}
