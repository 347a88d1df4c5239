package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"primum/circle"
	"primum/client"
	"primum/thing"
)

const (
	// mostPasts bounds the affordances whose past is asked for at open.
	mostPasts = 128
	// pastPatience is how long one of them may take.
	pastPatience = 10 * time.Second
	// A thing that has just been claimed may not have measured yet, and its clock
	// is a minute: what has no value is asked for again, so many times, so far
	// apart.
	pastTries = 10
	pastAgain = 5 * time.Second
)

// fillPasts asks the things' ends for what a sparkline shows, one affordance
// after another, whenever there may be new ones.
func (s *session) fillPasts() {
	for again := false; ; {
		if !s.pastDue(again) {
			return
		}
		filled := false
		again = false
		for _, t := range s.client.Targets() {
			if s.ctx.Err() != nil || len(s.filled) >= mostPasts {
				break
			}
			filled = s.fillPast(t) || filled
			key := seriesKey(t.StreamOf(), t.Thing, t.Name)
			again = again || s.empty[key] > 0 && !s.filled[key]
		}
		if filled {
			s.e.emit(Event{Kind: "things"})
		}
	}
}

// pastDue waits until there may be something to ask for, again soon where an
// answer was empty; false at the session's end.
func (s *session) pastDue(again bool) bool {
	var soon <-chan time.Time
	if again {
		timer := s.e.o.Pace.NewTimer(pastAgain)
		defer timer.Stop()
		soon = timer.C()
	}
	select {
	case <-s.past:
	case <-soon:
	case <-s.ctx.Done():
		return false
	}
	return true
}

// fillPast asks for the past of one affordance, once; it tells whether it came.
func (s *session) fillPast(t client.Target) bool {
	stream := t.StreamOf()
	key := seriesKey(stream, t.Thing, t.Name)
	ended := t.Grant != nil && (t.Grant.State.Terminal() || !t.Grant.Joined)
	if s.filled[key] || ended || !slices.Contains(t.Ops, thing.ReadProperty) {
		return false
	}
	s.filled[key] = true
	ctx, cancel := context.WithTimeout(s.ctx, pastPatience)
	defer cancel()
	past, err := s.pastOf(ctx, t)
	if err != nil {
		// A thing's end that said no says it again; one that was away is asked at
		// the next connection.
		var p *circle.Problem
		if !errors.As(err, &p) {
			delete(s.filled, key)
		}
		s.e.o.Log.Info("past values not read", "thing", t.Path, "why", err)
		return false
	}
	if len(past) == 0 && s.recent.get(key).Latest == nil {
		s.empty[key]++
		s.filled[key] = s.empty[key] >= pastTries
	}
	s.recent.fill(key, past, s.unit(t))
	return len(past) > 0
}

// pastOf reads the last values, as many as a sparkline shows, or else the
// newest.
func (s *session) pastOf(ctx context.Context, t client.Target) (past []Point, err error) {
	every := homeClock
	if p := precisionOfTarget(t); p.Every > 0 {
		every = p.Every.D()
	}
	take := func(page []circle.Reading) error {
		for _, r := range page {
			if r.Value != nil {
				past = append(past, pointOf(r.At, r.Value))
			}
		}
		if n := len(past); n > maxRecent {
			past = slices.Clone(past[n-maxRecent:])
		}
		return nil
	}
	err = s.client.History(ctx, t, s.e.o.Clock.Now().Add(-maxRecent*every), take)
	if err == nil && len(past) == 0 {
		err = s.client.History(ctx, t, time.Time{}, take)
	}
	if err == nil && len(past) == 0 && t.Own { // its first window is still open
		err = s.client.HistoryAs(ctx, t, time.Time{}, newest(), take)
	}
	return past, err
}

// newest is the precision that shows what was measured last, by no clock.
func newest() circle.Precision { return circle.Precision{Change: true, Place: exactPlace()} }

// refresh shows the newest value of an own thing as it is now, not at the end
// of its window: somebody has just changed it.
func (s *session) refresh(t client.Target) {
	ctx, cancel := context.WithTimeout(s.ctx, pastPatience)
	defer cancel()
	stream := t.StreamOf()
	take := func(page []circle.Reading) error {
		for _, r := range page {
			if r.Value != nil {
				s.takeValue(stream, client.Value{Thing: t.Thing, Name: t.Name, At: r.At, Value: r.Value})
			}
		}
		return nil
	}
	if err := s.client.HistoryAs(ctx, t, time.Time{}, newest(), take); err != nil {
		s.e.o.Log.Info("newest value not read", "thing", t.Path, "why", err)
	}
}
