package store

import (
	"context"
	"time"
)

// PageSession is what a page's cookie stands for.
type PageSession struct {
	Hash    []byte // SHA-256 of the cookie's value
	Account string
	Client  string
	Opened  time.Time
	Until   time.Time
}

// PageSessions are the sessions of portal pages. They allow to have requests
// carried to other nodes, and nothing else.
type PageSessions struct{ f *File }

// Open adds a session and ends the client's earlier ones at a time, a little
// later, for the requests that are under way. What has expired is erased.
func (s *PageSessions) Open(ctx context.Context, n PageSession, earlier time.Time) error {
	return s.f.writer.do(ctx, "open page session", func(t *Tx) error {
		if _, err := t.Exec(`DELETE FROM page_sessions WHERE until <= ?`, ms(n.Opened)); err != nil {
			return err
		}
		_, err := t.Exec(`UPDATE page_sessions SET until = min(until, ?) WHERE account = ? AND client = ?`, ms(earlier), n.Account, n.Client)
		if err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO page_sessions (hash, account, client, opened, until) VALUES (?, ?, ?, ?, ?)`,
			n.Hash, n.Account, n.Client, ms(n.Opened), ms(n.Until))
		return err
	})
}

// Get reads a session that has not ended; ErrNotFound.
func (s *PageSessions) Get(ctx context.Context, hash []byte, now time.Time) (PageSession, error) {
	return One(ctx, s.f, "page session", func(r Row) (p PageSession, err error) {
		var opened, until int64
		err = r.Scan(&p.Hash, &p.Account, &p.Client, &opened, &until)
		p.Opened, p.Until = at(opened), at(until)
		return p, err
	}, `SELECT hash, account, client, opened, until FROM page_sessions WHERE hash = ? AND until > ?`, hash, ms(now))
}

// End ends all sessions of one client.
func (s *PageSessions) End(ctx context.Context, account, client string) error {
	return s.f.writer.do(ctx, "end page sessions", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM page_sessions WHERE account = ? AND client = ?`, account, client)
		return err
	})
}

// Drop ends what clients of an account have that are not in keep: sessions and
// pushes.
func (s *PageSessions) Drop(ctx context.Context, account string, keep []string) error {
	return s.f.writer.do(ctx, "drop clients", func(t *Tx) error {
		for _, table := range []string{"page_sessions", "pushes"} {
			if err := t.dropClients(table, account, keep); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropClients erases the rows of clients that are not kept. A table's name is
// a constant of this package.
func (t *Tx) dropClients(table, account string, keep []string) error {
	clients, err := t.strings(`SELECT DISTINCT client FROM `+table+` WHERE account = ?`, account)
	if err != nil {
		return err
	}
	kept := make(map[string]bool, len(keep))
	for _, c := range keep {
		kept[c] = true
	}
	for _, c := range clients {
		if kept[c] {
			continue
		}
		if _, err := t.Exec(`DELETE FROM `+table+` WHERE account = ? AND client = ?`, account, c); err != nil {
			return err
		}
	}
	return nil
}

// strings reads one column of text.
func (t *Tx) strings(query string, args ...any) (all []string, err error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
