package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"primum/internal/wire"
)

// Erasure is what closing an account came to.
type Erasure struct {
	Gone   map[string]int  // rows erased, by the kinds of Held
	Events int             // entries of histories that stay, emptied of their documents
	Given  int             // grants that it gave and that stay for their grantees, without its name
	Had    int             // grants that others gave it: theirs
	Homes  []wire.CircleID // home circles that it had
	Grants []wire.CircleID // circles of the grants that it gave
}

// Close erases an account: nobody signs for it any more, all that the node kept
// for it is gone, and its name is never given again, of which only a keyed hash
// stays. A grant that it gave stays for its grantee, over, without the name and
// without documents. ErrConflict while such a grant is in one of the living
// states; ErrNotFound. Leaving comes before, Circles.Erase and Store.Scrub after it.
func (a *Accounts) Close(ctx context.Context, address string, now time.Time, living []string) (Erasure, error) {
	return result(ctx, a.f.writer, "close account", func(t *Tx) (e Erasure, err error) {
		if err := t.mayClose(address, living); err != nil {
			return e, err
		}
		return t.erase(address, now)
	})
}

// Leaving are the circles that Close would name: what is sealed in them is erased
// before the account, which can be asked for again as long as it is there. The
// errors are those of Close.
func (a *Accounts) Leaving(ctx context.Context, address string, living []string) (homes, grants []wire.CircleID, err error) {
	_, err = result(ctx, a.f.writer, "circles of an account", func(t *Tx) (_ struct{}, err error) {
		if err = t.mayClose(address, living); err == nil {
			homes, grants, err = t.owned(address)
		}
		return struct{}{}, err
	})
	return homes, grants, err
}

func (t *Tx) mayClose(address string, living []string) error {
	n, err := t.Number(`SELECT count(*) FROM accounts WHERE address = ? AND closed = 0`, address)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	for _, state := range living {
		n, err := t.Number(`SELECT count(*) FROM grants WHERE owner = ? AND state = ?`, address, state)
		if err != nil {
			return err
		}
		if n > 0 {
			return ErrConflict
		}
	}
	return nil
}

// owned are the circles of an account's homes and of the grants that it gave.
func (t *Tx) owned(address string) (homes, grants []wire.CircleID, err error) {
	if homes, err = t.circlesOf(`SELECT lower(hex(circle)) FROM homes WHERE owner = ?`, address); err != nil {
		return nil, nil, err
	}
	grants, err = t.circlesOf(`SELECT lower(hex(circle)) FROM grants WHERE owner = ?`, address)
	return homes, grants, err
}

func (t *Tx) erase(address string, now time.Time) (e Erasure, err error) {
	e.Gone = make(map[string]int)
	for _, k := range kinds() {
		n, err := t.Number(`SELECT count(*) FROM `+k.from, address)
		if err != nil {
			return e, err
		}
		if n > 0 && k.name != "given" && k.name != "received" {
			e.Gone[k.name] = int(n)
		}
	}
	if e.Homes, e.Grants, err = t.owned(address); err != nil {
		return e, err
	}
	had, err := t.Number(`SELECT count(*) FROM grants WHERE grantee = ?`, address)
	if err != nil {
		return e, err
	}
	e.Given, e.Had = len(e.Grants), int(had)
	if err := errors.Join(t.endLinks(address), t.forget(address)); err != nil {
		return e, err
	}
	if e.Events, err = t.unname(address); err != nil {
		return e, err
	}
	return e, t.retire(address, now)
}

