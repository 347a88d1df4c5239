package circle

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
)

const maxCalls = 64 // commands and reads that wait in one circle

// CommandParams is a command to a thing: in a grant circle by the names of the
// grant, in a home circle (owner) by the thing's own.
type CommandParams struct {
	Circle  ID
	Thing   string // may be empty where the grant has one thing
	Name    string
	Op      string // writeproperty, invokeaction
	Input   json.RawMessage
	Timeout time.Duration // 0: 30 s
}

// Command sends a command; EventAnswer carries ref. The right is checked here
// first: the error names the grant that is missing.
func (m *Member) Command(p CommandParams) (ref string, err error) {
	if p.Op != grant.OpWrite && p.Op != grant.OpInvoke {
		return "", fmt.Errorf("send command: %q is none: %w", clip(p.Op), ErrRefused)
	}
	if len(p.Input) > 600 || (len(p.Input) > 0 && !json.Valid(p.Input)) {
		return "", fmt.Errorf("send command: the input is no JSON of at most 600 bytes: %w", ErrRefused)
	}
	if p.Timeout <= 0 {
		p.Timeout = commandTime
	}
	c := call{Op: p.Op, Thing: p.Thing, Name: p.Name, Input: p.Input, Deadline: m.now().Add(p.Timeout)}
	err = m.do(func() error {
		ref, err = m.call(p.Circle, c)
		return err
	})
	return ref, err
}

// ReadParams asks for a value, or from Since on for all values.
type ReadParams struct {
	Circle ID
	Thing  string
	Name   string
	Since  time.Time // zero: the newest value only
}

// readTime is how long a read waits for its next page.
const readTime = 2 * time.Minute

// Read asks for past values; EventHistory carries ref, page by page.
func (m *Member) Read(p ReadParams) (ref string, err error) {
	c := call{Op: grant.OpRead, Thing: p.Thing, Name: p.Name, Since: p.Since.UTC(), Deadline: m.now().Add(readTime)}
	if p.Since.IsZero() {
		c.Since = time.Time{}
	}
	err = m.do(func() error {
		ref, err = m.call(p.Circle, c)
		return err
	})
	return ref, err
}

// call puts a command or read on its way: a command begins by asking for its
// nonce.
func (m *Member) call(c ID, k call) (string, error) {
	r := m.rooms[c]
	if r == nil || r.Member == nil {
		return "", fmt.Errorf("%s %s: %w", k.Op, clip(k.Name), ErrUnknown)
	}
	if k.Name == "" || len(k.Name) > 256 || len(k.Thing) > 256 {
		return "", fmt.Errorf("%s: no affordance is named: %w", k.Op, ErrRefused)
	}
	if err := m.mayCall(r, k); err != nil {
		return "", err
	}
	if r.group == nil {
		return "", fmt.Errorf("%s %s: this client is not in the circle yet: %w", k.Op, clip(k.Name), ErrNotYet)
	}
	if len(r.Member.Calls) >= maxCalls {
		return "", fmt.Errorf("%s %s: too many wait for their answer: %w", k.Op, clip(k.Name), ErrFull)
	}
	ref, err := identity.NewID(m.rand, m.now())
	if err != nil {
		return "", err
	}
	if r.Member.Calls == nil {
		r.Member.Calls = map[string]call{}
	}
	r.Member.Calls[ref] = k
	m.touch(r.part())
	if k.Op == grant.OpRead {
		m.ask(r, inner{Op: grant.OpRead, ID: ref, Thing: k.Thing, Name: k.Name, Since: k.Since}, ref)
	} else {
		m.ask(r, inner{Op: opNonce, ID: ref}, ref)
	}
	return ref, nil
}

// mayCall asks the terms.
func (m *Member) mayCall(r *room, k call) error {
	g := m.grantOf(r.ID)
	if g == nil {
		return nil // an own home
	}
	thing := k.Thing
	if thing == "" && !severalThings(g.terms) {
		thing = g.terms.Details[0].Identifier
	}
	if _, err := grant.Allows(g.terms, thing, k.Op, k.Name); err != nil {
		return err
	}
	if err := g.terms.ValidAt(m.now()); err != nil {
		return err
	}
	return nil
}

