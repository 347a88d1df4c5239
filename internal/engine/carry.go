package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"primum/client"
	"primum/client/link"
	"primum/identity"
	"primum/internal/wire"
)

// sessionLife is how long a page session is used before a new one is asked
// for; the node's own limit is twice that.
const sessionLife = 6 * time.Hour

// carried is a transport of a page: what is for another authority, or for an
// edge on the local network, is carried by the page's own origin, which does
// that for holders of a session.
type carried struct {
	client.Transport
	*pageSession
}

// pageSession is the session of a page at its own origin. The client signs for
// one when it is needed, and anew when it has ended.
type pageSession struct {
	calls client.Calls // of the transport itself
	own   string       // authority of the account
	by    client.Key

	mu    sync.Mutex // one at a time asks for a session
	since time.Time  // of the session; zero: none
}

// sessionTransports are the engine's transports for an account: to nodes, and
// to the local network, nil where there is none.
func (e *Engine) sessionTransports(k client.Keys) (nodes, lan client.Transport) {
	a, err := identity.ParseAddress(k.Address)
	if err != nil || e.o.Origin != link.BaseURL(a.Authority) {
		// Nobody carries, or a person's own program does, for whoever is at it.
		return e.o.Transport, e.o.LAN
	}
	s := &pageSession{calls: e.calls(), own: a.Authority, by: client.Key{ID: identity.ClientKeyID(a, k.Client), Signer: k.Signer}}
	nodes = &carried{e.o.Transport, s}
	if e.o.LAN != nil {
		lan = &carried{e.o.LAN, s}
	}
	return nodes, lan
}

// Do implements client.Transport.
func (c *carried) Do(ctx context.Context, r client.Request) (client.Response, error) {
	if !c.foreign(r.URL) {
		return c.Transport.Do(ctx, r)
	}
	if err := c.renew(ctx, false); err != nil {
		return client.Response{}, err
	}
	resp, err := c.Transport.Do(ctx, r)
	if err != nil || resp.Status != 401 || !notSigned(resp.Body) {
		return resp, err
	}
	if err := c.renew(ctx, true); err != nil {
		return client.Response{}, err
	}
	return c.Transport.Do(ctx, r)
}

// Open implements client.Transport.
func (c *carried) Open(ctx context.Context, address string, subprotocols []string) (client.Socket, error) {
	if c.foreign(address) {
		if err := c.renew(ctx, false); err != nil {
			return nil, err
		}
	}
	return c.Transport.Open(ctx, address, subprotocols)
}

func (c *pageSession) foreign(address string) bool {
	base := link.BaseURL(c.own)
	return address != base && !strings.HasPrefix(address, base+"/")
}

// notSigned tells the refusal of who carries: no session. A node beyond it
// refuses in the same way, which costs one more session and no loop.
func notSigned(body []byte) bool {
	var p wire.Problem
	return json.Unmarshal(body, &p) == nil && p.Named(wire.ProbUnsigned)
}

// renew gets a session where there is none or an old one, or in any case.
func (c *pageSession) renew(ctx context.Context, anyway bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.calls.Clock.Now()
	age := now.Sub(c.since)
	if !c.since.IsZero() && age >= 0 && (age < sessionLife && !anyway || age < time.Second) {
		return nil // another request has just renewed it
	}
	if err := c.calls.JSON(ctx, c.by, "POST", link.BaseURL(c.own)+"/v1/session", nil, nil); err != nil {
		return fmt.Errorf("begin a page session at %s: %w", c.own, err)
	}
	c.since = now
	return nil
}
