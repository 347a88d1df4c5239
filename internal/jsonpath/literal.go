package jsonpath

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string in single or double quotes (RFC 9535 §2.3.1.1).
func (p *parser) quoted() string {
	quote := p.next()
	p.at++
	var b strings.Builder
	for p.err == nil {
		c := p.next()
		switch {
		case p.at >= len(p.text):
			p.fail("the string has no end")
		case c == quote:
			p.at++
			return b.String()
		case c == '\\':
			p.at++
			b.WriteRune(p.escape(quote))
		case c < 0x20:
			p.fail("a control character in a string")
		default:
			r, n := utf8.DecodeRuneInString(p.rest())
			b.WriteRune(r)
			p.at += n
		}
	}
	return ""
}

// escape reads what follows a backslash.
func (p *parser) escape(quote byte) rune {
	c := p.next()
	p.at++
	switch c {
	case quote, '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return p.unicode()
	}
	p.at--
	p.fail("not an escape")
	return 0
}

func (p *parser) unicode() rune {
	first := p.hex4()
	if !utf16.IsSurrogate(first) {
		return first
	}
	if !p.take(`\u`) {
		p.fail("half of a surrogate pair")
		return 0
	}
	both := utf16.DecodeRune(first, p.hex4())
	if both == utf8.RuneError {
		p.fail("half of a surrogate pair")
	}
	return both
}

func (p *parser) hex4() rune {
	if len(p.rest()) < 4 {
		p.fail("expected four hexadecimal digits")
		return 0
	}
	n, err := strconv.ParseUint(p.rest()[:4], 16, 16)
	if err != nil {
		p.fail("expected four hexadecimal digits")
		return 0
	}
	p.at += 4
	return rune(n)
}

// number reads a JSON number (RFC 9535 §2.3.5.1).
func (p *parser) number() any {
	start := p.at
	p.take("-")
	whole := p.digits()
	if whole == "" || whole[0] == '0' && len(whole) > 1 {
		p.fail("not a number")
		return nil
	}
	if p.take(".") && p.digits() == "" {
		p.fail("not a number")
		return nil
	}
	if p.take("e") || p.take("E") {
		if !p.take("-") {
			p.take("+")
		}
		if p.digits() == "" {
			p.fail("not a number")
			return nil
		}
	}
	f, err := strconv.ParseFloat(p.text[start:p.at], 64)
	if err != nil {
		p.at = start
		p.fail("the number is out of range")
	}
	return f
}
