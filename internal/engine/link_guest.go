package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"primum/client/guest"
)

// guestFile is where a guest's keys are, for as long as its grant lasts.
const guestFile = "guest.json"

// renewEvery is how often a guest looks whether its document gets old.
const renewEvery = 12 * time.Hour

// guestEnd is the outcome of a link that can't be opened; empty for other
// errors.
func guestEnd(err error) guest.Stage {
	switch {
	case errors.Is(err, guest.ErrUsed):
		return guest.Taken
	case errors.Is(err, guest.ErrExpired):
		return guest.TooLate
	case errors.Is(err, guest.ErrRefused):
		return guest.Refused
	case errors.Is(err, guest.ErrEnded):
		return guest.Gone
	}
	return ""
}

// linkOpen opens a link: the same one again goes on where it was.
func (e *Engine) linkOpen(ctx context.Context, p LinkOpenParams) (LinkGuest, error) {
	l, err := guest.Parts(p.Node, p.ID, p.Secret)
	if err != nil {
		return LinkGuest{}, linkError(err)
	}
	e.links.mu.Lock()
	defer e.links.mu.Unlock()
	if v := e.links.visit; v != nil {
		if v.Now().URL != l.URL() {
			return LinkGuest{}, &Error{Code: "account-here"}
		}
		return shownGuest(v.Now()), nil
	}
	if _, err := e.current(); err == nil {
		return LinkGuest{}, &Error{Code: "account-here"}
	}
	v, err := guest.Knock(ctx, e.guestPath(), e.clientDir(), e.calls(), l, true)
	if end := guestEnd(err); end != "" {
		return LinkGuest{State: string(end)}, e.eraseGuest()
	}
	if v == nil {
		return LinkGuest{}, linkError(err)
	}
	// Its keys are kept: where only the answer was lost, it goes on by itself.
	e.links.visit = v
	e.work.start(func() { e.visitWork(v) })
	return shownGuest(v.Now()), nil
}

func (e *Engine) linkState(context.Context, Empty) (LinkGuest, error) {
	e.links.mu.Lock()
	defer e.links.mu.Unlock()
	switch {
	case e.links.visit != nil:
		return shownGuest(e.links.visit.Now()), nil
	case e.links.last.State != "":
		return e.links.last, nil
	}
	return LinkGuest{}, &Error{Code: "no-link"}
}

func shownGuest(p guest.Pass) LinkGuest {
	g := LinkGuest{State: string(p.Stage), Words: p.Words, Owner: p.Owner, OwnerName: clean(p.OwnerName, maxTitle)}
	if p.Stage == guest.Knocking || p.Stage == guest.Admitted {
		g.State = "waiting"
	}
	return g
}

func (e *Engine) guestPath() string { return filepath.Join(e.o.Dir, guestFile) }

// loadGuest reads the guest that is here, nil where there is none, and the
// account to act for, nil before the words were shown. What is left of one that
// has ended is erased.
func (e *Engine) loadGuest() (*guest.Visit, *account, error) {
	v, err := guest.OpenVisit(e.guestPath(), e.clientDir(), e.calls())
	if err != nil || v == nil {
		return nil, nil, err
	}
	p := v.Now()
	if p.Stage.Over() {
		e.links.last, e.gone = shownGuest(p), true
		return nil, nil, e.eraseGuest()
	}
	e.links.visit = v
	if p.Stage != guest.Compare && p.Stage != guest.Has {
		return v, nil, nil
	}
	k, err := v.Keys()
	return v, &account{keys: k, guest: true, only: p.Owner}, err
}

// visitWork follows a guest's link until it ends, and its grant with it.
func (e *Engine) visitWork(v *guest.Visit) {
	e.work.start(func() { e.renewGuest(v) })
	err := v.Follow(e.ctx, e.links.nudge, func(p guest.Pass) {
		if p.Stage == guest.Compare {
			if err := e.enterGuest(v); err != nil {
				e.o.Log.Error("guest's client not opened", "why", err)
			}
		}
		e.emit(Event{Kind: "links"})
		e.emitStatus()
	})
	if e.ctx.Err() != nil {
		return
	}
	if err != nil {
		e.o.Log.Error("link not followed any more", "why", err)
		return
	}
	e.endGuest(v)
}

func (e *Engine) enterGuest(v *guest.Visit) error {
	k, err := v.Keys()
	if err != nil {
		return err
	}
	return e.enter(account{keys: k, guest: true, only: v.Now().Owner})
}

// endGuest leaves and erases: the grant has ended, or there will be none.
func (e *Engine) endGuest(v *guest.Visit) {
	p := v.Now()
	e.links.mu.Lock()
	e.links.visit, e.links.last = nil, shownGuest(p)
	e.links.mu.Unlock()
	err := e.setGone()
	if err = errors.Join(err, e.eraseGuest()); err != nil {
		e.o.Log.Error("guest's state not erased; it is at the next start", "why", err)
	}
	e.emit(Event{Kind: "links"})
	e.emit(Event{Kind: "things"})
}

// eraseGuest removes all that a guest leaves here, its keys last: a crash
// before that is finished at the next start.
func (e *Engine) eraseGuest() error {
	for _, name := range []string{filepath.Base(e.clientDir()), recentValues, alertFile, guestFile} {
		if err := os.RemoveAll(filepath.Join(e.o.Dir, name)); err != nil {
			return fmt.Errorf("erase guest: %w", err)
		}
	}
	return nil
}

// renewGuest renews the guest's document in time.
func (e *Engine) renewGuest(v *guest.Visit) {
	for {
		if next, err := v.Renew(); err != nil || next != "" {
			e.publishGuest(next, err)
		}
		t := e.o.Pace.NewTimer(renewEvery)
		select {
		case <-t.C():
		case <-e.ctx.Done():
			t.Stop()
			return
		}
		if v.Now().Stage.Over() {
			return
		}
	}
}

func (e *Engine) publishGuest(next string, err error) {
	c, missing := e.client()
	if err == nil && missing == nil {
		err = c.PublishIdentity(e.ctx, next)
	}
	if err != nil {
		e.o.Log.Warn("guest's document not renewed", "why", err)
	}
}
