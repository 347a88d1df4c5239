package client

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"primum/internal/clock"
)

// backoff grows from first to last by half each time; each wait is cut by a
// random part of up to a half, so that many clients do not come back at once.
type backoff struct {
	clock       clock.Clock
	rand        io.Reader
	first, last time.Duration
	now         time.Duration
}

func (b *backoff) reset() { b.now = 0 }

func (b *backoff) next() time.Duration {
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

// wait waits for the next interval, at least atLeast, or until wake.
func (b *backoff) wait(ctx context.Context, atLeast time.Duration, wake <-chan struct{}) error {
	t := b.clock.NewTimer(max(b.next(), atLeast))
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
