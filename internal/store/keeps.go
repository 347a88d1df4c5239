package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"
)

// Keep is an account's wrapped identity key, as its client wrote it.
type Keep struct {
	Account  string
	Serial   uint64
	Changed  time.Time
	Document []byte
}

// Keeps hold wrapped identity keys: noise without the person's secret.
type Keeps struct{ f *File }

func scanKeep(r Row) (k Keep, err error) {
	var changed int64
	err = r.Scan(&k.Account, &k.Serial, &changed, &k.Document)
	k.Changed = at(changed)
	return k, err
}

// Put replaces an account's keep by one of a higher serial. The same again
// changes nothing. ErrConflict for an older one, or another of the same serial.
func (k *Keeps) Put(ctx context.Context, keep Keep) error {
	return k.f.writer.do(ctx, "store keep", func(t *Tx) error {
		old, err := scanKeep(t.Row(`SELECT account, serial, changed, document FROM keeps WHERE account = ?`, keep.Account))
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case err == nil && bytes.Equal(old.Document, keep.Document):
			return nil
		case err == nil && old.Serial >= keep.Serial:
			return ErrConflict
		}
		_, err = t.Exec(`INSERT INTO keeps (account, serial, changed, document) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (account) DO UPDATE SET serial = ?2, changed = ?3, document = ?4`, keep.Account, keep.Serial, ms(keep.Changed), keep.Document)
		return err
	})
}

// Get reads an account's keep; ErrNotFound.
func (k *Keeps) Get(ctx context.Context, account string) (Keep, error) {
	return One(ctx, k.f, "keep", scanKeep, `SELECT account, serial, changed, document FROM keeps WHERE account = ?`, account)
}
