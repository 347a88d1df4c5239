package scenario

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/node"
	"primum/internal/wire"
)

// TestOutages: what is down is said in words and tried again, and nothing that
// was acknowledged is lost.
func TestOutages(t *testing.T) {
	t.Parallel()
	t.Run("broker", brokerDown)
	t.Run("node", nodeDown)
	t.Run("disk", diskFull)
	t.Run("clock of a client", clientClockWrong)
	t.Run("clock of a thing", thingClockWrong)
}

// brokerDown: the broker goes and comes back without its retained messages; the
// edge says so, and the next value of the meter arrives.
func brokerDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	home := startBroker(t, "house/lamp/set")
	announceOwn(t, home)
	owner := w.person(t, w.h, "owner", identity.Person, "")
	friend := w.person(t, w.s, "friend", identity.Person, "")
	e := w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	flow := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	seen, _ := watch(t, friend, flow)
	w.toNextMinute()
	w.speak(t, home, e, 60, func(int) float64 { return 3 })
	w.expectMean(t, seen, "3")

	home.Stop()
	eventually(t, "the edge says that the broker is down", func() bool {
		b := e.Overview().Broker
		return b != nil && !b.Connected && b.Problem != ""
	})
	t.Logf("the edge says: %s", e.Overview().Broker.Problem)
	home.Restart(t)
	w.settle(t, "connect again", func() bool { return e.Overview().Broker.Connected && home.devices.Status().Connected })
	w.toNextMinute()
	w.speak(t, home, e, 60, func(int) float64 { return 5 })
	w.expectMean(t, seen, "5")
}

// expectMean waits for a minute's mean; minutes without a value may come before.
func (w *world) expectMean(t *testing.T, seen <-chan client.Value, want string) {
	t.Helper()
	for v := next(t, seen); string(v.Value) != want; v = next(t, seen) {
		if v.State != "" {
			t.Fatalf("instead of a value: %s, %s", v.State, v.Reason)
		}
	}
}

// outage is a household by a clock of the test's own, whose node can be taken
// away.
type outage struct {
	clock    *clock.Manual
	config   node.Config
	node     *node.Node
	done     chan error
	crossed  *ledger
	refused  sync.Map // names of problems that the thing was told
	owning   *client.Client
	friendly *client.Client
	watcher  *observer
	thing    *bareAnchor
	words    chan string // what the thing's link says
	circle   wire.CircleID
	shown    *seen
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{
		clock: clock.NewManual(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)), crossed: newLedger(), shown: newSeen(), words: make(chan string, 1024),
	}
	o.config = node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "node"), Clock: o.clock}
	o.up(t)
	t.Cleanup(func() { o.down(t) })
	now, calls := o.clock.Now(), client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: o.clock}
	owner := newParty(t, o.node.Authority(), "owner", now, prime)
	friend := newParty(t, o.node.Authority(), "friend", now, prime, obs)
	o.watcher = newObserver(t, friend.hands[obs], calls, now)
	o.friendly, o.owning = friend.open(t, prime, calls), owner.open(t, prime, calls)
	tapped := calls
	tapped.Transport = &tap{Transport: calls.Transport, cross: o.crossed.note, refused: func(p *wire.Problem) { o.refused.Store(p.Type, p) }}
	o.thing = runAnchorTold(t, filepath.Join(t.TempDir(), "anchor"), tapped, nil, o.link)
	home := o.thing.claimBy(t, o.owning)
	share := onChange(meter, readOps, "note")
	id := giveTo(t, o.owning, home, friend, now.Add(24*time.Hour), share)
	o.circle = givenCircle(t, o.owning, id, 2)
	watchInto(t, o.friendly, id, o.shown, "note")
	return o
}

func (o *outage) link(_ string, err error) {
	if err != nil {
		select {
		case o.words <- err.Error():
		default:
		}
	}
}

func (o *outage) up(t *testing.T) {
	t.Helper()
	var err error
	if o.node, err = node.Open(t.Context(), o.config); err != nil {
		t.Fatal(err)
	}
	o.done = make(chan error, 1)
	go func(n *node.Node, done chan error) { done <- n.Serve(context.Background()) }(o.node, o.done)
}

