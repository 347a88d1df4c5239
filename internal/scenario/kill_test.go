package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/nethttp"
	"primum/internal/clock"
	"primum/internal/wire"
)

const (
	obs   = "obs"  // the client that the observer plays
	prime = "main" // the client of the product
)

// seen is what a grantee was shown. Safe for concurrent use.
type seen struct {
	mu     sync.Mutex
	byID   map[uint64]client.Value
	byTime map[time.Time]uint64 // id of the value of each time
	wrong  []string
	last   client.Value
}

func newSeen() *seen {
	return &seen{byID: map[uint64]client.Value{}, byTime: map[time.Time]uint64{}}
}

// show takes a value: the same one may be shown again under its id when a crash
// came between; anything else that is shown twice was opened twice.
func (s *seen) show(v client.Value, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.State != "" || v.Name != name {
		return
	}
	old, known := s.byID[v.ID]
	if known && (!old.At.Equal(v.At) || string(old.Value) != string(v.Value)) {
		s.wrong = append(s.wrong, "two values under one id: "+v.At.String())
	}
	if id, ok := s.byTime[v.At.UTC()]; ok && id != v.ID {
		s.wrong = append(s.wrong, "a value was opened twice: "+v.At.String())
	}
	s.byID[v.ID], s.byTime[v.At.UTC()], s.last = v, v.ID, v
}

func (s *seen) has(at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byTime[at.UTC()]
	return ok
}

func (s *seen) newest() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.At
}

