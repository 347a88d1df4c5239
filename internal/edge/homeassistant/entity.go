package homeassistant

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"primum/thing"
)

// affordance binds an affordance of a part to topics.
type affordance struct {
	stateTopic string
	state      path
	// decode makes a JSON-typed value of what the path found; ok is false for
	// "no value now" (unknown, None).
	decode func(v any) (value any, ok bool, err error)

	commandTopic string
	// encode makes the payload of a command from a checked value.
	encode func(value any) ([]byte, error)
}

// entity is one configuration on its way to a description.
type entity struct {
	component string
	config    map[string]any
	name      string // its affordance's name; "" for the device's main feature
	d         *thing.Description
	bound     map[string]*affordance
	unmapped  []thing.Unmapped
}

func (e *entity) str(name string) string {
	switch v := e.config[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// or is a member as text, with a default where it is absent. An empty text is
// a value: buttons may have an empty payload.
func (e *entity) or(name, otherwise string) string {
	if _, ok := e.config[name]; !ok {
		return otherwise
	}
	return e.str(name)
}

func (e *entity) number(name string) *float64 {
	f, ok := thing.Number(e.config[name])
	if !ok {
		return nil
	}
	return &f
}

func (e *entity) numberOr(name string, otherwise float64) *float64 {
	if f := e.number(name); f != nil {
		return f
	}
	return &otherwise
}

// list is a member as texts without repetition.
func (e *entity) list(name string) []any {
	items, _ := e.config[name].([]any)
	if len(items) > maxOptions {
		return nil
	}
	var out []any
	seen := map[string]bool{}
	for _, item := range items {
		s := text(item)
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// skip lists a piece of the entity that is not mapped.
func (e *entity) skip(what, why string) {
	place := what
	if e.name != "" {
		place = e.name + " " + what
	}
	e.unmapped = append(e.unmapped, thing.Unmapped{Place: strings.TrimSpace(e.component + " " + place), Reason: why})
}

// sub names an affordance of the entity: the main feature's are bare (state,
// brightness), others carry the entity's name.
func (e *entity) sub(name string) string {
	switch {
	case e.name == "" && name == "":
		return "state"
	case e.name == "":
		return name
	case name == "state" || name == "":
		return e.name
	}
	return e.name + "_" + name
}

// property is what a component wants mapped: the names of the members that
// hold its topics and templates, and how values look.
type property struct {
	name           string
	state, value   string // members: topic, template
	command, write string // members: topic, template
	schema         thing.Schema
	decode         func(v any) (any, bool, error)
	encode         func(value any) (string, error)
}

// add maps one property; without any topic nothing happens.
func (e *entity) add(p property) {
	bound := &affordance{decode: p.decode}
	if bound.decode == nil {
		bound.decode = decoder(p.schema)
	}
	if topic := e.str(p.state); topic != "" {
		e.bindState(p, topic, bound)
	}
	if topic := e.str(p.command); topic != "" {
		e.bindCommand(p, topic, bound)
	}
	if bound.stateTopic == "" && bound.commandTopic == "" {
		return
	}
	s := p.schema
	s.ReadOnly, s.WriteOnly = bound.commandTopic == "", bound.stateTopic == ""
	if s.Title == "" {
		s.Title = e.str("name")
	}
	name := thing.Slug(e.sub(p.name))
	if name == "" || e.bound[name] != nil {
		e.skip(p.name, "makes no name of its own")
		return
	}
	e.d.AddProperty(name, s)
	e.bound[name] = bound
}

func (e *entity) bindState(p property, topic string, bound *affordance) {
	where, err := parsePath(e.str(p.value))
	if err != nil {
		e.skip(p.name, err.Error()+": "+clip(e.str(p.value)))
		return
	}
	bound.stateTopic, bound.state = topic, where
}

func (e *entity) bindCommand(p property, topic string, bound *affordance) {
	how, err := parseWriting(e.str(p.write))
	if err != nil {
		e.skip(p.name+" command", err.Error()+": "+clip(e.str(p.write)))
		return
	}
	encode := p.encode
	if encode == nil {
		encode = func(v any) (string, error) { return text(v), nil }
	}
	bound.commandTopic = topic
	bound.encode = func(v any) ([]byte, error) {
		s, err := encode(v)
		if err != nil {
			return nil, err
		}
		return how.render(s)
	}
}

// action maps a command without input: a payload to a topic.
func (e *entity) action(name, title, topicMember, payload string) {
	topic := e.str(topicMember)
	if topic == "" {
		return
	}
	full := thing.Slug(e.sub(name))
	if full == "" || e.bound[full] != nil {
		e.skip(name, "makes no name of its own")
		return
	}
	e.d.AddAction(full, title, "", nil)
	e.bound[full] = &affordance{commandTopic: topic, encode: func(any) ([]byte, error) { return []byte(payload), nil }}
}

func clip(s string) string {
	const most = 120
	s = strings.ToValidUTF8(s, "")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// decoder reads a value by its schema's type. Home Assistant's values are
// texts, so "21.5" is a number; "warm" is none.
func decoder(s thing.Schema) func(v any) (any, bool, error) {
	if s.Type == "number" {
		return decodeNumber
	}
	return func(v any) (any, bool, error) {
		if v == nil || v == "unavailable" {
			return nil, false, nil
		}
		if s.Type == "string" {
			return text(v), true, nil
		}
		return v, true, nil
	}
}

func decodeNumber(v any) (any, bool, error) {
	switch x := v.(type) {
	case nil:
		return nil, false, nil
	case json.Number:
		return x, true, nil
	case string:
		s := strings.TrimSpace(x)
		if s == "" || s == "unknown" || s == "unavailable" || s == "None" {
			return nil, false, nil
		}
		f, err := strconv.ParseFloat(s, 64)
		if _, finite := thing.Number(f); err != nil || !finite {
			return nil, false, fmt.Errorf("text of %d bytes where the description says number", len(x))
		}
		return f, true, nil
	}
	return nil, false, errors.New("not a number where the description says number")
}

// choice maps payloads to names of values and back: {"ON": payload_on, …}.
type choice struct{ value, payload string }

func enumOf(choices []choice) []any {
	var out []any
	for _, c := range choices {
		out = append(out, c.value)
	}
	return out
}

func decodeChoice(choices []choice) func(v any) (any, bool, error) {
	return func(v any) (any, bool, error) {
		s := text(v)
		for _, c := range choices {
			if s == c.payload || v != nil && strings.EqualFold(s, c.payload) {
				return c.value, true, nil
			}
		}
		if v == nil || s == "None" || s == "unknown" || s == "unavailable" || s == "" {
			return nil, false, nil
		}
		return nil, false, fmt.Errorf("text of %d bytes is none of the %d values described", len(s), len(choices))
	}
}

func encodeChoice(choices []choice) func(v any) (string, error) {
	return func(v any) (string, error) {
		for _, c := range choices {
			if v == c.value {
				return c.payload, nil
			}
		}
		return "", errors.New("not one of the values described")
	}
}
