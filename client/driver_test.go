package client_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/link/linktest"
	"primum/internal/clock"
	"primum/internal/wire"
)

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

// scriptedActor is an actor of one circle that records what the driver does.
type scriptedActor struct {
	mu       sync.Mutex
	effects  []circle.Effect
	events   []circle.Event
	cursor   uint64
	full     bool // Receive has no room
	ended    string
	circle   circle.ID
	changed  chan struct{}
	calls    chan string
	failures chan circle.Refusal
}

func newScriptedActor() *scriptedActor {
	return &scriptedActor{
		circle: circle.ID{1}, changed: make(chan struct{}, 1),
		calls: make(chan string, 1000), failures: make(chan circle.Refusal, 100),
	}
}

func (a *scriptedActor) change(f func()) {
	a.mu.Lock()
	f()
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *scriptedActor) Effects() []circle.Effect {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.effects)
}

func (a *scriptedActor) drop(id string) {
	a.effects = slices.DeleteFunc(a.effects, func(e circle.Effect) bool { return e.ID == id })
}

func (a *scriptedActor) Done(id string, _ circle.Result) error {
	a.change(func() { a.drop(id) })
	a.calls <- "done " + id
	return nil
}

func (a *scriptedActor) Failed(id string, r *circle.Refusal) error {
	a.change(func() { a.drop(id) })
	a.failures <- *r
	return nil
}

func (a *scriptedActor) Events() []circle.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.events)
}

func (a *scriptedActor) Ack(id uint64) error {
	a.change(func() {
		a.events = slices.DeleteFunc(a.events, func(e circle.Event) bool { return e.ID <= id })
		a.full = false
	})
	return nil
}

func (a *scriptedActor) Changed() <-chan struct{} { return a.changed }

func (a *scriptedActor) Subscriptions() []circle.Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended != "" {
		return nil
	}
	return []circle.Subscription{{Circle: a.circle, Node: "h.localhost:8401", After: a.cursor, Home: true}}
}

func (a *scriptedActor) Receive(_ circle.ID, frames []circle.Frame) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full {
		a.calls <- "full"
		return 0, circle.ErrFull
	}
	for i, f := range frames {
		switch {
		case f.Seq <= a.cursor:
		case f.Seq == a.cursor+1:
			a.cursor++
			a.calls <- "frame " + string(f.Message)
		default:
			a.calls <- "gap"
			return i, nil
		}
	}
	return len(frames), nil
}

func (a *scriptedActor) Synced(circle.ID, uint64, uint64) error { a.calls <- "synced"; return nil }
func (a *scriptedActor) Offline(...circle.ID)                   { a.calls <- "offline" }
func (a *scriptedActor) NextTick() time.Time                    { return time.Time{} }
func (a *scriptedActor) Tick() error                            { return nil }
func (a *scriptedActor) NodeTime(time.Time) error               { return nil }

func (a *scriptedActor) Ended(_ circle.ID, reason string, _ time.Time) error {
	a.change(func() { a.ended = reason })
	a.calls <- "ended " + reason
	return nil
}

func (a *scriptedActor) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := linktest.Receive(t, a.calls, w); got != w {
			t.Fatalf("the driver did %q, want %q", got, w)
		}
	}
}

func drive(t *testing.T, a *scriptedActor, f *linktest.Node, take func(circle.Event) error) *clock.Manual {
	t.Helper()
	pace := clock.NewManual(time.Unix(1_800_000_000, 0))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		leaf := func(circle.ID) crypto.Signer { return testKey() }
		if err := client.DriveForTest(ctx, a, client.Calls{Transport: f}, pace, leaf, take); !errors.Is(err, context.Canceled) {
			t.Errorf("driver ended with %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return pace
}

func acceptAnchor(t *testing.T, sock *linktest.Socket, after, head uint64) {
	t.Helper()
	p := sock.ExpectControl(t, wire.CtlProve)
	sock.Control(wire.Control{Type: wire.CtlOK, Ref: p.Ref})
	c := sock.ExpectControl(t, wire.CtlSub)
	if c.After != after {
		t.Errorf("subscribed after %d, want %d", c.After, after)
	}
	sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref, Head: head})
}

