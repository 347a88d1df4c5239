package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts that others wrote, in characters.
const (
	maxTitle = 80
	maxText  = 600
)

// clean makes a text that others wrote safe to stand beside own words: one
// line, no control and no invisible characters, nothing that turns the direction
// of what follows (Unicode Standard Annex #9), at most n characters. Markup
// needs no care here: pages show texts as texts.
func clean(s string, n int) string {
	if len(s) > 16*n {
		s = s[:16*n]
	}
	var out []rune
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			space = len(out) > 0
			continue
		case r == utf8.RuneError || hidden(r):
			continue
		case space:
			out, space = append(out, ' '), false
		}
		if out = append(out, r); len(out) > n {
			return strings.TrimRight(string(out[:n-1]), " ") + "…"
		}
	}
	return string(out)
}

// hidden tells characters without a shape of their own. The two joiners of
// Arabic and Indic scripts stay.
func hidden(r rune) bool {
	switch {
	case r == '\u200c' || r == '\u200d':
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0000 && r <= 0xe0fff, r == '\u034f', r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0':
		return true
	}
	return false
}

// titled is a cleaned title, or the name where nothing is left.
func titled(title, name string) string {
	if t := clean(title, maxTitle); t != "" {
		return t
	}
	return clean(name, maxTitle)
}
