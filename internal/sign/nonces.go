package sign

import (
	"sync"
	"time"

	"primum/internal/clock"
)

const (
	// freely is how many nonces of a signer are remembered while there is room
	// at all. More are while not half of the memory is taken, and of one signer
	// one in shares of what is free of that half: who sends much leaves room for
	// the others who do, and all of them for those who send little.
	freely = 64
	shares = 5
)

// Nonces remembers the nonces of requests that may still be taken, so that each
// is taken once. Ask it after Verify: only a verified request may occupy
// memory. It is safe for concurrent use.
type Nonces struct {
	clock clock.Clock
	max   int

	mu     sync.Mutex
	seen   map[nonceKey]string  // guarded by mu; the signer
	count  map[string]int       // guarded by mu; by signer
	ending map[int64][]nonceKey // guarded by mu; by the last second in which they may be taken
	forgot int64                // guarded by mu; the second of the last forget
}

type nonceKey struct{ keyID, nonce string }

// NewNonces remembers at most max nonces.
func NewNonces(c clock.Clock, max int) *Nonces {
	return &Nonces{clock: c, max: max, seen: map[nonceKey]string{}, count: map[string]int{}, ending: map[int64][]nonceKey{}}
}

// Check refuses what is outside the time window (ErrClockSkew) or was seen
// before (ErrReplayed), and remembers in. When the memory is full of nonces
// that may still be replayed, or signer has taken its share of it, Check
// refuses too (ErrBusy): forgetting one would let a replay through. Signer
// names those who share the memory as one, say all accounts of a domain that
// may invent them.
func (n *Nonces) Check(in Input, signer string) error {
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
	if len(n.seen) >= n.max || n.count[signer] >= max(freely, (n.max/2-len(n.seen))/shares) {
		return ErrBusy
	}
	n.seen[k] = signer
	n.count[signer]++
	last := in.Created.Add(Window).Unix()
	n.ending[last] = append(n.ending[last], k)
	return nil
}

// forget drops what can't be replayed any more, once a second; there are as
// many seconds to look at as the window has on both sides. The caller holds mu.
func (n *Nonces) forget(now time.Time) {
	second := now.Unix()
	if second == n.forgot {
		return
	}
	n.forgot = second
	for last, keys := range n.ending {
		if last >= second {
			continue
		}
		for _, k := range keys {
			n.drop(k)
		}
		delete(n.ending, last)
	}
}

func (n *Nonces) drop(k nonceKey) {
	signer := n.seen[k]
	delete(n.seen, k)
	if n.count[signer]--; n.count[signer] <= 0 {
		delete(n.count, signer)
	}
}
