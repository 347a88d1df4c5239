package engine

import (
	"time"

	"primum/circle"
	"primum/grant"
)

// thinner makes past values at most so many, by windows.
type thinner struct {
	reduce *circle.Reducer // nil: there are few enough
	wider  bool
	points []Point
	all    []circle.Reading // the first, until there are too many
	start  time.Time
	every  time.Duration
	most   int
	stat   grant.Stat
}

// newThinner prepares for values since start at a precision.
func newThinner(start, now time.Time, most int, p grant.Precision) *thinner {
	return &thinner{start: start, every: window(now.Sub(start), most), most: most, stat: p.Stat}
}

func (t *thinner) add(r circle.Reading) {
	if r.Value == nil {
		return
	}
	if t.reduce == nil {
		t.all = append(t.all, r)
		if len(t.all) > t.most {
			t.widen()
		}
		return
	}
	t.take(r)
}

// widen begins to thin.
func (t *thinner) widen() {
	p := grant.Precision{Every: grant.Duration(t.every), Stat: t.stat, Place: exactPlace()}
	if p.Stat == "" || p.Stat == grant.Sum {
		p.Stat = grant.Mean
	}
	t.wider = true
	t.reduce = circle.NewReducer(p, t.start)
	for _, r := range t.all {
		t.take(r)
	}
	t.all = nil
}

// take puts a value into its window. A value's time is the end of its own
// window, which belongs to what was before.
func (t *thinner) take(r circle.Reading) {
	at := r.At.Add(-1)
	t.keep(t.reduce.Due(at))
	t.reduce.Add(at, r.Value)
}

func (t *thinner) keep(due []circle.Reading) {
	for _, r := range due {
		if r.Value != nil {
			t.points = append(t.points, pointOf(r.At, r.Value))
		}
	}
}

// end is what is left, the open window as if it ended now.
func (t *thinner) end(now time.Time) []Point {
	if t.reduce != nil {
		t.keep(t.reduce.Due(now.Add(t.every)))
		return append([]Point{}, t.points...)
	}
	points := make([]Point, len(t.all))
	for i, r := range t.all {
		points[i] = pointOf(r.At, r.Value)
	}
	return points
}
