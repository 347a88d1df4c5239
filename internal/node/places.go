package node

import (
	"context"
	"net/http"
	"sync"
)

// Reading public things may cost megabytes until the answer is sent: lists,
// histories, searches. What is in memory at once is bounded by their number.
const (
	placesInAll  = 64
	placesOfEach = 12 // of one client address, far beyond what its rate needs
)

// places bound how many readers of public things are answered at a time. Who
// sends something is not counted: a body may come slowly and costs little.
type places struct {
	free chan struct{}

	mu   sync.Mutex
	each map[string]int // guarded by mu
}

func newPlaces() *places {
	return &places{free: make(chan struct{}, placesInAll), each: map[string]int{}}
}

// enter takes a place; address is empty where addresses don't tell clients
// apart. It refuses who has all of its own, with 429, and waits until ctx ends
// for one of all, then 503; status is 0 with a place.
func (p *places) enter(ctx context.Context, address string) (leave func(), status int) {
	if address != "" && !p.count(address) {
		return nil, http.StatusTooManyRequests
	}
	select {
	case p.free <- struct{}{}:
		return func() {
			<-p.free
			p.uncount(address)
		}, 0
	case <-ctx.Done():
		p.uncount(address)
		return nil, http.StatusServiceUnavailable
	}
}

func (p *places) count(address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each[address] >= placesOfEach {
		return false
	}
	p.each[address]++
	return true
}

func (p *places) uncount(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each[address]--; p.each[address] <= 0 {
		delete(p.each, address)
	}
}