// watchInto shows a grant's values to s until the test ends.
func watchInto(t *testing.T, c *client.Client, id string, s *seen, name string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for v := range c.Watch(ctx, id) {
			s.show(v, name)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// judge compares what crossed, what the node has, what an observer opens and
// what the grantee was shown (P6).
func judge(t *testing.T, o *observer, c wire.CircleID, crossed *ledger, s *seen, name string) {
	t.Helper()
	frames := o.log(t, c)
	crossed.mu.Lock()
	defer crossed.mu.Unlock()
	o.follow(t, frames, crossed.sent[c])
	if len(o.twice) > 0 {
		t.Errorf("sealed twice under one (epoch, leaf, generation): %v", o.twice)
	}
	bySeq := map[uint64][]byte{}
	for _, f := range frames {
		bySeq[f.Number] = f.Message
	}
	for seq, m := range crossed.acked[c] {
		if seq < frames[0].Number {
			continue // from before the observer was a member
		}
		if !bytes.Equal(bySeq[seq], m) {
			t.Errorf("number %d was acknowledged and is not in the log", seq)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wrong {
		t.Error(w)
	}
	inLog := o.values(t, name)
	for at, value := range inLog {
		if id, ok := s.byTime[at]; !ok {
			t.Errorf("value %s of %v is in the log and was never shown", value, at)
		} else if string(s.byID[id].Value) != value {
			t.Errorf("value of %v: shown %s, in the log %s", at, s.byID[id].Value, value)
		}
	}
	if len(inLog) < kills()/4 || len(crossed.acked[c]) < kills()/2 {
		t.Errorf("too little happened: %d values, %d acknowledged", len(inLog), len(crossed.acked[c]))
	}
	t.Logf("%d frames, %d acknowledged, %d sent, %d keys used, %d values shown, epoch %d",
		len(frames), len(crossed.acked[c]), len(crossed.sent[c]), len(o.used), len(s.byTime), o.group.Epoch())
}

// atInstant kills a process at its planned instant: at once where everything is
// held there, else within the next two milliseconds.
func atInstant(p func() *process, rnd *rand.Rand) func(saying) {
	return func(s saying) {
		var at plan
		if s.Word != "now" || json.Unmarshal(s.Body, &at) != nil {
			return
		}
		var pause time.Duration
		if at.Stage == running {
			pause = time.Duration(rnd.IntN(2000)) * time.Microsecond
		}
		time.AfterFunc(pause, func() { _ = p().cmd.Process.Kill() })
	}
}

func nextPlan(rnd *rand.Rand) plan {
	return plan{At: 1 + rnd.IntN(8), Stage: stage(rnd.IntN(int(stages)))}
}

// TestKillEdge (P6): the edge, which seals without pause, is killed with a
// message under way.
func TestKillEdge(t *testing.T) {
	t.Parallel()
	rnd := chance(t)
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	now := time.Now()
	owner := newParty(t, n.Authority(), "owner", now, prime)
	friend := newParty(t, n.Authority(), "friend", now, prime, obs)
	watcher := newObserver(t, friend.hands[obs], realCalls(), now)
	friendly := friend.open(t, prime, realCalls())
	owning := owner.open(t, prime, realCalls())

	crossed, dir := newLedger(), filepath.Join(t.TempDir(), "edge")
	var p *process
	run := func(at plan) edgeReady {
		var ready edgeReady
		kill := atInstant(func() *process { return p }, rnd)
		started := make(chan struct{})
		p = start(t, "edge", edgeRole{Dir: dir, Plan: at, Seed: rnd.Uint64()}, func(s saying) {
			var c crossing
			switch {
			case s.Word == "crossing" && json.Unmarshal(s.Body, &c) == nil:
				crossed.note(c)
			case s.Word == "trouble":
				t.Logf("edge: %s", s.Body)
			}
			<-started
			kill(s)
		}, "ready")
		close(started)
		p.said("ready", &ready)
		return ready
	}

	ready := run(plan{})
	claimAt(t, owning, ready)
	flow := find(t, owning, "water/flow")
	id := giveTo(t, owning, flow.Circle, friend, now.Add(7*24*time.Hour), onChange(flow.Thing, readOps, flow.Name))
	c := givenCircle(t, owning, id, 2)
	shown := newSeen()
	watchInto(t, friendly, id, shown, flow.Name)
	p.kill()
	crossed.settle()

	inFlight, tries := 0, 0
	for ; inFlight < kills() && tries < 4*kills(); tries++ {
		run(nextPlan(rnd))
		p.gone()
		if crossed.settle() > 0 {
			inFlight++
		}
	}
	enoughKills(t, tries, inFlight)

	run(plan{}) // and everything goes on
	start := time.Now()
	eventually(t, "a value of the last run is shown", func() bool { return shown.newest().After(start) })
	p.kill()
	last := watcher.log(t, c)
	eventually(t, "everything in the log is read", func() bool { return readUpTo(friendly, c, last[len(last)-1].Number) })
	judge(t, watcher, c, crossed, shown, flow.Name)
}

func claimAt(t *testing.T, c *client.Client, e edgeReady) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.Claim(ctx, e.ClaimURL, e.Code); err != nil {
		t.Fatalf("claim: %v", err)
	}
}

// readUpTo tells whether a client has read a circle up to a number and shown
// what was in it.
func readUpTo(c *client.Client, id wire.CircleID, seq uint64) bool {
	for _, s := range c.Owner.Subscriptions() {
		if wire.CircleID(s.Circle) == id {
			return s.After >= seq && len(c.Owner.Events()) == 0
		}
	}
	return false
}

// TestKillNode (P6): the node is killed while a thing and a client append
// without pause.
func TestKillNode(t *testing.T) {
	t.Parallel()
	rnd := chance(t)
	dir := filepath.Join(t.TempDir(), "node")
	var mu sync.Mutex
	var p *process
	node := func() *process { mu.Lock(); defer mu.Unlock(); return p }
	run := func() nodeReady {
		var ready nodeReady
		next := start(t, "node", nodeRole{Authority: "h.localhost", Dir: dir}, nil, "ready")
		next.said("ready", &ready)
		mu.Lock()
		p = next
		mu.Unlock()
		return ready
	}
	ready := run()

	crossed := newLedger()
	fuse := &fuse{rnd: rnd, kill: func() { _ = node().cmd.Process.Kill() }}
	calls := client.Calls{Transport: &tap{
		Transport: nethttp.New(nethttp.Options{}), cross: crossed.note, after: fuse.sent, read: fuse.wait,
	}}
	now := time.Now()
	owner := newParty(t, ready.Authority, "owner", now, prime)
	friend := newParty(t, ready.Authority, "friend", now, prime, obs)
	watcher := newObserver(t, friend.hands[obs], realCalls(), now)
	friendly := friend.open(t, prime, calls)
	owning := owner.open(t, prime, realCalls())
	var thing *bareAnchor
	obeyed := newOnce(t)
	thing = runAnchor(t, filepath.Join(t.TempDir(), "anchor"), calls, func(e circle.Event) error { return obeyed.obey(thing, e) })
	home := thing.claimBy(t, owning)
	id := giveTo(t, owning, home, friend, now.Add(7*24*time.Hour), onChange(meter, readOps+" writeproperty", "count", "lamp"))
	c := givenCircle(t, owning, id, 2)
	shown := newSeen()
	watchInto(t, friendly, id, shown, "count")
	count := feedOn(t, thing, crossed.total)
	commandOn(t, friendly)

	inFlight, tries := 0, 0
	for ; inFlight < kills() && tries < 4*kills(); tries++ {
		crossed.settle()
		fuse.light(nextPlan(rnd))
		node().gone()
		if crossed.settle() > 0 {
			inFlight++
		}
		run()
		fuse.out()
	}
	enoughKills(t, tries, inFlight)

	start := time.Now()
	eventually(t, "a value from after the last start is shown", func() bool { return shown.newest().After(start) })
	last := count()
	eventually(t, "the last value is shown", func() bool { return shown.has(last) })
	judge(t, watcher, c, crossed, shown, "count")
	obeyed.judge()
}

// fuse kills at an instant of the taps in this process.
type fuse struct {
	rnd  *rand.Rand // under mu
	kill func()

	mu   sync.Mutex
	plan plan
	n    int
	held chan struct{} // closed when answers may be looked at again; nil: they may
}

func (f *fuse) light(p plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.n = p, 0
}

// sent counts messages, and kills with the planned one.
func (f *fuse) sent() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan.At == 0 {
		return
	}
	if f.n++; f.n != f.plan.At {
		return
	}
	var pause time.Duration
	if f.plan.Stage != unsent {
		pause = time.Duration(f.rnd.IntN(3000)) * time.Microsecond
	}
	if f.plan.Stage != running {
		f.held = make(chan struct{})
	}
	f.plan = plan{}
	time.AfterFunc(pause, f.kill)
}

// wait holds what came from the node until the node is gone and back.
func (f *fuse) wait() {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held != nil {
		<-held
	}
}

func (f *fuse) out() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held != nil {
		close(f.held)
		f.held = nil
	}
}

// feedOn feeds counts to a thing, the next one when the node has acknowledged
// something and no sooner than it can be sent, so that no backlog grows; the function that it returns stops it and
// tells the time of the last one.
func feedOn(t *testing.T, a *bareAnchor, acked func() int) (stop func() time.Time) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan time.Time, 1)
	go func() {
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		var last time.Time
		for n, heard := 0, -1; ; n++ {
			select {
			case <-ctx.Done():
				done <- last
				return
			case <-tick.C:
			}
			now := acked()
			if now == heard && time.Since(last) < time.Second {
				continue
			}
			heard = now
			last = time.Now()
			b, _ := json.Marshal(n)
			if err := a.Feed(circle.Sample{Thing: meter, Name: "count", At: last, Value: b}); err != nil {
				t.Errorf("feed: %v", err)
			}
		}
	}()
	stop = sync.OnceValue(func() time.Time { cancel(); return <-done })
	t.Cleanup(func() { stop() })
	return stop
}

