package meter_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/meter"
	"primum/internal/store"
	"primum/internal/wire"
)

func start() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

type world struct {
	t     *testing.T
	clock *clock.Manual
	store *store.Store
	book  *meter.Book
}

func newWorld(t *testing.T, quotas map[string]uint64) *world {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{t: t, clock: clock.NewManual(start()), store: s}
	w.again(quotas)
	return w
}

// again is what a restart does.
func (w *world) again(quotas map[string]uint64) {
	w.t.Helper()
	var err error
	if w.book, err = meter.New(meter.Config{Store: w.store.Usages, Clock: w.clock, Quotas: quotas}); err != nil {
		w.t.Fatal(err)
	}
}

// account is the identity document of an account of a kind.
func account(t *testing.T, name string, kind identity.Kind) *identity.Verified {
	t.Helper()
	addr, err := identity.ParseAddress(name)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))
	public := []byte(key.Public().(ed25519.PublicKey))
	other := []byte(ed25519.NewKeyFromSeed([]byte(strings.Repeat("r", ed25519.SeedSize))).Public().(ed25519.PublicKey))
	id, err := identity.NewID(nil, start())
	if err != nil {
		t.Fatal(err)
	}
	compact, err := identity.Sign(identity.Document{
		ID: id, Address: addr, Kind: kind, IdentityKey: public, RecoveryKey: other, Version: 1,
		Clients: []identity.Client{{Name: "phone", Key: public, InboxKey: []byte(strings.Repeat("i", 32)), Suites: []uint16{1}, Added: start()}},
		Issued:  start(), Expires: start().Add(identity.MaxValidity),
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := identity.First(compact)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func (w *world) count(m meter.Meter, by meter.Organisation, n uint64) {
	w.t.Helper()
	if err := w.book.Count(w.t.Context(), m, by, n); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sums() []store.Usage {
	w.t.Helper()
	if err := w.book.Keep(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	all, err := w.store.Usages.List(w.t.Context(), start().Add(-48*time.Hour), start().Add(48*time.Hour), "", store.Usage{}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestOnlyOrganisationsAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := meter.Of(account(t, "adviser@s.example", identity.Organisation))
	if org.Domain() != "s.example" {
		t.Fatalf("the organisation's domain is %q", org.Domain())
	}
	for _, doc := range []*identity.Verified{nil, account(t, "ada@s.example", identity.Person), account(t, "house@s.example", identity.Edge)} {
		nobody := meter.Of(doc)
		w.count(meter.Requests(), nobody, 5)
		if nobody.Domain() != "" {
			t.Errorf("%v is counted", doc.Kind())
		}
	}
	w.count(meter.Requests(), org, 2)
	w.count(meter.Requests(), org, 3)
	w.clock.Advance(time.Hour)
	w.count(meter.DeliveredBytes(), org, 4096)
	want := []store.Usage{
		{Hour: start().Truncate(time.Hour), Domain: "s.example", Meter: "requests", N: 5},
		{Hour: start().Truncate(time.Hour).Add(time.Hour), Domain: "s.example", Meter: "delivered-bytes", N: 4096},
	}
	if got := w.sums(); !reflect.DeepEqual(got, want) {
		t.Errorf("kept %+v, want %+v", got, want)
	}
	if used, err := w.book.Used(t.Context(), meter.Organisation{}, start().Add(-time.Hour), start().Add(time.Hour)); err != nil || len(used) > 0 {
		t.Errorf("nobody is told %+v, %v", used, err)
	}
}

// TestRightsAreNeverCounted: requirement L11.
func TestRightsAreNeverCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]uint64{"requests": 1})
	org := meter.Of(account(t, "adviser@s.example", identity.Organisation))
	right := wire.Right(t.Context())
	for _, m := range meter.All() {
		if err := w.book.Count(right, m, org, 7); !errors.Is(err, meter.ErrRight) {
			t.Errorf("%s: a right was counted: %v", m.ID(), err)
		}
	}
	if sums := w.sums(); len(sums) > 0 {
		t.Errorf("kept %+v", sums)
	}
	w.count(meter.Requests(), org, 5)
	if err := w.book.Allow(t.Context(), org); err == nil {
		t.Error("the quota does not hold")
	}
	if err := w.book.Allow(right, org); err != nil {
		t.Errorf("a right is stopped by a quota: %v", err)
	}
}

func TestTheSetOfMetersIsClosed(t *testing.T) {
	t.Parallel()
	for _, kind := range []reflect.Type{reflect.TypeFor[meter.Meter](), reflect.TypeFor[meter.Organisation]()} {
		for i := range kind.NumField() {
			if kind.Field(i).IsExported() {
				t.Errorf("anybody can make a %v by its field %s", kind, kind.Field(i).Name)
			}
		}
	}
	w := newWorld(t, nil)
	if err := w.book.Count(t.Context(), meter.Meter{}, meter.Of(account(t, "a@s.example", identity.Organisation)), 1); !errors.Is(err, meter.ErrUnknown) {
		t.Errorf("a meter of nobody's counts: %v", err)
	}
	if _, err := meter.New(meter.Config{Quotas: map[string]uint64{"persons": 1}}); err == nil {
		t.Error("a quota of a meter that is not there")
	}
	c := meter.Catalogue(nil, nil)
	if len(c.Meters) != len(meter.All()) || len(c.Never) != 2 {
		t.Errorf("the catalogue is %+v", c)
	}
	for _, m := range c.Meters {
		if m.Unit == "" || m.Price != "" {
			t.Errorf("%+v", m)
		}
	}
}

func TestQuotaRefusesClearlyAndEndsAtMidnight(t *testing.T) {
	t.Parallel()
	quotas := map[string]uint64{"delivered": 10}
	w := newWorld(t, quotas)
	org, other := meter.Of(account(t, "a@s.example", identity.Organisation)), meter.Of(account(t, "a@other.example", identity.Organisation))
	w.count(meter.Delivered(), org, 9)
	if err := w.book.Allow(t.Context(), org); err != nil {
		t.Fatal(err)
	}
	w.count(meter.Delivered(), org, 1)
	var r *wire.Refusal
	if err := w.book.Allow(t.Context(), org); !errors.As(err, &r) || r.Name != wire.ProbQuota || r.Retry != 9*time.Hour+30*time.Minute || !strings.Contains(r.Detail, "10") {
		t.Fatalf("refusal: %+v", err)
	}
	if err := w.book.Allow(t.Context(), other); err != nil {
		t.Errorf("another organisation is refused: %v", err)
	}
	if err := w.book.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.again(quotas) // a restart forgets no quota
	if err := w.book.Allow(t.Context(), org); err == nil {
		t.Error("the quota was forgotten")
	}
	w.clock.Advance(9*time.Hour + 30*time.Minute)
	if err := w.book.Allow(t.Context(), org); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// failing is a store that does not take anything.
type failing struct{ meter.Store }

func (failing) Add(context.Context, []store.Usage) error { return store.ErrDiskFull }

func TestWhatCanNotBeKeptWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var err error
	if w.book, err = meter.New(meter.Config{Store: failing{w.store.Usages}, Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	org := meter.Of(account(t, "a@s.example", identity.Organisation))
	for range 3 {
		w.count(meter.Requests(), org, 1)
		if err := w.book.Keep(t.Context()); !errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("kept: %v", err)
		}
	}
	if err := w.book.Allow(t.Context(), org); err != nil {
		t.Errorf("a full disk refuses: %v", err)
	}
}

func TestRunKeepsAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.book.Run(ctx) }()
	w.count(meter.Accepted(), meter.Of(account(t, "a@s.example", identity.Organisation)), 4)
	cancel()
	<-done
	all, err := w.store.Usages.List(t.Context(), start().Add(-time.Hour), start().Add(time.Hour), "", store.Usage{}, 10)
	if err != nil || len(all) != 1 || all[0].N != 4 {
		t.Errorf("kept %+v, %v", all, err)
	}
}

// TestCloudEvents holds the export against CloudEvents 1.0 §"Required
// Attributes", and the ids against themselves.
func TestCloudEvents(t *testing.T) {
	t.Parallel()
	hour := start().Truncate(time.Hour)
	sums := []store.Usage{{Hour: hour, Domain: "s.example", Meter: "requests", N: 5}, {Hour: hour, Domain: "t.example:8402", Meter: "requests", N: 6}}
	var b bytes.Buffer
	if err := meter.WriteEvents(&b, "https://h.example", sums); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	ids := map[string]bool{}
	for i, line := range lines {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		for _, required := range []string{"id", "source", "type", "time", "subject"} {
			if s, _ := e[required].(string); s == "" {
				t.Errorf("event %d has no %s", i, required)
			}
		}
		id, _ := e["id"].(string)
		if e["specversion"] != "1.0" || ids[id] || e["subject"] != sums[i].Domain {
			t.Errorf("event %s", line)
		}
		ids[id] = true
	}
	want := `{"specversion":"1.0","id":"2026-11-23T14/s.example/requests","source":"https://h.example","type":"primum.usage.hour.v1",` +
		`"subject":"s.example","time":"2026-11-23T15:00:00Z","datacontenttype":"application/json",` +
		`"data":{"meter":"requests","unit":"request","n":5,"from":"2026-11-23T14:00:00Z","to":"2026-11-23T15:00:00Z"}}`
	if lines[0] != want {
		t.Errorf("the event is\n%s, want\n%s", lines[0], want)
	}
}
