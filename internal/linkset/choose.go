package linkset

import (
	"slices"
	"strconv"
	"strings"
)

// maxRanges bounds what is read of an Accept header.
const maxRanges = 32

// Ask is what a request says about the link it wants; all may be empty.
type Ask struct {
	LinkType string // as NormalType writes it; empty: the default
	Context  string
	Language string // Accept-Language (RFC 9110 §12.5.4)
	Accept   string // Accept (RFC 9110 §12.5.1)
}

// Choose returns the links of an item that fit best: one to redirect to, more
// that can't be told apart, or none. For the default it returns one, or none
// where the item has none at all (GS1-Conformant Resolver 1.2, Redirection).
func (it *Item) Choose(a Ask) []Entry {
	if a.LinkType != "" && a.LinkType != DefaultLink {
		return narrow(it.of(a.LinkType), a)
	}
	first, all, ok := it.defaults()
	switch {
	case !ok:
		return nil
	case len(all) < 2:
		return []Entry{first}
	}
	best := narrow(all, a)
	if len(best) == 1 {
		return best
	}
	return []Entry{first}
}

// Varies tells whether the default depends on who asks.
func (it *Item) Varies() bool {
	_, all, _ := it.defaults()
	return len(all) > 1
}

// of returns the links of a type, in the order in which they were put.
func (it *Item) of(linkType string) (all []Entry) {
	for _, e := range it.Entries {
		if e.LinkType == linkType {
			all = append(all, e)
		}
	}
	return all
}

// defaults are the one default link, and all that stand for it in some language
// or form. Where nobody marked one, product information stands for it, and
// without that the type of the first link.
func (it *Item) defaults() (first Entry, all []Entry, ok bool) {
	for _, e := range it.Entries {
		if e.Default || e.LinkType == DefaultLink || e.LinkType == DefaultMulti {
			all = append(all, e)
		}
	}
	if i := slices.IndexFunc(all, func(e Entry) bool { return e.LinkType != DefaultMulti }); i >= 0 {
		return all[i], all, true
	}
	if len(all) == 0 {
		all = it.of("gs1:pip")
	}
	if i := slices.IndexFunc(it.Entries, func(e Entry) bool { return e.LinkType != HandledBy }); len(all) == 0 && i >= 0 {
		all = it.of(it.Entries[i].LinkType)
	}
	if len(all) == 0 {
		return Entry{}, nil, false
	}
	return all[0], all, true
}

// narrow keeps what fits best: context, then what is acceptable at all, then
// language, then media type.
func narrow(all []Entry, a Ask) []Entry {
	if len(all) < 2 {
		return all
	}
	in := func(e Entry) bool {
		return slices.ContainsFunc(e.Context, func(c string) bool { return strings.EqualFold(c, a.Context) })
	}
	if a.Context != "" && slices.ContainsFunc(all, in) {
		all = keep(all, in)
	} else {
		all = keep(all, func(e Entry) bool { return len(e.Context) == 0 })
	}
	accept, languages := readRanges(a.Accept), readRanges(a.Language)
	all = keep(all, func(e Entry) bool { return accept.media(e.Type) > 0 })
	if len(languages) == 0 {
		all = keep(all, func(e Entry) bool { return len(e.Langs) == 0 })
	} else {
		all = best(all, func(e Entry) int { return languages.language(e.Langs) })
	}
	return best(all, func(e Entry) int { return accept.media(e.Type) })
}

// keep returns what ok likes, or all if it likes none.
func keep(all []Entry, ok func(Entry) bool) []Entry {
	var some []Entry
	for _, e := range all {
		if ok(e) {
			some = append(some, e)
		}
	}
	if len(some) == 0 {
		return all
	}
	return some
}

// best returns what has the highest quality.
func best(all []Entry, quality func(Entry) int) []Entry {
	most := 0
	for _, e := range all {
		most = max(most, quality(e))
	}
	return keep(all, func(e Entry) bool { return quality(e) == most })
}

// weighted is an element of an Accept header; its quality in thousandths.
type weighted struct {
	text    string
	quality int
}

type preferences []weighted

// readRanges reads an Accept header of any kind, without what it can't read.
func readRanges(header string) (all preferences) {
	for part := range strings.SplitSeq(header, ",") {
		text, params, _ := strings.Cut(part, ";")
		text = strings.ToLower(strings.TrimSpace(text))
		if text == "" {
			continue
		}
		if all = append(all, weighted{text, quality(params)}); len(all) == maxRanges {
			break
		}
	}
	return all
}

// quality reads ";q=0.8" as 800; without one it is 1000.
func quality(params string) int {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
			return int(q * 1000)
		}
		return 0
	}
	return 1000
}

// media is the quality of a media type by the most specific range that has it.
// Of a link that names none, nothing speaks against it, and little for it.
func (p preferences) media(kind string) int {
	if len(p) == 0 {
		return 1000
	}
	if kind == "" {
		return 1
	}
	q, specific := 0, -1
	for _, r := range p {
		s := -1
		major, star := strings.CutSuffix(r.text, "/*")
		switch {
		case r.text == kind:
			s = 2
		case star && major == "*" || r.text == "*":
			s = 0
		case star && strings.HasPrefix(kind, major+"/"):
			s = 1
		}
		if s > specific {
			q, specific = r.quality, s
		}
	}
	return q
}

// language is the quality of the best of some languages, in hundred-thousandths:
// the language itself before its region, and that before another region of the
// language (RFC 4647 §3.4). A link without a language is better than a foreign
// one.
func (p preferences) language(tags []string) (most int) {
	if len(tags) == 0 {
		return 1
	}
	for _, tag := range tags {
		tag = strings.ToLower(tag)
		for _, r := range p {
			near := 0
			switch main, _, _ := strings.Cut(r.text, "-"); {
			case r.text == tag:
				near = 100
			case main == tag:
				near = 99
			case strings.HasPrefix(tag, main+"-"):
				near = 98
			case r.text == "*":
				near = 50
			}
			most = max(most, r.quality*near)
		}
	}
	return most
}

// Wanted tells whether an Accept header asks for a linkset as such.
func Wanted(accept string) bool {
	return strings.Contains(accept, "linkset") && readRanges(accept).named(MediaType) > 0
}

// Prefers tells whether an Accept header names a media type, and not another
// one with more weight.
func Prefers(accept, kind, other string) bool {
	p := readRanges(accept)
	return p.named(kind) > p.named(other)
}

// named is the quality that a header gives to a media type by its name.
func (p preferences) named(kind string) int {
	for _, r := range p {
		if r.text == kind {
			return r.quality
		}
	}
	return 0
}

// DescriptionIn is what the item is, in the language that fits an
// Accept-Language header best.
func (it *Item) DescriptionIn(accept string) string {
	p, text, most := readRanges(accept), it.Description, 1
	for _, lang := range sortedKeys(it.Local) {
		if q := p.language([]string{lang}); q > most {
			text, most = it.Local[lang], q
		}
	}
	return text
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