// commandOn sends one command after the other until the test ends.
func commandOn(t *testing.T, c *client.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	target := find(t, c, "meter/lamp")
	go func() {
		defer close(done)
		for n := 1; ctx.Err() == nil; n++ {
			b, _ := json.Marshal(n)
			_, _ = c.Send(ctx, target, b, patience) // a node that is down may cost a command
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// once obeys commands and notices one that comes twice.
type once struct {
	t       *testing.T
	mu      sync.Mutex
	refs    map[string]string // under mu
	values  map[string]string
	doubled []string
}

func newOnce(t *testing.T) *once {
	return &once{t: t, refs: map[string]string{}, values: map[string]string{}}
}

func (o *once) obey(a *bareAnchor, e circle.Event) error {
	if e.Kind == circle.EventStopped {
		o.t.Errorf("the thing stopped: %s %s", e.Reason, e.Text)
	}
	if e.Kind != circle.EventCommand {
		return nil
	}
	o.mu.Lock()
	if other, ok := o.values[string(e.Value)]; ok && other != e.Ref {
		o.doubled = append(o.doubled, string(e.Value))
	}
	o.refs[e.Ref], o.values[string(e.Value)] = string(e.Value), e.Ref
	o.mu.Unlock()
	return a.Answer(e.Ref, e.Value, nil)
}

func (o *once) judge() {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.doubled) > 0 {
		o.t.Errorf("commands that were obeyed twice: %v", o.doubled)
	}
	if len(o.refs) == 0 {
		o.t.Error("no command was obeyed at all")
	}
	o.t.Logf("%d commands obeyed", len(o.refs))
}

// TestKillClient (P6): a grantee's client, which opens values and sends
// commands without pause, is killed with a message under way.
func TestKillClient(t *testing.T) {
	t.Parallel()
	rnd := chance(t)
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	now := time.Now()
	owner := newParty(t, n.Authority(), "owner", now, prime)
	friend := newParty(t, n.Authority(), "friend", now, prime, obs)
	watcher := newObserver(t, friend.hands[obs], realCalls(), now)
	first := friend.open(t, prime, realCalls())
	owning := owner.open(t, prime, realCalls())
	var thing *bareAnchor
	obeyed, sealed := newOnce(t), newLedger()
	tapped := client.Calls{Transport: &tap{Transport: nethttp.New(nethttp.Options{}), cross: sealed.note}}
	thing = runAnchor(t, filepath.Join(t.TempDir(), "anchor"), tapped, func(e circle.Event) error { return obeyed.obey(thing, e) })
	home := thing.claimBy(t, owning)
	id := giveTo(t, owning, home, friend, now.Add(7*24*time.Hour), onChange(meter, readOps+" writeproperty", "count", "lamp"))
	c := givenCircle(t, owning, id, 2)
	find(t, first, "meter/lamp")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	count := feedOn(t, thing, sealed.total)

	crossed, shown := newLedger(), newSeen()
	answered, commands := 0, 0
	var p *process
	run := func(at plan) {
		kill := atInstant(func() *process { return p }, rnd)
		started := make(chan struct{})
		commands += 100_000
		p = start(t, "client", clientRole{Hand: friend.hands[prime], Grant: id, Command: "meter/lamp", First: commands, Plan: at}, func(s saying) {
			var c crossing
			var v client.Value
			switch {
			case s.Word == "crossing" && json.Unmarshal(s.Body, &c) == nil:
				crossed.note(c)
			case s.Word == "value" && json.Unmarshal(s.Body, &v) == nil:
				shown.show(v, "count")
			case s.Word == "answered":
				answered++
			case s.Word == "trouble", s.Word == "refused":
				t.Logf("client: %s", s.Body)
			}
			<-started
			kill(s)
		})
		close(started)
	}
	inFlight, tries := 0, 0
	for ; inFlight < kills() && tries < 4*kills(); tries++ {
		run(nextPlan(rnd))
		p.gone()
		if crossed.settle() > 0 {
			inFlight++
		}
	}
	enoughKills(t, tries, inFlight)

	run(plan{})
	start := time.Now()
	eventually(t, "a value of the last run is shown", func() bool { return shown.newest().After(start) })
	last := count()
	eventually(t, "the last value is shown", func() bool { return shown.has(last) })
	p.kill()
	judge(t, watcher, c, crossed, shown, "count")
	obeyed.judge()
	if answered == 0 {
		t.Error("no command was answered")
	}
}

// enoughKills says how many there were, and fails when too few hit a message
// under way.
func enoughKills(t *testing.T, tries, inFlight int) {
	t.Helper()
	t.Logf("%d kills, %d of them with a message under way", tries, inFlight)
	if inFlight < kills() {
		t.Errorf("only %d of %d kills hit a message under way, want %d", inFlight, tries, kills())
	}
}
