package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"primum/client"
	"primum/internal/durable"
)

const (
	// maxRecent is how many numbers a sparkline has.
	maxRecent = 60
	// maxSeries bounds the affordances whose last values are kept.
	maxSeries = 4096
	// maxKept is the largest value that is kept; what is larger is only told.
	maxKept = 4096
)

// series is what is kept of one affordance.
type series struct {
	Latest *Point  `json:"latest,omitempty"`
	Recent []Point `json:"recent,omitempty"` // numbers, oldest first
	Unit   string  `json:"unit,omitempty"`
}

// recent are the newest values of everything, on disk, so that a page has
// something to show before any node has answered. Safe for concurrent use.
type recent struct {
	file    string
	account string

	mu     sync.Mutex
	series map[string]*series
	shown  map[client.Stream]uint64 // what may be marked as seen after the next save
	dirty  bool
	wake   chan struct{} // capacity 1: something is to be saved
}

// recentFile is what the file holds.
type recentFile struct {
	Account string             `json:"account"`
	Series  map[string]*series `json:"series"`
}

// openRecent reads the file; of another account it is worth nothing, and a
// broken one holds nothing that the thing's end has not.
func openRecent(file, account string) (*recent, error) {
	r := &recent{
		file: file, account: account, series: make(map[string]*series),
		shown: make(map[client.Stream]uint64), wake: make(chan struct{}, 1),
	}
	b, err := durable.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("read last values: %w", err)
	}
	var f recentFile
	if json.Unmarshal(b, &f) == nil && f.Account == account && f.Series != nil {
		r.series = f.Series
	}
	return r, nil
}

func seriesKey(stream client.Stream, thing, name string) string {
	if stream.Grant != "" {
		return stream.Grant + "\x00" + thing + "\x00" + name
	}
	return stream.Home.String() + "\x00" + thing + "\x00" + name
}

// at is the series of a key, made where there is room; r.mu is held.
func (r *recent) at(key string) *series {
	s := r.series[key]
	if s == nil {
		s = &series{}
		if len(r.series) < maxSeries {
			r.series[key] = s
		}
	}
	return s
}

// add takes a value that came; false for one that is not newer.
func (r *recent) add(key string, p Point, unit string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.at(key)
	if s.Latest != nil && !p.At.After(s.Latest.At) {
		return false
	}
	if unit != "" {
		s.Unit = unit
	}
	if len(p.Value) <= maxKept {
		s.Latest = &p
	}
	if p.Number != nil {
		s.Recent = append(s.Recent, Point{At: p.At, Number: p.Number})
		s.Recent = slices.Clone(s.Recent[max(0, len(s.Recent)-maxRecent):])
	}
	r.soil()
	return true
}

// fill puts past values before those that came since.
func (r *recent) fill(key string, past []Point, unit string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.at(key)
	if s.Unit == "" {
		s.Unit = unit
	}
	for _, p := range past {
		if s.Latest == nil || p.At.After(s.Latest.At) {
			if len(p.Value) <= maxKept {
				s.Latest = &p
			}
		}
		if p.Number != nil {
			s.Recent = append(s.Recent, Point{At: p.At, Number: p.Number})
		}
	}
	sort.SliceStable(s.Recent, func(i, j int) bool { return s.Recent[i].At.Before(s.Recent[j].At) })
	s.Recent = slices.CompactFunc(s.Recent, func(a, b Point) bool { return a.At.Equal(b.At) })
	s.Recent = slices.Clone(s.Recent[max(0, len(s.Recent)-maxRecent):])
	r.soil()
}

func (r *recent) soil() {
	r.dirty = true
	mark(r.wake)
}

// get is a copy of a series.
func (r *recent) get(key string) series {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.series[key]
	if s == nil {
		return series{}
	}
	out := series{Unit: s.Unit, Recent: slices.Clone(s.Recent)}
	if s.Latest != nil {
		p := *s.Latest
		out.Latest = &p
	}
	return out
}

// names lists the affordances of a thing that values came of, sorted.
func (r *recent) names(stream client.Stream, thing string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	prefix := seriesKey(stream, thing, "")
	var names []string
	for key := range r.series {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// done notes that a stream was taken in up to an id.
func (r *recent) done(stream client.Stream, id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown[stream] = id
	mark(r.wake)
}

// save writes the file and tells what may be marked as seen.
func (r *recent) save() (map[client.Stream]uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dirty {
		b, err := json.Marshal(recentFile{Account: r.account, Series: r.series})
		if err == nil {
			err = durable.WriteFile(r.file, b)
		}
		if err != nil {
			return nil, fmt.Errorf("keep last values: %w", err)
		}
		r.dirty = false
	}
	shown := r.shown
	r.shown = make(map[client.Stream]uint64)
	return shown, nil
}

// usual is the time between values, the median of the last ones; 0 where that
// is not known.
func (s series) usual() time.Duration {
	if len(s.Recent) < 3 {
		return 0
	}
	gaps := make([]time.Duration, 0, len(s.Recent)-1)
	for i := 1; i < len(s.Recent); i++ {
		gaps = append(gaps, s.Recent[i].At.Sub(s.Recent[i-1].At))
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	return gaps[len(gaps)/2]
}

// pointOf is a value as pages see it.
func pointOf(at time.Time, value json.RawMessage) Point {
	p := Point{At: at.UTC(), Value: value}
	var f float64
	if len(value) > 0 && value[0] != '"' && value[0] != '{' && value[0] != '[' && string(value) != "null" &&
		json.Unmarshal(value, &f) == nil && !math.IsInf(f, 0) {
		p.Number = &f
	}
	return p
}