func (o *outage) down(t *testing.T) {
	t.Helper()
	if err := errors.Join(o.node.Close(), <-o.done); err != nil {
		t.Error(err)
	}
}

// note feeds a text of some length, no two alike.
func (o *outage) note(t *testing.T, n, length int) time.Time {
	t.Helper()
	o.clock.Advance(time.Millisecond)
	at := o.clock.Now()
	o.thing.feed(t, "note", fmt.Sprintf("%0*d", length, n), at)
	return at
}

// settle moves the clock on while it waits, for pauses between attempts.
func (o *outage) settle(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		if holds() {
			return true
		}
		o.clock.Advance(50 * time.Millisecond)
		return false
	})
}

// nodeDown: the node goes; the thing seals on, and all of it arrives once the
// node is back.
func nodeDown(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	before := o.note(t, 1, 20)
	o.settle(t, "a value before", func() bool { return o.shown.has(before) })
	o.down(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	word := ""
	eventually(t, "the owner's client says so", func() bool {
		_, err := o.owning.Sync(ctx)
		if err == nil {
			return false
		}
		word = err.Error()
		return errors.Is(err, client.ErrUnreachable)
	})
	t.Logf("the owner's client says: %s", word)
	if !strings.Contains(word, o.node.Authority()) {
		t.Error("it does not name the node")
	}
	select {
	case word := <-o.words:
		t.Logf("the thing says: %s", word)
	case <-time.After(patience):
		t.Error("the thing does not say that its node is down")
	}
	var fed []time.Time
	for n := range 50 {
		fed = append(fed, o.note(t, 100+n, 20))
	}
	o.up(t)
	o.arrived(t, fed)
}

// arrived waits until all values were shown, and compares everything (P6).
func (o *outage) arrived(t *testing.T, fed []time.Time) {
	t.Helper()
	for _, at := range fed {
		o.settle(t, "the value of "+at.String(), func() bool { return o.shown.has(at) })
	}
	frames := o.watcher.log(t, o.circle)
	o.crossed.mu.Lock()
	defer o.crossed.mu.Unlock()
	bySeq := map[uint64]string{}
	for _, f := range frames {
		bySeq[f.Number] = string(f.Message)
	}
	for seq, m := range o.crossed.acked[o.circle] {
		if seq >= frames[0].Number && bySeq[seq] != string(m) {
			t.Errorf("number %d was acknowledged and is lost", seq)
		}
	}
	o.watcher.follow(t, frames, o.crossed.sent[o.circle])
	if len(o.watcher.twice) > 0 {
		t.Errorf("sealed twice: %v", o.watcher.twice)
	}
	o.shown.mu.Lock()
	defer o.shown.mu.Unlock()
	for _, w := range o.shown.wrong {
		t.Error(w)
	}
}

// diskFull: the node's disk fills up; the thing is told so in words and keeps
// what it has; when there is room again all of it arrives.
func diskFull(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.down(t)
	o.config.MaxPages = 200
	o.up(t)
	var fed []time.Time
	full := func() bool { _, told := o.refused.Load(wire.ProblemPrefix + wire.ProbStorage); return told }
	for n := 0; !full(); n++ {
		if n > 5000 {
			t.Fatal("the disk does not fill up")
		}
		at := o.note(t, n, 300)
		fed = append(fed, at)
		o.settle(t, "it arrives, or the disk is full", func() bool { return full() || o.shown.has(at) })
	}
	p, _ := o.refused.Load(wire.ProblemPrefix + wire.ProbStorage)
	t.Logf("after %d values the thing is told: %v", len(fed), p)
	for n := range 10 { // and it seals on
		fed = append(fed, o.note(t, 10_000+n, 300))
	}
	if _, err := o.owning.Home.Grants(t.Context()); err != nil {
		t.Errorf("a full node does not even answer questions: %v", err)
	}
	o.down(t)
	o.config.MaxPages = 0
	o.up(t)
	o.arrived(t, fed)
}

// wrongClock is the machine's clock, and some time wrong.
type wrongClock struct {
	clock.Clock
	off atomic.Int64
}

func (c *wrongClock) Now() time.Time { return c.Clock.Now().Add(time.Duration(c.off.Load())) }

// clientClockWrong: a client whose clock is ten minutes wrong is told so, with
// the node's time; once it is set right everything works.
func clientClockWrong(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	now := time.Now()
	owner := newParty(t, n.Authority(), "owner", now, prime)
	wrong := &wrongClock{Clock: clock.Real()}
	wrong.off.Store(int64(10 * time.Minute))
	options, err := owner.hands[prime].options(client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: wrong})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = c.Sync(ctx)
	var p *wire.Problem
	if !errors.As(err, &p) || !p.Named(wire.ProbClockSkew) || p.Now == nil || !strings.Contains(err.Error(), "clock") {
		t.Fatalf("a clock that is ten minutes wrong: %v", err)
	}
	t.Logf("the client says: %v", err)
	if off := time.Since(*p.Now).Abs(); off > time.Minute {
		t.Errorf("the node's time in the answer is %v off", off)
	}
	wrong.off.Store(0)
	eventually(t, "it works once the clock is right", func() bool { _, err := c.Sync(ctx); return err == nil })
}

