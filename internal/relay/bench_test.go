package relay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"primum/internal/relay"
	"primum/internal/seen"
	"primum/internal/store"
	"primum/internal/wire"
)

const (
	pairs  = 64
	window = 20
)

// counter is a sink that only counts.
type counter struct{ n atomic.Int64 }

func (c *counter) Frame(wire.CircleID, uint64, []byte) bool { c.n.Add(1); return true }
func (c *counter) End(wire.CircleID, string, time.Time)     {}

// BenchmarkRelay is 64 pairs, one circle each, 256 B, window 20, acknowledged
// after fsync, delivered live. Its peer is BenchmarkMosquitto; neither has
// clients that seal.
func BenchmarkRelay(b *testing.B) {
	benchmarkRelay(b, newWorld(b, relay.Limits{PerSecond: -1, CircleBytes: -1}))
}

// BenchmarkRelayCounted is BenchmarkRelay where it is counted who got what.
func BenchmarkRelayCounted(b *testing.B) {
	w := newWorld(b, relay.Limits{})
	book := seen.New(seen.Options{Store: w.store.Seen, Clock: w.clock})
	w.relay = relay.New(relay.Options{
		Store: w.store.Circles, Clock: w.clock, Limits: relay.Limits{PerSecond: -1, CircleBytes: -1},
		Delivered: func(p relay.Passed) { book.Delivered(p.Circle, p.Caller.Key, p.Bytes) },
		Accepted:  func(p relay.Passed) { book.Acted(p.Circle, p.Caller.Key) },
	})
	benchmarkRelay(b, w)
}

func benchmarkRelay(b *testing.B, w *world) {
	b.Helper()
	var labs []*lab
	var messages [][]byte
	delivered := &counter{}
	for range pairs {
		l := w.circle(1)
		sub, _, err := w.relay.Subscribe(context.Background(), l.members[0].Caller, l.id, 2, delivered)
		w.must(err)
		l.pull(sub)
		labs, messages = append(labs, l), append(messages, l.value(l.anchor, "value"))
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, l := range labs {
		wg.Go(func() {
			slots := make(chan struct{}, window)
			for range b.N/pairs + 1 {
				slots <- struct{}{}
				w.relay.Submit(relay.Append{Circle: l.id, Caller: l.anchor.Caller, Message: messages[i]}, func(_ relay.Done, err error) {
					if err != nil {
						b.Error(err)
					}
					<-slots
				})
			}
			for range window {
				slots <- struct{}{}
			}
		})
	}
	wg.Wait()
	n := int64(b.N/pairs+1) * pairs
	if got := delivered.n.Load(); got != n {
		b.Fatalf("delivered %d of %d", got, n)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkColdCircles opens a store of 100,000 circles and at once appends to
// 100 random ones, each with a reader.
func BenchmarkColdCircles(b *testing.B) {
	const circles = 100_000
	w := newWorld(b, relay.Limits{})
	l := w.found()
	ids := manyCircles(b, w, l, circles)
	message := func(id wire.CircleID) []byte { // the group id is in clear; the rest is the tracker's business only for handshakes
		m := l.value(l.anchor, "value")
		copy(m[5:21], id[:])
		return m
	}
	for b.Loop() {
		b.StopTimer()
		w.must(w.store.Close())
		debug.FreeOSMemory()
		before := resident(b)
		b.StartTimer()
		begin := time.Now()
		w.open(w.dir, relay.Limits{})
		opened := time.Since(begin)
		took := make([]time.Duration, 100)
		var wg sync.WaitGroup
		for i := range took {
			id := ids[rand.IntN(len(ids))]
			m := message(id)
			wg.Go(func() {
				begin := time.Now()
				sink := &counter{}
				sub, _, err := w.relay.Subscribe(context.Background(), l.anchor.Caller, id, 0, sink)
				for more := err == nil; more && err == nil; {
					more, err = sub.Pull(context.Background())
				}
				if err == nil {
					_, err = w.relay.Append(context.Background(), relay.Append{Circle: id, Caller: l.anchor.Caller, Message: m})
				}
				if err != nil || sink.n.Load() == 0 {
					b.Errorf("delivered %d: %v", sink.n.Load(), err)
				}
				took[i] = time.Since(begin)
			})
		}
		wg.Wait()
		slices.Sort(took)
		b.ReportMetric(float64(opened)/1e6, "open-ms")
		b.ReportMetric(float64(took[98])/1e6, "p99-ms")
		b.ReportMetric(float64(resident(b)-before)/1e6, "grown-MB")
		b.ReportMetric(float64(resident(b))/1e6, "resident-MB")
	}
}

// resident is the memory of this process in bytes; 0 where the system doesn't
// tell.
func resident(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// manyCircles fills the store with copies of one circle under other ids: the
// tracker's bytes are those of the first, so that they load.
func manyCircles(tb testing.TB, w *world, l *lab, n int) []wire.CircleID {
	tb.Helper()
	_, err := w.relay.Open(context.Background(), w.opening(l))
	w.must(err)
	kept, err := w.store.Circles.Tracker(context.Background(), l.id)
	w.must(err)
	ids := make([]wire.CircleID, n)
	var wg sync.WaitGroup
	for part := range 64 {
		wg.Go(func() {
			for i := part; i < n; i += 64 {
				c := kept.Circle
				c.ID = wire.CircleID([]byte(fmt.Sprintf("%016d", i)))
				ids[i] = c.ID
				if err := w.store.Circles.Open(context.Background(), c, kept.Tracker, []uint32{0}); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return ids
}

// BenchmarkFence is 1,000 fences of circles with a reader each, 64 at once.
func BenchmarkFence(b *testing.B) {
	w := newWorld(b, relay.Limits{})
	l := w.found()
	const n = 1000
	round := 0
	for b.Loop() {
		b.StopTimer()
		ids := manyFresh(b, w, l, n, round)
		round++
		b.StartTimer()
		next := make(chan wire.CircleID)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for id := range next {
					if err := w.relay.Fence(context.Background(), id, "withdrawn"); err != nil {
						b.Error(err)
					}
				}
			})
		}
		for _, id := range ids {
			next <- id
		}
		close(next)
		wg.Wait()
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "fences/s")
}

func manyFresh(b *testing.B, w *world, l *lab, n, round int) []wire.CircleID {
	b.Helper()
	ids := make([]wire.CircleID, n)
	for i := range ids {
		ids[i] = wire.CircleID([]byte(fmt.Sprintf("%08d%08d", round, i)))
		tracker := []byte("never loaded")
		w.must(w.store.Circles.Open(context.Background(), store.Circle{ID: ids[i], AnchorKey: l.anchor.Key, Opened: start()}, tracker, nil))
	}
	return ids
}
