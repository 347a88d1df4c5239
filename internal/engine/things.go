package engine

import (
	"context"
	"slices"
	"sort"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/thing"
)

func (e *Engine) thingHandlers() map[string]handler {
	return map[string]handler{
		"things":         handle(e.things),
		"history":        handle(e.history),
		"preview":        handle(e.preview),
		"send":           handle(e.send),
		"claim":          handle(e.claim),
		"goOnWithout":    handle(e.goOnWithout),
		"sandbox.start":  handle(e.sandboxStart),
		"sandbox.remove": handle(e.sandboxRemove),
	}
}

// things lists everything, own things first; it asks nobody.
func (e *Engine) things(context.Context, Empty) (ThingsResult, error) {
	out := ThingsResult{Things: []ThingInfo{}, Homes: []HomeInfo{}}
	s, err := e.current()
	if err != nil {
		return out, err
	}
	people := s.peopleOf()
	for _, h := range s.client.Owner.Homes() {
		if s.sandbox.removed(h.Circle) {
			continue
		}
		out.Homes = append(out.Homes, s.homeInfo(h))
		if h.Closed {
			continue
		}
		for _, t := range s.client.Owner.Things(h.Circle) {
			out.Things = append(out.Things, s.ownThing(h, t, people))
		}
	}
	out.Things = append(out.Things, s.givenThings()...)
	return out, nil
}

func (s *session) homeInfo(h circle.HomeInfo) HomeInfo {
	clients := slices.Clone(h.Clients)
	slices.Sort(clients)
	return HomeInfo{
		Home: h.Circle.String(), Joined: h.Joined && h.Ready, Sandbox: s.sandbox.is(h.ThingKey),
		Silent: h.Silent, Closed: h.Closed, Clients: clients,
	}
}

// ownThing is a thing of a home. One whose description can't be read is shown
// by the values that came.
func (s *session) ownThing(h circle.HomeInfo, t circle.Thing, people map[place]int) ThingInfo {
	info := ThingInfo{
		ID: t.ID, Title: titled(t.Title, t.ID), Home: h.Circle.String(), Own: true, Sandbox: s.sandbox.is(h.ThingKey),
		State: "live", Affordances: []Affordance{},
	}
	d := s.shapes.of(h.Circle, t)
	var names []string
	if d == nil {
		if len(t.Description) > 0 {
			info.Reason = "description" // else it is still on its way
		}
		names = s.recent.names(client.Stream{Home: h.Circle}, t.ID)
	} else {
		names = d.Affordances()
	}
	for _, name := range names {
		a := Affordance{
			Ref: Ref{Home: info.Home, Thing: t.ID, Name: name}, Path: t.ID + "/" + name,
			People: people[place{h.Circle, circle.Source{Thing: t.ID, Name: name}}],
		}
		s.ownAffordance(&a, h.Circle, d)
		info.Affordances = append(info.Affordances, a)
	}
	switch {
	case !h.Joined || !h.Ready || len(t.Description) == 0:
		info.State = "waiting"
	case allStale(info.Affordances):
		info.State = "stale"
	}
	return info
}

// ownAffordance fills in what a description says, if there is one, and values.
func (s *session) ownAffordance(a *Affordance, home circle.ID, d *thing.Description) {
	if d != nil {
		a.Ops = append([]string{}, d.Operations(a.Ref.Name)...)
		describe(a, d, a.Ref.Name)
	} else {
		a.Kind, a.Title, a.Ops = "property", titled("", a.Ref.Name), []string{thing.ReadProperty, thing.ObserveProperty}
	}
	s.values(a, client.Stream{Home: home}, 0)
	if a.Type == "" && a.Kind == "property" {
		a.Type = typeOf(a.Latest)
	}
}

// place is an affordance of a home.
type place struct {
	home circle.ID
	circle.Source
}

// peopleOf counts the accounts that have an affordance now.
func (s *session) peopleOf() map[place]int {
	who := make(map[place]map[string]bool)
	for _, g := range s.client.Owner.Given() {
		if g.State.Terminal() {
			continue
		}
		for _, shared := range g.Shared {
			at := place{g.Home, shared.Source}
			if who[at] == nil {
				who[at] = make(map[string]bool)
			}
			who[at][g.Grantee] = true
		}
	}
	counts := make(map[place]int, len(who))
	for at, accounts := range who {
		counts[at] = len(accounts)
	}
	return counts
}

