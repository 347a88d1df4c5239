package thing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Problem names a place in a JSON document by its pointer (RFC 6901; "" is the
// whole) and says what is wrong there.
type Problem struct {
	Pointer string
	Reason  string
}

func (p *Problem) Error() string {
	if p.Pointer == "" {
		return p.Reason
	}
	return "at " + p.Pointer + ": " + p.Reason
}

func wrong(pointer, format string, args ...any) *Problem {
	return &Problem{Pointer: pointer, Reason: fmt.Sprintf(format, args...)}
}

// Check says whether a JSON-typed value keeps to the schema. The error is a
// *Problem with the pointer into the value. Work is bounded by the sizes of
// value and schema; a schema from Parse is at most maxDepth deep.
func (s *Schema) Check(v any) error {
	if p := s.check(v, ""); p != nil {
		return p
	}
	return nil
}

func (s *Schema) check(v any, at string) *Problem {
	if p := s.checkType(v, at); p != nil {
		return p
	}
	if len(s.Enum) > 0 && !contains(s.Enum, v) {
		return wrong(at, "%s is none of the %d values described", show(v), len(s.Enum))
	}
	if len(s.Const) > 0 && !equalRaw(s.Const, v) {
		return wrong(at, "%s is not the one value described", show(v))
	}
	if len(s.OneOf) > 0 {
		if p := s.checkOneOf(v, at); p != nil {
			return p
		}
	}
	switch x := v.(type) {
	case string:
		return s.checkString(x, at)
	case []any:
		return s.checkArray(x, at)
	case map[string]any:
		return s.checkObject(x, at)
	}
	if f, ok := Number(v); ok {
		return s.checkNumber(f, at)
	}
	return nil
}

func (s *Schema) checkType(v any, at string) *Problem {
	kind := kindOf(v)
	switch {
	case kind == "":
		return wrong(at, "a %T is not a JSON value", v)
	case s.Type == "" || s.Type == kind:
		return nil
	case s.Type == "number" && kind == "integer":
		return nil
	}
	return wrong(at, "%s where the description says %s", show(v), s.Type)
}

func (s *Schema) checkOneOf(v any, at string) *Problem {
	fits := 0
	for _, one := range s.OneOf {
		if one.check(v, at) == nil {
			fits++
		}
	}
	// JSON Schema wants exactly one; descriptions made from devices overlap
	// (a number and its presets), so one or more is enough here.
	if fits == 0 {
		return wrong(at, "%s fits none of the %d forms described", show(v), len(s.OneOf))
	}
	return nil
}

func (s *Schema) checkNumber(f float64, at string) *Problem {
	switch {
	case s.Minimum != nil && f < *s.Minimum:
		return wrong(at, "%v is less than %v", f, *s.Minimum)
	case s.Maximum != nil && f > *s.Maximum:
		return wrong(at, "%v is more than %v", f, *s.Maximum)
	}
	return nil
}

func (s *Schema) checkString(x, at string) *Problem {
	n := utf8.RuneCountInString(x)
	switch {
	case !utf8.ValidString(x):
		return wrong(at, "text is not UTF-8")
	case s.MinLength != nil && n < *s.MinLength:
		return wrong(at, "text has %d characters, fewer than %d", n, *s.MinLength)
	case s.MaxLength != nil && n > *s.MaxLength:
		return wrong(at, "text has %d characters, more than %d", n, *s.MaxLength)
	}
	return nil
}

func (s *Schema) checkArray(x []any, at string) *Problem {
	switch {
	case s.MinItems != nil && len(x) < *s.MinItems:
		return wrong(at, "list has %d items, fewer than %d", len(x), *s.MinItems)
	case s.MaxItems != nil && len(x) > *s.MaxItems:
		return wrong(at, "list has %d items, more than %d", len(x), *s.MaxItems)
	case s.Items == nil:
		return nil
	}
	for i, item := range x {
		if p := s.Items.check(item, at+"/"+strconv.Itoa(i)); p != nil {
			return p
		}
	}
	return nil
}

func (s *Schema) checkObject(x map[string]any, at string) *Problem {
	for _, name := range s.Required {
		if _, ok := x[name]; !ok {
			return wrong(at, "member %q is missing", shorten(name))
		}
	}
	for name, item := range x {
		if one := s.Properties[name]; one != nil {
			if p := one.check(item, at+"/"+escape(name)); p != nil {
				return p
			}
		}
	}
	return nil
}

// Number reads a JSON-typed number; ok is false for anything else and for a
// number without a finite float64.
func Number(v any) (f float64, ok bool) {
	switch x := v.(type) {
	case float64:
		f = x
	case float32:
		f = float64(x)
	case int:
		f = float64(x)
	case int64:
		f = float64(x)
	case json.Number:
		var err error
		if f, err = x.Float64(); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	f, ok := Number(v)
	switch {
	case !ok:
		return ""
	case f == math.Trunc(f):
		return "integer"
	}
	return "number"
}

func contains(list []any, v any) bool {
	for _, one := range list {
		if equal(one, v) {
			return true
		}
	}
	return false
}

// equal compares JSON values; numbers by value ("1.0" equals "1").
func equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case string:
		y, ok := b.(string)
		return ok && x == y
	}
	if x, ok := Number(a); ok {
		y, ok := Number(b)
		return ok && x == y
	}
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

func equalRaw(raw json.RawMessage, v any) bool {
	want, err := DecodeValue(raw)
	return err == nil && equal(want, v)
}

// show writes a value for an error message: its kind, and the value itself
// only where that is short. Values are personal data; long ones aren't shown.
func show(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(x)
	case string:
		return fmt.Sprintf("text of %d bytes", len(x))
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	if f, ok := Number(v); ok {
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	return "something that is not JSON"
}
