// Package linktest is a node for tests: a transport whose other end is the
// test itself, without any network.
package linktest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/client/link"
	"primum/internal/wire"
)

// Node is a link.Transport: requests go to Answer, sockets come out of Socket.
type Node struct {
	// Answer answers requests; nil gives tickets and knows nothing else. First
	// stands in place of the hello. Both are set before use.
	Answer func(link.Request) (link.Response, error)
	First  *Frame

	sockets chan *Socket

	mu       sync.Mutex
	requests []link.Request // guarded by mu
	down     bool           // guarded by mu
}

// New makes a node that is up.
func New() *Node {
	return &Node{sockets: make(chan *Socket, 16)}
}

// Do implements link.Transport.
func (f *Node) Do(_ context.Context, r link.Request) (link.Response, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	down, answer := f.down, f.Answer
	f.mu.Unlock()
	switch {
	case down:
		return link.Response{}, link.ErrUnreachable
	case answer != nil:
		return answer(r)
	case strings.HasSuffix(r.URL, "/v1/live"):
		return JSON(200, wire.Ticket{Ticket: "t1"}), nil
	}
	return JSON(404, wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotFound, Title: "not found"}), nil
}

// SetDown makes the node unreachable, or reachable again.
func (f *Node) SetDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Requests are those that were made so far.
func (f *Node) Requests() []link.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Count counts the requests to addresses with an ending.
func (f *Node) Count(suffix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasSuffix(r.URL, suffix) {
			n++
		}
	}
	return n
}

// JSON is an answer; from status 400 on, a problem.
func JSON(status int, v any) link.Response {
	b, _ := json.Marshal(v)
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	return link.Response{Status: status, Header: map[string]string{"content-type": kind}, Body: b}
}

// Open implements link.Transport.
func (f *Node) Open(_ context.Context, url string, subprotocols []string) (link.Socket, error) {
	f.mu.Lock()
	down := f.down
	f.mu.Unlock()
	if down {
		return nil, link.ErrUnreachable
	}
	s := &Socket{
		URL: url, Subprotocols: subprotocols,
		toClient: make(chan Frame, 1024), toNode: make(chan Frame, 1024), closed: make(chan struct{}),
	}
	if f.First != nil {
		s.toClient <- *f.First
	} else {
		s.Control(wire.Control{Type: wire.CtlHello, Challenge: []byte("challenge")})
	}
	f.sockets <- s
	return s, nil
}

// Frame is one frame of a socket.
type Frame struct {
	Binary bool
	Data   []byte
}

// Socket is the test's end of a socket.
type Socket struct {
	URL          string
	Subprotocols []string

	toClient chan Frame
	toNode   chan Frame
	once     sync.Once
	closed   chan struct{}
}

// Read implements link.Socket.
func (s *Socket) Read(ctx context.Context) (bool, []byte, error) {
	select {
	case f := <-s.toClient:
		return f.Binary, f.Data, nil
	default:
	}
	select {
	case f := <-s.toClient:
		return f.Binary, f.Data, nil
	case <-s.closed:
		return false, nil, errors.Join(link.ErrUnreachable, io.EOF)
	case <-ctx.Done():
		return false, nil, ctx.Err()
	}
}

// Write implements link.Socket.
func (s *Socket) Write(_ context.Context, binary bool, data []byte) error {
	select {
	case <-s.closed:
		return link.ErrUnreachable
	default:
	}
	s.toNode <- Frame{binary, append([]byte(nil), data...)}
	return nil
}

// Close breaks the connection, from either end.
func (s *Socket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// Control sends a control frame to the client.
func (s *Socket) Control(c wire.Control) {
	b, _ := json.Marshal(c)
	s.Send(Frame{false, b})
}

// Send sends any frame to the client.
func (s *Socket) Send(f Frame) { s.toClient <- f }

// Deliver sends a message of a circle to the client.
func (s *Socket) Deliver(f wire.Frame) { s.Send(Frame{true, f.AppendTo(nil)}) }

// Expect waits for the client's next frame.
func (s *Socket) Expect(t *testing.T) Frame {
	t.Helper()
	select {
	case f := <-s.toNode:
		return f
	case <-time.After(10 * time.Second):
		t.Fatal("the client sent nothing")
		return Frame{}
	}
}

// ExpectControl waits for a control frame of one type.
func (s *Socket) ExpectControl(t *testing.T, kind string) wire.Control {
	t.Helper()
	f := s.Expect(t)
	var c wire.Control
	if f.Binary || json.Unmarshal(f.Data, &c) != nil || c.Type != kind {
		t.Fatalf("client sent %q, want a %s", f.Data, kind)
	}
	return c
}

// Socket waits for the next socket that the client opens.
func (f *Node) Socket(t *testing.T) *Socket {
	t.Helper()
	select {
	case s := <-f.sockets:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("the client opened no socket")
		return nil
	}
}

// Receive waits for what comes out of a channel.
func Receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("no %s came", what)
	}
	return v
}
