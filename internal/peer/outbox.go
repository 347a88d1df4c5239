package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"primum/identity"
	"primum/internal/store"
	"primum/internal/wire"
)

const (
	keepTrying  = 7 * 24 * time.Hour
	firstRetry  = 10 * time.Second
	longestWait = 6 * time.Hour
	batch       = 16
	maxWaiting  = 200 // documents of one sender in the outbox
	idleLook    = 10 * time.Minute
)

// Post keeps a sealed document durably and tries to deliver it at once. A
// refusal of the other node that trying again can't change is returned as
// *wire.Problem, and the document is forgotten; otherwise the error is nil and
// Run goes on trying for seven days or until the document expires. body is the
// document as the sender wrote it, id its hash.
func (p *Peer) Post(ctx context.Context, id string, to identity.Address, s wire.Sealed, body []byte) error {
	now := p.cfg.Clock.Now()
	o := store.Outgoing{
		ID: id, From: s.From, To: s.To, Authority: to.Authority, Created: now, Due: now.Add(firstRetry),
		Expires: earlier(s.Expires, now.Add(keepTrying)), Body: body,
	}
	if err := p.cfg.Store.Outbox.Put(ctx, o, maxWaiting); err != nil {
		return fmt.Errorf("keep document for delivery: %w", err)
	}
	err := p.attempt(ctx, o)
	p.poke()
	return err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// poke tells Run to look at the outbox.
func (p *Peer) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run delivers what waits until ctx ends.
func (p *Peer) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := p.deliverDue(ctx)
		if err != nil && ctx.Err() == nil {
			p.cfg.Log.Error("outbox not read", "error", err)
			wait = firstRetry
		}
		t := p.cfg.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-t.C():
		}
		t.Stop()
	}
}

// deliverDue tries what is due and says how long nothing will be.
func (p *Peer) deliverDue(ctx context.Context) (time.Duration, error) {
	for {
		due, err := p.cfg.Store.Outbox.Due(ctx, p.cfg.Clock.Now(), batch)
		if err != nil {
			return 0, err
		}
		for _, o := range due {
			if err := p.attempt(ctx, o); err != nil {
				p.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "document not taken by the other node", slog.Int("attempts", o.Attempts+1))
			}
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
		}
		if len(due) < batch {
			break
		}
	}
	next, err := p.cfg.Store.Outbox.NextDue(ctx)
	if err != nil || next.IsZero() {
		return idleLook, err
	}
	return min(max(next.Sub(p.cfg.Clock.Now()), time.Second), idleLook), nil
}

// attempt delivers one document. It returns only what ends the trying.
func (p *Peer) attempt(ctx context.Context, o store.Outgoing) error {
	now := p.cfg.Clock.Now()
	if !now.Before(o.Expires) {
		_ = p.cfg.Store.Outbox.Done(ctx, o.ID)
		return &wire.Problem{Type: wire.ProblemPrefix + wire.ProbExpired, Title: "The document expired before it could be delivered", Status: http.StatusGone}
	}
	err := p.deliver(ctx, o)
	if err == nil {
		return p.cfg.Store.Outbox.Done(ctx, o.ID)
	}
	if ctx.Err() != nil {
		return nil // it stays as it is
	}
	var refused *wire.Problem
	if errors.As(err, &refused) && final(refused) {
		return errors.Join(err, p.cfg.Store.Outbox.Done(ctx, o.ID))
	}
	wait := backOff(o.Attempts)
	if refused != nil {
		wait = max(wait, time.Duration(refused.Retry)*time.Second)
	}
	if err := p.cfg.Store.Outbox.Retry(ctx, o.ID, now.Add(wait), err.Error()); err != nil && !errors.Is(err, store.ErrNotFound) {
		p.cfg.Log.Error("outbox not written", "error", err)
	}
	return nil
}

func (p *Peer) deliver(ctx context.Context, o store.Outgoing) error {
	to, err := identity.ParseAddress(o.To)
	if err != nil {
		return &wire.Problem{Type: wire.ProblemPrefix + wire.ProbMalformed, Title: "The recipient is no address", Status: http.StatusBadRequest}
	}
	_, err = p.do(ctx, request{
		method: http.MethodPost, authority: o.Authority, path: "/v1/inbox/" + url.PathEscape(to.User),
		kind: "application/json", body: o.Body, signed: true, max: wire.MaxDocument,
	})
	return err
}

// final tells whether trying again can't help.
func final(pr *wire.Problem) bool {
	for _, name := range []string{wire.ProbTooMany, wire.ProbClockSkew, wire.ProbReplay, wire.ProbUnreachable, wire.ProbStorage, wire.ProbInternal} {
		if pr.Named(name) {
			return false
		}
	}
	return pr.Status/100 == 4
}

// backOff doubles from ten seconds to six hours, spread by up to a quarter so
// that many documents don't knock together.
func backOff(attempts int) time.Duration {
	d := firstRetry << min(attempts, 12)
	d = min(d, longestWait)
	return d + time.Duration(rand.Int64N(int64(d)/4+1))
}
