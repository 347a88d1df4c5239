package client

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Sync waits until everything that the own node and the nodes of all circles
// hold for this client has been read. An own node that does not answer is an
// error (ErrUnreachable); other nodes that don't are named in away, and what
// they hold is missing.
func (c *Client) Sync(ctx context.Context) (away []string, err error) {
	err = c.until(ctx, func() (bool, error) {
		home, tried := c.linkWord(c.Home.Authority)
		switch {
		case tried && home != nil:
			return false, fmt.Errorf("reach your node %s: %w", c.Home.Authority, home)
		case !tried || !c.driver.inbox.isSynced() || !c.isGreeted():
			return false, nil
		}
		ok := false
		ok, away = c.circlesRead()
		return ok, nil
	})
	return away, err
}

func (c *Client) isGreeted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.greeted
}

func (c *Client) linkWord(authority string) (error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links[authority], c.seen[authority]
}

// Reach tells whether the own node is connected, and which other nodes are not.
func (c *Client) Reach() (home bool, away []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for authority, err := range c.links {
		switch {
		case authority == c.Home.Authority:
			home = err == nil
		case err != nil:
			away = append(away, authority)
		}
	}
	slices.Sort(away)
	return home, away
}

// Ahead is how far this clock was before the own node's at the last
// connection; negative: behind it.
func (c *Client) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead
}

func (c *Client) nodeNow(authority string, now time.Time) {
	if authority != c.Home.Authority {
		return
	}
	c.mu.Lock()
	c.ahead = c.o.Calls.Clock.Now().Sub(now)
	c.mu.Unlock()
}

// circlesRead tells whether every circle was read up to the head that its node
// told, and which nodes do not answer.
func (c *Client) circlesRead() (all bool, away []string) {
	d := c.driver
	subscriptions := c.Owner.Subscriptions()
	for _, s := range subscriptions {
		word, tried := c.linkWord(s.Node)
		switch {
		case s.Joining:
			continue
		case tried && word != nil:
			if !slices.Contains(away, s.Node) {
				away = append(away, s.Node)
			}
			continue
		case !tried || !d.isRead(s):
			return false, nil
		}
	}
	return true, away
}

// Settled waits until nothing is under way to any node. What a node refused or
// did not answer is tried again later and does not count.
func (c *Client) Settled(ctx context.Context) error {
	return c.until(ctx, func() (bool, error) { return c.driver.quiet(), nil })
}
