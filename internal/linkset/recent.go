package linkset

import "sync"

// maxRecent bounds the items in memory: about 30 MB.
const maxRecent = 32768

// recent has items that were read lately.
type recent struct {
	mu    sync.RWMutex
	items map[string]*Item // guarded by mu
	gen   uint64           // guarded by mu; rises with every change
}

func newRecent() *recent { return &recent{items: map[string]*Item{}} }

func (r *recent) get(anchor string) (*Item, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	it, ok := r.items[anchor]
	return it, ok
}

func (r *recent) generation() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.gen
}

// put keeps what was read since a generation; what changed meanwhile may be
// old, and is not kept.
func (r *recent) put(it *Item, since uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gen != since {
		return
	}
	for known := range r.items { // any will do
		if len(r.items) < maxRecent {
			break
		}
		delete(r.items, known)
	}
	r.items[it.Anchor] = it
}

// forget drops what has changed, after its commit.
func (r *recent) forget(anchors ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gen++
	for _, a := range anchors {
		delete(r.items, a)
	}
}
