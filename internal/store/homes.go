package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"primum/internal/wire"
)

// Home is a home circle by its claim.
type Home struct {
	Circle           wire.CircleID
	ThingKey         []byte
	Number           uint64 // of the claim: n+1 ends n
	Owner            string
	AnchorKey        []byte // the anchor's leaf key in the circle
	Claim            string
	Countersignature string
	Opened           time.Time
	Ended            time.Time // zero: it is the thing's present home
}

// Homes are the claims of edges and things.
type Homes struct{ f *File }

const homeColumns = `circle, thing_key, number, owner, anchor_key, claim, countersignature, opened, ended`

func scanHome(r Row) (h Home, err error) {
	var circle []byte
	var opened int64
	var ended sql.NullInt64
	err = r.Scan(&circle, &h.ThingKey, &h.Number, &h.Owner, &h.AnchorKey, &h.Claim, &h.Countersignature, &opened, &ended)
	copy(h.Circle[:], circle)
	h.Opened, h.Ended = at(opened), at(ended.Int64)
	return h, err
}

// Put keeps a claim and ends the thing's earlier ones, which it returns. The
// same claim again changes nothing. ErrConflict if the thing has a claim of
// this or a higher number, ErrExists if the circle is another's.
func (h *Homes) Put(ctx context.Context, home Home) (ended []Home, err error) {
	return result(ctx, h.f.writer, "keep claim", func(t *Tx) ([]Home, error) {
		switch old, err := scanHome(t.Row(`SELECT `+homeColumns+` FROM homes WHERE circle = ?`, home.Circle[:])); {
		case err == nil && old.Claim == home.Claim:
			return nil, nil
		case err == nil:
			return nil, ErrExists
		case !errors.Is(err, sql.ErrNoRows):
			return nil, err
		}
		return t.newHome(home)
	})
}

func (t *Tx) newHome(home Home) (ended []Home, err error) {
	newest, err := t.Number(`SELECT coalesce(max(number), 0) FROM homes WHERE thing_key = ?`, home.ThingKey)
	if err != nil {
		return nil, err
	}
	if uint64(newest) >= home.Number {
		return nil, ErrConflict
	}
	if ended, err = t.endHomes(home); err != nil {
		return nil, err
	}
	_, err = t.Exec(`INSERT INTO homes (`+homeColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)`,
		home.Circle[:], home.ThingKey, home.Number, home.Owner, home.AnchorKey, home.Claim, home.Countersignature, ms(home.Opened))
	return ended, err
}

func (t *Tx) endHomes(by Home) ([]Home, error) {
	s, err := t.stmt(`SELECT ` + homeColumns + ` FROM homes WHERE thing_key = ? AND ended IS NULL`)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(by.ThingKey)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var ended []Home
	for rows.Next() {
		h, err := scanHome(rows)
		if err != nil {
			return nil, err
		}
		h.Ended = by.Opened
		ended = append(ended, h)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	_, err = t.Exec(`UPDATE homes SET ended = ? WHERE thing_key = ? AND ended IS NULL`, ms(by.Opened), by.ThingKey)
	return ended, err
}

// Get reads the home with a circle; ErrNotFound.
func (h *Homes) Get(ctx context.Context, circle wire.CircleID) (Home, error) {
	return One(ctx, h.f, "home circle", scanHome, `SELECT `+homeColumns+` FROM homes WHERE circle = ?`, circle[:])
}

// OwnedBy lists the present homes of an account, at most limit.
func (h *Homes) OwnedBy(ctx context.Context, owner string, limit int) ([]Home, error) {
	return Many(ctx, h.f, "home circles", scanHome, `SELECT `+homeColumns+` FROM homes WHERE owner = ? AND ended IS NULL ORDER BY circle LIMIT ?`, owner, limit)
}

// ByThing lists a thing's homes by the number of their claims.
func (h *Homes) ByThing(ctx context.Context, thingKey []byte) ([]Home, error) {
	return Many(ctx, h.f, "home circles", scanHome, `SELECT `+homeColumns+` FROM homes WHERE thing_key = ? ORDER BY number`, thingKey)
}
