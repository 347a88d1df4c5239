// Package relay takes sealed messages in, allows or refuses them, keeps them in
// one sequence per circle and passes them on. It follows each circle's
// handshakes without keys and reads no content.
//
// A sequence number is the number of the store's restores in its upper 32 bits
// and a count from 1 below; it rises by one, but for a restore.
//
// Sources: RFC 9420; design of circles, "Order and delivery", "Handshakes".
package relay

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"primum/internal/clock"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

// Limits bound what circles and senders use. A zero field takes its default, a
// negative one lifts the limit.
type Limits struct {
	PerSecond   float64       // messages of one sender in one circle, on average; default 50
	Burst       int           // at once; default 500
	CircleBytes int64         // bytes kept in one circle; default 256 MiB
	Trackers    int           // circles whose trackers stay in memory; default 2000
	Retention   time.Duration // of epochs that ended, at most; default 30 days
}

func (l Limits) defaults() Limits {
	l.PerSecond = cmp.Or(l.PerSecond, 50)
	l.Burst = cmp.Or(l.Burst, 500)
	l.CircleBytes = cmp.Or(l.CircleBytes, 256<<20)
	l.Trackers = max(cmp.Or(l.Trackers, 2000), 1)
	l.Retention = cmp.Or(l.Retention, 30*24*time.Hour)
	return l
}

// Log is the part of the store that appends and reads.
type Log interface {
	Submit(a store.Append, done func(store.Appended, error))
	Read(ctx context.Context, id wire.CircleID, after uint64, maxFrames, maxBytes int) (store.Circle, []store.Frame, error)
	Tracker(ctx context.Context, id wire.CircleID) (store.Tracked, error)
	Open(ctx context.Context, c store.Circle, tracker []byte, leaves []uint32) error
	Follow(ctx context.Context, id wire.CircleID, epoch uint64, tracker []byte, leaves []uint32, now time.Time) error
}

// Fences is the part of the store that ends circles.
type Fences interface {
	Fence(ctx context.Context, id wire.CircleID, reason string, when time.Time) (store.Circle, error)
	Lift(ctx context.Context, id wire.CircleID) error
	Expired(ctx context.Context, now time.Time, limit int) ([]wire.CircleID, error)
	NextExpiry(ctx context.Context) (time.Time, error)
	Trim(ctx context.Context, now time.Time, limit int) (int, error)
}

// Options are what a relay works with.
type Options struct {
	Store interface {
		Log
		Fences
	}
	Clock  clock.Clock
	Log    *slog.Logger // nil: none
	Limits Limits
	// Trackers follows handshakes; nil: RFC 9420 by package mls.
	Trackers Trackers
	// Delivered is told of every sealed message of a grant circle that was
	// handed to a client of the grantee, Accepted of every one that such a client
	// has sent and that is durable. They are called on the fast path, from many
	// goroutines, and must not block. nil: nobody counts.
	Delivered, Accepted func(Passed)
}

// Passed is one sealed message that passed between an anchor and a grantee.
type Passed struct {
	Circle wire.CircleID
	Caller Caller // the grantee's client
	Bytes  int    // of the message
}

// Relay carries the messages of all circles of a node. Its methods may be
// called concurrently. They refuse with *wire.Refusal; other errors are the
// store's.
type Relay struct {
	log      Log
	fences   Fences
	clock    clock.Clock
	slog     *slog.Logger
	limits   Limits
	trackers Trackers
	handed   func(Passed) // to a grantee's client; nil: nobody counts
	accepted func(Passed) // of one; nil: nobody counts
	cache    *cache
	topics   topics

	appended, delivered, refused, fenced atomic.Uint64
}

// New makes a relay; it starts nothing.
func New(o Options) *Relay {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Trackers == nil {
		o.Trackers = publicGroups{now: o.Clock.Now}
	}
	l := o.Limits.defaults()
	return &Relay{
		log: o.Store, fences: o.Store, clock: o.Clock, slog: o.Log, limits: l, trackers: o.Trackers,
		handed: o.Delivered, accepted: o.Accepted, cache: newCache(l.Trackers),
	}
}

// Limits are the bounds in force, with what is by default.
func (r *Relay) Limits() Limits { return r.limits }

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
	// Retention is how long an epoch that ended is kept; 0, or more than the
	// relay's own: the relay's.
	Retention time.Duration
}

// Open adds a circle. Again with the same anchor it answers what is there. On
// a restored node, where the anchor is some epochs ahead of the backup, the
// circle follows its GroupInfo, once its fence has been lifted.
func (r *Relay) Open(ctx context.Context, o Opening) (wire.CircleInfo, error) {
	v, err := r.opening(o)
	if err != nil {
		return wire.CircleInfo{}, r.refuse(err)
	}
	c, release := r.cache.take(o.Circle)
	defer release()
	c.mu.Lock()
	defer c.mu.Unlock()
	bytes, err := v.tracker.MarshalBinary()
	if err != nil {
		return wire.CircleInfo{}, err
	}
	if err := r.log.Open(ctx, v.Circle, bytes, v.leaves()); errors.Is(err, store.ErrExists) {
		return wire.CircleInfo{}, r.refuse(refusal(wire.ProbConflict, "a circle with this id has another anchor or another party"))
	} else if err != nil {
		return wire.CircleInfo{}, err
	}
	old, err := r.load(ctx, c)
	if err != nil {
		return wire.CircleInfo{}, err
	}
	if v.Epoch > old.Epoch {
		if err := r.log.Follow(ctx, o.Circle, v.Epoch, bytes, v.leaves(), r.clock.Now()); err != nil {
			return wire.CircleInfo{}, err
		}
		if old, err = r.load(ctx, c); err != nil {
			return wire.CircleInfo{}, err
		}
	}
	return r.info(ctx, old)
}

