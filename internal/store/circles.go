package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/internal/wire"
)

// Reasons of fences that the store itself knows. A circle under any other
// fence stays fenced; FenceRestored is lifted by its anchor.
const (
	FenceRestored = "restored"
)

// A sequence number is the number of the store's restores in its upper 32 bits
// and a count from 1 below: a restored store goes on at (restores+1)<<32 + 1,
// so that numbers given out after the backup was made aren't given out twice.
const restoreShift = 32

// Circle is what an append compares with, and what a reader is told.
type Circle struct {
	ID        wire.CircleID
	Home      bool   // a home circle; else a grant circle
	Account   string // the anchor's other party: grantee, or owner of a home
	AnchorKey []byte // leaf key of the anchor, the only committer
	Epoch     uint64
	Head      uint64 // newest sequence number; 0: no frame yet
	Oldest    uint64 // oldest sequence number still kept; Head+1: none
	Welcome   uint64 // sequence number of the newest Welcome; 0: none
	Bytes     int64  // of the frames kept
	Opened    time.Time
	From      time.Time // validity; zero: no bound
	Until     time.Time
	Retention time.Duration // how long an epoch that ended is kept; 0: for ever
	Fence     string        // why nothing more is delivered; empty: open
	Fenced    time.Time     // since when
	Closed    bool          // the last removal has been taken
}

// EndedAt tells whether the circle delivers nothing at t, and why. A circle
// whose validity is over counts as fenced before any clock has fenced it.
func (c Circle) EndedAt(t time.Time) *Fenced {
	if c.Fence != "" {
		return &Fenced{Reason: c.Fence, At: c.Fenced}
	}
	if !c.Until.IsZero() && !t.Before(c.Until) {
		return &Fenced{Reason: FenceExpired, At: c.Until}
	}
	return nil
}

// FenceExpired is the reason of a circle whose validity is over.
const FenceExpired = "expired"

// Circles is the log of sealed messages (log.db): circles and their frames.
type Circles struct{ f *File }

// circleRow is a circle inside a transaction, written back once at its end.
type circleRow struct {
	Circle
	id    int64
	dirty bool
}

const circleColumns = `id, circle, home, anchor_key, account, epoch, head, oldest, welcome, bytes, opened, valid_from, valid_till, retention, fence, fenced, closed`

const qualified = `c.` + circleColumns // trackers share no other name with circles

func scanCircleRow(r Row) (c circleRow, err error) { return scanCircleAnd(r) }

// scanCircleAnd scans a circle's columns and what follows them.
func scanCircleAnd(r Row, more ...any) (c circleRow, err error) {
	var id []byte
	var opened, from, until, retention, fenced int64
	err = r.Scan(append([]any{
		&c.id, &id, &c.Home, &c.AnchorKey, &c.Account, &c.Epoch, &c.Head, &c.Oldest, &c.Welcome, &c.Bytes,
		&opened, &from, &until, &retention, &c.Fence, &fenced, &c.Closed,
	}, more...)...)
	copy(c.ID[:], id)
	c.Opened, c.From, c.Until, c.Fenced = at(opened), at(from), at(until), at(fenced)
	c.Retention = time.Duration(retention) * time.Millisecond
	return c, err
}

