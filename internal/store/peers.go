package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"
)

// NodeKey is another node's key, pinned on first use.
type NodeKey struct {
	Authority string
	ID        string
	Key       []byte
	Pinned    time.Time
}

// Pin is an account's identity key, pinned on first use.
type Pin struct {
	Account     string
	IdentityKey []byte
	Pinned      time.Time
}

// Peers remembers the keys of other domains.
type Peers struct{ f *File }

// PinNode keeps a node's key. ErrConflict if its id is pinned to another key.
func (p *Peers) PinNode(ctx context.Context, k NodeKey) error {
	return p.f.writer.do(ctx, "pin node key", func(t *Tx) error {
		return t.pin(k.Key, `SELECT key FROM node_keys WHERE authority = ? AND id = ?`,
			`INSERT INTO node_keys (authority, id, key, pinned) VALUES (?, ?, ?, ?)`, k.Authority, k.ID, k.Key, ms(k.Pinned))
	})
}

// Node reads a pinned key; ErrNotFound.
func (p *Peers) Node(ctx context.Context, authority, id string) (NodeKey, error) {
	return One(ctx, p.f, "node key", func(r Row) (k NodeKey, err error) {
		var pinned int64
		err = r.Scan(&k.Authority, &k.ID, &k.Key, &pinned)
		k.Pinned = at(pinned)
		return k, err
	}, `SELECT authority, id, key, pinned FROM node_keys WHERE authority = ? AND id = ?`, authority, id)
}

// Domains lists the domains of whose node or accounts a key is known, those
// known longest first; the node's own may be among them.
func (p *Peers) Domains(ctx context.Context, limit int) ([]string, error) {
	return Many(ctx, p.f, "known domains", func(r Row) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	}, `SELECT domain FROM (
			SELECT authority AS domain, pinned FROM node_keys
			UNION ALL SELECT substr(account, instr(account, '@') + 1), pinned FROM pins)
		GROUP BY domain ORDER BY min(pinned), domain LIMIT ?`, limit)
}

// PinIdentity keeps an account's identity key. ErrConflict if the account is
// pinned to another one; RepinIdentity changes it.
func (p *Peers) PinIdentity(ctx context.Context, pin Pin) error {
	return p.f.writer.do(ctx, "pin identity key", func(t *Tx) error {
		return t.pin(pin.IdentityKey, `SELECT identity_key FROM pins WHERE account = ?`,
			`INSERT INTO pins (account, identity_key, pinned) VALUES (?, ?, ?)`, pin.Account, pin.IdentityKey, ms(pin.Pinned))
	})
}

// RepinIdentity follows a change of identity key that the recovery key signed.
func (p *Peers) RepinIdentity(ctx context.Context, pin Pin) error {
	return p.f.writer.do(ctx, "pin identity key", func(t *Tx) error {
		_, err := t.Exec(`INSERT OR REPLACE INTO pins (account, identity_key, pinned) VALUES (?, ?, ?)`,
			pin.Account, pin.IdentityKey, ms(pin.Pinned))
		return err
	})
}

// Identity reads a pinned identity key; ErrNotFound.
func (p *Peers) Identity(ctx context.Context, account string) (Pin, error) {
	return One(ctx, p.f, "pinned identity key", func(r Row) (pin Pin, err error) {
		var pinned int64
		err = r.Scan(&pin.Account, &pin.IdentityKey, &pinned)
		pin.Pinned = at(pinned)
		return pin, err
	}, `SELECT account, identity_key, pinned FROM pins WHERE account = ?`, account)
}

// pin inserts a row unless there is one with the same key. The arguments of
// the select are the first ones of the insert.
func (t *Tx) pin(key []byte, sel, insert string, args ...any) error {
	var old []byte
	err := t.Row(sel, args[:len(args)-2]...).Scan(&old)
	switch {
	case err == nil && bytes.Equal(old, key):
		return nil
	case err == nil:
		return ErrConflict
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	_, err = t.Exec(insert, args...)
	return err
}

// texts reads a column of texts.
func (t *Tx) texts(query string, args ...any) ([]string, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
