package thing

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name of a thing or an affordance, in bytes.
const MaxName = 64

// Name names an affordance of a thing as people type it: "water/flow".
// An empty Affordance names the whole thing.
type Name struct {
	Thing      string
	Affordance string
}

// ParseName reads "thing/affordance" or "thing". Each part keeps to CheckName.
func ParseName(s string) (Name, error) {
	name, affordance, two := strings.Cut(s, "/")
	if err := CheckName(name); err != nil {
		return Name{}, fmt.Errorf("parse name %q: %w", shorten(s), err)
	}
	if two {
		if err := CheckName(affordance); err != nil {
			return Name{}, fmt.Errorf("parse name %q: %w", shorten(s), err)
		}
	}
	return Name{name, affordance}, nil
}

// String writes the name as ParseName reads it.
func (n Name) String() string {
	if n.Affordance == "" {
		return n.Thing
	}
	return n.Thing + "/" + n.Affordance
}

// MarshalText writes the name for JSON.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = ParseName(string(b))
	return err
}

// CheckName says whether s can name a thing or an affordance: 1 to MaxName
// bytes of lower-case letters, digits, '-', '_' and '.', beginning with a
// letter or a digit. Any script is allowed, so that "küche" stays "küche".
func CheckName(s string) error {
	switch {
	case s == "":
		return errors.New("a name is empty; write it as thing/affordance, for example water/flow")
	case len(s) > MaxName:
		return fmt.Errorf("a name is longer than %d bytes", MaxName)
	case !utf8.ValidString(s):
		return errors.New("a name is not UTF-8")
	}
	for i, r := range s {
		if !nameRune(r, i == 0) {
			return fmt.Errorf("a name has %q at byte %d; allowed are lower-case letters, digits, dash, underline and dot", r, i)
		}
	}
	return nil
}

func nameRune(r rune, first bool) bool {
	switch {
	case unicode.IsUpper(r) || unicode.IsTitle(r):
		return false
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return true
	case unicode.IsMark(r):
		return !first
	}
	return !first && (r == '-' || r == '_' || r == '.')
}

// Slug makes a name from any text: lower case, runs of anything else become
// one '-', cut at MaxName. It is empty where nothing usable is left.
func Slug(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		if r == utf8.RuneError || !nameRune(r, b.Len() == 0) {
			gap = b.Len() > 0
			continue
		}
		if b.Len()+utf8.RuneLen(r)+1 > MaxName {
			break
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// shorten keeps hostile text out of error messages and logs.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
