package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"primum/circle"
	"primum/client"
	"primum/thing"
)

// shapes keeps descriptions as they were read, so that a list of things does
// not read them anew each time. Safe for concurrent use.
type shapes struct {
	mu  sync.Mutex
	all map[string]shape // by home and thing
}

type shape struct {
	raw    json.RawMessage
	parsed *thing.Description // nil: it breaks the rules of descriptions
}

func newShapes() *shapes { return &shapes{all: make(map[string]shape)} }

// of is the description of a thing; nil for one that can't be read.
func (s *shapes) of(home circle.ID, t circle.Thing) *thing.Description {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := home.String() + "\x00" + t.ID
	if got, ok := s.all[key]; ok && bytes.Equal(got.raw, t.Description) {
		return got.parsed
	}
	d, err := thing.Parse(t.Description)
	if err != nil {
		d = nil
	}
	s.all[key] = shape{raw: t.Description, parsed: d}
	return d
}

// shown is what a page needs of an affordance's description.
func describe(a *Affordance, d *thing.Description, name string) {
	switch {
	case d.Properties[name] != nil:
		p := d.Properties[name]
		a.Kind, a.Title = "property", titled(p.Title, name)
		a.schema(&p.Schema)
	case d.Actions[name] != nil:
		x := d.Actions[name]
		a.Kind, a.Title = "action", titled(x.Title, name)
		if x.Input != nil {
			a.schema(x.Input)
		}
	case d.Events[name] != nil:
		x := d.Events[name]
		a.Kind, a.Title = "event", titled(x.Title, name)
		if x.Data != nil {
			a.schema(x.Data)
		}
	}
}

// maxChoices bounds the choices that a page offers.
const maxChoices = 100

func (a *Affordance) schema(s *thing.Schema) {
	a.Type, a.Unit = s.Type, clean(thing.Unit(s.Unit), 16)
	if a.Type == "integer" {
		a.Type = "number"
	}
	a.Min, a.Max = s.Minimum, s.Maximum
	for _, v := range s.Enum[:min(len(s.Enum), maxChoices)] {
		if text, ok := v.(string); ok {
			// What is sent must be what the device knows: a choice that can't be
			// shown as it is can't be chosen.
			if clean(text, maxTitle) == text {
				a.Enum = append(a.Enum, text)
			}
			continue
		}
		a.Enum = append(a.Enum, clean(fmt.Sprint(v), maxTitle))
	}
}

// kindOf guesses from rights and values what a description would say.
func kindOf(ops []string) string {
	switch {
	case slices.Contains(ops, thing.InvokeAction):
		return "action"
	case slices.Contains(ops, thing.SubscribeEvent) && !slices.Contains(ops, thing.ObserveProperty):
		return "event"
	}
	return "property"
}

func typeOf(p *Point) string {
	if p == nil || len(p.Value) == 0 {
		return ""
	}
	switch p.Value[0] {
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case '{', '[':
		return "object"
	}
	if p.Number != nil {
		return "number"
	}
	return ""
}

// findTarget is what a reference means, or *Error "no-such".
func (s *session) findTarget(r Ref) (client.Target, error) {
	for _, t := range s.client.Targets() {
		if t.Thing != r.Thing || t.Name != r.Name || t.Own && s.sandbox.removed(t.Circle) {
			continue
		}
		if t.Own && t.Circle.String() == r.Home || t.Grant != nil && t.Grant.ID == r.Grant {
			return t, nil
		}
	}
	return client.Target{}, &Error{Code: "no-such", Data: map[string]string{"Name": clean(r.Thing+"/"+r.Name, maxTitle)}}
}
