package edge

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/internal/edge/simulated"
	"primum/thing"
)

const patience = 20 * time.Second

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// answer is what became of a command.
type answer struct {
	value   json.RawMessage
	problem *circle.Problem
}

// fakeAnchor plays the anchor: it writes down what it is told.
type fakeAnchor struct {
	key ed25519.PublicKey

	mu      sync.Mutex
	changed chan struct{}
	owner   string
	things  []circle.Thing
	fed     []circle.Sample
	answers map[string]answer
	fail    error // of Feed
	claims  int
}

func newAnchor(t *testing.T) *fakeAnchor {
	t.Helper()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeAnchor{key: key, changed: make(chan struct{}), owner: "owner@h.example", answers: map[string]answer{}}
}

// did runs f under the lock and wakes who waits.
func (a *fakeAnchor) did(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	close(a.changed)
	a.changed = make(chan struct{})
}

// await waits until ok holds.
func (a *fakeAnchor) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		a.mu.Lock()
		changed, fine := a.changed, ok()
		a.mu.Unlock()
		if fine {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			a.mu.Lock()
			defer a.mu.Unlock()
			t.Fatalf("%s: never; things %v, %d values, answers %v", what, ids(a.things), len(a.fed), a.answers)
		}
	}
}

func ids(things []circle.Thing) (out []string) {
	for _, t := range things {
		out = append(out, t.ID)
	}
	return out
}

func (a *fakeAnchor) Claimed() (circle.Claimed, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return circle.Claimed{Owner: a.owner}, a.owner != ""
}

func (a *fakeAnchor) SetThings(things []circle.Thing) error {
	a.did(func() { a.things = things })
	return nil
}

func (a *fakeAnchor) Feed(s circle.Sample) (err error) {
	a.did(func() {
		if err = a.fail; err == nil {
			a.fed = append(a.fed, s)
		}
	})
	return err
}

func (a *fakeAnchor) Answer(ref string, value json.RawMessage, p *circle.Problem) error {
	a.did(func() { a.answers[ref] = answer{value, p} })
	return nil
}

func (a *fakeAnchor) ThingKey() ed25519.PublicKey { return a.key }

func (a *fakeAnchor) BeginClaim(r circle.ClaimRequest) (circle.ClaimOffer, error) {
	if r.Node == "" {
		return circle.ClaimOffer{}, errors.New("the request names no node")
	}
	a.did(func() { a.claims++ })
	return circle.ClaimOffer{Claim: "claim for " + r.Node}, nil
}

func (a *fakeAnchor) FinishClaim(countersignature string) (circle.HomeWelcome, error) {
	if countersignature != "good" {
		return circle.HomeWelcome{}, errors.New("the countersignature is wrong")
	}
	a.did(func() { a.owner = "owner@h.example" })
	return circle.HomeWelcome{Welcome: []byte("welcome")}, nil
}

func (a *fakeAnchor) Withdraw(w circle.Withdrawal) (string, error) {
	if w.Closing == "unknown" {
		return "", circle.ErrUnknown
	}
	return "statement", nil
}

func (a *fakeAnchor) Backup() ([]byte, error) { return []byte("anchor without ratchet"), nil }

