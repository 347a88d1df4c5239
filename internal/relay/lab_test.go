package relay_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

const grantee = "friend@s.localhost:8402"

// world is a relay on a store on disk.
type world struct {
	t     testing.TB
	dir   string
	clock *clock.Manual
	store *store.Store
	relay *relay.Relay
}

func newWorld(t testing.TB, limits relay.Limits) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: clock.NewManual(start())}
	w.open(w.dir, limits)
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) open(dir string, limits relay.Limits) {
	w.t.Helper()
	var err error
	if w.store, err = store.Open(context.Background(), dir, store.Options{}); err != nil {
		w.t.Fatal(err)
	}
	w.relay = relay.New(relay.Options{Store: w.store.Circles, Clock: w.clock, Limits: limits})
}

// reopen is what a restart of the node does.
func (w *world) reopen() {
	w.t.Helper()
	w.must(w.store.Close())
	w.open(w.dir, relay.Limits{})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// refused demands the named refusal.
func (w *world) refused(err error, name string) wire.Refusal {
	w.t.Helper()
	var r *wire.Refusal
	if !errors.As(err, &r) || r.Name != name {
		w.t.Fatalf("error is %v, want refusal %s", err, name)
	}
	if r.Error() == "" {
		w.t.Fatal("the refusal says nothing")
	}
	return *r
}

// party is one member's end of a circle.
type party struct {
	relay.Caller
	cfg   mls.Config
	group *mls.Group
	priv  *mls.KeyPackagePrivate
	kp    *mls.KeyPackage
}

func (w *world) party(account string) *party {
	w.t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	return &party{
		Caller: relay.Caller{Key: pub, Account: account},
		cfg:    mls.Config{Signer: key, Now: w.clock.Now},
	}
}

func (w *world) keyPackage(p *party) *mls.KeyPackage {
	w.t.Helper()
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: mls.Suites()[0], Identity: []byte(p.Account), Signer: p.cfg.Signer,
		NotBefore: w.clock.Now().Add(-time.Hour), NotAfter: w.clock.Now().Add(24 * time.Hour),
	})
	w.must(err)
	p.kp, p.priv = kp, priv
	return kp
}

// lab is a circle with its members.
type lab struct {
	*world
	id      wire.CircleID
	anchor  *party
	members []*party
}

func (w *world) opening(l *lab) relay.Opening {
	w.t.Helper()
	info, err := l.anchor.group.GroupInfo()
	w.must(err)
	return relay.Opening{Circle: l.id, GroupInfo: info, AnchorKey: l.anchor.Key, Account: grantee}
}

// openingBy is an opening with a GroupInfo that a member signed.
func (w *world) openingBy(l *lab, p *party) relay.Opening {
	w.t.Helper()
	o := w.opening(l)
	var err error
	o.GroupInfo, err = p.group.GroupInfo()
	w.must(err)
	return o
}

// found makes the anchor's group and opens nothing.
func (w *world) found() *lab {
	w.t.Helper()
	l := &lab{world: w, anchor: w.party("")}
	_, _ = rand.Read(l.id[:])
	var err error
	l.anchor.group, err = mls.Create(l.anchor.cfg, l.id[:], mls.Suites()[0], []byte("anchor"), nil)
	w.must(err)
	return l
}

// circle opens a circle and lets members join through the relay.
func (w *world) circle(members int, change ...func(*relay.Opening)) *lab {
	w.t.Helper()
	l := w.found()
	o := w.opening(l)
	for _, f := range change {
		f(&o)
	}
	_, err := w.relay.Open(context.Background(), o)
	w.must(err)
	for range members {
		l.add(w.party(grantee))
	}
	return l
}

func (l *lab) append(p *party, message []byte) (relay.Done, error) {
	return l.relay.Append(context.Background(), relay.Append{Circle: l.id, Caller: p.Caller, Message: message})
}

func (l *lab) commit(o mls.CommitOptions) (relay.Done, *mls.Staged, error) {
	l.t.Helper()
	staged, err := l.anchor.group.Commit(o)
	l.must(err)
	done, err := l.relay.Append(context.Background(), relay.Append{
		Circle: l.id, Caller: l.anchor.Caller, Message: staged.Commit, Welcome: staged.Welcome,
	})
	if err != nil {
		l.anchor.group.Discard()
		return done, staged, err
	}
	l.must(l.anchor.group.Merge())
	return done, staged, nil
}

// add has the anchor add a party, which joins by the Welcome.
func (l *lab) add(p *party) relay.Done {
	l.t.Helper()
	done, staged, err := l.commit(mls.CommitOptions{Add: []*mls.KeyPackage{l.keyPackage(p)}})
	l.must(err)
	for _, m := range l.members {
		l.process(m, staged.Commit)
	}
	p.group, err = mls.Join(p.cfg, staged.Welcome, p.kp, p.priv, nil)
	l.must(err)
	l.members = append(l.members, p)
	return done
}

func (l *lab) process(p *party, message []byte) {
	l.t.Helper()
	_, err := p.group.Process(message)
	l.must(err)
}

// value is a sealed message of a member.
func (l *lab) value(p *party, text string) []byte {
	l.t.Helper()
	m, err := p.group.Seal([]byte(text), nil, 256)
	l.must(err)
	return m
}

func (l *lab) send(p *party, text string) relay.Done {
	l.t.Helper()
	done, err := l.append(p, l.value(p, text))
	l.must(err)
	return done
}

// reader collects what a subscription delivers.
type reader struct {
	mu      sync.Mutex
	room    int      // frames taken before it is full; negative: never full
	seqs    []uint64 // guarded by mu
	frames  [][]byte // guarded by mu
	ended   string   // guarded by mu
	endedAt time.Time
}

func newReader() *reader { return &reader{room: -1} }

func (r *reader) Frame(_ wire.CircleID, seq uint64, message []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room == 0 {
		return false
	}
	r.room--
	r.seqs, r.frames = append(r.seqs, seq), append(r.frames, message)
	return true
}

func (r *reader) End(_ wire.CircleID, reason string, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended += reason
	r.endedAt = at
}

func (r *reader) got() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprint(r.seqs, r.ended)
}

// subscribe subscribes and pulls until it is live or over.
func (l *lab) subscribe(p *party, after uint64) (*reader, *relay.Subscription) {
	l.t.Helper()
	r := newReader()
	sub, _, err := l.relay.Subscribe(context.Background(), p.Caller, l.id, after, r)
	l.must(err)
	l.pull(sub)
	return r, sub
}

func (l *lab) pull(sub *relay.Subscription) {
	l.t.Helper()
	for more := true; more; {
		var err error
		more, err = sub.Pull(context.Background())
		l.must(err)
	}
}
