// Package house knows the devices of an edge: what they are called, which of
// their announcements were accepted, what they said that was not usable, and
// which commands wait for their answer. Announcements are pinned to broker and
// topic: a changed one is shown as a difference and must be accepted.
package house

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/thing"
)

// maxProblems bounds the list of problems that concern no single thing.
const maxProblems = 20

// Status is a thing in the list that `primum edge things` shows.
type Status struct {
	Name        string   `json:"name"`
	Title       string   `json:"title,omitempty"`
	Affordances []string `json:"affordances"`
	Values      uint64   `json:"values"`  // taken since the start
	Refused     uint64   `json:"refused"` // not forwarded: not as described
	// Problem is the newest one, for people.
	Problem  string    `json:"problem,omitempty"`
	LastSeen time.Time `json:"lastSeen,omitzero"`
	// Unmapped lists what of the device has no affordance, and why.
	Unmapped []string `json:"unmapped,omitempty"`
	// Changed shows how a new description differs from the accepted one; until
	// it is accepted the new one is not used.
	Changed []string `json:"changed,omitempty"`
	History bool     `json:"history"`
	Gone    bool     `json:"gone,omitempty"` // no longer announced
}

// Source is where a thing's commands are made: an adapter.
type Source interface {
	// Write makes the message that sets or invokes an affordance.
	Write(key, affordance string, value any) (thing.Send, error)
}

// Out is what the house does with the world. Only Begin is called under its
// lock.
type Out struct {
	Announce func([]circle.Thing)                            // the owner's list changed
	Value    func([]circle.Sample)                           // values to keep and to feed
	Send     func(context.Context, thing.Send) error         // to the device
	Answer   func(ref string, v json.RawMessage, p *problem) // of a command
	// Begin remembers on disk that a command is begun; it is called under the
	// lock, and its error ends the command.
	Begin func(ref string, at time.Time) error
}

type problem = circle.Problem

// Options of a house.
type Options struct {
	Path   string        // of the list of things
	Settle time.Duration // quiet before announcements are looked at
	Clock  clock.Clock
	Log    *slog.Logger
	Out    Out
}

// House is all that the edge knows of its devices. Its methods may be called
// from any goroutine; one lock guards everything in it.
type House struct {
	clock  clock.Clock
	log    *slog.Logger
	settle time.Duration
	out    Out
	opened time.Time // older entries of done are of an earlier run

	mu       sync.Mutex
	registry *registry
	live     map[string]*livePart     // by Found.Key: announced since the start
	pending  map[string]pendingPart   // announced, waiting for quiet
	early    map[string]thing.Reading // readings of pending parts, by key and affordance
	shown    uint64                   // refused values that the owner was told of
	quiet    time.Time                // when the pending ones are looked at
	counts   map[string]*counts       // by thing key
	problems []string                 // newest last
	commands map[string]*command      // by reference
	done     map[string]time.Time     // references of commands that were begun
	wake     chan struct{}            // capacity 1: a deadline changed
}

type pendingPart struct {
	found  thing.Found
	source Source
}

// livePart is an announced part beside the accepted one.
type livePart struct {
	pendingPart
	changed []string        // difference to the accepted one
	usable  map[string]bool // affordances that are as accepted
}

type counts struct {
	values, refused uint64
	problem         string
	seen            time.Time
}

// Open reads the list of things, or begins one.
func Open(o Options) (*House, error) {
	r, err := openRegistry(o.Path)
	if err != nil {
		return nil, err
	}
	return &House{
		clock: o.Clock, log: o.Log, settle: o.Settle, out: o.Out, registry: r, opened: o.Clock.Now(),
		live: map[string]*livePart{}, pending: map[string]pendingPart{}, counts: map[string]*counts{},
		early: map[string]thing.Reading{}, commands: map[string]*command{}, done: map[string]time.Time{}, wake: make(chan struct{}, 1),
	}, nil
}

// Wake has a value when Next may have changed.
func (h *House) Wake() <-chan struct{} { return h.wake }

// Knows says whether there is a thing of a name.
func (h *House) Knows(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.registry.byName(name) != ""
}

// List is the list of things as it is stored: names and accepted descriptions.
func (h *House) List() ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return json.Marshal(h.registry)
}

// Begun tells of a command that an earlier run of the edge began: it is not
// executed again.
func (h *House) Begun(ref string, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done[ref] = at.Add(-time.Second) // before this run, also within its second
}

