package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Label is a random name under which an account shows a thing of its own.
type Label struct {
	Label   string
	Account string
	Name    string // that the thing has, canonical; its owner's alone
	Hush    []byte // keyed hash of Name
	Epoch   int64  // never given twice
	Made    time.Time
}

// Labels are random labels of things, and the names that are not answered for.
type Labels struct{ f *File }

const labelColumns = `label, account, name, hush, epoch, made`

func scanLabel(r Row) (l Label, err error) {
	var made int64
	err = r.Scan(&l.Label, &l.Account, &l.Name, &l.Hush, &l.Epoch, &made)
	l.Made = at(made)
	return l, err
}

// Put gives an account's thing its label, which make derives from the next
// epoch; one that it has stays. ErrQuota if the account has limit others.
func (s *Labels) Put(ctx context.Context, l Label, limit int, derive func(epoch int64) string) (kept Label, err error) {
	err = s.f.writer.do(ctx, "store label", func(t *Tx) (err error) {
		kept, err = scanLabel(t.Row(`SELECT `+labelColumns+` FROM labels WHERE account = ? AND name = ?`, l.Account, l.Name))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := t.below(limit, `SELECT count(*) FROM labels WHERE account = ?`, l.Account); err != nil {
			return err
		}
		kept = l
		if kept.Epoch, err = t.Number(`INSERT INTO labels (label, account, name, hush, made) VALUES (lower(hex(randomblob(16))), ?, ?, ?, ?)
			RETURNING epoch`, l.Account, l.Name, l.Hush, ms(l.Made)); err != nil {
			return err
		}
		kept.Label = derive(kept.Epoch)
		_, err = t.Exec(`UPDATE labels SET label = ? WHERE epoch = ?`, kept.Label, kept.Epoch)
		return err
	})
	return kept, err
}

// Of lists an account's labels, oldest first.
func (s *Labels) Of(ctx context.Context, account string) ([]Label, error) {
	return Many(ctx, s.f, "labels", scanLabel, `SELECT `+labelColumns+` FROM labels WHERE account = ? ORDER BY epoch`, account)
}

// Get reads a label; ErrNotFound.
func (s *Labels) Get(ctx context.Context, label string) (Label, error) {
	return One(ctx, s.f, "label", scanLabel, `SELECT `+labelColumns+` FROM labels WHERE label = ?`, label)
}

// Remove ends an account's label, and takes down the public page that stands
// under it; no other ever will, because the label may be printed on the thing.
// ErrNotFound if the account has no such label.
func (s *Labels) Remove(ctx context.Context, account, label string) error {
	return s.f.writer.do(ctx, "remove label", func(t *Tx) error {
		n, err := t.Exec(`INSERT OR IGNORE INTO notices_taken (id, at) SELECT label, made FROM labels WHERE account = ? AND label = ?`, account, label)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM labels WHERE label = ?`, label); err != nil {
			return err
		}
		_, err = t.Exec(`DELETE FROM notices WHERE account = ? AND id = ?`, account, label)
		return err
	})
}

// Hushed says whether a name is an account's own or opted out, by its keyed
// hash. It does the same work for every name.
func (s *Labels) Hushed(ctx context.Context, hush []byte) (bool, error) {
	n, err := One(ctx, s.f, "name", scanInt, `SELECT (SELECT count(*) FROM labels WHERE hush = ?1) + (SELECT count(*) FROM opted_out WHERE hush = ?1)`, hush)
	return n > 0, err
}

// OptOut has a name answered for no more, or again. Both may be said twice.
func (s *Labels) OptOut(ctx context.Context, hush []byte, out bool, now time.Time) error {
	return s.f.writer.do(ctx, "opt out", func(t *Tx) (err error) {
		if out {
			_, err = t.Exec(`INSERT OR IGNORE INTO opted_out (hush, made) VALUES (?, ?)`, hush, ms(now))
		} else {
			_, err = t.Exec(`DELETE FROM opted_out WHERE hush = ?`, hush)
		}
		return err
	})
}
