package thing

import (
	"math"
	"slices"
	"strconv"
)

func isSchemaType(name string) bool {
	return slices.Contains([]string{"boolean", "integer", "number", "string", "object", "array", "null"}, name)
}

func validateSchemaValue(v any, at string) *Problem {
	s, ok := v.(map[string]any)
	if !ok {
		return wrong(at, "%s is not a data schema", show(v))
	}
	return validateSchema(s, at)
}

// validateSchema checks a data schema (TD 1.1 §5.3.2). The depth is bounded by
// decodeTree.
func validateSchema(s map[string]any, at string) *Problem {
	for _, name := range []string{"title", "description", "unit", "format"} {
		if p := wantString(s, at, name); p != nil {
			return p
		}
	}
	for _, name := range []string{"readOnly", "writeOnly"} {
		if p := wantBool(s, at, name); p != nil {
			return p
		}
	}
	if t, ok := s["type"]; ok {
		name, _ := t.(string)
		if !isSchemaType(name) {
			return wrong(at+"/type", "not one of boolean, integer, number, string, object, array, null")
		}
	}
	for _, check := range []func(map[string]any, string) *Problem{validateEnum, validateBounds, validateNested} {
		if p := check(s, at); p != nil {
			return p
		}
	}
	return validateTypes(s["@type"], at+"/@type")
}

func validateEnum(s map[string]any, at string) *Problem {
	v, ok := s["enum"]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return wrong(at+"/enum", "not a list with at least one value")
	}
	seen := make(map[string]bool, len(list))
	for i, one := range list {
		key := enumKey(one)
		if seen[key] {
			return wrong(at+"/enum/"+strconv.Itoa(i), "value appears twice")
		}
		seen[key] = true
	}
	return nil
}

// enumKey is equal for equal JSON values, so that a long enum is checked in
// linear time.
func enumKey(v any) string {
	if f, ok := Number(v); ok {
		return "n" + strconv.FormatFloat(f, 'g', -1, 64)
	}
	b, err := RawValue(v)
	if err != nil {
		return ""
	}
	return "j" + string(b)
}

func validateBounds(s map[string]any, at string) *Problem {
	for _, name := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		v, ok := s[name]
		if !ok {
			continue
		}
		f, ok := Number(v)
		if !ok {
			return wrong(at+"/"+name, "%s is not a number", show(v))
		}
		if name == "multipleOf" && f <= 0 {
			return wrong(at+"/"+name, "not more than zero")
		}
	}
	for _, name := range []string{"minLength", "maxLength", "minItems", "maxItems"} {
		v, ok := s[name]
		if !ok {
			continue
		}
		f, ok := Number(v)
		if !ok || f < 0 || f != math.Trunc(f) || f > math.MaxInt32 {
			return wrong(at+"/"+name, "%s is not a count", show(v))
		}
	}
	return nil
}

func validateNested(s map[string]any, at string) *Problem {
	if v, ok := s["oneOf"]; ok {
		list, ok := v.([]any)
		if !ok {
			return wrong(at+"/oneOf", "%s is not a list", show(v))
		}
		if p := validateSchemas(list, at+"/oneOf"); p != nil {
			return p
		}
	}
	if v, ok := s["items"]; ok {
		if p := validateItems(v, at+"/items"); p != nil {
			return p
		}
	}
	if v, ok := s["properties"]; ok {
		all, ok := v.(map[string]any)
		if !ok {
			return wrong(at+"/properties", "%s is not an object", show(v))
		}
		for name, one := range all {
			if p := validateSchemaValue(one, at+"/properties/"+escape(name)); p != nil {
				return p
			}
		}
	}
	return validateRequired(s["required"], at+"/required")
}

func validateItems(v any, at string) *Problem {
	if list, ok := v.([]any); ok {
		return validateSchemas(list, at)
	}
	return validateSchemaValue(v, at)
}

func validateSchemas(list []any, at string) *Problem {
	for i, one := range list {
		if p := validateSchemaValue(one, at+"/"+strconv.Itoa(i)); p != nil {
			return p
		}
	}
	return nil
}

func validateRequired(v any, at string) *Problem {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return wrong(at, "%s is not a list", show(v))
	}
	for i, one := range list {
		if _, ok := one.(string); !ok {
			return wrong(at+"/"+strconv.Itoa(i), "%s is not a name", show(one))
		}
	}
	return nil
}

func wantString(m map[string]any, at, name string) *Problem {
	if v, ok := m[name]; ok {
		if _, ok := v.(string); !ok {
			return wrong(at+"/"+name, "%s where text is wanted", show(v))
		}
	}
	return nil
}

func wantBool(m map[string]any, at, name string) *Problem {
	if v, ok := m[name]; ok {
		if _, ok := v.(bool); !ok {
			return wrong(at+"/"+name, "%s where true or false is wanted", show(v))
		}
	}
	return nil
}
