package httpdoor

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

const (
	ticketLife = 30 * time.Second
	maxTickets = 10000
)

// tickets are the one-use keys to the live socket, kept by their hash so that
// looking one up reveals nothing by its timing. Safe for concurrent use.
type tickets struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]ticket // guarded by mu
}

type ticket struct {
	who     caller
	expires time.Time
}

// issue makes a ticket for who. It fails when too many are open.
func (t *tickets) issue(who caller, now time.Time) (string, time.Time, bool) {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	s := base64.RawURLEncoding.EncodeToString(b[:])
	expires := now.Add(ticketLife)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[[sha256.Size]byte]ticket{}
	}
	if len(t.open) >= maxTickets {
		t.drop(now)
	}
	if len(t.open) >= maxTickets {
		return "", time.Time{}, false
	}
	t.open[sha256.Sum256([]byte(s))] = ticket{who: who, expires: expires}
	return s, expires, true
}

// use takes a ticket away and says whose it was.
func (t *tickets) use(s string, now time.Time) (caller, bool) {
	key := sha256.Sum256([]byte(s))
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.open[key]
	delete(t.open, key)
	return k.who, ok && now.Before(k.expires)
}

// drop forgets expired tickets; the caller holds mu.
func (t *tickets) drop(now time.Time) {
	for k, v := range t.open {
		if !now.Before(v.expires) {
			delete(t.open, k)
		}
	}
}

func (t *tickets) sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(now)
}
