package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Account is an account of this node. Its documents are in Identities.
type Account struct {
	Address string // user@authority
	Created time.Time
}

// Accounts are the node's own accounts and the invitations to open one.
type Accounts struct{ f *File }

// Create adds an account with its first identity document, using up an
// invitation in the same transaction. invite is the invitation's hash, nil
// where accounts are open. The same account with the same document again is no
// error. Errors: ErrExists, ErrInvite.
func (a *Accounts) Create(ctx context.Context, acc Account, first Identity, invite []byte) error {
	return a.f.writer.do(ctx, "create account", func(t *Tx) error {
		if n, err := t.Number(`SELECT count(*) FROM accounts WHERE address = ?`, acc.Address); err != nil || n > 0 {
			return errors.Join(err, t.same(first, n))
		}
		if err := t.free(acc.Address); err != nil {
			return err
		}
		if invite != nil {
			n, err := t.Exec(`UPDATE invites SET used_by = ? WHERE hash = ? AND used_by IS NULL AND until > ?`,
				acc.Address, invite, ms(acc.Created))
			if err != nil {
				return err
			}
			if n == 0 {
				return ErrInvite
			}
		}
		if _, err := t.Exec(`INSERT INTO accounts (address, created) VALUES (?, ?)`, acc.Address, ms(acc.Created)); err != nil {
			return err
		}
		return t.identity(first, 0)
	})
}

// same tells an account asked for twice from one asked for by two.
func (t *Tx) same(first Identity, accounts int64) error {
	if accounts == 0 {
		return nil
	}
	// An account that was closed by an earlier version has no document.
	var hash string
	err := t.Row(`SELECT hash FROM identities WHERE account = ? AND version = ?`, first.Account, first.Version).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) || err == nil && hash != first.Hash {
		return ErrExists
	}
	return err
}

// Get reads an account; ErrNotFound, also for one that was closed.
func (a *Accounts) Get(ctx context.Context, address string) (Account, error) {
	return One(ctx, a.f, "account", func(r Row) (acc Account, err error) {
		var created int64
		err = r.Scan(&acc.Address, &created)
		acc.Created = at(created)
		return acc, err
	}, `SELECT address, created FROM accounts WHERE address = ? AND closed = 0`, address)
}

// Count is the number of open accounts.
func (a *Accounts) Count(ctx context.Context) (int, error) {
	n, err := One(ctx, a.f, "number of accounts", scanInt, `SELECT count(*) FROM accounts WHERE closed = 0`)
	return int(n), err
}

// Invite keeps the hash of an invitation that opens one account until a time.
func (a *Accounts) Invite(ctx context.Context, hash []byte, now, until time.Time) error {
	return a.f.writer.do(ctx, "keep invitation", func(t *Tx) error {
		_, err := t.Exec(`INSERT OR IGNORE INTO invites (hash, created, until) VALUES (?, ?, ?)`, hash, ms(now), ms(until))
		return err
	})
}
