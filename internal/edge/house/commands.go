package house

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"primum/circle"
	"primum/thing"
)

const (
	// commandPatience is the deadline of a command that names none.
	commandPatience = 30 * time.Second
	// answerMargin is left of a deadline for the answer's own way.
	answerMargin = 2 * time.Second
	// BegunKept is how long references of begun commands are remembered.
	BegunKept = 10 * time.Minute
)

// command is one that was sent to a device and is not answered yet.
type command struct {
	ref, part, affordance string
	want                  []byte // JSON; nil: any value answers
	last                  json.RawMessage
	deadline              time.Time
}

type answer struct {
	ref     string
	value   json.RawMessage
	problem *problem
}

// Command executes a command event: the message goes to the device's own
// topic; the answer is the state that the device then tells, or a problem.
// A reference is executed at most once.
func (h *House) Command(ctx context.Context, e circle.Event) {
	refuse := func(kind, format string, args ...any) {
		h.out.Answer(e.Ref, nil, &problem{Kind: kind, Detail: fmt.Sprintf(format, args...)})
	}
	h.mu.Lock()
	if at, begun := h.done[e.Ref]; begun {
		h.mu.Unlock()
		if at.Before(h.opened) {
			refuse("unknown-outcome", "the edge was restarted while it did this; look at the device")
		}
		return // its answer is on the way
	}
	h.forget()
	h.done[e.Ref] = h.clock.Now()
	if err := h.out.Begin(e.Ref, h.clock.Now()); err != nil {
		h.mu.Unlock()
		refuse("storage", "the edge can't write its disk: %v", err)
		return
	}
	send, c, err := h.prepare(e)
	if err == nil && c != nil {
		h.commands[e.Ref] = c // before it is sent: the answer may be fast
		h.alarm()
	}
	h.mu.Unlock()
	if err != nil {
		refuse("not-possible", "%v", err)
		return
	}
	if err := h.out.Send(ctx, send); err != nil {
		h.mu.Lock()
		delete(h.commands, e.Ref)
		h.mu.Unlock()
		refuse("device-unreachable", "%v", err)
		return
	}
	if c == nil {
		h.out.Answer(e.Ref, nil, nil) // nothing tells what became of it
	}
}

// forget drops old references. The lock is held.
func (h *House) forget() {
	for ref, at := range h.done {
		if h.clock.Now().Sub(at) > BegunKept {
			delete(h.done, ref)
		}
	}
}

// prepare finds the device and makes its message; the command is nil where the
// device tells nothing back. The lock is held.
func (h *House) prepare(e circle.Event) (send thing.Send, c *command, err error) {
	part, name, err := h.find(e.Thing, e.Name)
	if err != nil {
		return send, nil, err
	}
	live, known := h.live[part], h.registry.Parts[part]
	switch {
	case live == nil:
		return send, nil, fmt.Errorf("%s is not announced by its broker now", e.Thing)
	case len(live.changed) > 0:
		return send, nil, fmt.Errorf("%s announces itself differently from what its owner accepted", e.Thing)
	}
	value, err := commandValue(e)
	if err != nil {
		return send, nil, err
	}
	if send, err = live.source.Write(part, name, value); err != nil {
		return send, nil, err
	}
	p := known.Description.Properties[name]
	if p == nil || p.WriteOnly {
		return send, nil, nil
	}
	deadline := e.Deadline
	if deadline.IsZero() {
		deadline = h.clock.Now().Add(commandPatience)
	}
	c = &command{ref: e.Ref, part: part, affordance: name, want: e.Value, deadline: deadline.Add(-answerMargin)}
	return send, c, nil
}

// find finds the part and its own name of an affordance. The lock is held.
func (h *House) find(thingName, affordance string) (part, name string, err error) {
	key := h.registry.byName(thingName)
	for _, part := range h.registry.partsOf(key) {
		for own, given := range h.registry.Parts[part].Names {
			if given == affordance && key != "" {
				return part, own, nil
			}
		}
	}
	return "", "", fmt.Errorf("there is no %s/%s here", thingName, affordance)
}

func commandValue(e circle.Event) (any, error) {
	switch e.Op {
	case thing.WriteProperty:
	case thing.InvokeAction:
		if len(e.Value) == 0 {
			return nil, nil
		}
	default:
		return nil, fmt.Errorf("%s is not something an edge does with a device", e.Op)
	}
	value, err := thing.DecodeValue(e.Value)
	if err != nil {
		return nil, fmt.Errorf("the value is not usable: %w", err)
	}
	return value, nil
}

// answered finds the commands that a reading answers: the value that was
// wanted. Another value is kept for the deadline. The lock is held.
func (h *House) answered(part, affordance string, value json.RawMessage) (answers []answer) {
	for ref, c := range h.commands {
		if c.part != part || c.affordance != affordance {
			continue
		}
		c.last = value
		if sameJSON(c.want, value) {
			delete(h.commands, ref)
			answers = append(answers, answer{ref: ref, value: value})
		}
	}
	return answers
}

func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := thing.DecodeValue(a)
	y, errY := thing.DecodeValue(b)
	if errX != nil || errY != nil {
		return false
	}
	f, okF := thing.Number(x)
	g, okG := thing.Number(y)
	if okF && okG {
		return f == g
	}
	p, errP := thing.RawValue(x)
	q, errQ := thing.RawValue(y)
	return errP == nil && errQ == nil && bytes.Equal(p, q)
}

// Overdue answers the commands whose deadline has come: with what the device
// said meanwhile, else with a timeout.
func (h *House) Overdue(now time.Time) {
	h.mu.Lock()
	var answers []answer
	for ref, c := range h.commands {
		if now.Before(c.deadline) {
			continue
		}
		delete(h.commands, ref)
		a := answer{ref: ref, value: c.last}
		if c.last == nil {
			a.problem = &problem{Kind: "timeout", Detail: "the device did not answer in time"}
		}
		answers = append(answers, a)
	}
	h.mu.Unlock()
	for _, a := range answers {
		h.out.Answer(a.ref, a.value, a.problem)
	}
}