// Take works a report of a source in.
func (h *House) Take(s Source, r thing.Report) {
	h.mu.Lock()
	for _, f := range r.Found {
		h.pending[f.Key] = pendingPart{f, s}
		h.quiet = h.clock.Now().Add(h.settle)
		h.alarm()
	}
	for _, key := range r.Gone {
		delete(h.pending, key)
		delete(h.live, key)
	}
	for _, t := range r.Troubles {
		h.trouble(t)
	}
	samples, answers := h.readings(r.Readings)
	var things []circle.Thing
	if len(r.Gone) > 0 {
		things = h.things()
	}
	h.mu.Unlock()
	if things != nil {
		h.out.Announce(things)
	}
	h.tell(samples, answers)
}

// alarm makes the loop look at its deadlines anew. The lock is held.
func (h *House) alarm() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *House) trouble(t thing.Trouble) {
	part := h.registry.Parts[t.Key]
	if part == nil {
		h.problem(t.Place + ": " + t.Reason)
		return
	}
	c := h.count(part.Thing)
	c.refused++
	where := part.Names[t.Affordance]
	if where == "" {
		where = t.Place
	}
	c.problem = sentence(where + ": " + t.Reason)
	h.log.Debug("value not forwarded", "thing", h.registry.Things[part.Thing].Name, "affordance", where)
}

func (h *House) problem(text string) {
	h.problems = append(h.problems, sentence(text))
	if n := len(h.problems); n > maxProblems {
		h.problems = slices.Clone(h.problems[n-maxProblems:])
	}
	h.log.Warn("problem", "text", sentence(text))
}

// Note lists a problem from elsewhere.
func (h *House) Note(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problem(text)
}

func (h *House) count(thingKey string) *counts {
	c := h.counts[thingKey]
	if c == nil {
		c = &counts{}
		h.counts[thingKey] = c
	}
	return c
}

// readings turns what devices told into samples, and finds the commands that
// are answered by it. The lock is held.
func (h *House) readings(list []thing.Reading) (samples []circle.Sample, answers []answer) {
	for _, r := range list {
		part, live := h.registry.Parts[r.Key], h.live[r.Key]
		if _, waits := h.pending[r.Key]; waits {
			h.early[r.Key+"\x00"+r.Affordance] = r // as many as affordances at most
			continue
		}
		if part == nil || live == nil || !live.usable[r.Affordance] {
			continue // not as accepted
		}
		value, err := thing.RawValue(r.Value)
		if err != nil {
			continue
		}
		c := h.count(part.Thing)
		c.seen = r.At
		s := circle.Sample{Thing: h.registry.Things[part.Thing].Name, Name: part.Names[r.Affordance], At: r.At, Value: value}
		if p := part.Description.Properties[r.Affordance]; p != nil {
			s.Unit = p.Unit
		} else {
			s.Event = part.Description.Events[r.Affordance] != nil
		}
		samples = append(samples, s)
		answers = append(answers, h.answered(r.Key, r.Affordance, value)...)
	}
	return samples, answers
}

// Settled looks at the announcements when it has been quiet for long enough.
func (h *House) Settled(now time.Time) {
	h.mu.Lock()
	if len(h.pending) == 0 || now.Before(h.quiet) {
		h.mu.Unlock()
		return
	}
	fresh := false
	for _, key := range slices.Sorted(maps.Keys(h.pending)) {
		p := h.pending[key]
		known := h.registry.Parts[key]
		if known == nil {
			known = h.registry.accept(p.found, now)
			fresh = true
		}
		h.live[key] = compared(known, p)
		if changed := h.live[key].changed; len(changed) > 0 {
			name := h.registry.Things[known.Thing].Name
			h.problem(fmt.Sprintf("%s announces itself differently (%s, …); see `primum edge things`, then accept it", name, changed[0]))
		}
	}
	clear(h.pending)
	samples, answers := h.readings(slices.Collect(maps.Values(h.early)))
	clear(h.early)
	if fresh {
		if err := h.registry.save(); err != nil {
			h.problem(err.Error())
		}
	}
	things := h.things()
	h.mu.Unlock()
	h.out.Announce(things)
	h.tell(samples, answers)
}

// Refresh tells the owner anew when values were refused since the last time.
func (h *House) Refresh() {
	h.mu.Lock()
	var refused uint64
	for _, c := range h.counts {
		refused += c.refused
	}
	var things []circle.Thing
	if refused != h.shown {
		h.shown, things = refused, h.things()
	}
	h.mu.Unlock()
	if things != nil {
		h.out.Announce(things)
	}
}

// AnnounceAgain tells a new owner what there is.
func (h *House) AnnounceAgain() {
	h.mu.Lock()
	things := h.things()
	h.mu.Unlock()
	h.out.Announce(things)
}

