package open

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"primum/internal/store"
)

// Range names values of one property: From ≤ At < To, at most Limit of them.
type Range struct {
	Service, Thing, Property string
	From, To                 time.Time
	Limit                    int // at most MaxPage
}

// Window is what the values of a span of time come to. Only numbers count.
type Window struct {
	At   time.Time `json:"at"` // where the span begins, inclusive
	N    int64     `json:"count"`
	Mean float64   `json:"mean"`
	Min  float64   `json:"min"`
	Max  float64   `json:"max"`
}

// Bounds of a window.
const (
	MinWindow = time.Second
	MaxWindow = 366 * 24 * time.Hour
)

// maxRead is how many rows one answer may cost, whatever it was asked for.
const maxRead = 200_000

// series finds a property of a thing; id is 0 where it has no value yet.
func (b *Book) series(ctx context.Context, service, name, property string) (id int64, err error) {
	id, err = store.One(ctx, b.file, "series", scanID,
		"SELECT s.id FROM series s JOIN thing t ON t.id = s.thing WHERE t.service = ? AND t.name = ? AND s.property = ?", service, name, property)
	if !errors.Is(err, store.ErrNotFound) {
		return id, err
	}
	t, err := b.Thing(ctx, service, name)
	if err == nil && t.Description.Properties[property] == nil {
		err = ErrUnknown
	}
	return 0, err
}

// Newest is the newest value of a property; ok is false where there is none
// yet. Errors: ErrUnknown.
func (b *Book) Newest(ctx context.Context, service, name, property string) (s Sample, ok bool, err error) {
	id, err := b.series(ctx, service, name, property)
	if err != nil || id == 0 {
		return s, false, err
	}
	s, err = store.One(ctx, b.file, "open value", scanSample, "SELECT at, number, text FROM value WHERE series = ? ORDER BY at DESC LIMIT 1", id)
	if errors.Is(err, store.ErrNotFound) {
		return s, false, nil
	}
	s.Thing, s.Property = name, property
	return s, err == nil, err
}

// NewestOf are the newest values of all properties of a thing by their names;
// those without a value are left out. Errors: ErrUnknown.
func (b *Book) NewestOf(ctx context.Context, service, name string) (map[string]Sample, error) {
	t, err := b.Thing(ctx, service, name)
	if err != nil {
		return nil, err
	}
	all, err := store.Many(ctx, b.file, "open values", func(r store.Row) (s Sample, err error) {
		var at int64
		var number, text any
		if err := r.Scan(&s.Property, &at, &number, &text); err != nil {
			return s, err
		}
		s.At = time.UnixMilli(at).UTC()
		s.Value, err = valueOf(number, text)
		return s, err
	}, `SELECT s.property, v.at, v.number, v.text FROM series s JOIN value v ON v.series = s.id
		WHERE s.thing = ? AND v.at = (SELECT max(at) FROM value WHERE series = s.id)`, t.id)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Sample, len(all))
	for _, s := range all {
		s.Thing = name
		out[s.Property] = s
	}
	return out, nil
}

func scanSample(r store.Row) (s Sample, err error) {
	var at int64
	var number, text any
	if err := r.Scan(&at, &number, &text); err != nil {
		return s, err
	}
	s.At = time.UnixMilli(at).UTC()
	s.Value, err = valueOf(number, text)
	return s, err
}

// History reads values, oldest first. next is where to go on, zero where
// nothing is left. Errors: ErrUnknown, *Invalid.
func (b *Book) History(ctx context.Context, r Range) (samples []Sample, next time.Time, err error) {
	id, err := b.open(ctx, &r)
	if err != nil || id == 0 {
		return nil, next, err
	}
	samples, err = store.Many(ctx, b.file, "open values", scanSample,
		"SELECT at, number, text FROM value WHERE series = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?", id, r.From.UnixMilli(), r.To.UnixMilli(), r.Limit+1)
	if err == nil && len(samples) > r.Limit {
		next, samples = samples[r.Limit].At, samples[:r.Limit]
	}
	return samples, next, err
}

