package anchor

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/reduce"
	"primum/grant"
	"primum/identity"
)

// Bounds of what a leaf may ask.
const (
	nonceLife      = 30 * time.Second
	NoncesPerLeaf  = 8
	maxCommands    = 256
	maxAnswers     = 256      // that wait in one circle; then nothing is served there
	historyChunk   = 5_000    // samples asked for at once
	historyBudget  = 200_000  // samples looked at for one page, but for a last window
	historyCeiling = 300_000  // likewise with it: a month of a value every ten seconds
	pageRoom       = 14 << 10 // bytes of values in a page
)

// issued is a nonce that may be used once.
type issued struct {
	nonce string
	at    time.Time
}

// command waits for the edge's answer.
type command struct {
	Circle   core.ID   `json:"circle"`
	ID       string    `json:"id"`
	Op       string    `json:"op"`
	Thing    string    `json:"thing,omitempty"` // as the circle calls it
	Name     string    `json:"name"`
	Deadline time.Time `json:"deadline"`
}

// grantMessage takes a message of a grantee's client.
func (an *Anchor) grantMessage(r *core.Room, in *core.Incoming) {
	g := an.grantOf(r.ID)
	items, err := core.ParseInner(in.Data)
	if err != nil || g == nil {
		an.Bad(r, errors.Join(err))
		return
	}
	for i, m := range items {
		if i >= 16 {
			an.Bad(r, errors.New("too many entries"))
			return
		}
		if m.Op == core.OpDocuments {
			an.documentsCame(g, m.Documents)
			continue
		}
		an.serve(r, in.Sender.SignatureKey, m, g)
	}
}

// documentsCame takes the grantee's own identity document.
func (an *Anchor) documentsCame(g *anchorGrant, compacts []string) {
	for _, c := range compacts[:min(len(compacts), core.KeepVersions)] {
		account, err := core.DocumentAccount(c)
		if err != nil || account != g.envelope.Grantee.String() {
			continue
		}
		if err := an.takeIdentity(c); err != nil {
			an.Log.Warn("identity document refused", "account", account, "why", err)
		}
	}
}

// serve answers one entry. g is nil in the home circle.
func (an *Anchor) serve(r *core.Room, leaf []byte, m core.Inner, g *anchorGrant) {
	if m.ID == "" {
		an.Bad(r, errors.New("entry has no id"))
		return
	}
	if answers(r) >= maxAnswers {
		an.Bad(r, errors.New("too many answers wait"))
		return
	}
	reply := core.Inner{Op: m.Op, ID: m.ID, Thing: m.Thing, Name: m.Name}
	var err error
	switch m.Op {
	case core.OpNonce:
		reply.Nonce, err = an.Issue(r, leaf)
	case grant.OpRead:
		err = an.read(r, leaf, m, g, &reply)
	case grant.OpWrite, grant.OpInvoke:
		if err = an.obey(r, leaf, m, g); err == nil {
			return // answered by Answer
		}
	default:
		err = &core.Problem{Kind: "not-supported", Detail: "the anchor does not take " + core.Clip(m.Op)}
	}
	if err != nil {
		reply.Problem = problemOf(err)
	}
	an.reply(r, leaf, reply)
}

func problemOf(err error) *core.Problem {
	var p *core.Problem
	if errors.As(err, &p) {
		return p
	}
	var denied *grant.Denied
	if errors.As(err, &denied) {
		return &core.Problem{Kind: denied.Kind, Detail: denied.Detail}
	}
	return &core.Problem{Kind: "refused", Detail: core.Clip(err.Error())}
}

// tagAnswer begins the tag of every answer.
const tagAnswer = "answer:"

// tagRead is the tag of an answer to a read: one per leaf may wait.
func tagRead(leaf []byte) string { return tagAnswer + "read:" + keyName(leaf) }

// answers counts what waits in a circle because somebody asked: nothing leaves
// while the circle is paused or the node is away.
func answers(r *core.Room) (n int) {
	for i := range r.Queue {
		if strings.HasPrefix(r.Queue[i].Tag, tagAnswer) {
			n++
		}
	}
	return n
}

// reply seals an answer in the smallest size that fits.
func (an *Anchor) reply(r *core.Room, leaf []byte, m core.Inner) {
	tag := tagAnswer
	if m.Op == grant.OpRead {
		tag = tagRead(leaf)
	}
	if r.Home {
		an.tellHome(core.HomeMessage{T: core.HomeAnswer, Inner: []core.Inner{m}}, tag)
		return
	}
	plain := core.EncodeInner(m)
	size := core.SizePage
	for _, s := range []int{core.SizeMedium, core.SizeHome} {
		if len(plain)+r.MLS.SealOverhead(0) <= s && m.Values == nil {
			size = s
			break
		}
	}
	an.Enqueue(r, core.Outgoing{Plain: plain, Size: size, Tag: tag})
}

