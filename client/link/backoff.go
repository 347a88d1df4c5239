package link

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"primum/internal/clock"
)

// Backoff grows from first to last by half each time; each wait is cut by a
// random part of up to a half, so that many clients do not come back at once.
type Backoff struct {
	clock       clock.Clock
	rand        io.Reader
	first, last time.Duration
	now         time.Duration
}

// NewBackoff makes one that stands at its beginning.
func NewBackoff(c clock.Clock, random io.Reader, first, last time.Duration) *Backoff {
	return &Backoff{clock: c, rand: random, first: first, last: last}
}

// Reset begins anew.
func (b *Backoff) Reset() { b.now = 0 }

// Next is the next pause.
func (b *Backoff) Next() time.Duration {
	switch {
	case b.now == 0:
		b.now = b.first
	default:
		b.now = min(b.now+b.now/2, b.last)
	}
	var r [4]byte
	if _, err := io.ReadFull(b.rand, r[:]); err != nil {
		return b.now
	}
	half := b.now / 2
	return half + time.Duration(uint64(half)*uint64(binary.BigEndian.Uint32(r[:]))>>32)
}

// Wait waits for the next interval, at least atLeast, or until wake.
func (b *Backoff) Wait(ctx context.Context, atLeast time.Duration, wake <-chan struct{}) error {
	t := b.clock.NewTimer(max(b.Next(), atLeast))
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
