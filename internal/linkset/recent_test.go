package linkset

import (
	"fmt"
	"strings"
	"testing"
)

// TestLargeItemsAreNotHeld checks that the bound of items in memory is one of
// bytes, too.
func TestLargeItemsAreNotHeld(t *testing.T) {
	t.Parallel()
	small := &Item{Anchor: "01/small", Entries: []Entry{{Href: "https://shop.example/"}}}
	large := &Item{Anchor: "01/large"}
	for range 256 {
		large.Entries = append(large.Entries, Entry{Href: "https://shop.example/" + strings.Repeat("a", 4000)})
	}
	r := newRecent()
	for _, it := range []*Item{small, large} {
		r.put(it, r.generation())
	}
	if _, ok := r.get("01/small"); !ok {
		t.Error("a small item is read each time")
	}
	if _, ok := r.get("01/large"); ok {
		t.Error("a megabyte is held")
	}
}

// TestItemsAreHeldUpToABound reads many that are just not too large.
func TestItemsAreHeldUpToABound(t *testing.T) {
	t.Parallel()
	r := newRecent()
	for i := range 2000 {
		it := &Item{Anchor: fmt.Sprintf("01/%d", i%1500)} // some twice
		for range 12 {
			it.Entries = append(it.Entries, Entry{Href: "https://shop.example/" + strings.Repeat("a", 4000)})
		}
		r.put(it, r.generation())
	}
	sum := 0
	for _, it := range r.items {
		sum += it.weight()
	}
	if sum != r.weight || sum > maxRecent || sum < maxRecent/2 {
		t.Errorf("%d items with %d bytes are held, counted as %d", len(r.items), sum, r.weight)
	}
	for i := range 1500 {
		r.forget(fmt.Sprintf("01/%d", i))
	}
	if len(r.items) != 0 || r.weight != 0 {
		t.Errorf("%d items and %d bytes stay", len(r.items), r.weight)
	}
}
