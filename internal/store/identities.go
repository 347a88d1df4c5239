package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Identity is an identity document, verified by the caller, of an account of
// this node or of another domain.
type Identity struct {
	Account     string
	Version     uint64
	Hash        string // of the document
	IdentityKey []byte
	Expires     time.Time
	Received    time.Time
	Checked     time.Time // when it was last known to be the newest
	Document    string    // compact JWS
}

// Suspension is an owner's word that no client gives until a newer identity
// document. Withdrawing always works.
type Suspension struct {
	Account  string
	Client   string // who signed it
	At       time.Time
	Version  uint64 // of the identity document then: a newer one ends it
	Document string
}

// Identities keeps identity documents with their history, and suspensions.
type Identities struct{ f *File }

const identityColumns = `account, version, hash, identity_key, expires, received, checked, document`

func scanIdentity(r Row) (i Identity, err error) {
	var expires, received, checked int64
	err = r.Scan(&i.Account, &i.Version, &i.Hash, &i.IdentityKey, &expires, &received, &checked, &i.Document)
	i.Expires, i.Received, i.Checked = at(expires), at(received), at(checked)
	return i, err
}

// Put keeps a document as the account's newest, if the newest until now has
// version previous (0: there is none). The newest again only moves Checked.
// Errors: ErrConflict.
func (i *Identities) Put(ctx context.Context, doc Identity, previous uint64) error {
	return i.f.writer.do(ctx, "keep identity document", func(t *Tx) error { return t.identity(doc, previous) })
}

func (t *Tx) identity(doc Identity, previous uint64) error {
	var version uint64
	var hash string
	err := t.Row(`SELECT version, hash FROM identities WHERE account = ? ORDER BY version DESC LIMIT 1`, doc.Account).Scan(&version, &hash)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err == nil && version == doc.Version && hash == doc.Hash:
		_, err := t.Exec(`UPDATE identities SET checked = ? WHERE account = ? AND version = ?`, ms(doc.Received), doc.Account, doc.Version)
		return err
	case version != previous || doc.Version <= version:
		return ErrConflict
	}
	_, err = t.Exec(`INSERT INTO identities (`+identityColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		doc.Account, doc.Version, doc.Hash, doc.IdentityKey, ms(doc.Expires), ms(doc.Received), ms(doc.Received), doc.Document)
	return err
}

// Current reads an account's newest document; ErrNotFound.
func (i *Identities) Current(ctx context.Context, account string) (Identity, error) {
	return One(ctx, i.f, "identity document", scanIdentity,
		`SELECT `+identityColumns+` FROM identities WHERE account = ? ORDER BY version DESC LIMIT 1`, account)
}

// Version reads an earlier document; ErrNotFound.
func (i *Identities) Version(ctx context.Context, account string, version uint64) (Identity, error) {
	return One(ctx, i.f, "identity document", scanIdentity,
		`SELECT `+identityColumns+` FROM identities WHERE account = ? AND version = ?`, account, version)
}

// Suspend keeps an account's newest suspension.
func (i *Identities) Suspend(ctx context.Context, s Suspension) error {
	return i.f.writer.do(ctx, "keep suspension", func(t *Tx) error {
		_, err := t.Exec(`INSERT INTO suspensions (account, client, at, version, document) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (account) DO UPDATE SET client = excluded.client, at = excluded.at, version = excluded.version, document = excluded.document
			WHERE excluded.version >= version`, s.Account, s.Client, ms(s.At), s.Version, s.Document)
		return err
	})
}

// Suspended reads the suspension that is in force; ErrNotFound if none is,
// also when a newer identity document has ended it.
func (i *Identities) Suspended(ctx context.Context, account string) (Suspension, error) {
	return One(ctx, i.f, "suspension", func(r Row) (s Suspension, err error) {
		var when int64
		err = r.Scan(&s.Account, &s.Client, &when, &s.Version, &s.Document)
		s.At = at(when)
		return s, err
	}, `SELECT account, client, at, version, document FROM suspensions s WHERE account = ?
		AND version >= coalesce((SELECT max(version) FROM identities i WHERE i.account = s.account), 0)`, account)
}
