package mlsbench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"primum/mls"
)

// Operations, in the order of the table. The number of leaves is that of the
// group before the operation; a joiner is one more.
const (
	Add     = "add"     // a commit that adds one client, its Welcome, and its merge
	Remove  = "remove"  // a commit that removes the newest leaf, and its merge
	Update  = "update"  // an empty commit with a path, and its merge
	Join    = "join"    // entering by a Welcome with the tree in it
	Process = "process" // another member takes in an empty commit
	Seal    = "seal"    // an application message of PlainSize bytes
	Open    = "open"    // the same message at another member
	Save    = "save"    // the state of that member as bytes
	Load    = "load"    // the state read back
)

// Operations lists them.
func Operations() []string {
	return []string{Add, Remove, Update, Join, Process, Seal, Open, Save, Load}
}

// PlainSize is the size in bytes of the application messages.
const PlainSize = 256

// batch is how many messages are timed at once.
const batch = 20

// Sample is what one side did in one turn.
type Sample struct {
	Time          time.Duration // of one operation
	CPU           time.Duration // of the process meanwhile; 0 where it can't be told
	Allocs, Bytes int64         // of one operation
	Wire          int64         // bytes that it put on the wire, or stored
}

// Cell is one operation in a group of one size: the samples of every side, the
// i-th of each taken right after one another.
type Cell struct {
	Suite     mls.Suite
	Operation string
	Leaves    int
	Samples   [][]Sample // by side
}

// Measure runs the workload with every side in turns. The cells come by suite,
// size and operation.
func Measure(ctx context.Context, o Options, sides ...Side) ([]Cell, error) {
	o = o.withDefaults()
	var out []Cell
	total, done := len(o.Suites)*len(o.Sizes), 0
	for _, suite := range o.Suites {
		for _, n := range o.Sizes {
			if o.Progress != nil {
				o.Progress(done, total, fmt.Sprintf("%s, %d leaves", suite, n))
			}
			cells, err := measureSize(ctx, o, suite, n, sides)
			if err != nil {
				return nil, fmt.Errorf("measure %d leaves: %w", n, err)
			}
			out = append(out, cells...)
			done++
		}
	}
	if o.Progress != nil {
		o.Progress(total, total, "done")
	}
	return out, nil
}

// measureSize takes turns until the budget is spent.
func measureSize(ctx context.Context, o Options, suite mls.Suite, n int, sides []Side) ([]Cell, error) {
	worlds := make([]*world, len(sides))
	for i, s := range sides {
		var err error
		if worlds[i], err = newWorld(s, suite, n); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name(), err)
		}
	}
	cells := make([]Cell, 0, len(Operations()))
	for _, op := range Operations() {
		cells = append(cells, Cell{Suite: suite, Operation: op, Leaves: n, Samples: make([][]Sample, len(sides))})
	}
	for _, w := range worlds { // the first turn warms up and is not counted
		if _, err := w.turn(); err != nil {
			return nil, fmt.Errorf("%s: %w", w.side.Name(), err)
		}
	}
	begin := time.Now()
	for turn := 0; turn < o.minTurns() || turn < o.maxTurns() && time.Since(begin) < o.budget(); turn++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := takeTurns(worlds, turn, cells); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

// takeTurns gives each operation to all worlds, a different one first each
// time.
func takeTurns(worlds []*world, turn int, cells []Cell) error {
	for _, op := range order() {
		at := slices.IndexFunc(cells, func(c Cell) bool { return c.Operation == op })
		for k := range worlds {
			i := (k + turn) % len(worlds)
			s, err := worlds[i].timed(op)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", worlds[i].side.Name(), op, err)
			}
			cells[at].Samples[i] = append(cells[at].Samples[i], s)
		}
	}
	return nil
}

// order is that of one turn: who is added joins and goes again.
func order() []string {
	return []string{Add, Join, Remove, Update, Process, Seal, Open, Save, Load}
}

// world is a group of one side: its committer and one other member.
type world struct {
	side      Side
	suite     mls.Suite
	n         int
	committer Group
	member    Group
	newcomer  Client
	born      int
	commit    []byte // the last one
	welcome   []byte
	messages  [][]byte
	state     []byte
}

// newWorld makes a group of n members by one commit and lets one of them in.
func newWorld(side Side, suite mls.Suite, n int) (*world, error) {
	if n < 2 {
		return nil, errors.New("a group has at least two leaves here")
	}
	w := &world{side: side, suite: suite, n: n}
	var err error
	if p, ok := side.(Populator); ok {
		w.committer, w.member, err = p.Populate(suite, n)
		return w, err
	}
	if w.committer, err = side.Create(suite); err != nil {
		return nil, err
	}
	clients := make([]Client, n-1)
	for i := range clients {
		if clients[i], err = w.client(); err != nil {
			return nil, err
		}
	}
	_, welcome, err := w.committer.Add(clients)
	if err != nil {
		return nil, err
	}
	w.member, err = clients[0].Join(welcome)
	return w, err
}

