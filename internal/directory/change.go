package directory

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"primum/internal/store"
	"primum/thing"
	"primum/thing/td"
)

// Change says more about a change of an entry; the zero value says nothing.
type Change struct {
	// Visibility of the entry from now on. Empty: as it was; of a new one Public
	// for the operator, Private for an account.
	Visibility Visibility
	Match      string // the tag that the entry must have; empty: any, or none
	Fresh      bool   // there must be no entry yet
	ID         string // of what Create makes; empty: a new one
}

// owner is who a viewer changes entries for.
func (v Viewer) owner() (string, error) {
	if v.stranger() {
		return "", ErrStranger
	}
	return v.own(), nil
}

// Create keeps a description that has no id, and makes it one (urn:uuid:).
// Errors: *td.Invalid, ErrStranger, ErrFull.
func (d *Directory) Create(ctx context.Context, v Viewer, b []byte, c Change) (Entry, error) {
	owner, err := v.owner()
	if err != nil {
		return Entry{}, err
	}
	if c.ID == "" {
		c.ID = NewID()
	}
	doc, err := d.read(b, "", c.ID)
	if err != nil {
		return Entry{}, err
	}
	e, _, err := d.write(ctx, owner, doc, c)
	return e, err
}

// NewID is a random UUID (RFC 9562 §5.4) as a URN.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return "urn:uuid:" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Put keeps a description under its id, in place of the one that the viewer had
// there. Errors: *td.Invalid, ErrStranger, ErrFull, ErrTaken, ErrChanged.
func (d *Directory) Put(ctx context.Context, v Viewer, id string, b []byte, c Change) (e Entry, created bool, err error) {
	owner, err := v.owner()
	if err != nil {
		return Entry{}, false, err
	}
	if id == "" {
		return Entry{}, false, td.Invalidate("/id", "the member is missing")
	}
	doc, err := d.read(b, id, "")
	if err != nil {
		return Entry{}, false, err
	}
	return d.write(ctx, owner, doc, c)
}

// patchTries bounds how often a patch is applied anew because the entry changed
// in between.
const patchTries = 8

// Patch merges a patch (RFC 7396) into the viewer's own entry. Errors as of Put,
// ErrNotFound, ErrForbidden.
func (d *Directory) Patch(ctx context.Context, v Viewer, id string, patch []byte, c Change) (Entry, error) {
	change, err := thing.DecodeLarge(patch, td.MaxBytes)
	if err != nil {
		var p *thing.Problem
		if errors.As(err, &p) {
			return Entry{}, td.Invalidate(p.Pointer, p.Reason)
		}
		return Entry{}, err
	}
	if _, ok := change.(map[string]any); !ok {
		return Entry{}, td.Invalidate("", "a merge patch of a thing description is a JSON object")
	}
	for range patchTries {
		e, err := d.patched(ctx, v, id, change, c)
		if !errors.Is(err, ErrChanged) || c.Match != "" {
			return e, err
		}
	}
	return Entry{}, ErrChanged
}

func (d *Directory) patched(ctx context.Context, v Viewer, id string, change any, c Change) (Entry, error) {
	old, err := d.own(ctx, v, id)
	if err != nil {
		return Entry{}, err
	}
	tree, err := thing.DecodeLarge(old.asked(), 2*td.MaxBytes)
	if err != nil {
		return Entry{}, fmt.Errorf("read what is kept: %w", err)
	}
	b, err := marshal(merge(tree, change))
	if err != nil {
		return Entry{}, err
	}
	doc, err := d.read(b, id, "")
	if err != nil {
		return Entry{}, err
	}
	if c.Match == "" {
		c.Match = old.Tag()
	}
	e, _, err := d.write(ctx, old.Owner, doc, c)
	return e, err
}

// asked is the entry as its owner would put it again: with what was said about
// its registration.
func (e Entry) asked() []byte {
	if e.TTL > 0 {
		e.Expires = at(0) // it is counted anew
	}
	return e.Bytes(at(0))
}

