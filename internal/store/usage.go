package store

import (
	"context"
	"time"
)

// Usage is a sum of one meter over one hour and one organisation's domain.
type Usage struct {
	Hour   time.Time // its beginning, UTC
	Domain string
	Meter  string
	N      uint64
}

// Usages are the sums of what organisations used.
type Usages struct{ f *File }

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// Add adds to sums, all or none.
func (u *Usages) Add(ctx context.Context, sums []Usage) error {
	return u.f.writer.do(ctx, "add usage", func(t *Tx) error {
		for _, s := range sums {
			_, err := t.Exec(`INSERT INTO usage (hour, domain, meter, n) VALUES (?1, ?2, ?3, ?4)
				ON CONFLICT (hour, domain, meter) DO UPDATE SET n = n + ?4`, hourOf(s.Hour), s.Domain, s.Meter, int64(s.N))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// List lists sums in the order of time, domain and meter: of the hours from one
// time to before another, of a domain or (empty) all, after a sum (its hour,
// domain and meter; zero: from the first), limit at most.
func (u *Usages) List(ctx context.Context, from, to time.Time, domain string, after Usage, limit int) ([]Usage, error) {
	start := int64(-1)
	if !after.Hour.IsZero() {
		start = hourOf(after.Hour)
	}
	return Many(ctx, u.f, "usage", func(r Row) (s Usage, err error) {
		var hour, n int64
		err = r.Scan(&hour, &s.Domain, &s.Meter, &n)
		s.Hour, s.N = time.Unix(hour*3600, 0).UTC(), uint64(n)
		return s, err
	}, `SELECT hour, domain, meter, n FROM usage WHERE hour >= ?1 AND hour < ?2 AND (?3 = '' OR domain = ?3)
		AND (hour, domain, meter) > (?4, ?5, ?6) ORDER BY hour, domain, meter LIMIT ?7`,
		hourOf(from), hourOf(to), domain, start, after.Domain, after.Meter, limit)
}

// Forget erases the sums of the hours before a time.
func (u *Usages) Forget(ctx context.Context, before time.Time) error {
	return u.f.writer.do(ctx, "forget usage", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM usage WHERE hour < ?`, hourOf(before))
		return err
	})
}
