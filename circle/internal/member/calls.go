package member

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
)

const maxCalls = 64 // commands and reads that wait in one circle

// CommandParams is a command to a thing: in a grant circle by the names of the
// grant, in a home circle (owner) by the thing's own.
type CommandParams struct {
	Circle  core.ID
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
		return "", fmt.Errorf("send command: %q is none: %w", core.Clip(p.Op), core.ErrRefused)
	}
	if len(p.Input) > 600 || (len(p.Input) > 0 && !json.Valid(p.Input)) {
		return "", fmt.Errorf("send command: the input is no JSON of at most 600 bytes: %w", core.ErrRefused)
	}
	if p.Timeout <= 0 {
		p.Timeout = core.CommandTime
	}
	c := core.Call{Op: p.Op, Thing: p.Thing, Name: p.Name, Input: p.Input, Deadline: m.Now().Add(p.Timeout)}
	err = m.Do(func() error {
		ref, err = m.call(p.Circle, c)
		return err
	})
	return ref, err
}

// ReadParams asks for a value, or from Since on for all values.
type ReadParams struct {
	Circle core.ID
	Thing  string
	Name   string
	Since  time.Time // zero: the newest value only
	// As asks an own home for another precision than its own: what somebody
	// with a grant of that precision would get. Nil: as the circle has it.
	As *core.Precision
}

// readTime is how long a read waits for its next page.
const readTime = 2 * time.Minute

// Read asks for past values; EventHistory carries ref, page by page.
func (m *Member) Read(p ReadParams) (ref string, err error) {
	c := core.Call{Op: grant.OpRead, Thing: p.Thing, Name: p.Name, Since: p.Since.UTC(), As: p.As, Deadline: m.Now().Add(readTime)}
	if p.Since.IsZero() {
		c.Since = time.Time{}
	}
	err = m.Do(func() error {
		if r := m.Rooms[p.Circle]; p.As != nil && (r == nil || !r.Home) {
			return fmt.Errorf("read %s at another precision: only in an own home: %w", core.Clip(p.Name), core.ErrRefused)
		}
		ref, err = m.call(p.Circle, c)
		return err
	})
	return ref, err
}

// call puts a command or read on its way: a command begins by asking for its
// nonce.
func (m *Member) call(c core.ID, k core.Call) (string, error) {
	r := m.Rooms[c]
	if r == nil || r.Member == nil {
		return "", fmt.Errorf("%s %s: %w", k.Op, core.Clip(k.Name), core.ErrUnknown)
	}
	if k.Name == "" || len(k.Name) > 256 || len(k.Thing) > 256 {
		return "", fmt.Errorf("%s: no affordance is named: %w", k.Op, core.ErrRefused)
	}
	if err := m.mayCall(r, k); err != nil {
		return "", err
	}
	if r.MLS == nil {
		return "", fmt.Errorf("%s %s: this client is not in the circle yet: %w", k.Op, core.Clip(k.Name), core.ErrNotYet)
	}
	if len(r.Member.Calls) >= maxCalls {
		return "", fmt.Errorf("%s %s: too many wait for their answer: %w", k.Op, core.Clip(k.Name), core.ErrFull)
	}
	ref, err := identity.NewID(m.Rand, m.Now())
	if err != nil {
		return "", err
	}
	if r.Member.Calls == nil {
		r.Member.Calls = map[string]core.Call{}
	}
	r.Member.Calls[ref] = k
	m.Touch(r.Part())
	if k.Op == grant.OpRead {
		m.ask(r, core.Inner{Op: grant.OpRead, ID: ref, Thing: k.Thing, Name: k.Name, Since: k.Since, As: k.As}, ref)
	} else {
		m.ask(r, core.Inner{Op: core.OpNonce, ID: ref}, ref)
	}
	return ref, nil
}

// mayCall asks the terms.
func (m *Member) mayCall(r *core.Room, k core.Call) error {
	g := m.GrantOf(r.ID)
	if g == nil {
		return nil // an own home
	}
	thing := k.Thing
	if thing == "" && !core.SeveralThings(g.terms) {
		thing = g.terms.Details[0].Identifier
	}
	if _, err := grant.Allows(g.terms, thing, k.Op, k.Name); err != nil {
		return err
	}
	if err := g.terms.ValidAt(m.Now()); err != nil {
		return err
	}
	return nil
}

