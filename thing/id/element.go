package id

import (
	"slices"
	"strings"
)

// fnc1 separates elements in what a scanner sends (General Specifications, 7.8).
const fnc1 = '\x1d'

// parseElements reads a GS1 element string: with brackets as below a bar code,
// or with FNC1 as a scanner sends it, after its symbology identifier or a
// first FNC1. False when s begins with neither.
func parseElements(s string) (ID, *Error, bool) {
	var list []AI
	var err *Error
	form := "element-string"
	switch start := scannerStart(s); {
	case strings.HasPrefix(s, "("):
		list, err = bracketed(s)
	case start > 0:
		list, err = unbracketed(strings.ReplaceAll(s[start:], "␝", string(fnc1)))
		err, form = err.at(start), "element-string-fnc1"
	default:
		return ID{}, nil, false
	}
	if err != nil {
		return ID{}, err, true
	}
	return fromElements(list, form)
}

func fromElements(list []AI, form string) (ID, *Error, bool) {
	k, err := arrange(list)
	if err != nil {
		return ID{}, err, true
	}
	id := FromKey(k)
	id.form = form
	return id, nil, true
}

// scannerStart is how many bytes stand before the first element: a symbology
// identifier (ISO/IEC 15424) or FNC1, also drawn as ␝.
func scannerStart(s string) int {
	for _, start := range []string{"]C1", "]e0", "]d2", "]Q3", "]J1", "␝", string(fnc1)} {
		if strings.HasPrefix(s, start) {
			return len(start)
		}
	}
	return 0
}

// bracketed reads "(01)04012345999990(10)A\(1". An opening bracket in a value
// is escaped; one that opens no identifier may stand plainly.
func bracketed(s string) (list []AI, err *Error) {
	for at := 0; at < len(s); {
		code := opening(s[at:])
		if code == "" {
			return nil, refuse(at, "element", AIUnknown, "no application identifier in brackets")
		}
		at += len(code) + 2
		end := at
		for end < len(s) && opening(s[end:]) == "" {
			if s[end] == '\\' && end+1 < len(s) {
				end++
			}
			end++
		}
		value := strings.ReplaceAll(s[at:end], "\\(", "(")
		ai, err := newAI(code, value)
		if err != nil {
			return nil, err.at(at)
		}
		list, at = append(list, ai), end
	}
	return list, nil
}

// opening is the code of "(01)" at the beginning of s, "" for none.
func opening(s string) string {
	if s[0] != '(' {
		return ""
	}
	end := strings.IndexByte(s[:min(len(s), 6)], ')')
	if end < 3 || find(s[1:end]) == nil {
		return ""
	}
	return s[1:end]
}

// newAI checks a value; a GTIN may be written without the zeros before it.
func newAI(code, value string) (AI, *Error) {
	written := len(value)
	if code == "01" || code == "02" {
		value = fill(value)
	}
	if err := find(code).check(code, value); err != nil {
		return AI{}, err.at(written - len(value))
	}
	return AI{code, value}, nil
}

// unbracketed reads elements one behind the other: those of predefined length
// end by themselves, the others at FNC1.
func unbracketed(s string) (list []AI, err *Error) {
	for at := 0; at < len(s); {
		code := leading(s[at:])
		if code == "" {
			return nil, refuse(at, "element", AIUnknown, "GS1 has no application identifier %q", shorten(s[at:min(len(s), at+4)]))
		}
		at += len(code)
		end := at + strings.IndexByte(s[at:]+string(fnc1), fnc1)
		if r := find(code); r.fixed {
			end = min(end, at+r.length())
		}
		ai, err := newAI(code, s[at:end])
		if err != nil {
			return nil, err.at(at)
		}
		list, at = append(list, ai), end
		if at < len(s) && s[at] == fnc1 {
			at++
		}
	}
	return list, nil
}

// leading is the application identifier that s begins with, "" for none.
func leading(s string) string {
	for n := 2; n <= min(4, len(s)); n++ {
		if find(s[:n]) != nil {
			return s[:n]
		}
	}
	return ""
}

// length is the longest value of a row.
func (r *row) length() (n int) {
	for _, p := range r.parts {
		n += p.high
	}
	return n
}

// ElementString is the key as people read it below a bar code:
// "(01)04012345999990(10)ABC". An opening bracket in a value is escaped.
func (k Key) ElementString() string {
	var b strings.Builder
	for _, ai := range k.AIs {
		b.WriteString("(" + ai.Code + ")" + strings.ReplaceAll(ai.Value, "(", "\\("))
	}
	return b.String()
}

// ScannerString is the key as a bar code holds it: FNC1 (byte 29) behind each
// element that has no predefined length and is not the last. Elements of
// predefined length stand first.
func (k Key) ScannerString() string {
	list := slices.Clone(k.AIs)
	slices.SortStableFunc(list, func(a, b AI) int { return rank(a) - rank(b) })
	var b strings.Builder
	for i, ai := range list {
		b.WriteString(ai.Code + ai.Value)
		if i < len(list)-1 && !find(ai.Code).fixed {
			b.WriteRune(fnc1)
		}
	}
	return b.String()
}

func rank(ai AI) int {
	if find(ai.Code).fixed {
		return 0
	}
	return 1
}

// parseNumber reads the digits below a bar code: a GTIN of 8, 12, 13 or 14.
func parseNumber(s string) (ID, *Error, bool) {
	n := len(s)
	if !digits(s) || n != 8 && n != 12 && n != 13 && n != 14 {
		return ID{}, nil, false
	}
	ai, err := newAI("01", s)
	if err != nil {
		return ID{}, err, true
	}
	id := FromKey(Key{[]AI{ai}})
	id.form = "gtin"
	return id, nil, true
}

// parseBare reads an element string without brackets and without a mark at its
// beginning, where it begins with a GTIN or an SSCC. False when s is something else.
func parseBare(s string) (ID, *Error, bool) {
	if len(s) < 16 || !strings.HasPrefix(s, "01") && !strings.HasPrefix(s, "00") || !digits(s[:16]) {
		return ID{}, nil, false
	}
	list, err := unbracketed(s)
	if err != nil {
		return ID{}, err, err.Fault == Checksum
	}
	return fromElements(list, "element-string-fnc1")
}
