package zigbee2mqtt

import (
	"encoding/json"
	"fmt"

	"primum/thing"
)

// schemaOf maps one expose to a data schema; why is set where it can't.
func schemaOf(e *expose, level int) (s thing.Schema, why string) {
	if level > maxLevels {
		return s, "nested too deep"
	}
	switch e.Type {
	case "binary":
		s, why = binarySchema(e)
	case "numeric":
		s, why = numericSchema(e)
	case "enum":
		s, why = enumSchema(e)
	case "text":
		s = thing.Schema{Type: "string", MinLength: count(e.LengthMin), MaxLength: count(e.LengthMax)}
	case "composite":
		s, why = compositeSchema(e, level)
	case "list":
		s, why = listSchema(e, level)
	default:
		return s, fmt.Sprintf("type %.20q is not known", e.Type)
	}
	s.Title, s.Text = title(e), e.Description
	return s, why
}

func title(e *expose) string {
	if e.Label != "" {
		return e.Label
	}
	return e.Name
}

func count(n *int) *int {
	if n == nil || *n < 0 {
		return nil
	}
	return n
}

func binarySchema(e *expose) (s thing.Schema, why string) {
	on, errOn := thing.DecodeValue(e.ValueOn)
	off, errOff := thing.DecodeValue(e.ValueOff)
	if errOn != nil || errOff != nil {
		return s, "its values for on and off are missing"
	}
	_, onBool := on.(bool)
	_, offBool := off.(bool)
	if onBool && offBool {
		return thing.Schema{Type: "boolean"}, ""
	}
	return valuesSchema([]any{on, off})
}

func numericSchema(e *expose) (thing.Schema, string) {
	s := thing.Schema{Type: "number", Unit: thing.Unit(e.Unit), Minimum: e.ValueMin, Maximum: e.ValueMax}
	if e.ValueStep != nil && *e.ValueStep > 0 {
		s.MultipleOf = e.ValueStep
	}
	if s.Minimum != nil && s.Maximum != nil && *s.Minimum > *s.Maximum {
		s.Minimum, s.Maximum = nil, nil // a broken range says nothing
	}
	if outside := presetsOutside(e); len(outside) > 0 {
		// A preset such as 65535 for "as before" lies outside the range.
		inside := thing.Schema{Minimum: s.Minimum, Maximum: s.Maximum}
		s.OneOf = []*thing.Schema{&inside, {Enum: outside}}
		s.Minimum, s.Maximum = nil, nil
	}
	return s, ""
}

func presetsOutside(e *expose) []any {
	var outside []any
	for _, p := range e.Presets {
		v, err := thing.DecodeValue(p.Value)
		f, ok := thing.Number(v)
		if err != nil || !ok {
			continue
		}
		if e.ValueMin != nil && f < *e.ValueMin || e.ValueMax != nil && f > *e.ValueMax {
			outside = append(outside, v)
		}
	}
	return uniqueValues(outside)
}

func enumSchema(e *expose) (thing.Schema, string) {
	if len(e.Values) > maxEnum {
		return thing.Schema{}, fmt.Sprintf("has %d values, more than %d", len(e.Values), maxEnum)
	}
	var values []any
	for _, raw := range e.Values {
		v, err := thing.DecodeValue(raw)
		if err != nil {
			return thing.Schema{}, "a value of it is not JSON"
		}
		values = append(values, v)
	}
	return valuesSchema(values)
}

func valuesSchema(values []any) (thing.Schema, string) {
	values = uniqueValues(values) // some definitions list a value twice
	if len(values) == 0 {
		return thing.Schema{}, "lists no values"
	}
	s := thing.Schema{Enum: values, Type: kind(values[0])}
	for _, v := range values {
		if kind(v) != s.Type {
			s.Type = ""
		}
	}
	return s, ""
}

func kind(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	}
	return ""
}

func uniqueValues(values []any) []any {
	seen := map[string]bool{}
	var out []any
	for _, v := range values {
		raw, err := thing.RawValue(v)
		key := string(raw)
		if f, ok := thing.Number(v); ok {
			key = fmt.Sprint("n", f)
		}
		if err != nil || seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, v)
	}
	return out
}

func compositeSchema(e *expose, level int) (thing.Schema, string) {
	s := thing.Schema{Type: "object", Properties: map[string]*thing.Schema{}}
	for i := range e.Features {
		f := &e.Features[i]
		name := f.Property
		if name == "" {
			name = f.Name
		}
		member, why := schemaOf(f, level+1)
		if why != "" {
			return s, fmt.Sprintf("its feature %.40q %s", name, why)
		}
		s.Properties[name] = &member
	}
	return s, ""
}

func listSchema(e *expose, level int) (thing.Schema, string) {
	s := thing.Schema{Type: "array", MinItems: count(e.LengthMin), MaxItems: count(e.LengthMax)}
	if e.ItemType == nil {
		return s, ""
	}
	item, why := schemaOf(e.ItemType, level+1)
	if why != "" {
		return s, "its items: " + why
	}
	s.Items = &item
	return s, ""
}
