package client

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"primum/circle"
	"primum/client/link"
	"primum/internal/clock"
	"primum/internal/wire"
)

// What a driver needs of an actor of package circle; Anchor, Member and Owner
// have it all.
type (
	effector interface {
		Effects() []circle.Effect
		Done(id string, r circle.Result) error
		Failed(id string, r *circle.Refusal) error
	}
	teller interface {
		Events() []circle.Event
		Ack(id uint64) error
	}
	reader interface {
		Subscriptions() []circle.Subscription
		Receive(c circle.ID, frames []circle.Frame) (int, error)
		Synced(c circle.ID, head, epoch uint64) error
		Offline(circles ...circle.ID)
		Ended(c circle.ID, reason string, at time.Time) error
	}
	timed interface {
		Changed() <-chan struct{}
		NextTick() time.Time
		Tick() error
		NodeTime(t time.Time) error
	}
	actor interface {
		effector
		teller
		reader
		timed
	}
)

// maxPerforming bounds the effects that are performed at one time.
const maxPerforming = 32

// driver runs one actor over links to nodes. Everything it knows is in the
// actor; what is here only says what is under way in this process.
type driver struct {
	calls Calls
	pace  clock.Clock
	actor actor
	// take is handed each event once it may be shown; nil error means that it
	// need not come again.
	take func(circle.Event) error
	// account is who this is at its own node; empty for an anchor.
	home    string // authority of the own node, empty for an anchor
	account Key
	leaf    func(circle.ID) crypto.Signer // anchors prove their leaves
	inbox   *inbox                        // nil for an anchor
	state   func(authority string, err error)
	atHome  func(context.Context)                                   // what a connection to the own node asks for; may be nil
	nodeNow func(authority string, now time.Time)                   // a node's clock, just read; may be nil
	idle    func()                                                  // called once per turn of the loop; may be nil
	filed   func(authority string, e circle.Effect, r wire.Receipt) // what a node answers to an envelope or closing; nil for an anchor
	hinted  func(circle.ID) error                                   // a party of a circle has a newer identity document; nil but for an anchor

	background sync.WaitGroup // what connections have started

	wake  chan struct{} // capacity 1
	acked broadcast     // events were taken

	mu         sync.Mutex
	links      map[string]*nodeLink
	performing map[string]bool     // effect ids
	outcomes   map[string]answered // last answers by outcomeName
}

// nodeLink is a link with what it takes to end it.
type nodeLink struct {
	*link.Link
	authority string
	stop      context.CancelFunc
	done      chan struct{}
	circles   map[wire.CircleID]*reading // under driver.mu
}

// reading is one subscribed circle.
type reading struct {
	home, joining bool
	live          bool // its Subscribed has come in this session
	head, got     uint64
	refused       *wire.Problem
}

func (d *driver) log() *slog.Logger { return d.calls.Log }

func (d *driver) prepare() {
	d.calls = d.calls.WithDefaults()
	if d.pace == nil {
		d.pace = clock.Real()
	}
	d.wake = make(chan struct{}, 1)
	d.links, d.performing = make(map[string]*nodeLink), make(map[string]bool)
	d.outcomes = make(map[string]answered)
}

// run drives until the context ends; then every link is down and every effect
// answered or left for the next time.
func (d *driver) run(ctx context.Context) error {
	var work sync.WaitGroup
	told := make(chan struct{})
	tell := make(chan struct{}, 1)
	go func() {
		defer close(told)
		d.tell(ctx, tell)
	}()
	if d.inbox != nil {
		d.background.Go(func() { d.inbox.work(ctx, func() { signal(d.wake) }) })
	}
	defer func() {
		d.stopLinks()
		work.Wait()
		d.background.Wait()
		<-told
	}()
	for {
		d.subscribe(ctx)
		d.perform(ctx, &work)
		signal(tell)
		if d.idle != nil {
			d.idle()
		}
		if err := d.waitForWork(ctx); err != nil {
			return err
		}
	}
}

// waitForWork returns when the actor has something to do.
func (d *driver) waitForWork(ctx context.Context) error {
	var due <-chan time.Time
	if next := d.actor.NextTick(); !next.IsZero() {
		t := d.calls.Clock.NewTimer(next.Sub(d.calls.Clock.Now()))
		defer t.Stop()
		due = t.C()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.actor.Changed():
	case <-d.wake:
	case <-due:
		if err := d.actor.Tick(); err != nil {
			return err
		}
	}
	return nil
}

