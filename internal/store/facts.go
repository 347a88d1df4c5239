package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// Fact is a document that the node shows to everybody, and its entry in the
// public log.
type Fact struct {
	N      int64 // order of arrival, from 1
	Type   string
	Name   string // which of several of the type
	Kind   string // media type
	SHA256 string // of Body, hexadecimal
	Body   []byte // nil in lists
	Counts map[string]int
	About  string // domain that a check is about, or empty
	At     time.Time
	Index  uint64 // of the entry, if Placed
	Placed bool
	Newest bool // in the log, and no later one of its type and name is
}

// Facts keeps public documents for good. One that waits for its entry in the
// log is shown to nobody: only Pending lists it.
type Facts struct{ f *File }

// Add takes a document in, if it differs from the newest of its type and name:
// added is false if not. Its hash is computed here.
func (s *Facts) Add(ctx context.Context, f Fact) (sha string, added bool, err error) {
	sum := sha256.Sum256(f.Body)
	sha = hex.EncodeToString(sum[:])
	counts := ""
	if len(f.Counts) > 0 {
		b, err := json.Marshal(f.Counts)
		if err != nil {
			return sha, false, err
		}
		counts = string(b)
	}
	added, err = result(ctx, s.f.writer, "add fact", func(t *Tx) (bool, error) {
		var last string
		err := t.Row(`SELECT sha256 FROM facts WHERE type = ? AND name = ? ORDER BY n DESC LIMIT 1`, f.Type, f.Name).Scan(&last)
		if err == nil && last == sha || err != nil && !errors.Is(err, sql.ErrNoRows) {
			return false, err
		}
		_, err = t.Exec(`INSERT INTO facts (type, name, kind, sha256, body, counts, about, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			f.Type, f.Name, f.Kind, sha, f.Body, counts, f.About, ms(f.At))
		return err == nil, err
	})
	return sha, added, err
}

// Placed notes where a document's entry stands in the log. ErrConflict if it
// has an entry already.
func (s *Facts) Placed(ctx context.Context, n int64, index uint64) error {
	return s.f.writer.do(ctx, "place fact", func(t *Tx) error {
		changed, err := t.Exec(`UPDATE facts SET place = ? WHERE n = ? AND place IS NULL`, int64(index), n)
		if err == nil && changed == 0 {
			err = ErrConflict
		}
		return err
	})
}

// lostTo is the last document whose entry was in a log that is lost.
const lostTo = `(SELECT coalesce(max(n), 0) FROM facts_lost)`

const factColumns = `n, type, name, kind, sha256, counts, about, at, coalesce(place, -1), place IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM facts later WHERE later.type = f.type AND later.name = f.name AND later.n > f.n AND later.place IS NOT NULL)`

func scanFact(r Row) (f Fact, err error) { return f, scanFactInto(r, &f) }

func scanFactInto(r Row, f *Fact, more ...any) error {
	var when, place int64
	var counts string
	err := r.Scan(append([]any{&f.N, &f.Type, &f.Name, &f.Kind, &f.SHA256, &counts, &f.About, &when, &place, &f.Newest}, more...)...)
	f.At = at(when)
	if f.Placed = place >= 0; f.Placed {
		f.Index = uint64(place)
	}
	if err == nil && counts != "" {
		err = json.Unmarshal([]byte(counts), &f.Counts)
	}
	return err
}

func scanFactBody(r Row) (f Fact, err error) { return f, scanFactInto(r, &f, &f.Body) }

// Pending lists documents without an entry, in the order of their arrival,
// without bodies.
func (s *Facts) Pending(ctx context.Context, limit int) ([]Fact, error) {
	return Many(ctx, s.f, "waiting facts", scanFact, `SELECT `+factColumns+` FROM facts f WHERE place IS NULL AND n > `+lostTo+` ORDER BY n LIMIT ?`, limit)
}

// List lists documents in the log, newest first, without bodies: of a type or
// (empty) all, before a number (0: from the newest).
func (s *Facts) List(ctx context.Context, kind string, before int64, limit int) ([]Fact, error) {
	return Many(ctx, s.f, "facts", scanFact, `SELECT `+factColumns+` FROM facts f
		WHERE place IS NOT NULL AND n > `+lostTo+` AND (?1 = '' OR type = ?1) AND (?2 = 0 OR n < ?2) ORDER BY n DESC LIMIT ?3`, kind, before, limit)
}

// Newest is the newest document of a type and name in the log, with its body;
// ErrNotFound.
func (s *Facts) Newest(ctx context.Context, kind, name string) (Fact, error) {
	return One(ctx, s.f, "fact", scanFactBody, `SELECT `+factColumns+`, body FROM facts f
		WHERE place IS NOT NULL AND n > `+lostTo+` AND type = ? AND name = ? ORDER BY n DESC LIMIT 1`, kind, name)
}

// Latest is the newest document of a type and name, with its body, whether it
// stands in the log already or waits; ErrNotFound.
func (s *Facts) Latest(ctx context.Context, kind, name string) (Fact, error) {
	return One(ctx, s.f, "fact", scanFactBody, `SELECT `+factColumns+`, body FROM facts f
		WHERE n > `+lostTo+` AND type = ? AND name = ? ORDER BY n DESC LIMIT 1`, kind, name)
}

// Get is a document in the log by its hash, with its body; ErrNotFound.
func (s *Facts) Get(ctx context.Context, sha256 string) (Fact, error) {
	return One(ctx, s.f, "fact", scanFactBody, `SELECT `+factColumns+`, body FROM facts f
		WHERE place IS NOT NULL AND n > `+lostTo+` AND sha256 = ? ORDER BY n DESC LIMIT 1`, sha256)
}

// Current are the newest documents in the log of each name of a type, by name,
// with their bodies, of the names after a name.
func (s *Facts) Current(ctx context.Context, kind, after string, limit int) ([]Fact, error) {
	return Many(ctx, s.f, "current facts", scanFactBody, `SELECT `+factColumns+`, body FROM facts f
		WHERE type = ?1 AND name > ?2 AND n = (SELECT max(n) FROM facts same
			WHERE same.type = ?1 AND same.name = f.name AND same.place IS NOT NULL AND same.n > `+lostTo+`) ORDER BY name LIMIT ?3`, kind, after, limit)
}

// Last is the document that got its entry last, without body; ErrNotFound.
func (s *Facts) Last(ctx context.Context) (Fact, error) {
	return One(ctx, s.f, "fact", scanFact, `SELECT `+factColumns+` FROM facts f WHERE place IS NOT NULL AND n > `+lostTo+` ORDER BY n DESC LIMIT 1`)
}

// Again has every document get an entry anew, in the order in which they came,
// because the log in which they stood is lost.
func (s *Facts) Again(ctx context.Context, now time.Time) error {
	return s.f.writer.do(ctx, "add facts again", func(t *Tx) error {
		var from, to int64
		if err := t.Row(`SELECT `+lostTo+`, (SELECT coalesce(max(n), 0) FROM facts)`).Scan(&from, &to); err != nil {
			return err
		}
		_, err := t.Exec(`INSERT INTO facts (type, name, kind, sha256, body, counts, about, at)
			SELECT type, name, kind, sha256, body, counts, about, ? FROM facts WHERE n > ? AND n <= ? ORDER BY n`, ms(now), from, to)
		if err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO facts_lost (n) VALUES (?)`, to)
		return err
	})
}
