package seen

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Run writes what was counted, closes the days that are over and erases those
// that are too old, until ctx ends; then it writes once more. What a disk
// refuses is logged and tried again.
func (b *Book) Run(ctx context.Context) {
	for {
		if err := b.Work(ctx); err != nil && ctx.Err() == nil {
			b.o.Log.Error("who saw what is not kept", "error", err)
		}
		timer := b.o.Clock.NewTimer(Every)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			if err := b.Flush(context.WithoutCancel(ctx)); err != nil {
				b.o.Log.Error("who saw what is not kept", "error", err)
			}
			return
		}
	}
}

// Work is one round of what Run does.
func (b *Book) Work(ctx context.Context) error {
	if err := b.Flush(ctx); err != nil {
		return err
	}
	now := b.o.Clock.Now()
	if err := b.closeDays(ctx, now.Add(-grace)); err != nil {
		return err
	}
	return b.prune(ctx, now)
}

// prune erases what is too old, once a day.
func (b *Book) prune(ctx context.Context, now time.Time) error {
	today := now.Truncate(day)
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.pruned.Equal(today) {
		return nil
	}
	if err := b.o.Store.Prune(ctx, now.Add(-Kept)); err != nil {
		return err
	}
	b.pruned = today
	return nil
}

// closeDays closes the days before that of a time.
func (b *Book) closeDays(ctx context.Context, today time.Time) error {
	open, err := b.o.Store.OpenDays(ctx, today, closeAtOnce)
	if err != nil {
		return err
	}
	for _, d := range open {
		secret := make([]byte, 32)
		if _, err := io.ReadFull(b.o.Rand, secret); err != nil {
			return fmt.Errorf("make a day's secret: %w", err)
		}
		if err := b.o.Store.Close(ctx, d.Owner, d.Day, secret, b.due()); err != nil {
			return err
		}
	}
	return nil
}

// due is when leaves of now are in the log; the zero time without a ledger.
func (b *Book) due() time.Time {
	if b.o.Ledger == nil {
		return time.Time{}
	}
	return b.o.Ledger.Due()
}
