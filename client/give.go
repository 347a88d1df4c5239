package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"primum/circle"
)

// Give gives, and waits until the own node has filed the envelope. The anchor
// may be offline: then it opens the circle when it returns. Right after a
// claim it waits for the anchor's stock of circles.
func (c *Client) Give(ctx context.Context, p circle.GiveParams) (grantID string, err error) {
	p = c.withInputs(p)
	err = c.until(ctx, func() (bool, error) {
		grantID, err = c.Owner.Give(p)
		if errors.Is(err, circle.ErrNotYet) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return "", fmt.Errorf("give: %w", err)
	}
	if err := c.performed(ctx, circle.EffectFileEnvelope, grantID); err != nil {
		return grantID, fmt.Errorf("file the grant at %s: %w", c.Home.Authority, err)
	}
	return grantID, nil
}

// performed waits until the effect about something has been performed, or
// tells why it was not.
func (c *Client) performed(ctx context.Context, kind circle.EffectKind, about string) error {
	return c.until(ctx, func() (bool, error) {
		a, ok := c.driver.outcome(kind, about)
		return ok, a.err
	})
}

// Opened waits until the anchor has opened the circle of a grant, or has
// declined it.
func (c *Client) Opened(ctx context.Context, grantID string) error {
	return c.until(ctx, func() (bool, error) {
		for _, g := range c.Owner.Given() {
			if g.ID == grantID && g.Joined {
				return true, nil
			}
		}
		return false, nil
	})
}

// Withdraw ends a grant. It asks for both locks at once, of the node and, on
// the LAN where it is reachable and through the home circle, of the thing; it
// returns when both have answered or patience is over. What has not answered
// is zero in the answer, and is asked again for as long as it takes. nodeErr is
// why the node did not lock: even then, the thing may have confirmed.
func (c *Client) Withdraw(ctx context.Context, grantID string, patience time.Duration) (info circle.WithdrawalInfo, nodeErr, err error) {
	c.driver.forget(circle.EffectFileClosing, grantID)
	if err := c.Owner.Withdraw(grantID); err != nil {
		return info, nil, fmt.Errorf("withdraw: %w", err)
	}
	ctx, cancel := c.within(ctx, patience)
	defer cancel()
	lan := make(chan struct{})
	go func() {
		defer close(lan)
		c.withdrawOnLAN(ctx, grantID)
	}()
	_ = c.until(ctx, func() (bool, error) { // its only error is the end of patience
		info = c.withdrawal(grantID)
		a, answered := c.driver.outcome(circle.EffectFileClosing, grantID)
		nodeErr = a.err
		return info.Confirmed() && (!info.LockOne.IsZero() || answered), nil
	})
	cancel()
	<-lan
	return info, nodeErr, nil
}

// within is a context that ends with patience, by the pace's clock.
func (c *Client) within(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	t := c.driver.pace.NewTimer(patience)
	go func() {
		defer t.Stop()
		select {
		case <-t.C():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (c *Client) withdrawal(grantID string) circle.WithdrawalInfo {
	for _, g := range c.Owner.Given() {
		if g.ID == grantID && g.Withdrawal != nil {
			return *g.Withdrawal
		}
	}
	return circle.WithdrawalInfo{}
}
