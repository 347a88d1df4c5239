//go:build unix

package mls

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestConstantState lives through many epochs and many messages of one epoch,
// in every suite, and demands that the stored states of all members and the
// tracker are as long at the end as at the beginning and that the heap has not
// grown. PRIMUM_SOAK makes it 10,000 epochs and 1,000,000 messages (un-raced
// about ten minutes). Time is reported: the processor time of the last tenth
// over that of the first. It is not parallel, because it measures the heap.
func TestConstantState(t *testing.T) {
	epochs, messages := constantEpochs, constantMessages
	if os.Getenv("PRIMUM_SOAK") != "" {
		epochs, messages = 10_000, 1_000_000
	}
	for _, id := range Suites() {
		t.Run(fmt.Sprintf("epochs of %s", id), func(t *testing.T) { epochsStayFlat(t, id, epochs) })
		t.Run(fmt.Sprintf("messages of %s", id), func(t *testing.T) { messagesStayFlat(t, id, messages) })
	}
}

// flat takes samples of a run, ten of it.
type flat struct {
	l       *lab
	sizes   [][]int
	heap    []uint64
	objects []uint64
	took    []time.Duration
	since   time.Duration
}

// run does something n times in ten parts, and takes a sample after each.
func (f *flat) run(n int, one func(i int)) {
	f.since = cpuTime(f.l.t)
	for part := range 10 {
		for i := part * n / 10; i < (part+1)*n/10; i++ {
			one(i)
		}
		f.sample()
	}
}

func (f *flat) sample() {
	f.l.t.Helper()
	f.took = append(f.took, cpuTime(f.l.t)-f.since)
	var sizes []int
	for _, name := range f.l.names() {
		sizes = append(sizes, len(f.l.bytesOf(f.l.parties[name])))
	}
	public, err := f.l.public.MarshalBinary()
	f.l.must(err)
	f.sizes = append(f.sizes, append(sizes, len(public)))
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.heap, f.objects = append(f.heap, m.HeapAlloc), append(f.objects, m.HeapObjects)
	f.since = cpuTime(f.l.t)
}

// cpuTime is what this process has used, which another load doesn't change much.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// slack is what the heap may grow by between two samples for other reasons:
// caches of the runtime and of the standard library.
const slack = 256 << 10

func (f *flat) judge(n int, what string) {
	f.l.t.Helper()
	for i, sizes := range f.sizes {
		if !slices.Equal(sizes, f.sizes[0]) {
			f.l.t.Errorf("after %d tenths the states have %d bytes, after the first %d", i+1, sizes, f.sizes[0])
		}
	}
	if last := f.heap[9]; last > f.heap[0]+slack {
		f.l.t.Errorf("the heap has grown from %d to %d bytes", f.heap[0], last)
	}
	f.l.t.Logf("%d %s: states of %d bytes (tracker last) at every tenth; heap %d KB and %d objects after the first tenth, %d KB and %d after the last; %s each in the first tenth, %s in the last, ratio %.2f",
		n, what, f.sizes[9], f.heap[0]>>10, f.objects[0], f.heap[9]>>10, f.objects[9],
		f.took[0]*10/time.Duration(n), f.took[9]*10/time.Duration(n), float64(f.took[9])/float64(f.took[0]))
}

// epochsStayFlat turns epochs of four members in rounds of eight: each commits,
// two take in the Update of another, one member is exchanged for a new one.
func epochsStayFlat(t *testing.T, id Suite, n int) {
	l := newLabOf(t, id, 31, 1)
	l.fixedNames()
	l.add(l.any(), 3)
	round := func(i int) {
		names := l.names()
		by := l.parties[names[i%len(names)]]
		switch i % 8 {
		case 4, 5:
			other := l.parties[names[(i+1)%len(names)]]
			msg, err := other.g.ProposeUpdate(nil)
			l.must(err)
			l.deliver(other, msg)
			l.commit(by, CommitOptions{})
		case 6:
			l.commit(l.parties[names[1]], CommitOptions{Remove: []uint32{l.parties[names[0]].g.Me()}})
		case 7:
			l.fixedNames()
			l.add(l.parties[names[0]], 1)
		default:
			l.commit(by, CommitOptions{})
		}
		l.talk(by)
	}
	for i := range 64 {
		round(i)
	}
	n = (n + 159) / 160 * 160 // every tenth ends with an even round
	f := &flat{l: l}
	f.run(n, round)
	l.agree()
	f.judge(n, "epochs")
}

// fixedNames lets the next client have a name as long as all others.
func (l *lab) fixedNames() { l.born = max(l.born, 10_000_000) }

// messagesStayFlat sends messages to and fro within one epoch: one of sixteen
// is lost, so that the window of skipped keys is always full, and one is late.
func messagesStayFlat(t *testing.T, id Suite, n int) {
	l := newLabOf(t, id, 32, 2)
	pair := []*party{l.parties["client-1"], l.parties["client-2"]}
	var late [2][]byte
	one := func(i int) {
		way := i / 16 % 2
		msg, err := pair[way].g.Seal([]byte("21.5"), nil, 256)
		l.must(err)
		switch i % 16 {
		case 3: // lost
			return
		case 7:
			late[way] = msg
			return
		case 9:
			l.open(pair[1-way], late[way])
		}
		l.open(pair[1-way], msg)
	}
	for i := range 64 * 40 { // until the windows are full
		one(i)
	}
	n = n / 320 * 320
	f := &flat{l: l}
	f.run(n, one)
	f.judge(n, "messages sealed and opened")
}

func (l *lab) open(p *party, msg []byte) {
	l.t.Helper()
	got, err := p.g.Process(msg)
	if err != nil || string(got.Data) != "21.5" {
		l.t.Fatalf("%s opens %+v: %v", p.name, got, err)
	}
}
