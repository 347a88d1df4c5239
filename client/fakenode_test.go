package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/client"
	"primum/internal/wire"
)

// fakeNode is a Transport whose other end is the test: requests go to answer,
// sockets come out of sockets.
type fakeNode struct {
	mu       sync.Mutex
	requests []client.Request
	answer   func(client.Request) (client.Response, error)
	sockets  chan *fakeSocket
	down     bool
	first    *fakeFrame // in place of the hello
}

func newFakeNode() *fakeNode {
	return &fakeNode{sockets: make(chan *fakeSocket, 16)}
}

func (f *fakeNode) Do(_ context.Context, r client.Request) (client.Response, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	down, answer := f.down, f.answer
	f.mu.Unlock()
	switch {
	case down:
		return client.Response{}, client.ErrUnreachable
	case answer != nil:
		return answer(r)
	case strings.HasSuffix(r.URL, "/v1/live"):
		return jsonResponse(200, wire.Ticket{Ticket: "t1"}), nil
	}
	return jsonResponse(404, wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotFound, Title: "not found"}), nil
}

func (f *fakeNode) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *fakeNode) count(suffix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasSuffix(r.URL, suffix) {
			n++
		}
	}
	return n
}

func jsonResponse(status int, v any) client.Response {
	b, _ := json.Marshal(v)
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	return client.Response{Status: status, Header: map[string]string{"content-type": kind}, Body: b}
}

func (f *fakeNode) Open(_ context.Context, url string, subprotocols []string) (client.Socket, error) {
	f.mu.Lock()
	down := f.down
	f.mu.Unlock()
	if down {
		return nil, client.ErrUnreachable
	}
	s := &fakeSocket{
		url: url, subprotocols: subprotocols,
		toClient: make(chan fakeFrame, 1024), toNode: make(chan fakeFrame, 1024), closed: make(chan struct{}),
	}
	if f.first != nil {
		s.toClient <- *f.first
	} else {
		s.control(wire.Control{Type: wire.CtlHello, Challenge: []byte("challenge")})
	}
	f.sockets <- s
	return s, nil
}

type fakeFrame struct {
	binary bool
	data   []byte
}

type fakeSocket struct {
	url          string
	subprotocols []string
	toClient     chan fakeFrame
	toNode       chan fakeFrame
	once         sync.Once
	closed       chan struct{}
}

func (s *fakeSocket) Read(ctx context.Context) (bool, []byte, error) {
	select {
	case f := <-s.toClient:
		return f.binary, f.data, nil
	default:
	}
	select {
	case f := <-s.toClient:
		return f.binary, f.data, nil
	case <-s.closed:
		return false, nil, errors.Join(client.ErrUnreachable, io.EOF)
	case <-ctx.Done():
		return false, nil, ctx.Err()
	}
}

func (s *fakeSocket) Write(_ context.Context, binary bool, data []byte) error {
	select {
	case <-s.closed:
		return client.ErrUnreachable
	default:
	}
	s.toNode <- fakeFrame{binary, append([]byte(nil), data...)}
	return nil
}

func (s *fakeSocket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *fakeSocket) control(c wire.Control) {
	b, _ := json.Marshal(c)
	s.toClient <- fakeFrame{false, b}
}

func (s *fakeSocket) frame(f wire.Frame) { s.toClient <- fakeFrame{true, f.AppendTo(nil)} }

// expect waits for the client's next frame.
func (s *fakeSocket) expect(t *testing.T) fakeFrame {
	t.Helper()
	select {
	case f := <-s.toNode:
		return f
	case <-time.After(10 * time.Second):
		t.Fatal("the client sent nothing")
		return fakeFrame{}
	}
}

func (s *fakeSocket) expectControl(t *testing.T, kind string) wire.Control {
	t.Helper()
	f := s.expect(t)
	var c wire.Control
	if f.binary || json.Unmarshal(f.data, &c) != nil || c.Type != kind {
		t.Fatalf("client sent %q, want a %s", f.data, kind)
	}
	return c
}

func (f *fakeNode) socket(t *testing.T) *fakeSocket {
	t.Helper()
	select {
	case s := <-f.sockets:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("the client opened no socket")
		return nil
	}
}
