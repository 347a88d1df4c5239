package webtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// gate is the HTTP proxy of one tab: it lets through what the test named,
// and notes and refuses the rest. Everything the page and its workers send
// passes here.
type gate struct {
	server *http.Server
	addr   string

	mu      sync.Mutex
	allowed map[string]bool
	asked   []string // "GET http://…" or "CONNECT host:port", in order
	refused []string
	offline bool
	tunnels map[net.Conn]bool
}

func newGate() (*gate, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gate{addr: ln.Addr().String(), allowed: map[string]bool{}, tunnels: map[net.Conn]bool{}}
	g.server = &http.Server{Handler: g}
	go func() { _ = g.server.Serve(ln) }() // ends with close
	return g, nil
}

func (g *gate) close() {
	_ = g.server.Close()
	g.dropTunnels()
}

func (g *gate) allow(authority string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed[authority] = true
}

func (g *gate) setOffline(off bool) {
	g.mu.Lock()
	g.offline = off
	g.mu.Unlock()
	if off {
		g.dropTunnels()
	}
}

func (g *gate) dropTunnels() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.tunnels {
		_ = c.Close()
	}
}

// pass notes a request and says whether it may go on.
func (g *gate) pass(method, target, authority string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.offline {
		return false
	}
	g.asked = append(g.asked, method+" "+target)
	if !g.allowed[authority] {
		g.refused = append(g.refused, target)
	}
	return g.allowed[authority]
}

func (g *gate) requests() (asked, refused []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.asked), slices.Clone(g.refused)
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.URL.String()
	if r.Method == http.MethodConnect {
		target = r.Host
	}
	switch {
	case !g.pass(r.Method, target, withPort(r)):
		hangUp(w)
	case r.Method == http.MethodConnect:
		g.tunnel(w, r)
	default:
		g.forward(w, r)
	}
}

// withPort is the authority of a request to a proxy, with its port.
func withPort(r *http.Request) string {
	if r.Method == http.MethodConnect || r.URL.Port() != "" {
		return r.Host
	}
	return r.Host + ":80"
}

// hangUp ends the connection without an answer: for a page that is a network
// that does not answer, where any status would be an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func (g *gate) forward(w http.ResponseWriter, r *http.Request) {
	proxy := httputil.ReverseProxy{
		Rewrite:       func(*httputil.ProxyRequest) {}, // as it came, no added headers
		Transport:     &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) },
	}
	proxy.ServeHTTP(w, r)
}

func (g *gate) tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := dial(r.Context(), "tcp", r.Host)
	if err != nil {
		hangUp(w)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	g.keep(here, there)
	defer g.forget(here, there)
	if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	both := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(there, buffered); both <- struct{}{} }()
	go func() { _, _ = io.Copy(here, there); both <- struct{}{} }()
	<-both // either side's end ends both
}

func (g *gate) keep(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.tunnels[c] = true
	}
}

func (g *gate) forget(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(g.tunnels, c)
	}
}

// dial reaches this machine only.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, errors.New("not this machine: " + addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, net.JoinHostPort(host, port))
}

// authorityOf is host:port of a URL.
func authorityOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	switch {
	case u.Host == "":
		return "", fmt.Errorf("%q names no host", raw)
	case u.Port() != "":
		return u.Host, nil
	case u.Scheme == "https":
		return u.Host + ":443", nil
	}
	return u.Host + ":80", nil
}