func (t *Tx) circlesOf(query, address string) (all []wire.CircleID, err error) {
	ids, err := t.strings(query, address)
	for _, id := range ids {
		c, err := wire.ParseCircleID(id)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, err
}

// forget erases all rows of an account but its name, and what is the other
// party's, too.
func (t *Tx) forget(address string) error {
	for _, query := range []string{
		`DELETE FROM identities WHERE account = ?`, `DELETE FROM suspensions WHERE account = ?`,
		`DELETE FROM key_packages WHERE account = ?`, `DELETE FROM inbox WHERE account = ?`,
		`DELETE FROM inbox_heads WHERE account = ?`, `DELETE FROM outbox WHERE sender = ?`,
		`DELETE FROM refusals WHERE owner = ?`, `DELETE FROM refusals WHERE sender = ?`, `DELETE FROM keeps WHERE account = ?`,
		`DELETE FROM page_sessions WHERE account = ?`, `DELETE FROM notices WHERE account = ?`,
		`INSERT OR IGNORE INTO notices_taken (id, at) SELECT label, made FROM labels WHERE account = ?`, `DELETE FROM labels WHERE account = ?`,
		`DELETE FROM pushes WHERE account = ?`, `DELETE FROM homes WHERE owner = ?`, `DELETE FROM pins WHERE account = ?`,
		`DELETE FROM seen WHERE owner = ?`, `DELETE FROM seen_days WHERE owner = ?`,
		`DELETE FROM case_steps WHERE case_id IN (SELECT id FROM cases WHERE account = ?)`, `DELETE FROM cases WHERE account = ?`,
	} {
		if _, err := t.Exec(query, address); err != nil {
			return err
		}
	}
	return nil
}

// unname takes the name and the documents of an owner out of the grants that
// it gave, which stay for their grantees.
func (t *Tx) unname(address string) (events int, err error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	_, authority, _ := strings.Cut(address, "@")
	nobody := "erased-" + hex.EncodeToString(random[:]) + "@" + authority
	n, err := t.Exec(`UPDATE grant_events SET document = '', receipt = '' WHERE grant_id IN (SELECT id FROM grants WHERE owner = ?)`, address)
	if err != nil {
		return 0, err
	}
	_, err = t.Exec(`UPDATE grants SET owner = ?1, envelope = '', envelope_hash = '', opening_hash = '', grant_key = x'' WHERE owner = ?2`, nobody, address)
	return int(n), err
}

// retire takes a name out of use for good.
func (t *Tx) retire(address string, now time.Time) error {
	name, err := t.retired(address)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE invites SET used_by = '' WHERE used_by = ?`, address); err != nil {
		return err
	}
	if _, err := t.Exec(`INSERT OR IGNORE INTO erased (name, at) VALUES (?, ?)`, name, ms(now)); err != nil {
		return err
	}
	_, err = t.Exec(`DELETE FROM accounts WHERE address = ?`, address)
	return err
}

// retired is the keyed hash of a name.
func (t *Tx) retired(address string) ([]byte, error) {
	var key []byte
	if err := t.Row(`SELECT key FROM erased_key`).Scan(&key); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(address)) // a hash never fails
	return mac.Sum(nil), nil
}

// free tells whether a name was never given; ErrExists.
func (t *Tx) free(address string) error {
	name, err := t.retired(address)
	if err != nil {
		return err
	}
	n, err := t.Number(`SELECT count(*) FROM erased WHERE name = ?`, name)
	if err == nil && n > 0 {
		err = ErrExists
	}
	return err
}

// Erase erases whole circles (homes of an account that is gone) and the frames
// of others, which have been fenced.
func (c *Circles) Erase(ctx context.Context, whole, frames []wire.CircleID) error {
	for _, id := range frames {
		if err := c.f.writer.do(ctx, "erase frames", func(t *Tx) error { return t.empty(id) }); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	for _, id := range whole {
		if err := c.f.writer.do(ctx, "erase circle", func(t *Tx) error { return t.remove(id) }); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

func (t *Tx) empty(id wire.CircleID) error {
	r, err := t.circle(id)
	if err != nil {
		return err
	}
	return t.shorten(id, r.Head+1)
}

func (t *Tx) remove(id wire.CircleID) error {
	r, err := t.circle(id)
	if err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	row := r.id
	delete(t.rows, id)
	for _, query := range []string{
		`DELETE FROM frames WHERE circle = ?`, `DELETE FROM epochs WHERE circle = ?`, `DELETE FROM leaves WHERE circle = ?`,
		`DELETE FROM trackers WHERE id = ?`, `DELETE FROM circles WHERE id = ?`,
	} {
		if _, err := t.Exec(query, row); err != nil {
			return err
		}
	}
	return nil
}

// Scrub takes what was erased out of the files' journals, too: when it returns
// nil, no file of the store has it any more. It is refused as ErrBusy while
// somebody reads; ask again.
func (s *Store) Scrub(ctx context.Context) error {
	return errors.Join(s.state.scrub(ctx), s.log.scrub(ctx))
}

func (f *File) scrub(ctx context.Context) error {
	var busy, pages, moved int64
	err := f.reading.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err != nil {
		return f.failed("empty the journal", err)
	}
	if busy != 0 {
		return ErrBusy
	}
	return nil
}