// ask seals one entry to the anchor.
func (m *Member) ask(r *core.Room, it core.Inner, ref string) {
	if r.Home {
		m.Say(r, core.HomeMessage{T: core.HomeAsk, Inner: []core.Inner{it}}, "call:"+ref)
		return
	}
	m.Enqueue(r, core.Outgoing{Plain: core.EncodeInner(it), Size: core.SizeMedium, Tag: "call:" + ref})
}

// Replied takes the anchor's answer to a call.
func (m *Member) Replied(r *core.Room, it core.Inner) {
	k, ok := r.Member.Calls[it.ID]
	if !ok {
		return // another client's, or too late
	}
	m.Touch(r.Part())
	switch {
	case it.Problem != nil:
		m.endCall(r, it.ID, k, nil, it.Problem)
	case it.Op == core.OpNonce && k.Op != grant.OpRead:
		if !k.Nonce {
			k.Nonce = true
			r.Member.Calls[it.ID] = k
			m.ask(r, core.Inner{Op: k.Op, ID: it.ID, Thing: k.Thing, Name: k.Name, Input: k.Input, Nonce: it.Nonce}, it.ID)
		}
	case it.Op == grant.OpRead && k.Op == grant.OpRead:
		m.pageCame(r, it, k)
	case it.Op == k.Op && k.Nonce:
		m.endCall(r, it.ID, k, it.Value, nil)
	}
}

// pageCame shows a page of history and asks for the next.
func (m *Member) pageCame(r *core.Room, it core.Inner, k core.Call) {
	last := it.Last || it.Next.IsZero() || !it.Next.After(k.Since)
	thing := it.Thing
	if g := m.GrantOf(r.ID); g != nil && thing == "" {
		thing = g.terms.Details[0].Identifier
	}
	e := core.Event{Kind: core.EventHistory, Circle: r.ID, Grant: r.Grant, Ref: it.ID, Thing: thing, Title: m.titleOf(r, thing), Name: it.Name, Unit: it.Unit, Last: last}
	for _, v := range it.Values {
		e.Values = append(e.Values, core.Reading(v))
	}
	m.Emit(e)
	if last {
		delete(r.Member.Calls, it.ID)
		return
	}
	k.Since, k.Deadline = it.Next, m.Now().Add(readTime)
	r.Member.Calls[it.ID] = k
	m.ask(r, core.Inner{Op: grant.OpRead, ID: it.ID, Thing: k.Thing, Name: k.Name, Since: k.Since, As: k.As}, it.ID)
}

func (m *Member) endCall(r *core.Room, ref string, k core.Call, value json.RawMessage, problem *core.Problem) {
	delete(r.Member.Calls, ref)
	m.Touch(r.Part())
	e := core.Event{Kind: core.EventAnswer, Circle: r.ID, Grant: r.Grant, Ref: ref, Op: k.Op, Thing: k.Thing, Name: k.Name, Value: value, Problem: problem}
	if k.Op == grant.OpRead {
		e.Kind, e.Last = core.EventHistory, true
	}
	m.Emit(e)
}

// planCalls ends what was not answered in time, and takes back what was not
// sent.
func (m *Member) planCalls(r *core.Room, now time.Time) {
	if r.Member == nil {
		return
	}
	for _, ref := range core.SortedKeys(r.Member.Calls) {
		k := r.Member.Calls[ref]
		if now.Before(k.Deadline) {
			m.Wake(k.Deadline)
			continue
		}
		m.endCall(r, ref, k, nil, &core.Problem{Kind: "timeout", Detail: "no answer came in time"})
		if r.Home {
			continue // counted messages keep their place
		}
		for i := len(r.Queue) - 1; i >= 0; i-- {
			if onItsWay := i == 0 && r.Sealed != nil; r.Queue[i].Tag == "call:"+ref && !onItsWay {
				r.Queue = slices.Delete(slices.Clone(r.Queue), i, i+1)
			}
		}
	}
}

// ErrNoHome: a plain member has no home circle.
var ErrNoHome = errors.New("only owners have a home circle")
