package engine

import "sync"

// queue hands events on in order. Whoever puts never waits; what newer events
// have made worthless is left out, so that a slow reader costs little.
type queue struct {
	out  chan Event
	wake chan struct{} // capacity 1
	done chan struct{}

	mu      sync.Mutex
	waiting []Event
	closed  bool
}

// maxWaiting bounds values that nobody has read.
const maxWaiting = 4096

func newQueue() *queue {
	q := &queue{out: make(chan Event), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// put adds an event.
func (q *queue) put(v Event) {
	q.mu.Lock()
	if !q.closed && !q.repeats(v) {
		q.waiting = append(q.waiting, v)
		q.bound()
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// repeats tells that the same question to ask again waits already, and puts a
// newer status in the place of an older.
func (q *queue) repeats(v Event) bool {
	if v.Kind == "value" {
		return false
	}
	for i, w := range q.waiting {
		if w.Kind != v.Kind {
			continue
		}
		switch v.Kind {
		case "things", "requests", "grants", "links":
			return true
		case "status":
			q.waiting[i] = v
			return true
		}
	}
	return false
}

// bound drops the oldest value where too many wait.
func (q *queue) bound() {
	if len(q.waiting) <= maxWaiting {
		return
	}
	for i, w := range q.waiting {
		if w.Kind == "value" {
			copy(q.waiting[1:i+1], q.waiting[:i])
			break
		}
	}
	q.waiting[0] = Event{}
	q.waiting = q.waiting[1:]
}

func (q *queue) next() (v Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting = nil
		return v, false
	}
	v, q.waiting = q.waiting[0], q.waiting[1:]
	return v, true
}

func (q *queue) run() {
	defer close(q.out)
	for {
		v, ok := q.next()
		if !ok {
			select {
			case <-q.wake:
				continue
			case <-q.done:
				return
			}
		}
		select {
		case q.out <- v:
		case <-q.done:
			return
		}
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.done)
	}
}
