package link

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"primum/internal/clock"
	"primum/internal/wire"
)

// Want is one circle a Link keeps subscribed.
type Want struct {
	Circle wire.CircleID
	// Leaf is proved once per session; nil where the session's own key is the
	// leaf.
	Leaf crypto.Signer
	// After tells the cursor to resume from, asked at every subscription.
	After func() uint64
}

// Options of a Link. All functions are called from the link's goroutine,
// in order, and may block it.
type Options struct {
	Node Node
	// Key is asked at every attempt, in place of Node.By, where not nil.
	Key func() Key
	// Sink takes what the node sent, as much as there is.
	Sink func([]Event)
	// Inbox is the inbox cursor; nil where the link reads no inbox.
	Inbox func() uint64
	// Refused hears that a circle can't be subscribed (now); the link tries
	// again by itself with growing pauses unless Drop is called.
	Refused func(wire.CircleID, *wire.Problem)
	// State hears nil when a session is up, and else why there is none.
	State func(error)
	// Pace is the clock of pauses between attempts, real when nil. It is
	// apart from the clock of documents, so that a test may hold that still.
	Pace clock.Clock
}

// Link keeps one live session to a node, with growing pauses between attempts
// (0.2 s to 60 s, with jitter), and what is wanted subscribed.
type Link struct {
	o    Options
	log  *slog.Logger
	wake chan struct{} // capacity 1: wants have changed
	now  chan struct{} // capacity 1: try to connect without further pause

	mu      sync.Mutex
	session *Session
	up      chan struct{} // closed while session is set
	wants   map[wire.CircleID]*want
	dropped []wire.CircleID // to be unsubscribed in this session
}

type want struct {
	Want
	on     bool      // subscribed in this session
	ended  int       // how often the node has ended a subscription
	retry  time.Time // not before
	pauses *Backoff
}

// New makes a link; nothing happens before Run.
func New(o Options) *Link {
	o.Node.Calls = o.Node.WithDefaults()
	if o.Pace == nil {
		o.Pace = clock.Real()
	}
	return &Link{
		o: o, log: o.Node.Log, wake: make(chan struct{}, 1), now: make(chan struct{}, 1),
		up: make(chan struct{}), wants: make(map[wire.CircleID]*want),
	}
}

// Run keeps the link until the context ends, and returns its error.
func (l *Link) Run(ctx context.Context) error {
	pauses := l.pauses(200*time.Millisecond, time.Minute)
	for {
		err := l.once(ctx, pauses)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.log.Info("link down", "node", l.o.Node.Authority, "why", err)
		if l.o.State != nil {
			l.o.State(err)
		}
		if err := pauses.Wait(ctx, RetryAfter(err), l.now); err != nil {
			return err
		}
	}
}

func (l *Link) pauses(first, last time.Duration) *Backoff {
	return NewBackoff(l.o.Pace, l.o.Node.Rand, first, last)
}

// retryAfter is the pause a node asked for.
func RetryAfter(err error) time.Duration {
	var p *wire.Problem
	if errors.As(err, &p) {
		return min(time.Duration(p.Retry)*time.Second, time.Hour)
	}
	return 0
}

// once is one session from ticket to loss.
func (l *Link) once(ctx context.Context, pauses *Backoff) error {
	n := l.o.Node
	if l.o.Key != nil {
		n.By = l.o.Key()
	}
	s, err := Connect(ctx, n)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.sock.Close() })
	defer stop()
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		for e := range s.Events() {
			l.o.Sink(batch(e, s.Events()))
		}
	}()
	defer func() { s.Close(); <-pumped }()
	if l.o.Inbox != nil {
		if err := s.SubscribeInbox(ctx, l.o.Inbox()); err != nil {
			return fmt.Errorf("subscribe inbox: %w", err)
		}
	}
	pauses.Reset()
	l.setSession(s)
	defer l.setSession(nil)
	if l.o.State != nil {
		l.o.State(nil)
	}
	return l.keep(ctx, s)
}

// batch is e and what waits behind it already.
func batch(e Event, more <-chan Event) []Event {
	all := []Event{e}
	for len(all) < eventBuffer {
		select {
		case e, ok := <-more:
			if !ok {
				return all
			}
			all = append(all, e)
		default:
			return all
		}
	}
	return all
}

func (l *Link) setSession(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil && s != nil {
		close(l.up)
	}
	if l.session != nil && s == nil {
		l.up = make(chan struct{})
	}
	l.session, l.dropped = s, nil
	for _, w := range l.wants {
		w.on, w.retry = false, time.Time{}
		w.pauses.Reset()
	}
}

