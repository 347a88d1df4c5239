package seen_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/seen"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/ledger"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC) }

const owner, grantee = "ada@h.example", "power@s.example"

// world is a book on a store on disk, with one grant.
type world struct {
	t      testing.TB
	dir    string
	clock  *clock.Manual
	store  *store.Store
	book   *seen.Book
	ledger *log
	circle wire.CircleID
}

// log promises and proves at will.
type log struct {
	clock *clock.Manual
	proof []byte
}

func (l *log) Due() time.Time { return l.clock.Now().Truncate(6 * time.Hour).Add(6 * time.Hour) }

func (l *log) Promise(leaf [32]byte, due time.Time) (string, error) {
	return fmt.Sprintf("%x by %s", leaf, due.Format(time.RFC3339)), nil
}

func (l *log) Proof(context.Context, [32]byte) ([]byte, error) {
	if l.proof == nil {
		return nil, &wire.Refusal{Name: wire.ProbNotYet}
	}
	return l.proof, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: clock.NewManual(noon())}
	w.ledger = &log{clock: w.clock}
	w.open()
	w.circle = w.grant(1)
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	w.store, err = store.Open(context.Background(), w.dir, store.Options{})
	w.must(err)
	w.book = seen.New(seen.Options{Store: w.store.Seen, Clock: w.clock, Ledger: w.ledger, Proof: w.ledger.Proof})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// grant files a grant of the owner and returns its circle.
func (w *world) grant(n byte) wire.CircleID { return w.grantOf(owner, n) }

func (w *world) grantOf(owner string, n byte) wire.CircleID {
	w.t.Helper()
	id := wire.CircleID{n}
	w.must(w.store.Grants.Apply(context.Background(), store.Change{
		New: &store.Grant{
			ID: fmt.Sprintf("grant-%d", n), Circle: id, Owner: owner, Grantee: grantee, GrantKey: []byte("k"), AnchorKey: []byte("k"),
			From: noon(), Until: noon().Add(time.Hour), State: "Given", EnvelopeHash: "h", Envelope: "e",
		},
		Event: store.GrantEvent{State: "Given", At: noon(), By: "owner", Hash: "h"},
	}))
	return id
}

func (w *world) days(last string, n int) []wire.SeenDay {
	w.t.Helper()
	told, err := w.book.Days(context.Background(), owner, last, n)
	w.must(err)
	return told.Days
}

func TestCountsAndTells(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	phone, laptop := []byte("key of the phone"), []byte("key of the laptop")
	for range 3 {
		w.book.Delivered(w.circle, phone, 256)
	}
	w.clock.Advance(5 * time.Minute)
	w.book.Acted(w.circle, phone)
	w.book.Delivered(w.circle, laptop, 512)
	w.book.Delivered(wire.CircleID{9}, laptop, 512) // a circle of no grant
	got := w.days("", 1)
	want := []wire.SeenRow{
		{Grant: "grant-1", Client: wire.SeenClient(phone), Deliveries: 3, Bytes: 768, Actions: 1, First: "2026-11-22T12:00Z", Last: "2026-11-22T12:05Z"},
		{Grant: "grant-1", Client: wire.SeenClient(laptop), Deliveries: 1, Bytes: 512, First: "2026-11-22T12:05Z", Last: "2026-11-22T12:05Z"},
	}
	slices.SortFunc(want, func(a, b wire.SeenRow) int { return strings.Compare(a.Client, b.Client) })
	if len(got) != 1 || got[0].Day != "2026-11-22" || got[0].Closed() || !slices.Equal(got[0].Rows, want) {
		t.Fatalf("told %+v\nwant %+v", got, want)
	}
	// What comes later is added to the same rows.
	w.clock.Advance(time.Minute)
	w.book.Delivered(w.circle, laptop, 512)
	if got := w.days("2026-11-22", 1); len(got[0].Rows) != 2 || total(got[0]) != 5 {
		t.Fatalf("told %+v", got)
	}
	stranger, err := w.book.Days(t.Context(), grantee, "", 31)
	w.must(err)
	if len(stranger.Days) != 0 {
		t.Fatalf("somebody else is told %+v", stranger)
	}
}

func total(d wire.SeenDay) (n uint64) {
	for _, r := range d.Rows {
		n += r.Deliveries
	}
	return n
}

func TestRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		day string
		n   int
	}{{"", 0}, {"", 32}, {"", -1}, {"yesterday", 1}, {"2026-11-31", 1}, {"1969-12-31", 1}} {
		if _, err := w.book.Days(t.Context(), owner, c.day, c.n); !errors.Is(err, seen.ErrRange) {
			t.Errorf("%q, %d: %v", c.day, c.n, err)
		}
	}
}