// thingClockWrong: a thing whose clock runs away seals nothing and says so; once
// its clock is right, it goes on, and nothing is lost.
func thingClockWrong(t *testing.T) {
	t.Parallel()
	h := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	now := time.Now()
	owner := newParty(t, h.Authority(), "owner", now, prime)
	friend := newParty(t, h.Authority(), "friend", now, prime)
	friendly, owning := friend.open(t, prime, realCalls()), owner.open(t, prime, realCalls())
	wrong := &wrongClock{Clock: clock.Real()}
	transport := &cutTransport{Transport: nethttp.New(nethttp.Options{})}
	said := make(chan circle.Event, 64)
	a := runAnchor(t, filepath.Join(t.TempDir(), "anchor"), client.Calls{Transport: transport, Clock: wrong}, func(e circle.Event) error {
		if e.Reason == "clock" {
			said <- e
		}
		return nil
	})
	home := a.claimBy(t, owning)
	id := giveTo(t, owning, home, friend, now.Add(24*time.Hour), onChange(meter, readOps, "count"))
	givenCircle(t, owning, id, 1)
	shown := newSeen()
	watchInto(t, friendly, id, shown, "count")

	wrong.off.Store(int64(-10 * time.Minute))
	transport.cut() // it asks for the node's time whenever it connects
	select {
	case e := <-said:
		t.Logf("the thing says: %s", e.Text)
		if e.Kind != circle.EventPaused || !strings.Contains(e.Text, "clock") {
			t.Errorf("it says %+v", e)
		}
	case <-time.After(patience):
		t.Fatal("a thing ten minutes behind says nothing")
	}
	late := wrong.Now().Add(time.Second)
	a.feed(t, "count", 5, late)
	if err := a.Tick(); err != nil {
		t.Fatal(err)
	}
	for _, e := range a.Effects() {
		if e.Kind == circle.EffectAppend || e.Kind == circle.EffectCommit {
			t.Errorf("it seals all the same: %+v", e.Kind)
		}
	}
	wrong.off.Store(0)
	transport.cut()
	var after time.Time
	n := 5
	eventually(t, "a value of the right time is shown", func() bool {
		if time.Since(after) > 100*time.Millisecond {
			n, after = n+1, time.Now()
			a.feed(t, "count", n, after)
		}
		return shown.newest().After(late.Add(time.Minute))
	})
}

// cutTransport can break its live sockets.
type cutTransport struct {
	client.Transport
	mu   sync.Mutex
	open []client.Socket // under mu
}

func (c *cutTransport) Open(ctx context.Context, url string, subprotocols []string) (client.Socket, error) {
	s, err := c.Transport.Open(ctx, url, subprotocols)
	if err == nil {
		c.mu.Lock()
		c.open = append(c.open, s)
		c.mu.Unlock()
	}
	return s, err
}

func (c *cutTransport) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.open {
		_ = s.Close()
	}
	c.open = nil
}
