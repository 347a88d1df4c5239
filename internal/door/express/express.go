// Package express answers the plainest questions of all, a GET of a product
// code that was answered before, ahead of net/http: one read, one look-up, one
// write. Everything else is net/http's, from the first byte.
//
// It reads a connection until a request comes that it does not know by heart.
// Then it hands the connection to net/http for good, with every byte of that request,
// so that no two readers ever differ about where a request begins. It knows by
// heart what is whole in one read, has a header of known names only, and no
// body. TLS begins with other bytes, and is handed over at once.
package express

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"time"

	"primum/internal/clock"
)

// longest request that is looked at, in bytes.
const longest = 4 << 10

// fresh is how old deadlines may become before they are set anew.
const fresh = 5 * time.Second

// Question is a GET without a query. Its texts are valid until Answer returns.
type Question struct {
	Path, Accept, Language []byte
}

// Config of a listener.
type Config struct {
	// Answer returns an answer whole but for its Date line, each of its lines
	// ended; nil: net/http is to answer.
	Answer func(Question) []byte
	// Admit counts a request towards the limit of the client's address, and
	// tells whether it may be answered; forwarded is the last X-Forwarded-For.
	Admit func(remote, forwarded string) bool
	Clock clock.Clock
	// Header and Idle bound how long a request and the next one may take.
	Header, Idle time.Duration
}

// Listen wraps a listener for an http.Server. Closing it ends the connections
// that were not handed over, each after the answer it is at.
func Listen(l net.Listener, c Config) net.Listener {
	e := &listener{Listener: l, cfg: c, given: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}), own: map[net.Conn]struct{}{}}
	go e.accept()
	return e
}

type listener struct {
	net.Listener
	cfg    Config
	given  chan net.Conn
	failed chan error
	closed chan struct{}

	mu  sync.Mutex
	own map[net.Conn]struct{} // guarded by mu; nil: closed
}

// Accept returns the next connection with a request that is not known by heart.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.given:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close is called once or more often.
func (l *listener) Close() error {
	l.mu.Lock()
	own := l.own
	if l.own = nil; own != nil {
		close(l.closed)
	}
	l.mu.Unlock()
	for c := range own {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // its reader ends it
	}
	return l.Listener.Close()
}

func (l *listener) accept() {
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			if l.keep(c) {
				go l.serve(c)
			}
			continue
		}
		select {
		case l.failed <- err: // the server decides whether to go on
		case <-l.closed:
			return
		}
	}
}

// keep has a connection ended when the listener is closed; it ends it at once
// where that has happened.
func (l *listener) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.own == nil {
		_ = c.Close()
		return false
	}
	l.own[c] = struct{}{}
	return true
}

func (l *listener) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.own, c)
}

// serve answers what is known by heart, and hands the connection over with the
// first request that is not.
func (l *listener) serve(c net.Conn) {
	defer l.drop(c)
	r := &reader{Conn: c, cfg: &l.cfg, closed: l.closed, remote: c.RemoteAddr().String()}
	rest := r.safely()
	if rest == nil || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	select {
	case l.given <- &conn{c, rest}:
	case <-l.closed:
		_ = c.Close()
	}
}

// conn is a connection after a part of it was read.
type conn struct {
	net.Conn
	in []byte // read, and to be read first
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.in)
	if c.in = c.in[n:]; len(c.in) == 0 {
		c.in = nil
	}
	return n, nil
}

// CloseWrite is for net/http, which ends refused connections gently by it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// reader belongs to one goroutine.
type reader struct {
	net.Conn
	cfg    *Config
	closed chan struct{} // of the listener
	in     [longest]byte
	out    []byte
	set    time.Time // when the deadlines were set
	dated  int64     // second of date
	date   []byte    // the Date line and the end of the header
	remote string
}

// safely ends the connection, and nothing else, where an answer fails: here is no
// net/http yet that would do so.
func (r *reader) safely() (rest []byte) {
	defer func() {
		if recover() != nil {
			rest = nil
		}
	}()
	return r.run()
}

