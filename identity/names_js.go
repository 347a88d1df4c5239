package identity

import (
	"errors"
	"strings"
	"syscall/js"
	"unicode"
	"unicode/utf8"
)

// In a browser the tables of Unicode are the browser's own: those of x/text
// would be a fifth of the engine. Plain ASCII never asks it. What differs from
// the other build is at the edge, where that one refuses and this one may not,
// or the other way round (a newer Unicode): a node takes an address by the full
// rules when an account is made, and afterwards names are compared byte by
// byte. The tests of this package run on both builds.

var errName = errors.New("not a name")

// mapUser is a user's name in its one form (RFC 8265 §3.3): narrow, in lower
// case, composed, of letters, marks and digits that have no compatible other
// form, in one direction.
func mapUser(s string) (string, error) {
	if isASCII(s) {
		return strings.ToLower(s), nil
	}
	if !utf8.ValidString(s) {
		return "", errName
	}
	u := normal(strings.ToLower(narrow(s)), "NFC")
	if normal(u, "NFKC") != u || !oneDirection(u) {
		return "", errName
	}
	for i, r := range u {
		if hiddenOrJamo(r) || i == 0 && unicode.IsMark(r) {
			return "", errName
		}
	}
	return u, nil
}

// normal is a normalization form (Unicode Standard Annex #15).
func normal(s, form string) string {
	return js.Global().Get("String").Get("prototype").Get("normalize").Call("call", s, form).String()
}

// narrow maps the wide and narrow forms (U+FF01 to U+FFDC) alone, as RFC 8265
// wants it before anything else.
func narrow(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 0xff01 && r <= 0xffdc {
			b.WriteString(normal(string(r), "NFKC"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hiddenOrJamo tells what RFC 8264 §9 disallows among letters and marks beside
// what has a compatible form: old Hangul letters and what has no shape.
func hiddenOrJamo(r rune) bool {
	return r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97c || r >= 0xd7b0 && r <= 0xd7fb ||
		r == 0x034f || r == 0x3164 || r == 0x115f || r == 0x1160 || r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef ||
		r >= 0x180b && r <= 0x180f || r == 0x17b4 || r == 0x17b5
}

// oneDirection refuses names that mix letters of both directions (RFC 5893 §2).
func oneDirection(s string) bool {
	right, left := false, false
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko):
			right = right || unicode.IsLetter(r)
		case unicode.IsLetter(r):
			left = true
		}
	}
	first, _ := utf8.DecodeRuneInString(s)
	return !right || !left && unicode.IsLetter(first)
}

// hostToASCII maps a domain to lower-case A-labels, by the browser's own
// reading of a URL where it is not plain.
func hostToASCII(host string) (ascii string, err error) {
	plain := strings.ToLower(host)
	if !isASCII(host) || strings.Contains("."+plain, ".xn--") {
		if plain, err = browserHost(host); err != nil {
			return "", err
		}
	}
	if len(plain) > 253 {
		return "", errName
	}
	for label := range strings.SplitSeq(plain, ".") {
		if !isLabel(label) {
			return "", errName
		}
	}
	return plain, nil
}

// browserHost asks the browser, which throws on what is no host.
func browserHost(host string) (ascii string, err error) {
	defer func() {
		if recover() != nil {
			err = errName
		}
	}()
	if strings.ContainsAny(host, "/\\?#@:%[] \t\r\n") {
		return "", errName
	}
	return js.Global().Get("URL").New("http://" + host + "/").Get("hostname").String(), nil
}

// isLabel tells letters, digits and hyphens as a host name has them (RFC 5890
// §2.3.1).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	if len(s) > 3 && s[2:4] == "--" && !strings.HasPrefix(s, "xn--") {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// hostToUnicode is a domain as people read it. The browser has turned it into
// A-labels and checked them; this is only the way back (RFC 3492).
func hostToUnicode(host string) (string, error) {
	labels := strings.Split(host, ".")
	for i, l := range labels {
		if encoded, ok := strings.CutPrefix(l, "xn--"); ok {
			u, ok := decodePunycode(encoded)
			if back, err := browserHost(u); !ok || err != nil || back != l {
				return host, errName
			}
			labels[i] = u
		}
	}
	return strings.Join(labels, "."), nil
}

// decodePunycode is RFC 3492 §6.2.
func decodePunycode(s string) (string, bool) {
	var out []rune
	if i := strings.LastIndexByte(s, '-'); i > 0 {
		out, s = []rune(s[:i]), s[i+1:]
	}
	n, pos, bias := 128, 0, 72
	for len(s) > 0 {
		old, weight := pos, 1
		for k := 36; ; k += 36 {
			if len(s) == 0 {
				return "", false
			}
			digit := punycodeDigit(s[0])
			s = s[1:]
			if digit < 0 || pos > 1<<24 || weight > 1<<24 {
				return "", false
			}
			pos += digit * weight
			t := min(max(k-bias, 1), 26)
			if digit < t {
				break
			}
			weight *= 36 - t
		}
		bias = punycodeBias(pos-old, len(out)+1, old == 0)
		n += pos / (len(out) + 1)
		pos %= len(out) + 1
		if n > utf8.MaxRune {
			return "", false
		}
		out = append(out[:pos], append([]rune{rune(n)}, out[pos:]...)...)
		pos++
	}
	return string(out), true
}

func punycodeDigit(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= '0' && c <= '9':
		return int(c-'0') + 26
	}
	return -1
}

func punycodeBias(delta, points int, first bool) int {
	if first {
		delta /= 700
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > 455 {
		delta /= 35
		k += 36
	}
	return k + 36*delta/(delta+38)
}
