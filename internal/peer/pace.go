package peer

import (
	"fmt"
	"sync"
	"time"
)

// pace limits how often each other domain is asked, so that a stranger can't
// use this node to flood a third one. Safe for concurrent use.
type pace struct {
	perSecond, burst float64
	all              float64 // burst of all domains together, 5 × perSecond on average; 0: no bound

	mu      sync.Mutex
	domains map[string]allowance // guarded by mu
}

type allowance struct {
	left float64
	at   time.Time
}

const maxDomains = 10000

func (p *pace) take(domain string, now time.Time) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait, ok = p.one(domain, p.perSecond, p.burst, now); ok && p.all > 0 {
		return p.one(everybody, 5*p.perSecond, p.all, now)
	}
	return wait, ok
}

// one takes from one allowance; the caller holds mu.
func (p *pace) one(name string, perSecond, burst float64, now time.Time) (wait time.Duration, ok bool) {
	a, known := p.domains[name]
	if !known {
		p.makeRoom(now)
		a = allowance{left: burst, at: now}
	}
	if d := now.Sub(a.at); d > 0 {
		a.left, a.at = min(burst, a.left+d.Seconds()*perSecond), now
	}
	if ok = a.left >= 1; ok {
		a.left--
	} else {
		wait = time.Duration((1 - a.left) / perSecond * float64(time.Second))
	}
	p.domains[name] = a
	return wait, ok
}

// tooOften is the refusal of a pace.
func tooOften(wait time.Duration) error {
	return fmt.Errorf("%w: it was asked too often; again in %s", ErrUnreachable, wait.Round(time.Second))
}

// makeRoom forgets who has its whole allowance again; the caller holds mu.
func (p *pace) makeRoom(now time.Time) {
	if p.domains == nil {
		p.domains = map[string]allowance{}
	}
	if len(p.domains) < maxDomains {
		return
	}
	for name, a := range p.domains {
		if name != everybody && a.left+now.Sub(a.at).Seconds()*p.perSecond >= p.burst {
			delete(p.domains, name)
		}
	}
	for name := range p.domains {
		if len(p.domains) < maxDomains {
			return
		}
		delete(p.domains, name)
	}
}
