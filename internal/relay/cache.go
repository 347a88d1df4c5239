package relay

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"primum/internal/wire"
)

// circle is one circle in memory.
type circle struct {
	id wire.CircleID

	// mu is held while a handshake, an opening or a fence is decided and
	// stored: one at a time, and the view follows the store.
	mu   sync.Mutex
	view atomic.Pointer[view] // nil until it is loaded; stored under mu

	pace sync.Mutex
	// senders is guarded by pace: what each sender has left, by key.
	senders map[string]*allowance

	users   int           // guarded by cache.mu
	element *list.Element // guarded by cache.mu; nil while in use
}

// cache keeps the circles that were used last. Those in use are never dropped,
// so that nobody decides by a view that another one has replaced.
type cache struct {
	limit int

	mu      sync.Mutex
	circles map[wire.CircleID]*circle // guarded by mu
	idle    list.List                 // guarded by mu; of *circle, the longest idle first
}

func newCache(limit int) *cache {
	return &cache{limit: limit, circles: map[wire.CircleID]*circle{}}
}

// take returns the circle's place in memory, and what gives it back.
func (c *cache) take(id wire.CircleID) (*circle, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.circles[id]
	if e == nil {
		e = &circle{id: id}
		c.circles[id] = e
	}
	if e.element != nil {
		c.idle.Remove(e.element)
		e.element = nil
	}
	e.users++
	return e, func() { c.give(e) }
}

func (c *cache) give(e *circle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	if e.view.Load() == nil { // there is no such circle
		delete(c.circles, e.id)
		return
	}
	e.element = c.idle.PushBack(e)
	for c.idle.Len() > c.limit {
		oldest := c.idle.Remove(c.idle.Front()).(*circle)
		delete(c.circles, oldest.id)
	}
}

// allowance is a sender's token bucket.
type allowance struct {
	left float64
	at   time.Time
}

// spend takes one message from a sender's allowance, or says when the next one
// may come.
func (c *circle) spend(key string, rate float64, burst int, now time.Time) (wait time.Duration, ok bool) {
	if rate <= 0 || burst <= 0 {
		return 0, true
	}
	c.pace.Lock()
	defer c.pace.Unlock()
	a := c.senders[key]
	if a == nil {
		if c.senders == nil {
			c.senders = map[string]*allowance{}
		}
		c.prune(rate, burst, now)
		a = &allowance{left: float64(burst), at: now}
		c.senders[key] = a
	}
	if d := now.Sub(a.at); d > 0 {
		a.left = min(float64(burst), a.left+d.Seconds()*rate)
		a.at = now
	}
	if a.left < 1 {
		return time.Duration((1 - a.left) / rate * float64(time.Second)), false
	}
	a.left--
	return 0, true
}

// maxSenders bounds the allowances that are remembered of one circle.
const maxSenders = 256

// prune forgets senders whose allowance is full again. The caller holds pace.
func (c *circle) prune(rate float64, burst int, now time.Time) {
	if len(c.senders) < maxSenders {
		return
	}
	for key, a := range c.senders {
		if a.left+now.Sub(a.at).Seconds()*rate >= float64(burst) {
			delete(c.senders, key)
		}
	}
}
