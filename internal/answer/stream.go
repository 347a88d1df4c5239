package answer

import (
	"net/http"
	"sync"
	"time"
)

// writeWait is how long a reader of a stream may take for what it is sent.
const writeWait = 30 * time.Second

// Streams counts the open streams of each address. It is safe for concurrent
// use.
type Streams struct {
	perAddress, inAll int

	mu    sync.Mutex
	by    map[string]int // guarded by mu
	total int            // guarded by mu
}

// NewStreams lets so many streams be open of one address and in all; inAll 0
// sets no bound on all.
func NewStreams(perAddress, inAll int) *Streams {
	return &Streams{perAddress: perAddress, inAll: inAll, by: map[string]int{}}
}

// Begin takes a place; it tells whether there was one. End gives it back.
func (s *Streams) Begin(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[address] >= s.perAddress || s.inAll > 0 && s.total >= s.inAll {
		return false
	}
	s.by[address]++
	s.total++
	return true
}

// End gives a place back that Begin took.
func (s *Streams) End(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.by[address]--; s.by[address] <= 0 {
		delete(s.by, address)
	}
}

// StreamHeaders are those of server-sent events (WHATWG HTML §9.2).
func StreamHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that would wait for more
}

// Stream writes an answer that lasts. It belongs to one goroutine.
type Stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// NewStream lifts the server's deadline of reading, which would end the
// connection.
func NewStream(w http.ResponseWriter) *Stream {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	return &Stream{w, rc}
}

// Write sends at once; false means that the reader has gone or is too slow.
func (s *Stream) Write(b []byte) bool {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWait)) // the machine's clock: it bounds a connection
	if _, err := s.w.Write(b); err != nil {
		return false
	}
	return s.rc.Flush() == nil
}
