package linkset

import (
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