// Issue gives a leaf a nonce for one command.
func (an *Anchor) Issue(r *core.Room, leaf []byte) (string, error) {
	key := r.ID.String() + keyName(leaf)
	now := an.Now()
	live := slices.DeleteFunc(an.Nonces[key], func(n issued) bool { return now.Sub(n.at) > nonceLife })
	if len(live) >= NoncesPerLeaf {
		return "", &core.Problem{Kind: core.KindTooMany, Detail: "use the nonces that were issued first"}
	}
	b, err := an.Random(16)
	if err != nil {
		return "", err
	}
	n := issued{nonce: base64.RawURLEncoding.EncodeToString(b), at: now}
	an.Nonces[key] = append(live, n)
	return n.nonce, nil
}

// Spend uses a nonce up: issued to this leaf, at most 30 seconds ago.
func (an *Anchor) Spend(r *core.Room, leaf []byte, nonce string) error {
	key := r.ID.String() + keyName(leaf)
	now := an.Now()
	for i, n := range an.Nonces[key] {
		if n.nonce == nonce {
			an.Nonces[key] = slices.Delete(an.Nonces[key], i, i+1)
			if age := now.Sub(n.at); age > nonceLife || age < 0 {
				return &core.Problem{Kind: "expired", Detail: "the command came more than 30 seconds after its nonce"}
			}
			return nil
		}
	}
	return &core.Problem{Kind: "replayed", Detail: "the nonce was not issued, or was used already"}
}

// resolve finds the thing that an entry means, and asks whether the terms allow
// it.
func (an *Anchor) resolve(g *anchorGrant, m core.Inner) (core.Source, grant.Detail, error) {
	if g == nil {
		if !slices.ContainsFunc(an.things, func(t core.Thing) bool { return t.ID == m.Thing }) {
			return core.Source{}, grant.Detail{}, &core.Problem{Kind: core.KindNotFound, Detail: "no such thing"}
		}
		return core.Source{Thing: m.Thing, Name: m.Name}, grant.Detail{Precision: an.State.Rule}, nil
	}
	pseudonym := m.Thing
	if pseudonym == "" && !g.multi() {
		pseudonym = g.terms.Details[0].Identifier
	}
	d, err := grant.Allows(g.terms, pseudonym, m.Op, m.Name)
	if err != nil {
		return core.Source{}, d, err
	}
	if g.State != core.GrantOpen {
		return core.Source{}, d, &core.Problem{Kind: "paused", Detail: "the grant is paused"}
	}
	if err := g.terms.ValidAt(an.Now()); err != nil {
		return core.Source{}, d, &core.Problem{Kind: "expired", Detail: err.Error()}
	}
	thing, ok := an.thingOf(g, pseudonym)
	if !ok {
		return core.Source{}, d, &core.Problem{Kind: core.KindNotFound, Detail: "the thing is not here now"}
	}
	return core.Source{Thing: thing, Name: m.Name}, d, nil
}

// obey hands a command to the edge.
func (an *Anchor) obey(r *core.Room, leaf []byte, m core.Inner, g *anchorGrant) error {
	src, _, err := an.resolve(g, m)
	if err != nil {
		return err
	}
	if err := an.Spend(r, leaf, m.Nonce); err != nil {
		return err
	}
	if len(an.State.Commands) >= maxCommands {
		return &core.Problem{Kind: core.KindTooMany, Detail: "too many commands wait for their answer"}
	}
	ref, err := identity.NewID(an.Rand, an.Now())
	if err != nil {
		return err
	}
	if an.State.Commands == nil {
		an.State.Commands = map[string]command{}
	}
	c := command{Circle: r.ID, ID: m.ID, Op: m.Op, Thing: m.Thing, Name: m.Name, Deadline: an.Now().Add(core.CommandTime)}
	an.State.Commands[ref] = c
	an.Touch(partAnchor)
	e := core.Event{Kind: core.EventCommand, Circle: r.ID, Grant: r.Grant, Ref: ref, Op: m.Op, Thing: src.Thing, Name: src.Name, Value: m.Input, Deadline: c.Deadline}
	if l := r.Leaves[keyName(leaf)]; l != nil {
		e.Client = l.Client
	}
	if v := an.accountOf(r); v != nil {
		e.Account = v.Address().String()
	}
	an.Emit(e)
	return nil
}

