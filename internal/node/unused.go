package node

import (
	"net"
	"net/http"
	"sync"
)

// unused are the connections on which nobody has asked anything yet. A client
// often opens one more than it needs; net/http waits five seconds for each when
// it shuts down. Safe for concurrent use.
type unused struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu; nil: closed
}

func newUnused() *unused { return &unused{conns: map[net.Conn]struct{}{}} }

// track is an http.Server's ConnState.
func (u *unused) track(c net.Conn, s http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(u.conns, c)
	case u.conns == nil:
		_ = c.Close()
	default:
		u.conns[c] = struct{}{}
	}
}

// close closes them all, and every one that comes still.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close()
	}
	u.conns = nil
}
