package store

import (
	"context"
	"time"
)

// Outgoing is a sealed document on its way to another account's inbox.
type Outgoing struct {
	ID        string // hash of the body
	From, To  string // accounts
	Authority string // whose node takes it
	Created   time.Time
	Due       time.Time // next attempt
	Expires   time.Time // after it, nobody tries
	Attempts  int
	Problem   string // of the last attempt, in words
	Body      []byte
}

// Outbox holds what this node still has to deliver.
type Outbox struct{ f *File }

const outgoingColumns = `id, sender, recipient, authority, created, due, expires, attempts, problem, body`

func scanOutgoing(r Row) (o Outgoing, err error) {
	var created, due, expires int64
	err = r.Scan(&o.ID, &o.From, &o.To, &o.Authority, &created, &due, &expires, &o.Attempts, &o.Problem, &o.Body)
	o.Created, o.Due, o.Expires = at(created), at(due), at(expires)
	return o, err
}

// Put adds a document; the same id again changes nothing. ErrQuota if the
// sender has limit documents waiting (0: no bound).
func (b *Outbox) Put(ctx context.Context, o Outgoing, limit int) error {
	return b.f.writer.do(ctx, "keep outgoing document", func(t *Tx) error {
		if limit > 0 {
			n, err := t.Number(`SELECT count(*) FROM outbox WHERE sender = ? AND id <> ?`, o.From, o.ID)
			if err != nil {
				return err
			}
			if n >= int64(limit) {
				return ErrQuota
			}
		}
		_, err := t.Exec(`INSERT OR IGNORE INTO outbox (`+outgoingColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			o.ID, o.From, o.To, o.Authority, ms(o.Created), ms(o.Due), ms(o.Expires), o.Attempts, o.Problem, o.Body)
		return err
	})
}

// Due lists documents to be tried at a time, the longest waiting first. It
// includes those expired: the caller tells the sender, then calls Done.
func (b *Outbox) Due(ctx context.Context, now time.Time, limit int) ([]Outgoing, error) {
	return Many(ctx, b.f, "outbox", scanOutgoing,
		`SELECT `+outgoingColumns+` FROM outbox WHERE due <= ? ORDER BY due LIMIT ?`, ms(now), limit)
}

// NextDue is when the next attempt is due; the zero time if nothing waits.
func (b *Outbox) NextDue(ctx context.Context) (time.Time, error) {
	n, err := One(ctx, b.f, "outbox", scanInt, `SELECT coalesce(min(due), 0) FROM outbox`)
	return at(n), err
}

// Retry notes a failed attempt and when to try again.
func (b *Outbox) Retry(ctx context.Context, id string, due time.Time, problem string) error {
	return b.f.writer.do(ctx, "note failed delivery", func(t *Tx) error {
		_, err := t.Exec(`UPDATE outbox SET attempts = attempts + 1, due = ?, problem = ? WHERE id = ?`, ms(due), problem, id)
		return err
	})
}

// Done erases a document that was delivered or given up.
func (b *Outbox) Done(ctx context.Context, id string) error {
	return b.f.writer.do(ctx, "erase outgoing document", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM outbox WHERE id = ?`, id)
		return err
	})
}