// TestDayCloses: its root stands under a hidden leaf, which waits for the log,
// and nothing is added to it any more.
func TestDayCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range byte(5) {
		circle := w.circle
		if n > 0 {
			circle = w.grant(n + 1)
		}
		w.book.Delivered(circle, []byte{n}, 256)
	}
	w.clock.Set(time.Date(2026, 11, 23, 0, 0, 59, 0, time.UTC))
	w.must(w.book.Work(t.Context()))
	if d := w.days("2026-11-22", 1)[0]; d.Closed() {
		t.Fatal("closed within the grace")
	}
	w.clock.Advance(time.Second)
	w.must(w.book.Work(t.Context()))
	d := w.days("2026-11-22", 1)[0]
	root, err := wire.SeenRoot(d.Secret, d.Rows)
	w.must(err)
	leaf := wire.SeenLeaf(d.Secret, d.Day, root)
	pending, err := w.store.Leaves.Pending(t.Context(), 10)
	w.must(err)
	if string(root) != string(d.Root) || len(pending) != 1 || pending[0].Hash != leaf {
		t.Fatalf("root %x, day %+v, waiting %+v", root, d, pending)
	}
	if want := fmt.Sprintf("%x by 2026-11-23T06:00:00Z", leaf); d.Promise != want || d.Proof != "" {
		t.Fatalf("promise %q, proof %q", d.Promise, d.Proof)
	}
	w.ledger.proof = []byte("proof")
	if d := w.days("2026-11-22", 1)[0]; d.Proof != "proof" {
		t.Fatalf("proof %q", d.Proof)
	}
	// A row proves itself without the others.
	for i := range d.Rows {
		path, err := wire.SeenPath(d.Secret, d.Rows, i)
		w.must(err)
		text := fmt.Appendf(wire.SeenSalt(d.Secret, i), `{"grant":%q,"client":%q,"deliveries":1,"bytes":256,"actions":0,"first":%q,"last":%q}`,
			d.Rows[i].Grant, d.Rows[i].Client, d.Rows[i].First, d.Rows[i].Last)
		w.must(ledger.Inclusion(uint64(i), uint64(len(d.Rows)), ledger.LeafHash(text), path, [32]byte(root)))
	}
	// The clock goes back: what comes is of the first open day.
	w.clock.Set(noon())
	w.book.Delivered(w.circle, []byte("late"), 256)
	w.must(w.book.Flush(t.Context()))
	if got := w.days("2026-11-22", 1)[0]; len(got.Rows) != 5 {
		t.Fatalf("a closed day has changed: %+v", got)
	}
	if got := w.days("2026-11-23", 1); len(got) != 1 || total(got[0]) != 1 {
		t.Fatalf("the next day has %+v", got)
	}
}

// TestEveryDayHasAnotherSecret: equal days have unequal leaves.
func TestEveryDayHasAnotherSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.book.Delivered(w.circle, []byte("key"), 256)
		w.clock.Advance(24 * time.Hour)
		w.must(w.book.Work(t.Context()))
	}
	secrets := map[string]bool{}
	for _, d := range w.days("", 7) {
		secrets[string(d.Secret)] = true
	}
	if len(secrets) != 3 {
		t.Fatalf("%d secrets of 3 days", len(secrets))
	}
}

// refusing is a store that takes nothing for a while.
type refusing struct {
	*store.Seen
	mu   sync.Mutex
	room int // guarded by mu; writes that it still takes
}

func (r *refusing) Add(ctx context.Context, all []store.Sighting) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room--; r.room < 0 {
		return store.ErrIO
	}
	return r.Seen.Add(ctx, all)
}

// TestDiskFull: what can't be written is counted on and written later, once.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := &refusing{Seen: w.store.Seen}
	w.book = seen.New(seen.Options{Store: disk, Clock: w.clock})
	w.book.Delivered(w.circle, []byte("key"), 256)
	if err := w.book.Flush(t.Context()); !errors.Is(err, store.ErrIO) {
		t.Fatal(err)
	}
	if _, err := w.book.Days(t.Context(), owner, "", 1); !errors.Is(err, store.ErrIO) {
		t.Fatalf("an owner is told too little: %v", err)
	}
	w.clock.Advance(time.Minute)
	w.book.Delivered(w.circle, []byte("key"), 256)
	disk.room = 9
	for range 2 {
		w.must(w.book.Flush(t.Context()))
	}
	row := w.days("", 1)[0].Rows[0]
	if row.Deliveries != 2 || row.Bytes != 512 || row.First == row.Last {
		t.Fatalf("row %+v", row)
	}
}

// TestDiskFullHalfWay: what was written before the disk was full is not written
// again.
func TestDiskFullHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := &refusing{Seen: w.store.Seen, room: 1}
	w.book = seen.New(seen.Options{Store: disk, Clock: w.clock})
	for n := range 1200 {
		w.book.Delivered(w.circle, fmt.Append(nil, n), 1)
	}
	if err := w.book.Flush(t.Context()); !errors.Is(err, store.ErrIO) {
		t.Fatal(err)
	}
	disk.room = 9
	if d := w.days("", 1)[0]; len(d.Rows) != 1200 || total(d) != 1200 {
		t.Fatalf("%d rows, %d deliveries", len(d.Rows), total(d))
	}
}

