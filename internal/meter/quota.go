package meter

import (
	"context"
	"fmt"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

// listMost bounds one reading of the store; a domain has as many sums in a day
// as there are meters, times 24.
const listMost = 1000

// Allow refuses an organisation that has used up a quota for this day of UTC: a
// *wire.Refusal named quota-exceeded, which says of what and until when. Nobody
// and a context marked as a right are never refused. The first question of the
// day reads the store.
func (b *Book) Allow(ctx context.Context, by Organisation) error {
	if len(b.cfg.Quotas) == 0 || by.domain == "" || wire.IsRight(ctx) {
		return nil
	}
	now := b.cfg.Clock.Now().UTC()
	t := b.today(now, by.domain)
	var err error
	t.once.Do(func() { err = b.read(ctx, t, by.domain, now) })
	if err != nil { // a store that can't be read refuses nobody; the next question reads anew
		b.forget(by.domain, t)
		b.cfg.Log.Warn("quota not read", "error", err)
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range All() {
		if quota := b.cfg.Quotas[m.id]; quota > 0 && t.used[m.id] >= quota {
			return exceeded(m, quota, now)
		}
	}
	return nil
}

func exceeded(m Meter, quota uint64, now time.Time) error {
	again := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	return &wire.Refusal{
		Name: wire.ProbQuota, Retry: again.Sub(now), Reason: m.id, At: again,
		Detail: fmt.Sprintf("your organisation's domain has used its %d of %q for this day; anew at %s. "+
			"Persons and their rights have no quota.", quota, m.id, again.Format(time.RFC3339)),
	}
}

// today is what a domain has used today, without having read it yet.
func (b *Book) today(now time.Time, domain string) *tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	if day := dayOf(now); day != b.day || len(b.days) >= mostKnown && b.days[domain] == nil {
		b.day, b.days = day, map[string]*tally{}
	}
	t := b.days[domain]
	if t == nil {
		t = &tally{}
		b.days[domain] = t
	}
	return t
}

func (b *Book) forget(domain string, t *tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.days[domain] == t {
		delete(b.days, domain)
	}
}

// read sums up what the store and the memory know of a domain's day. Counts keep
// out meanwhile: a count between the two would be in neither, or in both.
func (b *Book) read(ctx context.Context, t *tally, domain string, now time.Time) error {
	if err := b.Keep(ctx); err != nil {
		return err
	}
	day := now.Truncate(24 * time.Hour)
	b.mu.Lock()
	defer b.mu.Unlock()
	sums, err := b.cfg.Store.List(ctx, day, day.Add(24*time.Hour), domain, store.Usage{}, listMost)
	if err != nil {
		return err
	}
	t.used = map[string]uint64{}
	for _, s := range sums {
		t.used[s.Meter] += s.N
	}
	for k, n := range b.waiting {
		if k.domain == domain && k.hour >= day.Unix()/3600 {
			t.used[k.meter] += n
		}
	}
	return nil
}

// Used is what an organisation's own domain used from one time to before
// another, by hour and meter, at most listMost sums.
func (b *Book) Used(ctx context.Context, by Organisation, from, to time.Time) ([]store.Usage, error) {
	if by.domain == "" {
		return nil, nil
	}
	if err := b.Keep(ctx); err != nil {
		return nil, err
	}
	return b.cfg.Store.List(ctx, from, to, by.domain, store.Usage{}, listMost)
}
