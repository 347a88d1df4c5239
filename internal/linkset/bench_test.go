package linkset

import (
	"fmt"
	"testing"
)

// BenchmarkLookup reads an item from the disk, and from memory.
func BenchmarkLookup(b *testing.B) {
	const items = 2000
	book, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = book.Close() })
	var all []Item
	for i := range items {
		all = append(all, item(fmt.Sprintf("01/%014d", i), pip("https://shop.example/")))
	}
	if _, err := book.Put(b.Context(), "shop", all...); err != nil {
		b.Fatal(err)
	}
	b.Run("disk", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := book.Lookup(b.Context(), all[i%items].Anchor); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("memory", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := book.Class(b.Context(), all[i%items].Anchor); err != nil {
				b.Fatal(err)
			}
		}
	})
}
