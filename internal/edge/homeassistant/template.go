package homeassistant

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"primum/thing"
)

// path is a value template that is a plain path into the payload. The zero
// path is the payload itself as text.
type path struct {
	json  bool  // the payload is JSON
	steps []any // string (member) or int (index)
}

var (
	errNotPath = errors.New("its template is more than a path")
	errAbsent  = errors.New("the payload has no such member")
)

const maxTemplate = 512 // bytes; paths are short

// parsePath reads "{{ value }}", "{{ value_json.a.b['c'][0] }}" and "".
func parsePath(template string) (path, error) {
	s := strings.TrimSpace(template)
	if s == "" {
		return path{}, nil
	}
	inner, ok := strings.CutPrefix(s, "{{")
	if !ok || len(s) > maxTemplate {
		return path{}, errNotPath
	}
	if inner, ok = strings.CutSuffix(inner, "}}"); !ok {
		return path{}, errNotPath
	}
	inner = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(inner, "-"), "-"))
	if inner == "value" {
		return path{}, nil
	}
	rest, ok := strings.CutPrefix(inner, "value_json")
	if !ok {
		return path{}, errNotPath
	}
	p := path{json: true}
	for rest != "" {
		step, left, ok := cutStep(rest)
		if !ok {
			return path{}, errNotPath
		}
		p.steps, rest = append(p.steps, step), left
	}
	return p, nil
}

// cutStep takes ".name", "['name']", "[\"name\"]" or "[0]" off.
func cutStep(s string) (step any, rest string, ok bool) {
	if name, isDot := strings.CutPrefix(s, "."); isDot {
		n := 0
		for n < len(name) && isWord(name[n], n == 0) {
			n++
		}
		return name[:n], name[n:], n > 0
	}
	inner, isBracket := strings.CutPrefix(s, "[")
	if !isBracket || inner == "" {
		return nil, "", false
	}
	if quote := inner[0]; quote == '\'' || quote == '"' {
		end := strings.IndexByte(inner[1:], quote)
		if end < 1 || strings.ContainsRune(inner[1:1+end], '\\') {
			return nil, "", false
		}
		rest, ok = strings.CutPrefix(inner[end+2:], "]")
		return inner[1 : 1+end], rest, ok
	}
	digits, rest, found := strings.Cut(inner, "]")
	i, err := strconv.Atoi(digits)
	if !found || err != nil || i < 0 {
		return nil, "", false
	}
	return i, rest, true
}

func isWord(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}

// payload is one received payload, decoded at most once for all paths into it.
type payload struct {
	raw     []byte
	tree    any
	err     error
	decoded bool
}

// eval finds the value; text for a payload that is not JSON.
func (p path) eval(m *payload) (any, error) {
	if !p.json {
		return string(m.raw), nil
	}
	if !m.decoded {
		m.tree, m.err = thing.DecodeValue(m.raw)
		m.decoded = true
	}
	if m.err != nil {
		return nil, m.err
	}
	v := m.tree
	for _, step := range p.steps {
		switch s := step.(type) {
		case string:
			members, ok := v.(map[string]any)
			if !ok {
				return nil, errAbsent
			}
			if v, ok = members[s]; !ok {
				return nil, errAbsent
			}
		case int:
			items, ok := v.([]any)
			if !ok || s >= len(items) {
				return nil, errAbsent
			}
			v = items[s]
		}
	}
	return v, nil
}

// text writes a value as a template would render it, so that it can be
// compared with a configured payload.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	}
	b, err := thing.RawValue(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// writing is a command template: nothing, or text with "{{ value }}" in it.
type writing struct{ before, after string }

func parseWriting(template string) (writing, error) {
	if strings.TrimSpace(template) == "" {
		return writing{}, nil
	}
	if len(template) > maxTemplate || strings.Contains(template, "{%") {
		return writing{}, errNotPath
	}
	before, rest, ok := strings.Cut(template, "{{")
	expr, after, closed := strings.Cut(rest, "}}")
	if !ok || !closed || strings.TrimSpace(expr) != "value" || strings.Contains(after, "{{") {
		return writing{}, errNotPath
	}
	return writing{before, after}, nil
}

// render puts a value in. Text that could end a quotation is refused where the
// template quotes.
func (w writing) render(value string) ([]byte, error) {
	if w.before+w.after != "" && strings.ContainsAny(value, "\"\\\n\r") {
		return nil, errors.New("the device's template can't carry quotes or line ends")
	}
	return []byte(w.before + value + w.after), nil
}
