package oath

import (
	"strings"
	"testing"
	"time"
)

func TestClausesOfThisProgram(t *testing.T) {
	t.Parallel()
	all, err := Clauses()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 15 {
		t.Errorf("%d clauses, want 15", len(all))
	}
	for i, c := range all {
		if want := "O" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)); c.ID != want {
			t.Errorf("clause %d is %s", i, c.ID)
		}
	}
}

const small = `O42 A title
# a comment

We swear
  One line
  and its end.

  A second paragraph.

If we break it
  We mend it.

What a check does
  It looks.

with patience 1s
with many 3
needs a Primum node, TLS
takes at most 90s
unshown: the rest

do look for $patience, what "a, b", times 2
expect seen at least $many, else not shown: only {seen} were seen
expect late is no, else broken: late by {late-by}
expect name is known, else broken: no name
`

func TestParseClause(t *testing.T) {
	t.Parallel()
	c, err := ParseClause([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if c.ID != "O42" || c.Title != "A title" || c.Text != "One line and its end.\n\nA second paragraph." || c.AtMost != 90*time.Second {
		t.Errorf("read %+v", c)
	}
	if len(c.Needs) != 2 || c.With.Duration("patience", 0) != time.Second || c.With.Number("many", 0) != 3 || len(c.Unshown) != 1 {
		t.Errorf("read %+v", c)
	}
	s := c.Steps[0]
	if s.Probe != "look" || s.Args["for"] != "$patience" || s.Args["what"] != `"a, b"` || s.Args["times"] != "2" || len(s.Expects) != 3 {
		t.Errorf("step %+v", s)
	}
	if e := s.Expects[0]; e.Fact != "seen" || e.Compare != AtLeast || e.Want != "$many" || e.Else != NotShown || e.Reason != "only {seen} were seen" {
		t.Errorf("expectation %+v", e)
	}
}

func TestBadClausesAreRefusedByLine(t *testing.T) {
	t.Parallel()
	for edit, want := range map[string]string{
		"O42 A title→A title":                                              "line 1:",
		"with many 3→with many":                                            "line 17:",
		"with many 3→with patience 3":                                      "line 17:",
		"needs a Primum node, TLS→needs a miracle":                         "line 18:",
		"takes at most 90s→takes at most 90h":                              "line 19:",
		"do look→jump":                                                     "line 22:",
		"$patience, what→$patients, what":                                  "line 22:",
		`"a, b", times 2→"a, b times 2`:                                    "line 22:",
		"at least $many→exceeds $many":                                     "line 23:",
		"at least $many→at least $few":                                     "line 23:",
		", else broken: late by {late-by}→":                                "line 24:",
		"else broken: late by {late-by}→else kept: all is well":            "line 24:",
		"  One line→ One line":                                             "line 5:",
		"  One line→\tOne line":                                            "line 5:",
		"If we break it\n→We swear\n":                                      "line 10:",
		"What a check does\n  It looks.→":                                  "What a check does",
		"expect seen at least $many→# expect":                              "",
		"  One line→  " + strings.Repeat("long ", 100) + "line":            "line 5:",
		"with patience 1s→with patience 1s\nexpect a is 1, else broken: x": "line 17:",
	} {
		from, to, _ := strings.Cut(edit, "→")
		text := strings.Replace(small, from, to, 1)
		if text == small {
			t.Errorf("the edit %q changes nothing", edit)
		}
		_, err := ParseClause([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", edit, err, want)
		}
	}
}

func TestExpectations(t *testing.T) {
	t.Parallel()
	facts := map[string]Value{
		"n": Number(3), "m": Number(3), "took": Duration(900 * time.Millisecond), "ok": Yes(true),
		"text": Text("red and\x1b[31m blue"),
	}
	with := Args{"limit": Duration(time.Second)}
	for line, want := range map[string]bool{
		"n is 3": true, "n is not 3": false, "n at least 4": false, "n at most m": true, "n is m": true,
		"took at most $limit": true, "took at least 1s": false, "ok is yes": true, "ok is no": false,
		`text names "blue"`: true, `text names no "blue"`: false, "other is known": false, "other is unknown": true,
	} {
		if v := judged(t, line, with, facts); (v == NoBreach) != want || !want && v != Broken {
			t.Errorf("%s: %s", line, v)
		}
	}
	for _, line := range []string{"other is 3", "n is 3s", "ok at least yes", "n at least other"} {
		if v := judged(t, line, with, facts); v != NotShown {
			t.Errorf("%s: %s, want not shown", line, v)
		}
	}
	if got := fill("{n} in {took}: {text} {none}", facts); got != "3 in 900ms: red and[31m blue ?" {
		t.Errorf("filled: %q", got)
	}
}

// judged puts one expectation into a file and judges it.
func judged(t *testing.T, line string, with Args, facts map[string]Value) Verdict {
	t.Helper()
	p := &parser{c: Clause{With: with}}
	if err := p.do(1, "look"); err != nil {
		t.Fatal(err)
	}
	if err := p.expect(2, line+", else broken: it is not"); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	v, _ := p.c.Steps[0].judge(with, facts)
	return v
}

func FuzzParseClause(f *testing.F) {
	f.Add([]byte(small))
	all, err := Clauses()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range all {
		b, err := ClauseFile(c.ID)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("O01 x\ndo x \"\nexpect a is 1, else broken: {a}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseClause(b)
		if err != nil {
			return
		}
		facts := map[string]Value{}
		for _, s := range c.Steps {
			s.judge(c.With, facts)
		}
	})
}
