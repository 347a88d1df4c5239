// Package reduce makes values coarser before they are sealed: windows of time,
// steps, places, delay. It is where precision is enforced.
package reduce

import (
	"encoding/json"
	"math"
	"sort"
	"time"
)

// Stats of a window.
const (
	Mean = "mean"
	Min  = "min"
	Max  = "max"
	Last = "last"
	Sum  = "sum"
)

// Rule says how fine.
type Rule struct {
	// Every is the length of the windows, half-open, aligned to the Unix
	// epoch. 0: on change.
	Every time.Duration
	Stat  string  // of the numbers of a window; empty: Mean
	Round float64 // step, 0: none
	// Place is the level of the S2 cell that a position becomes, 0 to 30;
	// PlaceExact leaves it, PlaceNone removes it.
	Place int
	Delay time.Duration
}

// Values of Rule.Place beside the levels.
const (
	PlaceExact = -1
	PlaceNone  = -2
)

// Bounds on what a series keeps.
const (
	maxWaiting = 10_000 // windows or changes that wait for their delay
	maxBehind  = 1_000  // empty windows made up after a jump of the clock
)

// Point is one value as it may leave. Value nil: nothing was measured.
type Point struct {
	At    time.Time
	Value json.RawMessage
}

// Series reduces the values of one affordance for one circle. It is for one
// goroutine at a time.
type Series struct {
	rule    Rule
	next    int64 // number of the oldest window not yet handed out
	windows map[int64]*window
	changes []Point
	last    string // on change: what was handed out last
	seen    time.Time
}

// New starts a series: nothing before the window that holds start is ever
// handed out.
func New(rule Rule, start time.Time) *Series {
	s := &Series{rule: rule, windows: map[int64]*window{}, seen: start}
	if rule.Every > 0 {
		s.next = s.number(start)
	}
	return s
}

func (s *Series) number(t time.Time) int64 {
	n := t.UnixNano() / int64(s.rule.Every)
	if t.UnixNano() < 0 && t.UnixNano()%int64(s.rule.Every) != 0 {
		n--
	}
	return n
}

func (s *Series) end(n int64) time.Time {
	return time.Unix(0, (n+1)*int64(s.rule.Every)).UTC()
}

// Add takes a value. It reports false for one that comes too late for its
// window, is no JSON, or finds too many waiting.
func (s *Series) Add(at time.Time, value json.RawMessage) bool {
	v, ok := parse(value, s.rule.Place)
	if !ok {
		return false
	}
	if s.rule.Every <= 0 {
		return s.addChange(at, v)
	}
	n := s.number(at)
	w := s.windows[n]
	if n < s.next || (w == nil && len(s.windows) >= maxWaiting) {
		return false
	}
	if w == nil {
		w = &window{}
		s.windows[n] = w
	}
	w.add(at, v)
	return true
}

func (s *Series) addChange(at time.Time, v value) bool {
	out := v.json(s.rule.Round)
	if at.Before(s.seen) || len(s.changes) >= maxWaiting || string(out) == s.last {
		return false
	}
	s.last = string(out)
	s.seen = at.Add(1) // strictly later next time
	s.changes = append(s.changes, Point{At: at.UTC(), Value: out})
	return true
}

// Due hands out what may leave at now, oldest first; each window once, empty
// ones too. After a long jump of the clock old empty windows are left out.
func (s *Series) Due(now time.Time) []Point {
	now = now.Add(-s.rule.Delay)
	if s.rule.Every <= 0 {
		return s.dueChanges(now)
	}
	current := s.number(now)
	var out []Point
	if from := current - maxBehind; from > s.next {
		out = s.skip(from)
	}
	for ; s.next < current; s.next++ {
		out = append(out, s.take(s.next))
	}
	return out
}

// take closes a window.
func (s *Series) take(n int64) Point {
	p := Point{At: s.end(n)}
	if w := s.windows[n]; w != nil {
		p.Value = w.value(s.rule)
		delete(s.windows, n)
	}
	return p
}

// skip goes to window n and takes what was measured before it.
func (s *Series) skip(n int64) (out []Point) {
	for k := range s.windows {
		if k < n {
			out = append(out, s.take(k))
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].At.Before(out[j].At) })
	s.next = n
	return out
}

func (s *Series) dueChanges(now time.Time) []Point {
	n := 0
	for n < len(s.changes) && !s.changes[n].At.After(now) {
		n++
	}
	out := s.changes[:n:n]
	s.changes = s.changes[n:]
	return out
}

// NextDue is when Due has something again; ok is false when only a new value
// can bring that.
func (s *Series) NextDue() (t time.Time, ok bool) {
	if s.rule.Every > 0 {
		return s.end(s.next).Add(s.rule.Delay), true
	}
	if len(s.changes) == 0 {
		return t, false
	}
	return s.changes[0].At.Add(s.rule.Delay), true
}

// window gathers the values of one window.
type window struct {
	n             int // numbers
	sum, min, max float64
	lastAt        time.Time
	last          value
}

func (w *window) add(at time.Time, v value) {
	if !at.Before(w.lastAt) {
		w.lastAt, w.last = at, v
	}
	if !v.number {
		return
	}
	if w.n == 0 {
		w.min, w.max = v.f, v.f
	}
	w.n++
	w.sum += v.f
	w.min, w.max = math.Min(w.min, v.f), math.Max(w.max, v.f)
}

// value is the window's statistic; a window without numbers has its last value.
func (w *window) value(r Rule) json.RawMessage {
	if w.n == 0 || r.Stat == Last {
		return w.last.json(r.Round)
	}
	f := w.sum / float64(w.n)
	switch r.Stat {
	case Min:
		f = w.min
	case Max:
		f = w.max
	case Sum:
		f = w.sum
	}
	return value{number: true, f: f}.json(r.Round)
}
