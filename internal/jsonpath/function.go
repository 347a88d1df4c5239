package jsonpath

import (
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// result types and parameter types of functions (RFC 9535 §2.4.1).
type kindOf uint8

const (
	valueType kindOf = iota
	logicalType
	nodesType
)

type function struct {
	name   string
	result kindOf
	params []kindOf
}

// functions are those of RFC 9535 §2.4.4 to §2.4.8.
func functions() []function {
	return []function{
		{"length", valueType, []kindOf{valueType}},
		{"count", valueType, []kindOf{nodesType}},
		{"value", valueType, []kindOf{nodesType}},
		{"match", logicalType, []kindOf{valueType, valueType}},
		{"search", logicalType, []kindOf{valueType, valueType}},
	}
}

// result is the value of a function that has one.
func (r *run) result(c *call, current any) any {
	switch c.function.name {
	case "length":
		return length(r.value(c.args[0], current))
	case "count":
		n, _ := r.count(c, current)
		return float64(n)
	}
	if n, last := r.count(c, current); n == 1 { // value()
		return last
	}
	return nothing{}
}

func length(v any) any {
	switch x := v.(type) {
	case string:
		return float64(utf8.RuneCountInString(x))
	case []any:
		return float64(len(x))
	case map[string]any:
		return float64(len(x))
	}
	return nothing{}
}

func (r *run) count(c *call, current any) (n int, last any) {
	p, _ := c.args[0].(path)
	r.follow(p.segments, r.start(p, current), func(v any) bool {
		n, last = n+1, v
		return true
	})
	return n, last
}

// logical is match() and search().
func (r *run) logical(c *call, current any) bool {
	text, ok := r.value(c.args[0], current).(string)
	if !ok {
		return false
	}
	re := c.pattern
	if re == nil {
		pattern, ok := r.value(c.args[1], current).(string)
		if !ok || !r.spend(64+len(pattern)) {
			return false
		}
		re = compile(pattern, c.function.name == "match")
		if !r.spend(re.size) {
			return false
		}
	}
	if re.exp == nil || !r.spend(1+len(text)*re.size/64) {
		return false
	}
	return re.exp.MatchString(text)
}

// Bounds of a regular expression.
const (
	maxPattern = 512  // bytes
	maxProgram = 4096 // instructions
)

// regex is a compiled pattern; exp is nil for one that is none, or too large: it
// matches nothing (RFC 9535 §2.4.6).
type regex struct {
	exp  *regexp.Regexp
	size int // instructions
}

// compile reads an I-Regexp (RFC 9485). What Go's syntax takes beyond it is
// taken, too; time stays linear in the text.
func compile(pattern string, whole bool) *regex {
	if len(pattern) > maxPattern {
		return &regex{}
	}
	tree, err := syntax.Parse(pattern, syntax.Perl|syntax.DotNL)
	if err != nil {
		return &regex{}
	}
	size := programSize(tree)
	if size > maxProgram {
		return &regex{size: maxProgram}
	}
	narrow(tree)
	text := tree.String()
	if whole {
		text = `\A(?:` + text + `)\z`
	}
	exp, err := regexp.Compile(text)
	if err != nil {
		return &regex{size: size}
	}
	return &regex{exp: exp, size: size}
}

// programSize is about how many instructions an expression becomes, before
// repetitions are written out.
func programSize(e *syntax.Regexp) int {
	n := 1 + len(e.Rune)
	for _, sub := range e.Sub {
		n += programSize(sub)
	}
	if e.Op == syntax.OpRepeat {
		n *= max(e.Min, e.Max, 1)
	}
	return min(n, 1<<20)
}

// narrow makes a dot match all but line feed and carriage return (RFC 9485 §5.3).
func narrow(e *syntax.Regexp) {
	if e.Op == syntax.OpAnyChar {
		e.Op, e.Rune = syntax.OpCharClass, []rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, utf8.MaxRune}
	}
	for _, sub := range e.Sub {
		narrow(sub)
	}
}
