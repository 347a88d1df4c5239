// Package core is what all actors of a circle have in common: the persisted
// state machine with its outbox of effects and queue of events, one circle's
// queue, cursor and group, identity documents, and what travels inside.
package core

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"sync"
	"time"

	"primum/circle/internal/disk"
	"primum/internal/clock"
	"primum/mls"
)

// Bounds of every actor.
const (
	maxEvents  = 1_000 // events that wait for Ack before input is refused
	homeEvents = 700   // from here on old values of home circles give way
	maxOutbox  = 10_000
	softDelay  = 10 * time.Second // how long what a crash may lose stays in memory
	MaxSkew    = 5 * time.Minute
	backoffMin = time.Second
	BackoffMax = 5 * time.Minute
	PartBase   = "base"
	PartEvents = "events"
	PartCircle = "c-" // and the circle id
	BadState   = "read the actor's %s: %w"
)

// role is what makes an actor an anchor, a member or an owner. Its methods run
// under the actor's lock.
type role interface {
	// restore reads the role's own parts.
	Recall(files map[string][]byte) error
	// Plan brings everything that follows from state and time up to date, and
	// calls wake with the times at which time alone will change it again.
	Plan(now time.Time)
	// opened takes a message that was opened, or a commit that was merged.
	Incoming(r *Room, in *Incoming)
	// answered takes the outcome of an effect: a result, or a refusal that is
	// final.
	Outcome(e *Effect, res *Result, refused *Refusal)
	// ended takes the news that a node delivers nothing more.
	CutOff(r *Room, reason string, at time.Time)
}

// part is something that is stored in one file.
type part interface{ encode() ([]byte, error) }

// jsonPart stores v as JSON.
type jsonPart struct{ v any }

// StoreJSON is a part that stores v, a pointer or map, as JSON.
func StoreJSON(v any) part { return jsonPart{v} }

func (p jsonPart) encode() ([]byte, error) { return json.Marshal(p.v) }

// baseState is the part of every actor that is neither a circle nor a role's.
type baseState struct {
	Outbox     []Effect `json:"outbox"`
	NextEffect uint64   `json:"nextEffect"`
	// EventIDs is where the ids of events go on after a restart.
	EventIDs uint64 `json:"eventIds"`
}

// Actor is what Anchor, Member and Owner have in common. It is safe for
// concurrent use.
type Actor struct {
	Mu      sync.Mutex // guards everything below
	Store   *disk.Store
	clk     clock.Clock
	Rand    io.Reader
	Log     *slog.Logger
	changed chan struct{}
	Role    role
	Admits  func(r *Room, f Frame, head mls.Head) bool // of proposals; nil: all
	Block   uint32                                     // send generations reserved at once

	Parts  map[string]part
	dirty  map[string]bool
	soft   map[string]bool // changed, but a crash may lose it
	softAt time.Time
	Base   baseState
	events []queuedEvent
	lastID uint64 // of an event
	Rooms  map[ID]*Room

	Wishes  map[string]*Effect // effects that follow from state: not stored
	Tries   map[string]*Try    // by effect id
	next    time.Time
	skew    time.Duration // node's time minus ours
	Skewed  bool
	broken  error // the disk failed: memory is ahead of it
	Closed  bool
	Stepped func(string) error // tests crash here
}

// Try remembers how often an effect was refused for now.
type Try struct {
	N     int
	until time.Time
}

func NewActor(clk clock.Clock, random io.Reader, log *slog.Logger) Actor {
	if clk == nil {
		clk = clock.Real()
	}
	if random == nil {
		random = rand.Reader
	}
	if log == nil {
		log = slog.New(discard{})
	}
	return Actor{clk: clk, Rand: random, Log: log, changed: make(chan struct{}, 1), Block: 64}
}

// discard is a slog.Handler that drops everything.
type discard struct{}

func (discard) Enabled(context.Context, slog.Level) bool  { return false }
func (discard) Handle(context.Context, slog.Record) error { return nil }
func (d discard) WithAttrs([]slog.Attr) slog.Handler      { return d }
func (d discard) WithGroup(string) slog.Handler           { return d }

