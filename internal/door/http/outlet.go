package httpdoor

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	readBuffer  = 1 << 10 // of a live socket; larger frames are read around it
	writeBuffer = 512
	outletMax   = 64 << 10 // bytes held back before they are written anyway
	writeWait   = 10 * time.Second
)

// outlet is the connection of a live socket. While it is held, what is written
// is collected, so that a burst of frames leaves in one system call. Safe for
// concurrent use.
type outlet struct {
	net.Conn

	mu   sync.Mutex
	held bool   // guarded by mu
	buf  []byte // guarded by mu; nil when empty
	err  error  // guarded by mu; of an earlier write
}

func (o *outlet) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	if !o.held && len(o.buf) == 0 {
		return len(b), o.write(b)
	}
	o.buf = append(o.buf, b...)
	if o.held && len(o.buf) < outletMax {
		return len(b), nil
	}
	return len(b), o.flush()
}

// hold begins to collect.
func (o *outlet) hold() {
	o.mu.Lock()
	o.held = true
	o.mu.Unlock()
}

// release writes what was collected and collects no more.
func (o *outlet) release() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = false
	if len(o.buf) == 0 {
		return o.err
	}
	return o.flush()
}

func (o *outlet) flush() error {
	err := o.write(o.buf)
	o.buf = nil // an idle connection keeps no buffer
	return err
}

func (o *outlet) write(b []byte) error {
	_ = o.SetWriteDeadline(time.Now().Add(writeWait)) // the system's deadline, so the system's clock
	if _, err := o.Conn.Write(b); err != nil {
		o.err = err
	}
	return o.err
}

// smallHijacker gives the WebSocket library small buffers and an outlet in
// place of the server's 4 KB pair: most sockets are idle most of the time.
type smallHijacker struct {
	http.ResponseWriter
	out *outlet
}

func (h *smallHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, old, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := old.Reader.Buffered(); n > 0 {
		// A client must not speak before the handshake is answered (RFC 6455 §4.1).
		_ = conn.Close()
		return nil, nil, http.ErrNotSupported
	}
	if err := old.Flush(); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	h.out = &outlet{Conn: conn}
	return h.out, bufio.NewReadWriter(bufio.NewReaderSize(conn, readBuffer), bufio.NewWriterSize(h.out, writeBuffer)), nil
}
