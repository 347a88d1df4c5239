package open

import (
	"sync"

	"primum/internal/store"
)

// waitingSamples is how many values wait for one slow reader. Room for them is
// taken as they come: most readers never have one waiting.
const waitingSamples = 256

// MaxWatches bounds the readers that follow values at the same time.
const MaxWatches = 10_000

// Watch is one reader that follows a thing: when Woken says so, it takes. It ends
// when the book closes, or when the reader was too slow: then it reads on from
// History.
type Watch struct {
	Woken <-chan struct{} // there is something to take
	wake  chan struct{}
	hub   *hub
	key   watched

	waiting []Sample // guarded by hub.mu; in the order they were told
	ended   bool     // guarded by hub.mu
}

type watched struct{ service, thing string }

// hub hands new values to those who watch.
type hub struct {
	mu      sync.Mutex
	watches map[watched]map[*Watch]bool // guarded by mu
	count   int                         // guarded by mu
	closed  bool                        // guarded by mu
}

func newHub() *hub { return &hub{watches: map[watched]map[*Watch]bool{}} }

// Watch follows all properties of a thing from now on; Stop ends it. Values
// that came before are in History: watch first, then read. Errors:
// store.ErrQuota (MaxWatches), store.ErrClosed.
func (b *Book) Watch(service, name string) (*Watch, error) {
	h := b.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, store.ErrClosed
	case h.count >= MaxWatches:
		return nil, store.ErrQuota
	}
	wake := make(chan struct{}, 1)
	w := &Watch{Woken: wake, wake: wake, hub: h, key: watched{service, name}}
	if h.watches[w.key] == nil {
		h.watches[w.key] = map[*Watch]bool{}
	}
	h.watches[w.key][w] = true
	h.count++
	return w, nil
}

// Take returns what waits, in the order of its coming, and whether more may come.
func (w *Watch) Take() (all []Sample, more bool) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	all, w.waiting = w.waiting, nil
	return all, !w.ended
}

// Stop ends a watch. It may be called again.
func (w *Watch) Stop() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.end()
}

// end takes a watch out; the lock is held.
func (w *Watch) end() {
	all := w.hub.watches[w.key]
	if !all[w] {
		return
	}
	delete(all, w)
	if len(all) == 0 {
		delete(w.hub.watches, w.key)
	}
	w.hub.count--
	w.ended = true
	w.rouse()
}

// rouse never waits: who was woken and did not take yet is woken.
func (w *Watch) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// tell never waits: who has not taken 256 values is cut off.
func (h *hub) tell(service string, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches[watched{service, s.Thing}] {
		if len(w.waiting) == waitingSamples {
			w.end()
			continue
		}
		w.waiting = append(w.waiting, s)
		w.rouse()
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, all := range h.watches {
		for w := range all {
			w.end()
		}
	}
}
