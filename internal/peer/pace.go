package peer

import (
	"sync"
	"time"
)

// pace limits how often each other domain is asked, so that a stranger can't
// use this node to flood a third one. Safe for concurrent use.
type pace struct {
	perSecond, burst float64

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
	a, known := p.domains[domain]
	if !known {
		p.makeRoom(now)
		a = allowance{left: p.burst, at: now}
	}
	if d := now.Sub(a.at); d > 0 {
		a.left, a.at = min(p.burst, a.left+d.Seconds()*p.perSecond), now
	}
	if ok = a.left >= 1; ok {
		a.left--
	} else {
		wait = time.Duration((1 - a.left) / p.perSecond * float64(time.Second))
	}
	p.domains[domain] = a
	return wait, ok
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
		if a.left+now.Sub(a.at).Seconds()*p.perSecond >= p.burst {
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