// own is the viewer's own entry. Another's, where the viewer sees it, is
// ErrForbidden, and ErrNotFound where it does not.
func (d *Directory) own(ctx context.Context, v Viewer, id string) (Entry, error) {
	owner, err := v.owner()
	if err != nil {
		return Entry{}, err
	}
	e, err := d.Get(ctx, v, id)
	if err == nil && e.Owner != owner {
		return Entry{}, ErrForbidden
	}
	return e, err
}

// Delete takes an entry of the viewer's own out. Errors: ErrNotFound,
// ErrForbidden, ErrStranger, ErrChanged.
func (d *Directory) Delete(ctx context.Context, v Viewer, id string, c Change) error {
	e, err := d.own(ctx, v, id)
	if err != nil {
		return err
	}
	err = d.file.Change(ctx, "delete thing", func(t *store.Tx) error {
		now, err := row(t, e.Owner, id)
		if err != nil {
			return err
		}
		if c.Match != "" && c.Match != now.Tag() {
			return ErrChanged
		}
		return remove(t, now)
	})
	if err == nil {
		d.announce()
	}
	return err
}

// row reads an entry inside a transaction; ErrNotFound.
func row(t *store.Tx, owner, id string) (Entry, error) {
	e, err := scanEntry(t.Row(`SELECT `+columns+` FROM entries e WHERE e.owner = ? AND e.id = ?`, owner, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, ErrNotFound
	}
	return e, err
}

func remove(t *store.Tx, e Entry) error {
	if _, err := t.Exec(`DELETE FROM terms WHERE entry = ?`, e.n); err != nil {
		return err
	}
	if _, err := t.Exec(`DELETE FROM entries WHERE n = ?`, e.n); err != nil {
		return err
	}
	return record(t, event{id: e.ID, owner: e.Owner, before: e.Visibility})
}

// written is what came of a change.
type written struct {
	e       Entry
	created bool
}

// write keeps a document for its owner.
func (d *Directory) write(ctx context.Context, owner string, doc document, c Change) (e Entry, created bool, err error) {
	var before Entry
	if !doc.fresh {
		if before, err = d.mine(ctx, owner, doc.ID); err != nil {
			return Entry{}, false, err
		}
	}
	now := d.now()
	diff, err := difference(before, doc.bytes, now) // not while others wait
	if err != nil {
		return Entry{}, false, err
	}
	done := make(chan written, 1) // a caller that has gone reads nothing that is still written
	err = d.file.Change(ctx, "keep thing", func(t *store.Tx) error {
		w, err := d.keep(t, owner, doc, c, now, before.version, diff)
		if err == nil {
			done <- w
		}
		return err
	})
	if err != nil {
		return Entry{}, false, err
	}
	d.announce()
	w := <-done
	d.expiry.expects(w.e.Expires)
	return w.e, w.created, nil
}

// keep is write inside a transaction; diff is from the version before on.
func (d *Directory) keep(t *store.Tx, owner string, doc document, c Change, now time.Time, before int64, diff []byte) (written, error) {
	var old Entry
	var err error
	if !doc.fresh {
		if old, err = row(t, owner, doc.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return written{}, err
		}
	}
	e := Entry{
		ID: doc.ID, Owner: owner, Visibility: c.visibility(owner, old), TD: doc.bytes,
		Created: now, Modified: now, Expires: doc.expires, TTL: doc.ttl,
	}
	if err := d.allowed(t, old, e, c, doc.fresh); err != nil {
		return written{}, err
	}
	ev := event{id: e.ID, owner: e.Owner, before: old.Visibility, after: e.Visibility, diff: diff}
	if old.version != before {
		if ev.diff, err = difference(old, doc.bytes, now); err != nil {
			return written{}, err
		}
	}
	if old.n == 0 {
		e, err = insert(t, e)
	} else {
		e.Created = old.Created
		e, err = update(t, old, e)
	}
	if err == nil {
		err = describe(t, e, doc, ev)
	}
	return written{e, old.n == 0}, err
}

func (c Change) visibility(owner string, old Entry) Visibility {
	switch {
	case c.Visibility != "":
		return c.Visibility
	case old.n != 0:
		return old.Visibility
	case owner == Operator:
		return Public
	}
	return Private
}

// allowed checks what a change of old to e needs.
func (d *Directory) allowed(t *store.Tx, old, e Entry, c Change, fresh bool) error {
	if c.Match != "" && (old.n == 0 || c.Match != "*" && c.Match != old.Tag()) || c.Fresh && old.n != 0 {
		return ErrChanged
	}
	if err := d.within(t, old, e); err != nil {
		return err
	}
	if e.Visibility != Public || fresh {
		return nil
	}
	n, err := t.Number(`SELECT count(*) FROM entries WHERE id = ? AND visibility = 'public' AND owner <> ?`, e.ID, e.Owner)
	if err == nil && n > 0 {
		return ErrTaken
	}
	return err
}

// maxOwnBytes bounds the descriptions of one account.
const maxOwnBytes = 32 << 20

// within checks what an account may have, and show to everybody: names that
// others know things by are not an account's to describe.
func (d *Directory) within(t *store.Tx, old, e Entry) error {
	if e.Owner == Operator {
		return nil
	}
	if e.Visibility == Public && !ownName(e.ID) {
		return ErrName
	}
	n, err := t.Number(`SELECT count(*) FROM entries WHERE owner = ? AND n <> ?`, e.Owner, old.n)
	if err != nil {
		return err
	}
	size, err := t.Number(`SELECT coalesce(sum(length(td)), 0) FROM entries WHERE owner = ? AND n <> ?`, e.Owner, old.n)
	if err == nil && (n >= d.o.MaxOwn || size+int64(len(e.TD)) > maxOwnBytes) {
		return ErrFull
	}
	return err
}

// ownName tells of ids that an account makes up for its things: no address, no
// product code and no hardware's.
func ownName(id string) bool {
	id = strings.ToLower(id)
	return strings.HasPrefix(id, "urn:") && !strings.HasPrefix(id, "urn:epc:") && !strings.HasPrefix(id, "urn:dev:")
}

func insert(t *store.Tx, e Entry) (Entry, error) {
	err := t.Row(`INSERT INTO entries (id, owner, visibility, td, created, modified, expires, ttl, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) RETURNING n, version`,
		e.ID, e.Owner, e.Visibility, e.TD, ms(e.Created), ms(e.Modified), ms(e.Expires), int64(e.TTL.Seconds())).Scan(&e.n, &e.version)
	return e, err
}

func update(t *store.Tx, old, e Entry) (Entry, error) {
	err := t.Row(`UPDATE entries SET visibility = ?, td = ?, modified = ?, expires = ?, ttl = ?, version = version + 1
		WHERE n = ? RETURNING n, version`,
		e.Visibility, e.TD, ms(e.Modified), ms(e.Expires), int64(e.TTL.Seconds()), old.n).Scan(&e.n, &e.version)
	if err == nil {
		_, err = t.Exec(`DELETE FROM terms WHERE entry = ?`, e.n)
	}
	return e, err
}

// describe writes the terms and the event of a change.
func describe(t *store.Tx, e Entry, doc document, ev event) error {
	if _, err := t.Exec(`INSERT OR IGNORE INTO terms (scope, kind, term, entry)
		SELECT ?, value ->> 0, value ->> 1, ? FROM json_each(?)`, e.scope(), e.n, string(doc.index)); err != nil {
		return err
	}
	return record(t, ev)
}

// mine reads an owner's entry; the zero Entry where there is none.
func (d *Directory) mine(ctx context.Context, owner, id string) (Entry, error) {
	e, err := found(store.One(ctx, d.file, "thing", scanEntry, `SELECT `+columns+` FROM entries e WHERE e.owner = ? AND e.id = ?`, owner, id))
	if errors.Is(err, ErrNotFound) {
		return Entry{}, nil
	}
	return e, err
}
