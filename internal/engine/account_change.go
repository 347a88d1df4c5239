package engine

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"primum/client"
	"primum/client/keys"
	"primum/identity"
)

// renew signs the identity document anew, which also lifts a suspension.
func (e *Engine) renew(ctx context.Context, p SecretParams) (Status, error) {
	return e.changeIdentity(ctx, p.Secret, nil)
}

// drop takes a client off the account; its circles let it go.
func (e *Engine) drop(ctx context.Context, p DropParams) (Status, error) {
	return e.changeIdentity(ctx, p.Secret, keys.DropClient(p.Client))
}

// changeIdentity unwraps the identity key, signs and publishes the next
// document and tells it to all circles.
func (e *Engine) changeIdentity(ctx context.Context, secret Secret, change keys.Change) (Status, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	s, err := e.openState()
	if err != nil {
		return Status{}, err
	}
	c, err := e.client()
	if err != nil {
		return Status{}, err
	}
	i, _, err := e.unlock(ctx, s, secret)
	if err != nil {
		return Status{}, err
	}
	defer i.Erase()
	current, err := e.newestOwn(ctx, s)
	if err != nil {
		return Status{}, err
	}
	changes := []keys.Change{keys.KnowSuites(s.Client.Name)}
	if change != nil {
		changes = append(changes, change)
	}
	next, err := keys.Next(current, i.Signer(), e.issueTime(s), changes...)
	if err != nil {
		return Status{}, err
	}
	if err := c.PublishIdentity(ctx, next); err != nil {
		return Status{}, err
	}
	e.emitStatus()
	return e.status(), nil
}

// issueTime is now, or the first second in which a document lifts a suspension
// of just before: documents count in seconds.
func (e *Engine) issueTime(s accountState) time.Time {
	now := e.o.Clock.Now()
	if lifts := s.Suspended.Truncate(time.Second).Add(time.Second); !s.Suspended.IsZero() && now.Before(lifts) {
		return lifts
	}
	return now
}

// newestOwn is the own document as the node has it now: another client may have
// changed it. A node that gives an older one is refused.
func (e *Engine) newestOwn(ctx context.Context, s accountState) (*identity.Verified, error) {
	mine, err := identity.First(s.Document)
	if err != nil {
		return nil, err
	}
	compact, err := client.FetchIdentity(ctx, e.calls(), s.Account)
	if err != nil {
		return nil, err
	}
	v, err := identity.Follow(compact, mine)
	if err != nil {
		return nil, fmt.Errorf("take the node's identity document: %w", err)
	}
	return v, nil
}

// clients lists the account's clients, with their last signs of life in the
// home circles.
func (e *Engine) clients(context.Context, Empty) ([]ClientInfo, error) {
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	s, _ := e.book.get()
	v, err := identity.First(s.Document)
	if err != nil {
		return nil, err
	}
	heard := map[string]time.Time{}
	for _, h := range c.Owner.Homes() {
		for name, at := range h.Life {
			if at.After(heard[name]) {
				heard[name] = at
			}
		}
	}
	out := []ClientInfo{}
	for _, m := range v.Clients() {
		out = append(out, ClientInfo{
			Name: m.Name, Browser: m.Browser, Own: m.Name == s.Client.Name, Added: m.Added, Heard: heard[m.Name],
		})
	}
	return out, nil
}

// suspend stops all giving until the account is renewed. The client key is
// enough: whoever finds a device stolen must not need a secret first.
func (e *Engine) suspend(ctx context.Context, _ Empty) (Status, error) {
	e.book.turn.Lock()
	defer e.book.turn.Unlock()
	s, err := e.openState()
	if err != nil {
		return Status{}, err
	}
	a, err := identity.ParseAddress(s.Account)
	if err != nil {
		return Status{}, err
	}
	now := e.o.Clock.Now().UTC()
	id, err := identity.NewID(e.o.Rand, now)
	if err != nil {
		return Status{}, err
	}
	compact, err := identity.SignSuspension(identity.Suspension{ID: id, Account: a, Client: s.Client.Name, At: now}, s.Client.Signer())
	if err != nil {
		return Status{}, err
	}
	if err := e.nodeOf(s).PutSuspension(ctx, a.User, compact); err != nil {
		return Status{}, fmt.Errorf("suspend: %w", err)
	}
	if err := e.book.change(func(s *accountState) { s.Suspended = now }); err != nil {
		return Status{}, err
	}
	e.emitStatus()
	return e.status(), nil
}

// lookInterval is how often an engine at work looks at its own account.
const lookInterval = time.Hour

// accountWork looks after the account while it is at work: whether it still
// lists this client, whether it is time to renew, and whether the node has the
// keep. wake comes when a node refuses or is away.
func (e *Engine) accountWork(ctx context.Context, wake <-chan struct{}) {
	e.giveBackKeep(ctx)
	for {
		e.lookAtOwn(ctx)
		timer := e.o.Pace.NewTimer(lookInterval)
		select {
		case <-timer.C():
			e.emitStatus()
		case <-wake:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// lookAtOwn finds out that this client was dropped: the node then refuses it,
// and only the public document tells why.
func (e *Engine) lookAtOwn(ctx context.Context) {
	s, ok := e.book.get()
	if !ok || s.Stage != stageOpen {
		return
	}
	v, err := e.newestOwn(ctx, s)
	if err != nil {
		return // the status line says that the node is away
	}
	if _, listed := v.ClientByKey(public(s.Client)); !listed {
		_ = e.saveDocument(v.Compact())
	}
}

// giveBackKeep leaves the keep at a node that has another: none, which looks
// like any, or an older one. A node that has a later one says so.
func (e *Engine) giveBackKeep(ctx context.Context) {
	s, ok := e.book.get()
	if !ok || s.Keep == nil || s.Unproved {
		return
	}
	theirs, err := e.fetchKeep(ctx, s.Keep.Account)
	if err != nil || bytes.Equal(theirs.Seal, s.Keep.Seal) {
		return
	}
	if err := e.putKeep(ctx, s, *s.Keep); err != nil {
		e.o.Log.Info("the node has a later keep, or takes none", "why", err)
	}
}