// run answers until a request comes that is not known, and returns its bytes;
// nil when the connection is over.
func (r *reader) run() []byte {
	if r.SetReadDeadline(time.Now().Add(r.cfg.Header)) != nil { // the network's time, not the node's
		return nil
	}
	for !r.over() {
		n, err := r.Read(r.in[:])
		if n == 0 && err != nil {
			return nil
		}
		known, err := r.answer(r.in[:n])
		if err != nil {
			return nil
		}
		if !known {
			return bytes.Clone(r.in[:n])
		}
	}
	return nil
}

// over tells whether the listener was closed before a deadline was set anew.
func (r *reader) over() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}

// answer answers a request that is known by heart.
func (r *reader) answer(request []byte) (known bool, err error) {
	q, forwarded, ok := parse(request)
	if !ok {
		return false, nil
	}
	answer := r.cfg.Answer(q)
	if answer == nil || !r.cfg.Admit(r.remote, string(forwarded)) {
		return false, nil
	}
	if now := time.Now(); now.Sub(r.set) > fresh {
		if err := r.SetDeadline(now.Add(r.cfg.Idle)); err != nil {
			return true, err
		}
		r.set = now
	}
	r.out = append(append(r.out[:0], answer...), r.dateLine()...)
	_, err = r.Write(r.out)
	return true, err
}

// dateLine is made once a second (RFC 9110 §6.6.1).
func (r *reader) dateLine() []byte {
	if now := r.cfg.Clock.Now(); now.Unix() != r.dated || r.date == nil {
		r.dated = now.Unix()
		r.date = now.UTC().AppendFormat(append(r.date[:0], "Date: "...), "Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n")
	}
	return r.date
}

// parse takes a request apart that is whole, and that nobody could read
// otherwise (RFC 9112 §2 and §3, at its strictest).
func parse(b []byte) (q Question, forwarded []byte, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte("GET "))
	if !ok || !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		return q, nil, false
	}
	line, rest, _ := bytes.Cut(rest, []byte("\r\n"))
	if q.Path, ok = bytes.CutSuffix(line, []byte(" HTTP/1.1")); !ok || !plainPath(q.Path) {
		return q, nil, false
	}
	hosts := 0
	for {
		if line, rest, _ = bytes.Cut(rest, []byte("\r\n")); len(line) == 0 {
			return q, forwarded, hosts == 1 && len(rest) == 0
		}
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok || !plainValue(value) {
			return q, nil, false
		}
		switch kindOf(name) {
		case host:
			hosts++
		case accept:
			if q.Accept != nil {
				return q, nil, false
			}
			q.Accept = value
		case language:
			if q.Language != nil {
				return q, nil, false
			}
			q.Language = value
		case connection:
			if !bytes.EqualFold(value, []byte("keep-alive")) {
				return q, nil, false
			}
		case forward:
			forwarded = value
		case unread:
		default:
			return q, nil, false
		}
	}
}

// kinds of header lines.
type kind int

const (
	unknown kind = iota
	host
	accept
	language
	connection
	forward
	unread // changes nothing of an answer, nor of where a request ends
)

// kindOf knows the lines that browsers, scanners and proxies send.
func kindOf(name []byte) kind {
	var lower [32]byte
	if len(name) > len(lower) {
		return unknown
	}
	for i, b := range name {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		lower[i] = b
	}
	switch text := lower[:len(name)]; string(text) {
	case "host":
		return host
	case "accept":
		return accept
	case "accept-language":
		return language
	case "connection":
		return connection
	case "x-forwarded-for":
		return forward
	case "user-agent", "accept-encoding", "cache-control", "cookie", "dnt", "origin", "pragma", "priority", "referer", "sec-gpc",
		"upgrade-insecure-requests", "x-forwarded-host", "x-forwarded-proto", "x-real-ip":
		return unread
	default:
		if strings.HasPrefix(string(text), "sec-fetch-") || strings.HasPrefix(string(text), "sec-ch-ua") {
			return unread
		}
	}
	return unknown
}

// plainPath tells whether a path is one of letters, digits and signs that stand
// for themselves.
func plainPath(b []byte) bool {
	if len(b) == 0 || b[0] != '/' {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '/' && c != '-' && c != '_' && c != '.' && c != '~' {
			return false
		}
	}
	return true
}

// plainValue tells whether a header's value is visible ASCII, with no space at
// its ends.
func plainValue(b []byte) bool {
	if len(b) == 0 || b[0] == ' ' || b[len(b)-1] == ' ' {
		return false
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
