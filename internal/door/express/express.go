// Package express answers the plainest questions of all, a GET of a product
// code that was answered before, ahead of net/http: one read, one look-up, one
// write. Everything else is net/http's, from the first byte.
//
// It reads a connection until a request comes that it does not know by heart.
// Then it hands the connection over for good, with every byte of that request,
// so that no two readers ever differ about where a request begins. It knows by
// heart what is whole in one read, has a header of known names only, and no
// body. TLS begins with other bytes, and is handed over at once.
package express

import (
	"bytes"
	"net"
	"strings"
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

// Listen wraps a listener for an http.Server.
func Listen(l net.Listener, c Config) net.Listener { return &listener{l, c} }

type listener struct {
	net.Listener
	cfg Config
}

// Accept returns a connection that answers while it is read.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, cfg: &l.cfg}, nil
}

// conn belongs to the goroutine that reads it: an http.Server reads from one,
// and writes nothing before it has read a request.
type conn struct {
	net.Conn
	cfg    *Config
	in     []byte // what was read last; handed over from given on
	out    []byte
	given  bool      // to net/http, for good
	set    time.Time // when the deadlines were set
	dated  int64     // second of date
	date   []byte    // the Date line and the end of the header
	remote string
}

// Read answers what it knows by heart, and returns the rest.
func (c *conn) Read(p []byte) (int, error) {
	if c.given {
		return c.pass(p)
	}
	if c.in == nil {
		c.in = make([]byte, longest)
		c.remote = c.RemoteAddr().String()
	}
	for {
		n, err := c.Conn.Read(c.in[:longest])
		if n == 0 && err != nil {
			c.in, c.out, c.given = nil, nil, true
			return 0, err
		}
		if !c.answer(c.in[:n]) {
			c.in, c.out, c.given = c.in[:n], nil, true
			return c.hand(p)
		}
	}
}

// pass gives the bytes of the request that was not known, then those of the
// connection.
func (c *conn) pass(p []byte) (int, error) {
	if len(c.in) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.in)
	if c.in = c.in[n:]; len(c.in) == 0 {
		c.in = nil
	}
	return n, nil
}

// hand begins to pass. A header that is not whole has as long as any other.
func (c *conn) hand(p []byte) (int, error) {
	if !c.set.IsZero() {
		now := time.Now() // the network's time, not the node's
		if err := c.SetReadDeadline(now.Add(c.cfg.Header)); err != nil {
			return 0, err
		}
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			return 0, err
		}
	}
	return c.pass(p)
}

// CloseWrite is for net/http, which ends refused connections gently by it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// answer answers a request that is known by heart.
func (c *conn) answer(request []byte) bool {
	q, forwarded, ok := parse(request)
	if !ok {
		return false
	}
	answer := c.cfg.Answer(q)
	if answer == nil || !c.cfg.Admit(c.remote, string(forwarded)) {
		return false
	}
	if now := time.Now(); now.Sub(c.set) > fresh {
		if c.SetDeadline(now.Add(c.cfg.Idle)) != nil {
			return false
		}
		c.set = now
	}
	c.out = append(append(c.out[:0], answer...), c.dateLine()...)
	_, err := c.Conn.Write(c.out)
	if err != nil {
		_ = c.Close() // the next read says so
	}
	return true
}

// dateLine is made once a second (RFC 9110 §6.6.1).
func (c *conn) dateLine() []byte {
	if now := c.cfg.Clock.Now(); now.Unix() != c.dated || c.date == nil {
		c.dated = now.Unix()
		c.date = now.UTC().AppendFormat(append(c.date[:0], "Date: "...), "Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n")
	}
	return c.date
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