// Open adds a circle with its tracker's bytes and the leaves that are occupied.
// The same circle again, with the same anchor, is no error and changes nothing;
// otherwise ErrExists.
func (c *Circles) Open(ctx context.Context, circle Circle, tracker []byte, leaves []uint32) error {
	return c.f.writer.do(ctx, "open circle", func(t *Tx) error {
		old, err := t.circle(circle.ID)
		if err == nil {
			if string(old.AnchorKey) == string(circle.AnchorKey) && old.Home == circle.Home && old.Account == circle.Account {
				return nil
			}
			return ErrExists
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		return t.newCircle(circle, tracker, leaves)
	})
}

func (t *Tx) newCircle(c Circle, tracker []byte, leaves []uint32) error {
	var id int64
	err := t.Row(`INSERT INTO circles (circle, home, anchor_key, account, epoch, head, oldest, welcome, bytes, opened, valid_from, valid_till, retention, fence, fenced, closed)
		VALUES (?, ?, ?, ?, ?, 0, 1, 0, 0, ?, ?, ?, ?, '', 0, 0) RETURNING id`,
		c.ID[:], c.Home, c.AnchorKey, c.Account, c.Epoch, ms(c.Opened), ms(c.From), ms(c.Until), c.Retention.Milliseconds()).Scan(&id)
	if err != nil {
		return err
	}
	if _, err := t.Exec(`INSERT INTO trackers (id, view) VALUES (?, ?)`, id, tracker); err != nil {
		return err
	}
	if err := t.seat(id, leaves, 1); err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO epochs (circle, epoch, first) VALUES (?, ?, 1)`, id, c.Epoch)
	return err
}

// seat notes since when leaves are occupied by who occupies them.
func (t *Tx) seat(id int64, leaves []uint32, since uint64) error {
	for _, leaf := range leaves {
		if _, err := t.Exec(`INSERT OR REPLACE INTO leaves (circle, leaf, since, updated) VALUES (?, ?, ?, 0)`, id, leaf, since); err != nil {
			return err
		}
	}
	return nil
}

// Get reads a circle; ErrNotFound.
func (c *Circles) Get(ctx context.Context, id wire.CircleID) (Circle, error) {
	r, err := One(ctx, c.f, "circle", scanCircleRow, `SELECT `+circleColumns+` FROM circles WHERE circle = ?`, id[:])
	return r.Circle, err
}

// Tracked is a circle with what its tracker needs.
type Tracked struct {
	Circle
	Tracker []byte
	Since   map[uint32]uint64 // by leaf: the frame that added who is in it
}

// Tracker reads a circle with the bytes of its tracker; ErrNotFound.
func (c *Circles) Tracker(ctx context.Context, id wire.CircleID) (Tracked, error) {
	var tracker []byte
	var seats []byte
	r, err := One(ctx, c.f, "tracker", func(r Row) (circleRow, error) { return scanCircleAnd(r, &tracker, &seats) },
		`SELECT `+qualified+`, t.view, (SELECT json_group_array(json_array(leaf, since)) FROM leaves l WHERE l.circle = c.id)
		FROM circles c JOIN trackers t ON t.id = c.id WHERE c.circle = ?`, id[:])
	if err != nil {
		return Tracked{}, err
	}
	var pairs [][2]uint64
	if err := json.Unmarshal(seats, &pairs); err != nil {
		return Tracked{}, fmt.Errorf("read tracker: %w", err)
	}
	since := make(map[uint32]uint64, len(pairs))
	for _, p := range pairs {
		since[uint32(p[0])] = p[1]
	}
	return Tracked{Circle: r.Circle, Tracker: tracker, Since: since}, nil
}

// Fence stops delivery and every append but a closing's last removal. It is
// idempotent: the first reason stays, except that any reason replaces
// FenceRestored. It returns the circle as fenced.
func (c *Circles) Fence(ctx context.Context, id wire.CircleID, reason string, when time.Time) (Circle, error) {
	return result(ctx, c.f.writer, "fence circle", func(t *Tx) (Circle, error) {
		r, err := t.circle(id)
		if err != nil {
			return Circle{}, err
		}
		if r.Fence == "" || r.Fence == FenceRestored && reason != FenceRestored {
			r.Fence, r.Fenced, r.dirty = reason, when, true
		}
		return r.Circle, nil
	})
}

// Lift opens a circle that is fenced as restored. A circle under another fence
// gets *Fenced; an open one stays as it is.
func (c *Circles) Lift(ctx context.Context, id wire.CircleID) error {
	return c.f.writer.do(ctx, "lift fence", func(t *Tx) error {
		r, err := t.circle(id)
		if err != nil || r.Fence == "" {
			return err
		}
		if r.Fence != FenceRestored {
			return &Fenced{Reason: r.Fence, At: r.Fenced}
		}
		r.Fence, r.Fenced, r.dirty = "", time.Time{}, true
		return nil
	})
}

// Follow gives an open circle of a restored store its anchor's present view: a
// later epoch than the backup knew. It does nothing to a circle that is no
// epoch behind, and nothing where the store was never restored.
func (c *Circles) Follow(ctx context.Context, id wire.CircleID, epoch uint64, tracker []byte, leaves []uint32, now time.Time) error {
	return c.f.writer.do(ctx, "follow anchor", func(t *Tx) error {
		r, err := t.circle(id)
		if err != nil || r.Fence != "" || epoch <= r.Epoch || r.Head>>restoreShift == 0 {
			return err
		}
		if _, err := t.Exec(`DELETE FROM leaves WHERE circle = ?`, r.id); err != nil {
			return err
		}
		if err := t.seat(r.id, leaves, r.Head+1); err != nil {
			return err
		}
		return t.turn(r, epoch, tracker, now)
	})
}

// Expired lists circles that no fence stops yet though their validity is over.
func (c *Circles) Expired(ctx context.Context, now time.Time, limit int) ([]wire.CircleID, error) {
	return Many(ctx, c.f, "expired circles", scanCircleID,
		`SELECT circle FROM circles WHERE fence = '' AND valid_till > 0 AND valid_till <= ? ORDER BY valid_till LIMIT ?`, ms(now), limit)
}

// NextExpiry is when the next circle's validity ends; the zero time if none.
func (c *Circles) NextExpiry(ctx context.Context) (time.Time, error) {
	n, err := One(ctx, c.f, "next expiry", scanInt,
		`SELECT coalesce(min(valid_till), 0) FROM circles WHERE fence = '' AND valid_till > 0`)
	return at(n), err
}

func scanCircleID(r Row) (id wire.CircleID, err error) {
	var b []byte
	err = r.Scan(&b)
	copy(id[:], b)
	return id, err
}

// circle reads a circle once per transaction. Whoever changes it sets dirty.
func (t *Tx) circle(id wire.CircleID) (*circleRow, error) {
	if r := t.rows[id]; r != nil {
		return r, nil
	}
	r, err := scanCircleRow(t.Row(`SELECT `+circleColumns+` FROM circles WHERE circle = ?`, id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("circle %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	if t.rows == nil {
		t.rows = map[[16]byte]*circleRow{}
	}
	t.rows[id] = &r
	return &r, nil
}

// flush writes back the circles that were changed.
func (t *Tx) flush() error {
	for _, r := range t.rows {
		if !r.dirty {
			continue
		}
		r.dirty = false
		if _, err := t.Exec(`UPDATE circles SET epoch = ?, head = ?, oldest = ?, welcome = ?, bytes = ?, fence = ?, fenced = ?, closed = ? WHERE id = ?`,
			r.Epoch, r.Head, r.Oldest, r.Welcome, r.Bytes, r.Fence, ms(r.Fenced), r.Closed, r.id); err != nil {
			return err
		}
	}
	return nil
}

// turn gives the circle another epoch and tracker.
func (t *Tx) turn(r *circleRow, epoch uint64, tracker []byte, now time.Time) error {
	if _, err := t.Exec(`UPDATE trackers SET view = ? WHERE id = ?`, tracker, r.id); err != nil {
		return err
	}
	if epoch == r.Epoch {
		return nil
	}
	if r.Retention > 0 {
		if _, err := t.Exec(`UPDATE epochs SET erase = ? WHERE circle = ? AND epoch = ?`, ms(now.Add(r.Retention)), r.id, r.Epoch); err != nil {
			return err
		}
	}
	_, err := t.Exec(`INSERT INTO epochs (circle, epoch, first) VALUES (?, ?, ?)`, r.id, epoch, r.Head+1)
	r.Epoch, r.dirty = epoch, true
	return err
}
