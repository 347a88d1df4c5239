package oath

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"primum/client"
	"primum/client/nethttp"
)

// network is the only way of a check to anywhere.
type network struct {
	purse  *purse
	dialer nethttp.Dialer
	local  bool // the target is on this machine
	named  func(ctx context.Context, network, address string) (net.Conn, error)
	http   *http.Transport
	client *nethttp.Transport
	name   string // User-Agent
}

// newNetwork makes the network of a check of host. Names of this machine are
// reached only when the target itself is one, private addresses only under the
// target's own name, and only when the user said that it is theirs.
func newNetwork(cfg Config, host string, p *purse) *network {
	var own []string
	if slices.Contains(cfg.Own, host) {
		own = []string{host}
	}
	n := &network{purse: p, local: isLocal(host), named: cfg.Dial, name: cfg.agent()}
	n.dialer = nethttp.Dialer{Own: own, Wrap: n.count}
	n.http = &http.Transport{
		DialContext: n.dial, TLSClientConfig: cfg.TLS.Clone(), ForceAttemptHTTP2: true,
		DisableCompression: true, MaxResponseHeaderBytes: maxHeader, ResponseHeaderTimeout: answerWait,
		TLSHandshakeTimeout: answerWait, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
	}
	n.client = nethttp.New(nethttp.Options{Own: own, TLS: cfg.TLS, UserAgent: n.name, Wrap: n.count})
	return n
}

func (n *network) count(c net.Conn) (net.Conn, error) {
	if err := n.purse.take(0, 1); err != nil {
		return nil, err
	}
	return &counted{Conn: c, purse: n.purse}, nil
}

var errThisMachine = errors.New("a stranger's answer leads to the checker's own machine")

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	if isLocal(host) && !n.local {
		return nil, errThisMachine
	}
	if n.named == nil {
		return n.dialer.DialContext(ctx, network, address)
	}
	c, err := n.named(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return n.count(c)
}

// Dial connects to a stranger, within the budgets and by the rules of a
// check: for probes that speak no HTTP.
func (r *Run) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return r.net.dial(ctx, network, address)
}

// DialOwn connects to a server of the checker's own, such as its resolver,
// wherever that is. What it costs is counted all the same.
func (r *Run) DialOwn(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	counted, err := r.net.count(c)
	if err != nil {
		_ = c.Close()
	}
	return counted, err
}

func (n *network) close() {
	n.http.CloseIdleConnections()
	n.client.Close()
}

func (cfg Config) agent() string {
	if cfg.From == "" {
		return "primum-oath"
	}
	return "primum-oath (" + cfg.From + ")"
}

func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// machines is the transport of a cast: what it sends is counted, and it goes
// where a client may.
type machines struct {
	n *network
}

// Transport is a client's way to the network within the budgets: for the
// machines of the cast. It is closed when the check ends.
func (r *Run) Transport() client.Transport { return machines{r.net} }

func (m machines) Do(ctx context.Context, q client.Request) (client.Response, error) {
	if err := m.may(q.URL); err != nil {
		return client.Response{}, err
	}
	return m.n.client.Do(ctx, q)
}

func (m machines) Open(ctx context.Context, address string, subprotocols []string) (client.Socket, error) {
	if err := m.may(address); err != nil {
		return nil, err
	}
	return m.n.client.Open(ctx, address, subprotocols)
}

func (m machines) may(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	if isLocal(u.Hostname()) && !m.n.local {
		return errThisMachine
	}
	return m.n.purse.take(0, 1)
}
