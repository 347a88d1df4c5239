package engine

import (
	"context"
	"fmt"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/thing"
)

const (
	// usualPoints and mostPoints bound an answer with past values.
	usualPoints = 2_000
	mostPoints  = 10_000
	// mostAsked bounds the values of a grant that are read to be thinned.
	mostAsked = 20_000
	// historyPatience is how long a page waits for the thing's end.
	historyPatience = 20 * time.Second
)

// steps are lengths of windows that people understand.
func steps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 31 * day,
	}
}

// window is the shortest step of which a span has at most n.
func window(span time.Duration, n int) time.Duration {
	all := steps()
	for _, s := range all {
		if span <= s*time.Duration(n) {
			return s
		}
	}
	return all[len(all)-1]
}

// history asks the thing's end for past values.
func (e *Engine) history(ctx context.Context, p HistoryParams) (HistoryResult, error) {
	s, err := e.current()
	if err != nil {
		return HistoryResult{}, err
	}
	t, err := s.findTarget(p.Ref)
	if err != nil {
		return HistoryResult{}, err
	}
	n := usualPoints
	if p.Max > 0 {
		n = min(p.Max, mostPoints)
	}
	now := e.o.Clock.Now()
	since := p.Since
	if oldest := now.Add(-2 * 366 * 24 * time.Hour); since.Before(oldest) {
		since = oldest
	}
	ctx, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	if t.Own {
		return s.ownHistory(ctx, t, since, now, n)
	}
	return s.givenHistory(ctx, t, since, now, n)
}

// ownHistory has the thing's end thin the values: the mean of numbers, the last
// of everything else.
func (s *session) ownHistory(ctx context.Context, t client.Target, since, now time.Time, n int) (HistoryResult, error) {
	every := window(now.Sub(since), n)
	points, err := s.readAs(ctx, t, since, grant.Precision{Every: grant.Duration(every), Stat: s.stat(t), Place: exactPlace()})
	return HistoryResult{Points: points, Unit: s.unit(t), More: every > homeClock}, err
}

func exactPlace() *int {
	exact := 30
	return &exact
}

// stat is how values of a thing become fewer without becoming others.
func (s *session) stat(t client.Target) grant.Stat {
	for _, own := range s.client.Owner.Things(t.Circle) {
		if d := s.shapes.of(t.Circle, own); own.ID == t.Thing && d != nil {
			if p := d.Properties[t.Name]; p != nil && (p.Type == "number" || p.Type == "integer") {
				return grant.Mean
			}
		}
	}
	return grant.Last
}

func (s *session) unit(t client.Target) string {
	if got := s.recent.get(seriesKey(t.StreamOf(), t.Thing, t.Name)); got.Unit != "" {
		return clean(got.Unit, 16)
	}
	for _, own := range s.client.Owner.Things(t.Circle) {
		if d := s.shapes.of(t.Circle, own); own.ID == t.Thing && d != nil && d.Properties[t.Name] != nil {
			return clean(thing.Unit(d.Properties[t.Name].Unit), 16)
		}
	}
	return ""
}

// readAs reads an own thing's past as a grant would show it.
func (s *session) readAs(ctx context.Context, t client.Target, since time.Time, as grant.Precision) ([]Point, error) {
	points := []Point{}
	err := s.client.HistoryAs(ctx, t, since, as, func(page []circle.Reading) error {
		for _, r := range page {
			if r.Value != nil {
				points = append(points, pointOf(r.At, r.Value))
			}
		}
		return nil
	})
	return points, thingAway(err)
}

// givenHistory reads what a grant allows, and thins it here.
func (s *session) givenHistory(ctx context.Context, t client.Target, since, now time.Time, n int) (HistoryResult, error) {
	own := precisionOfTarget(t)
	if every := own.Every.D(); every > 0 && now.Sub(since) > mostAsked*every {
		since = now.Add(-mostAsked * every)
	}
	thin := newThinner(since, now, n, own)
	err := s.client.History(ctx, t, since, func(page []circle.Reading) error {
		for _, r := range page {
			thin.add(r)
		}
		return nil
	})
	out := HistoryResult{Points: thin.end(now), Unit: s.unit(t), More: thin.wider}
	return out, thingAway(err)
}

// precisionOfTarget is how fine a grant shows an affordance.
func precisionOfTarget(t client.Target) grant.Precision {
	if t.Grant != nil {
		for _, shared := range t.Grant.Shared {
			if shared.Thing == t.Thing && shared.Name == t.Name {
				return shared.Precision
			}
		}
	}
	return grant.Precision{}
}

// thingAway says that the thing's end did not answer in time.
func thingAway(err error) error {
	if isErr(err, context.DeadlineExceeded) {
		return &Error{Code: "thing-away", Detail: fmt.Sprint(err)}
	}
	return err
}

// preview is the day before now as a grant would have shown it, computed at the
// thing's end by what computes grants' values.
func (e *Engine) preview(ctx context.Context, p PreviewParams) (PreviewResult, error) {
	s, err := e.current()
	if err != nil {
		return PreviewResult{}, err
	}
	t, err := s.findTarget(p.Ref)
	if err != nil {
		return PreviewResult{}, err
	}
	if !t.Own {
		return PreviewResult{}, &Error{Code: "not-yours"}
	}
	as, err := p.Precision.terms()
	if err != nil {
		return PreviewResult{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyPatience)
	defer cancel()
	return s.previewOf(ctx, t, as)
}

// mostSeen bounds the values of a preview; a finer grant is shown for less than
// a day.
const mostSeen = 3_000

func (s *session) previewOf(ctx context.Context, t client.Target, as grant.Precision) (out PreviewResult, err error) {
	out.To = s.e.o.Clock.Now().UTC()
	span := 24 * time.Hour
	switch {
	case as.Change:
		span = time.Hour
	case mostSeen*as.Every.D() < span:
		span = mostSeen * as.Every.D()
	}
	out.From, out.Words, out.Unit = out.To.Add(-span-as.Delay.D()), as.Words(), s.unit(t)
	if out.Own, err = s.ownPoints(ctx, t, &out.From, out.To); err != nil {
		return out, err
	}
	from := out.From
	if as.Every > 0 {
		// The window that was open when it began is the first that is seen.
		from, _ = grant.Window(from, as.Every)
	}
	out.Seen, err = s.readAs(ctx, t, from, as)
	return out, err
}

// ownPoints is what the person measured: some hundreds of values, finer where
// the thing has not been there for long. from moves to the first.
func (s *session) ownPoints(ctx context.Context, t client.Target, from *time.Time, to time.Time) ([]Point, error) {
	const wanted = 720
	as := grant.Precision{Every: grant.Duration(window(to.Sub(*from), wanted)), Stat: s.stat(t), Place: exactPlace()}
	points, err := s.readAs(ctx, t, *from, as)
	if err != nil || len(points) == 0 {
		return points, err
	}
	first := points[0].At.Add(-as.Every.D())
	if first.After(*from) {
		*from = first
	}
	if finer := window(to.Sub(first), wanted); finer < as.Every.D() {
		as.Every = grant.Duration(finer)
		return s.readAs(ctx, t, first, as)
	}
	return points, nil
}
