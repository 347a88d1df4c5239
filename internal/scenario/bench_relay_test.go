package scenario

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"primum/internal/clock"
)

// BenchmarkRelayBesideMosquitto: 64 pairs, one circle each, 256 B, window 20,
// authenticated sessions, acknowledged after fsync, beside mosquitto at QoS 1
// in memory under the same load. Bar: ratio ≥ 0.4.
func BenchmarkRelayBesideMosquitto(b *testing.B) {
	const messages = 300
	var ours, theirs float64
	for b.Loop() {
		theirs += mosquittoRate(b, messages)
		ours += relayRate(b, messages)
	}
	n := float64(b.N)
	b.ReportMetric(ours/n, "relay-msg/s")
	b.ReportMetric(theirs/n, "mosquitto-msg/s")
	b.ReportMetric(ours/theirs, "ratio")
	b.ReportMetric(0, "ns/op")
}

func relayRate(b *testing.B, messages int) float64 {
	n := startNode(b, "h.localhost", b.TempDir(), clock.Real())
	var delivered atomic.Int64
	all := make(chan struct{})
	total := int64(pairs * messages)
	circles := make([]*rawCircle, pairs)
	sealed := make([][][]byte, pairs)
	for i := range circles {
		r := newRawCircle(b, newAccount(b, n.Authority(), fmt.Sprintf("p%d", i), clock.Real()), clock.Real())
		for range messages {
			m, err := r.anchor.Seal(nil, nil, payloadSize)
			if err != nil {
				b.Fatal(err)
			}
			sealed[i] = append(sealed[i], m)
		}
		follow(b, r, func() {
			if delivered.Add(1) == total {
				close(all)
			}
		})
		circles[i] = r
	}
	start := time.Now()
	var group sync.WaitGroup
	for i, r := range circles {
		var next atomic.Int64
		for range window {
			group.Go(func() {
				for k := next.Add(1) - 1; k < int64(messages); k = next.Add(1) - 1 {
					if _, err := r.out.Append(b.Context(), r.id, sealed[i][k]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	group.Wait()
	<-all
	return float64(total) / time.Since(start).Seconds()
}

// follow counts the application messages that reach the owner's session.
func follow(b *testing.B, r *rawCircle, received func()) {
	info, err := r.in.Subscribe(b.Context(), r.id, 0)
	if err != nil {
		b.Fatal(err)
	}
	head := info.Head // what came before is handshakes
	go func() {
		for e := range r.in.Events() {
			if e.Frame != nil && e.Frame.Number > head {
				received()
			}
		}
	}()
}
