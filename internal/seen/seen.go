package seen

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"primum/internal/clock"
	"primum/internal/store"
	"primum/internal/wire"
)

const (
	// Every is how often what was counted is written.
	Every = 30 * time.Second
	// fresh is how old the last write may be when an owner reads.
	fresh = time.Second
	// atOnce bounds what is written in one transaction: others wait behind it.
	atOnce = 512
	// grace is how long after midnight a day is closed.
	grace = time.Minute
	// Kept is how long days are kept, 400 of them.
	Kept = 400 * 24 * time.Hour
	// closeAtOnce bounds the days that one round of work closes.
	closeAtOnce = 256
	day         = 24 * time.Hour
)

// Store is the part of the node's store that keeps what was seen.
type Store interface {
	Add(ctx context.Context, all []store.Sighting) error
	Of(ctx context.Context, owner string, from, to time.Time) ([]store.SeenDay, error)
	OpenDays(ctx context.Context, before time.Time, limit int) ([]store.SeenDay, error)
	Close(ctx context.Context, owner string, day time.Time, secret []byte, due time.Time) error
	Prune(ctx context.Context, before time.Time) error
}

// Options are what a Book works with.
type Options struct {
	Store Store
	Clock clock.Clock
	Log   *slog.Logger // nil: none
	Rand  io.Reader    // nil: crypto/rand
	// Ledger promises the roots of days; nil: their leaves wait.
	Ledger Ledger
	// Proof is a leaf's proof as tlog-proof text, a *wire.Refusal while it waits;
	// nil: there is none.
	Proof func(ctx context.Context, leaf [32]byte) ([]byte, error)
}

// Ledger promises what will stand in the commitments log.
type Ledger interface {
	// Due is the tick by which a leaf that is queued now stands in the log.
	Due() time.Time
	// Promise signs that a leaf stands in the log by a tick.
	Promise(leaf [32]byte, due time.Time) (string, error)
}

// Book counts deliveries and keeps them. Safe for concurrent use.
type Book struct {
	o Options

	mu      sync.Mutex
	pending map[place]*store.Sighting // guarded by mu

	writing sync.Mutex    // held while pending is written
	written time.Time     // guarded by writing: what came before is on the disk
	took    time.Duration // guarded by writing: how long that took
	pruned  time.Time     // guarded by writing: the last day on which it was done
}

// place is what is counted together until the next write.
type place struct {
	circle wire.CircleID
	key    string
	day    int64
}

// New makes a book; Run drives its periodic work.
func New(o Options) *Book {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return &Book{o: o, pending: map[place]*store.Sighting{}}
}

// Delivered counts one sealed message handed to the client with this key. It
// does not wait for any disk.
func (b *Book) Delivered(circle wire.CircleID, key []byte, bytes int) {
	b.count(circle, key, func(s *store.Sighting) { s.Deliveries++; s.Bytes += uint64(bytes) })
}

// Acted counts one message that the client with this key sent into a circle.
func (b *Book) Acted(circle wire.CircleID, key []byte) {
	b.count(circle, key, func(s *store.Sighting) { s.Actions++ })
}

func (b *Book) count(circle wire.CircleID, key []byte, add func(*store.Sighting)) {
	now := b.o.Clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	at := place{circle, string(key), now.Unix() / int64(day/time.Second)}
	s := b.pending[at]
	if s == nil {
		s = &store.Sighting{Circle: circle, Client: wire.SeenClient(key), First: now, Last: now}
		b.pending[at] = s
	}
	s.First, s.Last = earlier(s.First, now), later(s.Last, now)
	add(s)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Flush writes what was counted. What can't be written stays and is written by
// the next one.
func (b *Book) Flush(ctx context.Context) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.flush(ctx)
}

