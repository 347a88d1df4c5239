package relay_test

import (
	"sync"
	"testing"

	"primum/internal/relay"
)

// tally counts what a relay tells, by key.
type tally struct {
	mu        sync.Mutex
	delivered map[string]int // guarded by mu
	bytes     map[string]int // guarded by mu
	acted     map[string]int // guarded by mu
}

func (s *tally) Delivered(p relay.Passed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered[string(p.Caller.Key)]++
	s.bytes[string(p.Caller.Key)] += p.Bytes
}

func (s *tally) Accepted(p relay.Passed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acted[string(p.Caller.Key)]++
}

func (s *tally) of(p *party) [2]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [2]int{s.delivered[string(p.Key)], s.acted[string(p.Key)]}
}

// TestSeen: every way to a grantee's client is counted, the anchor's and
// handshakes are not.
func TestSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	seen := &tally{delivered: map[string]int{}, bytes: map[string]int{}, acted: map[string]int{}}
	w.relay = relay.New(relay.Options{Store: w.store.Circles, Clock: w.clock, Delivered: seen.Delivered, Accepted: seen.Accepted})
	l := w.circle(2)
	live, other := l.members[0], l.members[1]
	l.subscribe(live, 0)
	l.subscribe(l.anchor, 0)
	message := l.value(l.anchor, "value")
	_, err := l.append(l.anchor, message)
	w.must(err)
	l.send(live, "do it")
	if got := seen.of(live); got != [2]int{2, 1} || seen.bytes[string(live.Key)] < len(message) {
		t.Fatalf("live: delivered and acted %v", got)
	}
	if _, err := l.append(live, message[:10]); err == nil {
		t.Fatal("taken")
	}
	_, err = w.relay.Read(t.Context(), other.Caller, l.id, 0)
	w.must(err)
	if got := seen.of(other); got != [2]int{2, 0} {
		t.Fatalf("read: delivered and acted %v", got)
	}
	late, _ := l.subscribe(other, 0) // once more, from the beginning
	if got := seen.of(other); got != [2]int{4, 0} {
		t.Fatalf("read again: delivered and acted %v; %s", got, late.got())
	}
	if got := seen.of(l.anchor); got != [2]int{} {
		t.Fatalf("the anchor was counted: %v", got)
	}
	if got := seen.of(live); got != [2]int{2, 1} {
		t.Fatalf("a refused message was counted: %v", got)
	}
}

func TestHomesAreNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.Limits{})
	seen := &tally{delivered: map[string]int{}, bytes: map[string]int{}, acted: map[string]int{}}
	w.relay = relay.New(relay.Options{Store: w.store.Circles, Clock: w.clock, Delivered: seen.Delivered, Accepted: seen.Accepted})
	l := w.circle(1, func(o *relay.Opening) { o.Home = true })
	l.subscribe(l.members[0], 0)
	l.send(l.anchor, "value")
	l.send(l.members[0], "do it")
	if got := seen.of(l.members[0]); got != [2]int{} {
		t.Fatalf("counted %v", got)
	}
}
