// Package nethttp is the client.Transport over net/http and WebSockets.
//
// It keeps the dial rules of the wire specification: a name under .localhost
// is 127.0.0.1 and spoken to in plain HTTP; every other name is spoken to over
// TLS, and an address that is private or loopback is refused unless the name
// was listed as the user's own. Redirects are not followed: a signature is
// over the address that was asked.
package nethttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"primum/client"
	"primum/internal/wire"
)

const (
	defaultMax = 2 << 20
	// maxFrame is the largest frame that a node sends: a handshake of 256 KiB
	// in base64 inside JSON.
	maxFrame = 1 << 20
	// silence is how long a socket may be silent before it counts as lost; a
	// node pings who is silent for 45 s.
	silence = 150 * time.Second
)

// Options of a Transport. The zero value is right for a person's client.
type Options struct {
	// Own lists host names that may have private addresses: the user's own
	// node in their own network.
	Own []string
	// LAN allows plain HTTP and private addresses everywhere: for edges on the
	// local network, whose keys are pinned by their label, and for nothing that
	// a stranger names.
	LAN bool
	// TLS is cloned; nil for the system's roots.
	TLS *tls.Config
	// Timeout of one request, 0 for 30 seconds. Sockets have none.
	Timeout time.Duration
	// UserAgent is sent with every request, "primum" when empty.
	UserAgent string
	// Wrap, if any, gets every connection that was made, below TLS: to count or
	// to end it. An error refuses the connection.
	Wrap func(net.Conn) (net.Conn, error)
}

// Transport implements client.Transport. Safe for concurrent use.
type Transport struct {
	http    *http.Client
	lan     bool
	timeout time.Duration
	agent   string
}

// New makes a transport.
func New(o Options) *Transport {
	d := Dialer{Own: slices.Clone(o.Own), LAN: o.LAN, Wrap: o.Wrap}
	rt := &http.Transport{
		DialContext:         d.DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     o.TLS.Clone(),
	}
	t := &Transport{lan: o.LAN, timeout: o.Timeout, agent: o.UserAgent, http: &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if t.timeout == 0 {
		t.timeout = 30 * time.Second
	}
	if t.agent == "" {
		t.agent = "primum"
	}
	return t
}

// Close closes idle connections.
func (t *Transport) Close() { t.http.CloseIdleConnections() }

// Do implements client.Transport.
func (t *Transport) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if err := t.checkURL(r.URL); err != nil {
		return client.Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return client.Response{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("User-Agent", t.agent)
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return client.Response{}, unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return readResponse(resp, r.Max)
}

func readResponse(resp *http.Response, limit int64) (client.Response, error) {
	if limit == 0 {
		limit = defaultMax
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return client.Response{}, unreachable(fmt.Errorf("read answer: %w", err))
	}
	if int64(len(body)) > limit {
		return client.Response{}, fmt.Errorf("read answer of %s: more than %d bytes", resp.Request.URL.Host, limit)
	}
	h := make(map[string]string, len(resp.Header))
	for k := range resp.Header {
		h[strings.ToLower(k)] = resp.Header.Get(k)
	}
	return client.Response{Status: resp.StatusCode, Header: h, Body: body}, nil
}

// Open implements client.Transport. The address is that of the request the
// ticket came from, with scheme http or https.
func (t *Transport) Open(ctx context.Context, address string, subprotocols []string) (client.Socket, error) {
	if err := t.checkURL(address); err != nil {
		return nil, err
	}
	dialCtx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	s := &socket{}
	c, resp, err := websocket.Dial(dialCtx, address, &websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool { s.heard(); return true },
		HTTPClient:     t.http,
		HTTPHeader:     http.Header{"User-Agent": {t.agent}},
		Subprotocols:   subprotocols,
	})
	if err != nil {
		// The URL in the library's error is safe; the ticket is in a header.
		if resp != nil {
			return nil, fmt.Errorf("open socket: the node answered %s", resp.Status)
		}
		return nil, unreachable(err)
	}
	c.SetReadLimit(maxFrame)
	s.c, s.deaf = c, time.AfterFunc(silence, func() { _ = c.CloseNow() })
	return s, nil
}

// socket closes itself when nothing was heard for too long: a broken
// connection may look open for hours.
type socket struct {
	c    *websocket.Conn
	deaf *time.Timer
}

func (s *socket) heard() { s.deaf.Reset(silence) }

func (s *socket) Read(ctx context.Context) (bool, []byte, error) {
	kind, b, err := s.c.Read(ctx)
	if err != nil {
		return false, nil, unreachable(err)
	}
	s.heard()
	return kind == websocket.MessageBinary, b, nil
}

func (s *socket) Write(ctx context.Context, binary bool, data []byte) error {
	kind := websocket.MessageText
	if binary {
		kind = websocket.MessageBinary
	}
	if err := s.c.Write(ctx, kind, data); err != nil {
		return unreachable(err)
	}
	return nil
}

func (s *socket) Close() error {
	s.deaf.Stop()
	return s.c.CloseNow()
}

// checkURL keeps plain HTTP to .localhost.
func (t *Transport) checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return fmt.Errorf("address %q: want https://HOST/", u.Redacted())
	}
	if u.Scheme == "http" && !t.lan && !isLocalhost(u.Hostname()) {
		return fmt.Errorf("address %q: plain HTTP is for names under .localhost only", u.Redacted())
	}
	return nil
}

func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Dialer makes connections by the rules of this package. Safe for concurrent
// use.
type Dialer struct {
	Own  []string // as in Options
	LAN  bool
	Wrap func(net.Conn) (net.Conn, error)
}

// ErrPrivate means that a stranger's name leads into a private network.
var ErrPrivate = errors.New("the name leads to a private address; a stranger's node has a public one")

// DialContext is for http.Transport, and for UDP.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	nd := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	switch {
	case isLocalhost(host):
		address = net.JoinHostPort("127.0.0.1", port)
	case !d.LAN && !slices.Contains(d.Own, host):
		nd.ControlContext = refusePrivate
	}
	conn, err := nd.DialContext(ctx, network, address)
	if err != nil || d.Wrap == nil {
		return conn, err
	}
	wrapped, err := d.Wrap(conn)
	if err != nil {
		_ = conn.Close()
	}
	return wrapped, err
}

// refusePrivate looks at the address after the name was resolved, so that a
// name that changes its mind between look-up and connection is caught too.
func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read resolved address: %w", err)
	}
	if !wire.IsPublic(ap.Addr()) {
		return ErrPrivate
	}
	return nil
}

// unreachable marks err as client.ErrUnreachable, except where the caller gave
// up by itself.
func unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the caller says whom it asked
	}
	return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
}
