package store

import (
	"context"
	"time"
)

// Refusals remember until when an account may not ask an owner again.
type Refusals struct{ f *File }

// Put keeps the later of two times.
func (r *Refusals) Put(ctx context.Context, owner, from string, until time.Time) error {
	return r.f.writer.do(ctx, "keep refusal", func(t *Tx) error {
		_, err := t.Exec(`INSERT INTO refusals (owner, sender, until) VALUES (?, ?, ?)
			ON CONFLICT (owner, sender) DO UPDATE SET until = max(until, excluded.until)`, owner, from, ms(until))
		return err
	})
}

// Until is when from may ask owner again; the zero time if it may.
func (r *Refusals) Until(ctx context.Context, owner, from string, now time.Time) (time.Time, error) {
	n, err := One(ctx, r.f, "refusal", scanInt,
		`SELECT coalesce(max(until), 0) FROM refusals WHERE owner = ? AND sender = ? AND until > ?`, owner, from, ms(now))
	return at(n), err
}

// Trim forgets refusals that are over.
func (r *Refusals) Trim(ctx context.Context, now time.Time) error {
	return r.f.writer.do(ctx, "trim refusals", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM refusals WHERE until <= ?`, ms(now))
		return err
	})
}
