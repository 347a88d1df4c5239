package portal

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"primum/internal/answer"
	"primum/internal/store"
	"primum/internal/wire"
)

// thingPage is a thing's public page: what it collects, and what one may do
// about it. The owner's own words stay in the owner's language.
type thingPage struct {
	frame
	ID, About    string
	OwnerLang    string
	OwnerDir     string
	Items        []thingItem
	Contact      string // address to write to, empty if none is given
	ContactText  string
	Operator     string
	OperatorText string
	URL          string
}

type thingItem struct {
	What, Every, Fine, Kept, Purpose string
	Inner, Outer                     []string
	Rings                            rings
}

func (p *Portal) getThing(w http.ResponseWriter, r *http.Request) {
	if p.cfg.Notice == nil {
		p.missing(w, r)
		return
	}
	n, err := p.cfg.Notice(r.Context(), r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		p.missing(w, r)
		return
	}
	if err != nil {
		p.cfg.Log.Error("notice not read", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Security-Policy", scriptless())
	d := p.thing(p.frame(w, r), n)
	p.show(w, http.StatusOK, "thing.html", d.Lang, d)
}

// getNotice answers programs with what the page says.
func (p *Portal) getNotice(w http.ResponseWriter, r *http.Request) {
	n, err := wire.Notice{}, store.ErrNotFound
	if p.cfg.Notice != nil {
		n, err = p.cfg.Notice(r.Context(), r.PathValue("id"))
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "nothing of this name is known here")
	case err != nil:
		answer.Failed(w, p.cfg.Log, "notice not read", err)
	default:
		answer.JSON(w, http.StatusOK, "application/json", n)
	}
}

func (p *Portal) thing(f frame, n wire.Notice) thingPage {
	f.Title = clean(n.Title)
	d := thingPage{
		frame: f, ID: n.ID, About: cleanLines(n.About), OwnerLang: ownerLanguage(n.Language), OwnerDir: "auto",
		Contact: contact(n.Contact), Operator: contact(p.cfg.Contact), URL: p.base + "/thing/" + n.ID,
	}
	d.ContactText = shown(d.Contact)
	if d.Operator == "" {
		d.Operator = p.postmaster()
	}
	d.OperatorText = shown(d.Operator)
	for _, item := range n.Items {
		d.Items = append(d.Items, thingItem{
			What: clean(item.What), Every: every(item.Every, p.words(f.Lang)), Fine: clean(item.Fine), Kept: clean(item.Kept), Purpose: clean(item.Purpose),
			Inner: cleanAll(item.Inner), Outer: cleanAll(item.Outer), Rings: ringsOf(len(item.Inner), len(item.Outer)),
		})
	}
	return d
}

// postmaster is where every domain takes complaints (RFC 2142 §4); a node under
// .localhost has none.
func (p *Portal) postmaster() string {
	if p.cfg.Loopback {
		return ""
	}
	name := p.cfg.Authority
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	return "mailto:abuse@" + name
}

// everyForm is a number and its unit.
var everyForm = regexp.MustCompile(`^([1-9][0-9]{0,3})([smhdw])$`)

// every says how often in the visitor's language.
func every(s string, say func(string, ...any) string) string {
	if s == "change" {
		return say("portal.every.change")
	}
	m := everyForm.FindStringSubmatch(s)
	if m == nil {
		return clean(s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return clean(s)
	}
	return say("portal.every."+m[2], "N", n)
}

// clean takes out of foreign words what has no look of its own, or would change
// the look of what stands beside it: control, format and bidirectional
// characters. The store has refused them already.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// cleanLines is clean, but for line breaks.
func cleanLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = clean(line)
	}
	return strings.Join(lines, "\n")
}

func cleanAll(all []string) (out []string) {
	for _, s := range all {
		if s = clean(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// ownerLanguage is the language of the owner's words, or empty.
func ownerLanguage(tag string) string {
	if !languageTag.MatchString(tag) {
		return ""
	}
	return tag
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$`)

// contact is an address that a page may link to, or empty.
func contact(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	if u.Scheme == "mailto" && u.Opaque != "" || u.Scheme == "https" && u.Host != "" && u.User == nil {
		return u.String()
	}
	return ""
}

// shown is an address as people write it.
func shown(address string) string {
	s := strings.TrimPrefix(strings.TrimPrefix(address, "mailto:"), "https://")
	s, _, _ = strings.Cut(s, "?")
	if plain, err := url.PathUnescape(s); err == nil {
		s = plain
	}
	return clean(strings.TrimSuffix(s, "/"))
}
