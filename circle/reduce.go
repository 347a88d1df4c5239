package circle

import (
	"encoding/json"
	"time"

	"primum/circle/internal/reduce"
)

// Reducer makes values of one affordance coarser, by the very code by which an
// anchor does it before it seals them. For one goroutine at a time.
type Reducer struct{ series *reduce.Series }

// NewReducer begins at the window that holds start.
func NewReducer(p Precision, start time.Time) *Reducer {
	rule := reduce.Rule{Every: p.Every.D(), Stat: string(p.Stat), Round: p.Round, Place: reduce.PlaceNone, Delay: p.Delay.D()}
	if p.Place != nil {
		rule.Place = *p.Place
	}
	return &Reducer{reduce.New(rule, start)}
}

// Add takes a value; false for one that is no JSON or comes too late.
func (r *Reducer) Add(at time.Time, value json.RawMessage) bool { return r.series.Add(at, value) }

// Due hands out what may leave at now, oldest first, each window once. A nil
// Value: nothing was measured in the window.
func (r *Reducer) Due(now time.Time) []Reading {
	due := r.series.Due(now)
	out := make([]Reading, len(due))
	for i, p := range due {
		out[i] = Reading{At: p.At, Value: p.Value}
	}
	return out
}
