package client

import (
	"context"
	"errors"

	"primum/circle"
	"primum/internal/wire"
)

// sink takes what a node sent: runs of frames of one circle go to the actor in
// one step, which is one write to its disk.
func (d *driver) sink(ctx context.Context, l *nodeLink, events []Event) {
	for len(events) > 0 && ctx.Err() == nil {
		if events[0].Frame == nil {
			d.control(l, events[0])
			events = events[1:]
			continue
		}
		c := events[0].Frame.Circle
		var run []circle.Frame
		for len(events) > 0 && events[0].Frame != nil && events[0].Frame.Circle == c {
			run = append(run, circle.Frame{Seq: events[0].Frame.Number, Message: events[0].Frame.Message})
			events = events[1:]
		}
		d.receive(ctx, l, c, run)
	}
}

func (d *driver) control(l *nodeLink, e Event) {
	switch {
	case e.Subscribed != nil:
		d.subscribed(l, e.Subscribed)
	case e.Control.Type == wire.CtlEnd:
		if c, err := wire.ParseCircleID(e.Control.Circle); err == nil {
			d.endOf(l, c, e.Control)
		}
	case e.Control.Type == wire.CtlInbox && e.Control.Item != nil && d.inbox != nil:
		d.inbox.live(*e.Control.Item)
	case e.Control.Type == wire.CtlParty:
		d.hint(e.Control.Circle)
	case e.Control.Type == wire.CtlGrants:
		l.Retry() // a circle that we wait to join may be open now
	}
	signal(d.wake)
}

// hint tells an anchor where to look for a newer identity document.
func (d *driver) hint(id string) {
	c, err := wire.ParseCircleID(id)
	if err != nil || d.hinted == nil {
		return
	}
	if err := d.hinted(circle.ID(c)); err != nil {
		d.log().Warn("hint not taken", "why", err)
	}
}

// isEnd tells the reasons for which a node delivers nothing more; any other
// one says why it can't deliver now.
func isEnd(reason string) bool {
	switch reason {
	case "withdrawn", "revoked", "superseded", "replaced", "expired", "restored", "removed":
		return true
	}
	return false
}

// endOf hears that the node has ended a subscription. Where the actor still
// wants to read, it is asked for again, later and later.
func (d *driver) endOf(l *nodeLink, c wire.CircleID, e *wire.Control) {
	d.mu.Lock()
	if r := l.circles[c]; r != nil {
		r.live = false
	}
	d.mu.Unlock()
	if isEnd(e.Reason) {
		d.ended(c, e.Reason, e.At)
	} else {
		d.log().Info("subscription ended", "circle", c, "why", e.Reason)
		d.actor.Offline(circle.ID(c))
	}
	l.Again(c)
}

func (d *driver) subscribed(l *nodeLink, ok *wire.Control) {
	c, err := wire.ParseCircleID(ok.Circle)
	if err != nil {
		return
	}
	d.mu.Lock()
	r := l.circles[c]
	if r != nil {
		r.live, r.head, r.refused = true, ok.Head, nil
	}
	d.mu.Unlock()
	if r == nil {
		return
	}
	if err := d.actor.Synced(circle.ID(c), ok.Head, ok.Epoch); err != nil {
		d.log().Warn("head of circle not taken", "circle", c, "why", err)
	}
	d.reached(l, c, d.after(c))
}

// receive gives frames to the actor; when its queue of events is full it
// waits, and the node with it.
func (d *driver) receive(ctx context.Context, l *nodeLink, c wire.CircleID, run []circle.Frame) {
	if !d.isLive(l, c) {
		return // of a subscription that was given up
	}
	for len(run) > 0 {
		acked := d.acked.next()
		n, err := d.actor.Receive(circle.ID(c), run)
		if n > 0 {
			d.reached(l, c, run[n-1].Seq)
		}
		run = run[n:]
		switch {
		case errors.Is(err, circle.ErrFull):
			select {
			case <-acked:
			case <-ctx.Done():
				return
			}
		case err != nil:
			d.log().Warn("frames not taken", "circle", c, "why", err)
			return
		case len(run) > 0:
			d.rewind(l, c)
			return
		}
	}
	signal(d.wake)
}

func (d *driver) isLive(l *nodeLink, c wire.CircleID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := l.circles[c]
	return r != nil && r.live
}

// reached notes how far a circle has been read.
func (d *driver) reached(l *nodeLink, c wire.CircleID, seq uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := l.circles[c]; r != nil && seq > r.got {
		r.got = seq
	}
}

// rewind subscribes anew from the actor's cursor: the node left a gap.
func (d *driver) rewind(l *nodeLink, c wire.CircleID) {
	d.mu.Lock()
	if r := l.circles[c]; r != nil {
		r.live = false
	}
	d.mu.Unlock()
	d.actor.Offline(circle.ID(c))
	d.want(l, c)
}

// isRead tells whether a circle was read up to the head that the node told at
// the last connection, or can't be read now.
func (d *driver) isRead(s circle.Subscription) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.links[s.Node]
	if l == nil {
		return false
	}
	r := l.circles[wire.CircleID(s.Circle)]
	switch {
	case r == nil:
		return false
	case r.refused != nil:
		return true
	}
	return r.live && r.got >= r.head
}
