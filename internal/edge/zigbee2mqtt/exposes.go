package zigbee2mqtt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"primum/thing"
)

// Access bits of an expose (zigbee2mqtt, "exposes": access).
const (
	accessPublished = 1 // the device's value is in its published state
	accessSet       = 2
	accessGet       = 4
)

// Bounds of one device's exposes.
const (
	maxExposes = 4096
	maxLevels  = 8
	maxEnum    = 1024
)

// expose is one element of a definition's exposes.
type expose struct {
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	Label       string            `json:"label"`
	Description string            `json:"description"`
	Property    string            `json:"property"`
	Access      int               `json:"access"`
	Unit        string            `json:"unit"`
	ValueMin    *float64          `json:"value_min"`
	ValueMax    *float64          `json:"value_max"`
	ValueStep   *float64          `json:"value_step"`
	ValueOn     json.RawMessage   `json:"value_on"`
	ValueOff    json.RawMessage   `json:"value_off"`
	Values      []json.RawMessage `json:"values"`
	Presets     []preset          `json:"presets"`
	LengthMin   *int              `json:"length_min"`
	LengthMax   *int              `json:"length_max"`
	ItemType    *expose           `json:"item_type"`
	Features    []expose          `json:"features"`
}

type preset struct {
	Value json.RawMessage `json:"value"`
}

// affordance binds a property of the description to the member of the
// device's JSON state.
type affordance struct {
	property string
	access   int
}

// mapped is what became of a device's exposes. Total = Mapped + len(Unmapped);
// every expose counts once: a group (switch, light, …) counts as its features,
// a composite or list as one.
type mapped struct {
	affordances map[string]affordance
	unmapped    []thing.Unmapped
	total       int
	mapped      int
}

type mapper struct {
	d   *thing.Description
	out mapped
	// byProperty finds the affordance of a member of the state: two composites
	// of one property (color as x,y and as hue, saturation) are one affordance.
	byProperty map[string]string
}

func mapExposes(d *thing.Description, list []expose) mapped {
	m := mapper{d: d, byProperty: map[string]string{}}
	m.out.affordances = map[string]affordance{}
	for i := range list {
		m.add(&list[i], fmt.Sprintf("/exposes/%d", i), 0)
	}
	return m.out
}

func (m *mapper) add(e *expose, at string, level int) {
	if m.group(e) {
		for i := range e.Features {
			if level >= maxLevels {
				m.skip(at, "nested too deep")
				return
			}
			m.add(&e.Features[i], fmt.Sprintf("%s/features/%d", at, i), level+1)
		}
		return
	}
	m.out.total++
	if m.out.total > maxExposes || len(m.out.affordances) >= thing.MaxAffordances {
		if len(m.out.unmapped) < maxExposes { // the list is bounded too
			m.out.unmapped = append(m.out.unmapped, thing.Unmapped{Place: at, Reason: "more exposes than one thing may have"})
		}
		return
	}
	schema, why := schemaOf(e, level)
	if why == "" {
		why = m.put(e, schema)
	}
	if why != "" {
		m.out.unmapped = append(m.out.unmapped, thing.Unmapped{Place: at, Reason: why})
		return
	}
	m.out.mapped++
}

// group says whether an expose only holds others: switch, light, cover, lock,
// climate, fan and whatever of that shape comes next.
func (m *mapper) group(e *expose) bool {
	return len(e.Features) > 0 && e.Type != "composite" && e.Type != "list" && e.Property == ""
}

func (m *mapper) skip(at, why string) {
	m.out.total++
	m.out.unmapped = append(m.out.unmapped, thing.Unmapped{Place: at, Reason: why})
}

// put enters the schema as a property, or merges it into the one that has the
// same member of the state. It returns a reason where it can't.
func (m *mapper) put(e *expose, s thing.Schema) string {
	if e.Property == "" {
		return "has no property in the device's state"
	}
	if e.Access&(accessPublished|accessSet|accessGet) == 0 {
		return "is neither published nor settable (access 0)"
	}
	s.ReadOnly = e.Access&accessSet == 0
	s.WriteOnly = e.Access&(accessPublished|accessGet) == 0
	if name, ok := m.byProperty[e.Property]; ok {
		return m.merge(name, e, s)
	}
	name := m.free(affordanceName(e.Property))
	if name == "" {
		return "its property makes no usable name"
	}
	m.d.AddProperty(name, s)
	m.byProperty[e.Property] = name
	m.out.affordances[name] = affordance{e.Property, e.Access}
	return ""
}

func (m *mapper) merge(name string, e *expose, s thing.Schema) string {
	old := m.d.Properties[name]
	if old.Type != s.Type {
		return fmt.Sprintf("is a second %q of another type", e.Property)
	}
	was := m.out.affordances[name]
	both := affordance{was.property, was.access | e.Access}
	merged := old.Schema
	if s.Type == "object" {
		merged.Properties = mergeMembers(old.Schema.Properties, s.Properties)
	} else {
		merged = widen(merged, s)
	}
	merged.ReadOnly = both.access&accessSet == 0
	merged.WriteOnly = both.access&(accessPublished|accessGet) == 0
	m.d.AddProperty(name, merged)
	m.out.affordances[name] = both
	return ""
}

func mergeMembers(a, b map[string]*thing.Schema) map[string]*thing.Schema {
	all := make(map[string]*thing.Schema, len(a)+len(b))
	for n, s := range a {
		all[n] = s
	}
	for n, s := range b {
		if all[n] == nil {
			all[n] = s
		}
	}
	return all
}

// widen makes a schema that takes what either of two takes.
func widen(a, b thing.Schema) thing.Schema {
	if len(a.Enum) > 0 && len(b.Enum) > 0 {
		a.Enum = uniqueValues(append(slices.Clone(a.Enum), b.Enum...))
	} else {
		a.Enum = nil
	}
	a.Minimum = outer(a.Minimum, b.Minimum, func(x, y float64) bool { return x < y })
	a.Maximum = outer(a.Maximum, b.Maximum, func(x, y float64) bool { return x > y })
	return a
}

func outer(a, b *float64, further func(x, y float64) bool) *float64 {
	if a == nil || b == nil {
		return nil
	}
	if further(*b, *a) {
		return b
	}
	return a
}

// free finds a name that no other affordance of the device has.
func (m *mapper) free(name string) string {
	if name == "" {
		return ""
	}
	try := name
	for i := 2; m.d.Properties[try] != nil; i++ {
		try = fmt.Sprintf("%s_%d", name, i)
	}
	if thing.CheckName(try) != nil {
		return ""
	}
	return try
}

// affordanceName writes "dimmingSpeedUp_L1" as "dimming_speed_up_l1".
func affordanceName(property string) string {
	var b strings.Builder
	var last rune
	for _, r := range property {
		if unicode.IsUpper(r) && unicode.IsLower(last) {
			b.WriteByte('_')
		}
		b.WriteRune(r)
		last = r
	}
	return thing.Slug(b.String())
}
