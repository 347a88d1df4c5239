package edge

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/internal/durable"
	"primum/internal/edge/history"
	"primum/internal/edge/house"
	"primum/internal/words"
	"primum/thing"
)

// Names in the state folder.
const (
	anchorDir    = "anchor"
	historyFile  = "history.db"
	registryFile = "things.json"
	bufferFile   = "waiting.log"
	begunFile    = "commands.log"
)

// Rhythms of the edge's loop.
const (
	defaultSettle = time.Second
	drainEvery    = 10 * time.Second
	refreshEvery  = time.Minute
)

// feeder is what values and commands need of the anchor.
type feeder interface {
	Claimed() (circle.Claimed, bool)
	SetThings(things []circle.Thing) error
	Feed(s circle.Sample) error
	Answer(ref string, value json.RawMessage, problem *circle.Problem) error
}

// claimer is what the LAN door needs of the anchor.
type claimer interface {
	ThingKey() ed25519.PublicKey
	BeginClaim(r circle.ClaimRequest) (circle.ClaimOffer, error)
	FinishClaim(countersignature string) (circle.HomeWelcome, error)
	Withdraw(w circle.Withdrawal) (statement string, err error)
	Backup() ([]byte, error)
}

// Edge is one running edge. Its methods are safe for concurrent use.
type Edge struct {
	config  Config
	lock    *durable.Lock
	anchor  *circle.Anchor // nil in tests that play the anchor
	feed    feeder
	claims  claimer
	history *history.DB
	house   *house.House
	broker  *brokerSide // nil: none
	waiting *buffer
	begun   *durable.Log // commands; the house's lock guards it
	door    *door
	public  *openFeed // nil: nothing is published openly
	ready   chan struct{}

	mu      sync.Mutex
	listens net.Addr          // under mu
	trouble map[string]string // what goes wrong now, by what; under mu
}

// Open opens or makes the state folder and locks it. Nothing runs before Run.
func Open(c Config) (*Edge, error) { return openWith(c, nil, nil) }

// openWith lets tests play the anchor.
func openWith(c Config, f feeder, cl claimer) (*Edge, error) {
	c = withDefaults(c)
	if err := durable.MakeDir(c.Dir); err != nil {
		return nil, fmt.Errorf("open edge: %w", err)
	}
	lock, err := durable.LockDir(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("open edge: %w", err)
	}
	e := &Edge{config: c, lock: lock, feed: f, claims: cl, ready: make(chan struct{}), trouble: map[string]string{}}
	if err := e.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open edge: %w", err), e.Close())
	}
	return e, nil
}

func withDefaults(c Config) Config {
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Settle == 0 {
		c.Settle = defaultSettle
	}
	return c
}

func (e *Edge) open() (err error) {
	if e.config.Words == nil {
		if e.config.Words, err = words.New(); err != nil {
			return err
		}
	}
	c := e.config
	if e.history, err = history.Open(filepath.Join(c.Dir, historyFile), history.Options{Keep: c.Keep, Clock: c.Clock, Log: c.Log}); err != nil {
		return err
	}
	if e.waiting, err = openBuffer(filepath.Join(c.Dir, bufferFile), c.Rand); err != nil {
		return err
	}
	if e.feed == nil {
		if e.anchor, err = circle.OpenAnchor(filepath.Join(c.Dir, anchorDir), circle.AnchorOptions{Clock: c.Clock, Rand: c.Rand, History: e.history, Log: c.Log}); err != nil {
			return err
		}
		e.feed, e.claims = e.anchor, e.anchor
	}
	world := house.Out{Announce: e.announce, Value: e.keep, Send: e.send, Begin: e.begin, Answer: e.answer}
	e.house, err = house.Open(house.Options{Path: filepath.Join(c.Dir, registryFile), Settle: c.Settle, Clock: c.Clock, Log: c.Log, Out: world})
	if err != nil {
		return err
	}
	if err := e.openBegun(); err != nil {
		return err
	}
	if c.Open != nil {
		if e.public, err = newOpenFeed(c, e.note); err != nil {
			return err
		}
	}
	if c.Broker != nil {
		if e.broker, err = openBroker(c, e.house); err != nil {
			return err
		}
	}
	e.door = newDoor(e)
	return nil
}

