package httpdoor

import (
	"sync"
	"time"

	"primum/internal/clock"
)

// Rate is how often something may happen: Burst at once, then PerSecond.
type Rate struct {
	PerSecond float64
	Burst     float64
}

// Limits of a door. A zero Rate does not limit.
type Limits struct {
	Address    Rate // requests of one client address (IPv6: its /64)
	Stop       Rate // withdrawals and suspensions of one client address: apart, so that nothing else uses them up
	Rights     Rate // requests for rights of one client address, and signed ones of one account: apart, too
	Pleas      Rate // objections and complaints that nobody signed, from one address: a case waits for the operator
	Account    Rate // signed requests of one account or anchor
	Domain     Rate // signed requests of one other node
	Sign       Rate // new accounts, from one address
	Links      Rate // new links of one account
	Keeps      Rate // keeps asked for from one address
	Pushes     Rate // Web Push subscriptions made by one account: each may be rung at once
	Claims     Rate // key packages of one account claimed by one other domain
	Sockets    int  // live sockets at a time
	PerAddress int  // live sockets of one client address
}

// DefaultLimits are meant for a node on the internet. On loopback, where all
// callers share one address, what is limited per address is not.
func DefaultLimits(loopback bool) Limits {
	l := Limits{
		Address:    Rate{PerSecond: 50, Burst: 400},
		Stop:       Rate{PerSecond: 50, Burst: 2000},
		Rights:     Rate{PerSecond: 10, Burst: 200},
		Pleas:      Rate{PerSecond: 1.0 / 300, Burst: 20},
		Account:    Rate{PerSecond: 50, Burst: 400},
		Domain:     Rate{PerSecond: 20, Burst: 200},
		Sign:       Rate{PerSecond: 1.0 / 60, Burst: 10},
		Links:      Rate{PerSecond: 1.0 / 600, Burst: 40},
		Keeps:      Rate{PerSecond: 1.0 / 6, Burst: 10},
		Pushes:     Rate{PerSecond: 1.0 / 300, Burst: 20},
		Claims:     Rate{PerSecond: 1.0 / 60, Burst: 60},
		Sockets:    20000,
		PerAddress: 256,
	}
	if loopback {
		l.Address, l.Stop, l.Sign, l.Account, l.Domain, l.Claims, l.Links, l.Keeps, l.Pushes, l.Rights, l.Pleas, l.PerAddress = Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, Rate{}, 0
	}
	return l
}

// maxBuckets bounds the memory of a limiter; beyond it the fullest of a few
// buckets that the map yields is forgotten.
const maxBuckets = 20000

// limiter is a token bucket per key. Safe for concurrent use.
type limiter struct {
	rate  Rate
	clock clock.Clock

	mu      sync.Mutex
	buckets map[string]bucket // guarded by mu
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(r Rate, c clock.Clock) *limiter {
	return &limiter{rate: r, clock: c, buckets: map[string]bucket{}}
}

// take takes one token of key, or says how long to wait for the next.
func (l *limiter) take(key string) (wait time.Duration, ok bool) {
	if l.rate.PerSecond <= 0 {
		return 0, true
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known {
		l.makeRoom(now)
		b = bucket{tokens: l.rate.Burst, at: now}
	}
	b = l.refill(b, now)
	if b.tokens < 1 {
		l.buckets[key] = b
		return time.Duration((1 - b.tokens) / l.rate.PerSecond * float64(time.Second)), false
	}
	b.tokens--
	l.buckets[key] = b
	return 0, true
}

func (l *limiter) refill(b bucket, now time.Time) bucket {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(l.rate.Burst, b.tokens+d.Seconds()*l.rate.PerSecond)
		b.at = now
	}
	return b
}

func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	fullest, most, looked := "", -1.0, 0
	for k, b := range l.buckets {
		if t := l.refill(b, now).tokens; t > most {
			fullest, most = k, t
		}
		if looked++; looked == 8 {
			break
		}
	}
	delete(l.buckets, fullest)
}

// sweep forgets the buckets that are full again.
func (l *limiter) sweep() {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, b := range l.buckets {
		if l.refill(b, now).tokens >= l.rate.Burst {
			delete(l.buckets, k)
		}
	}
}
