package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"primum/internal/wire"
)

// Sighting is what one client was given of one circle, and did in it, since the
// last one was kept.
type Sighting struct {
	Circle                     wire.CircleID
	Client                     string // wire.SeenClient
	Deliveries, Bytes, Actions uint64
	First, Last                time.Time // kept to the minute; of one day of UTC
}

// SeenDay is a day as it is kept; Root is nil while it is open.
type SeenDay struct {
	Owner  string
	Day    time.Time // its midnight, UTC
	Rows   []wire.SeenRow
	Secret []byte
	Root   []byte
	Due    time.Time // the tick by which its leaf is in the log
}

// SeenRest is both grant and client of the row that sums up what comes when a
// day has wire.MaxSeenRows-1 rows.
const SeenRest = "rest"

// Seen keeps what was delivered to whom, for the owners of the grants. A day
// that was closed never changes.
type Seen struct{ f *File }

const dayLength = 24 * time.Hour

func dayOf(t time.Time) int64    { return t.UnixMilli() / dayLength.Milliseconds() }
func minuteOf(t time.Time) int64 { return t.UnixMilli() / time.Minute.Milliseconds() }
func dayAt(n int64) time.Time    { return time.UnixMilli(n * dayLength.Milliseconds()).UTC() }

// Add adds sightings to the rows of the grants that their circles belong to;
// circles of no grant, or of an owner who is
// gone, are passed over. What comes for a day that is closed is
// added to the owner's first open one. All are kept or none.
func (s *Seen) Add(ctx context.Context, all []Sighting) error {
	return s.f.writer.do(ctx, "keep what was seen", func(t *Tx) error {
		rows := map[seenPlace]int64{}
		for _, one := range all {
			if err := t.sighted(one, rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// seenPlace is an owner's day.
type seenPlace struct {
	owner string
	day   int64
}

// sighted adds one sighting. rows is how many rows days have, as far as this
// transaction has counted.
func (t *Tx) sighted(s Sighting, rows map[seenPlace]int64) error {
	var owner, id string
	var open int64
	err := t.Row(`SELECT owner, id, coalesce((SELECT max(day) + 1 FROM seen_days d WHERE d.owner = g.owner AND root IS NOT NULL), 0)
		FROM grants g WHERE circle = ? AND envelope <> ''`, s.Circle[:]).Scan(&owner, &id, &open) // without one: its owner was erased
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	day := max(dayOf(s.First), open)
	for _, row := range [][2]string{{id, s.Client}, {SeenRest, SeenRest}} { // the second is there in a full day only
		if n, err := t.addToRow(owner, day, row[0], row[1], s); err != nil || n > 0 {
			return err
		}
	}
	at := seenPlace{owner, day}
	if _, counted := rows[at]; !counted {
		if rows[at], err = t.Number(`SELECT count(*) FROM seen WHERE owner = ? AND day = ?`, owner, day); err != nil {
			return err
		}
	}
	if rows[at]++; rows[at] >= wire.MaxSeenRows {
		id, s.Client = SeenRest, SeenRest
	}
	if _, err := t.Exec(`INSERT OR IGNORE INTO seen_days (owner, day) VALUES (?, ?)`, owner, day); err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO seen (owner, day, grant_id, client, deliveries, bytes, actions, first, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		owner, day, id, s.Client, int64(s.Deliveries), int64(s.Bytes), int64(s.Actions), minuteOf(s.First), minuteOf(s.Last))
	return err
}

func (t *Tx) addToRow(owner string, day int64, id, client string, s Sighting) (int64, error) {
	return t.Exec(`UPDATE seen SET deliveries = deliveries + ?5, bytes = bytes + ?6, actions = actions + ?7, first = min(first, ?8), last = max(last, ?9)
		WHERE owner = ?1 AND day = ?2 AND grant_id = ?3 AND client = ?4`,
		owner, day, id, client, int64(s.Deliveries), int64(s.Bytes), int64(s.Actions), minuteOf(s.First), minuteOf(s.Last))
}

const seenRowColumns = `grant_id, client, deliveries, bytes, actions, first, last`

func scanSeenRow(r Row) (s wire.SeenRow, err error) {
	var first, last int64
	err = r.Scan(&s.Grant, &s.Client, &s.Deliveries, &s.Bytes, &s.Actions, &first, &last)
	s.First, s.Last = minuteText(first), minuteText(last)
	return s, err
}

func minuteText(n int64) string {
	return time.UnixMilli(n * time.Minute.Milliseconds()).UTC().Format(wire.SeenMinuteForm)
}

// Of lists an owner's days with their rows, from a day to a day, the newest
// first. A closed day comes whole.
func (s *Seen) Of(ctx context.Context, owner string, from, to time.Time) ([]SeenDay, error) {
	// Days before rows: one that closes in between is told as open.
	days, err := Many(ctx, s.f, "days seen", func(r Row) (d SeenDay, err error) {
		var day, due int64
		err = r.Scan(&day, &d.Secret, &d.Root, &due)
		d.Owner, d.Day, d.Due = owner, dayAt(day), at(due)
		return d, err
	}, `SELECT day, secret, root, due FROM seen_days WHERE owner = ? AND day BETWEEN ? AND ? ORDER BY day DESC`, owner, dayOf(from), dayOf(to))
	if err != nil {
		return nil, err
	}
	for i, d := range days {
		days[i].Rows, err = Many(ctx, s.f, "rows seen", scanSeenRow,
			`SELECT `+seenRowColumns+` FROM seen WHERE owner = ? AND day = ? ORDER BY grant_id, client`, owner, dayOf(d.Day))
		if err != nil {
			return nil, err
		}
	}
	return days, nil
}

// OpenDays lists open days before a day, of any owners, the oldest first, limit
// at most; without their rows.
func (s *Seen) OpenDays(ctx context.Context, before time.Time, limit int) ([]SeenDay, error) {
	return Many(ctx, s.f, "open days", func(r Row) (d SeenDay, err error) {
		var day int64
		err = r.Scan(&d.Owner, &day)
		d.Day = dayAt(day)
		return d, err
	}, `SELECT owner, day FROM seen_days WHERE root IS NULL AND day < ? ORDER BY day LIMIT ?`, dayOf(before), limit)
}

// Close closes an owner's day under a fresh secret: its root, and the leaf in
// the queue before the commitments log, due at a tick, are kept together. A day
// that is closed already stays as it is.
func (s *Seen) Close(ctx context.Context, owner string, day time.Time, secret []byte, due time.Time) error {
	return s.f.writer.do(ctx, "close day", func(t *Tx) error {
		rows, err := t.seenRows(owner, dayOf(day))
		if err != nil {
			return err
		}
		root, err := wire.SeenRoot(secret, rows)
		if err != nil {
			return err
		}
		n, err := t.Exec(`UPDATE seen_days SET secret = ?, root = ?, due = ? WHERE owner = ? AND day = ? AND root IS NULL`,
			secret, root, ms(due), owner, dayOf(day))
		if err != nil || n == 0 {
			return err
		}
		return t.addLeaves(due, [][32]byte{wire.SeenLeaf(secret, day.UTC().Format(wire.SeenDayForm), root)})
	})
}

func (t *Tx) seenRows(owner string, day int64) (all []wire.SeenRow, err error) {
	stmt, err := t.stmt(`SELECT ` + seenRowColumns + ` FROM seen WHERE owner = ? AND day = ? ORDER BY grant_id, client`)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.Query(owner, day)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		r, err := scanSeenRow(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// Prune erases what is older than a day, secrets included: the leaves in the
// log then tell nothing to anybody.
func (s *Seen) Prune(ctx context.Context, before time.Time) error {
	return s.f.writer.do(ctx, "prune what was seen", func(t *Tx) error {
		if _, err := t.Exec(`DELETE FROM seen WHERE (owner, day) IN (SELECT owner, day FROM seen_days WHERE day < ?)`, dayOf(before)); err != nil {
			return err
		}
		_, err := t.Exec(`DELETE FROM seen_days WHERE day < ?`, dayOf(before))
		return err
	})
}

// Erase erases all that was kept for an owner, secrets included.
func (s *Seen) Erase(ctx context.Context, owner string) error {
	return s.f.writer.do(ctx, "erase what was seen", func(t *Tx) error {
		if _, err := t.Exec(`DELETE FROM seen WHERE owner = ?`, owner); err != nil {
			return err
		}
		_, err := t.Exec(`DELETE FROM seen_days WHERE owner = ?`, owner)
		return err
	})
}
