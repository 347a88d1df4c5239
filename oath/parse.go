package oath

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a clause file.
const (
	MaxClauseFile = 16 << 10 // bytes
	maxLine       = 400      // bytes
	maxSteps      = 32
	maxExpects    = 32 // of one step
	maxArgs       = 16 // of one step, and parameters of a clause
	maxClauseTime = 30 * time.Minute
)

var (
	clauseID = regexp.MustCompile(`^O[0-9]{2}$`)
	word     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
)

// ParseClause reads a clause file. An error names the line.
// Source: docs/spec/clauses.md.
func ParseClause(file []byte) (Clause, error) {
	if len(file) > MaxClauseFile {
		return Clause{}, fmt.Errorf("a clause file has at most %d bytes", MaxClauseFile)
	}
	if !utf8.Valid(file) {
		return Clause{}, errors.New("a clause file is UTF-8")
	}
	sum := sha256.Sum256(file)
	p := &parser{c: Clause{With: Args{}, SHA256: hex.EncodeToString(sum[:])}}
	for i, line := range strings.Split(string(file), "\n") {
		if err := p.line(i+1, line); err != nil {
			return Clause{}, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return p.end()
}

// parser reads a clause file line by line.
type parser struct {
	c     Clause
	text  *string // where indented lines go
	blank bool    // an empty line inside text
}

func (p *parser) line(n int, line string) error {
	if len(line) > maxLine {
		return fmt.Errorf("longer than %d bytes", maxLine)
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("a control character; indent with spaces")
	}
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "":
		p.blank = true
		return nil
	case strings.HasPrefix(line, "#"):
		return nil
	case p.c.ID == "":
		return p.head(trimmed)
	case strings.HasPrefix(line, "  "):
		return p.prose(trimmed)
	case line != trimmed:
		return errors.New("text is indented by two spaces, other lines by none")
	}
	return p.statement(n, trimmed)
}

func (p *parser) head(line string) error {
	id, title, _ := strings.Cut(line, " ")
	if !clauseID.MatchString(id) || strings.TrimSpace(title) == "" {
		return errors.New(`the file begins with its number and title: "O03 Nothing flows before yes"`)
	}
	p.c.ID, p.c.Title = id, strings.TrimSpace(title)
	return nil
}

// prose takes a line of text; an empty line begins a new paragraph.
func (p *parser) prose(line string) error {
	if p.text == nil {
		return errors.New("text without a heading")
	}
	switch {
	case *p.text == "":
		*p.text = line
	case p.blank:
		*p.text += "\n\n" + line
	default:
		*p.text += " " + line
	}
	p.blank = false
	return nil
}

func (p *parser) statement(n int, line string) error {
	p.blank = false
	if to := p.heading(line); to != nil {
		if *to != "" {
			return fmt.Errorf("%q stands twice", line)
		}
		p.text = to
		return nil
	}
	p.text = nil
	verb, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch verb {
	case "with":
		return p.with(rest)
	case "needs":
		return p.needs(rest)
	case "takes":
		return p.takes(rest)
	case "shows":
		return p.shows(rest)
	case "do":
		return p.do(n, rest)
	case "expect":
		return p.expect(n, rest)
	case "unshown:":
		p.c.Unshown = append(p.c.Unshown, rest)
		return nil
	}
	return fmt.Errorf("%q is no word of this language; it has with, needs, takes, shows, unshown:, do and expect", verb)
}

func (p *parser) heading(line string) *string {
	switch line {
	case "We swear":
		return &p.c.Text
	case "If we break it":
		return &p.c.Remedy
	case "What a check does":
		return &p.c.About
	}
	return nil
}

func (p *parser) with(rest string) error {
	name, text, _ := strings.Cut(rest, " ")
	v, err := parseValue(strings.TrimSpace(text))
	if err != nil {
		return err
	}
	if _, twice := p.c.With[name]; twice || !word.MatchString(name) || len(p.c.With) == maxArgs {
		return fmt.Errorf("parameter %q: a new name of small letters, at most %d of them", name, maxArgs)
	}
	p.c.With[name] = v
	return nil
}

func (p *parser) needs(rest string) error {
	for _, text := range strings.Split(rest, ",") {
		need := Need(strings.TrimSpace(text))
		if !slices.Contains([]Need{NeedPrimum, NeedPeople, NeedLedger, NeedOath, NeedTLS}, need) {
			return fmt.Errorf("%q is no need that a check knows", need)
		}
		p.c.Needs = append(p.c.Needs, need)
	}
	return nil
}

// takes reads "at most 3m".
func (p *parser) takes(rest string) error {
	text, ok := strings.CutPrefix(rest, "at most ")
	d, err := time.ParseDuration(text)
	if !ok || err != nil || d <= 0 || d > maxClauseTime {
		return fmt.Errorf(`want "takes at most 3m", up to %v`, maxClauseTime)
	}
	p.c.AtMost = d
	return nil
}

// shows reads "FACT" or "FACT up to VALUE".
func (p *parser) shows(rest string) error {
	fact, bound, bounded := strings.Cut(rest, " up to ")
	if p.c.Shows != "" || !word.MatchString(fact) || bounded && p.isValue(bound) != nil {
		return errors.New(`want "shows FACT up to VALUE", once`)
	}
	p.c.Shows, p.c.Bound = fact, bound
	return nil
}

// do reads "PROBE NAME VALUE, NAME VALUE".
func (p *parser) do(n int, rest string) error {
	probe, args, _ := strings.Cut(rest, " ")
	if !word.MatchString(probe) || len(p.c.Steps) == maxSteps {
		return fmt.Errorf("do wants the name of a probe; at most %d of them stand in a file", maxSteps)
	}
	step := Step{Line: n, Probe: probe, Args: map[string]string{}}
	for args = strings.TrimSpace(args); args != ""; {
		var name, value string
		var err error
		name, args, _ = strings.Cut(args, " ")
		if value, args, err = token(args); err != nil {
			return err
		}
		if err := p.isValue(value); err != nil || !word.MatchString(name) || len(step.Args) == maxArgs {
			return fmt.Errorf("argument %q: want a name and a value, separated by commas", name)
		}
		step.Args[name] = value
		args = strings.TrimSpace(args)
		if args == "" {
			break
		}
		if args[0] != ',' {
			return errors.New("arguments are separated by commas")
		}
		args = strings.TrimSpace(args[1:])
	}
	p.c.Steps = append(p.c.Steps, step)
	return nil
}

// expect reads "FACT COMPARISON [VALUE], else broken: REASON".
func (p *parser) expect(n int, rest string) error {
	if len(p.c.Steps) == 0 {
		return errors.New("expect stands below the do that it looks at")
	}
	e := Expect{Line: n}
	var err error
	e.Fact, rest, _ = strings.Cut(rest, " ")
	if e.Compare, rest, err = comparison(rest); err != nil || !word.MatchString(e.Fact) {
		return errors.New(`want "expect FACT is VALUE, else broken: REASON"`)
	}
	if e.Compare != Known && e.Compare != Unknown {
		if e.Want, rest, err = token(rest); err != nil {
			return err
		}
		if p.isValue(e.Want) != nil && !word.MatchString(e.Want) {
			return fmt.Errorf("%q is no value, parameter or fact", e.Want)
		}
	}
	if e.Else, e.Reason, err = otherwise(rest); err != nil {
		return err
	}
	last := &p.c.Steps[len(p.c.Steps)-1]
	if len(last.Expects) == maxExpects {
		return fmt.Errorf("more than %d expectations of one probe", maxExpects)
	}
	last.Expects = append(last.Expects, e)
	return nil
}

func comparison(s string) (Compare, string, error) {
	s = strings.TrimSpace(s)
	for _, c := range []Compare{Known, Unknown, IsNot, Is, AtLeast, AtMost, NamesNo, Names} {
		rest, ok := strings.CutPrefix(s, string(c))
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == ',') {
			return c, strings.TrimSpace(rest), nil
		}
	}
	return "", "", errors.New("no comparison")
}

