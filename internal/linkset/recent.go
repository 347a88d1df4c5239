package linkset

import "sync"

// Bounds of the items in memory, in bytes that they have there, about.
const (
	maxRecent = 32 << 20 // of all
	maxWeight = 64 << 10 // of one; a larger one is read each time
)

// recent has items that were read lately.
type recent struct {
	mu     sync.RWMutex
	items  map[string]*Item // guarded by mu
	weight int              // guarded by mu; of items
	gen    uint64           // guarded by mu; rises with every change
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
	weight := it.weight()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gen != since || weight > maxWeight {
		return
	}
	r.drop(it.Anchor)
	for known := range r.items { // any will do
		if r.weight+weight <= maxRecent {
			break
		}
		r.drop(known)
	}
	r.items[it.Anchor] = it
	r.weight += weight
}

// drop wants mu.
func (r *recent) drop(anchor string) {
	if it, ok := r.items[anchor]; ok {
		r.weight -= it.weight()
		delete(r.items, anchor)
	}
}

// forget drops what has changed, after its commit.
func (r *recent) forget(anchors ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gen++
	for _, a := range anchors {
		r.drop(a)
	}
}

// weight is about how many bytes an item has in memory, with its place in the
// map; it stays the same, because an item does.
func (it *Item) weight() int {
	n := 256 + len(it.Anchor) + len(it.Description)
	for lang, text := range it.Local {
		n += 64 + len(lang) + len(text)
	}
	for _, e := range it.Entries {
		n += 176 + len(e.LinkType) + len(e.Href) + len(e.Title) + len(e.Type) + len(e.By) + tags(e.Langs) + tags(e.Context)
	}
	return n
}

func tags(all []string) (n int) {
	for _, tag := range all {
		n += 16 + len(tag)
	}
	return n
}
