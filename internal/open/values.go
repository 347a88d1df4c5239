package open

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"primum/internal/store"
	"primum/thing"
)

const hourMs = int64(time.Hour / time.Millisecond)

// Added says what became of the values of one Add.
type Added struct {
	Kept    int       `json:"kept"`
	Known   int       `json:"known,omitempty"` // there was a value at that time already; it stays
	Refused []Refused `json:"refused,omitempty"`
}

// Refused is one value that was not kept: its place in the list, and why.
type Refused struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// Add keeps values of things of a service, and tells who watches. A value that
// its property's description does not allow is refused by itself; the others
// are kept. Repeating it is harmless: the first value of a time stays. Errors:
// ErrUnknown (no such service), *Invalid (more than MaxBatch).
func (b *Book) Add(ctx context.Context, service string, samples []Sample) (Added, error) {
	if len(samples) > MaxBatch {
		return Added{}, &Invalid{"", fmt.Sprintf("%d values, more than %d", len(samples), MaxBatch)}
	}
	s, err := b.Service(ctx, service)
	if err != nil {
		return Added{}, err
	}
	c := &checker{book: b, service: s, now: b.now(), things: map[string]Thing{}}
	var out Added
	rows := make([]row, 0, len(samples))
	for i, sample := range samples {
		r, err := c.row(ctx, sample)
		var no *Invalid
		switch {
		case errors.As(err, &no):
			out.Refused = append(out.Refused, Refused{i, no.Error()})
		case err != nil:
			return Added{}, err
		default:
			rows = append(rows, r)
		}
	}
	fresh, err := b.insert(ctx, rows)
	if err != nil {
		return Added{}, err
	}
	for _, r := range fresh {
		b.hub.tell(service, r.sample)
	}
	out.Kept, out.Known = len(fresh), len(rows)-len(fresh)
	return out, nil
}

// row is a value on its way into the file.
type row struct {
	sample Sample
	thing  int64
	number any // float64 or nil
	text   any // string or nil
}

// checker holds what the values of one Add are compared with.
type checker struct {
	book    *Book
	service Service
	now     time.Time
	things  map[string]Thing
}

func (c *checker) row(ctx context.Context, s Sample) (r row, err error) {
	t, known := c.things[s.Thing]
	if !known {
		t, err = c.book.Thing(ctx, c.service.Name, s.Thing)
		if errors.Is(err, ErrUnknown) {
			return r, &Invalid{"/thing", "this service has no such thing"}
		}
		if err != nil {
			return r, err
		}
		c.things[s.Thing] = t
	}
	if s.At, err = c.at(s.At); err != nil {
		return r, err
	}
	v, err := check(t, s)
	if err != nil {
		return r, err
	}
	r = row{thing: t.id}
	r.number, r.text = columns(v, s.Value)
	if s.Value, err = valueOf(r.number, r.text); err != nil { // as readers will get it
		return r, err
	}
	r.sample = s
	return r, nil
}

func (c *checker) at(at time.Time) (time.Time, error) {
	if at.IsZero() {
		return c.now, nil
	}
	at = at.UTC().Truncate(time.Millisecond)
	switch {
	case at.After(c.now.Add(Future)):
		return at, &Invalid{"/at", "lies in the future"}
	case at.Before(c.now.Add(-c.service.Keep())) || at.UnixMilli() < 0:
		return at, &Invalid{"/at", fmt.Sprintf("is older than the %d days that values are kept", c.service.KeepDays)}
	}
	return at, nil
}

// check compares a value with the description of its property.
func check(t Thing, s Sample) (any, error) {
	p := t.Description.Properties[s.Property]
	if p == nil {
		return nil, &Invalid{"/property", "the thing has no such property"}
	}
	if len(s.Value) > MaxValue {
		return nil, &Invalid{"/value", fmt.Sprintf("has more than %d bytes", MaxValue)}
	}
	v, err := thing.DecodeValue(s.Value)
	if err == nil {
		err = p.Check(v)
	}
	if err != nil {
		bad := invalid(err).(*Invalid)
		return nil, &Invalid{"/value" + bad.Pointer, bad.Reason}
	}
	if f, ok := thing.Number(v); ok && math.Abs(f) > maxNumber {
		return nil, &Invalid{"/value", "is beyond 1e300"}
	}
	return v, nil
}