// Answer gives the outcome of a command (Event.Ref); problem nil for success.
func (an *Anchor) Answer(ref string, value json.RawMessage, problem *core.Problem) error {
	if len(value) > 8<<10 || (len(value) > 0 && !json.Valid(value)) {
		return fmt.Errorf("answer command: not a JSON value of at most 8 KiB: %w", core.ErrRefused)
	}
	return an.Do(func() error {
		c, ok := an.State.Commands[ref]
		if !ok {
			return fmt.Errorf("answer command %s: %w", core.Clip(ref), core.ErrUnknown)
		}
		an.settleCommand(ref, c, value, problem)
		return nil
	})
}

func (an *Anchor) settleCommand(ref string, c command, value json.RawMessage, problem *core.Problem) {
	an.dropCommand(ref)
	if r := an.Rooms[c.Circle]; r != nil {
		an.reply(r, nil, core.Inner{Op: c.Op, ID: c.ID, Thing: c.Thing, Name: c.Name, At: an.Now(), Value: value, Problem: problem})
	}
}

// dropCommand forgets a command, also where the edge has not looked yet: what
// was answered must not be executed later.
func (an *Anchor) dropCommand(ref string) {
	delete(an.State.Commands, ref)
	an.Touch(partAnchor)
	an.KeepEvents(func(e core.Event) bool { return e.Kind != core.EventCommand || e.Ref != ref })
}

// planCommands answers what the edge did not.
func (an *Anchor) planCommands(now time.Time) {
	for _, ref := range core.SortedKeys(an.State.Commands) {
		c := an.State.Commands[ref]
		if now.Before(c.Deadline) {
			an.Wake(c.Deadline)
			continue
		}
		an.settleCommand(ref, c, nil, &core.Problem{Kind: "timeout", Detail: "the thing did not answer in time"})
	}
}

// interrupted answers commands that a restart cut off: executing one a second
// time would be worse than not at all.
func (an *Anchor) interrupted() {
	for _, ref := range core.SortedKeys(an.State.Commands) {
		c := an.State.Commands[ref]
		c.Deadline = time.Time{}
		an.State.Commands[ref] = c
	}
}

// read answers readproperty: the newest value, or a page of history.
func (an *Anchor) read(r *core.Room, leaf []byte, m core.Inner, g *anchorGrant, reply *core.Inner) error {
	if slices.ContainsFunc(r.Queue, func(o core.Outgoing) bool { return o.Tag == tagRead(leaf) }) {
		return &core.Problem{Kind: core.KindTooMany, Detail: "one open request per client"}
	}
	src, d, err := an.resolve(g, m)
	if err != nil {
		return err
	}
	if m.As != nil {
		if g != nil {
			return &core.Problem{Kind: grant.KindPrecision, Detail: "another precision than the grant's is for the owner alone"}
		}
		if err := m.As.Check(); err != nil {
			return &core.Problem{Kind: "refused", Detail: core.Clip(err.Error())}
		}
		d.Precision = *m.As
	}
	if m.Since.IsZero() {
		return an.newest(r, src, m, g, d, reply)
	}
	if an.history == nil {
		return &core.Problem{Kind: "no-history", Detail: "this edge keeps no history"}
	}
	q := query{src: src, rule: ruleOf(d.Precision), from: m.Since.UTC(), to: an.Now()}
	if g != nil {
		q.pauses = g.Pauses
		for _, start := range []time.Time{g.envelope.ValidFrom, g.Since} {
			if q.from.Before(start) {
				q.from = start
			}
		}
	}
	values, next, err := an.page(q)
	if err != nil {
		return err
	}
	reply.Values, reply.Next, reply.Last = values, next, next.IsZero()
	for _, f := range an.flowsOf(src, an.homeFlows[src]) {
		reply.Unit = f.unit
	}
	return nil
}

func (an *Anchor) newest(r *core.Room, src core.Source, m core.Inner, g *anchorGrant, d grant.Detail, reply *core.Inner) error {
	v, ok := r.Values[flowKey(m, g)]
	if g == nil {
		v, ok = r.Values[src.Thing+"\x00"+src.Name]
	}
	reply.Last = true
	if !ok || v.Value == nil || m.As != nil {
		return an.newestKept(src, g, d, reply)
	}
	reply.Values, reply.Unit = []core.Instant{core.NewInstant(v.At, v.Value)}, v.Unit
	return nil
}

