package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"primum/internal/wire"
)

// Grant is a filed envelope and what became of it. State is grant.State's
// text; the store doesn't know the table of states.
type Grant struct {
	ID           string
	Circle       wire.CircleID
	Home         wire.CircleID // of its anchor
	Owner        string
	Grantee      string
	GrantKey     []byte
	AnchorKey    []byte
	OpeningHash  string
	From, Until  time.Time
	AskAgain     time.Duration
	Replaces     string // id of the grant that this one supersedes
	State        string
	EnvelopeHash string
	Envelope     string
}

// GrantEvent is one entry of a grant's history, which only grows.
type GrantEvent struct {
	State    string
	At       time.Time
	By       string // owner, grantee, node, clock
	Hash     string // of Document
	Document string // what brought it about, if anything
	Receipt  string // the node's receipt for it
}

// Change is one step in a grant's life.
type Change struct {
	// New files a grant, whose id and circle must be new (else ErrExists).
	New *Grant
	// ID names a known grant, and Expect the state that it must be in, else
	// ErrConflict.
	ID, Expect string
	// Envelope and EnvelopeHash, unless empty, replace those of a known grant:
	// its envelope was signed again.
	Envelope, EnvelopeHash string
	// Event is added to the history; its State becomes the grant's.
	Event GrantEvent
	// Over says that the grant has ended: a link's guest that had it is gone.
	Over bool
	// AskAgain, unless zero, is until when the grantee may not ask the owner
	// again (see Refusals).
	AskAgain time.Time
	// Leaves are commitments to the event, due in the log at LeavesDue.
	Leaves    [][32]byte
	LeavesDue time.Time
}

// Grants is the node's book of envelopes.
type Grants struct{ f *File }

const grantColumns = `id, circle, home, owner, grantee, grant_key, anchor_key, opening_hash, valid_from, valid_until, ask_again, replaces, state, envelope_hash, envelope`

func scanGrant(r Row) (g Grant, err error) {
	var circle, home []byte
	var from, until, ask int64
	err = r.Scan(&g.ID, &circle, &home, &g.Owner, &g.Grantee, &g.GrantKey, &g.AnchorKey, &g.OpeningHash, &from, &until, &ask,
		&g.Replaces, &g.State, &g.EnvelopeHash, &g.Envelope)
	copy(g.Circle[:], circle)
	copy(g.Home[:], home)
	g.From, g.Until, g.AskAgain = at(from), at(until), time.Duration(ask)*time.Millisecond
	return g, err
}