// tell hands events out, apart from the loop: whoever takes them may be slow.
func (d *driver) tell(ctx context.Context, more <-chan struct{}) {
	pauses := link.NewBackoff(d.pace, d.calls.Rand, 200*time.Millisecond, time.Minute)
	for {
		n, err := d.tellWaiting(ctx)
		switch {
		case err != nil:
			d.log().Warn("event not taken", "why", err)
			err = pauses.Wait(ctx, 0, more)
		case n > 0:
			pauses.Reset()
		default:
			select {
			case <-more:
			case <-ctx.Done():
			}
		}
		if err != nil || ctx.Err() != nil {
			return
		}
	}
}

// tellWaiting hands out what waits now, and tells how many it was.
func (d *driver) tellWaiting(ctx context.Context) (n int, err error) {
	for _, e := range d.actor.Events() {
		if ctx.Err() != nil {
			return n, nil
		}
		if err := d.take(e); err != nil {
			return n, err
		}
		if err := d.actor.Ack(e.ID); err != nil {
			return n, err
		}
		n++
		d.acked.send()
	}
	return n, nil
}

// subscribe makes links and their wants what the actor asks for.
func (d *driver) subscribe(ctx context.Context) {
	wanted := make(map[string]map[wire.CircleID]circle.Subscription)
	if d.home != "" {
		wanted[d.home] = nil
	}
	for _, s := range d.actor.Subscriptions() {
		if wanted[s.Node] == nil {
			wanted[s.Node] = make(map[wire.CircleID]circle.Subscription)
		}
		wanted[s.Node][wire.CircleID(s.Circle)] = s
	}
	for authority, circles := range wanted {
		d.reconcile(d.link(ctx, authority), circles)
	}
	d.mu.Lock()
	unwanted := maps.Clone(d.links)
	d.mu.Unlock()
	for authority, l := range unwanted {
		if _, ok := wanted[authority]; !ok {
			d.dropLink(l)
		}
	}
}

func (d *driver) dropLink(l *nodeLink) {
	d.mu.Lock()
	delete(d.links, l.authority)
	d.mu.Unlock()
	l.stop() // its goroutine ends by itself
}

func (d *driver) stopLinks() {
	d.mu.Lock()
	links := maps.Clone(d.links)
	d.mu.Unlock()
	for _, l := range links {
		l.stop()
	}
	for _, l := range links {
		<-l.done
	}
}

func (d *driver) reconcile(l *nodeLink, circles map[wire.CircleID]circle.Subscription) {
	var want, drop []wire.CircleID
	d.mu.Lock()
	for c, s := range circles {
		r := l.circles[c]
		if r == nil {
			r = &reading{}
			l.circles[c] = r
			want = append(want, c)
		}
		r.home, r.joining = s.Home, s.Joining
	}
	for c := range l.circles {
		if _, ok := circles[c]; !ok {
			delete(l.circles, c)
			drop = append(drop, c)
		}
	}
	d.mu.Unlock()
	for _, c := range want {
		d.want(l, c)
	}
	for _, c := range drop {
		l.Drop(c)
	}
}

func (d *driver) want(l *nodeLink, c wire.CircleID) {
	w := link.Want{Circle: c, After: func() uint64 { return d.after(c) }}
	if d.leaf != nil {
		w.Leaf = d.leaf(circle.ID(c))
	}
	l.Want(w)
}

// after is the actor's cursor in a circle.
func (d *driver) after(c wire.CircleID) uint64 {
	for _, s := range d.actor.Subscriptions() {
		if s.Circle == circle.ID(c) {
			return s.After
		}
	}
	return 0
}

