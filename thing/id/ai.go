package id

import "sort"

// row is one line of the GS1 Barcode Syntax Dictionary.
type row struct {
	lo, hi     string // the first and the last code
	title      string
	fixed      bool // needs no FNC1 behind it
	attribute  bool // may stand in the query of a Digital Link
	key        bool // primary key of a Digital Link
	qualifiers [][]string
	parts      []part
}

// part is one component of a value.
type part struct {
	set       byte // N digits, X and Y GS1's character sets 82 and 39, Z base64url
	low, high int  // length in characters
	optional  bool
	rules     []string // names of the dictionary's linters
}

// find is the row of an application identifier, nil for none. No code is the
// beginning of another, so lexical order is enough.
func find(code string) *row {
	i := sort.Search(len(ais), func(i int) bool { return ais[i].lo > code }) - 1
	if i < 0 || code > ais[i].hi || len(code) != len(ais[i].lo) || !digits(code) {
		return nil
	}
	return &ais[i]
}

// Title is GS1's short name of an application identifier: "SSCC"; "" for none.
func Title(code string) string {
	if r := find(code); r != nil {
		return r.title
	}
	return ""
}

// check returns nil or the first fault of a value, its offset there: characters,
// lengths, check digits (GS1 General Specifications, chapter 3).
func (r *row) check(code, value string) *Error {
	at := 0
	for _, p := range r.parts {
		n := min(len(value)-at, p.high)
		if n == 0 && p.optional {
			break
		}
		if err := p.check(code, value[at:at+n]); err != nil {
			return err.at(at)
		}
		at += n
	}
	if at < len(value) {
		return refuse(at, code, Length, "%d characters too many", len(value)-at)
	}
	return nil
}

func (p part) check(code, text string) *Error {
	for i := range len(text) {
		if !p.allows(text[i]) {
			return refuse(i, code, Letter, "%q may not stand here", text[i])
		}
	}
	if len(text) < p.low {
		return refuse(0, code, Length, "%d characters where %d are needed", len(text), p.low)
	}
	for _, rule := range p.rules {
		if err := lint(rule, code, text); err != nil {
			return err
		}
	}
	return nil
}

func (p part) allows(c byte) bool {
	switch p.set {
	case 'N':
		return c >= '0' && c <= '9'
	case 'Y':
		return set39(c)
	case 'Z':
		return alphanumeric(c) || c == '-' || c == '_' || c == '='
	}
	return set82(c)
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// set82 is GS1's character set 82 (General Specifications, figure 7.11-1).
func set82(c byte) bool {
	switch {
	case alphanumeric(c):
		return true
	case c >= '%' && c <= '/', c >= ':' && c <= '?':
		return true
	}
	return c == '!' || c == '"' || c == '_'
}

// set39 is GS1's character set 39 (figure 7.11-2).
func set39(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c == '#' || c == '-' || c == '/'
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// shorten keeps what a stranger wrote short in a sentence.
func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
