package client

import (
	"context"

	"primum/circle"
)

// ThingsOf waits until the things of a home are known.
func (c *Client) ThingsOf(ctx context.Context, home circle.ID) error {
	return c.until(ctx, func() (bool, error) { return len(c.Owner.Things(home)) > 0, nil })
}

// Described waits until the things of a home are known with what they say of
// themselves.
func (c *Client) Described(ctx context.Context, home circle.ID) error {
	return c.until(ctx, func() (bool, error) {
		things := c.Owner.Things(home)
		for _, t := range things {
			if len(t.Description) == 0 {
				return false, nil
			}
		}
		return len(things) > 0, nil
	})
}

// Latest is the newest value of a target that this process or an earlier one
// received, as far as it was kept.
func (c *Client) Latest(t Target) (Value, bool) {
	e, ok := c.spool.latest(t.stream(), t.Thing, t.Name)
	return valueOf(e), ok
}
