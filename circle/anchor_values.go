package circle

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"primum/circle/internal/reduce"
	"primum/grant"
)

// flow is one affordance on its way into one circle.
type flow struct {
	source Source
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
func (an *Anchor) Feed(s Sample) error {
	if s.Thing == "" || s.Name == "" || len(s.Thing) > 256 || len(s.Name) > 256 || len(s.Unit) > 32 ||
		len(s.Value) > maxInner || !json.Valid(s.Value) {
		return fmt.Errorf("feed %s/%s: not a value: %w", clip(s.Thing), clip(s.Name), ErrRefused)
	}
	act := false
	an.mu.Lock()
	err := an.ready()
	if err == nil {
		act = an.feed(s)
	}
	an.mu.Unlock()
	if err != nil || !act {
		return err
	}
	return an.Tick()
}

// feed gives a value to every circle that takes it, and reports whether
// something may leave before the next tick.
func (an *Anchor) feed(s Sample) (act bool) {
	src := Source{Thing: s.Thing, Name: s.Name}
	now := an.now()
	if s.At.IsZero() || s.At.After(now.Add(maxSkew)) {
		s.At = now
	}
	home := an.homeFlows[src]
	if home == nil && an.home() != nil && !an.st.Restored && len(an.homeFlows) < 10_000 {
		rule := ruleOf(an.st.Rule)
		home = &flow{source: src, thing: s.Thing, name: s.Name, op: opOf(s), rule: rule}
		an.begins(home, minTime(s.At, now), nil)
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

func opOf(s Sample) string {
	if s.Event {
		return grant.OpSubscribe
	}
	return grant.OpObserve
}

func (an *Anchor) flowsOf(src Source, home *flow) []*flow {
	var out []*flow
	if home != nil {
		out = append(out, home)
	}
	for _, g := range an.grants {
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
			f := &flow{source: Source{Thing: thing, Name: name}, name: name, op: opGranted(d), rule: ruleOf(d.Precision)}
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
		an.log.Warn("read history", "thing", f.source.Thing, "error", err)
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
func (g *anchorGrant) multi() bool { return severalThings(g.terms) }

func severalThings(t grant.Terms) bool {
	for _, d := range t.Details {
		if d.Identifier != t.Details[0].Identifier {
			return true
		}
	}
	return false
}

// planValues puts what is due into the queues, on each grant's clock.
func (an *Anchor) planValues(now time.Time) {
	if an.owner().ExpiredAt(now) {
		return
	}
	an.homeValues(now)
	for _, id := range sortedKeys(an.grants) {
		g := an.grants[id]
		if g.State != grantOpen {
			continue
		}
		if g.flows == nil || (len(g.flows) == 0 && len(an.things) > 0) {
			an.buildFlows(g, now)
		}
		an.grantValues(g, an.rooms[g.Circle], now)
	}
}

func (an *Anchor) grantValues(g *anchorGrant, r *room, now time.Time) {
	for _, batch := range due(g.flows, now) {
		var items []inner
		for _, p := range batch.points {
			r.Values[p.flow.key()] = sentValue{At: p.at, Value: p.value, Unit: p.flow.unit}
			if p.flow.op != "" {
				items = append(items, p.item())
			}
		}
		for _, plain := range an.pack(r, items, bucketOf(g.terms)) {
			an.enqueue(r, outgoing{Plain: plain, Size: bucketOf(g.terms), Value: true})
		}
	}
	an.wakeFlows(g.flows)
}

// bucketOf is the size of every value message of a grant. 64 is the smallest
// bucket of the terms; no sealed message is that small, so it becomes 256.
func bucketOf(t grant.Terms) int { return max(t.Bucket, sizeSmall) }

func (an *Anchor) wakeFlows(flows []*flow) {
	for _, f := range flows {
		if t, ok := f.series.NextDue(); ok {
			an.wake(t)
		}
	}
}

// duePoint is one value that is due.
type duePoint struct {
	flow  *flow
	at    time.Time
	value json.RawMessage
}

func (p duePoint) item() inner {
	return inner{Op: p.flow.op, Thing: p.flow.thing, Name: p.flow.name, At: p.at, Value: p.value, Unit: p.flow.unit}
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
func (an *Anchor) pack(r *room, items []inner, size int) [][]byte {
	if len(items) == 0 {
		return nil
	}
	room := size - r.group.SealOverhead(0)
	all := encodeInner(items...)
	if len(all) <= room {
		return [][]byte{all}
	}
	if len(items) > 1 {
		half := len(items) / 2
		return append(an.pack(r, items[:half], size), an.pack(r, items[half:], size)...)
	}
	// One value alone that is larger than the terms allow: say so in its place.
	items[0].Value, items[0].Unit = nil, ""
	items[0].Problem = &Problem{Kind: "too-large"}
	an.log.Warn("value larger than the grant's messages", "circle", r.ID.String())
	return [][]byte{encodeInner(items...)}
}

// homeValues sends the home circle its batch: as many messages as the largest
// batch needed, all of one size.
func (an *Anchor) homeValues(now time.Time) {
	r := an.home()
	flows := make([]*flow, 0, len(an.homeFlows))
	for _, f := range an.homeFlows {
		flows = append(flows, f)
	}
	sort.Slice(flows, func(i, j int) bool {
		a, b := flows[i].source, flows[j].source
		return a.Thing < b.Thing || a.Thing == b.Thing && a.Name < b.Name
	})
	for _, batch := range due(flows, now) {
		var items []inner
		for _, p := range batch.points {
			if p.value != nil {
				items = append(items, p.item())
			}
		}
		messages := packHome(items, now)
		an.homeBatch = max(an.homeBatch, len(messages))
		for len(messages) < an.homeBatch {
			messages = append(messages, mustJSON(homeMessage{T: homeValues, At: now}))
		}
		for _, plain := range messages {
			an.enqueue(r, outgoing{Plain: plain, Size: sizeHome, Value: true})
		}
	}
	an.wakeFlows(flows)
}

func packHome(items []inner, now time.Time) [][]byte {
	plain := mustJSON(homeMessage{T: homeValues, At: now, Inner: items})
	if len(plain) <= homeRoom {
		return [][]byte{plain}
	}
	if len(items) > 1 {
		half := len(items) / 2
		return append(packHome(items[:half], now), packHome(items[half:], now)...)
	}
	items[0].Value, items[0].Problem = nil, &Problem{Kind: "too-large"}
	return [][]byte{mustJSON(homeMessage{T: homeValues, At: now, Inner: items})}
}

// mustJSON writes what can always be written: types of this package whose raw
// values were checked when they came in.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}
