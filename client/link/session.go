package link

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"primum/internal/wire"
)

// Event is what a node sends without being asked, in the node's order.
// Exactly one member is set.
type Event struct {
	Frame   *wire.Frame   // a message of a circle
	Control *wire.Control // end, item or grants
	// Subscribed is the answer to a subscription; frames that follow it are
	// newer than the cursor it was made with.
	Subscribed *wire.Control
}

// Session is one live socket to one node, safe for concurrent use. The reader
// of Events must keep reading: when it stops, the node stops sending.
type Session struct {
	sock      Socket
	challenge []byte
	events    chan Event
	closed    chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	next    uint64
	pending map[uint64]*call
	err     error // why the reader ended; under mu
}

// call is one frame that awaits its ok, ack or error.
type call struct {
	answer chan wire.Control
	circle string // of a subscription, else empty
}

const eventBuffer = 256

// Connect opens a live session as n.By. The context bounds the opening only.
func Connect(ctx context.Context, n Node) (*Session, error) {
	t, err := n.Ticket(ctx)
	if err != nil {
		return nil, fmt.Errorf("get ticket: %w", err)
	}
	sock, err := n.Transport.Open(ctx, n.url("live"), []string{wire.Subprotocol, wire.TicketPrefix + t.Ticket})
	if err != nil {
		return nil, fmt.Errorf("open live socket to %s: %w", n.Authority, err)
	}
	s := &Session{
		sock:    sock,
		events:  make(chan Event, eventBuffer),
		closed:  make(chan struct{}),
		pending: make(map[uint64]*call),
	}
	if err := s.hello(ctx); err != nil {
		_ = sock.Close()
		return nil, fmt.Errorf("greet %s: %w", n.Authority, err)
	}
	go s.read()
	return s, nil
}

func (s *Session) hello(ctx context.Context) error {
	binary, b, err := s.sock.Read(ctx)
	if err != nil {
		return err
	}
	var c wire.Control
	if binary || json.Unmarshal(b, &c) != nil || c.Type != wire.CtlHello {
		return errors.New("the first frame is no hello")
	}
	s.challenge = c.Challenge
	return nil
}

// read owns the receiving half until the socket fails or Close.
func (s *Session) read() {
	var err error
	for err == nil {
		var binary bool
		var b []byte
		if binary, b, err = s.sock.Read(context.Background()); err == nil {
			err = s.handle(binary, b)
		}
	}
	s.mu.Lock()
	s.err = err
	for ref, c := range s.pending {
		delete(s.pending, ref)
		close(c.answer)
	}
	s.mu.Unlock()
	_ = s.sock.Close()
	close(s.events)
	close(s.closed)
}

func (s *Session) handle(binary bool, b []byte) error {
	if binary {
		f, err := wire.ParseFrame(b)
		if err != nil {
			return err
		}
		s.events <- Event{Frame: &f}
		return nil
	}
	var c wire.Control
	if err := json.Unmarshal(b, &c); err != nil {
		return fmt.Errorf("read control frame: %w", err)
	}
	switch c.Type {
	case wire.CtlOK, wire.CtlAck, wire.CtlError:
		s.answer(c)
	case wire.CtlEnd, wire.CtlInbox, wire.CtlGrants, wire.CtlParty:
		s.events <- Event{Control: &c}
	}
	return nil
}

// answer hands an answer to who waits for it. The answer of a subscription is
// also an event, so that it keeps its place before the frames that follow.
func (s *Session) answer(c wire.Control) {
	s.mu.Lock()
	p := s.pending[c.Ref]
	delete(s.pending, c.Ref)
	s.mu.Unlock()
	if p == nil {
		return
	}
	if p.circle != "" && c.Type == wire.CtlOK {
		c.Circle = p.circle
		s.events <- Event{Subscribed: &c}
	}
	p.answer <- c
}

