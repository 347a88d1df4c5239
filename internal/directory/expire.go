package directory

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"primum/internal/store"
)

const expireBatch = 256

// readDue notes when the next entry expires.
func (d *Directory) readDue(ctx context.Context) error {
	for {
		at := d.expiry.generation()
		n, err := d.file.Read(ctx, "next expiry", `SELECT coalesce(min(expires), 0) FROM entries WHERE expires > 0`)
		if err != nil || d.expiry.set(n, at) {
			return err
		}
	}
}

// expiry is when the next entry expires.
type expiry struct {
	mu      sync.Mutex
	due     int64 // guarded by mu: ms; 0: none does
	changes int   // guarded by mu: what was read before the last is old
}

func (x *expiry) generation() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.changes
}

// set notes what was read at a generation; false if that is over.
func (x *expiry) set(due int64, generation int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.changes == generation {
		x.due = due
	}
	return x.changes == generation
}

// expects notes that an entry was written that expires at t.
func (x *expiry) expects(t time.Time) {
	if t.IsZero() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes++
	if x.due == 0 || ms(t) < x.due {
		x.due = ms(t)
	}
}

func (x *expiry) isDue(now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.due != 0 && x.due <= ms(now)
}

// expire takes out what is over, before anything is read: nobody sees an entry
// that has expired, and who follows events is told at the next read, or by Run.
func (d *Directory) expire(ctx context.Context) error {
	if !d.expiry.isDue(d.now()) {
		return nil
	}
	now := ms(d.now())
	for {
		taken := 0
		err := d.file.Change(ctx, "expire things", func(t *store.Tx) error {
			for range expireBatch {
				e, err := scanEntry(t.Row(`SELECT `+columns+` FROM entries e WHERE e.expires > 0 AND e.expires <= ? ORDER BY e.expires LIMIT 1`, now))
				if errors.Is(err, sql.ErrNoRows) {
					return nil
				}
				if err != nil {
					return err
				}
				if err := remove(t, e); err != nil {
					return err
				}
				taken++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if taken > 0 {
			d.announce()
		}
		if taken < expireBatch {
			return d.readDue(ctx)
		}
	}
}

// Run takes out what is over until ctx ends.
func (d *Directory) Run(ctx context.Context) {
	for {
		t := d.o.Clock.NewTimer(time.Minute)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C():
		}
		if err := d.expire(ctx); err != nil && ctx.Err() == nil && d.o.Log != nil {
			d.o.Log.Error("things that are over could not be taken out", "err", err)
		}
	}
}
