package store

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// AccountState is what an operator sees of an account: that it is there.
type AccountState struct {
	Address   string
	Created   time.Time
	Closed    bool
	Suspended bool
	Expires   time.Time // of its newest identity document
}

// InviteState is an invitation: whether it was used, not by whom.
type InviteState struct {
	Hash    []byte
	Created time.Time
	Until   time.Time
	Used    bool
}

// Depths are how much waits in the node's queues.
type Depths struct {
	Outbox  int64     // documents for other domains
	Failing int64     // of those, tried before
	Oldest  time.Time // when the oldest of those came; zero without any
	Inbox   int64     // documents that own accounts have not erased yet
	Rings   int64     // clients to be rung by Web Push
	Links   int64     // links to share by that are open
	Pages   int64     // sessions of portal pages
}

// FileSize is a file of the store.
type FileSize struct {
	Name  string
	Bytes int64
}

// Overview answers the questions of those who run the node: numbers and
// states, never what is in a document, nor who deals with whom.
type Overview struct {
	f   *File
	log *File
}

// Accounts lists accounts by address, after one.
func (o *Overview) Accounts(ctx context.Context, after string, limit int) ([]AccountState, error) {
	return Many(ctx, o.f, "accounts", func(r Row) (a AccountState, err error) {
		var created, expires int64
		err = r.Scan(&a.Address, &created, &a.Closed, &a.Suspended, &expires)
		a.Created, a.Expires = at(created), at(expires)
		return a, err
	}, `SELECT a.address, a.created, a.closed <> 0,
		EXISTS (SELECT 1 FROM suspensions s WHERE s.account = a.address AND s.version >= coalesce((SELECT max(version) FROM identities WHERE account = a.address), 0)),
		coalesce((SELECT expires FROM identities i WHERE i.account = a.address ORDER BY version DESC LIMIT 1), 0)
		FROM accounts a WHERE a.address > ? ORDER BY a.address LIMIT ?`, after, limit)
}

// Invites lists the invitations that are open or were used, newest first.
func (o *Overview) Invites(ctx context.Context, now time.Time, limit int) ([]InviteState, error) {
	return Many(ctx, o.f, "invitations", func(r Row) (i InviteState, err error) {
		var created, until int64
		err = r.Scan(&i.Hash, &created, &until, &i.Used)
		i.Created, i.Until = at(created), at(until)
		return i, err
	}, `SELECT hash, created, until, used_by IS NOT NULL FROM invites WHERE until > ?1 OR used_by IS NOT NULL ORDER BY created DESC LIMIT ?2`,
		ms(now), limit)
}

// Notices lists public pages by id, after one.
func (o *Overview) Notices(ctx context.Context, after string, limit int) ([]Notice, error) {
	return Many(ctx, o.f, "notices", scanNotice, `SELECT `+noticeColumns+` FROM notices WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
}

// Depths counts what waits.
func (o *Overview) Depths(ctx context.Context, now time.Time) (Depths, error) {
	return One(ctx, o.f, "depths of the queues", func(r Row) (d Depths, err error) {
		var oldest int64
		err = r.Scan(&d.Outbox, &d.Failing, &oldest, &d.Inbox, &d.Rings, &d.Links, &d.Pages)
		d.Oldest = at(oldest)
		return d, err
	}, `SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM outbox WHERE attempts > 0), coalesce((SELECT min(created) FROM outbox), 0),
		(SELECT count(*) FROM inbox WHERE expires > ?1), (SELECT count(*) FROM pushes WHERE waiting = 1),
		(SELECT count(*) FROM links WHERE owner <> '' AND expires > ?1), (SELECT count(*) FROM page_sessions WHERE until > ?1)`, ms(now))
}

// Files are the files of the store with their sizes; one that is not there has
// size 0.
func (o *Overview) Files() (out []FileSize) {
	for _, f := range []*File{o.f, o.log} {
		for _, end := range []string{"", "-wal"} {
			size := FileSize{Name: filepath.Base(f.path) + end}
			if info, err := os.Stat(f.path + end); err == nil {
				size.Bytes = info.Size()
			}
			out = append(out, size)
		}
	}
	return out
}