// Apply does all changes or none. Errors: ErrExists, ErrConflict, ErrNotFound.
func (g *Grants) Apply(ctx context.Context, changes ...Change) error {
	return g.f.writer.do(ctx, "change grant", func(t *Tx) error {
		for _, c := range changes {
			if err := t.change(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tx) change(c Change) error {
	if c.New != nil {
		if err := t.newGrant(*c.New, c.Event.State); err != nil {
			return err
		}
		c.ID = c.New.ID
	} else if err := t.moveGrant(c); err != nil {
		return err
	}
	_, err := t.Exec(`INSERT INTO grant_events (grant_id, n, state, at, by, hash, document, receipt)
		SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM grant_events WHERE grant_id = ?1`,
		c.ID, c.Event.State, ms(c.Event.At), c.Event.By, c.Event.Hash, c.Event.Document, c.Event.Receipt)
	if err == nil && !c.AskAgain.IsZero() {
		_, err = t.Exec(`INSERT INTO refusals (owner, sender, until) SELECT owner, grantee, ?2 FROM grants WHERE id = ?1
			ON CONFLICT (owner, sender) DO UPDATE SET until = max(until, excluded.until)`, c.ID, ms(c.AskAgain))
	}
	if err == nil {
		err = t.addLeaves(c.LeavesDue, c.Leaves)
	}
	if err != nil || !c.Over {
		return err
	}
	return t.endGuest(c.ID)
}

func (t *Tx) newGrant(g Grant, state string) error {
	if err := t.takeGuest(g); err != nil {
		return err
	}
	n, err := t.Exec(`INSERT OR IGNORE INTO grants (`+grantColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		g.ID, g.Circle[:], g.Home[:], g.Owner, g.Grantee, g.GrantKey, g.AnchorKey, g.OpeningHash, ms(g.From), ms(g.Until),
		g.AskAgain.Milliseconds(), g.Replaces, state, g.EnvelopeHash, g.Envelope)
	if err == nil && n == 0 {
		return ErrExists
	}
	return err
}

func (t *Tx) moveGrant(c Change) error {
	var state string
	err := t.Row(`SELECT state FROM grants WHERE id = ?`, c.ID).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	if state != c.Expect {
		return ErrConflict
	}
	if _, err := t.Exec(`UPDATE grants SET state = ? WHERE id = ?`, c.Event.State, c.ID); err != nil || c.Envelope == "" {
		return err
	}
	_, err = t.Exec(`UPDATE grants SET envelope = ?, envelope_hash = ? WHERE id = ?`, c.Envelope, c.EnvelopeHash, c.ID)
	return err
}

// Get reads a grant; ErrNotFound.
func (g *Grants) Get(ctx context.Context, id string) (Grant, error) {
	return One(ctx, g.f, "grant", scanGrant, `SELECT `+grantColumns+` FROM grants WHERE id = ?`, id)
}

// ByCircle reads the grant of a circle; ErrNotFound.
func (g *Grants) ByCircle(ctx context.Context, circle wire.CircleID) (Grant, error) {
	return One(ctx, g.f, "grant", scanGrant, `SELECT `+grantColumns+` FROM grants WHERE circle = ?`, circle[:])
}

// Of lists an account's grants as owner or grantee, after an id, in the order
// of ids (which is that of their making).
func (g *Grants) Of(ctx context.Context, account, after string, limit int) ([]Grant, error) {
	return Many(ctx, g.f, "grants", scanGrant, `SELECT `+grantColumns+` FROM grants
		WHERE (owner = ?1 OR grantee = ?1) AND id > ?2 ORDER BY id LIMIT ?3`, account, after, limit)
}

// In lists grants in a state, after an id, in the order of ids.
func (g *Grants) In(ctx context.Context, state, after string, limit int) ([]Grant, error) {
	return Many(ctx, g.f, "grants", scanGrant, `SELECT `+grantColumns+` FROM grants
		WHERE state = ? AND id > ? ORDER BY id LIMIT ?`, state, after, limit)
}

// OfHome lists an anchor's grants in a state.
func (g *Grants) OfHome(ctx context.Context, home wire.CircleID, state string) ([]Grant, error) {
	return Many(ctx, g.f, "grants", scanGrant, `SELECT `+grantColumns+` FROM grants WHERE home = ? AND state = ? ORDER BY id`, home[:], state)
}

// Owners lists the accounts that have a grant in a state for a grantee, which
// is valid at a time.
func (g *Grants) Owners(ctx context.Context, grantee, state string, now time.Time) ([]string, error) {
	return Many(ctx, g.f, "owners of grants", func(r Row) (s string, err error) { return s, r.Scan(&s) },
		`SELECT DISTINCT owner FROM grants WHERE grantee = ? AND state = ? AND valid_from <= ?3 AND (valid_until = 0 OR valid_until > ?3)
		ORDER BY owner`, grantee, state, ms(now))
}

// Events reads a grant's history, oldest first.
func (g *Grants) Events(ctx context.Context, id string) ([]GrantEvent, error) {
	return Many(ctx, g.f, "grant's history", func(r Row) (e GrantEvent, err error) {
		var when int64
		err = r.Scan(&e.State, &when, &e.By, &e.Hash, &e.Document, &e.Receipt)
		e.At = at(when)
		return e, err
	}, `SELECT state, at, by, hash, document, receipt FROM grant_events WHERE grant_id = ? ORDER BY n`, id)
}

// Over lists grants in a state whose validity ended before or at a time.
func (g *Grants) Over(ctx context.Context, state string, now time.Time, limit int) ([]Grant, error) {
	return Many(ctx, g.f, "grants", scanGrant, `SELECT `+grantColumns+` FROM grants
		WHERE state = ? AND valid_until <= ? ORDER BY valid_until LIMIT ?`, state, ms(now), limit)
}

// NextOver is when the next grant in a state ends; the zero time if none.
func (g *Grants) NextOver(ctx context.Context, state string) (time.Time, error) {
	n, err := One(ctx, g.f, "grants", scanInt, `SELECT coalesce(min(valid_until), 0) FROM grants WHERE state = ?`, state)
	return at(n), err
}
