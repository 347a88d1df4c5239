package open

import (
	"sync"

	"primum/internal/store"
)

// waitingSamples is how many values wait for one slow reader.
const waitingSamples = 256

// MaxWatches bounds the readers that follow values at the same time.
const MaxWatches = 10_000

// Watch is one reader that follows a thing. Samples is closed when the book
// closes, or when the reader was too slow: it reads on from History.
type Watch struct {
	Samples <-chan Sample
	hub     *hub
	key     watched
	out     chan Sample
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
	out := make(chan Sample, waitingSamples)
	w := &Watch{Samples: out, out: out, hub: h, key: watched{service, name}}
	if h.watches[w.key] == nil {
		h.watches[w.key] = map[*Watch]bool{}
	}
	h.watches[w.key][w] = true
	h.count++
	return w, nil
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
	close(w.out)
}

// tell never waits: who has not taken 256 values is cut off.
func (h *hub) tell(service string, s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches[watched{service, s.Thing}] {
		select {
		case w.out <- s:
		default:
			w.end()
		}
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
