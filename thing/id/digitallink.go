package id

import (
	"slices"
	"strings"
)

// Options say how strictly a Digital Link is read. The zero value is strict.
type Options struct {
	Stem      bool // a path may stand before the primary key: /shop/01/…
	ShortGTIN bool // a GTIN may have 8, 12 or 13 digits and is filled up to 14
}

// Link is a Digital Link taken apart.
type Link struct {
	Key
	Stem       string // the path before the key, without slashes at its ends
	Compressed bool   // whether it, or a part of it, was compressed
	Rest       string // the members of the query that are not GS1's
}

// ParseDigitalLink reads path and query of a GS1 Digital Link 1.6, compressed
// or not, percent-encoded as in a request. Offsets of an *Error count from the
// first byte of the path; the query begins one byte behind the path.
func ParseDigitalLink(path, rawQuery string, opts Options) (Key, error) {
	link, err := ParseLink(path, rawQuery, opts)
	return link.Key, err
}

// ParseLink is ParseDigitalLink with everything that was found.
func ParseLink(path, rawQuery string, opts Options) (Link, error) {
	if len(path)+len(rawQuery) > MaxInput {
		return Link{}, tooLong()
	}
	link, err := parseLink(path, rawQuery, opts)
	if err != nil {
		return Link{}, err
	}
	return link, nil
}

func parseLink(path, rawQuery string, opts Options) (Link, *Error) {
	segments := split(path)
	first := firstKey(segments, opts.Stem)
	link, err := Link{}, (*Error)(nil)
	switch {
	case first >= 0:
		link, err = plain(segments[first:], opts)
	case len(segments)%2 == 1 && len(segments) != 3 && !opts.Stem && isKey(segments[0].text):
		last := segments[len(segments)-1]
		err = refuse(last.at, shorten(last.text), Empty, "no value stands behind the last code")
	default:
		link, first, err = compressed(segments, opts)
	}
	if err != nil {
		return Link{}, err
	}
	link.Stem = strings.Trim(path[:segments[first].at], "/")
	if err := link.query(rawQuery, opts); err != nil {
		return Link{}, err.at(len(path) + 1)
	}
	if err := link.valid(); err != nil {
		return Link{}, err.at(segments[first].at)
	}
	return link, nil
}

// plain reads pairs of code and value, the primary key first.
func plain(segments []segment, opts Options) (link Link, err *Error) {
	link.AIs = make([]AI, 0, len(segments)/2)
	for i := 0; i+1 < len(segments); i += 2 {
		ai, err := pair(segments[i], segments[i+1], opts)
		if err != nil {
			return Link{}, err
		}
		link.AIs = append(link.AIs, ai)
		if n := len(link.AIs); n > 1 && !link.fits(n) {
			return Link{}, link.misplaced(ai.Code).at(segments[i].at)
		}
	}
	return link, nil
}

// misplaced is the fault of a qualifier that may not stand at the end of the key.
func (k Key) misplaced(code string) *Error {
	if slices.ContainsFunc(k.AIs[:len(k.AIs)-1], func(a AI) bool { return a.Code == code }) {
		return refuse(0, code, Twice, "(%s) stands twice", code)
	}
	return refuse(0, code, Order, "(%s) does not stand here in the order of (%s)", code, k.AIs[0].Code)
}

// compressed reads a path whose last segment is compressed: the whole key, or
// what follows a primary key that stands plainly before it.
func compressed(segments []segment, opts Options) (link Link, first int, err *Error) {
	n := len(segments)
	if n == 0 {
		return Link{}, 0, refuse(0, "path", NoKey, "no GS1 primary key stands in this path")
	}
	first, least := n-1, minWhole
	if n >= 3 && isKey(segments[n-3].text) {
		first, least = n-3, minRest
		if link, err = plain(segments[first:n-1], opts); err != nil {
			return Link{}, 0, err
		}
	}
	if first > 0 && !opts.Stem {
		return Link{}, 0, refuse(segments[0].at, "path", NoKey, "the path does not begin with a primary key")
	}
	list, rest, err := decompress(segments[n-1].text, least)
	if err != nil {
		return Link{}, 0, err.at(segments[n-1].at)
	}
	key, err := arrange(append(link.AIs, list...))
	if err != nil {
		return Link{}, 0, err.at(segments[n-1].at)
	}
	return Link{Key: key, Compressed: true, Rest: rest}, first, nil
}

