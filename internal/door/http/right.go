package httpdoor

import (
	"context"

	"primum/internal/wire"
)

// right makes a route a person's right (requirement L11): its requests are
// marked before the handler, so that no meter counts them, and have a pool and
// limits of their own, so that no other traffic stands before them.
func right(rt route) route {
	rt.right = true
	return rt
}

// rightSlots is how many requests for rights work at a time; others wait for
// one of these only, never for paying traffic.
const rightSlots = 64

// enter marks a request for a right and waits for its place; leave gives the
// place back.
func (d *Door) enter(ctx context.Context, rt route) (marked context.Context, leave func(), err error) {
	if !rt.right {
		return ctx, func() {}, nil
	}
	ctx = wire.Right(ctx)
	select {
	case d.rightPool <- struct{}{}:
		return ctx, func() { <-d.rightPool }, nil
	case <-ctx.Done():
		return ctx, nil, ctx.Err()
	}
}

// limitOf is the limit per address of a route's requests: what ends something
// and what is a right is not used up by anything else.
func (d *Door) limitOf(rt route) *limiter {
	switch {
	case rt.stops:
		return d.stops
	case rt.right:
		return d.rights
	}
	return d.perAddress
}
