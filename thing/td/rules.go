package td

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// checker walks a description whose shape the schema has taken.
type checker struct {
	top     map[string]any
	version string
	plain   *strings.Replacer
	faults  []Fault
}

func (c *checker) fault(reason string, names ...string) {
	if len(c.faults) < 100*MaxFaults {
		c.faults = append(c.faults, Fault{pointer(names...), reason})
	}
}

// check applies the rules of TD 1.1 §5 that the schema can not say.
func (c *checker) check() {
	c.checkID()
	c.checkBase()
	c.checkSecurity()
	variables, _ := c.top["uriVariables"].(map[string]any)
	c.checkForms(c.top, variables)
	for i, l := range listOf(c.top["links"]) {
		link, _ := l.(map[string]any)
		c.checkHref(link, nil, true, "links", strconv.Itoa(i), "href")
	}
	for _, kind := range []string{"properties", "actions", "events"} {
		all, _ := c.top[kind].(map[string]any)
		for name, v := range all {
			one, _ := v.(map[string]any)
			own, _ := one["uriVariables"].(map[string]any)
			c.checkForms(one, joined(variables, own), kind, name)
		}
	}
	c.checkSecrets(c.top, nil)
}

func joined(a, b map[string]any) map[string]any {
	if len(b) == 0 {
		return a
	}
	both := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		both[k] = v
	}
	for k, v := range b {
		both[k] = v
	}
	return both
}

func (c *checker) checkID() {
	id, ok := c.top["id"].(string)
	if !ok {
		return
	}
	u, err := url.Parse(id)
	switch {
	case len(id) > MaxID:
		c.fault("longer than "+strconv.Itoa(MaxID)+" bytes", "id")
	case err != nil || u.Scheme == "" || strings.ContainsFunc(id, unseen):
		c.fault("not an absolute URI", "id")
	}
}

// unseen are characters that no URI has and no log shows.
func unseen(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar
}

func (c *checker) checkBase() {
	base, ok := c.top["base"].(string)
	if !ok {
		return
	}
	plain, _, err := expand(base)
	if err != nil {
		c.fault(err.Error(), "base")
		return
	}
	if u, err := url.Parse(plain); err != nil || u.Scheme == "" {
		c.fault("not an absolute URI", "base")
	}
}

// checkSecurity: each name of a scheme that is used is defined (TD 1.1 §5.3.1.1),
// and each scheme is of the version.
func (c *checker) checkSecurity() {
	defs, _ := c.top["securityDefinitions"].(map[string]any)
	c.checkNames(c.top["security"], defs, "security")
	for name, d := range defs {
		def, _ := d.(map[string]any)
		scheme, _ := def["scheme"].(string)
		if c.version == "1.0" && (scheme == "combo" || scheme == "auto") {
			c.fault("the scheme is not of TD 1.0", "securityDefinitions", name, "scheme")
		}
		for _, member := range []string{"oneOf", "allOf"} {
			if scheme != "combo" {
				break
			}
			c.checkNames(def[member], defs, "securityDefinitions", name, member)
			if slices.Contains(listOf(def[member]), any(name)) {
				c.fault("the scheme is a part of itself", "securityDefinitions", name, member)
			}
		}
	}
}

func (c *checker) checkNames(used any, defs map[string]any, at ...string) {
	list, many := used.([]any)
	for i, n := range listOf(used) {
		name, _ := n.(string)
		if _, ok := defs[name]; ok {
			continue
		}
		place := at
		if many && i < len(list) {
			place = append(slices.Clone(at), strconv.Itoa(i))
		}
		c.fault("no scheme of this name is in securityDefinitions", place...)
	}
}

// later are the operations that TD 1.1 added; that each fits its affordance is
// in the schema.
func later(op string) bool {
	return slices.Contains([]string{
		"queryaction", "cancelaction", "queryallactions", "observeallproperties", "unobserveallproperties",
		"subscribeallevents", "unsubscribeallevents",
	}, op)
}

func (c *checker) checkForms(of map[string]any, variables map[string]any, at ...string) {
	defs, _ := c.top["securityDefinitions"].(map[string]any)
	for i, f := range listOf(of["forms"]) {
		form, _ := f.(map[string]any)
		here := append(slices.Clone(at), "forms", strconv.Itoa(i))
		if used, ok := form["security"]; ok {
			c.checkNames(used, defs, append(slices.Clone(here), "security")...)
		}
		for _, o := range listOf(form["op"]) {
			if op, _ := o.(string); c.version == "1.0" && later(op) {
				c.fault("the operation is not of TD 1.0", append(slices.Clone(here), "op")...)
			}
		}
		c.checkHref(form, variables, false, append(slices.Clone(here), "href")...)
	}
}

// checkHref: a relative one needs a base (TD 1.1 §5.3.4.2, §7.1), and each
// variable of a template is described in uriVariables (§5.3.1.2). A link is no
// template.
func (c *checker) checkHref(of, variables map[string]any, link bool, at ...string) {
	href, ok := of["href"].(string)
	if !ok {
		return
	}
	plain, names, err := href, []string(nil), error(nil)
	if !link {
		plain, names, err = expand(href)
	}
	if err != nil {
		c.fault(err.Error(), at...)
		return
	}
	u, err := url.Parse(plain)
	if err != nil {
		c.fault("not a URI reference", at...)
		return
	}
	if _, has := c.top["base"]; u.Scheme == "" && !has {
		c.fault("relative, and there is no base", at...)
	}
	for _, n := range names {
		if _, ok := variables[n]; !ok {
			c.fault("the template's variable "+strconv.Quote(shorten(n))+" is not in uriVariables", at...)
		}
	}
}

func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