// Close frees the state folder. Call it after Run has returned.
func (e *Edge) Close() error {
	var all []error
	if e.anchor != nil {
		all = append(all, e.anchor.Close())
	}
	if e.waiting != nil && e.waiting.log != nil {
		all = append(all, e.waiting.close())
	}
	if e.begun != nil {
		all = append(all, e.begun.Close())
	}
	if e.public != nil {
		all = append(all, e.public.close())
	}
	if e.history != nil {
		all = append(all, e.history.Close())
	}
	if err := os.Remove(filepath.Join(e.config.Dir, controlFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		all = append(all, err) // nobody listens there any more
	}
	return errors.Join(append(all, e.lock.Close())...)
}

// Run connects, discovers, serves the door and drives the anchor until the
// context ends; it returns nil then. Another end is an error: the door can't
// listen, or the anchor's folder can't be written.
func (e *Edge) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	start := func(f func(context.Context) error) {
		work.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	if err := e.door.listen(); err != nil {
		return err
	}
	e.greet()
	close(e.ready)
	start(e.door.serve)
	start(func(ctx context.Context) error { e.history.Run(ctx); return nil })
	start(e.loop)
	if e.public != nil {
		start(e.public.run)
	}
	if e.broker != nil {
		start(e.broker.run)
		start(e.sayBroker)
	}
	if h := e.config.Simulated; h != nil {
		start(func(ctx context.Context) error {
			h.Run(ctx, func(r thing.Report) { e.house.Take(h, r) })
			return nil
		})
	}
	if e.config.Drive != nil && e.anchor != nil {
		start(func(ctx context.Context) error {
			return e.config.Drive(ctx, e.anchor, func(ev circle.Event) error { return e.event(ctx, ev) })
		})
	}
	<-ctx.Done()
	work.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("run edge: %w", err)
	}
	return nil
}