// Open locks dir and reads the state.
func (a *Actor) Open(dir string) error {
	store, files, err := disk.OpenStepping(dir, a.step)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	a.Store = store
	if err := a.restore(files); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", dir, err), store.Close())
	}
	return a.Do(func() error { return nil })
}

func (a *Actor) step(what string) error {
	if a.Stepped == nil {
		return nil
	}
	return a.Stepped(what)
}

// restore builds the memory anew from files.
func (a *Actor) restore(files map[string][]byte) error {
	a.Parts = map[string]part{PartBase: jsonPart{&a.Base}, PartEvents: eventsOf{a, PartEvents}}
	a.dirty, a.soft = map[string]bool{}, map[string]bool{}
	a.Base, a.events = baseState{}, nil
	a.Rooms, a.Wishes, a.Tries = map[ID]*Room{}, map[string]*Effect{}, map[string]*Try{}
	if err := DecodePart(files, PartBase, &a.Base); err != nil {
		return err
	}
	a.lastID = a.Base.EventIDs
	var events []Event
	if err := DecodePart(files, PartEvents, &events); err != nil {
		return err
	}
	a.addEvents(PartEvents, events)
	for name, b := range files {
		if len(name) != len(PartCircle)+32 || name[:len(PartCircle)] != PartCircle {
			continue
		}
		if err := a.restoreRoom(b); err != nil {
			return fmt.Errorf(BadState, name, err)
		}
	}
	sort.Slice(a.events, func(i, j int) bool { return a.events[i].ID < a.events[j].ID })
	if err := a.Role.Recall(files); err != nil {
		return err
	}
	return a.loadGroups()
}

func DecodePart(files map[string][]byte, name string, v any) error {
	b, ok := files[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf(BadState, name, err)
	}
	return nil
}

// Do runs one input: f changes memory, then what follows from it is planned and
// sealed, then everything is on disk, then the driver may look. f refuses before
// it changes anything.
func (a *Actor) Do(f func() error) error {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if err := a.Ready(); err != nil {
		return err
	}
	err := f()
	a.settle()
	changed := err == nil || len(a.dirty) > 0
	if serr := a.save(false); serr != nil {
		return errors.Join(err, serr)
	}
	if changed { // who is refused and asks again at every change must not wake itself
		a.signal()
	}
	return err
}

func (a *Actor) Ready() error {
	if a.Closed {
		return ErrClosed
	}
	if a.broken == nil {
		return nil
	}
	files, err := a.Store.Load()
	if err == nil {
		err = a.restore(files)
	}
	if err != nil {
		return fmt.Errorf("read the state again after the disk failed: %w", err)
	}
	a.broken = nil
	return nil
}

func (a *Actor) signal() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *Actor) Now() time.Time { return a.clk.Now().UTC() }

// Touch marks a part as changed: it is on disk before the input returns.
func (a *Actor) Touch(name string) { a.dirty[name] = true }

// TouchSoft marks a part as changed in a way that a crash may undo.
func (a *Actor) TouchSoft(name string) {
	if len(a.soft) == 0 {
		a.softAt = a.Now().Add(softDelay)
	}
	a.soft[name] = true
}

// Put adds or replaces a part, nil removes it.
func (a *Actor) Put(name string, p part) {
	if p == nil {
		delete(a.Parts, name)
	} else {
		a.Parts[name] = p
	}
	a.Touch(name)
}

func (a *Actor) settle() {
	now := a.Now()
	a.next = time.Time{}
	a.Role.Plan(now)
	for _, r := range a.Rooms {
		a.pump(r, now)
	}
	for _, t := range a.Tries {
		a.Wake(t.until)
	}
	if len(a.soft) > 0 {
		a.Wake(a.softAt)
	}
}

// Wake makes NextTick no later than t. What is due already and can't be done
// waits for something else than time.
func (a *Actor) Wake(t time.Time) {
	if t.After(a.Now()) && (a.next.IsZero() || t.Before(a.next)) {
		a.next = t
	}
}

