package client

import (
	"context"
	"time"

	"primum/circle"
	"primum/grant"
	"primum/internal/wire"
)

// Pledges lists what nodes promised to log for this client, the oldest first,
// and whether they did.
func (c *Client) Pledges() []Pledge { return c.pledge.all() }

// CheckPledges checks the promises that are due, and returns when their nodes
// have answered or don't. A client does so by itself, too.
func (c *Client) CheckPledges(ctx context.Context) { c.pledge.work(ctx) }

// Pledged keeps a promise of the own node, to be checked now and proved after
// the tick: about something that event happened to.
func (c *Client) Pledged(about, event string, leaf [32]byte, promise string) error {
	return c.pledge.take(Pledge{About: about, Event: event, Node: c.Home.Authority, Leaf: leaf[:], Promise: promise})
}

// filed keeps what a node promised when it took an envelope or a closing. That
// it took it counts even where this can't be kept.
func (c *Client) filed(authority string, e circle.Effect, r wire.Receipt) {
	for _, g := range c.Owner.Given() {
		if g.ID != e.Grant {
			continue
		}
		if e.Kind == circle.EffectFileClosing && !grant.State(r.State).Terminal() {
			r.State, r.Promise = string(grant.Withdrawn), "" // a node that answers so has not closed
		}
		leaf := wire.GrantCommitment(g.KGrant, r.State)
		err := c.pledge.take(Pledge{About: g.ID, Event: r.State, Node: authority, Leaf: leaf[:], Promise: r.Promise})
		if err != nil {
			c.o.Calls.Log.Error("promise not kept", "node", authority, "why", err)
		}
	}
}

// finding tells people that a node's ledger is not as it must be.
func (c *Client) finding(p Pledge, text string) {
	about := p.About
	if !c.gave(about) {
		about = ""
	}
	if err := c.Owner.Finding(circle.ID{}, about, p.Finding, text); err != nil {
		c.o.Calls.Log.Error("finding not told", "finding", p.Finding, "why", err)
	}
}

func (c *Client) gave(grantID string) bool {
	for _, g := range c.Owner.Given() {
		if g.ID == grantID {
			return true
		}
	}
	return false
}

// nodeTime is the own node's time, as far as this client knows.
func (c *Client) nodeTime() time.Time { return c.o.Calls.Clock.Now().Add(-c.Ahead()) }

// at is the node of an authority, asked by nobody in particular.
func (c *Client) at(authority string) Node { return Node{Calls: c.o.Calls, Authority: authority} }
