package house

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"primum/thing"
)

// difference lists in words how an announced part differs from the accepted
// one; empty where it does not.
func difference(old *knownPart, f thing.Found) (lines []string) {
	if old.Thing != f.Thing {
		lines = append(lines, "says that it belongs to another device")
	}
	was, is := old.Description, f.Description
	if was.Title != is.Title {
		lines = append(lines, fmt.Sprintf("title: %q → %q", short(was.Title), short(is.Title)))
	}
	names := slices.Concat(was.Affordances(), is.Affordances())
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		a, b := affordanceJSON(was, name), affordanceJSON(is, name)
		switch {
		case bytes.Equal(a, b):
		case a == nil:
			lines = append(lines, "new: "+name+" ("+kindOf(is, name)+")")
		case b == nil:
			lines = append(lines, "no longer there: "+name)
		default:
			lines = append(lines, changedLine(was, is, name))
		}
	}
	if !slices.Equal(old.Topics, f.Topics) {
		lines = append(lines, fmt.Sprintf("commands go to %q, formerly to %q", shortAll(f.Topics), shortAll(old.Topics)))
	}
	return lines
}

func changedLine(was, is *thing.Description, name string) string {
	p, q := was.Properties[name], is.Properties[name]
	if p == nil || q == nil {
		return "changed: " + name + ": " + kindOf(was, name) + " → " + kindOf(is, name)
	}
	what := ""
	for _, c := range []struct{ label, a, b string }{
		{"type", p.Type, q.Type},
		{"unit", p.Unit, q.Unit},
		{"access", access(p), access(q)},
		{"title", p.Title, q.Title},
	} {
		if c.a != c.b {
			what += fmt.Sprintf(", %s %q → %q", c.label, short(c.a), short(c.b))
		}
	}
	if what == "" {
		what = ", range or values"
	}
	return "changed: " + name + ": " + what[2:]
}

func access(p *thing.Property) string {
	switch {
	case p.ReadOnly:
		return "read"
	case p.WriteOnly:
		return "write"
	}
	return "read, write"
}

func kindOf(d *thing.Description, name string) string {
	switch {
	case d.Properties[name] != nil:
		return "property, " + access(d.Properties[name])
	case d.Actions[name] != nil:
		return "action"
	case d.Events[name] != nil:
		return "event"
	}
	return "nothing"
}

// affordanceJSON is an affordance in a comparable form, nil where there is
// none.
func affordanceJSON(d *thing.Description, name string) []byte {
	all := []any{}
	if p := d.Properties[name]; p != nil {
		all = append(all, p)
	}
	if a := d.Actions[name]; a != nil {
		all = append(all, a)
	}
	if e := d.Events[name]; e != nil {
		all = append(all, e)
	}
	if len(all) == 0 {
		return nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return b
}

// short bounds text of a stranger in what is shown.
func short(s string) string { return cut(s, 60) }

// sentence bounds a problem in words.
func sentence(s string) string { return cut(s, 240) }

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	if r := []rune(s[:min(len(s), 4*most)]); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func shortAll(list []string) []string {
	out := []string{}
	for _, s := range list {
		if out = append(out, short(s)); len(out) == 5 {
			break
		}
	}
	return out
}
