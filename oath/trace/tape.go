package trace

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/client"
	"primum/internal/clock"
	"primum/internal/wire"
)

// maxTape bounds the bytes that one tape keeps; what comes after them is counted
// and not kept.
const maxTape = 16 << 20

// Way is how something crossed to or from the node.
type Way uint8

const (
	Asked    Way = iota // a request
	Answered            // its answer
	Sent                // a frame of a live socket, to the node
	Heard               // a frame of a live socket, from the node
)

// Crossing is one thing that crossed.
type Crossing struct {
	At     time.Time
	Way    Way
	Where  string // "GET /v1/grants"; empty for frames
	Status int    // of an answer
	Header map[string]string
	Binary bool
	Bytes  []byte
}

// Tape is a transport that keeps a copy of all that crosses: what one member of
// the cast said to the node and heard from it. Safe for concurrent use.
type Tape struct {
	client.Transport
	clock clock.Clock

	mu   sync.Mutex // over all below
	all  []Crossing
	size int
	lost int // crossings that were not kept
	cut  bool
	open map[*tapedSocket]bool
}

func NewTape(t client.Transport, c clock.Clock) *Tape {
	return &Tape{Transport: t, clock: c, open: map[*tapedSocket]bool{}}
}

func (t *Tape) keep(c Crossing) {
	c.At = t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size+len(c.Bytes) > maxTape {
		t.lost++
		return
	}
	t.size += len(c.Bytes)
	c.Bytes = append([]byte(nil), c.Bytes...)
	t.all = append(t.all, c)
}

// Mark is the place of what comes next.
func (t *Tape) Mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// Since is what crossed since a mark.
func (t *Tape) Since(mark int) []Crossing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[mark:len(t.all):len(t.all)]
}

// Whole tells whether nothing is missing on the tape.
func (t *Tape) Whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost == 0
}

// Cable cuts the way to the network, or mends it: for the machines of the cast
// the node is gone.
func (t *Tape) Cable(cut bool) {
	t.mu.Lock()
	t.cut = cut
	var all []*tapedSocket
	for s := range t.open {
		all = append(all, s)
	}
	t.mu.Unlock()
	for _, s := range all {
		if cut {
			_ = s.Close() // its reader says why it ended
		}
	}
}

func (t *Tape) isCut() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return fmt.Errorf("the check has cut the cable: %w", client.ErrUnreachable)
	}
	return nil
}

// Do implements client.Transport.
func (t *Tape) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if err := t.isCut(); err != nil {
		return client.Response{}, err
	}
	where := r.Method + " " + pathOf(r.URL)
	t.keep(Crossing{Way: Asked, Where: where, Header: r.Header, Bytes: r.Body})
	resp, err := t.Transport.Do(ctx, r)
	if err == nil {
		t.keep(Crossing{Way: Answered, Where: where, Status: resp.Status, Header: resp.Header, Bytes: resp.Body})
	}
	return resp, err
}

// pathOf cuts scheme and authority off an address.
func pathOf(address string) string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return "/"
	}
	return rest[i:]
}

// Open implements client.Transport.
func (t *Tape) Open(ctx context.Context, address string, subprotocols []string) (client.Socket, error) {
	if err := t.isCut(); err != nil {
		return nil, err
	}
	s, err := t.Transport.Open(ctx, address, subprotocols)
	if err != nil {
		return nil, err
	}
	socket := &tapedSocket{s, t}
	t.mu.Lock()
	t.open[socket] = true
	t.mu.Unlock()
	return socket, nil
}

type tapedSocket struct {
	client.Socket
	tape *Tape
}

// Close implements client.Socket.
func (s *tapedSocket) Close() error {
	s.tape.mu.Lock()
	delete(s.tape.open, s)
	s.tape.mu.Unlock()
	return s.Socket.Close()
}

func (s *tapedSocket) Write(ctx context.Context, binary bool, data []byte) error {
	if err := s.tape.isCut(); err != nil {
		_ = s.Close()
		return err
	}
	s.tape.keep(Crossing{Way: Sent, Binary: binary, Bytes: data})
	return s.Socket.Write(ctx, binary, data)
}

func (s *tapedSocket) Read(ctx context.Context) (bool, []byte, error) {
	binary, data, err := s.Socket.Read(ctx)
	if err == nil {
		err = s.tape.isCut()
	}
	if err != nil {
		_ = s.Close()
		return false, nil, err
	}
	s.tape.keep(Crossing{Way: Heard, Binary: binary, Bytes: data})
	return binary, data, nil
}

// Frames are the messages of a circle that crossed, as they were.
func Frames(all []Crossing, by Way, c wire.CircleID) (out []wire.Frame) {
	for _, x := range all {
		if x.Way != by || !x.Binary {
			continue
		}
		if f, err := wire.ParseFrame(x.Bytes); err == nil && f.Circle == c {
			out = append(out, f)
		}
	}
	return out
}

// Name says where something crossed.
func (x Crossing) Name() string {
	if x.Where == "" {
		return "the live socket"
	}
	return x.Where
}

// Said tells whether the node said it.
func (x Crossing) Said() bool { return x.Way == Answered || x.Way == Heard }

// HeaderText is a header as text, sorted.
func HeaderText(h map[string]string) string {
	lines := make([]string, 0, len(h))
	for k, v := range h {
		lines = append(lines, k+": "+v+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
