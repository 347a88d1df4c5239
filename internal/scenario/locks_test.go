package scenario

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/simulated"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

// TestP8BothLocksThroughAnHonestNode (P8): while the thing is online both locks
// are shut at once, and proven by signatures; afterwards the grantee opens
// nothing of all that the node has, and the thing's files hold no secret of the
// circle.
func TestP8BothLocksThroughAnHonestNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startNode(t, "h.localhost", dir, clock.Real())
	now := time.Now()
	owner := newParty(t, n.Authority(), "owner", now, prime)
	friend := newParty(t, n.Authority(), "friend", now, prime, obs)
	spy := newObserver(t, friend.hands[obs], realCalls(), now)
	friendly, owning := friend.open(t, prime, realCalls()), owner.open(t, prime, realCalls())
	a := runAnchor(t, filepath.Join(t.TempDir(), "anchor"), realCalls(), nil)
	home := a.claimBy(t, owning)
	id := giveTo(t, owning, home, friend, now.Add(24*time.Hour), onChange(meter, readOps, "count"))
	c := givenCircle(t, owning, id, 2)
	seen, _ := watch(t, friendly, id)
	a.feed(t, "count", 1, time.Now())
	next(t, seen)
	spy.follow(t, spy.log(t, c), nil)
	if len(spy.values(t, "count")) != 1 {
		t.Fatal("the spy does not even open what it may")
	}
	secrets := circleSecrets(t, a.dir, c).without(t, dir)
	if len(secrets) < 256 || !secrets.in(t, a.dir) {
		t.Fatal("positive control: the circle's secrets are not found where they are")
	}
	status := grantStatus(t, owning, id)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := time.Now()
	info, nodeErr, err := owning.Withdraw(ctx, id, patience)
	took := time.Since(start)
	if err != nil || nodeErr != nil || !info.Confirmed() || info.LockOne.IsZero() {
		t.Fatalf("withdraw: %v, %v, %+v", err, nodeErr, info)
	}
	t.Logf("both locks after %v: one at %v, two at %v", took, info.LockOne, info.LockTwo)
	verifyReceipt(t, owner, owning, a, home, id, status.Envelope, info)
	if after := grantStatus(t, owning, id); after.State != string(grant.Withdrawn) {
		t.Errorf("the node's book says %q", after.State)
	}
	for v := next(t, seen); !v.Ended(); v = next(t, seen) {
		if v.State == "" {
			t.Errorf("a value was shown after the withdrawal: %+v", v)
		}
	}

	a.feed(t, "count", 2, time.Now())
	if err := a.Tick(); err != nil {
		t.Fatal(err)
	}
	spy.thiefTries(t, storedFrames(t, dir, c), storedFrames(t, dir, wire.CircleID(home))...)
	if secrets.in(t, a.dir) {
		t.Error("the thing's files hold secrets of the ended circle")
	}
}

func grantStatus(t *testing.T, c *client.Client, id string) wire.GrantStatus {
	t.Helper()
	all, err := c.Home.Grants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if g.ID == id {
			return g
		}
	}
	t.Fatalf("the node has no grant %s", id)
	return wire.GrantStatus{}
}

// verifyReceipt checks the two signatures of a receipt as a stranger would.
func verifyReceipt(t *testing.T, owner *party, owning *client.Client, a *bareAnchor, home circle.ID, id, envelope string, info circle.WithdrawalInfo) {
	t.Helper()
	e, err := grant.VerifyEnvelope(envelope, owner.doc)
	if err != nil {
		t.Fatal(err)
	}
	w, err := owning.Owner.LANWithdrawal(id)
	if err != nil {
		t.Fatal(err)
	}
	said, err := grant.VerifyWithdrawal(w.Closing, w.Countersignature, e, owner.doc)
	if err != nil {
		t.Fatalf("the withdrawal that was said: %v", err)
	}
	s, err := grant.VerifyStatement(info.Statement, a.Signer(home).Public().(ed25519.PublicKey), e, said.Nonce)
	if err != nil || !s.At.Equal(info.LockTwo) {
		t.Errorf("lock two at %v, by a statement of %v: %v", info.LockTwo, s.At, err)
	}
	node, err := owning.Home.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := grant.VerifyReceipt(info.Receipt, node.Authority, node.Keys[0].X, w.Closing)
	if err != nil || r.Event != string(grant.Withdrawn) || r.At.Sub(info.LockOne).Abs() > time.Second {
		t.Errorf("lock one at %v, by a receipt of %v for %q: %v", info.LockOne, r.At, r.Event, err)
	}
}

