package client

import (
	"context"
	"iter"
)

// Watch yields the values of a grant (by id or name, see Find) or of an own
// thing: first those that came while nobody watched, since the grant began,
// then live ones. A grant that is not here yet is waited for. It ends when ctx
// ends or the client is closed, and after a last Value that Ended tells of.
// Each value is yielded once and counted as seen when the loop comes back for
// the next one; a crash in between yields it again, under the same ID.
func (c *Client) Watch(ctx context.Context, grant string) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		var t Target
		if c.until(ctx, func() (bool, error) {
			var err error
			t, err = c.Find(grant)
			return err == nil, nil
		}) != nil {
			return
		}
		c.WatchTarget(ctx, t)(yield)
	}
}

// WatchTarget is Watch for what Find has found.
func (c *Client) WatchTarget(ctx context.Context, t Target) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		var seen uint64
		for {
			v, err := c.nextValue(ctx, t, &seen)
			if err != nil || !yield(v) {
				return
			}
			if err := c.spool.show(t.stream(), v.ID); err != nil {
				c.o.Calls.Log.Error("received values not marked as seen", "why", err)
				return
			}
			if v.Ended() {
				return
			}
		}
	}
}

// nextValue waits for the next event of the target; what is of other
// affordances of the same grant passes.
func (c *Client) nextValue(ctx context.Context, t Target, seen *uint64) (v Value, err error) {
	err = c.until(ctx, func() (bool, error) {
		for {
			e, ok := c.spool.nextAfter(t.stream(), *seen)
			if !ok {
				return false, nil
			}
			*seen = e.ID
			v = valueOf(e)
			if v.State != "" || t.Name == "" || (v.Thing == t.Thing && v.Name == t.Name) {
				return true, nil
			}
			if err := c.spool.show(t.stream(), e.ID); err != nil {
				return false, err
			}
		}
	})
	return v, err
}
