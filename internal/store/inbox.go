package store

import (
	"context"
	"strings"
	"time"
)

// Item is a sealed document in an account's inbox.
type Item struct {
	Account  string
	Seq      uint64 // given by the store, rising by one per account
	ID       string // hash of the sealed document
	Kind     string
	From     string
	Received time.Time
	Expires  time.Time
	Sealed   []byte
}

// InboxLimits bound what one account keeps; 0: no bound. What an account sends
// itself counts for FromSender only: strangers don't take its place, and it
// takes none of theirs.
type InboxLimits struct {
	Items      int // of an account, all senders
	FromDomain int // of all senders of one domain, which names them as it likes
	FromSender int // of one sender and kind
}

// Inbox holds what came for this node's accounts, sealed.
type Inbox struct{ f *File }

const itemColumns = `account, seq, id, kind, sender, received, expires, sealed`

func scanItem(r Row) (i Item, err error) {
	var received, expires int64
	err = r.Scan(&i.Account, &i.Seq, &i.ID, &i.Kind, &i.From, &received, &expires, &i.Sealed)
	i.Received, i.Expires = at(received), at(expires)
	return i, err
}

// Put adds an item and returns it with its number. The same id again returns
// the first one, with fresh false. ErrQuota if a limit is reached.
func (b *Inbox) Put(ctx context.Context, item Item, limits InboxLimits) (kept Item, fresh bool, err error) {
	put, err := result(ctx, b.f.writer, "keep inbox item", func(t *Tx) (put, error) { return t.item(item, limits) })
	kept = item // not item itself: a job whose caller left may still read it
	kept.Seq = put.seq
	return kept, put.fresh, err
}

type put struct {
	seq   uint64
	fresh bool
}

func (t *Tx) item(item Item, limits InboxLimits) (put, error) {
	seq, err := t.Number(`SELECT coalesce(max(seq), 0) FROM inbox WHERE account = ? AND id = ?`, item.Account, item.ID)
	if err != nil || seq > 0 {
		return put{seq: uint64(seq)}, err
	}
	if err := t.room(item, limits); err != nil {
		return put{}, err
	}
	if seq, err = t.Number(`INSERT INTO inbox_heads (account, head) VALUES (?, 1)
		ON CONFLICT (account) DO UPDATE SET head = head + 1 RETURNING head`, item.Account); err != nil {
		return put{}, err
	}
	_, err = t.Exec(`INSERT INTO inbox (`+itemColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		item.Account, seq, item.ID, item.Kind, item.From, ms(item.Received), ms(item.Expires), item.Sealed)
	return put{uint64(seq), true}, err
}

// room checks the limits, not counting what has expired.
func (t *Tx) room(item Item, limits InboxLimits) error {
	const waiting = `SELECT count(*) FROM inbox WHERE account = ?1 AND expires > ?2 AND `
	account, now := item.Account, ms(item.Received)
	if err := t.below(limits.FromSender, waiting+`sender = ?3 AND kind = ?4`, account, now, item.From, item.Kind); err != nil || item.From == account {
		return err
	}
	if err := t.below(limits.Items, waiting+`sender <> account`, account, now); err != nil {
		return err
	}
	_, domain, _ := strings.Cut(item.From, "@")
	return t.below(limits.FromDomain, waiting+`sender <> account AND substr(sender, instr(sender, '@') + 1) = ?3`, account, now, domain)
}

// below counts by a query: ErrQuota if that reaches the limit; 0: no limit.
func (t *Tx) below(limit int, query string, args ...any) error {
	if limit <= 0 {
		return nil
	}
	n, err := t.Number(query, args...)
	if err == nil && n >= int64(limit) {
		return ErrQuota
	}
	return err
}

// List reads items after a number, oldest first, without those expired, and
// the number of the newest item ever.
func (b *Inbox) List(ctx context.Context, account string, after uint64, limit int, now time.Time) (items []Item, head uint64, err error) {
	items, err = Many(ctx, b.f, "inbox", scanItem, `SELECT `+itemColumns+` FROM inbox
		WHERE account = ? AND seq > ? AND expires > ? ORDER BY seq LIMIT ?`, account, after, ms(now), limit)
	if err != nil {
		return nil, 0, err
	}
	n, err := One(ctx, b.f, "inbox", scanInt, `SELECT coalesce(max(head), 0) FROM inbox_heads WHERE account = ?`, account)
	return items, uint64(n), err
}

// Trim erases what has expired.
func (b *Inbox) Trim(ctx context.Context, now time.Time) error {
	return b.f.writer.do(ctx, "trim inbox", func(t *Tx) error {
		_, err := t.Exec(`DELETE FROM inbox WHERE expires <= ?`, ms(now))
		return err
	})
}