// ask seals one entry to the anchor.
func (m *Member) ask(r *room, it inner, ref string) {
	if r.Home {
		m.say(r, homeMessage{T: homeAsk, Inner: []inner{it}}, "call:"+ref)
		return
	}
	m.enqueue(r, outgoing{Plain: encodeInner(it), Size: sizeMedium, Tag: "call:" + ref})
}

// replied takes the anchor's answer to a call.
func (m *Member) replied(r *room, it inner) {
	k, ok := r.Member.Calls[it.ID]
	if !ok {
		return // another client's, or too late
	}
	m.touch(r.part())
	switch {
	case it.Problem != nil:
		m.endCall(r, it.ID, k, nil, it.Problem)
	case it.Op == opNonce && k.Op != grant.OpRead:
		if !k.Nonce {
			k.Nonce = true
			r.Member.Calls[it.ID] = k
			m.ask(r, inner{Op: k.Op, ID: it.ID, Thing: k.Thing, Name: k.Name, Input: k.Input, Nonce: it.Nonce}, it.ID)
		}
	case it.Op == grant.OpRead && k.Op == grant.OpRead:
		m.pageCame(r, it, k)
	case it.Op == k.Op && k.Nonce:
		m.endCall(r, it.ID, k, it.Value, nil)
	}
}

// pageCame shows a page of history and asks for the next.
func (m *Member) pageCame(r *room, it inner, k call) {
	last := it.Last || it.Next.IsZero() || !it.Next.After(k.Since)
	thing := it.Thing
	if g := m.grantOf(r.ID); g != nil && thing == "" {
		thing = g.terms.Details[0].Identifier
	}
	e := Event{Kind: EventHistory, Circle: r.ID, Grant: r.Grant, Ref: it.ID, Thing: thing, Title: m.titleOf(r, thing), Name: it.Name, Unit: it.Unit, Last: last}
	for _, v := range it.Values {
		e.Values = append(e.Values, Reading(v))
	}
	m.emit(e)
	if last {
		delete(r.Member.Calls, it.ID)
		return
	}
	k.Since, k.Deadline = it.Next, m.now().Add(readTime)
	r.Member.Calls[it.ID] = k
	m.ask(r, inner{Op: grant.OpRead, ID: it.ID, Thing: k.Thing, Name: k.Name, Since: k.Since}, it.ID)
}

func (m *Member) endCall(r *room, ref string, k call, value json.RawMessage, problem *Problem) {
	delete(r.Member.Calls, ref)
	m.touch(r.part())
	e := Event{Kind: EventAnswer, Circle: r.ID, Grant: r.Grant, Ref: ref, Op: k.Op, Thing: k.Thing, Name: k.Name, Value: value, Problem: problem}
	if k.Op == grant.OpRead {
		e.Kind, e.Last = EventHistory, true
	}
	m.emit(e)
}

// planCalls ends what was not answered in time, and takes back what was not
// sent.
func (m *Member) planCalls(r *room, now time.Time) {
	if r.Member == nil {
		return
	}
	for _, ref := range sortedKeys(r.Member.Calls) {
		k := r.Member.Calls[ref]
		if now.Before(k.Deadline) {
			m.wake(k.Deadline)
			continue
		}
		m.endCall(r, ref, k, nil, &Problem{Kind: "timeout", Detail: "no answer came in time"})
		if r.Home {
			continue // counted messages keep their place
		}
		for i := len(r.Queue) - 1; i >= 0; i-- {
			if onItsWay := i == 0 && r.sealed != nil; r.Queue[i].Tag == "call:"+ref && !onItsWay {
				r.Queue = slices.Delete(slices.Clone(r.Queue), i, i+1)
			}
		}
	}
}

// errNoHome: a plain member has no home circle.
var errNoHome = errors.New("only owners have a home circle")
