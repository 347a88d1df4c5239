package directory

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"primum/internal/store"
)

// maxEvents is how many events are kept at least for who comes back.
const (
	maxEvents = 10000
	trimEvery = 256
)

// Types of events (WoT Discovery §7.3.2.3).
const (
	ThingCreated = "thing_created"
	ThingUpdated = "thing_updated"
	ThingDeleted = "thing_deleted"
)

// event is a change of an entry, and who saw the entry before and after.
type event struct {
	seq           int64
	id, owner     string
	before, after Visibility
	diff          []byte
}

// record writes an event and counts the change for every scope that sees it.
func record(t *store.Tx, ev event) error {
	if ev.diff == nil {
		ev.diff = []byte{}
	}
	seq, err := t.Number(`INSERT INTO events (id, owner, before, after, diff) VALUES (?, ?, ?, ?, ?) RETURNING seq`,
		ev.id, ev.owner, ev.before, ev.after, ev.diff)
	if err != nil {
		return err
	}
	if seq%trimEvery == 0 {
		if _, err := t.Exec(`DELETE FROM events WHERE seq <= ?`, seq-maxEvents); err != nil {
			return err
		}
	}
	if ev.after == "" && ev.owner != Operator { // what it was is gone, not only what it is
		if _, err := t.Exec(`UPDATE events SET diff = x'' WHERE owner = ? AND id = ?`, ev.owner, ev.id); err != nil {
			return err
		}
	}
	scopes := []string{}
	for _, visible := range []Visibility{ev.before, ev.after} {
		if scope := (Entry{Owner: ev.owner, Visibility: visible}).scope(); visible != "" && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	for _, s := range scopes {
		if _, err := t.Exec(`INSERT INTO revisions (scope, n) VALUES (?, 1) ON CONFLICT (scope) DO UPDATE SET n = n + 1`, s); err != nil {
			return err
		}
	}
	return nil
}

// announce wakes who waits for events.
func (d *Directory) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.wake)
	d.wake = make(chan struct{})
}

func (d *Directory) waker() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wake
}

// Event is a change of what a viewer sees.
type Event struct {
	ID   string // tells nothing but the place to go on from
	Type string
	Data []byte // JSON: a partial description, at least its id
}

// Subscription follows the events of one viewer. It is used by one goroutine.
type Subscription struct {
	d       *Directory
	account string
	publish bool
	kind    string
	diff    bool
	at      int64
}

// Subscribe begins to follow events: those of one type (empty: all), with what
// changed (diff), after the event last (empty or unknown: from now on).
func (d *Directory) Subscribe(ctx context.Context, v Viewer, kind string, diff bool, last string) (*Subscription, error) {
	s := &Subscription{d: d, account: v.Account, publish: v.Publisher, kind: kind, diff: diff}
	head, err := d.file.Read(ctx, "events", `SELECT coalesce(max(seq), 0) FROM events`)
	if err != nil {
		return nil, err
	}
	if at, ok := d.place(last); ok && at < head {
		head = at
	}
	s.at = head
	return s, nil
}

// token hides a number of an event: how many there were that a viewer did not
// see is nobody's business.
func (d *Directory) token(seq int64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(seq))
	d.events.Encrypt(b[:], b[:])
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

func (d *Directory) place(token string) (int64, bool) {
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(token))
	if err != nil || len(b) != 16 {
		return 0, false
	}
	d.events.Decrypt(b, b)
	return int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]) == 0
}

// Next waits for events that the viewer may see, as its grants stand then. It
// returns at least one, or an error: the context's when that ends.
func (s *Subscription) Next(ctx context.Context) ([]Event, error) {
	for {
		wake := s.d.waker()
		rows, err := store.Many(ctx, s.d.file, "events", scanEvent,
			`SELECT seq, id, owner, before, after FROM events WHERE seq > ? ORDER BY seq LIMIT 64`, s.at)
		if err != nil {
			return nil, err
		}
		out, err := s.seen(ctx, rows)
		if err != nil || len(out) > 0 {
			return out, err
		}
		if len(rows) > 0 {
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func scanEvent(r store.Row) (ev event, err error) {
	return ev, r.Scan(&ev.seq, &ev.id, &ev.owner, &ev.before, &ev.after)
}

// seen makes of rows the events that the viewer sees.
func (s *Subscription) seen(ctx context.Context, rows []event) (out []Event, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	v, err := s.d.As(ctx, s.account, s.publish)
	if err != nil {
		return nil, err
	}
	for _, ev := range rows {
		s.at = ev.seq
		kind := ev.kindFor(v)
		if kind == "" || s.kind != "" && kind != s.kind {
			continue
		}
		data, err := s.data(ctx, v, ev, kind)
		if err != nil {
			return nil, err
		}
		out = append(out, Event{ID: s.d.token(ev.seq), Type: kind, Data: data})
	}
	return out, nil
}

// kindFor is what an event is to a viewer: an entry that became hidden was
// deleted for who saw it, and one that became visible was created.
func (ev event) kindFor(v Viewer) string {
	before, after := v.sees(ev.owner, ev.before), v.sees(ev.owner, ev.after)
	switch {
	case before && after:
		return ThingUpdated
	case after:
		return ThingCreated
	case before:
		return ThingDeleted
	}
	return ""
}

func (s *Subscription) data(ctx context.Context, v Viewer, ev event, kind string) ([]byte, error) {
	if s.diff && kind == ThingUpdated {
		// Read by itself: of events that a viewer does not see nothing is in memory.
		diff, err := store.One(ctx, s.d.file, "event", func(r store.Row) (b []byte, err error) { return b, r.Scan(&b) },
			`SELECT diff FROM events WHERE seq = ?`, ev.seq)
		if err != nil && !errors.Is(err, store.ErrNotFound) || len(diff) > 0 {
			return diff, err
		}
	}
	if s.diff && kind == ThingCreated {
		if e, err := s.d.Get(ctx, v, ev.id); err == nil {
			return e.Bytes(at(0)), nil
		}
	}
	return marshal(map[string]string{"id": ev.id})
}
