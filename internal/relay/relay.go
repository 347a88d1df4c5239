// Package relay takes sealed messages in, allows or refuses them, keeps them in
// one sequence per circle and passes them on. It follows each circle's
// handshakes without keys and reads no content. Sources: RFC 9420; design of
// circles, "Order and delivery", "Handshakes".
package relay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"time"

	"primum/internal/clock"
	"primum/internal/store"
	"primum/internal/wire"
)

// Limits bound what circles and senders use. A zero field takes its default, a
// negative one lifts the limit.
type Limits struct {
	PerSecond   float64       // messages of one sender in one circle, on average; default 50
	Burst       int           // at once; default 500
	CircleBytes int64         // bytes kept in one circle; default 256 MiB
	Trackers    int           // circles whose trackers stay in memory; default 2000
	Retention   time.Duration // of epochs that ended; default 30 days
}

// Options are what a relay works with.
type Options struct {
	Store  *store.Circles
	Clock  clock.Clock
	Log    *slog.Logger // nil: none
	Limits Limits
}

// Relay carries the messages of all circles of a node. Its methods may be
// called concurrently. They refuse with *wire.Refusal.
type Relay struct{ o Options }

// New makes a relay; it starts nothing.
func New(o Options) *Relay { return &Relay{o} }

// Caller is who appends or reads, as the door has authenticated it: a client by
// its account and key, an anchor by its leaf key in the circle alone.
type Caller struct {
	Key     ed25519.PublicKey
	Account string // user@authority; "" of an anchor
}

// Opening is a circle to be opened.
type Opening struct {
	Circle    wire.CircleID
	GroupInfo []byte // signed, with the ratchet tree
	AnchorKey ed25519.PublicKey
	Home      bool
	Account   string    // the party: grantee, or owner of a home
	From      time.Time // validity; zero: no bound
	Until     time.Time
}

// Open adds a circle. Again with the same anchor it answers what is there; a
// circle that is fenced as restored is lifted and follows the GroupInfo, if
// that is not older than what the node knows.
func (r *Relay) Open(ctx context.Context, o Opening) (wire.CircleInfo, error) {
	return wire.CircleInfo{}, errors.ErrUnsupported
}

// Append is one message on its way in.
type Append struct {
	Circle  wire.CircleID
	Caller  Caller
	Message []byte // MLSMessage: application, Update proposal, commit, or key package of a lost client
	Welcome []byte // with a commit that adds: released with it
}

// Done is where a message was put.
type Done struct {
	Seq       uint64
	WelcomeAt uint64 // 0: no Welcome
	Epoch     uint64 // of the circle afterwards
}

// Append checks and appends one message; it returns when the message is
// durable.
func (r *Relay) Append(ctx context.Context, a Append) (Done, error) {
	return Done{}, errors.ErrUnsupported
}

// Submit is Append without waiting for the disk: done is called once, when the
// message is durable or refused, those of one circle in the order of their
// submission. Calls of done come from one goroutine and must not block; a
// refusal may come on the caller's. Handshakes make Submit wait.
func (r *Relay) Submit(a Append, done func(Done, error)) { done(Done{}, errors.ErrUnsupported) }

// Sink takes what is delivered. It is called from one goroutine at a time per
// subscription, in the order of the sequence, and must not block.
type Sink interface {
	// Frame offers a frame, whose message is shared and must not be changed.
	// False: no room; the subscription is behind until Pull.
	Frame(circle wire.CircleID, seq uint64, message []byte) bool
	// End says that nothing more is delivered. The subscription is over.
	End(circle wire.CircleID, reason string, at time.Time)
}

// Subscription is one reader's place in one circle. It costs no goroutine.
type Subscription struct{}

// Subscribe begins after a sequence number. The subscription is behind at
// first: call Pull until nothing more is there; from then on frames come by
// themselves. Whoever has the circle's account but no leaf yet gets frames
// from the commit that adds its leaf.
func (r *Relay) Subscribe(ctx context.Context, c Caller, circle wire.CircleID, after uint64, sink Sink) (*Subscription, wire.CircleInfo, error) {
	return nil, wire.CircleInfo{}, errors.ErrUnsupported
}

// Pull gives the sink the next page of what it misses, on the caller's
// goroutine, one caller at a time. more: call again (when the sink has room).
func (s *Subscription) Pull(ctx context.Context) (more bool, err error) {
	return false, errors.ErrUnsupported
}

// Stop ends the subscription without a call of End.
func (s *Subscription) Stop() {}

// Read is one page of frames after a sequence number, for who has a leaf.
func (r *Relay) Read(ctx context.Context, c Caller, circle wire.CircleID, after uint64) ([]wire.Frame, error) {
	return nil, errors.ErrUnsupported
}

// Info describes a circle, for who has a leaf or its account.
func (r *Relay) Info(ctx context.Context, c Caller, circle wire.CircleID) (wire.CircleInfo, error) {
	return wire.CircleInfo{}, errors.ErrUnsupported
}

// Fence ends a circle: when it returns nil nothing more is delivered, and only
// the anchor's last removal of all others is taken. Idempotent.
func (r *Relay) Fence(ctx context.Context, circle wire.CircleID, reason string) error {
	return errors.ErrUnsupported
}

// Lift opens a circle that is fenced as restored.
func (r *Relay) Lift(ctx context.Context, circle wire.CircleID) error { return errors.ErrUnsupported }

// Sweep fences what is over, trims old epochs, and says when the next circle's
// validity ends.
func (r *Relay) Sweep(ctx context.Context) (next time.Time, err error) {
	return time.Time{}, errors.ErrUnsupported
}

// Counters are sums since the start.
type Counters struct {
	Appended, Delivered, Refused, Fenced uint64
}

// Counters reads the sums.
func (r *Relay) Counters() Counters { return Counters{} }