// link is the link to a node, made when there is none.
func (d *driver) link(ctx context.Context, authority string) *nodeLink {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.links[authority]; l != nil {
		return l
	}
	l := &nodeLink{authority: authority, done: make(chan struct{}), circles: make(map[wire.CircleID]*reading)}
	o := link.Options{
		Node:    Node{Calls: d.calls, Authority: authority, By: d.account},
		Sink:    func(e []Event) { d.sink(ctx, l, e) },
		Refused: func(c wire.CircleID, p *wire.Problem) { d.refused(l, c, p) },
		State:   func(err error) { d.linkState(ctx, l, err) },
		Pace:    d.pace,
	}
	if d.leaf != nil {
		o.Key = func() Key { return d.anchorKey(l) }
	}
	if d.inbox != nil && authority == d.home {
		o.Inbox = d.inbox.after
	}
	l.Link = link.New(o)
	linkCtx, cancel := context.WithCancel(ctx)
	l.stop = cancel
	go func() {
		defer close(l.done)
		_ = l.Run(linkCtx) // ends with the context only
		d.offline(l)
	}()
	d.links[authority] = l
	return l
}

// anchorKey is the leaf that asks for the ticket: that of the home circle,
// which lives longest, where the link has one.
func (d *driver) anchorKey(l *nodeLink) Key {
	d.mu.Lock()
	var id circle.ID
	for c, r := range l.circles {
		if r.home || id.IsZero() {
			id = circle.ID(c)
		}
		if r.home {
			break
		}
	}
	d.mu.Unlock()
	return d.leafKey(id)
}

func (d *driver) leafKey(c circle.ID) Key {
	return Key{ID: "circle:" + c.String(), Signer: d.leaf(c)}
}

// linkState hears that a link is up (nil) or why it is down.
func (d *driver) linkState(ctx context.Context, l *nodeLink, err error) {
	var p *wire.Problem
	switch {
	case err == nil:
		d.background.Go(func() { d.greeted(ctx, l) })
	case errors.As(err, &p):
		d.clockRefused(p)
		d.offline(l)
	default:
		d.offline(l)
	}
	if d.state != nil {
		d.state(l.authority, err)
	}
	signal(d.wake)
}

// clockRefused lets the actor say that its clock is wrong, where that is why a
// node refuses it.
func (d *driver) clockRefused(p *wire.Problem) {
	if p.Named(wire.ProbClockSkew) && p.Now != nil {
		_ = d.actor.NodeTime(*p.Now) // it only says that nothing is sealed
	}
}

// greeted does what a fresh connection asks for, apart from its reading.
func (d *driver) greeted(ctx context.Context, l *nodeLink) {
	d.nodeTime(ctx, l)
	if d.inbox != nil && l.authority == d.home {
		d.inbox.catchUp(ctx)
	}
	if d.atHome != nil && l.authority == d.home {
		d.atHome(ctx)
	}
	signal(d.wake)
}

// nodeTime asks for the node's clock at every connection, so that an actor
// whose own clock is far off notices and seals nothing.
func (d *driver) nodeTime(ctx context.Context, l *nodeLink) {
	info, err := Node{Calls: d.calls, Authority: l.authority}.Info(ctx)
	if err == nil && !info.Time.IsZero() {
		if d.nodeNow != nil {
			d.nodeNow(l.authority, info.Time)
		}
		err = d.actor.NodeTime(info.Time)
	}
	if err != nil {
		d.log().Info("node's time not known", "node", l.authority, "why", err)
	}
}

func (d *driver) offline(l *nodeLink) {
	d.mu.Lock()
	var lost []circle.ID
	for c, r := range l.circles {
		if r.live {
			lost = append(lost, circle.ID(c))
		}
		r.live = false
	}
	d.mu.Unlock()
	if len(lost) > 0 {
		d.actor.Offline(lost...)
	}
}

// refused hears that a circle can't be read now.
func (d *driver) refused(l *nodeLink, c wire.CircleID, p *wire.Problem) {
	d.mu.Lock()
	r := l.circles[c]
	reading := r != nil && !r.joining
	if r != nil {
		r.refused = p
	}
	d.mu.Unlock()
	d.clockRefused(p)
	if reading && p.Named(wire.ProbFenced) {
		d.ended(c, p.Detail, p.Now)
	}
}

func (d *driver) ended(c wire.CircleID, reason string, at *time.Time) {
	t := d.calls.Clock.Now()
	if at != nil {
		t = *at
	}
	if err := d.actor.Ended(circle.ID(c), reason, t); err != nil && !errors.Is(err, circle.ErrUnknown) {
		d.log().Warn("end of circle not taken", "circle", c, "why", err)
	}
}

// signal leaves a mark in a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
