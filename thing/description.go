package thing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// Context is the JSON-LD context of Thing Description 1.1.
const Context = "https://www.w3.org/2022/wot/td/v1.1"

// Operations of WoT that grants, forms and circles use (TD 1.1 §5.3.4.2).
const (
	ReadProperty    = "readproperty"
	WriteProperty   = "writeproperty"
	ObserveProperty = "observeproperty"
	InvokeAction    = "invokeaction"
	SubscribeEvent  = "subscribeevent"
)

// Description is a W3C WoT Thing Description 1.1. Members not named here are
// kept in Extra. The zero value is not valid; New makes one that is.
type Description struct {
	Context             json.RawMessage
	ID                  string
	Types               Strings
	Title               string
	Text                string // member "description"
	SecurityDefinitions map[string]json.RawMessage
	Security            Strings
	Properties          map[string]*Property
	Actions             map[string]*Action
	Events              map[string]*Event
	Extra               map[string]json.RawMessage
}

// Property is a value that a thing has: read, observed, or written.
type Property struct {
	Schema
	Observable bool
	Forms      []Form
}

// Action is something that a thing does when asked.
type Action struct {
	Title  string
	Text   string
	Input  *Schema
	Output *Schema
	Forms  []Form
	Extra  map[string]json.RawMessage
}

// Event is something that a thing tells when it happens.
type Event struct {
	Title string
	Text  string
	Data  *Schema
	Forms []Form
	Extra map[string]json.RawMessage
}

// Form says how an operation is reached. Primum writes an href relative to
// the circle the description came through ("properties/flow"): what a device's
// topic is on the LAN is nobody else's business.
type Form struct {
	Href  string
	Op    Strings
	Extra map[string]json.RawMessage
}

// Schema is a TD data schema, a subset of JSON Schema (TD 1.1 §5.3.2).
type Schema struct {
	Title, Text      string
	Type             string // boolean, integer, number, string, object, array, null or empty
	Unit             string
	Format           string
	Enum             []any
	Const            json.RawMessage
	Minimum, Maximum *float64
	MultipleOf       *float64
	MinLength        *int
	MaxLength        *int
	MinItems         *int
	MaxItems         *int
	Items            *Schema // of the one-schema form; the tuple form stays in Extra
	Properties       map[string]*Schema
	Required         []string
	OneOf            []*Schema
	ReadOnly         bool
	WriteOnly        bool
	Extra            map[string]json.RawMessage
}

// Strings is one string or a list of them in JSON.
type Strings []string

// MarshalJSON writes a lone string without brackets.
func (s Strings) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return json.Marshal(s[0])
	}
	return json.Marshal([]string(s))
}

// UnmarshalJSON reads both forms.
func (s *Strings) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = Strings{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return fmt.Errorf("decode string or list of strings: %w", err)
	}
	*s = many
	return nil
}

// New is an empty valid description with security "nosec": whoever has the
// description through a circle has what the circle gives, and nothing else
// opens the thing.
func New(title string) *Description {
	return &Description{
		Context:             json.RawMessage(`"` + Context + `"`),
		Title:               title,
		SecurityDefinitions: map[string]json.RawMessage{"circle": json.RawMessage(`{"scheme":"nosec"}`)},
		Security:            Strings{"circle"},
	}
}

// AddProperty puts a property in, with the one form that its read and write
// marks call for, and returns it.
func (d *Description) AddProperty(name string, s Schema) *Property {
	p := &Property{Schema: s}
	var ops Strings
	if !s.WriteOnly {
		p.Observable = true
		ops = append(ops, ReadProperty, ObserveProperty)
	}
	if !s.ReadOnly {
		ops = append(ops, WriteProperty)
	}
	p.Forms = []Form{{Href: "properties/" + name, Op: ops}}
	if d.Properties == nil {
		d.Properties = map[string]*Property{}
	}
	d.Properties[name] = p
	return p
}

// AddAction puts an action in, with its form, and returns it.
func (d *Description) AddAction(name, title, text string, input *Schema) *Action {
	a := &Action{Title: title, Text: text, Input: input, Forms: []Form{{Href: "actions/" + name, Op: Strings{InvokeAction}}}}
	if d.Actions == nil {
		d.Actions = map[string]*Action{}
	}
	d.Actions[name] = a
	return a
}

// AddEvent puts an event in, with its form, and returns it.
func (d *Description) AddEvent(name, title, text string, data *Schema) *Event {
	e := &Event{Title: title, Text: text, Data: data, Forms: []Form{{Href: "events/" + name, Op: Strings{SubscribeEvent}}}}
	if d.Events == nil {
		d.Events = map[string]*Event{}
	}
	d.Events[name] = e
	return e
}

// Hash is the base64url SHA-256 of the description's JSON with sorted members:
// equal descriptions have equal hashes however they were written.
func (d *Description) Hash() (string, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("hash description: %w", err)
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// Affordances lists the names of all properties, actions and events, sorted.
func (d *Description) Affordances() []string {
	var names []string
	for n := range d.Properties {
		names = append(names, n)
	}
	for n := range d.Actions {
		names = append(names, n)
	}
	for n := range d.Events {
		names = append(names, n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Operations lists what may be done with an affordance, empty when there is
// none of that name.
func (d *Description) Operations(affordance string) []string {
	var ops []string
	if p := d.Properties[affordance]; p != nil {
		for _, f := range p.Forms {
			ops = append(ops, f.Op...)
		}
	}
	if d.Actions[affordance] != nil {
		ops = append(ops, InvokeAction)
	}
	if d.Events[affordance] != nil {
		ops = append(ops, SubscribeEvent)
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// Only is a copy with the named affordances alone: what a grantee is told.
// Unknown top-level members are left out of it, since nobody chose to give them.
func (d *Description) Only(affordances ...string) *Description {
	c := *d
	c.Extra, c.Properties, c.Actions, c.Events = nil, nil, nil, nil
	for _, n := range affordances {
		if p := d.Properties[n]; p != nil {
			if c.Properties == nil {
				c.Properties = map[string]*Property{}
			}
			c.Properties[n] = p
		}
		if a := d.Actions[n]; a != nil {
			if c.Actions == nil {
				c.Actions = map[string]*Action{}
			}
			c.Actions[n] = a
		}
		if e := d.Events[n]; e != nil {
			if c.Events == nil {
				c.Events = map[string]*Event{}
			}
			c.Events[n] = e
		}
	}
	return &c
}