func (w *world) client() (Client, error) {
	w.born++
	return w.side.Invite(w.suite, fmt.Sprintf("client-%d", w.born))
}

// turn does every operation once.
func (w *world) turn() (out []Sample, err error) {
	for _, op := range order() {
		s, err := w.timed(op)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// timed prepares an operation, does it under the clock, and does what follows
// from it. A CPU profile can tell the operations apart by their labels.
func (w *world) timed(op string) (Sample, error) {
	if err := w.before(op); err != nil {
		return Sample{}, err
	}
	s, err := w.clocked(op)
	if err != nil {
		return Sample{}, err
	}
	return s, w.after(op)
}

// clocked does an operation under the clock. In a large group it comes after a
// collection, so that it does not pay for garbage that others left; what a
// collection does to the caches would cost a small one more than that.
func (w *world) clocked(op string) (Sample, error) {
	if w.n >= 100 {
		runtime.GC()
	}
	plain := context.Background()
	labelled := pprof.WithLabels(plain, pprof.Labels("cell", fmt.Sprintf("%s %d 0x%04x", op, w.n, uint16(w.suite))))
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	pprof.SetGoroutineLabels(labelled)
	spent, begin := processorTime(), time.Now()
	wire, err := w.do(op)
	took, spent := time.Since(begin), processorTime()-spent
	pprof.SetGoroutineLabels(plain)
	runtime.ReadMemStats(&b)
	s := Sample{Time: took, CPU: spent, Allocs: int64(b.Mallocs - a.Mallocs), Bytes: int64(b.TotalAlloc - a.TotalAlloc), Wire: int64(wire)}
	if op == Seal || op == Open {
		s.Time, s.CPU, s.Allocs, s.Bytes = s.Time/batch, s.CPU/batch, s.Allocs/batch, s.Bytes/batch
	}
	return s, err
}

func (w *world) before(op string) (err error) {
	switch op {
	case Add:
		w.newcomer, err = w.client()
	case Seal:
		w.messages = make([][]byte, batch)
	}
	return err
}

// do is what is measured.
func (w *world) do(op string) (wire int, err error) {
	switch op {
	case Add:
		w.commit, w.welcome, err = w.committer.Add([]Client{w.newcomer})
		return len(w.commit), err
	case Join:
		_, err = w.newcomer.Join(w.welcome)
		return len(w.welcome), err
	case Remove:
		w.commit, err = w.committer.Remove(uint32(w.n))
		return len(w.commit), err
	case Update:
		w.commit, err = w.committer.Update()
		return len(w.commit), err
	case Process:
		return len(w.commit), w.member.Process(w.commit)
	case Seal:
		return w.seal()
	case Open:
		return len(w.messages[0]), w.open()
	case Save:
		w.state, err = w.member.Save()
		return len(w.state), err
	case Load:
		return len(w.state), w.member.Load(w.state)
	}
	return 0, fmt.Errorf("operation %q is not known", op)
}

// after lets the other member follow the commits that are not measured there.
func (w *world) after(op string) error {
	if op == Add || op == Remove {
		return w.member.Process(w.commit)
	}
	return nil
}

func (w *world) seal() (int, error) {
	plain := make([]byte, PlainSize)
	for i := range w.messages {
		var err error
		if w.messages[i], err = w.committer.Seal(plain); err != nil {
			return 0, err
		}
	}
	return len(w.messages[0]), nil
}

func (w *world) open() error {
	for _, m := range w.messages {
		plain, err := w.member.Open(m)
		if err != nil {
			return err
		}
		if !bytes.Equal(plain, make([]byte, PlainSize)) {
			return errors.New("another plaintext came out")
		}
	}
	return nil
}

// Median is the middle of the samples, each figure on its own.
func Median(samples []Sample) Sample {
	return Sample{
		Time:   middle(samples, func(s Sample) time.Duration { return s.Time }),
		CPU:    middle(samples, func(s Sample) time.Duration { return s.CPU }),
		Allocs: middle(samples, func(s Sample) int64 { return s.Allocs }),
		Bytes:  middle(samples, func(s Sample) int64 { return s.Bytes }),
		Wire:   middle(samples, func(s Sample) int64 { return s.Wire }),
	}
}

func middle[T cmp.Ordered](samples []Sample, f func(Sample) T) (m T) {
	all := make([]T, 0, len(samples))
	for _, s := range samples {
		all = append(all, f(s))
	}
	if slices.Sort(all); len(all) > 0 {
		m = all[len(all)/2]
	}
	return m
}
