package link_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"

	"primum/client/link"
	"primum/client/link/linktest"
	"primum/internal/wire"
)

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func testCalls(f *linktest.Node) link.Node {
	return link.Node{
		Calls:     link.Calls{Transport: f},
		Authority: "h.localhost:8401",
		By:        link.Key{ID: "acct:a@h.localhost:8401#phone", Signer: testKey()},
	}
}

func connect(t *testing.T) (*link.Session, *linktest.Socket, *linktest.Node) {
	t.Helper()
	f := linktest.New()
	s, err := link.Connect(t.Context(), testCalls(f))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, f.Socket(t), f
}

func TestConnectOffersTicket(t *testing.T) {
	t.Parallel()
	_, sock, f := connect(t)
	if sock.URL != "http://h.localhost:8401/v1/live" {
		t.Errorf("socket opened at %s", sock.URL)
	}
	if !slices.Equal(sock.Subprotocols, []string{wire.Subprotocol, wire.TicketPrefix + "t1"}) {
		t.Errorf("subprotocols %v", sock.Subprotocols)
	}
	if h := f.Requests()[0].Header; !strings.Contains(h["Signature-Input"], `keyid="acct:a@h.localhost:8401#phone"`) {
		t.Errorf("ticket asked with %v", h)
	}
}

func TestConnectRefusesNoHello(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]linktest.Frame{
		"other control": {Binary: false, Data: []byte(`{"t":"grants"}`)},
		"binary":        {Binary: true, Data: make([]byte, 30)},
		"no JSON":       {Binary: false, Data: []byte("hello")},
	} {
		f := linktest.New()
		f.First = &first
		if _, err := link.Connect(t.Context(), testCalls(f)); err == nil || !strings.Contains(err.Error(), "hello") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAppendWaitsForItsOwnAck(t *testing.T) {
	t.Parallel()
	s, sock, _ := connect(t)
	circle := wire.CircleID{1}
	type result struct {
		seq uint64
		err error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			seq, err := s.Append(t.Context(), circle, []byte("m"))
			results <- result{seq, err}
		}()
	}
	var refs []uint64
	for range 2 {
		f, err := wire.ParseFrame(sock.Expect(t).Data)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, f.Number)
	}
	sock.Control(wire.Control{Type: wire.CtlAck, Ref: refs[1], Seq: 7})
	if r := <-results; r.err != nil || r.seq != 7 {
		t.Errorf("first answer %+v", r)
	}
	sock.Control(wire.Control{Type: wire.CtlError, Ref: refs[0], Problem: &wire.Problem{Type: wire.ProblemPrefix + wire.ProbStaleEpoch, Title: "stale", Epoch: 4}})
	if r := <-results; !link.IsProblem(r.err, wire.ProbStaleEpoch) {
		t.Errorf("second answer %+v", r)
	}
}

func TestSubscribedComesBeforeItsFrames(t *testing.T) {
	t.Parallel()
	s, sock, _ := connect(t)
	circle := wire.CircleID{2}
	go func() {
		c := sock.ExpectControl(t, wire.CtlSub)
		sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref, Head: 9})
		sock.Deliver(wire.Frame{Circle: circle, Number: 9, Message: []byte("nine")})
	}()
	if _, err := s.Subscribe(t.Context(), circle, 8); err != nil {
		t.Fatal(err)
	}
	first, second := <-s.Events(), <-s.Events()
	if first.Subscribed == nil || first.Subscribed.Circle != circle.String() || first.Subscribed.Head != 9 {
		t.Errorf("first event %+v", first)
	}
	if second.Frame == nil || second.Frame.Number != 9 {
		t.Errorf("second event %+v", second)
	}
}

func TestLostSocketFailsWaiters(t *testing.T) {
	t.Parallel()
	s, sock, _ := connect(t)
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), wire.CircleID{}, nil)
		done <- err
	}()
	sock.Expect(t)
	_ = sock.Close()
	if err := <-done; !errors.Is(err, link.ErrUnreachable) {
		t.Errorf("append ended with %v", err)
	}
	if _, err := s.Append(t.Context(), wire.CircleID{}, nil); !errors.Is(err, link.ErrUnreachable) {
		t.Errorf("append after the end: %v", err)
	}
	if _, ok := <-s.Events(); ok {
		t.Error("an event after the end")
	}
}

func TestProveSignsChallengeAndCircle(t *testing.T) {
	t.Parallel()
	s, sock, _ := connect(t)
	circle, key := wire.CircleID{3}, testKey()
	go func() {
		c := sock.ExpectControl(t, wire.CtlProve)
		if !ed25519.Verify(key.Public().(ed25519.PublicKey), wire.ProofBytes([]byte("challenge"), circle), c.Signature) {
			t.Error("the proof does not verify")
		}
		sock.Control(wire.Control{Type: wire.CtlOK, Ref: c.Ref})
	}()
	if err := s.Prove(t.Context(), circle, key); err != nil {
		t.Error(err)
	}
}

func TestMalformedFrameEndsSession(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]linktest.Frame{
		"short binary": {Binary: true, Data: []byte("short")},
		"no JSON":      {Binary: false, Data: []byte("{")},
	} {
		s, sock, _ := connect(t)
		sock.Send(f)
		if _, ok := <-s.Events(); ok || s.Err() == nil {
			t.Errorf("%s: session goes on", name)
		}
	}
}

func TestCancelledCallIsForgotten(t *testing.T) {
	t.Parallel()
	s, sock, _ := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(ctx, wire.CircleID{}, nil)
		done <- err
	}()
	f, _ := wire.ParseFrame(sock.Expect(t).Data)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v", err)
	}
	sock.Control(wire.Control{Type: wire.CtlAck, Ref: f.Number, Seq: 1}) // late, for nobody
	sock.Control(wire.Control{Type: wire.CtlGrants})
	if e := <-s.Events(); e.Control == nil || e.Control.Type != wire.CtlGrants {
		t.Errorf("event %+v", e)
	}
}