// TestRunWrites: without any reader what was counted is on the disk within
// seen.Every, and at the end at once.
func TestRunWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.book.Run(ctx) }()
	w.must(w.clock.BlockUntil(ctx, 1))
	w.book.Delivered(w.circle, []byte("key"), 256)
	w.clock.Advance(seen.Every)
	w.must(w.clock.BlockUntil(ctx, 1))
	onDisk := func() uint64 {
		days, err := w.store.Seen.Of(context.Background(), owner, noon(), noon())
		w.must(err)
		if len(days) == 0 {
			return 0
		}
		return days[0].Rows[0].Deliveries
	}
	if n := onDisk(); n != 1 {
		t.Fatalf("%d on the disk after %v", n, seen.Every)
	}
	w.book.Delivered(w.circle, []byte("key"), 256)
	cancel()
	<-ended
	if n := onDisk(); n != 2 {
		t.Fatalf("%d on the disk at the end", n)
	}
}

// TestCrash: after a kill what was not written is missing, what was told is
// not.
func TestCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book.Delivered(w.circle, []byte("key"), 256)
	if n := total(w.days("", 1)[0]); n != 1 {
		t.Fatalf("told %d", n)
	}
	w.clock.Advance(time.Second)
	w.book.Delivered(w.circle, []byte("key"), 256)
	w.must(w.store.Close()) // the book is dropped with what it holds
	w.open()
	if n := total(w.days("", 1)[0]); n != 1 {
		t.Fatalf("told %d after the crash", n)
	}
}

func TestOldDaysGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book.Delivered(w.circle, []byte("key"), 256)
	w.must(w.book.Work(t.Context()))
	w.clock.Advance(seen.Kept)
	w.must(w.book.Work(t.Context()))
	if len(w.days("2026-11-22", 1)) != 1 {
		t.Fatal("gone too early")
	}
	w.clock.Advance(24 * time.Hour)
	w.must(w.book.Work(t.Context()))
	if d := w.days("2026-11-22", 1); len(d) != 0 {
		t.Fatalf("still there: %+v", d)
	}
}

// TestManyClients: a day has an end to its rows, not to its counting.
func TestManyClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range wire.MaxSeenRows + 5 {
		w.book.Delivered(w.circle, fmt.Append(nil, n), 1)
	}
	d := w.days("", 1)[0]
	if len(d.Rows) != wire.MaxSeenRows || total(d) != wire.MaxSeenRows+5 {
		t.Fatalf("%d rows, %d deliveries", len(d.Rows), total(d))
	}
	w.clock.Advance(24 * time.Hour)
	w.must(w.book.Work(t.Context()))
	if !w.days("2026-11-22", 1)[0].Closed() {
		t.Fatal("the day does not close")
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.book.Delivered(w.circle, []byte("key"), 256)
	w.clock.Advance(24 * time.Hour)
	w.must(w.book.Work(t.Context()))
	w.must(w.store.Seen.Erase(t.Context(), owner))
	if d := w.days("", 31); len(d) != 0 {
		t.Fatalf("still there: %+v", d)
	}
}

// TestOfNobody: what was counted and not yet written when an owner went is not
// kept for whoever stands in the grant then.
func TestOfNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := store.Identity{Account: owner, Version: 1, Hash: "h", IdentityKey: []byte("k"), Expires: noon().Add(time.Hour), Received: noon(), Document: "d"}
	w.must(w.store.Accounts.Create(t.Context(), store.Account{Address: owner, Created: noon()}, first, nil))
	w.book.Delivered(w.circle, []byte("key"), 256)
	_, err := w.store.Accounts.Close(t.Context(), owner, noon(), nil)
	w.must(err)
	w.must(w.book.Flush(t.Context()))
	w.clock.Advance(24 * time.Hour)
	w.must(w.book.Work(t.Context()))
	pending, err := w.store.Leaves.Pending(t.Context(), 10)
	w.must(err)
	if len(pending) != 0 {
		t.Fatalf("a day of nobody was closed: %+v", pending)
	}
}

// BenchmarkDelivered is what one delivery costs the fast path.
func BenchmarkDelivered(b *testing.B) {
	w := newWorld(b)
	keys := make([][]byte, 64)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key %030d", i)
	}
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			w.book.Delivered(w.circle, keys[i%len(keys)], 256)
		}
	})
}

// BenchmarkFlush is what half a minute of 20,000 clients costs the disk.
func BenchmarkFlush(b *testing.B) {
	w := newWorld(b)
	circles := make([]wire.CircleID, 200)
	for i := range circles {
		circles[i] = w.grantOf(fmt.Sprintf("owner-%d@h.example", i), byte(i+2))
	}
	for b.Loop() {
		b.StopTimer()
		for _, c := range circles {
			for n := range 100 {
				w.book.Delivered(c, fmt.Append(nil, n), 256)
			}
		}
		b.StartTimer()
		w.must(w.book.Flush(b.Context()))
	}
}
