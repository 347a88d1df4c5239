package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/store"
	"primum/internal/wire"
)

const (
	// keepEvery is how long a count is in memory only.
	keepEvery = 10 * time.Second
	// KeepFor is how long sums are kept.
	KeepFor = 400 * 24 * time.Hour
	// mostWaiting bounds the memory for sums that wait to be kept; what goes
	// beyond is not counted.
	mostWaiting = 20_000
	// mostKnown bounds the domains whose day is remembered for quotas.
	mostKnown = 10_000
)

// Errors.
var (
	// ErrRight means that a right would have been counted.
	ErrRight = errors.New("a right is never counted")
	// ErrUnknown means that a meter or an organisation was not made here.
	ErrUnknown = errors.New("no such meter or organisation")
)

// Meter is one thing that is counted. Only this package makes one.
type Meter struct{ id string }

// ID is its name in the catalogue.
func (m Meter) ID() string { return m.id }

// Requests counts signed requests of an organisation's clients.
func Requests() Meter { return Meter{"requests"} }

// Delivered counts sealed messages that were delivered to an organisation's
// clients.
func Delivered() Meter { return Meter{"delivered"} }

// DeliveredBytes counts the bytes of those messages.
func DeliveredBytes() Meter { return Meter{"delivered-bytes"} }

// Accepted counts sealed messages that an organisation's clients sent.
func Accepted() Meter { return Meter{"accepted"} }

// All is the closed set, in the order of the catalogue.
func All() []Meter { return []Meter{Requests(), Delivered(), DeliveredBytes(), Accepted()} }

// Organisation is whose use is counted. The zero value is nobody, whose use is
// not counted.
type Organisation struct{ domain string }

// Domain is the domain of its address; empty: nobody.
func (o Organisation) Domain() string { return o.domain }

// Of is the organisation that an identity document is of: nobody, if it is a
// person's, an edge's or none.
func Of(doc *identity.Verified) Organisation {
	if doc == nil || doc.Kind() != identity.Organisation {
		return Organisation{}
	}
	return Organisation{doc.Address().Authority}
}

// Store keeps sums.
type Store interface {
	Add(ctx context.Context, sums []store.Usage) error
	List(ctx context.Context, from, to time.Time, domain string, after store.Usage, limit int) ([]store.Usage, error)
	Forget(ctx context.Context, before time.Time) error
}

// Config of a Book. All but Log and Quotas is needed.
type Config struct {
	Store Store
	Clock clock.Clock
	Log   *slog.Logger
	// Quotas are the most of a meter for one organisation's domain in a day of
	// UTC, by the meter's id; none: without bound.
	Quotas map[string]uint64
}

// Book counts. Its methods may be called concurrently.
type Book struct {
	cfg Config

	mu      sync.Mutex
	waiting map[key]uint64    // guarded by mu; not kept yet
	lost    bool              // guarded by mu; waiting was full
	day     int64             // guarded by mu; since 1970, of days
	days    map[string]*tally // guarded by mu; by domain
}

// key is a sum's place.
type key struct {
	hour   int64 // since 1970
	domain string
	meter  string
}

// tally is what a domain has used today.
type tally struct {
	once sync.Once
	used map[string]uint64 // by meter; guarded by Book.mu
}

// New makes a book. Errors: a quota of an unknown meter.
func New(cfg Config) (*Book, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for id := range cfg.Quotas {
		if !known(id) {
			return nil, fmt.Errorf("quota %q: there is no such meter", id)
		}
	}
	return &Book{cfg: cfg, waiting: map[key]uint64{}, days: map[string]*tally{}}, nil
}

func known(id string) bool {
	return slices.ContainsFunc(All(), func(m Meter) bool { return m.id == id })
}

// Count adds to a sum of this hour. Nobody's use is not counted. Errors: ErrRight
// on a marked context, which counts nothing; ErrUnknown.
func (b *Book) Count(ctx context.Context, m Meter, by Organisation, n uint64) error {
	switch {
	case wire.IsRight(ctx):
		return ErrRight
	case !known(m.id):
		return ErrUnknown
	case by.domain == "" || n == 0:
		return nil
	}
	now := b.cfg.Clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{now.Unix() / 3600, by.domain, m.id}
	if _, there := b.waiting[k]; !there && len(b.waiting) >= mostWaiting {
		b.lost = true
		return nil
	}
	b.waiting[k] += n
	if t := b.days[by.domain]; t != nil && b.day == dayOf(now) && t.used != nil {
		t.used[m.id] += n
	}
	return nil
}

func dayOf(t time.Time) int64 { return t.Unix() / 86400 }

// Run keeps the sums until ctx ends, and once more then.
func (b *Book) Run(ctx context.Context) {
	defer b.keepOrSay(ctx)
	for last := int64(-1); ; {
		timer := b.cfg.Clock.NewTimer(keepEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
		b.keepOrSay(ctx)
		if now := b.cfg.Clock.Now(); dayOf(now) != last {
			last = dayOf(now)
			if err := b.cfg.Store.Forget(ctx, now.Add(-KeepFor)); err != nil {
				b.cfg.Log.Warn("old sums of usage stay", "error", err)
			}
		}
	}
}

func (b *Book) keepOrSay(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepEvery)
	defer cancel()
	if err := b.Keep(ctx); err != nil {
		b.cfg.Log.Warn("sums of usage wait", "error", err)
	}
}

// Keep has what was counted kept now. After an error it waits for the next time.
func (b *Book) Keep(ctx context.Context) error {
	b.mu.Lock()
	taken, lost := b.waiting, b.lost
	b.waiting, b.lost = map[key]uint64{}, false
	b.mu.Unlock()
	if lost {
		b.cfg.Log.Warn("more organisations than the meter holds; some use was not counted")
	}
	if len(taken) == 0 {
		return nil
	}
	sums := make([]store.Usage, 0, len(taken))
	for k, n := range taken {
		sums = append(sums, store.Usage{Hour: time.Unix(k.hour*3600, 0).UTC(), Domain: k.domain, Meter: k.meter, N: n})
	}
	err := b.cfg.Store.Add(ctx, sums)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) { // which may have been kept all the same
		b.back(taken)
	}
	return err
}

// back takes sums again that were not kept.
func (b *Book) back(taken map[key]uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, n := range taken {
		b.waiting[k] += n
	}
}
