package relay

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

// ReasonRemoved is the reason that a reader is told whose leaf was removed.
const ReasonRemoved = "removed"

// Sink takes what is delivered. Per subscription it is called by one goroutine
// at a time, in the order of the sequence. It must not block, and may call
// Stop but no other method of the subscription.
type Sink interface {
	// Frame offers a frame, whose message is shared and must not be changed.
	// False: no room; the subscription is behind until Pull.
	Frame(circle wire.CircleID, seq uint64, message []byte) bool
	// End says that nothing more is delivered. The subscription is over.
	End(circle wire.CircleID, reason string, at time.Time)
}

// Subscription is one reader's place in one circle. It costs no goroutine: live
// frames come on the store's answering goroutine, missed ones on that of who
// calls Pull.
type Subscription struct {
	relay  *Relay
	circle wire.CircleID
	caller Caller
	sink   Sink
	over   atomic.Bool
	counts bool // the caller is of the grantee: what it is handed is counted

	mu      sync.Mutex
	live    bool   // guarded by mu; frames are offered as they come
	pending bool   // guarded by mu; no leaf yet
	cursor  uint64 // guarded by mu; newest frame that the sink took
	head    uint64 // guarded by mu; newest frame that was passed over while behind
}

// topics are the subscriptions by circle.
type topics struct {
	mu sync.RWMutex
	// all is guarded by mu. The slices are replaced, never changed, so that a
	// delivery holds no lock while it calls sinks.
	all map[wire.CircleID][]*Subscription
}

func (t *topics) add(s *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[wire.CircleID][]*Subscription{}
	}
	old := t.all[s.circle]
	t.all[s.circle] = append(old[:len(old):len(old)], s)
}

func (t *topics) remove(s *Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(t.all[s.circle]), func(o *Subscription) bool { return o == s })
	if len(left) == 0 {
		delete(t.all, s.circle)
		return
	}
	t.all[s.circle] = slices.Clip(left)
}

func (t *topics) of(id wire.CircleID) []*Subscription {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.all[id]
}

// Subscribe begins after a sequence number. The subscription is behind at
// first: call Pull until nothing more is there; from then on frames come by
// themselves. Who has the circle's account but no leaf yet gets frames from
// the commit that adds its leaf on. Of a circle that has ended, Pull tells the
// sink so.
func (r *Relay) Subscribe(ctx context.Context, c Caller, circle wire.CircleID, after uint64, sink Sink) (*Subscription, wire.CircleInfo, error) {
	s := &Subscription{relay: r, circle: circle, caller: c, sink: sink}
	entry, release := r.cache.take(circle)
	defer release()
	first, err := r.viewOf(ctx, entry)
	if err != nil {
		return nil, wire.CircleInfo{}, r.refuse(err)
	}
	s.counts = first.counts(c)
	s.mu.Lock() // a commit that is being delivered waits
	r.topics.add(s)
	v := entry.view.Load() // as it is now that commits find the subscription
	at, err := v.seat(c)
	s.pending = err == nil && !at.has
	s.cursor = max(after, max(at.since, 1)-1)
	s.mu.Unlock()
	info := wire.CircleInfo{}
	if err == nil {
		info, err = r.info(ctx, v)
	}
	if err != nil {
		s.Stop()
		return nil, wire.CircleInfo{}, r.refuse(err)
	}
	return s, info, nil
}

// Stop ends the subscription without a call of End. A frame that is being
// offered meanwhile may still arrive.
func (s *Subscription) Stop() {
	if !s.over.Swap(true) {
		s.relay.topics.remove(s)
	}
}

// end tells the sink, once. The caller holds s.mu.
func (s *Subscription) end(reason string, at time.Time) {
	if !s.over.Swap(true) {
		s.relay.topics.remove(s)
		s.sink.End(s.circle, reason, at)
	}
}

// Pull gives the sink the next page of what it misses, on the caller's
// goroutine. more: call again, as soon as the sink has room. After an error
// the subscription is as behind as before.
func (s *Subscription) Pull(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	cursor, idle := s.cursor, s.live || s.over.Load()
	if s.pending {
		cursor = pastAll
	}
	s.mu.Unlock()
	if idle {
		return false, nil
	}
	row, frames, err := s.relay.log.Read(ctx, s.circle, cursor, wire.PageMessages, wire.PageMessageMax)
	if err != nil {
		return true, refused(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended := row.EndedAt(s.relay.clock.Now()); ended != nil {
		s.end(ended.Reason, ended.At)
	}
	if s.over.Load() || s.pending {
		return false, nil
	}
	return s.give(row, frames), nil
}

// give offers a page and goes live when it is the last one. The caller holds
// s.mu.
func (s *Subscription) give(row store.Circle, frames []store.Frame) (more bool) {
	for _, f := range frames {
		if f.Seq <= s.cursor {
			continue
		}
		if s.over.Load() || !s.offer(f.Seq, f.Message) {
			return !s.over.Load()
		}
	}
	s.live = s.cursor >= max(row.Head, s.head)
	return !s.live
}

// offer hands the sink one frame. The caller holds s.mu.
func (s *Subscription) offer(seq uint64, message []byte) bool {
	if !s.sink.Frame(s.circle, seq, message) {
		return false
	}
	s.cursor = seq
	s.relay.delivered.Add(1)
	if s.counts {
		s.relay.count(s.circle, s.caller, message)
	}
	return true
}

// take hands on a frame that has just become durable, if the subscription is
// live and has missed none. The caller holds s.mu.
func (s *Subscription) take(seq uint64, message []byte) {
	s.head = seq
	if s.over.Load() || !s.live || seq <= s.cursor {
		return
	}
	s.live = s.offer(seq, message)
}

// deliver hands a frame to all subscriptions of its circle. It runs on the
// store's answering goroutine, so in the order of the sequence.
func (r *Relay) deliver(id wire.CircleID, seq uint64, message []byte) {
	for _, s := range r.topics.of(id) {
		s.mu.Lock()
		s.take(seq, message)
		s.mu.Unlock()
	}
}

// deliverHandshake hands on a handshake and its Welcome, begins with who has
// got a leaf by it and ends with who has lost it.
func (r *Relay) deliverHandshake(st *staged, at store.Appended) {
	for _, s := range r.topics.of(st.append.Circle) {
		s.mu.Lock()
		seat, err := st.next.seat(s.caller)
		if s.pending && seat.has {
			s.pending, s.live, s.cursor = false, true, at.Seq-1
		}
		s.take(at.Seq, st.append.Message)
		if at.WelcomeAt > 0 {
			s.take(at.WelcomeAt, st.append.Welcome)
		}
		if err != nil || !seat.has && !s.pending {
			s.end(ReasonRemoved, st.append.Now)
		}
		s.mu.Unlock()
	}
}
