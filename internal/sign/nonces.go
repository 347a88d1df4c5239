package sign

import (
	"sync"
	"time"

	"primum/internal/clock"
)

// keep is how long a nonce is remembered: the whole window on both sides.
const keep = 2 * Window

// Nonces remembers nonces for ten minutes, so that a request is taken once.
// Ask it after Verify: only a verified request may occupy memory. It is safe
// for concurrent use.
type Nonces struct {
	clock clock.Clock
	max   int

	mu    sync.Mutex
	seen  map[nonceKey]struct{}
	order []nonceEntry // oldest first
	head  int
}

type nonceKey struct{ keyID, nonce string }

type nonceEntry struct {
	nonceKey
	until time.Time
}

// NewNonces remembers at most max nonces.
func NewNonces(c clock.Clock, max int) *Nonces {
	return &Nonces{clock: c, max: max, seen: map[nonceKey]struct{}{}}
}

// Check refuses what is outside the time window (ErrClockSkew) or was seen
// before (ErrReplayed), and remembers in. When the memory is full of nonces
// that may still be replayed it refuses too: forgetting one would let a replay
// through.
func (n *Nonces) Check(in Input) error {
	now := n.clock.Now()
	if err := in.CheckTime(now); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forget(now)
	k := nonceKey{in.KeyID, in.Nonce}
	if _, ok := n.seen[k]; ok {
		return ErrReplayed
	}
	if len(n.seen) >= n.max {
		return ErrBusy
	}
	n.seen[k] = struct{}{}
	n.order = append(n.order, nonceEntry{k, now.Add(keep)})
	return nil
}

// forget drops what can't be replayed any more; the caller holds mu.
func (n *Nonces) forget(now time.Time) {
	for n.head < len(n.order) && n.order[n.head].until.Before(now) {
		delete(n.seen, n.order[n.head].nonceKey)
		n.order[n.head] = nonceEntry{}
		n.head++
	}
	if n.head > len(n.order)/2 {
		n.order = append(n.order[:0], n.order[n.head:]...)
		n.head = 0
	}
}
