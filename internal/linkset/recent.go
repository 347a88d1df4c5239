package linkset

import "sync"

// Bounds of the items in memory: about 30 MB, and 260 MB at most.
const (
	maxRecent = 32768
	maxWeight = 8 << 10 // of one, about, in bytes; a larger one is read each time
)

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
	if r.gen != since || it.weight() > maxWeight {
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

// weight is about how many bytes an item has in memory.
func (it *Item) weight() int {
	n := len(it.Anchor) + len(it.Description)
	for lang, text := range it.Local {
		n += len(lang) + len(text)
	}
	for _, e := range it.Entries {
		n += 128 + len(e.Href) + len(e.Title) + 16*(len(e.Langs)+len(e.Context))
	}
	return n
}