// sayBroker says on the terminal when the broker comes and goes.
func (e *Edge) sayBroker(ctx context.Context) error {
	for first, was := true, false; ; {
		changed := e.broker.conn.Changed()
		switch s := e.broker.conn.Status(); {
		case s.Connected && !was:
			e.say("edge.say.connected", "Broker", s.Broker, "Version", s.Version)
			first, was = false, true
		case !s.Connected && !s.Since.IsZero() && (was || first):
			e.say("edge.say.unreachable", "Broker", s.Broker, "Why", s.Problem)
			first, was = false, false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// loop looks at the house's deadlines, the outage buffer and the counts.
func (e *Edge) loop(ctx context.Context) error {
	now := e.config.Clock.Now()
	drain, refresh := now.Add(drainEvery), now.Add(refreshEvery)
	for {
		wait := min(drain.Sub(now), refresh.Sub(now))
		if next := e.house.Next(); !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		timer := e.config.Clock.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-e.house.Wake():
			timer.Stop()
		case <-timer.C():
		}
		now = e.config.Clock.Now()
		e.house.Settled(now)
		e.house.Overdue(now)
		if !now.Before(drain) {
			drain = now.Add(drainEvery)
			e.drain(now)
		}
		if !now.Before(refresh) {
			refresh = now.Add(refreshEvery)
			e.house.Refresh()
		}
	}
}

// announce gives the owner's list to the anchor.
func (e *Edge) announce(things []circle.Thing) {
	e.note("tell things", e.feed.SetThings(things))
	if e.public != nil {
		e.public.announce(things)
	}
}

// keep puts values into the history and feeds them to the anchor; what the
// anchor can't take now waits in the buffer. An edge without an owner keeps
// its history and feeds nobody.
func (e *Edge) keep(samples []circle.Sample) {
	e.note("keep history", e.history.Add(context.Background(), samples...))
	if e.public != nil {
		e.note("queue open values", e.public.keep(samples))
	}
	if _, owned := e.feed.Claimed(); !owned {
		return
	}
	for i, s := range samples {
		err := e.feed.Feed(s)
		e.note("feed a value", err)
		if err == nil || permanent(err) {
			continue
		}
		e.note("buffer values", e.waiting.put(e.config.Clock.Now(), samples[i:]))
		return
	}
}

// permanent tells errors that waiting does not mend.
func permanent(err error) bool {
	return errors.Is(err, circle.ErrUnknown) || errors.Is(err, circle.ErrRefused) || errors.Is(err, circle.ErrEnded)
}

func (e *Edge) drain(now time.Time) {
	err := e.waiting.drain(now, func(s circle.Sample) error {
		if err := e.feed.Feed(s); err != nil && !permanent(err) {
			return err
		}
		return nil
	})
	e.note("feed waiting values", err)
}

// note remembers what goes wrong, and forgets it when it goes well again.
func (e *Edge) note(what string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		delete(e.trouble, what)
		return
	}
	if e.trouble[what] != err.Error() {
		e.trouble[what] = err.Error()
		e.config.Log.Warn("edge", "doing", what, "problem", err)
	}
}

func (e *Edge) send(ctx context.Context, s thing.Send) error {
	if h := e.config.Simulated; h != nil && h.Has(s.Topic) {
		return h.Send(s)
	}
	if e.broker == nil {
		return errors.New("this edge has no broker")
	}
	return e.broker.send(ctx, s)
}

func (e *Edge) answer(ref string, value json.RawMessage, p *circle.Problem) {
	e.note("answer a command", e.feed.Answer(ref, value, p))
}

// openBegun reads which commands were begun lately, so that none is executed
// twice when the edge was killed in the middle.
func (e *Edge) openBegun() (err error) {
	now := e.config.Clock.Now()
	var keep [][]byte
	e.begun, err = durable.OpenLog(filepath.Join(e.config.Dir, begunFile), func(record []byte) error {
		var at int64
		var ref string
		if _, err := fmt.Sscanf(string(record), "%d %s", &at, &ref); err != nil {
			return nil // nothing that could be repeated
		}
		if began := time.Unix(at, 0); now.Sub(began) <= house.BegunKept {
			e.house.Begun(ref, began)
			keep = append(keep, append([]byte(nil), record...))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.begun.Rewrite(keep)
}

func (e *Edge) begin(ref string, at time.Time) error {
	return e.begun.Append(true, fmt.Appendf(nil, "%d %s", at.Unix(), ref))
}

// event takes an event of the anchor. Returning nil means that it need not
// come again.
func (e *Edge) event(ctx context.Context, ev circle.Event) error {
	log := e.config.Log.With("grant", ev.Grant)
	switch ev.Kind {
	case circle.EventCommand:
		e.house.Command(ctx, ev)
	case circle.EventClaimed:
		e.say("edge.say.claimed", "Owner", ev.Account)
		e.house.AnnounceAgain()
	case circle.EventStopped:
		e.say("edge.say.stopped", "Why", ev.Reason)
		e.ShowClaim()
	case circle.EventProblem, circle.EventDeclined, circle.EventPaused:
		log.Warn("circle", "event", ev.Kind, "reason", ev.Reason, "text", ev.Text)
		e.house.Note(strings.TrimSpace(fmt.Sprintf("%s: %s %s", ev.Kind, ev.Reason, ev.Text)))
	default:
		log.Info("circle", "event", ev.Kind, "reason", ev.Reason)
	}
	return nil
}

// Ready is closed when the door listens (or there is none) and Run goes on.
func (e *Edge) Ready() <-chan struct{} { return e.ready }

// Overview lists the things with counts and problems.
func (e *Edge) Overview() Overview {
	var o Overview
	o.Things, o.Problems = e.house.Statuses()
	for i := range o.Things {
		if on, err := e.history.On(context.Background(), o.Things[i].Name); err == nil {
			o.Things[i].History = on
		}
	}
	if e.broker != nil {
		status := e.broker.conn.Status()
		o.Broker = &status
	}
	if c, owned := e.feed.Claimed(); owned {
		o.Owner = c.Owner
	}
	o.Waiting, o.Dropped = e.waiting.counts()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(e.trouble)) {
		o.Problems = append(o.Problems, what+": "+e.trouble[what])
	}
	return o
}

// Accept takes the changed description of a thing (Status.Changed).
func (e *Edge) Accept(name string) error { return e.house.Accept(name) }

// SetHistory switches the history of a thing on or off; off also erases it.
func (e *Edge) SetHistory(name string, on bool) error {
	if !e.house.Knows(name) {
		return fmt.Errorf("switch history of %s: there is no such thing; see `primum edge things`", name)
	}
	return e.history.SetOn(context.Background(), name, on)
}