// keep subscribes what is wanted until the session ends.
func (l *Link) keep(ctx context.Context, s *Session) error {
	for {
		next, err := l.subscribeDue(ctx, s)
		if err != nil {
			return err
		}
		t := l.o.Pace.NewTimer(next)
		select {
		case <-l.wake:
		case <-t.C():
		case <-s.closed:
			t.Stop()
			return s.Err()
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		t.Stop()
	}
}

// subscribeDue subscribes every want whose time has come, and tells how long
// to wait for the next.
func (l *Link) subscribeDue(ctx context.Context, s *Session) (time.Duration, error) {
	for {
		if err := l.unsubscribeDropped(ctx, s); err != nil {
			return 0, err
		}
		w, next := l.due()
		if w == nil {
			return next, nil
		}
		if err := l.subscribe(ctx, s, w); err != nil {
			return 0, err
		}
	}
}

func (l *Link) unsubscribeDropped(ctx context.Context, s *Session) error {
	l.mu.Lock()
	dropped := l.dropped
	l.dropped = nil
	l.mu.Unlock()
	for _, c := range dropped {
		var p *wire.Problem
		if err := s.Unsubscribe(ctx, c); err != nil && !errors.As(err, &p) {
			return err
		}
	}
	return nil
}

func (l *Link) due() (*want, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, next := l.o.Pace.Now(), time.Hour
	for _, w := range l.wants {
		if w.on {
			continue
		}
		if d := w.retry.Sub(now); d > 0 {
			next = min(next, d)
			continue
		}
		return w, 0
	}
	return nil, next
}

func (l *Link) subscribe(ctx context.Context, s *Session, w *want) error {
	l.mu.Lock()
	ended := w.ended
	l.mu.Unlock()
	err := l.proveAndSubscribe(ctx, s, w)
	var p *wire.Problem
	if err != nil && !errors.As(err, &p) {
		return err
	}
	l.mu.Lock()
	switch {
	case err == nil && l.wants[w.Circle] != w: // dropped meanwhile
		l.dropped = append(l.dropped, w.Circle)
	case err == nil && w.ended != ended: // and ended meanwhile: its time is set
	case err == nil:
		w.on = true
	default:
		w.retry = l.o.Pace.Now().Add(max(w.pauses.Next(), RetryAfter(err)))
	}
	l.mu.Unlock()
	l.Nudge()
	if err != nil && l.o.Refused != nil {
		l.o.Refused(w.Circle, p)
	}
	return nil
}

func (l *Link) proveAndSubscribe(ctx context.Context, s *Session, w *want) error {
	if w.Leaf != nil {
		if err := s.Prove(ctx, w.Circle, w.Leaf); err != nil {
			return err
		}
	}
	_, err := s.Subscribe(ctx, w.Circle, w.After())
	return err
}

// Want subscribes a circle now and in every session to come. Wanting it again
// subscribes it anew from its cursor.
func (l *Link) Want(w Want) {
	l.mu.Lock()
	if old := l.wants[w.Circle]; old != nil && old.on {
		l.dropped = append(l.dropped, w.Circle)
	}
	l.wants[w.Circle] = &want{Want: w, pauses: l.pauses(300*time.Millisecond, 30*time.Second)}
	l.mu.Unlock()
	l.Nudge()
}

// Again subscribes a wanted circle anew after a pause, which grows with every
// call in a session: the node has ended the subscription.
func (l *Link) Again(c wire.CircleID) {
	l.mu.Lock()
	if w := l.wants[c]; w != nil {
		w.on, w.retry = false, l.o.Pace.Now().Add(w.pauses.Next())
		w.ended++
	}
	l.mu.Unlock()
	l.Nudge()
}

// Wants tells whether a circle is wanted.
func (l *Link) Wants(c wire.CircleID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wants[c] != nil
}

// Drop wants a circle no more. It may be called from Sink.
func (l *Link) Drop(c wire.CircleID) {
	l.mu.Lock()
	if w := l.wants[c]; w != nil && w.on {
		l.dropped = append(l.dropped, c)
	}
	delete(l.wants, c)
	l.mu.Unlock()
	l.Nudge()
}

// Retry tries every refused subscription now.
func (l *Link) Retry() {
	l.mu.Lock()
	for _, w := range l.wants {
		w.retry = time.Time{}
	}
	l.mu.Unlock()
	l.Nudge()
}

// Nudge makes the link look at its wants.
func (l *Link) Nudge() { signal(l.wake) }

// Hurry ends a pause between two attempts to connect.
func (l *Link) Hurry() { signal(l.now) }

// signal leaves a mark in a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Up tells whether a session is up.
func (l *Link) Up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session != nil
}

// Session waits for a session that is up.
func (l *Link) Session(ctx context.Context) (*Session, error) {
	for {
		l.mu.Lock()
		s, up := l.session, l.up
		l.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Current is the session if one is up.
func (l *Link) Current() *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session
}