// run opens and runs an edge with a fake anchor until the test ends.
func run(t *testing.T, c Config, a *fakeAnchor) *Edge {
	t.Helper()
	if c.Dir == "" {
		c.Dir = filepath.Join(t.TempDir(), "edge")
	}
	e, err := openWith(c, a, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	select {
	case <-e.Ready():
	case <-time.After(patience):
		t.Fatal("the edge is not ready")
	}
	return e
}

// step moves a manual clock on when the given number of timers wait.
func step(t *testing.T, c *clock.Manual, timers int, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.BlockUntil(ctx, timers); err != nil {
		t.Fatalf("%d timers, want %d: %v", c.Waiters(), timers, err)
	}
	c.Advance(d)
}

func TestSmallHouse(t *testing.T) {
	t.Parallel()
	c := clock.NewManual(start())
	a := newAnchor(t)
	h := simulated.New(c, 0, 1)
	e := run(t, Config{Clock: c, Simulated: h}, a)
	for range 12 { // history, loop and house wait; one that comes late misses a step
		step(t, c, 3, time.Second)
	}
	a.await(t, "things and values", func() bool { return len(a.things) == 3 && len(a.fed) > 4 })
	a.mu.Lock()
	if got := ids(a.things); !slices.Equal(got, []string{"hall", "lamp", "water"}) {
		t.Errorf("things %v", got)
	}
	for _, s := range a.fed {
		if s.Thing == "water" && s.Name == "flow" && s.Unit != "L/min" {
			t.Errorf("sample %+v", s)
		}
	}
	a.mu.Unlock()
	kept, err := e.history.History("water", "flow", start(), start().Add(time.Hour), 100)
	if err != nil || len(kept) == 0 {
		t.Errorf("history has %d values, %v", len(kept), err)
	}
	take := func(ref, name, value string) {
		if err := e.event(context.Background(), circle.Event{Kind: circle.EventCommand, Ref: ref, Op: thing.WriteProperty, Thing: "lamp", Name: name, Value: json.RawMessage(value), Deadline: c.Now().Add(30 * time.Second)}); err != nil {
			t.Error(err)
		}
	}
	take("1", "state", `"ON"`)
	take("2", "state", `"PURPLE"`)
	take("3", "colour", `"ON"`)
	take("4", "state", `{`)
	a.await(t, "answers", func() bool { return len(a.answers) == 4 })
	if got := a.answers["1"]; string(got.value) != `"ON"` || got.problem != nil || !h.Lit() {
		t.Errorf("answer %+v, lit %v", got, h.Lit())
	}
	for _, ref := range []string{"2", "3", "4"} {
		if p := a.answers[ref].problem; p == nil || p.Kind != "not-possible" {
			t.Errorf("answer %s: %+v", ref, a.answers[ref])
		}
	}
	o := e.Overview()
	if len(o.Things) != 3 || o.Owner != "owner@h.example" || !o.Things[2].History || o.Things[2].Values == 0 {
		t.Errorf("overview %+v", o)
	}
}

func TestCommandIsNotRepeatedAfterAKill(t *testing.T) {
	t.Parallel()
	a, c := newAnchor(t), clock.NewManual(start())
	dir := filepath.Join(t.TempDir(), "edge")
	open := func() *Edge {
		e, err := openWith(Config{Dir: dir, Clock: c}, a, a)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	switchOn := circle.Event{Kind: circle.EventCommand, Ref: "ref-1", Op: thing.WriteProperty, Thing: "lamp", Name: "state", Value: json.RawMessage(`"ON"`)}
	if err := e.event(context.Background(), switchOn); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	c.Advance(300 * time.Millisecond)
	e = open()
	defer func() { _ = e.Close() }()
	if err := e.event(context.Background(), switchOn); err != nil {
		t.Fatal(err)
	}
	if p := a.answers["ref-1"].problem; p == nil || p.Kind != "unknown-outcome" {
		t.Errorf("after the restart: %+v", a.answers["ref-1"])
	}
}

func TestOutageBuffer(t *testing.T) {
	t.Parallel()
	a := newAnchor(t)
	a.fail = errors.New("disk full")
	c := clock.NewManual(start())
	dir := filepath.Join(t.TempDir(), "edge")
	e, err := openWith(Config{Dir: dir, Clock: c}, a, a)
	if err != nil {
		t.Fatal(err)
	}
	canary := `"canary-9d81f0a3c5b7e642"`
	sample := func(i int) circle.Sample {
		return circle.Sample{Thing: "water", Name: "flow", At: start().Add(time.Duration(i) * time.Second), Value: json.RawMessage(canary)}
	}
	e.keep([]circle.Sample{sample(0), sample(1)})
	e.keep([]circle.Sample{sample(2)})
	if o := e.Overview(); o.Waiting != 3 || len(o.Problems) != 1 || !strings.Contains(o.Problems[0], "disk full") {
		t.Errorf("overview %+v", o)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if b := readFile(t, filepath.Join(dir, bufferFile)); len(b) < 100 || bytes.Contains(b, []byte("canary")) {
		t.Error("what waits is not sealed")
	}
	if e, err = openWith(Config{Dir: dir, Clock: c}, a, a); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	e.drain(c.Now())
	if len(a.fed) != 0 || e.Overview().Waiting != 3 {
		t.Errorf("%d fed while it fails, %d wait", len(a.fed), e.Overview().Waiting)
	}
	a.fail = nil
	e.drain(c.Now())
	if len(a.fed) != 3 || e.Overview().Waiting != 0 || len(e.Overview().Problems) != 0 {
		t.Errorf("%d fed, overview %+v", len(a.fed), e.Overview())
	}
	a.fail = errors.New("clock wrong")
	e.keep([]circle.Sample{sample(3)})
	c.Advance(bufferAge + time.Second)
	a.fail = nil
	e.drain(c.Now())
	if o := e.Overview(); o.Dropped != 1 || o.Waiting != 0 {
		t.Errorf("old values: %+v", o)
	}
	a.fail = circle.ErrUnknown
	e.keep([]circle.Sample{sample(4)})
	if e.Overview().Waiting != 0 {
		t.Error("a value that can never be taken waits")
	}
	a.fail, a.owner = errors.New("x"), ""
	e.keep([]circle.Sample{sample(5)})
	if e.Overview().Waiting != 0 {
		t.Error("values of an edge without an owner wait")
	}
}

func TestBufferIsBounded(t *testing.T) {
	t.Parallel()
	b, err := openBuffer(filepath.Join(t.TempDir(), "w.log"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.close() }()
	big := circle.Sample{Thing: "x", Value: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
	for i := range 12 {
		big.Name = fmt.Sprint(i)
		if err := b.put(start(), []circle.Sample{big}); err != nil {
			t.Fatal(err)
		}
	}
	if b.bytes > bufferBytes || b.dropped == 0 {
		t.Errorf("%d bytes, %d dropped", b.bytes, b.dropped)
	}
	var names []string
	if err := b.drain(start(), func(s circle.Sample) error { names = append(names, s.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 || names[len(names)-1] != "11" || b.waiting != 0 {
		t.Errorf("left %v; the newest must be there", names)
	}
}
