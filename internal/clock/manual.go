package clock

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Manual is a Clock that stands still until it is moved. It is safe for
// concurrent use.
type Manual struct {
	mu      sync.Mutex
	now     time.Time
	waiting []*manualTimer // running timers
	changed chan struct{}  // closed and replaced when waiting changes
}

// NewManual makes a clock that shows t.
func NewManual(t time.Time) *Manual {
	return &Manual{now: t, changed: make(chan struct{})}
}

// Now is the time last set.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// NewTimer makes a timer that fires when the clock is moved to d from now.
func (m *Manual) NewTimer(d time.Duration) Timer {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &manualTimer{m: m, at: m.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- m.now
		return t
	}
	m.waiting = append(m.waiting, t)
	m.tell()
	return t
}

// Advance moves the clock by d and fires what is due, earliest first.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(m.now.Add(d))
}

// Set moves the clock to t, also backwards (a machine's clock can be wrong),
// and fires what is due, earliest first.
func (m *Manual) Set(t time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(t)
}

// Waiters is the number of timers that wait.
func (m *Manual) Waiters() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.waiting)
}

// BlockUntil returns when at least n timers wait, or with ctx's error.
func (m *Manual) BlockUntil(ctx context.Context, n int) error {
	for {
		m.mu.Lock()
		enough, changed := len(m.waiting) >= n, m.changed
		m.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// set moves the clock; the caller holds mu.
func (m *Manual) set(t time.Time) {
	m.now = t
	slices.SortStableFunc(m.waiting, func(a, b *manualTimer) int { return a.at.Compare(b.at) })
	n := 0
	for n < len(m.waiting) && !m.waiting[n].at.After(t) {
		m.waiting[n].c <- t
		n++
	}
	if n > 0 {
		m.waiting = slices.Delete(m.waiting, 0, n)
		m.tell()
	}
}

// tell wakes BlockUntil; the caller holds mu.
func (m *Manual) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

type manualTimer struct {
	m  *Manual
	at time.Time
	c  chan time.Time
}

func (t *manualTimer) C() <-chan time.Time { return t.c }

func (t *manualTimer) Stop() bool {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	i := slices.Index(t.m.waiting, t)
	if i < 0 {
		return false
	}
	t.m.waiting = slices.Delete(t.m.waiting, i, i+1)
	t.m.tell()
	return true
}
