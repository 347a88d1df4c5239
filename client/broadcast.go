package client

import "sync"

// broadcast wakes everybody who waits, however many.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{} // closed at the next call; made when somebody waits
}

// next is closed at the next call of send.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