// newestKept looks for the newest value in the history; none is no error.
func (an *Anchor) newestKept(src core.Source, g *anchorGrant, d grant.Detail, reply *core.Inner) error {
	if an.history == nil {
		return nil
	}
	q := query{src: src, rule: ruleOf(d.Precision), to: an.Now()}
	q.from = q.to.Add(-max(3*(q.rule.Every+q.rule.Delay), time.Hour))
	if g == nil && q.rule.Every <= 0 {
		return an.newestMeasured(q, reply)
	}
	if g != nil {
		q.pauses = g.Pauses
		if q.from.Before(g.Since) {
			q.from = g.Since
		}
	}
	values, _, err := an.page(q)
	if err == nil && len(values) > 0 {
		reply.Values = values[len(values)-1:]
	}
	return err
}

// newestMeasured is the last sample of the history as it is, this moment's
// included.
func (an *Anchor) newestMeasured(q query, reply *core.Inner) error {
	for at := q.from; ; {
		samples, err := an.history.History(q.src.Thing, q.src.Name, at, q.to.Add(time.Microsecond), historyChunk)
		if err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if len(samples) == 0 {
			return nil
		}
		s := samples[len(samples)-1]
		one := reduce.New(q.rule, s.At)
		one.Add(s.At, s.Value)
		for _, pt := range one.Due(s.At.Add(q.rule.Delay)) {
			reply.Values, reply.Unit = []core.Instant{core.NewInstant(pt.At, pt.Value)}, s.Unit
		}
		if len(samples) < historyChunk {
			return nil
		}
		at = s.At.Add(time.Microsecond)
	}
}

func flowKey(m core.Inner, g *anchorGrant) string {
	if g != nil && !g.multi() {
		return "\x00" + m.Name
	}
	return m.Thing + "\x00" + m.Name
}

// query is a question to the history.
type query struct {
	src      core.Source
	rule     reduce.Rule
	from, to time.Time
	pauses   []span
}

// page reads one page of the history at the grant's precision. next is where the
// following page begins, zero at the end.
func (an *Anchor) page(q query) (values []core.Instant, next time.Time, err error) {
	start := q.from
	if q.rule.Every > 0 {
		// Windows that began before are not the grantee's: begin at the next edge.
		if s, end := grant.Window(q.from, grant.Duration(q.rule.Every)); s.Before(q.from) {
			start = end
		}
	}
	p := &pager{query: q, series: reduce.New(q.rule, start), at: start}
	for !p.full && p.at.Before(q.to) {
		samples, err := an.history.History(q.src.Thing, q.src.Name, p.at, q.to, historyChunk)
		if err != nil {
			return nil, next, fmt.Errorf("read history: %w", err)
		}
		p.take(samples)
		if len(samples) < historyChunk {
			p.flush(q.to)
			break
		}
	}
	if p.full {
		next = p.next
	}
	return p.values, next, nil
}

// pager turns samples into the values of one page.
type pager struct {
	query
	series *reduce.Series
	at     time.Time // up to here samples were taken
	seen   int
	size   int
	values []core.Instant
	full   bool
	next   time.Time
}

func (p *pager) take(samples []core.Sample) {
	for _, s := range samples {
		if s.At.Before(p.at) {
			continue
		}
		p.flush(s.At)
		if p.full {
			return
		}
		p.series.Add(s.At, s.Value)
		p.at = s.At.Add(1)
		p.seen++
		if p.seen >= historyCeiling {
			p.full, p.next = true, p.at
			return
		}
	}
}

// flush takes out what is complete at t, and not younger than the delay.
func (p *pager) flush(t time.Time) {
	if late := p.to.Add(-p.rule.Delay); t.After(late) {
		t = late
	}
	for _, pt := range p.series.Due(t.Add(p.rule.Delay)) {
		if pt.Value == nil || p.paused(pt.At) {
			continue
		}
		if p.full {
			return
		}
		p.size += len(time.RFC3339Nano) + len(pt.Value) + 6
		p.values = append(p.values, core.NewInstant(pt.At, pt.Value))
		if p.size >= pageRoom || p.seen >= historyBudget {
			p.full, p.next = true, p.after(pt.At)
		}
	}
}

// after is where the page behind a value's time begins.
func (p *pager) after(at time.Time) time.Time {
	if p.rule.Every > 0 {
		return at
	}
	return at.Add(1)
}

func (p *pager) paused(at time.Time) bool {
	for _, s := range p.pauses {
		if s.overlaps(at.Add(-max(p.rule.Every, 1)), at) {
			return true
		}
	}
	return false
}