// segment is one part of a path and where it begins.
type segment struct {
	text string
	at   int
}

func split(path string) []segment {
	out := make([]segment, 0, 8)
	for at := 0; at <= len(path); {
		end := strings.IndexByte(path[at:], '/')
		if end < 0 {
			end = len(path) - at
		}
		if end > 0 || at > 0 {
			out = append(out, segment{path[at : at+end], at})
		}
		at += end + 1
	}
	if n := len(out); n > 1 && out[n-1].text == "" {
		out = out[:n-1]
	}
	return out
}

// firstKey finds the code of the primary key in a path of pairs, -1 for none.
// With a stem they are counted from the end (Digital Link 1.6, 4.4).
func firstKey(segments []segment, stem bool) int {
	if !stem {
		if len(segments) >= 2 && len(segments)%2 == 0 && isKey(segments[0].text) {
			return 0
		}
		return -1
	}
	for i := len(segments) - 2; i >= 0; i -= 2 {
		if isKey(segments[i].text) {
			return i
		}
	}
	return -1
}

func isKey(code string) bool {
	r := find(code)
	return r != nil && r.key
}

func pair(code, value segment, opts Options) (AI, *Error) {
	r := find(code.text)
	if r == nil {
		return AI{}, refuse(code.at, shorten(code.text), AIUnknown, "GS1 has no application identifier %q", shorten(code.text))
	}
	return element(r, code.text, value, opts)
}

// element unescapes and checks a value.
func element(r *row, code string, value segment, opts Options) (AI, *Error) {
	text, err := unescape(value.text, code)
	if err != nil {
		return AI{}, err.at(value.at)
	}
	written := len(text)
	if opts.ShortGTIN && code == "01" {
		text = fill(text)
	}
	if err := r.check(code, text); err != nil {
		err.Offset = escapedAt(value.text, err.Offset-len(text)+written)
		return AI{}, err.at(value.at)
	}
	return AI{code, text}, nil
}

// escapedAt is where the byte n of what s says stands in s.
func escapedAt(s string, n int) (at int) {
	for ; n > 0 && at < len(s); n-- {
		if s[at] == '%' {
			at += 2
		}
		at++
	}
	return at
}

// fill makes 14 digits of a GTIN-8, GTIN-12 or GTIN-13.
func fill(gtin string) string {
	if n := len(gtin); digits(gtin) && (n == 8 || n == 12 || n == 13) {
		return "00000000000000"[n:] + gtin
	}
	return gtin
}

// query takes GS1's attributes from a query, and leaves the rest.
func (l *Link) query(raw string, opts Options) *Error {
	if raw == "" {
		return nil
	}
	var rest []string
	for at := 0; at <= len(raw); {
		end := strings.IndexAny(raw[at:], "&;")
		if end < 0 {
			end = len(raw) - at
		}
		member := raw[at : at+end]
		name, value, _ := strings.Cut(member, "=")
		if !digits(name) {
			if member != "" {
				rest = append(rest, member)
			}
		} else if err := l.attribute(name, segment{value, at + len(member) - len(value)}, opts); err != nil {
			return err
		}
		at += end + 1
	}
	if l.Rest != "" {
		rest = append([]string{l.Rest}, rest...)
	}
	l.Rest = strings.Join(rest, "&")
	slices.SortStableFunc(l.AIs[l.named():], func(a, b AI) int { return strings.Compare(a.Code, b.Code) })
	return nil
}

func (l *Link) attribute(code string, value segment, opts Options) *Error {
	at := max(0, value.at-len(code)-1)
	r := find(code)
	switch {
	case r == nil:
		return refuse(at, code, AIUnknown, "GS1 has no application identifier %q", shorten(code))
	case !r.attribute || l.takes(code):
		return refuse(at, code, Order, "(%s) may not stand in the query after (%s)", code, l.AIs[0].Code)
	}
	if i := strings.IndexByte(value.text, '+'); i >= 0 { // a space, in a query
		return refuse(value.at+i, code, Letter, "a space may not stand here; a plus is written %%2B")
	}
	ai, err := element(r, code, value, opts)
	if err == nil {
		l.AIs = append(l.AIs, ai)
	}
	return err
}
