package circle

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/circle/internal/disk"
	"primum/internal/clock"
)

// Bounds of every actor.
const (
	maxEvents   = 1_000 // events that wait for Ack before input is refused
	homeEvents  = 700   // from here on old values of home circles give way
	maxOutbox   = 10_000
	softDelay   = 10 * time.Second // how long what a crash may lose stays in memory
	maxSkew     = 5 * time.Minute
	backoffMin  = time.Second
	backoffMax  = 5 * time.Minute
	partBase    = "base"
	partEvents  = "events"
	partCircle  = "c-" // and the circle id
	errBadState = "read the actor's %s: %w"
)

// role is what makes an actor an anchor, a member or an owner. Its methods run
// under the actor's lock.
type role interface {
	// restore reads the role's own parts.
	restore(files map[string][]byte) error
	// plan brings everything that follows from state and time up to date, and
	// calls wake with the times at which time alone will change it again.
	plan(now time.Time)
	// opened takes a message that was opened, or a commit that was merged.
	opened(r *room, in *incoming)
	// answered takes the outcome of an effect: a result, or a refusal that is
	// final.
	answered(e *Effect, res *Result, refused *Refusal)
	// ended takes the news that a node delivers nothing more.
	ended(r *room, reason string, at time.Time)
}

// part is something that is stored in one file.
type part interface{ encode() ([]byte, error) }

// jsonPart stores v as JSON.
type jsonPart struct{ v any }

func (p jsonPart) encode() ([]byte, error) { return json.Marshal(p.v) }

// baseState is the part of every actor that is neither a circle nor a role's.
type baseState struct {
	Outbox     []Effect `json:"outbox"`
	NextEffect uint64   `json:"nextEffect"`
	// EventIDs is where the ids of events go on after a restart.
	EventIDs uint64 `json:"eventIds"`
}

// actor is what Anchor, Member and Owner have in common. It is safe for
// concurrent use.
type actor struct {
	mu      sync.Mutex // guards everything below
	store   *disk.Store
	clk     clock.Clock
	rand    io.Reader
	log     *slog.Logger
	changed chan struct{}
	role    role
	block   uint32 // send generations reserved at once

	parts  map[string]part
	dirty  map[string]bool
	soft   map[string]bool // changed, but a crash may lose it
	softAt time.Time
	base   baseState
	events []queuedEvent
	lastID uint64 // of an event
	rooms  map[ID]*room

	wishes  map[string]*Effect // effects that follow from state: not stored
	tries   map[string]*try    // by effect id
	next    time.Time
	skew    time.Duration // node's time minus ours
	skewed  bool
	broken  error // the disk failed: memory is ahead of it
	closed  bool
	stepped func(string) error // tests crash here
}

// try remembers how often an effect was refused for now.
type try struct {
	n     int
	until time.Time
}

func newActor(clk clock.Clock, random io.Reader, log *slog.Logger) actor {
	if clk == nil {
		clk = clock.Real()
	}
	if random == nil {
		random = rand.Reader
	}
	if log == nil {
		log = slog.New(discard{})
	}
	return actor{clk: clk, rand: random, log: log, changed: make(chan struct{}, 1), block: 64}
}

// discard is a slog.Handler that drops everything.
type discard struct{}

func (discard) Enabled(context.Context, slog.Level) bool  { return false }
func (discard) Handle(context.Context, slog.Record) error { return nil }
func (d discard) WithAttrs([]slog.Attr) slog.Handler      { return d }
func (d discard) WithGroup(string) slog.Handler           { return d }

// open locks dir and reads the state.
func (a *actor) open(dir string) error {
	store, files, err := disk.OpenStepping(dir, a.step)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	a.store = store
	if err := a.restore(files); err != nil {
		return errors.Join(fmt.Errorf("open %s: %w", dir, err), store.Close())
	}
	return a.do(func() error { return nil })
}

func (a *actor) step(what string) error {
	if a.stepped == nil {
		return nil
	}
	return a.stepped(what)
}