// givenThings are things of others, newest grant first, ended ones last.
func (s *session) givenThings() (all []ThingInfo) {
	grants := s.client.Owner.Grants()
	slices.Reverse(grants)
	sort.SliceStable(grants, func(i, j int) bool { return !grants[i].State.Terminal() && grants[j].State.Terminal() })
	for _, g := range grants {
		begin := len(all)
		for _, shared := range g.Shared {
			i := slices.IndexFunc(all[begin:], func(t ThingInfo) bool { return t.ID == shared.Thing })
			if i < 0 {
				all = append(all, ThingInfo{
					ID: shared.Thing, Title: titled(shared.Title, shared.Thing), Grant: g.ID, Owner: g.Owner,
					Until: g.ValidUntil, Affordances: []Affordance{},
				})
				i = len(all) - 1 - begin
			}
			t := &all[begin+i]
			t.Affordances = append(t.Affordances, s.givenAffordance(g, shared))
		}
		for i := begin; i < len(all); i++ {
			all[i].State, all[i].Reason = stateOfThing(g, all[i].Affordances)
		}
	}
	return all
}

func (s *session) givenAffordance(g circle.GrantInfo, shared circle.SharedName) Affordance {
	a := Affordance{
		Ref: Ref{Grant: g.ID, Thing: shared.Thing, Name: shared.Name}, Title: titled("", shared.Name),
		Path: thing.Slug(titled(shared.Title, shared.Thing)) + "/" + shared.Name, Kind: kindOf(shared.Ops), Ops: append([]string{}, shared.Ops...),
	}
	if shared.Precision != (grant.Precision{}) {
		p := precisionOf(shared.Precision)
		a.Precision = &p
	}
	if in := shared.Input; in != nil {
		a.schema(&thing.Schema{Type: in.Type, Unit: in.Unit, Minimum: in.Minimum, Maximum: in.Maximum, Enum: anyOf(in.Enum)})
	}
	s.values(&a, client.Stream{Grant: g.ID}, shared.Precision.Every.D()+shared.Precision.Delay.D())
	if a.Type == "" {
		a.Type = typeOf(a.Latest)
	}
	if g.State.Terminal() {
		a.Stale = false // it has ended, which says more
	}
	return a
}

func anyOf(choices []string) (all []any) {
	for _, c := range choices {
		all = append(all, c)
	}
	return all
}

// values puts what is known of an affordance's values; every is the clock of
// the grant, 0 where there is none.
func (s *session) values(a *Affordance, stream client.Stream, every time.Duration) {
	got := s.recent.get(seriesKey(stream, a.Ref.Thing, a.Ref.Name))
	a.Latest, a.Recent, a.Alerts = got.Latest, got.Recent, s.alerts.of(&a.Ref)
	if a.Unit == "" {
		a.Unit = clean(got.Unit, 16)
	}
	a.Stale = got.stale(s.e.o.Clock.Now(), every)
}

// homeClock is how often a home tells its values by default.
const homeClock = time.Minute

// stale tells that the last value is older than three times what is usual. What
// is no number, and comes by no clock, comes when it changes: it has no usual.
func (s series) stale(now time.Time, every time.Duration) bool {
	if s.Latest == nil {
		return false
	}
	usual := every
	if every == 0 {
		if s.Latest.Number == nil {
			return false
		}
		usual = max(s.usual(), homeClock)
	}
	return now.Sub(s.Latest.At) > 3*usual
}

func allStale(all []Affordance) bool {
	known := false
	for _, a := range all {
		if a.Latest == nil {
			continue
		}
		if !a.Stale {
			return false
		}
		known = true
	}
	return known
}

func stateOfThing(g circle.GrantInfo, all []Affordance) (state, reason string) {
	switch state = stateOfGrant(g); {
	case state == "declined":
		return "ended", g.Reason
	case state != "running":
		return state, endReason(g)
	case allStale(all):
		return "stale", ""
	}
	return "live", ""
}
