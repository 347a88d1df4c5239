package thing

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
)

// Validate checks a description that was built here, by the rules of Parse.
func (d *Description) Validate() error {
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = Parse(b)
	return err
}

// validate walks the JSON tree of a description (TD 1.1 §5.3 and its schema).
func validate(tree any) *Problem {
	top, ok := tree.(map[string]any)
	if !ok {
		return wrong("", "a description is an object, not %s", show(tree))
	}
	for _, name := range []string{"@context", "title", "security", "securityDefinitions"} {
		if _, ok := top[name]; !ok {
			return wrong("", "member %q is missing", name)
		}
	}
	for _, check := range []func(map[string]any) *Problem{
		validateContext, validateTexts, validateSecurity, validateCount, validateAffordances,
	} {
		if p := check(top); p != nil {
			return p
		}
	}
	return nil
}

func validateContext(top map[string]any) *Problem {
	const old = "https://www.w3.org/2019/wot/td/v1"
	switch c := top["@context"].(type) {
	case string:
		if c != Context && c != old {
			return wrong("/@context", "not the context of Thing Description 1.1")
		}
		return nil
	case []any:
		for i, one := range c {
			switch one.(type) {
			case string, map[string]any:
			default:
				return wrong("/@context/"+strconv.Itoa(i), "%s is neither a context's name nor an object", show(one))
			}
		}
		if slices.Contains(c, any(Context)) || len(c) > 0 && c[0] == any(old) {
			return nil
		}
	}
	return wrong("/@context", "not the context of Thing Description 1.1")
}

func validateTexts(top map[string]any) *Problem {
	for _, name := range []string{"title", "description", "id", "base"} {
		if p := wantString(top, "", name); p != nil {
			return p
		}
	}
	id, _ := top["id"].(string)
	if u, err := url.Parse(id); id != "" && (err != nil || u.Scheme == "") {
		return wrong("/id", "not an absolute URI")
	}
	return validateTypes(top["@type"], "/@type")
}

func validateTypes(v any, at string) *Problem {
	for i, one := range listOf(v) {
		s, ok := one.(string)
		switch {
		case !ok:
			return wrong(at, "%s is not a type's name", show(one))
		case s == "tm:ThingModel":
			return wrong(at+"/"+strconv.Itoa(i), "this is a Thing Model, not a Thing Description")
		}
	}
	return nil
}

// listOf reads "one or a list of": nothing gives an empty list.
func listOf(v any) []any {
	switch x := v.(type) {
	case nil:
		return nil
	case []any:
		return x
	}
	return []any{v}
}

func validateSecurity(top map[string]any) *Problem {
	defs, ok := top["securityDefinitions"].(map[string]any)
	if !ok || len(defs) == 0 {
		return wrong("/securityDefinitions", "not an object with at least one scheme")
	}
	for name, def := range defs {
		scheme, ok := def.(map[string]any)
		if !ok {
			return wrong("/securityDefinitions/"+escape(name), "%s is not a scheme", show(def))
		}
		if _, ok := scheme["scheme"].(string); !ok {
			return wrong("/securityDefinitions/"+escape(name)+"/scheme", "missing or not text")
		}
	}
	used := listOf(top["security"])
	if len(used) == 0 {
		return wrong("/security", "names no scheme")
	}
	for _, one := range used {
		name, ok := one.(string)
		if !ok {
			return wrong("/security", "%s is not a scheme's name", show(one))
		}
		if _, ok := defs[name]; !ok {
			return wrong("/security", "scheme %q is not defined", shorten(name))
		}
	}
	return nil
}

func validateCount(top map[string]any) *Problem {
	n := 0
	for _, k := range kinds() {
		if v, ok := top[k.name]; ok {
			m, ok := v.(map[string]any)
			if !ok {
				return wrong("/"+k.name, "%s is not an object", show(v))
			}
			n += len(m)
		}
	}
	if n > MaxAffordances {
		return wrong("", "%d affordances, more than %d", n, MaxAffordances)
	}
	return nil
}

// kind is what the TD says about one sort of affordance.
type kind struct {
	name    string
	ops     []string // operations that its forms may name
	schemas []string // members that are data schemas
}

func kinds() []kind {
	return []kind{
		{"properties", []string{ReadProperty, WriteProperty, ObserveProperty, "unobserveproperty"}, nil},
		{"actions", []string{InvokeAction, "queryaction", "cancelaction"}, []string{"input", "output"}},
		{"events", []string{SubscribeEvent, "unsubscribeevent"}, []string{"subscription", "data", "dataResponse", "cancellation"}},
	}
}

func validateAffordances(top map[string]any) *Problem {
	for _, k := range kinds() {
		all, _ := top[k.name].(map[string]any)
		for name, v := range all {
			at := "/" + k.name + "/" + escape(name)
			one, ok := v.(map[string]any)
			if !ok {
				return wrong(at, "%s is not an object", show(v))
			}
			if p := validateAffordance(one, at, k); p != nil {
				return p
			}
			if p := validateForms(one["forms"], at+"/forms", k.ops); p != nil {
				return p
			}
		}
	}
	return nil
}

func validateAffordance(one map[string]any, at string, k kind) *Problem {
	if k.name == "properties" {
		if p := wantBool(one, at, "observable"); p != nil {
			return p
		}
		return validateSchema(one, at)
	}
	if p := wantString(one, at, "title"); p != nil {
		return p
	}
	if p := wantString(one, at, "description"); p != nil {
		return p
	}
	for _, name := range k.schemas {
		if v, ok := one[name]; ok {
			if p := validateSchemaValue(v, at+"/"+name); p != nil {
				return p
			}
		}
	}
	return validateTypes(one["@type"], at+"/@type")
}

func validateForms(v any, at string, ops []string) *Problem {
	forms, ok := v.([]any)
	if !ok || len(forms) == 0 {
		return wrong(at, "not a list with at least one form")
	}
	for i, f := range forms {
		here := at + "/" + strconv.Itoa(i)
		form, ok := f.(map[string]any)
		if !ok {
			return wrong(here, "%s is not a form", show(f))
		}
		href, ok := form["href"].(string)
		if !ok {
			return wrong(here+"/href", "missing or not text")
		}
		if _, err := url.Parse(href); err != nil {
			return wrong(here+"/href", "not a URI reference")
		}
		if p := validateOps(form, here+"/op", ops); p != nil {
			return p
		}
	}
	return nil
}

func validateOps(form map[string]any, at string, ops []string) *Problem {
	v, ok := form["op"]
	if !ok {
		return nil
	}
	list := listOf(v)
	if len(list) == 0 {
		return wrong(at, "names no operation")
	}
	for _, one := range list {
		op, ok := one.(string)
		if !ok || !slices.Contains(ops, op) {
			return wrong(at, "%s is not an operation of this kind of affordance", show(one))
		}
	}
	return nil
}
