package oath

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// maxFact is how much of a text fact is shown; it may come from a stranger.
const maxFact = 160

// judge looks at the expectations of a step in their order. The first that
// fails decides; facts are those of the clause so far.
func (s Step) judge(with Args, facts map[string]Value) (Verdict, string) {
	for _, e := range s.Expects {
		ok, err := e.holds(with, facts)
		if err != nil {
			return NotShown, fmt.Sprintf("line %d of the check: %v", e.Line, err)
		}
		if !ok {
			return e.Else, fill(e.Reason, facts)
		}
	}
	return NoBreach, ""
}

func (e Expect) holds(with Args, facts map[string]Value) (bool, error) {
	got, known := facts[e.Fact]
	switch e.Compare {
	case Known:
		return known, nil
	case Unknown:
		return !known, nil
	}
	if !known {
		return false, fmt.Errorf("%s was not observed", e.Fact)
	}
	want, err := resolve(e.Want, with, facts)
	if err != nil {
		return false, err
	}
	return e.Compare.of(got, want)
}

// resolve reads a parameter, a value or the name of a fact.
func resolve(tok string, with Args, facts map[string]Value) (Value, error) {
	if name, ok := strings.CutPrefix(tok, "$"); ok {
		v, known := with[name]
		if !known {
			return Value{}, fmt.Errorf("there is no parameter %s", name)
		}
		return v, nil
	}
	if v, err := parseValue(tok); err == nil {
		return v, nil
	}
	v, known := facts[tok]
	if !known {
		return Value{}, fmt.Errorf("%s was not observed", tok)
	}
	return v, nil
}

// of compares values of one kind.
func (c Compare) of(got, want Value) (bool, error) {
	if got.kind != want.kind {
		return false, fmt.Errorf("%s and %s can't be compared", got, want)
	}
	ordered := got.kind == kindNumber || got.kind == kindDuration
	switch {
	case c == Is:
		return got == want, nil
	case c == IsNot:
		return got != want, nil
	case c == AtLeast && ordered:
		return got.n >= want.n, nil
	case c == AtMost && ordered:
		return got.n <= want.n, nil
	case c == Names && got.kind == kindText:
		return strings.Contains(got.s, want.s), nil
	case c == NamesNo && got.kind == kindText:
		return !strings.Contains(got.s, want.s), nil
	}
	return false, fmt.Errorf("%q does not fit %s", string(c), got)
}

var hole = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// fill puts facts into the holes of a reason: "{bytes} bytes came".
func fill(reason string, facts map[string]Value) string {
	return hole.ReplaceAllStringFunc(reason, func(h string) string {
		v, ok := facts[h[1:len(h)-1]]
		if !ok {
			return "?"
		}
		return v.shown()
	})
}

// shown is the value for people: short, without control characters, durations
// rounded.
func (v Value) shown() string {
	switch v.kind {
	case kindText:
		return Plain(v.s, maxFact)
	case kindDuration:
		return time.Duration(v.n).Round(time.Millisecond).String()
	}
	return v.String()
}

// Plain makes a stranger's text harmless on a terminal and at most max bytes
// long.
func Plain(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfffd:
			return -1
		}
		return r
	}, s)
	if len(s) > max {
		s = strings.ToValidUTF8(s[:max], "") + "…"
	}
	return s
}
