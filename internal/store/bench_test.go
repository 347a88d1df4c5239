package store_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

func openStore(tb testing.TB, dir string, o store.Options) *store.Store {
	tb.Helper()
	s, err := store.Open(context.Background(), dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func openCircle(tb testing.TB, s *store.Store) wire.CircleID {
	tb.Helper()
	var c store.Circle
	_, _ = rand.Read(c.ID[:])
	c.AnchorKey, c.Opened = c.ID[:], time.Unix(1, 0)
	if err := s.Circles.Open(context.Background(), c, make([]byte, 1500), []uint32{0, 1}); err != nil {
		tb.Fatal(err)
	}
	return c.ID
}

// BenchmarkAppend is durable appends of 600 B with a window of 20 in each of
// 64 circles.
func BenchmarkAppend(b *testing.B) {
	for _, circles := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("circles=%d", circles), func(b *testing.B) {
			s := openStore(b, b.TempDir(), store.Options{})
			ids := make([]wire.CircleID, circles)
			for i := range ids {
				ids[i] = openCircle(b, s)
			}
			msg := make([]byte, 600)
			_, _ = rand.Read(msg)
			var wg sync.WaitGroup
			window := make(chan struct{}, 20*circles)
			b.ResetTimer()
			for i := range b.N {
				window <- struct{}{}
				wg.Add(1)
				s.Circles.Submit(store.Append{Circle: ids[i%circles], Kind: store.KindApplication, Message: msg, Now: time.Unix(2, 0)},
					func(_ store.Appended, err error) {
						if err != nil {
							b.Error(err)
						}
						<-window
						wg.Done()
					})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}
