package thing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// member binds a JSON member to the field that holds it. One table serves
// both directions, and what is in no table goes to Extra. (Struct tags would
// match names case-insensitively and lose the rest.)
type member struct {
	name  string
	field any // pointer
}

func (d *Description) members() []member {
	return []member{
		{"@context", &d.Context},
		{"id", &d.ID},
		{"@type", &d.Types},
		{"title", &d.Title},
		{"description", &d.Text},
		{"securityDefinitions", &d.SecurityDefinitions},
		{"security", &d.Security},
		{"properties", &d.Properties},
		{"actions", &d.Actions},
		{"events", &d.Events},
	}
}

func (s *Schema) members() []member {
	return []member{
		{"title", &s.Title},
		{"description", &s.Text},
		{"type", &s.Type},
		{"unit", &s.Unit},
		{"format", &s.Format},
		{"enum", &s.Enum},
		{"const", &s.Const},
		{"minimum", &s.Minimum},
		{"maximum", &s.Maximum},
		{"multipleOf", &s.MultipleOf},
		{"minLength", &s.MinLength},
		{"maxLength", &s.MaxLength},
		{"minItems", &s.MinItems},
		{"maxItems", &s.MaxItems},
		{"items", &s.Items},
		{"properties", &s.Properties},
		{"required", &s.Required},
		{"oneOf", &s.OneOf},
		{"readOnly", &s.ReadOnly},
		{"writeOnly", &s.WriteOnly},
	}
}

func (p *Property) members() []member {
	return append(p.Schema.members(), member{"observable", &p.Observable}, member{"forms", &p.Forms})
}

func (a *Action) members() []member {
	return []member{{"title", &a.Title}, {"description", &a.Text}, {"input", &a.Input}, {"output", &a.Output}, {"forms", &a.Forms}}
}

func (e *Event) members() []member {
	return []member{{"title", &e.Title}, {"description", &e.Text}, {"data", &e.Data}, {"forms", &e.Forms}}
}

func (f *Form) members() []member {
	return []member{{"href", &f.Href}, {"op", &f.Op}}
}

// MarshalJSON writes the description with sorted members.
func (d *Description) MarshalJSON() ([]byte, error) { return encode(d.members(), d.Extra) }

// MarshalJSON writes the schema with sorted members.
func (s *Schema) MarshalJSON() ([]byte, error) { return encode(s.members(), s.Extra) }

// MarshalJSON writes the property with sorted members.
func (p *Property) MarshalJSON() ([]byte, error) { return encode(p.members(), p.Extra) }

// MarshalJSON writes the action with sorted members.
func (a *Action) MarshalJSON() ([]byte, error) { return encode(a.members(), a.Extra) }

// MarshalJSON writes the event with sorted members.
func (e *Event) MarshalJSON() ([]byte, error) { return encode(e.members(), e.Extra) }

// MarshalJSON writes the form with sorted members.
func (f Form) MarshalJSON() ([]byte, error) { return encode(f.members(), f.Extra) }

// UnmarshalJSON reads an already validated description; use Parse for text
// that comes from others.
func (d *Description) UnmarshalJSON(b []byte) error { return decode(b, d.members(), &d.Extra) }

// UnmarshalJSON reads a schema, keeping unknown members.
func (s *Schema) UnmarshalJSON(b []byte) error { return decode(b, s.members(), &s.Extra) }

// UnmarshalJSON reads a property, keeping unknown members.
func (p *Property) UnmarshalJSON(b []byte) error { return decode(b, p.members(), &p.Extra) }

// UnmarshalJSON reads an action, keeping unknown members.
func (a *Action) UnmarshalJSON(b []byte) error { return decode(b, a.members(), &a.Extra) }

// UnmarshalJSON reads an event, keeping unknown members.
func (e *Event) UnmarshalJSON(b []byte) error { return decode(b, e.members(), &e.Extra) }

// UnmarshalJSON reads a form, keeping unknown members.
func (f *Form) UnmarshalJSON(b []byte) error { return decode(b, f.members(), &f.Extra) }

func encode(table []member, extra map[string]json.RawMessage) ([]byte, error) {
	all := make(map[string]json.RawMessage, len(table)+len(extra))
	for name, raw := range extra {
		all[name] = raw
	}
	for _, m := range table {
		if empty(m.field) {
			continue
		}
		raw, err := json.Marshal(m.field)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", m.name, err)
		}
		all[m.name] = raw
	}
	return json.Marshal(all)
}

func empty(field any) bool {
	v := reflect.ValueOf(field).Elem()
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return v.IsZero()
	}
}

func decode(b []byte, table []member, extra *map[string]json.RawMessage) error {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, m := range table {
		raw, ok := all[m.name]
		if !ok {
			continue
		}
		// Whatever can't be held in the field (items as a tuple) is kept as it is.
		if err := decodeField(raw, m); err != nil {
			if items, ok := m.field.(**Schema); ok && m.name == "items" {
				*items = nil
				continue
			}
			return fmt.Errorf("decode %s: %w", m.name, err)
		}
		delete(all, m.name)
	}
	*extra = nil
	if len(all) > 0 {
		*extra = all
	}
	return nil
}

func decodeField(raw json.RawMessage, m member) error {
	if _, isEnum := m.field.(*[]any); !isEnum {
		return json.Unmarshal(raw, m.field)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // an enum of 64-bit codes stays exact
	return dec.Decode(m.field)
}
