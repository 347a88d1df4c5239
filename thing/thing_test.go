package thing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"water/flow", "lamp", "küche/zustand_l1", "0x00158d0001/state", "a.b-c_d/x"} {
		n, err := ParseName(s)
		if err != nil || n.String() != s {
			t.Errorf("%q: %v, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "/", "a/", "/b", "a/b/c", "Water/flow", "a b", "-a", "a/\xff", "a\x00", strings.Repeat("x", MaxName+1), "ẞ"} {
		if n, err := ParseName(s); err == nil {
			t.Errorf("%q was taken as %v", s, n)
		}
	}
	var n Name
	b, err := json.Marshal(Name{"water", "flow"})
	if err != nil || json.Unmarshal(b, &n) != nil || n.Affordance != "flow" {
		t.Errorf("JSON %s, %v, %v", b, n, err)
	}
	if err := json.Unmarshal([]byte(`"A/b"`), &n); err == nil {
		t.Error("a bad name was decoded")
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Kitchen Lamp":  "kitchen-lamp",
		"  Küche / 1. ": "küche-1.",
		"ntc status":    "ntc-status",
		"!?":            "",
		"a\xffb":        "a-b",
		"—x—":           "x",
	} {
		if got := Slug(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := Slug(strings.Repeat("ü!", 100))
	if err := CheckName(long); err != nil || len(long) > MaxName {
		t.Errorf("%q: %v", long, err)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  C": "°C", "℃": "°C", "Hours": "h", "sec.": "s", "m3": "m³", "μS/cm": "µS/cm", "VAR": "var", "ug/m3": "µg/m³", "foo": "foo", "": "", "W": "W",
	} {
		if got := Unit(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func meter() *Description {
	low := 0.0
	d := New("Water meter")
	d.AddProperty("flow", Schema{Type: "number", Unit: "L/min", Minimum: &low, ReadOnly: true})
	d.AddProperty("valve", Schema{Type: "string", Enum: []any{"ON", "OFF"}})
	d.AddProperty("code", Schema{Type: "string", WriteOnly: true})
	d.AddAction("reset", "Reset", "Sets the counter to zero", &Schema{Type: "integer"})
	d.AddEvent("leak", "Leak", "", &Schema{Type: "boolean"})
	return d
}

func TestBuiltDescriptions(t *testing.T) {
	t.Parallel()
	d := meter()
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := d.Affordances(); !slices.Equal(got, []string{"code", "flow", "leak", "reset", "valve"}) {
		t.Errorf("affordances %v", got)
	}
	for name, want := range map[string][]string{
		"flow":  {ObserveProperty, ReadProperty},
		"valve": {ObserveProperty, ReadProperty, WriteProperty},
		"code":  {WriteProperty},
		"reset": {InvokeAction},
		"leak":  {SubscribeEvent},
		"none":  nil,
	} {
		if got := d.Operations(name); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	d.Extra = map[string]json.RawMessage{"serial": json.RawMessage(`"1234"`)}
	only := d.Only("flow", "leak", "none")
	if got := only.Affordances(); !slices.Equal(got, []string{"flow", "leak"}) || only.Extra != nil {
		t.Errorf("only %v, %v", got, only.Extra)
	}
	a, err := d.Hash()
	if err != nil {
		t.Fatal(err)
	}
	d.Properties["flow"].Unit = "m³/h"
	if b, err := d.Hash(); err != nil || a == b {
		t.Errorf("a change has the same hash, %v", err)
	}
}

// TestUnknownMembersSurvive decodes and encodes a description with members of
// others on every level.
func TestUnknownMembersSurvive(t *testing.T) {
	t.Parallel()
	in := `{"@context":["https://www.w3.org/2022/wot/td/v1.1",{"x":"urn:x"}],"@type":["x:A","x:B"],"title":"T","security":["a"],
	 "securityDefinitions":{"a":{"scheme":"nosec","x:y":1}},"support":"mailto:a@b","id":"urn:uuid:1","base":"coap://h/",
	 "properties":{"p":{"type":"array","items":[{"type":"string"},{"type":"number"}],"x:p":{"deep":[1,null]},"enum":[[12345678901234567890]],"forms":[{"href":"h","x:f":true,"op":["readproperty"]}]},
	   "q":{"type":"object","properties":{"r":{"type":"string","x:r":1}},"required":["r"],"const":null,"exclusiveMinimum":1,"forms":[{"href":"q"}]}},
	 "actions":{"a":{"input":{"oneOf":[{"type":"string"}]},"safe":true,"x:a":1,"forms":[{"href":"a"}]}},
	 "events":{"e":{"subscription":{"type":"string"},"forms":[{"href":"e","op":"subscribeevent"}]}}}`
	d, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := canonical(t, []byte(in)), canonical(t, out); a != b {
		t.Errorf("changed:\n%s\n%s", a, b)
	}
	again, err := Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	h1, _ := d.Hash()
	if h2, err := again.Hash(); err != nil || h1 != h2 {
		t.Errorf("hash changed: %s %s %v", h1, h2, err)
	}
}

// canonical writes JSON with sorted members, lists of one text as the text.
func canonical(t *testing.T, b []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var lone func(v any) any
	lone = func(v any) any {
		m, ok := v.(map[string]any)
		if !ok {
			if list, ok := v.([]any); ok {
				for i := range list {
					list[i] = lone(list[i])
				}
			}
			return v
		}
		for _, name := range []string{"security", "op", "@type"} {
			if list, ok := m[name].([]any); ok && len(list) == 1 {
				m[name] = list[0]
			}
		}
		for k := range m {
			m[k] = lone(m[k])
		}
		return m
	}
	out, err := json.Marshal(lone(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func minimal(members string) string {
	return `{"@context":"` + Context + `","title":"T","security":"a","securityDefinitions":{"a":{"scheme":"nosec"}}` + members + `}`
}

func TestRefusalsNameThePlace(t *testing.T) {
	t.Parallel()
	property := func(s string) string { return minimal(`,"properties":{"p~/":{` + s + `,"forms":[{"href":"x"}]}}`) }
	for name, c := range map[string]struct{ in, pointer string }{
		"not JSON":          {`{`, ""},
		"not UTF-8":         {"\"\xff\"", ""},
		"list":              {`[]`, ""},
		"two":               {minimal("") + "{}", ""},
		"no title":          {`{"@context":"` + Context + `"}`, ""},
		"title twice":       {minimal(`,"title":"U"`), "/title"},
		"other context":     {strings.Replace(minimal(""), Context, "https://example.org", 1), "/@context"},
		"context number":    {strings.Replace(minimal(""), `"`+Context+`"`, `[1]`, 1), "/@context/0"},
		"thing model":       {minimal(`,"@type":"tm:ThingModel"`), "/@type/0"},
		"title number":      {strings.Replace(minimal(""), `"T"`, `1`, 1), "/title"},
		"id":                {minimal(`,"id":"no uri"`), "/id"},
		"no scheme":         {strings.Replace(minimal(""), `"scheme"`, `"s"`, 1), "/securityDefinitions/a/scheme"},
		"undefined scheme":  {strings.Replace(minimal(""), `"security":"a"`, `"security":"b"`, 1), "/security"},
		"empty security":    {strings.Replace(minimal(""), `"security":"a"`, `"security":[]`, 1), "/security"},
		"properties list":   {minimal(`,"properties":[]`), "/properties"},
		"property text":     {minimal(`,"properties":{"p":"x"}`), "/properties/p"},
		"no forms":          {minimal(`,"properties":{"p":{}}`), "/properties/p/forms"},
		"empty forms":       {minimal(`,"actions":{"a":{"forms":[]}}`), "/actions/a/forms"},
		"form text":         {minimal(`,"events":{"e":{"forms":["x"]}}`), "/events/e/forms/0"},
		"no href":           {minimal(`,"events":{"e":{"forms":[{}]}}`), "/events/e/forms/0/href"},
		"bad href":          {minimal(`,"events":{"e":{"forms":[{"href":"%zz"}]}}`), "/events/e/forms/0/href"},
		"wrong op":          {minimal(`,"actions":{"a":{"forms":[{"href":"x","op":"readproperty"}]}}`), "/actions/a/forms/0/op"},
		"empty op":          {minimal(`,"actions":{"a":{"forms":[{"href":"x","op":[]}]}}`), "/actions/a/forms/0/op"},
		"input text":        {minimal(`,"actions":{"a":{"input":"x","forms":[{"href":"x"}]}}`), "/actions/a/input"},
		"type unknown":      {property(`"type":"float"`), "/properties/p~0~1/type"},
		"type list":         {property(`"type":["string"]`), "/properties/p~0~1/type"},
		"enum twice":        {property(`"enum":["a","b","a"]`), "/properties/p~0~1/enum/2"},
		"enum equal":        {property(`"enum":[1,1.0]`), "/properties/p~0~1/enum/1"},
		"enum empty":        {property(`"enum":[]`), "/properties/p~0~1/enum"},
		"minimum text":      {property(`"minimum":"0"`), "/properties/p~0~1/minimum"},
		"multipleOf zero":   {property(`"multipleOf":0`), "/properties/p~0~1/multipleOf"},
		"maxLength half":    {property(`"maxLength":1.5`), "/properties/p~0~1/maxLength"},
		"minItems negative": {property(`"minItems":-1`), "/properties/p~0~1/minItems"},
		"readOnly text":     {property(`"readOnly":"true"`), "/properties/p~0~1/readOnly"},
		"observable null":   {property(`"observable":null`), "/properties/p~0~1/observable"},
		"oneOf object":      {property(`"oneOf":{}`), "/properties/p~0~1/oneOf"},
		"items text":        {property(`"items":"x"`), "/properties/p~0~1/items"},
		"nested":            {property(`"properties":{"a":{"items":{"oneOf":[{"type":1}]}}}`), "/properties/p~0~1/properties/a/items/oneOf/0/type"},
		"required number":   {property(`"required":[1]`), "/properties/p~0~1/required/0"},
		"huge number":       {property(`"minimum":1e999`), "/properties/p~0~1/minimum"},
		"too deep":          {strings.Repeat(`[`, 100_000), ""},
		"too large":         {strings.Repeat(" ", MaxDescription+1), ""},
	} {
		_, err := Parse([]byte(c.in))
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %v is no problem with a place", name, err)
			continue
		}
		if p.Pointer != c.pointer || len(p.Error()) > 300 {
			t.Errorf("%s: at %q, want %q: %v", name, p.Pointer, c.pointer, err)
		}
	}
}

func TestTooManyAffordances(t *testing.T) {
	t.Parallel()
	d := New("many")
	for i := range MaxAffordances {
		d.AddProperty(fmt.Sprint("p", i), Schema{})
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	d.AddAction("a", "", "", nil)
	if err := d.Validate(); err == nil {
		t.Error("one affordance too many was taken")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	schema := func(s string) *Schema {
		var out Schema
		if err := json.Unmarshal([]byte(s), &out); err != nil {
			t.Fatal(err)
		}
		return &out
	}
	for _, c := range []struct{ schema, value, pointer string }{
		{`{"type":"number"}`, `1.5`, "ok"},
		{`{"type":"number"}`, `"1.5"`, ""},
		{`{"type":"number"}`, `null`, ""},
		{`{"type":"number"}`, `true`, ""},
		{`{"type":"integer"}`, `3.0`, "ok"},
		{`{"type":"integer"}`, `3.5`, ""},
		{`{"type":"string"}`, `3`, ""},
		{`{"type":"boolean"}`, `"true"`, ""},
		{`{"type":"null"}`, `null`, "ok"},
		{`{}`, `{"a":[1]}`, "ok"},
		{`{"type":"number","minimum":0,"maximum":100}`, `100`, "ok"},
		{`{"type":"number","minimum":0,"maximum":100}`, `100.1`, ""},
		{`{"type":"number","minimum":0,"maximum":100}`, `-1`, ""},
		{`{"enum":["ON","OFF"]}`, `"ON"`, "ok"},
		{`{"enum":["ON","OFF"]}`, `"on"`, ""},
		{`{"enum":[1,2]}`, `2.0`, "ok"},
		{`{"enum":[[1,{"a":2}]]}`, `[1,{"a":2}]`, "ok"},
		{`{"const":5}`, `5`, "ok"},
		{`{"const":5}`, `6`, ""},
		{`{"type":"string","minLength":2,"maxLength":3}`, `"äöü"`, "ok"},
		{`{"type":"string","minLength":2,"maxLength":3}`, `"ä"`, ""},
		{`{"type":"string","minLength":2,"maxLength":3}`, `"äöüß"`, ""},
		{`{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":2}`, `[1,2]`, "ok"},
		{`{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":2}`, `[]`, ""},
		{`{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":2}`, `[1,2,3]`, ""},
		{`{"type":"array","items":{"type":"number"}}`, `[1,"x"]`, "/1"},
		{`{"type":"object","required":["a"],"properties":{"a":{"type":"object","properties":{"b/c":{"type":"number"}}}}}`, `{"a":{"b/c":"x"}}`, "/a/b~1c"},
		{`{"type":"object","required":["a"]}`, `{}`, ""},
		{`{"oneOf":[{"maximum":10},{"enum":[65535]}],"type":"number"}`, `65535`, "ok"},
		{`{"oneOf":[{"maximum":10},{"enum":[65535]}],"type":"number"}`, `11`, ""},
	} {
		v, err := DecodeValue([]byte(c.value))
		if err != nil {
			t.Fatal(err)
		}
		err = schema(c.schema).Check(v)
		if c.pointer == "ok" {
			if err != nil {
				t.Errorf("%s by %s: %v", c.value, c.schema, err)
			}
			continue
		}
		var p *Problem
		if !errors.As(err, &p) || p.Pointer != c.pointer {
			t.Errorf("%s by %s: %v, want a problem at %q", c.value, c.schema, err, c.pointer)
		}
	}
	for _, v := range []any{math.NaN(), math.Inf(1), struct{}{}, json.Number("x"), json.Number("1e999")} {
		if err := (&Schema{}).Check(v); err == nil {
			t.Errorf("%v was taken as JSON", v)
		}
	}
	secret := "hunter2-hunter2-hunter2"
	if err := (&Schema{Type: "number"}).Check(secret); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("the error shows the value: %v", err)
	}
}

func TestDecodeValueBounds(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "{", `{"a":1,"a":2}`, strings.Repeat("[", 33) + strings.Repeat("]", 33), "1 2", "\xff", "1e999", strings.Repeat(" ", MaxValue) + "1"} {
		if v, err := DecodeValue([]byte(s)); err == nil {
			t.Errorf("%.40q was decoded to %v", s, v)
		}
	}
	for _, s := range []string{`"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["`, `"\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["`, strings.Repeat("[", 32) + strings.Repeat("]", 32), " 1\n"} {
		if _, err := DecodeValue([]byte(s)); err != nil {
			t.Errorf("%.40q: %v", s, err)
		}
	}
}

func schemaOfW3C(t testing.TB) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("../../shared/data/td-1.1-schema.json")
	if err != nil {
		if os.Getenv("PRIMUM_NEED_ALL") == "1" {
			t.Fatal("../shared is not here (and PRIMUM_NEED_ALL=1)")
		}
		t.Skip("../shared is not here: descriptions were not validated against the W3C schema")
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("td.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("td.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAgainstW3CSchema(t *testing.T) {
	t.Parallel()
	schema := schemaOfW3C(t)
	for _, d := range []*Description{meter(), New("empty")} {
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", d.Title, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := json.Marshal(meter())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(minimal(`,"properties":{"p":{"items":[{}],"forms":[{"href":"x"}]}}`)))
	f.Add([]byte(`{"@context":[[]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		if err != nil {
			return
		}
		out, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("what was parsed can't be written: %v", err)
		}
		if _, err := Parse(out); err != nil {
			t.Fatalf("what was written can't be parsed: %v\n%s", err, out)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"enum":[1]}}}`), []byte(`{"a":2}`))
	f.Add([]byte(`{"oneOf":[{"minimum":1},{"type":"array","items":{"const":null}}]}`), []byte(`[null]`))
	f.Fuzz(func(t *testing.T, schema, value []byte) {
		d, err := Parse([]byte(minimal(`,"actions":{"a":{"input":` + string(schema) + `,"forms":[{"href":"x"}]}}`)))
		if err != nil || d.Actions["a"] == nil || d.Actions["a"].Input == nil {
			return
		}
		v, err := DecodeValue(value)
		if err != nil {
			return
		}
		if err := d.Actions["a"].Input.Check(v); err != nil && err.Error() == "" {
			t.Fatal("a problem without words")
		}
	})
}

func FuzzSlug(f *testing.F) {
	f.Add("Kitchen Lamp")
	f.Add("\xff…")
	f.Fuzz(func(t *testing.T, s string) {
		if slug := Slug(s); slug != "" {
			if err := CheckName(slug); err != nil {
				t.Fatalf("%q: %v", slug, err)
			}
		}
	})
}