// open checks a range and finds its series.
func (b *Book) open(ctx context.Context, r *Range) (id int64, err error) {
	r.From, r.To = bounded(r.From), bounded(r.To)
	if r.To.Before(r.From) {
		return 0, &Invalid{"to", "lies before from"}
	}
	if r.Limit < 1 || r.Limit > MaxPage {
		return 0, &Invalid{"limit", fmt.Sprintf("not between 1 and %d", MaxPage)}
	}
	return b.series(ctx, r.Service, r.Thing, r.Property)
}

// bounded brings a time to the span that the file can hold.
func bounded(t time.Time) time.Time {
	first, last := time.UnixMilli(0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

// Windows reads what the numbers of a range come to in spans of a length,
// counted from 1970-01-01T00:00Z; the range is widened to whole spans. Whole
// hours are summed up already, so that a year costs little. next is where to go
// on, zero where nothing is left. Errors: ErrUnknown, *Invalid.
func (b *Book) Windows(ctx context.Context, r Range, every time.Duration) (windows []Window, next time.Time, err error) {
	if every < MinWindow || every > MaxWindow || every%time.Millisecond != 0 {
		return nil, next, &Invalid{"window", "not between 1 second and 366 days"}
	}
	id, err := b.open(ctx, &r)
	if err != nil || id == 0 {
		return nil, next, err
	}
	step := every.Milliseconds()
	from, to := r.From.UnixMilli(), r.To.UnixMilli()
	from, to = from-from%step, (to+step-1)/step*step
	query := "SELECT at, 1, number, number, number FROM value WHERE series = ? AND at >= ? AND at < ? AND number IS NOT NULL ORDER BY at LIMIT ?"
	if step%hourMs == 0 {
		query = "SELECT at, n, total, least, most FROM hour WHERE series = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?"
	}
	parts, err := store.Many(ctx, b.file, "open values", scanPart, query, id, from, to, maxRead+1)
	if err != nil {
		return nil, next, err
	}
	windows, next = gather(parts, step, r.Limit)
	if len(parts) > maxRead && next.IsZero() {
		return nil, next, &Invalid{"window", "one span has more values than an answer reads: ask for a shorter one, or for whole hours"}
	}
	return windows, next, nil
}

// part is a value, or what an hour comes to.
type part struct {
	at, n              int64
	total, least, most float64
}

func scanPart(r store.Row) (p part, err error) {
	return p, r.Scan(&p.at, &p.n, &p.total, &p.least, &p.most)
}

// gather sums up parts in windows. Where reading stopped at its bound, the last
// window may lack values: it is left to the next answer.
func gather(parts []part, step int64, limit int) (windows []Window, next time.Time) {
	windows, next = totals(parts, step, limit)
	if last := len(windows) - 1; len(parts) > maxRead && next.IsZero() && last > 0 {
		windows, next = windows[:last], windows[last].At
	}
	for i := range windows {
		windows[i].Mean = mean(windows[i].Mean, windows[i].N)
	}
	return windows, next
}

// totals are windows with sums in place of means.
func totals(parts []part, step int64, limit int) (windows []Window, next time.Time) {
	var current int64 = -1
	for _, p := range parts {
		if at := p.at - p.at%step; at != current {
			if len(windows) == limit {
				return windows, time.UnixMilli(at).UTC()
			}
			current = at
			windows = append(windows, Window{At: time.UnixMilli(at).UTC(), Min: p.least, Max: p.most})
		}
		w := &windows[len(windows)-1]
		w.N, w.Mean = w.N+p.n, w.Mean+p.total
		w.Min, w.Max = min(w.Min, p.least), max(w.Max, p.most)
	}
	return windows, next
}

// mean has 12 digits: the rest would be noise of the sum.
func mean(total float64, n int64) float64 {
	m := total / float64(n)
	if rounded, err := strconv.ParseFloat(strconv.FormatFloat(m, 'g', 12, 64), 64); err == nil {
		return rounded
	}
	return m
}

// Numeric tells whether a property's values are numbers.
func (t Thing) Numeric(property string) bool {
	p := t.Description.Properties[property]
	return p != nil && (p.Type == "number" || p.Type == "integer")
}

// Number is the value as a number, if it is one.
func (s Sample) Number() (f float64, ok bool) {
	return f, json.Unmarshal(s.Value, &f) == nil && string(s.Value) != "null"
}