// opening checks a GroupInfo and makes the first view of its circle. Only the
// anchor speaks for a circle: any other member, also one that was dropped,
// could sign a tree of its own making.
func (r *Relay) opening(o Opening) (*view, error) {
	if len(o.GroupInfo) > wire.MaxHandshake {
		return nil, tooLarge("a GroupInfo", wire.MaxHandshake)
	}
	t, signer, err := r.trackers.New(o.GroupInfo)
	if err != nil {
		return nil, malformed("the GroupInfo can't be followed", err)
	}
	v := newView(store.Circle{
		ID: o.Circle, Home: o.Home, Account: o.Account, AnchorKey: o.AnchorKey, Epoch: t.Epoch(),
		Opened: r.clock.Now(), From: o.From, Until: o.Until, Retention: r.retention(o.Retention),
	}, t, nil)
	switch anchor, anchored := v.seats[string(o.AnchorKey)]; {
	case string(t.GroupID()) != string(o.Circle[:]):
		return nil, refusal(wire.ProbMalformed, "the GroupInfo is of another circle")
	case !anchored:
		return nil, refusal(wire.ProbForbidden, "the anchor's leaf key is not in the GroupInfo's tree")
	case anchor.leaf != signer:
		return nil, refusal(wire.ProbForbidden, "the GroupInfo is signed by another leaf than the anchor's")
	case len(v.seats) > wire.MaxClients+1:
		return nil, refusal(wire.ProbCircleFull, "a circle has 64 members at most")
	}
	return v, nil
}

// retention is the shorter of a circle's and the relay's own; 0: for ever.
func (r *Relay) retention(of time.Duration) time.Duration {
	own := max(r.limits.Retention, 0)
	if of <= 0 || own > 0 && own < of {
		return own
	}
	return of
}

// Info describes a circle, for who has a leaf or its account. It tells of a
// fence instead of refusing.
func (r *Relay) Info(ctx context.Context, c Caller, circle wire.CircleID) (wire.CircleInfo, error) {
	v, err := r.view(ctx, circle)
	if err != nil {
		return wire.CircleInfo{}, r.refuse(err)
	}
	if _, err := v.seat(c); err != nil {
		return wire.CircleInfo{}, r.refuse(err)
	}
	return r.info(ctx, v)
}

// pastAll is a cursor behind every frame: only the circle is read.
const pastAll = 1<<63 - 1

func (r *Relay) info(ctx context.Context, v *view) (wire.CircleInfo, error) {
	// The head moves without the view.
	c, _, err := r.log.Read(ctx, v.ID, pastAll, 1, 1)
	if err != nil {
		return wire.CircleInfo{}, err
	}
	info := wire.CircleInfo{
		Circle: v.ID.String(), Epoch: c.Epoch, Head: c.Head, Oldest: c.Oldest, Welcome: c.Welcome, TreeHash: v.treeHash,
	}
	if ended := c.EndedAt(r.clock.Now()); ended != nil {
		info.Fenced = ended.Reason
	}
	return info, nil
}

// Read is one page of frames after a sequence number, for who has a leaf, from
// the commit that added it.
func (r *Relay) Read(ctx context.Context, c Caller, circle wire.CircleID, after uint64) ([]wire.Frame, error) {
	v, err := r.view(ctx, circle)
	if err != nil {
		return nil, r.refuse(err)
	}
	seat, err := v.seat(c)
	if err == nil {
		err = v.readable(seat, r.clock.Now())
	}
	if err != nil {
		return nil, r.refuse(err)
	}
	_, frames, err := r.log.Read(ctx, circle, max(after, seat.since-1), wire.PageMessages, wire.PageMessageMax)
	if err != nil {
		return nil, err
	}
	// A fence that came meanwhile holds.
	if v, err = r.view(ctx, circle); err == nil {
		err = v.readable(seat, r.clock.Now())
	}
	if err != nil {
		return nil, r.refuse(err)
	}
	page := make([]wire.Frame, len(frames))
	for i, f := range frames {
		page[i] = wire.Frame{Circle: circle, Number: f.Seq, Message: f.Message}
		if v.counts(c) {
			r.count(circle, c, f.Message)
		}
	}
	r.delivered.Add(uint64(len(page)))
	return page, nil
}

// count tells of a message that was handed to a grantee's client.
func (r *Relay) count(circle wire.CircleID, c Caller, message []byte) {
	if r.handed != nil && carriesValue(message) {
		r.handed(Passed{Circle: circle, Caller: c, Bytes: len(message)})
	}
}

// carriesValue tells application messages, which are PrivateMessages here, from
// handshakes: by the wire format of RFC 9420 §6 behind the version.
func carriesValue(message []byte) bool {
	return len(message) >= 4 && message[2] == 0 && message[3] == byte(mls.WirePrivateMessage)
}

// Counters are sums since the start.
type Counters struct {
	Appended, Delivered, Refused, Fenced uint64
}

// Counters reads the sums.
func (r *Relay) Counters() Counters {
	return Counters{r.appended.Load(), r.delivered.Load(), r.refused.Load(), r.fenced.Load()}
}
