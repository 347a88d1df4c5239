package httpdoor

import (
	"context"
	"errors"

	"primum/internal/store"
	"primum/internal/wire"
)

// getPush gives the node's key for Web Push, and tells whether the calling
// client is subscribed.
func (d *Door) getPush(ctx context.Context, c *call) (any, error) {
	key, err := d.cfg.Peer.PushKey(ctx)
	if err != nil {
		return nil, err
	}
	_, err = d.cfg.Store.Pushes.Get(ctx, c.who.accountName(), c.who.client)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return wire.PushKey{Key: key, On: err == nil}, nil
}

// putPush subscribes the calling client: it is rung without a word of what came.
func (d *Door) putPush(ctx context.Context, c *call) (any, error) {
	var in wire.PushSubscription
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := d.cfg.Peer.CheckEndpoint(in.Endpoint); err != nil {
		return nil, at(problem(wire.ProbMalformed, err.Error()), "/endpoint")
	}
	// A subscription made anew is rung at once, wherever it leads to.
	if wait, ok := d.pushes.take(c.who.bucket()); !ok {
		return nil, tooMany(wait, "subscriptions of your account")
	}
	return nil, d.cfg.Store.Pushes.Put(ctx, store.Push{Account: c.who.accountName(), Client: c.who.client, Endpoint: in.Endpoint})
}

func (d *Door) deletePush(ctx context.Context, c *call) (any, error) {
	return nil, d.cfg.Store.Pushes.Remove(ctx, c.who.accountName(), c.who.client, "")
}
