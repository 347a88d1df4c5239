package resolve

import (
	"sync"
	"time"
)

// Tally counts answers per hour, and nothing else: there is no log of what was
// asked (names.md, privacy 6). Only whole hours that are over can be read, so
// that nobody who watches the counters sees a single question.
type Tally struct {
	mu   sync.Mutex
	hour int64           // since 1970-01-01; guarded by mu
	now  map[Kind]uint64 // of the hour that runs; guarded by mu
	last map[Kind]uint64 // of the hour before; guarded by mu
}

// Count counts one answer at a time.
func (t *Tally) Count(k Kind, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(at)
	t.now[k]++
}

// LastHour is how many answers of a kind the last full hour before a time had.
func (t *Tally) LastHour(k Kind, at time.Time) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(at)
	return t.last[k]
}

func (t *Tally) turn(at time.Time) {
	hour := at.Unix() / 3600
	if t.now != nil && hour <= t.hour {
		return
	}
	t.last = map[Kind]uint64{}
	if t.now != nil && hour == t.hour+1 {
		t.last = t.now
	}
	t.hour, t.now = hour, map[Kind]uint64{}
}
