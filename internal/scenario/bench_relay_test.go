package scenario

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"primum/client"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/edge/mqtt/mosquittotest"
	"primum/internal/wire"
)

// The load of the relay benchmark: so many senders with one receiver each, and
// so many messages on the way per sender.
const (
	pairs       = 64
	window      = 20
	payloadSize = 256
)

// BenchmarkRelayBesideMosquitto: 64 pairs, one circle each, 256 B, window 20,
// authenticated sessions through the door, acknowledged after fsync, beside
// mosquitto at QoS 1 in memory. Both have bare sockets as clients and take
// turns of 250 messages per pair, 1,500 in all. Bar: ratio ≥ 0.4.
// client-msg/s is the same with package client, as programs use it.
func BenchmarkRelayBesideMosquitto(b *testing.B) {
	const turns, messages = 6, 250
	dir := b.TempDir()
	b.Logf("the store is on %s", diskOf(b, dir))
	theirs := mosquittotest.NewLoad(b, mosquittotest.Start(b, mosquittotest.LoadOptions()), pairs, window, payloadSize)
	ours := newRelayLoad(b, dir)
	var their, bare, whole time.Duration
	for b.Loop() {
		for range turns {
			runtime.GC()
			their += theirs.Run(messages)
			bare += ours.run(messages, ours.bare)
			whole += ours.run(messages, ours.whole)
		}
	}
	ours.kept(uint64(b.N * turns * messages))
	n := float64(b.N * turns * pairs * messages)
	b.ReportMetric(n/bare.Seconds(), "relay-msg/s")
	b.ReportMetric(n/their.Seconds(), "mosquitto-msg/s")
	b.ReportMetric(their.Seconds()/bare.Seconds(), "ratio")
	b.ReportMetric(n/whole.Seconds(), "client-msg/s")
	b.ReportMetric(0, "ns/op")
}

// relayLoad is a node with an anchor and an owner per circle; each has a
// session of package client, and a bare one for a circle of its own.
type relayLoad struct {
	b           *testing.B
	whole, bare []relayPair
}

// relayPair is a circle with a way to append to it and to wait for what
// arrives.
type relayPair struct {
	*rawCircle
	node client.Node
	head uint64 // number of its last handshake
	// exchange returns when all messages are acknowledged and delivered.
	exchange func(messages [][]byte)
}

func newRelayLoad(b *testing.B, dir string) *relayLoad {
	n := startNode(b, "h.localhost", dir, clock.Real())
	l := &relayLoad{b: b}
	for i := range pairs {
		a := newAccount(b, n.Authority(), fmt.Sprintf("p%d", i), clock.Real())
		l.whole = append(l.whole, wholePair(b, a, newRawCircle(b, a, clock.Real())))
		l.bare = append(l.bare, barePair(b, a, newRawCircle(b, a, clock.Real())))
	}
	return l
}

// wholePair exchanges by the sessions that programs have.
func wholePair(b *testing.B, a *account, r *rawCircle) relayPair {
	info, err := r.in.Subscribe(b.Context(), r.id, 0)
	if err != nil {
		b.Fatal(err)
	}
	head := info.Head // what came before is handshakes
	var waiting sync.WaitGroup
	go func() {
		for e := range r.in.Events() {
			if e.Frame != nil && e.Frame.Number > head {
				waiting.Done()
			}
		}
	}()
	return relayPair{r, a.node, head, func(messages [][]byte) {
		waiting.Add(len(messages))
		var senders sync.WaitGroup
		var next atomic.Int64
		for range window {
			senders.Go(func() {
				for k := next.Add(1) - 1; k < int64(len(messages)); k = next.Add(1) - 1 {
					if _, err := r.out.Append(b.Context(), r.id, messages[k]); err != nil {
						b.Error(err)
						waiting.Done()
					}
				}
			})
		}
		senders.Wait()
		waiting.Wait()
	}}
}

// barePair exchanges by bare sockets.
func barePair(b *testing.B, a *account, r *rawCircle) relayPair {
	asAnchor := a.node
	asAnchor.By = client.Key{ID: identity.CircleKeyID(r.id.String()), Signer: r.leaf}
	out, in := dialBare(b, asAnchor), dialBare(b, a.node)
	out.prove(r.id, r.leaf)
	head := in.ask(wire.Control{Type: wire.CtlSub, Circle: r.id.String()}).Head
	in.take(int(head)) // handshakes
	return relayPair{r, a.node, head, func(messages [][]byte) {
		slots := make(chan struct{}, window)
		var wg sync.WaitGroup
		wg.Go(func() { in.take(len(messages)) })
		wg.Go(func() { out.append(r.id, messages, slots) })
		wg.Go(func() { out.acks(len(messages), slots) })
		wg.Wait()
	}}
}

// run seals so many messages per circle, then tells how long it takes until all
// are acknowledged and delivered.
func (l *relayLoad) run(messages int, by []relayPair) time.Duration {
	sealed := make([][][]byte, len(by))
	for i, p := range by {
		for range messages {
			m, err := p.anchor.Seal(nil, nil, payloadSize)
			if err != nil {
				l.b.Fatal(err)
			}
			sealed[i] = append(sealed[i], m)
		}
	}
	runtime.GC()
	begin := time.Now()
	var wg sync.WaitGroup
	for i, p := range by {
		wg.Go(func() { p.exchange(sealed[i]) })
	}
	wg.Wait()
	return time.Since(begin)
}

// kept demands that the node kept so many messages per circle, whichever way
// they came.
func (l *relayLoad) kept(messages uint64) {
	for _, p := range slices.Concat(l.whole, l.bare) {
		info, err := p.node.Circle(l.b.Context(), p.id.String())
		if err != nil {
			l.b.Fatal(err)
		}
		if got := info.Head - p.head; got != messages {
			l.b.Fatalf("the node kept %d messages of a circle, %d were acknowledged", got, messages)
		}
	}
}

// diskOf names the file system of a folder. A benchmark whose store does not
// reach a disk measures nothing.
func diskOf(b *testing.B, dir string) string {
	b.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "a file system that this system does not name"
	}
	at, kind := "", "unknown"
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) > 2 && len(f[1]) >= len(at) && strings.HasPrefix(dir+"/", strings.TrimSuffix(f[1], "/")+"/") {
			at, kind = f[1], f[2]
		}
	}
	if kind == "tmpfs" || kind == "ramfs" {
		b.Fatalf("%s is in memory (%s on %s): set TMPDIR to a folder on a disk", dir, kind, at)
	}
	return fmt.Sprintf("%s (%s)", kind, at)
}