// thiefTries follows a circle in the node's own database to the commit that
// removes the observer, which keeps what it had; with that it tries all that
// came since, and what is of other circles.
func (o *observer) thiefTries(t testing.TB, own []wire.Frame, others ...wire.Frame) {
	t.Helper()
	o.follow(t, own, nil)
	if !o.evicted {
		t.Errorf("no commit removes the client %s", o.hand.Name)
		return
	}
	since := slices.IndexFunc(own, func(f wire.Frame) bool { return f.Number >= o.removedAt })
	load := func() *mls.Group {
		g, err := mls.Load(mls.Config{Signer: o.hand.key()}, o.state)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := load()
	for _, f := range append(slices.Clone(own[since:]), others...) {
		r, err := g.Process(f.Message)
		if err != nil {
			continue // and g is as it was
		}
		if !r.Evicted {
			t.Errorf("number %d of circle %s was opened by %s, who was removed", f.Number, f.Circle, o.hand.Name)
		}
		g = load()
	}
}

// storedFrames reads a circle from a node's database, fences and rosters aside.
func storedFrames(t testing.TB, nodeDir string, c wire.CircleID) (all []wire.Frame) {
	t.Helper()
	var dir string
	err := filepath.WalkDir(nodeDir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == store.LogFile {
			dir = filepath.Dir(path)
		}
		return err
	})
	if err != nil || dir == "" {
		t.Fatalf("find the node's database: %v", err)
	}
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for after := uint64(0); ; after = all[len(all)-1].Number {
		_, frames, err := s.Circles.Read(t.Context(), c, after, 1000, 16<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(frames) == 0 {
			return all
		}
		for _, f := range frames {
			all = append(all, wire.Frame{Circle: c, Number: f.Seq, Message: f.Message})
		}
	}
}

// lied is a household whose node lies.
type lied struct {
	node     *badNode
	owner    *party
	friend   *party
	owning   *client.Client
	friendly *client.Client
	thing    *bareAnchor
	home     circle.ID
	pace     *clock.Manual // of the owner's patience
	told     chan string   // lies as they are told
}

func newLied(t *testing.T) *lied {
	t.Helper()
	l := newLiar(t)
	l.thing = runAnchor(t, filepath.Join(t.TempDir(), "anchor"), realCalls(), nil)
	l.home = l.thing.claimBy(t, l.owning)
	return l
}

// newLiar is a lying node with its two accounts, and no thing yet.
func newLiar(t *testing.T) *lied {
	t.Helper()
	l := &lied{node: startBadNode(t, clock.Real()), pace: clock.NewManual(time.Now()), told: make(chan string, 1024)}
	now := time.Now()
	l.owner = newParty(t, l.node.Authority(), "owner", now, prime)
	l.friend = newParty(t, l.node.Authority(), "friend", now, prime)
	l.friendly = l.friend.open(t, prime, realCalls())
	l.owning = l.owner.open(t, prime, realCalls())
	return l
}

func (l *lied) give(t *testing.T) string {
	t.Helper()
	id := giveTo(t, l.owning, l.home, l.friend, time.Now().Add(24*time.Hour), onChange(meter, readOps, "count"))
	givenCircle(t, l.owning, id, 1)
	return id
}

// ownerID is how the node knows the owner's session.
func (l *lied) ownerID() string { return "acct:" + l.owner.address.String() + "#" + prime }

// withdraw withdraws while the node lies, and gives up once it has told all the
// lies named.
func (l *lied) withdraw(t *testing.T, id string, lies ...string) circle.WithdrawalInfo {
	t.Helper()
	result := make(chan circle.WithdrawalInfo, 1)
	go func() {
		info, _, err := l.owning.Withdraw(t.Context(), id, time.Hour)
		if err != nil {
			t.Errorf("withdraw: %v", err)
		}
		result <- info
	}()
	for len(lies) > 0 {
		select {
		case lie := <-l.told:
			lies = slices.DeleteFunc(lies, func(s string) bool { return s == lie })
		case info := <-result:
			t.Fatalf("the withdrawal came back before the lies %v: %+v", lies, info)
		case <-time.After(patience):
			t.Fatalf("the node did not come to tell the lies %v", lies)
		}
	}
	var info circle.WithdrawalInfo
	eventually(t, "patience ends", func() bool {
		l.pace.Advance(time.Hour)
		select {
		case info = <-result:
			return true
		default:
			return false
		}
	})
	return info
}

func (l *lied) tell(lie string) {
	select {
	case l.told <- lie:
	default:
	}
}

// swallowClosing makes the node say "withdrawn" and do nothing.
func (l *lied) swallowClosing() {
	l.node.lie(func(b *badNode) {
		b.request = func(_, path string, _ []byte, w http.ResponseWriter) bool {
			if path != "/v1/closings" {
				return false
			}
			l.tell("closing")
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(wire.Receipt{Receipt: "e30.e30.e30", State: "withdrawn", At: time.Now()})
			return true
		}
	})
}

// swallowHome makes the node take the owner's home messages and forget them.
func (l *lied) swallowHome() {
	l.node.lie(func(b *badNode) {
		b.up = func(who string, f wire.Frame) verdict {
			if who != l.ownerID() || f.Circle != wire.CircleID(l.home) {
				return pass
			}
			l.tell("home")
			return swallow
		}
	})
}

func (l *lied) honest() {
	l.node.lie(func(b *badNode) { b.request, b.up, b.down = nil, nil, nil })
}

// TestP8DishonestNodeIsNeverConfirmed (P8): whatever the node swallows, keeps
// back or plays again, no receipt says "confirmed" but by the thing's own word.
func TestP8DishonestNodeIsNeverConfirmed(t *testing.T) {
	t.Parallel()
	t.Run("swallows everything", func(t *testing.T) {
		t.Parallel()
		l := newLied(t)
		id := l.give(t)
		l.reopen(t, l.patiently)
		seen, _ := watch(t, l.friendly, id)
		l.swallowClosing()
		l.swallowHome()
		l.never(t, id, l.withdraw(t, id, "closing", "home"))
		l.thing.feed(t, "count", 7, time.Now())
		if v := next(t, seen); string(v.Value) != "7" {
			t.Errorf("the thing, which knows nothing, sent %+v", v)
		}
	})
	t.Run("locks itself and keeps the thing in the dark", func(t *testing.T) {
		t.Parallel()
		l := newLied(t)
		id := l.give(t)
		l.reopen(t, l.patiently)
		l.swallowHome()
		l.never(t, id, l.withdraw(t, id, "home"))
		eventually(t, "the node's own lock is shown", func() bool { return !l.info(id).LockOne.IsZero() })
		l.never(t, id, l.info(id))
	})
	t.Run("keeps the thing's statement back", func(t *testing.T) {
		t.Parallel()
		l := newLied(t)
		id := l.give(t)
		l.reopen(t, l.patiently)
		var mu sync.Mutex
		own := map[string]bool{}
		l.node.lie(func(b *badNode) {
			b.up = func(who string, f wire.Frame) verdict {
				mu.Lock()
				defer mu.Unlock()
				own[string(f.Message)] = own[string(f.Message)] || who == l.ownerID()
				return pass
			}
			b.down = func(who string, f wire.Frame) verdict {
				mu.Lock()
				defer mu.Unlock()
				if who != l.ownerID() || f.Circle != wire.CircleID(l.home) || own[string(f.Message)] {
					return pass
				}
				l.tell("statement")
				return swallow
			}
		})
		l.never(t, id, l.withdraw(t, id, "statement"))
		l.honest()
		l.node.lie(func(b *badNode) { _ = b.sessions[l.ownerID()].c.CloseNow() })
		eventually(t, "the statement counts once it comes", func() bool {
			l.pace.Advance(time.Hour) // the client connects again
			return l.info(id).Confirmed()
		})
	})
	t.Run("plays old frames again", func(t *testing.T) {
		t.Parallel()
		l := newLied(t)
		l.playsAgain(t)
	})
	t.Run("and the local network goes past it", func(t *testing.T) {
		t.Parallel()
		goesPast(t)
	})
}

// goesPast: while the node swallows everything, a client that can't reach the
// edge is told "not confirmed"; in the house, lock two comes from the edge's own
// door.
func goesPast(t *testing.T) {
	l := newLiar(t)
	e := runSmallHouse(t, filepath.Join(t.TempDir(), "edge"), realCalls())
	code, err := e.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	claimAt(t, l.owning, edgeReady{e.ClaimURL(), code})
	flow := find(t, l.owning, "water/flow")
	l.home = flow.Circle
	id := giveTo(t, l.owning, l.home, l.friend, time.Now().Add(24*time.Hour), onChange(flow.Thing, readOps, flow.Name))
	givenCircle(t, l.owning, id, 1)
	l.reopen(t, l.patiently, func(o *client.Options) { o.LAN = nil }) // out of the house
	l.swallowClosing()
	l.swallowHome()
	l.never(t, id, l.withdraw(t, id, "closing", "home"))

	l.reopen(t) // at home again
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	info, _, err := l.owning.Withdraw(ctx, id, patience)
	if err != nil || !info.Confirmed() {
		t.Fatalf("by the LAN: %v, %+v", err, info)
	}
}

// reopen opens the owner's client anew, in other surroundings.
func (l *lied) reopen(t *testing.T, change ...func(*client.Options)) {
	t.Helper()
	if err := l.owning.Close(); err != nil {
		t.Fatal(err)
	}
	l.owning = l.owner.open(t, prime, realCalls(), change...)
}

// patiently puts the owner's patience into the test's hands.
func (l *lied) patiently(o *client.Options) { o.Pace = l.pace }

// runSmallHouse runs an edge with the simulated house until the test ends.
func runSmallHouse(t *testing.T, dir string, calls client.Calls) *edge.Edge {
	t.Helper()
	e, err := edge.Open(edge.Config{
		Dir: dir, Listen: "127.0.0.1:0", Zigbee2MQTT: edge.Off, HomeAssistant: edge.Off, Settle: time.Millisecond,
		Simulated: simulated.New(clock.Real(), 10*time.Millisecond, 1),
		Drive: func(ctx context.Context, a *circle.Anchor, take func(circle.Event) error) error {
			return client.RunAnchor(ctx, a, client.AnchorOptions{Calls: calls, Take: take})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("edge: %v", err)
		}
		_ = e.Close()
	})
	select {
	case <-e.Ready():
	case <-time.After(patience):
		t.Fatal("the edge's door did not open")
	}
	return e
}

func (l *lied) info(id string) circle.WithdrawalInfo {
	for _, g := range l.owning.Owner.Given() {
		if g.ID == id && g.Withdrawal != nil {
			return *g.Withdrawal
		}
	}
	return circle.WithdrawalInfo{}
}

// never: not confirmed, now and in what the owner's client keeps.
func (l *lied) never(t *testing.T, id string, info circle.WithdrawalInfo) {
	t.Helper()
	for _, w := range []circle.WithdrawalInfo{info, l.info(id)} {
		if w.Confirmed() || !w.LockTwo.IsZero() || w.Statement != "" {
			t.Errorf("shown as confirmed by the thing, which it is not: %+v", w)
		}
	}
}

// playsAgain: one grant is withdrawn honestly, and all that the owner is sent
// meanwhile is kept. Then another is withdrawn, of which the thing hears
// nothing, and the old frames come again: as they were, and under new numbers.
func (l *lied) playsAgain(t *testing.T) {
	first, second := l.give(t), l.give(t)
	var mu sync.Mutex
	var old []wire.Frame
	l.node.lie(func(b *badNode) {
		b.down = func(who string, f wire.Frame) verdict {
			if who == l.ownerID() && f.Circle == wire.CircleID(l.home) {
				mu.Lock()
				old = append(old, wire.Frame{Circle: f.Circle, Number: f.Number, Message: append([]byte(nil), f.Message...)})
				mu.Unlock()
			}
			return pass
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if info, _, err := l.owning.Withdraw(ctx, first, patience); err != nil || !info.Confirmed() {
		t.Fatalf("the honest withdrawal: %v, %+v", err, info)
	}
	mu.Lock()
	frames := old
	mu.Unlock()
	if len(frames) == 0 {
		t.Fatal("nothing was kept to be played again")
	}
	l.reopen(t, l.patiently)
	l.swallowClosing()
	l.swallowHome()
	l.never(t, second, l.withdraw(t, second, "closing", "home"))
	highest := frames[len(frames)-1].Number
	for i, f := range frames {
		l.node.play(t, l.ownerID(), f)
		f.Number = highest + 1 + uint64(i)
		l.node.play(t, l.ownerID(), f)
	}
	eventually(t, "the owner has taken the old frames", func() bool {
		for _, s := range l.owning.Owner.Subscriptions() {
			if s.Circle == l.home {
				return s.After >= highest+uint64(len(frames))
			}
		}
		return false
	})
	l.never(t, second, l.info(second))
}
