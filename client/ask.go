package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/circle"
	"primum/grant"
)

// Ask sends a request to the inbox of an account and waits until the own node
// has taken it.
func (c *Client) Ask(ctx context.Context, account string, q grant.Request) (request string, err error) {
	v, err := c.Directory.Lookup(ctx, account)
	if err != nil {
		return "", err
	}
	p := circle.AskParams{Recipient: v.Compact(), Request: q}
	request, err = c.Owner.Ask(p)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", account, err)
	}
	if err := c.performed(ctx, circle.EffectSendInbox, request); err != nil {
		return request, fmt.Errorf("send the request: %w", err)
	}
	return request, nil
}

// Refuse says no to a request and waits until the own node knows.
func (c *Client) Refuse(ctx context.Context, request string, askAgain time.Duration) error {
	for _, r := range c.Owner.Requests() {
		if r.ID != request {
			continue
		}
		if err := c.Owner.Refuse(request, askAgain); err != nil {
			return fmt.Errorf("refuse: %w", err)
		}
		return c.performed(ctx, circle.EffectFileRefusal, r.From)
	}
	return fmt.Errorf("refuse %s: %w", request, ErrNoSuch)
}

// ErrTimeout: the thing did not answer in time.
var ErrTimeout = errors.New("no answer from the thing")

// Send writes a property or invokes an action and waits for the thing's
// answer. Where this client is still on its way into the circle, it waits for
// that too, for as long as ctx lasts. A missing right is an error of package grant that names what is
// missing; a *circle.Problem is the thing's own refusal.
func (c *Client) Send(ctx context.Context, t Target, input json.RawMessage, timeout time.Duration) (json.RawMessage, error) {
	e, err := c.answer(ctx, func() (string, error) {
		return c.Owner.Command(circle.CommandParams{
			Circle: t.Circle, Thing: t.Thing, Name: t.Name, Op: commandOp(t.Ops), Input: input, Timeout: timeout,
		})
	}, func(circle.Event) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("send to %s: %w", t.Path, err)
	}
	return e.Value, nil
}

// commandOp is how the affordance is commanded: an action is invoked, anything
// else is written.
func commandOp(ops []string) string {
	for _, op := range ops {
		if op == "invokeaction" {
			return op
		}
	}
	return "writeproperty"
}

// History asks the thing's end for past values, page by page; the zero since
// asks for the newest value only.
func (c *Client) History(ctx context.Context, t Target, since time.Time, page func([]circle.Reading) error) error {
	return c.read(ctx, t, since, nil, page)
}

// HistoryAs is History of an own thing as a grant of this precision would have
// shown it, computed at the thing's own end by what computes grants' values;
// with Change each value as it was measured.
func (c *Client) HistoryAs(ctx context.Context, t Target, since time.Time, as circle.Precision, page func([]circle.Reading) error) error {
	return c.read(ctx, t, since, &as, page)
}

// readAgain is the pause before a thing's end is asked again that was busy with
// an earlier question of this client.
const readAgain = 200 * time.Millisecond

// read asks one question per circle at a time: a thing's end takes no more.
func (c *Client) read(ctx context.Context, t Target, since time.Time, as *circle.Precision, page func([]circle.Reading) error) error {
	turn := c.turn(t.Circle)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		err := c.readOnce(ctx, t, since, as, page)
		var p *circle.Problem
		if !errors.As(err, &p) || p.Kind != circle.KindTooMany {
			return err
		}
		timer := c.driver.pace.NewTimer(readAgain)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// turn is held by who reads in a circle.
func (c *Client) turn(id circle.ID) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turns[id] == nil {
		c.turns[id] = make(chan struct{}, 1)
	}
	return c.turns[id]
}

func (c *Client) readOnce(ctx context.Context, t Target, since time.Time, as *circle.Precision, page func([]circle.Reading) error) error {
	_, err := c.answer(ctx, func() (string, error) {
		return c.Owner.Read(circle.ReadParams{Circle: t.Circle, Thing: t.Thing, Name: t.Name, Since: since, As: as})
	}, func(e circle.Event) error { return page(e.Values) })
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Path, err)
	}
	return nil
}

// answer asks, and waits for the last event that answers.
func (c *Client) answer(ctx context.Context, ask func() (string, error), each func(circle.Event) error) (last circle.Event, err error) {
	// The answer can't come before it was asked for: events are kept for who
	// waits, and the reference is known before the driver takes the next one
	// only if nobody can take events meanwhile.
	var ref string
	err = c.until(ctx, func() (bool, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		ref, err = ask()
		if errors.Is(err, circle.ErrNotYet) {
			return false, nil
		}
		if err == nil {
			c.answers[ref] = nil
		}
		return true, err
	})
	if err != nil {
		return last, err
	}
	defer func() {
		c.mu.Lock()
		delete(c.answers, ref)
		c.mu.Unlock()
	}()
	err = c.until(ctx, func() (bool, error) {
		c.mu.Lock()
		events := c.answers[ref]
		c.answers[ref] = nil
		c.mu.Unlock()
		for _, e := range events {
			if e.Problem != nil {
				return false, problemOfThing(e.Problem)
			}
			if err := each(e); err != nil {
				return false, err
			}
			if last = e; e.Kind == circle.EventAnswer || e.Last {
				return true, nil
			}
		}
		return false, nil
	})
	return last, err
}

func problemOfThing(p *circle.Problem) error {
	if p.Kind == "timeout" {
		return fmt.Errorf("%w: %w", ErrTimeout, p)
	}
	return p
}
