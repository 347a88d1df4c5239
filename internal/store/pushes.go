package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Push is where a client wants to be rung.
type Push struct {
	Account  string
	Client   string
	Endpoint string
}

// Pushes are the Web Push subscriptions of clients, and the node's key.
type Pushes struct{ f *File }

func scanPush(r Row) (p Push, err error) {
	return p, r.Scan(&p.Account, &p.Client, &p.Endpoint)
}

// Put subscribes a client, in place of what it had.
func (s *Pushes) Put(ctx context.Context, p Push) error {
	return s.f.writer.do(ctx, "store push", func(t *Tx) error {
		_, err := t.Exec(`INSERT INTO pushes (account, client, endpoint, waiting, due) VALUES (?1, ?2, ?3, 0, 0)
			ON CONFLICT (account, client) DO UPDATE SET endpoint = ?3, failed = 0`, p.Account, p.Client, p.Endpoint)
		return err
	})
}

// Get reads a client's subscription; ErrNotFound.
func (s *Pushes) Get(ctx context.Context, account, client string) (Push, error) {
	return One(ctx, s.f, "push", scanPush, `SELECT account, client, endpoint FROM pushes WHERE account = ? AND client = ?`, account, client)
}

// Remove ends a client's subscription; where endpoint is not empty, only if it
// is still that one.
func (s *Pushes) Remove(ctx context.Context, account, client, endpoint string) error {
	return s.f.writer.do(ctx, "remove push", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM pushes WHERE account = ?1 AND client = ?2 AND (?3 = '' OR endpoint = ?3)`, account, client, endpoint)
		return err
	})
}

// Ring marks all clients of an account to be rung, and tells whether it has any.
func (s *Pushes) Ring(ctx context.Context, account string) (bool, error) {
	return result(ctx, s.f.writer, "ring", func(t *Tx) (bool, error) {
		n, err := t.Exec(`UPDATE pushes SET waiting = 1 WHERE account = ?`, account)
		return n > 0, err
	})
}

// Due takes up to limit clients that are to be rung now; none of them is taken
// again before pause is over.
func (s *Pushes) Due(ctx context.Context, now time.Time, pause time.Duration, limit int) ([]Push, error) {
	return result(ctx, s.f.writer, "take due pushes", func(t *Tx) ([]Push, error) {
		stmt, err := t.stmt(`UPDATE pushes SET waiting = 0, due = ? WHERE (account, client) IN
			(SELECT account, client FROM pushes WHERE waiting = 1 AND due <= ? ORDER BY due LIMIT ?)
			RETURNING account, client, endpoint`)
		if err != nil {
			return nil, err
		}
		rows, err := stmt.Query(ms(now.Add(pause)), ms(now), limit)
		if err != nil {
			return nil, err
		}
		defer func() { _ = rows.Close() }()
		var all []Push
		for rows.Next() {
			p, err := scanPush(rows)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
		return all, rows.Err()
	})
}

// Rung notes that a client was rung, or was not: then it is to be rung again
// after the pause. It is forgotten after the limit of failures in a row.
func (s *Pushes) Rung(ctx context.Context, p Push, worked bool, limit int) error {
	return s.f.writer.do(ctx, "note push", func(t *Tx) error {
		if worked {
			_, err := t.Exec(`UPDATE pushes SET failed = 0 WHERE account = ? AND client = ? AND endpoint = ? AND failed > 0`, p.Account, p.Client, p.Endpoint)
			return err
		}
		if _, err := t.Exec(`UPDATE pushes SET failed = failed + 1, waiting = 1 WHERE account = ? AND client = ? AND endpoint = ?`, p.Account, p.Client, p.Endpoint); err != nil {
			return err
		}
		_, err := t.Exec(`DELETE FROM pushes WHERE account = ? AND client = ? AND failed >= ?`, p.Account, p.Client, limit)
		return err
	})
}

// NextDue is when the next client is to be rung; the zero time if none waits.
// A client that may be rung at once is due at the Unix epoch's first millisecond.
func (s *Pushes) NextDue(ctx context.Context) (time.Time, error) {
	n, err := One(ctx, s.f, "due pushes", scanInt, `SELECT coalesce(min(max(due, 1)), 0) FROM pushes WHERE waiting = 1`)
	return at(n), err
}

// Key returns the node's key, which is made on first need and kept.
func (s *Pushes) Key(ctx context.Context, fresh func() ([]byte, error)) ([]byte, error) {
	return result(ctx, s.f.writer, "read push key", func(t *Tx) (key []byte, err error) {
		err = t.Row(`SELECT key FROM push_key`).Scan(&key)
		if !errors.Is(err, sql.ErrNoRows) {
			return key, err
		}
		if key, err = fresh(); err != nil {
			return nil, err
		}
		_, err = t.Exec(`INSERT INTO push_key (one, key) VALUES (1, ?)`, key)
		return key, err
	})
}