func otherwise(s string) (Verdict, string, error) {
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s), ","))
	for _, v := range []Verdict{Broken, NotShown} {
		if reason, ok := strings.CutPrefix(s, "else "+string(v)+": "); ok && reason != "" {
			return v, reason, nil
		}
	}
	return "", "", errors.New(`an expectation ends with ", else broken: REASON" or ", else not shown: REASON"`)
}

// token takes a quoted text or a word, up to a comma or a space.
func token(s string) (tok, rest string, err error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, `"`) {
		if tok, err = strconv.QuotedPrefix(s); err != nil {
			return "", "", errors.New("a text without its closing quote")
		}
		return tok, s[len(tok):], nil
	}
	i := strings.IndexAny(s, ", ")
	if i < 0 {
		i = len(s)
	}
	if i == 0 {
		return "", "", errors.New("a value is missing")
	}
	return s[:i], s[i:], nil
}

// isValue tells whether a token is a value or a parameter that the file has
// named above.
func (p *parser) isValue(tok string) error {
	if name, ok := strings.CutPrefix(tok, "$"); ok {
		if _, known := p.c.With[name]; !known {
			return fmt.Errorf("there is no parameter %q above", name)
		}
		return nil
	}
	_, err := parseValue(tok)
	return err
}

func parseValue(tok string) (Value, error) {
	switch tok {
	case "yes", "no":
		return Yes(tok == "yes"), nil
	}
	if strings.HasPrefix(tok, `"`) {
		s, err := strconv.Unquote(tok)
		if err != nil {
			return Value{}, fmt.Errorf("%s is no text in quotes", tok)
		}
		return Text(s), nil
	}
	if n, err := strconv.ParseInt(tok, 10, 64); err == nil {
		return Number(n), nil
	}
	if d, err := time.ParseDuration(tok); err == nil {
		return Duration(d), nil
	}
	return Value{}, fmt.Errorf(`%q is no value: want 60, 1s, yes, no or "text"`, tok)
}

func (p *parser) end() (Clause, error) {
	c := p.c
	switch {
	case c.ID == "":
		return Clause{}, errors.New("an empty clause file")
	case c.Text == "" || c.Remedy == "" || c.About == "":
		return Clause{}, fmt.Errorf(`%s: the parts "We swear", "If we break it" and "What a check does" are needed`, c.ID)
	case len(c.Steps) == 0 && len(c.Unshown) == 0:
		return Clause{}, fmt.Errorf("%s: nothing is checked, and unshown: does not say why", c.ID)
	}
	for _, s := range c.Steps {
		if len(s.Expects) == 0 {
			return Clause{}, fmt.Errorf("%s: line %d: nothing is expected of %s", c.ID, s.Line, s.Probe)
		}
	}
	return c, nil
}
