package mlsbench

import (
	"os"
	"testing"
)

// BenchmarkWorkload is the whole workload, for a profile whose samples carry
// operation, leaves and suite as a label; tools/cryptoshare reads it.
func BenchmarkWorkload(b *testing.B) {
	for b.Loop() {
		rows, err := Run(b.Context(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		Print(os.Stderr, rows)
	}
}
