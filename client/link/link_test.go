package link_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"primum/client/link"
	"primum/client/link/linktest"
	"primum/internal/clock"
	"primum/internal/wire"
)

type linkUnderTest struct {
	*link.Link
	node   *linktest.Node
	pace   *clock.Manual
	events chan link.Event
	states chan error
	refuse chan *wire.Problem
}

func startLink(t *testing.T, down bool) *linkUnderTest {
	t.Helper()
	return startLinkAs(t, down, func(link.Event) {})
}

func startLinkWith(t *testing.T, each func(link.Event)) *linkUnderTest {
	t.Helper()
	return startLinkAs(t, false, each)
}

func startLinkAs(t *testing.T, down bool, each func(link.Event)) *linkUnderTest {
	t.Helper()
	l := &linkUnderTest{
		node: linktest.New(), pace: clock.NewManual(time.Unix(1_800_000_000, 0)),
		events: make(chan link.Event, 100), states: make(chan error, 100), refuse: make(chan *wire.Problem, 100),
	}
	l.node.SetDown(down)
	l.Link = link.New(link.Options{
		Node: testCalls(l.node), Pace: l.pace,
		Sink: func(all []link.Event) {
			for _, e := range all {
				each(e)
				l.events <- e
			}
		},
		State:   func(err error) { l.states <- err },
		Refused: func(_ wire.CircleID, p *wire.Problem) { l.refuse <- p },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

func (l *linkUnderTest) accept(t *testing.T, sock *linktest.Socket, after uint64) {
	t.Helper()
	c := sock.ExpectControl(t, wire.CtlSub)
	if c.After != after {
		t.Errorf("subscribed after %d, want %d", c.After, after)
	}
	sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref, Head: after})
	if e := linktest.Receive(t, l.events, "subscription"); e.Subscribed == nil {
		t.Errorf("event %+v", e)
	}
}

func TestLinkResumesByCursor(t *testing.T) {
	t.Parallel()
	l := startLink(t, false)
	circle := wire.CircleID{7}
	var cursor atomic.Uint64
	l.Want(link.Want{Circle: circle, After: cursor.Load})
	sock := l.node.Socket(t)
	if err := linktest.Receive(t, l.states, "state"); err != nil {
		t.Fatal(err)
	}
	l.accept(t, sock, 0)
	sock.Deliver(wire.Frame{Circle: circle, Number: 41})
	if e := linktest.Receive(t, l.events, "frame"); e.Frame == nil || e.Frame.Number != 41 {
		t.Errorf("event %+v", e)
	}
	cursor.Store(41)
	_ = sock.Close()
	if err := linktest.Receive(t, l.states, "state"); err == nil {
		t.Error("the loss was not told")
	}
	if err := l.pace.BlockUntil(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	l.pace.Advance(time.Second)
	again := l.node.Socket(t)
	if err := linktest.Receive(t, l.states, "state"); err != nil {
		t.Fatal(err)
	}
	l.accept(t, again, 41)
}

// Pauses grow, so that a node that is away is not hammered: within the first
// ten minutes there are few attempts, and a hurried one comes at once.
func TestLinkBacksOff(t *testing.T) {
	t.Parallel()
	l := startLink(t, true)
	for range 600 {
		if err := l.pace.BlockUntil(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		l.pace.Advance(time.Second)
	}
	if n := l.node.Count("/v1/live"); n < 8 || n > 40 {
		t.Errorf("%d attempts in ten minutes", n)
	}
	l.node.SetDown(false)
	if err := l.pace.BlockUntil(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	l.Hurry()
	l.node.Socket(t)
}

func TestLinkTriesRefusedSubscriptionAgain(t *testing.T) {
	t.Parallel()
	l := startLink(t, false)
	l.Want(link.Want{Circle: wire.CircleID{9}, After: func() uint64 { return 3 }})
	sock := l.node.Socket(t)
	c := sock.ExpectControl(t, wire.CtlSub)
	sock.Control(wire.Control{Type: wire.CtlError, Ref: c.Ref, Problem: &wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotYet}})
	if p := linktest.Receive(t, l.refuse, "refusal"); !p.Named(wire.ProbNotYet) {
		t.Errorf("refused with %+v", p)
	}
	l.Retry() // the node said that something changed
	l.accept(t, sock, 3)
}

func TestLinkDropUnsubscribes(t *testing.T) {
	t.Parallel()
	l := startLink(t, false)
	circle := wire.CircleID{9}
	l.Want(link.Want{Circle: circle, After: func() uint64 { return 0 }})
	sock := l.node.Socket(t)
	l.accept(t, sock, 0)
	l.Drop(circle)
	if c := sock.ExpectControl(t, wire.CtlUnsub); c.Circle != circle.String() {
		t.Errorf("unsubscribed %s", c.Circle)
	}
	if l.Wants(circle) {
		t.Error("still wanted")
	}
}

func TestLinkProvesLeafBeforeSubscribing(t *testing.T) {
	t.Parallel()
	l := startLink(t, false)
	l.Want(link.Want{Circle: wire.CircleID{5}, Leaf: testKey(), After: func() uint64 { return 0 }})
	sock := l.node.Socket(t)
	c := sock.ExpectControl(t, wire.CtlProve)
	sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref})
	l.accept(t, sock, 0)
}

// The node may end a subscription in the same breath in which it accepts it:
// it is asked for again after a pause, not forgotten.
func TestLinkAsksAgainAfterAnEnd(t *testing.T) {
	t.Parallel()
	circle := wire.CircleID{4}
	var l *linkUnderTest
	ready := make(chan struct{})
	l = startLinkWith(t, func(e link.Event) {
		<-ready
		if e.Control != nil && e.Control.Type == wire.CtlEnd {
			l.Again(circle)
		}
	})
	close(ready)
	l.Want(link.Want{Circle: circle, After: func() uint64 { return 0 }})
	sock := l.node.Socket(t)
	for range 3 {
		c := sock.ExpectControl(t, wire.CtlSub)
		sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref})
		sock.Control(wire.Control{Type: wire.CtlEnd, Circle: circle.String(), Reason: "restored"})
		linktest.Receive(t, l.events, "subscription")
		linktest.Receive(t, l.events, "end")
		if err := l.pace.BlockUntil(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		l.pace.Advance(time.Minute)
	}
}
