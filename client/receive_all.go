package client

import (
	"context"
	"sync"
)

// Receive hands every value of everything that was given to this account, or
// only of what (see Find; empty for all), to deliver, grant by grant in order
// and grants side by side. A value counts as seen once deliver has returned
// nil; another error ends Receive. Grants that come later are received too.
func (c *Client) Receive(ctx context.Context, what string, deliver func(context.Context, Target, Value) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	defer work.Wait()
	streams := make(map[string]bool)
	_ = c.until(ctx, func() (bool, error) { // its only error is the context's end
		for _, t := range c.received(what) {
			if streams[t.stream()] {
				continue
			}
			streams[t.stream()] = true
			work.Go(func() { c.receiveOne(ctx, t, deliver, cancel) })
		}
		return false, nil
	})
	work.Wait()
	return context.Cause(ctx)
}

// received lists one target per stream: what was given, or what was named.
func (c *Client) received(what string) (all []Target) {
	if what != "" {
		t, err := c.Find(what)
		if err != nil {
			return nil // not given yet
		}
		return []Target{t}
	}
	for _, t := range c.Targets() {
		if t.Grant != nil {
			all = append(all, t)
		}
	}
	return all
}

func (c *Client) receiveOne(ctx context.Context, t Target, deliver func(context.Context, Target, Value) error, fail context.CancelCauseFunc) {
	one := t
	one.Name = "" // a grant's stream has all of its affordances
	if t.Own {
		one = t
	}
	for v := range c.WatchTarget(ctx, one) {
		named := c.targetOf(t, v)
		if err := deliver(ctx, named, v); err != nil {
			fail(err)
			return
		}
	}
}

// targetOf is the affordance that a value of t's stream belongs to.
func (c *Client) targetOf(t Target, v Value) Target {
	if v.Name == "" || (v.Thing == t.Thing && v.Name == t.Name) {
		return t
	}
	for _, other := range c.Targets() {
		if other.stream() == t.stream() && other.Thing == v.Thing && other.Name == v.Name {
			return other
		}
	}
	return t
}

// Seen marks a value as seen for a loop that ends before it asks for the next.
func (c *Client) Seen(t Target, v Value) {
	if err := c.spool.show(t.stream(), v.ID); err != nil {
		c.o.Calls.Log.Error("received values not marked as seen", "why", err)
	}
}

// Waits tells whether something of the target waits to be seen.
func (c *Client) Waits(t Target) bool {
	_, ok := c.spool.next(t.stream())
	return ok
}