// tell passes on what was found under the lock. A value counts once it was
// passed on.
func (h *House) tell(samples []circle.Sample, answers []answer) {
	if len(samples) > 0 {
		h.out.Value(samples)
		h.mu.Lock()
		for _, s := range samples {
			h.count(h.registry.byName(s.Thing)).values++
		}
		h.mu.Unlock()
	}
	for _, a := range answers {
		h.out.Answer(a.ref, a.value, a.problem)
	}
}

// compared says what of an announcement is as it was accepted.
func compared(known *knownPart, p pendingPart) *livePart {
	l := &livePart{pendingPart: p, changed: difference(known, p.found), usable: map[string]bool{}}
	for _, name := range known.Description.Affordances() {
		a, b := affordanceJSON(known.Description, name), affordanceJSON(p.found.Description, name)
		l.usable[name] = string(a) == string(b) && known.Thing == p.found.Thing
	}
	return l
}

// Accept takes the changed announcements of a thing.
func (h *House) Accept(name string) error {
	h.mu.Lock()
	key := h.registry.byName(name)
	if key == "" {
		h.mu.Unlock()
		return fmt.Errorf("accept %s: there is no such thing; see `primum edge things`", name)
	}
	n := 0
	for _, part := range h.registry.partsOf(key) {
		l := h.live[part]
		if l == nil || len(l.changed) == 0 {
			continue
		}
		known := h.registry.accept(l.found, h.clock.Now())
		h.live[part] = compared(known, l.pendingPart)
		n++
	}
	if n == 0 {
		h.mu.Unlock()
		return fmt.Errorf("accept %s: it announces itself as accepted; nothing to do", name)
	}
	err := h.registry.save()
	things := h.things()
	h.mu.Unlock()
	h.out.Announce(things)
	return err
}

// things is the list for the owner: accepted descriptions of what is announced
// now, with counts and problems as members of their own. The lock is held.
func (h *House) things() []circle.Thing {
	var list []circle.Thing
	for key, t := range h.registry.Things {
		d := h.registry.merged(key, func(part string) bool { return h.live[part] != nil })
		if d == nil || len(d.Affordances()) == 0 {
			continue
		}
		h.annotate(d, key)
		b, err := json.Marshal(d)
		if err != nil {
			h.problem(err.Error())
			continue
		}
		list = append(list, circle.Thing{ID: t.Name, Title: d.Title, Description: b})
	}
	slices.SortFunc(list, func(a, b circle.Thing) int { return cmpStrings(a.ID, b.ID) })
	if list == nil {
		list = []circle.Thing{}
	}
	return list
}

func cmpStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// annotate puts what is wrong with a thing into the owner's copy of its
// description. The lock is held.
func (h *House) annotate(d *thing.Description, key string) {
	c := h.counts[key]
	if c == nil || c.refused == 0 {
		return
	}
	d.Context = json.RawMessage(`["` + thing.Context + `",{"primum":"urn:primum:"}]`)
	d.Extra = map[string]json.RawMessage{}
	for name, v := range map[string]any{"primum:refused": c.refused, "primum:problem": sentence(c.problem)} {
		if b, err := json.Marshal(v); err == nil {
			d.Extra[name] = b
		}
	}
}

// Statuses lists the things, and the problems that concern no single one. It
// does not know of the history.
func (h *House) Statuses() (list []Status, problems []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list = []Status{}
	for key, t := range h.registry.Things {
		s := Status{Name: t.Name, Affordances: []string{}, Gone: true}
		for _, part := range h.registry.partsOf(key) {
			known := h.registry.Parts[part]
			s.Title = known.Description.Title
			for _, name := range known.Names {
				s.Affordances = append(s.Affordances, name)
			}
			if l := h.live[part]; l != nil {
				s.Gone = false
				s.Changed = append(s.Changed, l.changed...)
				for _, u := range l.found.Unmapped {
					s.Unmapped = append(s.Unmapped, u.Place+": "+u.Reason)
				}
			}
		}
		slices.Sort(s.Affordances)
		if c := h.counts[key]; c != nil {
			s.Values, s.Refused, s.Problem, s.LastSeen = c.values, c.refused, c.problem, c.seen
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int { return cmpStrings(a.Name, b.Name) })
	return list, slices.Clone(h.problems)
}

// Next is when the house wants to be looked at again; zero: not before
// something happens.
func (h *House) Next() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	var next time.Time
	if len(h.pending) > 0 {
		next = h.quiet
	}
	for _, c := range h.commands {
		if next.IsZero() || c.deadline.Before(next) {
			next = c.deadline
		}
	}
	return next
}
