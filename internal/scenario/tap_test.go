package scenario

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"primum/client"
	"primum/internal/wire"
)

// crossing is a message on its way to a node: said once before it leaves, and
// once more, with Acked and Seq, when its acknowledgement has come.
type crossing struct {
	Acked   bool          `json:"acked,omitempty"`
	Circle  wire.CircleID `json:"circle"`
	Seq     uint64        `json:"seq,omitempty"`
	Message []byte        `json:"message"`
}

// tap is a transport that says which messages leave and which acknowledgements
// come. hooks may block: a message is held before or after it has left, an
// acknowledgement before anybody has seen it.
type tap struct {
	client.Transport
	cross  func(crossing)
	before func() // a message is about to leave
	after  func() // it has left
	read   func() // something came and was not looked at
	// refused hears problems that came in place of acknowledgements; may be nil.
	refused func(*wire.Problem)
}

func hook(f func()) {
	if f != nil {
		f()
	}
}

// Do looks at appends and commits that go by HTTP.
func (t *tap) Do(ctx context.Context, r client.Request) (client.Response, error) {
	out := httpCrossing(r)
	if out == nil {
		return t.Transport.Do(ctx, r)
	}
	t.cross(*out)
	hook(t.before)
	resp, err := t.Transport.Do(ctx, r)
	hook(t.after)
	hook(t.read)
	var done client.Appended
	if err == nil && resp.Status == 200 && json.Unmarshal(resp.Body, &done) == nil {
		out.Acked, out.Seq = true, done.Seq
		t.cross(*out)
	}
	return resp, err
}

func httpCrossing(r client.Request) *crossing {
	_, rest, ok := strings.Cut(r.URL, "/v1/circles/")
	hex, what, _ := strings.Cut(rest, "/")
	id, err := wire.ParseCircleID(hex)
	if !ok || err != nil || r.Method != "POST" {
		return nil
	}
	switch what {
	case "append":
		return &crossing{Circle: id, Message: r.Body}
	case "commit":
		var c struct{ Commit []byte }
		if json.Unmarshal(r.Body, &c) == nil {
			return &crossing{Circle: id, Message: c.Commit}
		}
	}
	return nil
}

// Open taps a live socket.
func (t *tap) Open(ctx context.Context, url string, subprotocols []string) (client.Socket, error) {
	s, err := t.Transport.Open(ctx, url, subprotocols)
	if err != nil {
		return nil, err
	}
	return &tappedSocket{Socket: s, tap: t, waiting: map[uint64]crossing{}}, nil
}

type tappedSocket struct {
	client.Socket
	tap *tap

	mu      sync.Mutex
	waiting map[uint64]crossing // by reference; under mu
}

func (s *tappedSocket) Write(ctx context.Context, binary bool, data []byte) error {
	ref, out := socketCrossing(binary, data)
	if out == nil {
		return s.Socket.Write(ctx, binary, data)
	}
	s.mu.Lock()
	s.waiting[ref] = *out
	s.mu.Unlock()
	s.tap.cross(*out)
	hook(s.tap.before)
	err := s.Socket.Write(ctx, binary, data)
	hook(s.tap.after)
	return err
}

func socketCrossing(binary bool, data []byte) (ref uint64, out *crossing) {
	if binary {
		f, err := wire.ParseFrame(data)
		if err != nil {
			return 0, nil
		}
		return f.Number, &crossing{Circle: f.Circle, Message: f.Message}
	}
	var c wire.Control
	if json.Unmarshal(data, &c) != nil || c.Type != wire.CtlCommit {
		return 0, nil
	}
	id, err := wire.ParseCircleID(c.Circle)
	if err != nil {
		return 0, nil
	}
	return c.Ref, &crossing{Circle: id, Message: c.Commit}
}

func (s *tappedSocket) Read(ctx context.Context) (bool, []byte, error) {
	binary, data, err := s.Socket.Read(ctx)
	hook(s.tap.read)
	var c wire.Control
	if err != nil || binary || json.Unmarshal(data, &c) != nil || c.Ref == 0 {
		return binary, data, err
	}
	s.mu.Lock()
	out, ok := s.waiting[c.Ref]
	delete(s.waiting, c.Ref)
	s.mu.Unlock()
	if ok && c.Problem != nil && s.tap.refused != nil {
		s.tap.refused(c.Problem)
	}
	if ok && c.Type != wire.CtlError {
		out.Acked, out.Seq = true, c.Seq
		s.tap.cross(out)
	}
	return binary, data, err
}

// ledger is what crossed to nodes: everything that was sent, and what was
// acknowledged. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	sent  map[wire.CircleID][][]byte
	acked map[wire.CircleID]map[uint64][]byte
	open  int // messages sent and not acknowledged since the last settle
}

func newLedger() *ledger {
	return &ledger{sent: map[wire.CircleID][][]byte{}, acked: map[wire.CircleID]map[uint64][]byte{}}
}

func (l *ledger) note(c crossing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.Acked {
		l.sent[c.Circle] = append(l.sent[c.Circle], append([]byte(nil), c.Message...))
		l.open++
		return
	}
	if l.acked[c.Circle] == nil {
		l.acked[c.Circle] = map[uint64][]byte{}
	}
	l.acked[c.Circle][c.Seq] = append([]byte(nil), c.Message...)
	l.open--
}

// settle tells how many messages were under way, and begins anew.
func (l *ledger) settle() (inFlight int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFlight, l.open = l.open, 0
	return inFlight
}

// total is the number of acknowledgements.
func (l *ledger) total() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, acked := range l.acked {
		n += len(acked)
	}
	return n
}
