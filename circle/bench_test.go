package circle

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"primum/circle/internal/core"
)

// BenchmarkValue is the way of one value between two actors with their files on
// disk: measured, sealed when its window ends, opened, shown and acknowledged.
// Everything is persisted before it leaves and before it is shown. What the
// node would do is done in memory and counts for next to nothing. Beside it,
// taking turns, one write and fsync of 4 KiB: fsyncs is how many of those a
// value costs.
func BenchmarkValue(b *testing.B) {
	s := newStory(b, every(time.Second))
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	check(b, err)
	defer func() { _ = f.Close() }()
	block := make([]byte, 4096)
	var values, bare time.Duration
	shown := len(s.got(friendName+phone, core.EventValue))
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		s.feed(s.edge, 812)
		s.clock.Advance(time.Second)
		for s.turn("edge") {
		}
		for s.turn(friendName + phone) {
		}
		middle := time.Now()
		_, err := f.Write(block)
		check(b, err)
		check(b, f.Sync())
		values, bare = values+middle.Sub(begin), bare+time.Since(middle)
	}
	if n := len(s.got(friendName+phone, core.EventValue)) - shown; n < b.N-1 {
		b.Fatalf("%d values were shown of %d", n, b.N)
	}
	n := float64(b.N)
	b.ReportMetric(float64(values)/n/1e6, "value-ms")
	b.ReportMetric(float64(bare)/n/1e6, "fsync-ms")
	b.ReportMetric(float64(values)/float64(bare), "fsyncs")
	b.ReportMetric(0, "ns/op")
}
