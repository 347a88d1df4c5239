package jsonpath

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Parse reads a query. The error is an *Error.
func Parse(text string) (*Query, error) {
	p := &parser{text: text}
	switch {
	case len(text) > MaxQuery:
		return nil, &Error{MaxQuery, fmt.Sprintf("longer than %d bytes", MaxQuery)}
	case !utf8.ValidString(text):
		return nil, &Error{0, "not UTF-8"}
	case !p.take("$"):
		return nil, &Error{0, `a query begins with "$"`}
	}
	segments := p.segments()
	if p.err == nil && p.at < len(text) {
		p.fail("something stands behind the query")
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Query{path{absolute: true, segments: segments}}, nil
}

// parser reads from left to right; after its first error it reads no more.
type parser struct {
	text  string
	at    int
	depth int
	err   *Error
}

func (p *parser) fail(reason string) {
	if p.err == nil {
		p.err = &Error{p.at, reason}
		p.at = len(p.text)
	}
}

func (p *parser) rest() string { return p.text[p.at:] }

// next is the byte ahead, 0 at the end.
func (p *parser) next() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) take(s string) bool {
	if !strings.HasPrefix(p.rest(), s) {
		return false
	}
	p.at += len(s)
	return true
}

func (p *parser) want(s string) {
	if !p.take(s) {
		p.fail("expected " + s)
	}
}

func (p *parser) blank() {
	for p.at < len(p.text) && strings.IndexByte(" \t\n\r", p.text[p.at]) >= 0 {
		p.at++
	}
}

// enter and leave bound the nesting.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxDepth {
		p.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth))
		return false
	}
	return true
}

func (p *parser) leave() { p.depth-- }

// segments reads as many as there are; blanks stand before a segment only.
func (p *parser) segments() (list []segment) {
	for p.err == nil {
		before := p.at
		p.blank()
		switch {
		case p.take(".."):
			list = append(list, p.dotted(true))
		case p.take("."):
			list = append(list, p.dotted(false))
		case p.next() == '[':
			list = append(list, segment{selectors: p.bracket()})
		default:
			p.at = before
			return list
		}
	}
	return list
}

// dotted reads what follows one dot or two.
func (p *parser) dotted(deep bool) segment {
	s := segment{deep: deep}
	switch {
	case p.take("*"):
		s.selectors = []selector{{kind: wildcard}}
	case deep && p.next() == '[':
		s.selectors = p.bracket()
	default:
		s.selectors = []selector{{kind: byName, name: p.shorthand()}}
	}
	return s
}

// shorthand is a member's name without quotes (RFC 9535 §2.5.1.1).
func (p *parser) shorthand() string {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		digit := c >= '0' && c <= '9'
		if c == '_' || c >= 0x80 || letter(c) || digit && p.at > start {
			p.at++
			continue
		}
		break
	}
	if p.at == start {
		p.fail("expected a member's name")
	}
	return p.text[start:p.at]
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func (p *parser) bracket() (list []selector) {
	defer p.leave()
	if !p.enter() {
		return nil
	}
	p.want("[")
	for p.err == nil {
		p.blank()
		list = append(list, p.selector())
		p.blank()
		if p.take("]") {
			return list
		}
		p.want(",")
	}
	return list
}

func (p *parser) selector() selector {
	switch c := p.next(); {
	case c == '\'' || c == '"':
		return selector{kind: byName, name: p.quoted()}
	case c == '*':
		p.at++
		return selector{kind: wildcard}
	case c == '?':
		p.at++
		p.blank()
		return selector{kind: byFilter, filter: p.disjunction()}
	}
	return p.indexOrSlice()
}

func (p *parser) indexOrSlice() selector {
	s := selector{kind: byIndex, step: 1}
	if p.next() != ':' {
		s.index, s.hasStart = p.integer(), true
	}
	before := p.at
	p.blank()
	if !p.take(":") {
		p.at = before
		return s
	}
	s.kind = bySlice
	p.blank()
	if c := p.next(); c == '-' || c >= '0' && c <= '9' {
		s.end, s.hasEnd = p.integer(), true
		p.blank()
	}
	if p.take(":") {
		p.blank()
		if c := p.next(); c == '-' || c >= '0' && c <= '9' {
			s.step = p.integer()
		}
	}
	return s
}

// integer is RFC 9535 §2.1: no leading zero, no -0, within 53 bits.
func (p *parser) integer() int {
	start := p.at
	p.take("-")
	digits := p.digits()
	switch {
	case digits == "":
		p.fail("expected a selector")
		return 0
	case digits[0] == '0' && p.at-start > 1:
		p.at = start
		p.fail("a number has no leading zero")
		return 0
	}
	n := 0
	for _, d := range digits {
		if n = n*10 + int(d-'0'); n > maxInt {
			p.at = start
			p.fail("the number is out of range")
			return 0
		}
	}
	if p.text[start] == '-' {
		return -n
	}
	return n
}

func (p *parser) digits() string {
	start := p.at
	for c := p.next(); c >= '0' && c <= '9'; c = p.next() {
		p.at++
	}
	return p.text[start:p.at]
}
