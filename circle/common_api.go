package circle

import (
	"time"
)

// actor is what Anchor, Member and Owner have in common. It is safe for
// concurrent use.
type actor struct{}

// Effects lists what is to be done now, oldest first. An effect stays listed
// until Done or Failed; the driver performs those it is not performing yet.
func (a *actor) Effects() []Effect { return nil }

// Done answers an effect that was performed. An effect that is not known any
// more is no error.
func (a *actor) Done(id string, r Result) error { return nil }

// Failed answers an effect that was refused or met nobody. The actor retries
// with a growing pause, or drops the effect and says so by an event.
func (a *actor) Failed(id string, r *Refusal) error { return nil }

// Events lists what waits for Ack, oldest first, at most 1,000.
func (a *actor) Events() []Event { return nil }

// Ack takes every event up to and including id out of the queue.
func (a *actor) Ack(id uint64) error { return nil }

// Changed receives after anything that may have changed Effects, Events,
// Subscriptions or NextTick.
func (a *actor) Changed() <-chan struct{} { return nil }

// Subscriptions lists the circles to read.
func (a *actor) Subscriptions() []Subscription { return nil }

// Receive takes frames of a circle in the node's order, own ones included, as
// many as there are: one persist for all. It returns how many were taken:
// duplicates are taken and ignored; a gap ends the call (read again from the
// subscription's After). ErrFull: take events first.
func (a *actor) Receive(c ID, frames []Frame) (int, error) { return 0, nil }

// Synced tells where the node's sequence stood when the driver (re)connected:
// the highest number and the epoch. Nothing is sealed in the circle before all
// up to head was received.
func (a *actor) Synced(c ID, head, epoch uint64) error { return nil }

// Offline tells that the connection that delivered these circles was lost; none
// named: all.
func (a *actor) Offline(circles ...ID) {}

// Ended tells that the node delivers nothing more, and why ("withdrawn",
// "superseded", "expired", "revoked", "restored").
func (a *actor) Ended(c ID, reason string, at time.Time) error { return nil }

// NodeTime tells the time of the node, as often as it is seen. More than five
// minutes apart, nothing is sealed.
func (a *actor) NodeTime(t time.Time) error { return nil }

// Tick does what is due by the clock.
func (a *actor) Tick() error { return nil }

// NextTick is when Tick has something to do again; zero: nothing is planned.
func (a *actor) NextTick() time.Time { return time.Time{} }

// Close gives the directory back.
func (a *actor) Close() error { return nil }
