package td

import (
	"bytes"
	_ "embed" // the schema
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"primum/thing"
)

// published is the JSON Schema of TD 1.1 as W3C publishes it; it takes
// descriptions of 1.0, too.
//
//go:embed td-1.1-schema.json
var published []byte

// Validator checks descriptions. It is immutable.
type Validator struct {
	schema *jsonschema.Schema
	plain  *strings.Replacer // of names, so that password and pass_word are one
}

// NewValidator compiles the schema, which takes some milliseconds: make one and
// keep it.
func NewValidator() (*Validator, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(published))
	if err != nil {
		return nil, fmt.Errorf("read the schema of thing descriptions: %w", err)
	}
	const at = "https://td.invalid/td-1.1-schema.json"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(at, doc); err != nil {
		return nil, fmt.Errorf("read the schema of thing descriptions: %w", err)
	}
	s, err := c.Compile(at)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of thing descriptions: %w", err)
	}
	return &Validator{s, strings.NewReplacer("_", "", "-", "", " ", "")}, nil
}

// Validate checks a description whole. The error is an *Invalid. What it costs
// is in proportion to MaxBytes at most.
func (v *Validator) Validate(b []byte) (Summary, error) {
	tree, err := thing.DecodeLarge(b, MaxBytes)
	if err != nil {
		return Summary{}, undecodable(err)
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return Summary{}, Invalidate("", "a thing description is a JSON object")
	}
	if err := tooMany(top); err != nil {
		return Summary{}, err
	}
	// The rules that follow rely on the shapes that the schema asks for.
	if err := v.schema.Validate(top); err != nil {
		return Summary{}, unshaped(err)
	}
	c := &checker{top: top, version: versionOf(top["@context"]), plain: v.plain}
	c.check()
	if err := invalid(c.faults); err != nil {
		return Summary{}, err
	}
	return c.summary(), nil
}

func undecodable(err error) error {
	var p *thing.Problem
	if errors.As(err, &p) {
		return Invalidate(p.Pointer, p.Reason)
	}
	return Invalidate("", err.Error())
}

// tooMany counts affordances before anything is done for each.
func tooMany(top map[string]any) error {
	n := 0
	for _, name := range []string{"properties", "actions", "events"} {
		m, _ := top[name].(map[string]any)
		if n += len(m); n > MaxAffordances {
			return Invalidate("/"+name, fmt.Sprintf("more than %d properties, actions and events together", MaxAffordances))
		}
	}
	return nil
}

// versionOf is "1.0" where only that context is named.
func versionOf(context any) string {
	list, ok := context.([]any)
	if !ok {
		list = []any{context}
	}
	if slices.Contains(list, any(Context11)) {
		return "1.1"
	}
	return "1.0"
}

func (c *checker) summary() Summary {
	s := Summary{Version: c.version}
	s.ID, _ = c.top["id"].(string)
	s.Title, _ = c.top["title"].(string)
	_, s.LoneType = c.top["@type"].(string)
	for _, t := range listOf(c.top["@type"]) {
		if name, ok := t.(string); ok {
			s.Types = append(s.Types, name)
		}
	}
	names := func(member string) []string {
		m, _ := c.top[member].(map[string]any)
		return slices.Sorted(maps.Keys(m))
	}
	s.Properties, s.Actions, s.Events = names("properties"), names("actions"), names("events")
	return s
}

// listOf reads "one or a list of".
func listOf(v any) []any {
	switch x := v.(type) {
	case nil:
		return nil
	case []any:
		return x
	}
	return []any{v}
}