func TestDriverReceivesInOrderAndResumesAfterAGap(t *testing.T) {
	t.Parallel()
	a, f := newScriptedActor(), linktest.New()
	drive(t, a, f, func(circle.Event) error { return nil })
	sock := f.Socket(t)
	id := wire.CircleID(a.circle)
	acceptAnchor(t, sock, 0, 2)
	sock.Deliver(wire.Frame{Circle: id, Number: 1, Message: []byte("1")})
	a.expect(t, "synced", "frame 1")
	sock.Deliver(wire.Frame{Circle: id, Number: 3, Message: []byte("3")})
	a.expect(t, "gap", "offline")
	if c := sock.ExpectControl(t, wire.CtlUnsub); c.Circle != id.String() {
		t.Errorf("unsubscribed %s", c.Circle)
	} else {
		sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref})
	}
	acceptAnchor(t, sock, 1, 3)
	sock.Deliver(wire.Frame{Circle: id, Number: 2, Message: []byte("2")})
	a.expect(t, "synced", "frame 2")
	when := time.Unix(1_800_000_100, 0)
	sock.Control(wire.Control{Type: wire.CtlEnd, Circle: id.String(), Reason: "withdrawn", At: &when})
	a.expect(t, "ended withdrawn")
}

func TestDriverPerformsOverTheSocketAndAnswers(t *testing.T) {
	t.Parallel()
	a, f := newScriptedActor(), linktest.New()
	drive(t, a, f, func(circle.Event) error { return nil })
	sock := f.Socket(t)
	acceptAnchor(t, sock, 0, 0)
	a.expect(t, "synced")
	a.change(func() {
		a.effects = append(a.effects, circle.Effect{ID: "e1", Kind: circle.EffectAppend, Node: "h.localhost:8401", Circle: a.circle, Message: []byte("m")})
	})
	frame, err := wire.ParseFrame(sock.Expect(t).Data)
	if err != nil || string(frame.Message) != "m" {
		t.Fatalf("sent %+v, %v", frame, err)
	}
	sock.Control(wire.Control{Type: wire.CtlAck, Ref: frame.Number, Seq: 1})
	a.expect(t, "done e1")
	a.change(func() {
		a.effects = append(a.effects, circle.Effect{ID: "e2", Kind: circle.EffectCommit, Node: "h.localhost:8401", Circle: a.circle, Commit: []byte("c")})
	})
	c := sock.ExpectControl(t, wire.CtlCommit)
	sock.Control(wire.Control{Type: wire.CtlError, Ref: c.Ref, Problem: &wire.Problem{
		Type: wire.ProblemPrefix + wire.ProbStaleEpoch, Epoch: 7, Retry: 3, Detail: "older",
	}})
	if r := linktest.Receive(t, a.failures, "failure"); r.Kind != circle.KindStaleEpoch || r.Epoch != 7 || r.RetryAfter != 3*time.Second {
		t.Errorf("refusal %+v", r)
	}
}

func TestDriverTellsOfflineNodes(t *testing.T) {
	t.Parallel()
	a, f := newScriptedActor(), linktest.New()
	f.SetDown(true)
	a.effects = []circle.Effect{
		{ID: "e1", Kind: circle.EffectAppend, Node: "h.localhost:8401", Circle: a.circle},
		{ID: "e2", Kind: circle.EffectFetchIdentity, Account: "a@s.localhost"},
		{ID: "e3", Kind: "from the future"},
	}
	drive(t, a, f, func(circle.Event) error { return nil })
	var kinds []string
	for range 3 {
		kinds = append(kinds, linktest.Receive(t, a.failures, "failure").Kind)
	}
	slices.Sort(kinds)
	if want := []string{circle.KindInternal, circle.KindOffline, circle.KindOffline}; !slices.Equal(kinds, want) {
		t.Errorf("refusals %v, want %v", kinds, want)
	}
}

// An event is acknowledged only after it was taken; while the actor has no
// room, frames wait and none is lost.
func TestDriverWaitsForRoom(t *testing.T) {
	t.Parallel()
	a, f := newScriptedActor(), linktest.New()
	a.full = true
	a.events = []circle.Event{{ID: 1, Kind: circle.EventValue}}
	taken := make(chan error)
	drive(t, a, f, func(circle.Event) error { return <-taken })
	sock := f.Socket(t)
	acceptAnchor(t, sock, 0, 1)
	sock.Deliver(wire.Frame{Circle: wire.CircleID(a.circle), Number: 1, Message: []byte("1")})
	a.expect(t, "synced", "full")
	taken <- errors.New("the disk is full")
	if len(a.Events()) != 1 {
		t.Error("an event that was not taken was acknowledged")
	}
	a.change(func() {})
	taken <- nil
	a.expect(t, "frame 1")
}

func TestDriverSignsForTheLeaf(t *testing.T) {
	t.Parallel()
	a, f := newScriptedActor(), linktest.New()
	drive(t, a, f, func(circle.Event) error { return nil })
	f.Socket(t)
	for _, r := range f.Requests() {
		if strings.HasSuffix(r.URL, "/v1/live") && !strings.Contains(r.Header["Signature-Input"], `keyid="circle:`+a.circle.String()) {
			t.Errorf("the ticket was asked with %v", r.Header)
		}
	}
}
