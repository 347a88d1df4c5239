package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"primum/internal/open"
	"primum/thing/id"
)

// classPage is what is known of a product code.
type classPage struct {
	frame
	Heading, Key string
	Links        []open.ClassLink
	Rows         []openRow
}

func (p *Portal) getClass(w http.ResponseWriter, r *http.Request) {
	// The path as it was sent: the parser unescapes each value itself.
	k, err := id.ParseDigitalLink(strings.TrimPrefix(r.URL.EscapedPath(), "/class"), "", id.Options{})
	if err != nil || k.Serial() || p.cfg.Class == nil {
		p.missing(w, r)
		return
	}
	f := p.frame(w, r)
	c, err := p.cfg.Class(r.Context(), k, f.Lang)
	if errors.Is(err, open.ErrUnknown) {
		p.NothingOf(w, r, k)
		return
	}
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	d := classPage{frame: f, Heading: clean(c.Title), Key: k.ElementString()}
	if d.Heading == "" {
		d.Heading = d.Key
	}
	d.Title = d.Heading
	for _, l := range c.Links {
		u, err := url.Parse(l.Href)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == p.cfg.Authority && u.Path == r.URL.Path {
			continue // what leads nowhere, or here
		}
		if l.Title = clean(l.Title); l.Title == "" {
			l.Title = shown(l.Href)
		}
		d.Links = append(d.Links, l)
	}
	if d.Rows, err = p.openRows(r.Context(), c.Things[:min(len(c.Things), pageThings)], f.Lang); err != nil {
		p.openFailed(w, r, err)
		return
	}
	p.show(w, http.StatusOK, "class.html", f.Lang, d)
}