// flush is Flush; the caller holds writing.
func (b *Book) flush(ctx context.Context) error {
	began, now := time.Now(), b.o.Clock.Now()
	b.mu.Lock()
	taken := b.pending
	b.pending = make(map[place]*store.Sighting, len(taken))
	b.mu.Unlock()
	batch := make([]store.Sighting, 0, min(len(taken), atOnce))
	places := make([]place, 0, cap(batch))
	for at, s := range taken {
		batch, places = append(batch, *s), append(places, at)
		if len(batch) < min(len(taken), atOnce) { // what is written leaves taken
			continue
		}
		// A write whose caller went away may still be done: counting it again
		// would count twice, so this one does not end with ctx.
		if err := b.o.Store.Add(context.WithoutCancel(ctx), batch); err != nil {
			b.putBack(taken)
			return fmt.Errorf("write what was seen: %w", err)
		}
		for _, done := range places {
			delete(taken, done)
		}
		batch, places = batch[:0], places[:0]
	}
	b.written, b.took = now, time.Since(began)
	return nil
}

func (b *Book) putBack(taken map[place]*store.Sighting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, s := range taken {
		if now := b.pending[at]; now != nil {
			s.Deliveries, s.Bytes, s.Actions = s.Deliveries+now.Deliveries, s.Bytes+now.Bytes, s.Actions+now.Actions
			s.First, s.Last = earlier(s.First, now.First), later(s.Last, now.Last)
		}
		b.pending[at] = s
	}
}

// recent writes what was counted, unless that was just done; it tells what time
// the disk is of. Whoever asks often costs no more than a twentieth of the
// disk's time.
func (b *Book) recent(ctx context.Context) (time.Time, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	old := max(fresh, min(20*b.took, Every))
	if age := b.o.Clock.Now().Sub(b.written); age >= 0 && age < old {
		return b.written, nil
	}
	err := b.flush(ctx)
	return b.written, err
}

// ErrRange says that days can't be told: no day, or too many.
var ErrRange = errors.New("a day is written 2026-11-23, and 1 to 31 days are told at once")

// Days tells an owner what was delivered on n days up to a day (written as
// wire.SeenDayForm; empty: today), the newest first.
func (b *Book) Days(ctx context.Context, owner, last string, n int) (wire.Seen, error) {
	to := b.o.Clock.Now()
	if last != "" {
		var err error
		if to, err = time.Parse(wire.SeenDayForm, last); err != nil || to.Year() < 1970 {
			return wire.Seen{}, ErrRange
		}
	}
	if n < 1 || n > wire.MaxSeenDays {
		return wire.Seen{}, ErrRange
	}
	at, err := b.recent(ctx)
	if err != nil {
		return wire.Seen{}, err
	}
	days, err := b.o.Store.Of(ctx, owner, to.Add(-time.Duration(n-1)*day), to)
	if err != nil {
		return wire.Seen{}, err
	}
	out := wire.Seen{At: at.UTC(), Days: []wire.SeenDay{}}
	for _, d := range days {
		told, err := b.tell(ctx, d)
		if err != nil {
			return wire.Seen{}, err
		}
		out.Days = append(out.Days, told)
	}
	return out, nil
}

// tell adds to a closed day what proves it.
func (b *Book) tell(ctx context.Context, d store.SeenDay) (out wire.SeenDay, err error) {
	out = wire.SeenDay{Day: d.Day.Format(wire.SeenDayForm), Rows: d.Rows, Secret: d.Secret, Root: d.Root, Due: d.Due}
	if !out.Closed() {
		return out, nil
	}
	leaf := wire.SeenLeaf(d.Secret, out.Day, d.Root)
	if b.o.Ledger != nil && !d.Due.IsZero() {
		if out.Promise, err = b.o.Ledger.Promise(leaf, d.Due); err != nil {
			return out, err
		}
	}
	if b.o.Proof == nil {
		return out, nil
	}
	proof, err := b.o.Proof(ctx, leaf)
	if waits := new(wire.Refusal); err != nil && !errors.As(err, &waits) {
		b.o.Log.Error("a day's proof can't be made", "error", err) // the rows are a person's right all the same
	}
	out.Proof = string(proof)
	return out, nil
}