// ask sends what make returns for a fresh number and waits for the answer.
func (s *Session) ask(ctx context.Context, sub string, frame func(ref uint64) (bool, []byte, error)) (wire.Control, error) {
	p := &call{answer: make(chan wire.Control, 1), circle: sub}
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return wire.Control{}, s.lost()
	}
	s.next++
	ref := s.next
	s.pending[ref] = p
	s.mu.Unlock()

	binary, b, err := frame(ref)
	if err == nil {
		err = s.sock.Write(ctx, binary, b)
	}
	if err != nil {
		s.forget(ref)
		return wire.Control{}, err
	}
	select {
	case c, ok := <-p.answer:
		return s.judge(c, ok)
	case <-ctx.Done():
		s.forget(ref)
		return wire.Control{}, ctx.Err()
	}
}

func (s *Session) judge(c wire.Control, ok bool) (wire.Control, error) {
	switch {
	case !ok:
		return c, s.lost()
	case c.Type == wire.CtlError && c.Problem != nil:
		return c, c.Problem
	case c.Type == wire.CtlError:
		return c, errors.New("the node refused without saying why")
	}
	return c, nil
}

func (s *Session) forget(ref uint64) {
	s.mu.Lock()
	delete(s.pending, ref)
	s.mu.Unlock()
}

func (s *Session) lost() error {
	return fmt.Errorf("%w: the live socket is closed", ErrUnreachable)
}

func (s *Session) control(ctx context.Context, sub string, c wire.Control) (wire.Control, error) {
	return s.ask(ctx, sub, func(ref uint64) (bool, []byte, error) {
		c.Ref = ref
		b, err := json.Marshal(c)
		return false, b, err
	})
}

// Events delivers until the session ends; then it is closed and Err says why.
func (s *Session) Events() <-chan Event { return s.events }

// Err is why the session ended, nil while it lasts.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Prove shows that the session's holder has the leaf key of a circle; an
// anchor does it once per circle and session.
func (s *Session) Prove(ctx context.Context, c wire.CircleID, key crypto.Signer) error {
	sig, err := key.Sign(rand.Reader, wire.ProofBytes(s.challenge, c), crypto.Hash(0))
	if err != nil {
		return fmt.Errorf("prove leaf: %w", err)
	}
	_, err = s.control(ctx, "", wire.Control{Type: wire.CtlProve, Circle: c.String(), Signature: sig})
	return err
}

// Subscribe asks for a circle's messages after a sequence number, kept ones
// first, then live ones.
func (s *Session) Subscribe(ctx context.Context, c wire.CircleID, after uint64) (wire.Control, error) {
	return s.control(ctx, c.String(), wire.Control{Type: wire.CtlSub, Circle: c.String(), After: after})
}

// Unsubscribe ends a subscription.
func (s *Session) Unsubscribe(ctx context.Context, c wire.CircleID) error {
	_, err := s.control(ctx, "", wire.Control{Type: wire.CtlUnsub, Circle: c.String()})
	return err
}

// SubscribeInbox asks for the own inbox after a cursor, then live.
func (s *Session) SubscribeInbox(ctx context.Context, after uint64) error {
	_, err := s.control(ctx, "", wire.Control{Type: wire.CtlInSub, After: after})
	return err
}

// Append appends a message and tells its sequence number once it is durable.
func (s *Session) Append(ctx context.Context, c wire.CircleID, message []byte) (uint64, error) {
	a, err := s.ask(ctx, "", func(ref uint64) (bool, []byte, error) {
		return true, wire.Frame{Circle: c, Number: ref, Message: message}.AppendTo(nil), nil
	})
	return a.Seq, err
}

// Commit appends a commit and its Welcome in one step.
func (s *Session) Commit(ctx context.Context, c wire.CircleID, commit, welcome []byte) (Appended, error) {
	a, err := s.control(ctx, "", wire.Control{Type: wire.CtlCommit, Circle: c.String(), Commit: commit, Welcome: welcome})
	return Appended{Seq: a.Seq, WelcomeAt: a.WelcomeAt}, err
}

// Close ends the session and waits for its reader, which may be handing out an
// event: the reader of Events sees the channel closed.
func (s *Session) Close() {
	_ = s.sock.Close()
	for range s.events {
	}
	<-s.closed
}
