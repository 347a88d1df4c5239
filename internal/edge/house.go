package edge

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

// source is an adapter with the way its messages go.
type source interface {
	// Write makes the message that sets or invokes an affordance.
	Write(key, affordance string, value any) (thing.Send, error)
}

// out is what the house does with the world; the edge fills it in.
type out struct {
	announce func([]circle.Thing)                            // the owner's list changed
	value    func([]circle.Sample)                           // values to keep and to feed
	send     func(context.Context, thing.Send) error         // to the broker
	begin    func(ref string, at time.Time) error            // a command is begun: remember it on disk
	answer   func(ref string, v json.RawMessage, p *problem) // of a command
}

type problem = circle.Problem

// house is all that the edge knows of its devices. Its methods may be called
// from any goroutine; one lock guards everything in it.
type house struct {
	clock  clock.Clock
	log    *slog.Logger
	settle time.Duration
	out    out
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
	source source
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

func newHouse(c clock.Clock, log *slog.Logger, settle time.Duration, r *registry) *house {
	return &house{
		clock: c, log: log, settle: settle, registry: r, opened: c.Now(),
		live: map[string]*livePart{}, pending: map[string]pendingPart{}, counts: map[string]*counts{},
		early: map[string]thing.Reading{}, commands: map[string]*command{}, done: map[string]time.Time{}, wake: make(chan struct{}, 1),
	}
}

// take works a report of a source in.
func (h *house) take(s source, r thing.Report) {
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
		h.out.announce(things)
	}
	h.tell(samples, answers)
}

// alarm makes the loop look at its deadlines anew. The lock is held.
func (h *house) alarm() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *house) trouble(t thing.Trouble) {
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

func (h *house) problem(text string) {
	h.problems = append(h.problems, sentence(text))
	if n := len(h.problems); n > maxProblems {
		h.problems = slices.Clone(h.problems[n-maxProblems:])
	}
	h.log.Warn("problem", "text", sentence(text))
}

// note lists a problem from elsewhere.
func (h *house) note(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problem(text)
}

func (h *house) count(thingKey string) *counts {
	c := h.counts[thingKey]
	if c == nil {
		c = &counts{}
		h.counts[thingKey] = c
	}
	return c
}

// readings turns what devices told into samples, and finds the commands that
// are answered by it. The lock is held.
func (h *house) readings(list []thing.Reading) (samples []circle.Sample, answers []answer) {
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

// settled looks at the announcements when it has been quiet for long enough.
func (h *house) settled(now time.Time) {
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
	h.out.announce(things)
	h.tell(samples, answers)
}

// refresh tells the owner anew when values were refused since the last time.
func (h *house) refresh() {
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
		h.out.announce(things)
	}
}

// announceAgain tells a new owner what there is.
func (h *house) announceAgain() {
	h.mu.Lock()
	things := h.things()
	h.mu.Unlock()
	h.out.announce(things)
}

// tell passes on what was found under the lock. A value counts once it was
// passed on.
func (h *house) tell(samples []circle.Sample, answers []answer) {
	if len(samples) > 0 {
		h.out.value(samples)
		h.mu.Lock()
		for _, s := range samples {
			h.count(h.registry.byName(s.Thing)).values++
		}
		h.mu.Unlock()
	}
	for _, a := range answers {
		h.out.answer(a.ref, a.value, a.problem)
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

// accept takes the changed announcements of a thing.
func (h *house) accept(name string) error {
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
	h.out.announce(things)
	return err
}

// things is the list for the owner: accepted descriptions of what is announced
// now, with counts and problems as members of their own. The lock is held.
func (h *house) things() []circle.Thing {
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
func (h *house) annotate(d *thing.Description, key string) {
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

// overview lists everything for the edge's own terminal.
func (h *house) overview() Overview {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := Overview{Problems: slices.Clone(h.problems), Things: []Status{}}
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
		o.Things = append(o.Things, s)
	}
	slices.SortFunc(o.Things, func(a, b Status) int { return cmpStrings(a.Name, b.Name) })
	return o
}

// next is when the house wants to be looked at again; zero: not before
// something happens.
func (h *house) next() time.Time {
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
