package anchor

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/reduce"
	"primum/grant"
)

// flow is one affordance on its way into one circle.
type flow struct {
	source core.Source
	thing  string // as the circle calls it; empty where it has one thing only
	name   string
	op     string // empty: only read on demand
	unit   string
	rule   reduce.Rule
	series *reduce.Series
	upTo   time.Time // what is older was taken from the history
}

// key names the affordance inside its circle.
func (f *flow) key() string { return f.thing + "\x00" + f.name }

// Feed takes a device's value. It is not persisted before the window that it
// belongs to is due: the edge's history keeps it.
func (an *Anchor) Feed(s core.Sample) error {
	if s.Thing == "" || s.Name == "" || len(s.Thing) > 256 || len(s.Name) > 256 || len(s.Unit) > 32 ||
		len(s.Value) > core.MaxInner || !json.Valid(s.Value) {
		return fmt.Errorf("feed %s/%s: not a value: %w", core.Clip(s.Thing), core.Clip(s.Name), core.ErrRefused)
	}
	act := false
	an.Mu.Lock()
	err := an.Ready()
	if err == nil {
		act = an.feed(s)
	}
	an.Mu.Unlock()
	if err != nil || !act {
		return err
	}
	return an.Tick()
}

// feed gives a value to every circle that takes it, and reports whether
// something may leave before the next tick.
func (an *Anchor) feed(s core.Sample) (act bool) {
	src := core.Source{Thing: s.Thing, Name: s.Name}
	now := an.Now()
	if s.At.IsZero() || s.At.After(now.Add(core.MaxSkew)) {
		s.At = now
	}
	home := an.homeFlows[src]
	if home == nil && an.Home() != nil && !an.State.Restored && len(an.homeFlows) < 10_000 {
		rule := ruleOf(an.State.Rule)
		home = &flow{source: src, thing: s.Thing, name: s.Name, op: opOf(s), rule: rule}
		an.begins(home, core.MinTime(s.At, now), nil)
		an.homeFlows[src] = home
		act = true
	}
	for _, f := range an.flowsOf(src, home) {
		if s.Unit != "" {
			f.unit = s.Unit
		}
		if s.At.Before(f.upTo) {
			continue // the history had it
		}
		if f.series.Add(s.At, s.Value) && f.rule.Every <= 0 {
			act = true
		}
	}
	return act
}

func opOf(s core.Sample) string {
	if s.Event {
		return grant.OpSubscribe
	}
	return grant.OpObserve
}

func (an *Anchor) flowsOf(src core.Source, home *flow) []*flow {
	var out []*flow
	if home != nil {
		out = append(out, home)
	}
	for _, g := range an.Grants {
		for _, f := range g.flows {
			if f.source == src {
				out = append(out, f)
			}
		}
	}
	return out
}

// buildFlows finds the things that the terms name by pseudonyms.
func (an *Anchor) buildFlows(g *anchorGrant, now time.Time) {
	g.flows = []*flow{}
	for _, d := range g.terms.Details {
		if !d.Reads() {
			continue
		}
		thing, ok := an.thingOf(g, d.Identifier)
		if !ok {
			continue
		}
		for _, name := range d.Datatypes {
			f := &flow{source: core.Source{Thing: thing, Name: name}, name: name, op: opGranted(d), rule: ruleOf(d.Precision)}
			if g.multi() {
				f.thing = d.Identifier
			}
			an.begins(f, now, g)
			g.flows = append(g.flows, f)
		}
	}
}

// begins starts a flow with what the history has of the windows that are open
// now: after a restart they go on.
func (an *Anchor) begins(f *flow, now time.Time, g *anchorGrant) {
	start := now
	if f.rule.Every > 0 {
		start, _ = grant.Window(now.Add(-f.rule.Delay), grant.Duration(f.rule.Every))
	}
	if g != nil {
		from := g.Since
		if n := len(g.Pauses); n > 0 && g.Pauses[n-1].To.After(from) {
			from = g.Pauses[n-1].To
		}
		if start.Before(from) {
			start = from
		}
	}
	f.series = reduce.New(f.rule, start)
	if an.history == nil || f.rule.Every <= 0 || !start.Before(now) {
		return
	}
	samples, err := an.history.History(f.source.Thing, f.source.Name, start, now, historyChunk)
	if err != nil {
		an.Log.Warn("read history", "thing", f.source.Thing, "error", err)
	}
	for _, s := range samples {
		f.series.Add(s.At, s.Value)
		f.unit, f.upTo = s.Unit, now
	}
}

func opGranted(d grant.Detail) string {
	op := ""
	for _, a := range d.Actions {
		if a == grant.OpObserve || (a == grant.OpSubscribe && op == "") {
			op = a
		}
	}
	return op
}

// thingOf is the thing behind a pseudonym.
func (an *Anchor) thingOf(g *anchorGrant, pseudonym string) (string, bool) {
	for _, t := range an.things {
		if grant.ThingPseudonym(g.envelope.KGrant, t.ID) == pseudonym {
			return t.ID, true
		}
	}
	return "", false
}

// multi tells whether the terms are about several things.
func (g *anchorGrant) multi() bool { return core.SeveralThings(g.terms) }

