package httpdoor

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"primum/internal/wire"
)

const (
	maxQueued      = 1024    // frames that wait to be written to one socket
	maxQueuedBytes = 2 << 20 // and their bytes
	maxInFlight    = 64      // appends of one socket that are being stored
	maxSubs        = 4096    // subscriptions of one socket
	pingAfter      = 45 * time.Second
	idleAfter      = 150 * time.Second
)

// Reasons with which a node ends a socket; the client reads them.
const (
	reasonSlow    = "too slow: read faster, then go on from your cursor"
	reasonIdle    = "no answer to a ping"
	reasonStop    = "the node stops; connect again"
	reasonDropped = "this client is no longer on its account's list"
	reasonStorage = "the node can't read its store now; connect again"
	reasonBroken  = "the frame can't be read"
)

// session is one live socket: one goroutine reads; another one writes, only
// while there is something to write.
type session struct {
	d         *Door
	who       caller
	address   string // for the limit per address; never logged
	conn      *websocket.Conn
	out       *outlet
	challenge [32]byte
	lastSeen  atomic.Int64  // unix seconds of the node's clock
	slots     chan struct{} // appends in flight; made at the first one, by the reader

	mu      sync.Mutex
	queue   []outgoing                          // guarded by mu; waits to be written
	queued  int                                 // guarded by mu; bytes of queue
	writing bool                                // guarded by mu; a goroutine writes
	closed  bool                                // guarded by mu
	subs    map[wire.CircleID]*subscription     // guarded by mu
	behind  []*subscription                     // guarded by mu; have more to pull
	proven  map[wire.CircleID]ed25519.PublicKey // guarded by mu; leaf keys
	inbox   inboxCursor
}

type outgoing struct {
	kind websocket.MessageType // 0: a ping
	data []byte
}

// push queues a frame without waiting. It returns false, and the socket is
// cut, when the other side reads too slowly.
func (s *session) push(o outgoing) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(s.queue) >= maxQueued || s.queued+len(o.data) > maxQueuedBytes {
		s.d.metrics.slow.Inc()
		go s.cut(websocket.StatusTryAgainLater, reasonSlow)
		return false
	}
	s.enqueue(o)
	return true
}

// enqueue adds to the queue and sees to it that somebody writes; the caller
// holds mu.
func (s *session) enqueue(o outgoing) {
	s.queue, s.queued = append(s.queue, o), s.queued+len(o.data)
	s.start()
}

// start makes a goroutine write; the caller holds mu.
func (s *session) start() {
	if !s.writing && !s.closed {
		s.writing = true
		go s.drain()
	}
}

func (s *session) send(c wire.Control) bool {
	b, err := json.Marshal(c)
	if err != nil {
		return false
	}
	return s.push(outgoing{kind: websocket.MessageText, data: b})
}

// drain writes until nothing waits and no subscription is behind. Bursts leave
// in few system calls.
func (s *session) drain() {
	for {
		batch, sub, more := s.take()
		if !more {
			return
		}
		if sub != nil {
			sub.pull()
			continue
		}
		s.out.hold()
		err := s.write(batch)
		if e := s.out.release(); err == nil {
			err = e
		}
		if err != nil {
			s.gone()
			return
		}
	}
}

// take empties the queue; when that is empty it names a subscription that is
// behind; when there is none either, the writing ends.
func (s *session) take() (batch []outgoing, sub *subscription, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case len(s.queue) > 0:
		batch = s.queue
		s.queue, s.queued = nil, 0
		return batch, nil, true
	case len(s.behind) > 0:
		sub = s.behind[0]
		if s.behind = s.behind[1:]; len(s.behind) == 0 {
			s.behind = nil
		}
		sub.waiting = false
		return nil, sub, true
	}
	s.writing = false
	return nil, nil, false
}

func (s *session) write(batch []outgoing) error {
	for _, o := range batch {
		if o.kind == 0 {
			// An empty ping (RFC 6455 §5.5.2), whole between two frames; the
			// library's own would wait for its answer.
			if _, err := s.out.Write([]byte{0x89, 0}); err != nil {
				return err
			}
			continue
		}
		// Without a deadline in the context: the outlet sets one per write.
		if err := s.conn.Write(context.Background(), o.kind, o.data); err != nil {
			return err
		}
	}
	return nil
}

// seen notes that the other side lives.
func (s *session) seen() { s.lastSeen.Store(s.d.cfg.Clock.Now().Unix()) }

// read is the life of a session.
func (s *session) read() {
	defer s.gone()
	for {
		kind, b, err := s.conn.Read(context.Background())
		if err != nil {
			return
		}
		s.seen()
		if kind == websocket.MessageBinary {
			err = s.takeFrame(b)
		} else {
			err = s.takeControl(b)
		}
		if err != nil {
			s.cut(websocket.StatusPolicyViolation, reasonBroken)
			return
		}
	}
}

// cut ends the session with a reason that the other side reads.
func (s *session) cut(code websocket.StatusCode, reason string) {
	if !s.finish() {
		return
	}
	s.d.live.closing.Add(1)
	go func() {
		defer s.d.live.closing.Done()
		s.release()
		_ = s.conn.Close(code, reason)
	}()
}

// gone ends the session without a word: the connection is broken or over.
func (s *session) gone() {
	if s.finish() {
		s.release()
		_ = s.conn.CloseNow()
	}
}

// finish marks the session as over; true for the first caller.
func (s *session) finish() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.closed
	s.closed = true
	return first
}

// release frees what the session holds. No lock of the relay may be held.
func (s *session) release() {
	s.mu.Lock()
	subs := s.subs
	s.queue, s.queued, s.subs, s.behind, s.proven = nil, 0, nil, nil, nil
	s.mu.Unlock()
	for _, sub := range subs {
		sub.relay.Stop()
	}
	s.d.live.remove(s)
}
