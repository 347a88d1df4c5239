package id

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxHost is the longest host name read, in bytes of UTF-8 before it is turned to ASCII.
const maxHost = 1000

// parseHost reads a host name, with or without a port, and returns it in
// ASCII (IDNA2008, RFC 5891, with the mapping of UTS 46). Each label keeps to
// one script or to those that are written together (UTS 39, 5.2, highly restrictive).
func parseHost(s string, services bool) (string, *Error) {
	name, port, err := cutPort(s)
	if err != nil {
		return "", err
	}
	if len(name) > maxHost {
		return "", refuse(0, "host", Length, "a host name has 253 characters at most")
	}
	if !utf8.ValidString(name) {
		return "", refuse(0, "host", Letter, "not UTF-8")
	}
	var labels []string
	at := 0
	for text := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		label, err := parseLabel(text, services)
		if err != nil {
			return "", err.at(at)
		}
		labels, at = append(labels, label), at+len(text)+1
	}
	if err := checkName(labels); err != nil {
		return "", err
	}
	return strings.Join(labels, ".") + port, nil
}

// checkName checks what concerns the labels together.
func checkName(labels []string) *Error {
	ascii := strings.Join(labels, ".")
	last := labels[len(labels)-1]
	switch {
	case len(ascii) > 253:
		return refuse(0, "host", Length, "a host name has 253 characters at most")
	case last[0] >= '0' && last[0] <= '9' && (digits(last) || strings.HasPrefix(last, "0x")):
		return refuse(len(ascii)-len(last), "host", Label, "a host name does not end in a number")
	}
	if strings.Contains(ascii, "xn--") {
		if _, err := profile().ToUnicode(ascii); err != nil {
			return refuse(0, "host", Label, "these labels do not stand together (RFC 5893)")
		}
	}
	return nil
}

// cutPort returns the port with its colon.
func cutPort(s string) (name, port string, err *Error) {
	name, text, found := strings.Cut(s, ":")
	if !found {
		return s, "", nil
	}
	n, bad := strconv.ParseUint(text, 10, 16)
	if bad != nil || n == 0 || text[0] == '+' {
		return "", "", refuse(len(name)+1, "port", Value, "a port is a number from 1 to 65535")
	}
	return name, ":" + strconv.FormatUint(n, 10), nil
}

func profile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true),
		idna.CheckHyphens(true), idna.CheckJoiners(true))
}

func parseLabel(text string, services bool) (string, *Error) {
	if text == "" {
		return "", refuse(0, "host", Empty, "a label is empty")
	}
	name := text
	if services {
		name = strings.TrimPrefix(text, "_") // a service's label: _wot._tcp (RFC 8552)
	}
	if plainLabel(name) {
		return strings.ToLower(text), lengthOf(text)
	}
	label, err := profile().ToASCII(name)
	if err != nil || label == "" || strings.Contains(label, ".") || name != text {
		return "", refuse(0, "host", Label, "%q is no label of a host name", shorten(text))
	}
	unicode, err := profile().ToUnicode(label)
	if err != nil {
		return "", refuse(0, "host", Label, "%q is no label of a host name", shorten(text))
	}
	if !oneScript(unicode) {
		return "", refuse(0, "host", Script, "%q mixes letters of several scripts", shorten(text))
	}
	return label, lengthOf(label)
}

func lengthOf(label string) *Error {
	if len(label) > 63 {
		return refuse(0, "host", Length, "a label has 63 characters at most")
	}
	return nil
}

// plainLabel says whether a label is letters, digits and dashes that need no mapping.
func plainLabel(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '-' {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[len(s)-1] != '-' && (len(s) < 4 || s[2:4] != "--")
}

// oneScript says whether the letters of a label are of one script, or of
// scripts that are written together: Latin beside the Chinese, Japanese and Korean ones.
func oneScript(label string) bool {
	var found []string
	for _, r := range label {
		if name := scriptOf(r); name != "" && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	if len(found) < 2 {
		return true
	}
	for _, together := range [][]string{
		{"Latin", "Han", "Hiragana", "Katakana"}, {"Latin", "Han", "Bopomofo"}, {"Latin", "Han", "Hangul"},
	} {
		if !slices.ContainsFunc(found, func(name string) bool { return !slices.Contains(together, name) }) {
			return true
		}
	}
	return false
}

// scriptOf is "" for what belongs to every script: digits, marks, dashes.
func scriptOf(r rune) string {
	if r < utf8.RuneSelf {
		if unicode.IsLetter(r) {
			return "Latin"
		}
		return ""
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			if name == "Common" || name == "Inherited" {
				return ""
			}
			return name
		}
	}
	return "Unknown"
}

func hostForms(ascii string) []Form {
	forms := []Form{{"dns", ascii}}
	if name, err := profile().ToUnicode(ascii); err == nil && name != ascii {
		forms = append(forms, Form{"dns-unicode", name})
	}
	return forms
}