// planValues puts what is due into the queues, on each grant's clock.
func (an *Anchor) planValues(now time.Time) {
	if an.owner().ExpiredAt(now) {
		return
	}
	an.homeValues(now)
	for _, id := range core.SortedKeys(an.Grants) {
		g := an.Grants[id]
		if g.State != core.GrantOpen {
			continue
		}
		if g.flows == nil || (len(g.flows) == 0 && len(an.things) > 0) {
			an.buildFlows(g, now)
		}
		an.grantValues(g, an.Rooms[g.Circle], now)
	}
}

func (an *Anchor) grantValues(g *anchorGrant, r *core.Room, now time.Time) {
	for _, batch := range due(g.flows, now) {
		var items []core.Inner
		for _, p := range batch.points {
			r.Values[p.flow.key()] = core.SentValue{At: p.at, Value: p.value, Unit: p.flow.unit}
			if p.flow.op != "" {
				items = append(items, p.item())
			}
		}
		for _, plain := range an.pack(r, items, bucketOf(g.terms)) {
			an.Enqueue(r, core.Outgoing{Plain: plain, Size: bucketOf(g.terms), Value: true})
		}
	}
	an.wakeFlows(g.flows)
}

// bucketOf is the size of every value message of a grant. 64 is the smallest
// bucket of the terms; no sealed message is that small, so it becomes 256.
func bucketOf(t grant.Terms) int { return max(t.Bucket, core.SizeSmall) }

func (an *Anchor) wakeFlows(flows []*flow) {
	for _, f := range flows {
		if t, ok := f.series.NextDue(); ok {
			an.Wake(t)
		}
	}
}

// duePoint is one value that is due.
type duePoint struct {
	flow  *flow
	at    time.Time
	value json.RawMessage
}

func (p duePoint) item() core.Inner {
	return core.Inner{Op: p.flow.op, Thing: p.flow.thing, Name: p.flow.name, At: p.at, Value: p.value, Unit: p.flow.unit}
}

// dueBatch is what leaves in one message: all of one clock and one time.
type dueBatch struct {
	every  time.Duration
	at     time.Time
	points []duePoint
}

// due gathers what is due, oldest first.
func due(flows []*flow, now time.Time) []dueBatch {
	type clockAt struct {
		every time.Duration
		delay time.Duration
		at    int64
	}
	batches := map[clockAt]*dueBatch{}
	for _, f := range flows {
		for _, p := range f.series.Due(now) {
			k := clockAt{f.rule.Every, f.rule.Delay, p.At.UnixNano()}
			b := batches[k]
			if b == nil {
				b = &dueBatch{every: f.rule.Every, at: p.At}
				batches[k] = b
			}
			b.points = append(b.points, duePoint{flow: f, at: p.At, value: p.Value})
		}
	}
	out := make([]dueBatch, 0, len(batches))
	for _, b := range batches {
		out = append(out, *b)
	}
	sort.Slice(out, func(i, j int) bool {
		if !out[i].at.Equal(out[j].at) {
			return out[i].at.Before(out[j].at)
		}
		return out[i].every < out[j].every
	})
	return out
}

// pack writes items into as few messages of one size as they need.
func (an *Anchor) pack(r *core.Room, items []core.Inner, size int) [][]byte {
	if len(items) == 0 {
		return nil
	}
	room := size - r.MLS.SealOverhead(0)
	all := core.EncodeInner(items...)
	if len(all) <= room {
		return [][]byte{all}
	}
	if len(items) > 1 {
		half := len(items) / 2
		return append(an.pack(r, items[:half], size), an.pack(r, items[half:], size)...)
	}
	// One value alone that is larger than the terms allow: say so in its place.
	items[0].Value, items[0].Unit = nil, ""
	items[0].Problem = &core.Problem{Kind: "too-large"}
	an.Log.Warn("value larger than the grant's messages", "circle", r.ID.String())
	return [][]byte{core.EncodeInner(items...)}
}

// homeValues sends the home circle its batch: as many messages as the largest
// batch needed, all of one size.
func (an *Anchor) homeValues(now time.Time) {
	r := an.Home()
	flows := make([]*flow, 0, len(an.homeFlows))
	for _, f := range an.homeFlows {
		flows = append(flows, f)
	}
	sort.Slice(flows, func(i, j int) bool {
		a, b := flows[i].source, flows[j].source
		return a.Thing < b.Thing || a.Thing == b.Thing && a.Name < b.Name
	})
	for _, batch := range due(flows, now) {
		var items []core.Inner
		for _, p := range batch.points {
			if p.value != nil {
				items = append(items, p.item())
			}
		}
		messages := packHome(items, now)
		an.homeBatch = max(an.homeBatch, len(messages))
		for len(messages) < an.homeBatch {
			messages = append(messages, core.MustJSON(core.HomeMessage{T: core.HomeValues, At: now}))
		}
		for _, plain := range messages {
			an.Enqueue(r, core.Outgoing{Plain: plain, Size: core.SizeHome, Value: true})
		}
	}
	an.wakeFlows(flows)
}

func packHome(items []core.Inner, now time.Time) [][]byte {
	plain := core.MustJSON(core.HomeMessage{T: core.HomeValues, At: now, Inner: items})
	if len(plain) <= core.HomeRoom {
		return [][]byte{plain}
	}
	if len(items) > 1 {
		half := len(items) / 2
		return append(packHome(items[:half], now), packHome(items[half:], now)...)
	}
	items[0].Value, items[0].Problem = nil, &core.Problem{Kind: "too-large"}
	return [][]byte{core.MustJSON(core.HomeMessage{T: core.HomeValues, At: now, Inner: items})}
}
