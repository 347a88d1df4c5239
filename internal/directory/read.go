package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/internal/store"
)

// Check says whether a description is one that Put would take. Errors:
// *td.Invalid.
func (d *Directory) Check(b []byte) error {
	_, err := d.check(b)
	return err
}

// Get reads the entry that a viewer sees under an id; ErrNotFound, also where
// there is one that it does not see.
func (d *Directory) Get(ctx context.Context, v Viewer, id string) (Entry, error) {
	if err := d.expire(ctx); err != nil {
		return Entry{}, err
	}
	q, own, owners, err := d.queriesFor(v)
	if err != nil {
		return Entry{}, err
	}
	return found(store.One(ctx, d.file, "thing", scanEntry, q.get, own, owners, id))
}

func found(e Entry, err error) (Entry, error) {
	if errors.Is(err, store.ErrNotFound) {
		return Entry{}, ErrNotFound
	}
	return e, err
}

// Describe finds an entry by any of several ids, for resolve. caller is an
// account, empty for a stranger. The same is read whether there is none, or
// one that the caller does not see.
func (d *Directory) Describe(ctx context.Context, caller string, ids []string) (id, title string, ok bool, err error) {
	v, err := d.As(ctx, caller, false)
	if err != nil {
		return "", "", false, err
	}
	q, own, owners, err := d.queriesFor(v)
	if err != nil {
		return "", "", false, err
	}
	if ids == nil {
		ids = []string{}
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return "", "", false, err
	}
	e, err := found(store.One(ctx, d.file, "thing", scanEntry, q.among, own, owners, string(list)))
	if errors.Is(err, ErrNotFound) || err == nil && e.expired(d.now()) {
		return "", "", false, nil
	}
	return e.ID, e.Title(), err == nil, err
}

func (e Entry) expired(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// Title is the description's.
func (e Entry) Title() string {
	var t struct {
		Title string `json:"title"`
	}
	_ = json.Unmarshal(e.TD, &t) // it was checked before it was kept
	return t.Title
}

// Bounds of a page.
const (
	MaxPage      = 1000
	maxPageBytes = 8 << 20
)

// Page lists what a viewer sees in the code-point order of ids: at most limit
// entries (MaxPage where that is 0 or more) from offset on, and fewer where
// they are large. more tells whether there are others behind them.
func (d *Directory) Page(ctx context.Context, v Viewer, offset, limit int) (list []Entry, more bool, err error) {
	if err := d.expire(ctx); err != nil {
		return nil, false, err
	}
	q, own, owners, err := d.queriesFor(v)
	if err != nil {
		return nil, false, err
	}
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	const step = 50 // so that not all of them are in memory where they are large
	bytes := 0
	for len(list) < limit {
		n := min(step, limit-len(list))
		part, err := store.Many(ctx, d.file, "things", scanEntry, q.page, own, owners, n+1, offset+len(list))
		if err != nil {
			return nil, false, err
		}
		more = len(part) > n
		for _, e := range part[:min(n, len(part))] {
			if bytes += len(e.TD); bytes > maxPageBytes && len(list) > 0 {
				return list, true, nil
			}
			list = append(list, e)
		}
		if !more {
			break
		}
	}
	return list, more, nil
}

// Count is how many entries a viewer sees.
func (d *Directory) Count(ctx context.Context, v Viewer) (int, error) {
	if err := d.expire(ctx); err != nil {
		return 0, err
	}
	q, own, owners, err := d.queriesFor(v)
	if err != nil {
		return 0, err
	}
	n, err := store.One(ctx, d.file, "number of things", func(r store.Row) (n int64, err error) { return n, r.Scan(&n) }, q.count, own, owners)
	return int(n), err
}

// Tag is the entity tag of all that a viewer sees, quoted. What it does not see
// changes nothing about it.
func (d *Directory) Tag(ctx context.Context, v Viewer) (string, error) {
	if err := d.expire(ctx); err != nil {
		return "", err
	}
	scopes := v.scopes()
	list, err := json.Marshal(scopes)
	if err != nil {
		return "", fmt.Errorf("tag things: %w", err)
	}
	rows, err := store.Many(ctx, d.file, "revisions", func(r store.Row) (s string, err error) {
		var n int64
		err = r.Scan(&s, &n)
		return fmt.Sprint(s, " ", n), err
	}, `SELECT scope, n FROM revisions WHERE scope IN (SELECT value FROM json_each(?)) ORDER BY scope`, string(list))
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, d.tags)
	for _, s := range append(rows, scopes...) {
		_, _ = fmt.Fprintln(mac, s) // a hash takes all
	}
	return `"` + hex.EncodeToString(mac.Sum(nil)[:12]) + `"`, nil
}

// Of lists all entries of an owner, for its export.
func (d *Directory) Of(ctx context.Context, owner string) ([]Entry, error) {
	return store.Many(ctx, d.file, "things of an owner", scanEntry, `SELECT `+columns+` FROM entries e WHERE e.owner = ? ORDER BY e.id`, owner)
}

// Mentioning lists at most limit entries of the operator's after an id that have
// a text in them. It reads all of them, if need be.
func (d *Directory) Mentioning(ctx context.Context, text, after string, limit int) ([]Entry, error) {
	return store.Many(ctx, d.file, "things", scanEntry, `SELECT `+columns+` FROM entries e
		WHERE e.owner = '' AND e.id > ? AND instr(e.td, ?) > 0 ORDER BY e.id LIMIT ?`, after, text, limit)
}

// Forget erases all that an account had in the directory, events of it, too.
func (d *Directory) Forget(ctx context.Context, account string) error {
	if account == Operator {
		return nil
	}
	return d.file.Change(ctx, "forget things", func(t *store.Tx) error {
		for _, s := range []string{
			`DELETE FROM terms WHERE entry IN (SELECT n FROM entries WHERE owner = ?)`,
			`DELETE FROM entries WHERE owner = ?`,
			`DELETE FROM events WHERE owner = ?`,
		} {
			if _, err := t.Exec(s, account); err != nil {
				return err
			}
		}
		if _, err := t.Exec(`DELETE FROM revisions WHERE scope IN (?, ?)`, ownScope(account), grantScope(account)); err != nil {
			return err // they hold its name
		}
		if _, err := t.Exec(`UPDATE revisions SET n = n + 1 WHERE scope = ?`, publicScope); err != nil {
			return err
		}
		return nil
	})
}