// restore builds the memory anew from files.
func (a *actor) restore(files map[string][]byte) error {
	a.parts = map[string]part{partBase: jsonPart{&a.base}, partEvents: eventsOf{a, partEvents}}
	a.dirty, a.soft = map[string]bool{}, map[string]bool{}
	a.base, a.events = baseState{}, nil
	a.rooms, a.wishes, a.tries = map[ID]*room{}, map[string]*Effect{}, map[string]*try{}
	if err := decodePart(files, partBase, &a.base); err != nil {
		return err
	}
	a.lastID = a.base.EventIDs
	var events []Event
	if err := decodePart(files, partEvents, &events); err != nil {
		return err
	}
	a.addEvents(partEvents, events)
	for name, b := range files {
		if len(name) != len(partCircle)+32 || name[:len(partCircle)] != partCircle {
			continue
		}
		if err := a.restoreRoom(b); err != nil {
			return fmt.Errorf(errBadState, name, err)
		}
	}
	slices.SortFunc(a.events, func(x, y queuedEvent) int { return cmp.Compare(x.ID, y.ID) })
	if err := a.role.restore(files); err != nil {
		return err
	}
	return a.loadGroups()
}

func decodePart(files map[string][]byte, name string, v any) error {
	b, ok := files[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf(errBadState, name, err)
	}
	return nil
}

// do runs one input: f changes memory, then what follows from it is planned and
// sealed, then everything is on disk, then the driver may look. f refuses before
// it changes anything.
func (a *actor) do(f func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.ready(); err != nil {
		return err
	}
	err := f()
	a.settle()
	if serr := a.save(false); serr != nil {
		return errors.Join(err, serr)
	}
	a.signal()
	return err
}

func (a *actor) ready() error {
	if a.closed {
		return ErrClosed
	}
	if a.broken == nil {
		return nil
	}
	files, err := a.store.Load()
	if err == nil {
		err = a.restore(files)
	}
	if err != nil {
		return fmt.Errorf("read the state again after the disk failed: %w", err)
	}
	a.broken = nil
	return nil
}

func (a *actor) signal() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *actor) now() time.Time { return a.clk.Now().UTC() }

// touch marks a part as changed: it is on disk before the input returns.
func (a *actor) touch(name string) { a.dirty[name] = true }

// touchSoft marks a part as changed in a way that a crash may undo.
func (a *actor) touchSoft(name string) {
	if len(a.soft) == 0 {
		a.softAt = a.now().Add(softDelay)
	}
	a.soft[name] = true
}

// put adds or replaces a part, nil removes it.
func (a *actor) put(name string, p part) {
	if p == nil {
		delete(a.parts, name)
	} else {
		a.parts[name] = p
	}
	a.touch(name)
}

func (a *actor) settle() {
	now := a.now()
	a.next = time.Time{}
	a.role.plan(now)
	for _, r := range a.rooms {
		a.pump(r, now)
	}
	for _, t := range a.tries {
		a.wake(t.until)
	}
	if len(a.soft) > 0 {
		a.wake(a.softAt)
	}
}

// wake makes NextTick no later than t. What is due already and can't be done
// waits for something else than time.
func (a *actor) wake(t time.Time) {
	if t.After(a.now()) && (a.next.IsZero() || t.Before(a.next)) {
		a.next = t
	}
}

