package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Notice is a thing's public page, as its owner wrote it.
type Notice struct {
	ID       string
	Account  string
	Changed  time.Time
	Document []byte
}

// Notices are public by intent; whose they are is not.
type Notices struct{ f *File }

const noticeColumns = `id, account, changed, document`

func scanNotice(r Row) (n Notice, err error) {
	var changed int64
	err = r.Scan(&n.ID, &n.Account, &changed, &n.Document)
	n.Changed = at(changed)
	return n, err
}

// Put adds or replaces a notice. ErrExists if the id is another account's,
// its label, or was taken down, ErrQuota if the account has limit others.
func (s *Notices) Put(ctx context.Context, n Notice, limit int) error {
	return s.f.writer.do(ctx, "store notice", func(t *Tx) error {
		var owner string
		err := t.Row(`SELECT account FROM notices WHERE id = ?`, n.ID).Scan(&owner)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && owner != n.Account {
			return ErrExists
		}
		if n, err := t.Number(`SELECT count(*) FROM labels WHERE label = ? AND account <> ?`, n.ID, n.Account); err != nil || n > 0 {
			return errors.Join(err, ErrExists)
		}
		if down, err := t.taken(n.ID); err != nil || down {
			return errors.Join(err, ErrExists)
		}
		if err := t.below(limit, `SELECT count(*) FROM notices WHERE account = ? AND id <> ?`, n.Account, n.ID); err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO notices (`+noticeColumns+`) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (id) DO UPDATE SET changed = ?3, document = ?4`, n.ID, n.Account, ms(n.Changed), n.Document)
		return err
	})
}

// Get reads a notice; ErrNotFound.
func (s *Notices) Get(ctx context.Context, id string) (Notice, error) {
	return One(ctx, s.f, "notice", scanNotice, `SELECT `+noticeColumns+` FROM notices WHERE id = ?`, id)
}

// Of lists an account's notices by id.
func (s *Notices) Of(ctx context.Context, account string) ([]Notice, error) {
	return Many(ctx, s.f, "notices", scanNotice, `SELECT `+noticeColumns+` FROM notices WHERE account = ? ORDER BY id`, account)
}

// Remove erases an account's notice. ErrNotFound if it has none of that id.
func (s *Notices) Remove(ctx context.Context, account, id string) error {
	return s.f.writer.do(ctx, "remove notice", func(t *Tx) error {
		n, err := t.Exec(`DELETE FROM notices WHERE account = ? AND id = ?`, account, id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
}
