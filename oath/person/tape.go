package person

import (
	"context"
	"fmt"
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

// way is how something crossed to or from the node.
type way uint8

const (
	asked    way = iota // a request
	answered            // its answer
	sent                // a frame of a live socket, to the node
	heard               // a frame of a live socket, from the node
)

// crossing is one thing that crossed.
type crossing struct {
	at     time.Time
	way    way
	where  string // "GET /v1/grants"; empty for frames
	status int    // of an answer
	header map[string]string
	binary bool
	bytes  []byte
}

// tape is a transport that keeps a copy of all that crosses: what one member of
// the cast said to the node and heard from it. Safe for concurrent use.
type tape struct {
	client.Transport
	clock clock.Clock

	mu   sync.Mutex // over all below
	all  []crossing
	size int
	lost int // crossings that were not kept
	cut  bool
	open map[*tapedSocket]bool
}

func newTape(t client.Transport, c clock.Clock) *tape {
	return &tape{Transport: t, clock: c, open: map[*tapedSocket]bool{}}
}

func (t *tape) keep(c crossing) {
	c.at = t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size+len(c.bytes) > maxTape {
		t.lost++
		return
	}
	t.size += len(c.bytes)
	c.bytes = append([]byte(nil), c.bytes...)
	t.all = append(t.all, c)
}

// mark is the place of what comes next.
func (t *tape) mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// since is what crossed since a mark.
func (t *tape) since(mark int) []crossing {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[mark:len(t.all):len(t.all)]
}

// whole tells whether nothing is missing on the tape.
func (t *tape) whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost == 0
}

// cable cuts the way to the network, or mends it: for the machines of the cast
// the node is gone.
func (t *tape) cable(cut bool) {
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

func (t *tape) isCut() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return fmt.Errorf("the check has cut the cable: %w", client.ErrUnreachable)
	}
	return nil
}

// Do implements client.Transport.
func (t *tape) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if err := t.isCut(); err != nil {
		return client.Response{}, err
	}
	where := r.Method + " " + pathOf(r.URL)
	t.keep(crossing{way: asked, where: where, header: r.Header, bytes: r.Body})
	resp, err := t.Transport.Do(ctx, r)
	if err == nil {
		t.keep(crossing{way: answered, where: where, status: resp.Status, header: resp.Header, bytes: resp.Body})
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
func (t *tape) Open(ctx context.Context, address string, subprotocols []string) (client.Socket, error) {
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
	tape *tape
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
	s.tape.keep(crossing{way: sent, binary: binary, bytes: data})
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
	s.tape.keep(crossing{way: heard, binary: binary, bytes: data})
	return binary, data, nil
}

// frames are the messages of a circle that crossed, as they were.
func frames(all []crossing, by way, c wire.CircleID) (out []wire.Frame) {
	for _, x := range all {
		if x.way != by || !x.binary {
			continue
		}
		if f, err := wire.ParseFrame(x.bytes); err == nil && f.Circle == c {
			out = append(out, f)
		}
	}
	return out
}