// save writes what changed.
func (a *Actor) save(all bool) error {
	if len(a.soft) > 0 && !a.Now().Before(a.softAt) {
		a.harden()
	}
	if all {
		for name := range a.Parts {
			a.dirty[name] = true
		}
	}
	if len(a.dirty) == 0 {
		return nil
	}
	changes := make(map[string][]byte, len(a.dirty))
	for name := range a.dirty {
		p, ok := a.Parts[name]
		if !ok {
			changes[name] = nil
			continue
		}
		b, err := p.encode()
		if err != nil {
			a.broken = err
			return fmt.Errorf("write %s: %w", name, err)
		}
		changes[name] = b
	}
	if err := a.Store.Apply(changes); err != nil {
		a.broken = err
		return fmt.Errorf("keep the state: %w", err)
	}
	for name := range a.dirty {
		delete(a.soft, name)
	}
	clear(a.dirty)
	return nil
}

// harden has written what was left in memory for a while: a backlog. A cursor
// behind own messages, and values that have left, are not worth a write.
func (a *Actor) harden() {
	for name := range a.soft {
		if r, ok := a.Parts[name].(*Room); !ok || len(r.Queue) > 0 {
			a.dirty[name] = true
		}
	}
	clear(a.soft)
}

// Problem is an event for people.
func (a *Actor) Problem(c ID, grant, reason, text string) {
	a.Emit(Event{Kind: EventProblem, Circle: c, Grant: grant, Reason: reason, Text: text})
}

// Send puts an effect in the outbox.
func (a *Actor) Send(e Effect) {
	a.Base.NextEffect++
	e.ID = fmt.Sprintf("o%d", a.Base.NextEffect)
	a.Base.Outbox = append(a.Base.Outbox, e)
	a.Touch(PartBase)
}

// Wish has an effect done that follows from state; key makes it one.
func (a *Actor) Wish(key string, e Effect) {
	if a.Wishes[key] == nil {
		e.ID = "w-" + key
		a.Wishes[key] = &e
	}
}

func (a *Actor) Unwish(key string) {
	delete(a.Wishes, key)
	delete(a.Tries, "w-"+key)
}

// Changed receives after anything that may have changed Effects, Events,
// Subscriptions or NextTick.
func (a *Actor) Changed() <-chan struct{} { return a.changed }

// Offline tells that the connection that delivered these circles was lost; none
// named: all.
func (a *Actor) Offline(circles ...ID) {
	_ = a.Do(func() error {
		if len(circles) == 0 {
			circles = a.RoomIDs()
		}
		for _, c := range circles {
			if r := a.Rooms[c]; r != nil {
				r.Synced, r.HeadKnown = false, false
			}
		}
		return nil
	})
}

// NodeTime tells the time of the node, as often as it is seen. More than five
// minutes apart, nothing is sealed.
func (a *Actor) NodeTime(t time.Time) error {
	return a.Do(func() error {
		a.setSkew(t)
		return nil
	})
}

func (a *Actor) setSkew(node time.Time) {
	a.skew = node.Sub(a.Now())
	skewed := a.skew.Abs() > MaxSkew
	if skewed == a.Skewed {
		return
	}
	a.Skewed = skewed
	kind, text := EventResumed, "the clocks agree again"
	if skewed {
		kind = EventPaused
		text = fmt.Sprintf("this clock and the node's are %s apart: set the clock; nothing is sealed until they agree", a.skew.Abs().Round(time.Second))
	}
	a.Emit(Event{Kind: kind, Reason: "clock", Text: text})
}

// Tick does what is due by the clock.
func (a *Actor) Tick() error { return a.Do(func() error { return nil }) }

// NextTick is when Tick has something to do again; zero: nothing is planned.
func (a *Actor) NextTick() time.Time {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	return a.next
}

// Close writes what is only in memory and gives the directory back.
func (a *Actor) Close() error {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if a.Closed {
		return nil
	}
	a.Closed = true
	var err error
	if a.broken == nil {
		err = a.save(true)
	}
	a.signal()
	return errors.Join(err, a.Store.Close())
}

func (a *Actor) Random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.Rand, b); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return b, nil
}

func (a *Actor) FreshCircle() (c ID, seed []byte, err error) {
	b, err := a.Random(len(c) + ed25519.SeedSize)
	if err != nil {
		return c, nil, err
	}
	copy(c[:], b)
	return c, b[len(c):], nil
}