// maxNumber leaves room for the sum of all values that one answer reads.
const maxNumber = 1e300

// columns splits a value: a number goes to its column, and has a text beside it
// where the float64 would say less than was written; other values are texts.
func columns(v any, value json.RawMessage) (number, text any) {
	f, ok := thing.Number(v)
	if !ok {
		var b bytes.Buffer
		if json.Compact(&b, value) != nil {
			return nil, string(value)
		}
		return nil, b.String()
	}
	if n, ok := v.(json.Number); ok && len(n) > exactDigits && formatted(f) != n.String() {
		return f, n.String()
	}
	return f, nil
}

// exactDigits is how long a number may be that every float64 holds.
const exactDigits = 15

func formatted(f float64) string {
	b, err := json.Marshal(f)
	if err != nil { // no float of JSON
		return "null"
	}
	return string(b)
}

// valueOf is the JSON of the two columns.
func valueOf(number, text any) (json.RawMessage, error) {
	if t, ok := text.(string); ok {
		return json.RawMessage(t), nil
	}
	if f, ok := number.(float64); ok {
		return json.RawMessage(formatted(f)), nil
	}
	return nil, errors.New("a row of a value is empty")
}

// insert writes rows; it answers with those that were new.
func (b *Book) insert(ctx context.Context, rows []row) ([]row, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	answered := make(chan []row, 1) // a caller whose context ended has gone
	err := b.file.Change(ctx, "keep open values", func(t *store.Tx) error {
		var fresh []row
		for _, r := range rows {
			isNew, err := insertRow(t, r)
			if err != nil {
				return err
			}
			if isNew {
				fresh = append(fresh, r)
			}
		}
		answered <- fresh
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-answered, nil
}

func insertRow(t *store.Tx, r row) (isNew bool, err error) {
	// The thing may have gone since it was read.
	if _, err := t.Exec("INSERT OR IGNORE INTO series (thing, property) SELECT id, ? FROM thing WHERE id = ?", r.sample.Property, r.thing); err != nil {
		return false, err
	}
	at := r.sample.At.UnixMilli()
	n, err := t.Exec("INSERT OR IGNORE INTO value (series, at, number, text) SELECT id, ?, ?, ? FROM series WHERE thing = ? AND property = ?",
		at, r.number, r.text, r.thing, r.sample.Property)
	if err != nil || n == 0 || r.number == nil {
		return n > 0, err
	}
	_, err = t.Exec(`INSERT INTO hour (series, at, n, total, least, most) SELECT id, ?1, 1, ?2, ?2, ?2 FROM series WHERE thing = ?3 AND property = ?4
		ON CONFLICT (series, at) DO UPDATE SET n = n + 1, total = total + ?2, least = min(least, ?2), most = max(most, ?2)`,
		at-at%hourMs, r.number, r.thing, r.sample.Property)
	return true, err
}

// sweepPiece is how many values one transaction of a sweep erases.
const sweepPiece = 5000

// Sweep erases what is older than its service keeps.
func (b *Book) Sweep(ctx context.Context) error {
	services, err := b.Services(ctx)
	if err != nil {
		return err
	}
	for _, s := range services {
		if err := b.sweep(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) sweep(ctx context.Context, s Service) error {
	cut := b.now().Add(-s.Keep()).UnixMilli()
	all, err := store.Many(ctx, b.file, "series", scanID, "SELECT s.id FROM series s JOIN thing t ON t.id = s.thing WHERE t.service = ?", s.Name)
	if err != nil {
		return err
	}
	for _, id := range all {
		for more := true; more; {
			err := b.file.Change(ctx, "erase open values", func(t *store.Tx) error {
				n, err := t.Exec("DELETE FROM value WHERE series = ?1 AND at IN (SELECT at FROM value WHERE series = ?1 AND at < ?2 ORDER BY at LIMIT ?3)", id, cut, sweepPiece)
				if err != nil || n == sweepPiece {
					return err
				}
				more = false
				_, err = t.Exec("DELETE FROM hour WHERE series = ? AND at + ? <= ?", id, hourMs, cut)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func scanID(r store.Row) (id int64, err error) { return id, r.Scan(&id) }