// save writes what changed.
func (a *actor) save(all bool) error {
	if len(a.soft) > 0 && !a.now().Before(a.softAt) {
		a.harden()
	}
	if all {
		for name := range a.parts {
			a.dirty[name] = true
		}
	}
	if len(a.dirty) == 0 {
		return nil
	}
	changes := make(map[string][]byte, len(a.dirty))
	for name := range a.dirty {
		p, ok := a.parts[name]
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
	if err := a.store.Apply(changes); err != nil {
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
func (a *actor) harden() {
	for name := range a.soft {
		if r, ok := a.parts[name].(*room); !ok || len(r.Queue) > 0 {
			a.dirty[name] = true
		}
	}
	clear(a.soft)
}

// queuedEvent is an event and the part that stores it: its circle's, so that a
// message and what it says are written at once.
type queuedEvent struct {
	Event
	part string
}

// eventsOf stores the events of one part.
type eventsOf struct {
	actor *actor
	part  string
}

func (p eventsOf) encode() ([]byte, error) { return json.Marshal(p.list()) }

func (p eventsOf) list() []Event {
	var out []Event
	for _, e := range p.actor.events {
		if e.part == p.part {
			out = append(out, e.Event)
		}
	}
	return out
}

func (a *actor) addEvents(part string, events []Event) {
	for _, e := range events {
		a.events = append(a.events, queuedEvent{e, part})
	}
}

// eventIDs is how many ids are taken at once from the stored count.
const eventIDs = 4096

// emit puts an event in the queue.
func (a *actor) emit(e Event) {
	if a.lastID >= a.base.EventIDs {
		a.base.EventIDs = a.lastID + eventIDs
		a.touch(partBase)
	}
	a.lastID++
	e.ID, e.At = a.lastID, a.now()
	part := partEvents
	if r := a.rooms[e.Circle]; r != nil {
		part = r.part()
	}
	a.events = append(a.events, queuedEvent{e, part})
	a.touch(part)
}

// keepEvents drops events, and has written what changed by that.
func (a *actor) keepEvents(keep func(Event) bool) {
	kept := a.events[:0:0]
	for _, e := range a.events {
		if keep(e.Event) {
			kept = append(kept, e)
		} else {
			a.touch(e.part)
		}
	}
	a.events = kept
}

// problem is an event for people.
func (a *actor) problem(c ID, grant, reason, text string) {
	a.emit(Event{Kind: EventProblem, Circle: c, Grant: grant, Reason: reason, Text: text})
}

// send puts an effect in the outbox.
func (a *actor) send(e Effect) {
	a.base.NextEffect++
	e.ID = fmt.Sprintf("o%d", a.base.NextEffect)
	a.base.Outbox = append(a.base.Outbox, e)
	a.touch(partBase)
}

// wish has an effect done that follows from state; key makes it one.
func (a *actor) wish(key string, e Effect) {
	if a.wishes[key] == nil {
		e.ID = "w-" + key
		a.wishes[key] = &e
	}
}

func (a *actor) unwish(key string) {
	delete(a.wishes, key)
	delete(a.tries, "w-"+key)
}

// Effects lists what is to be done now, oldest first. An effect stays listed
// until Done or Failed; the driver performs those it is not performing yet.
func (a *actor) Effects() []Effect {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.broken != nil {
		return nil
	}
	now := a.now()
	var out []Effect
	for _, e := range a.allEffects() {
		if t := a.tries[e.ID]; t == nil || !now.Before(t.until) {
			out = append(out, *e)
		}
	}
	return out
}

func (a *actor) allEffects() []*Effect {
	var out []*Effect
	for i := range a.base.Outbox {
		out = append(out, &a.base.Outbox[i])
	}
	for _, key := range sortedKeys(a.wishes) {
		out = append(out, a.wishes[key])
	}
	for _, id := range a.roomIDs() {
		out = append(out, a.rooms[id].effects()...)
	}
	return out
}

func (a *actor) findEffect(id string) *Effect {
	for _, e := range a.allEffects() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// Done answers an effect that was performed. An effect that is not known any
// more is no error.
func (a *actor) Done(id string, res Result) error {
	return a.do(func() error {
		e := a.findEffect(id)
		if e == nil {
			return nil
		}
		found := *e
		a.forget(&found)
		a.answer(&found, &res, nil)
		return nil
	})
}

// Failed answers an effect that was refused or met nobody. The actor retries
// with a growing pause, or drops the effect and says so by an event.
func (a *actor) Failed(id string, ref *Refusal) error {
	return a.do(func() error {
		e := a.findEffect(id)
		if e == nil || ref == nil {
			return nil
		}
		found := *e
		if !ref.Now.IsZero() {
			a.setSkew(ref.Now)
		}
		if ref.temporary(&found) {
			a.postpone(id, ref.RetryAfter)
			return nil
		}
		a.forget(&found)
		a.answer(&found, nil, ref)
		return nil
	})
}

// temporary refusals may be another answer later. A message or commit is kept
// also where the node does not know the sender or the circle just now.
func (r *Refusal) temporary(e *Effect) bool {
	switch r.Kind {
	case KindOffline, KindTooMany, KindNotYet, KindStorage, KindInternal, KindClockSkew:
		return true
	case KindForbidden, KindNotFound, "not-signed", "bad-signature", "replayed":
		return (e.Kind == EffectAppend || e.Kind == EffectCommit) && !strings.HasPrefix(e.ID, "w-")
	}
	return false
}

func (a *actor) postpone(id string, after time.Duration) {
	t := a.tries[id]
	if t == nil {
		t = &try{}
		a.tries[id] = t
	}
	pause := min(backoffMin<<min(t.n, 16), backoffMax)
	t.n++
	t.until = a.now().Add(max(pause, min(after, time.Hour)))
}

func (a *actor) forget(e *Effect) {
	delete(a.tries, e.ID)
	for i := range a.base.Outbox {
		if a.base.Outbox[i].ID == e.ID {
			a.base.Outbox = append(a.base.Outbox[:i:i], a.base.Outbox[i+1:]...)
			a.touch(partBase)
			return
		}
	}
	if key, ok := strings.CutPrefix(e.ID, "w-"); ok {
		delete(a.wishes, key)
	}
}

func (a *actor) answer(e *Effect, res *Result, ref *Refusal) {
	r := a.rooms[e.Circle]
	switch {
	case strings.HasPrefix(e.ID, "w-"):
		a.role.answered(e, res, ref)
	case r != nil && e.Kind == EffectAppend:
		a.appended(r, e, res, ref)
	case r != nil && e.Kind == EffectCommit:
		a.committed(r, e, res, ref)
	default:
		a.role.answered(e, res, ref)
	}
}

// Events lists what waits for Ack, oldest first, at most 1,000 and a few.
func (a *actor) Events() []Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.broken != nil {
		return nil
	}
	out := make([]Event, len(a.events))
	for i, e := range a.events {
		out[i] = e.Event
	}
	return out
}

// Ack takes every event up to and including id out of the queue.
func (a *actor) Ack(id uint64) error {
	return a.do(func() error {
		a.keepEvents(func(e Event) bool { return e.ID > id })
		return nil
	})
}

// makeRoom drops the oldest home values where too many events wait: the home's
// history has them. It reports whether more events may come.
func (a *actor) makeRoom() bool {
	if len(a.events) < homeEvents {
		return true
	}
	drop := len(a.events) - homeEvents + 1
	a.keepEvents(func(e Event) bool {
		r := a.rooms[e.Circle]
		if drop > 0 && e.Kind == EventValue && r != nil && r.Home {
			drop--
			return false
		}
		return true
	})
	return len(a.events) < maxEvents
}

// Changed receives after anything that may have changed Effects, Events,
// Subscriptions or NextTick.
func (a *actor) Changed() <-chan struct{} { return a.changed }

// Offline tells that the connection that delivered these circles was lost; none
// named: all.
func (a *actor) Offline(circles ...ID) {
	_ = a.do(func() error {
		if len(circles) == 0 {
			circles = a.roomIDs()
		}
		for _, c := range circles {
			if r := a.rooms[c]; r != nil {
				r.synced, r.headKnown = false, false
			}
		}
		return nil
	})
}

// NodeTime tells the time of the node, as often as it is seen. More than five
// minutes apart, nothing is sealed.
func (a *actor) NodeTime(t time.Time) error {
	return a.do(func() error {
		a.setSkew(t)
		return nil
	})
}

func (a *actor) setSkew(node time.Time) {
	a.skew = node.Sub(a.now())
	skewed := a.skew.Abs() > maxSkew
	if skewed == a.skewed {
		return
	}
	a.skewed = skewed
	kind, text := EventResumed, "the clocks agree again"
	if skewed {
		kind = EventPaused
		text = fmt.Sprintf("this clock and the node's are %s apart: set the clock; nothing is sealed until they agree", a.skew.Abs().Round(time.Second))
	}
	a.emit(Event{Kind: kind, Reason: "clock", Text: text})
}

// Tick does what is due by the clock.
func (a *actor) Tick() error { return a.do(func() error { return nil }) }

// NextTick is when Tick has something to do again; zero: nothing is planned.
func (a *actor) NextTick() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next
}

// Close writes what is only in memory and gives the directory back.
func (a *actor) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	var err error
	if a.broken == nil {
		err = a.save(true)
	}
	a.signal()
	return errors.Join(err, a.store.Close())
}
