package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"primum/internal/answer"
	"primum/internal/open"
)

// OpenSource are a node's open services.
type OpenSource interface {
	Services(ctx context.Context) ([]open.Service, error)
	Service(ctx context.Context, name string) (open.Service, error)
	Count(ctx context.Context, service string) (int64, error)
	Things(ctx context.Context, service, after string, limit int) ([]open.Thing, error)
	Thing(ctx context.Context, service, name string) (open.Thing, error)
	NewestOf(ctx context.Context, service, name string) (map[string]open.Sample, error)
	Windows(ctx context.Context, r open.Range, every time.Duration) ([]open.Window, time.Time, error)
}

// OpenPages are the pages about open services, for browsers that a door lets
// through: headers, but no limit of their own.
func (p *Portal) OpenPages() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /open":                   p.getOpen,
		"GET /open/{service}":         p.getOpenService,
		"GET /open/{service}/{thing}": p.getOpenThing,
		"GET /class/{key...}":         p.getClass,
		"/":                           p.missing,
	} {
		mux.HandleFunc(pattern, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), p.cfg.TLS)
		w.Header().Set("Content-Security-Policy", scriptless())
		answer.Vary(w.Header(), "Accept")
		if p.cfg.Open == nil {
			p.missing(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// openFailed answers for what is not there, and for what failed.
func (p *Portal) openFailed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, open.ErrUnknown) {
		p.missing(w, r)
		return
	}
	p.cfg.Log.Error("open values not read", "error", err)
	w.WriteHeader(http.StatusServiceUnavailable)
}

// openPage is the list of services, or of a service's things.
type openPage struct {
	frame
	Heading, Text    string
	License, Contact string
	ContactText      string
	Keep             int64 // days
	Rows             []openRow
	Next             string // where the list goes on
	Up               string // the page above
	UpText           string
}

// openRow is a service or a thing in a list.
type openRow struct {
	Href, Title, Text string
	Things            int64
	Values            []openValue
}

// openValue is the newest value of a property.
type openValue struct {
	Title, Value, Unit string
	At, AtISO          string
	Link               string // a place on a map
}

// pageThings is how many things one page lists.
const pageThings = 50

func (p *Portal) getOpen(w http.ResponseWriter, r *http.Request) {
	services, err := p.cfg.Open.Services(r.Context())
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	d := openPage{frame: p.frame(w, r)}
	d.Title = p.words(d.Lang)("openpage.title")
	d.Heading, d.Text = d.Title, p.words(d.Lang)("openpage.about")
	for _, s := range services {
		n, err := p.cfg.Open.Count(r.Context(), s.Name)
		if err != nil {
			p.openFailed(w, r, err)
			return
		}
		d.Rows = append(d.Rows, openRow{Href: openPath(s.Name, ""), Title: clean(s.TitleIn(d.Lang)), Text: firstLine(s.TextIn(d.Lang)), Things: n})
	}
	p.show(w, http.StatusOK, "open.html", d.Lang, d)
}

func openPath(service, name string) string {
	path := "/open/" + url.PathEscape(service)
	if name != "" {
		path += "/" + url.PathEscape(name)
	}
	return path
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return clean(line)
}

func (p *Portal) getOpenService(w http.ResponseWriter, r *http.Request) {
	s, err := p.cfg.Open.Service(r.Context(), r.PathValue("service"))
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	things, err := p.cfg.Open.Things(r.Context(), s.Name, r.URL.Query().Get("after"), pageThings+1)
	if err != nil {
		p.openFailed(w, r, err)
		return
	}
	d := openPage{frame: p.frame(w, r), License: contact(s.License), Contact: contact(s.Contact), Keep: int64(s.KeepDays), Up: "/open"}
	d.ContactText, d.UpText = shown(d.Contact), p.words(d.Lang)("openpage.title")
	d.Title = clean(s.TitleIn(d.Lang))
	d.Heading, d.Text = d.Title, cleanLines(s.TextIn(d.Lang))
	if len(things) > pageThings {
		things = things[:pageThings]
		d.Next = openPath(s.Name, "") + "?after=" + url.QueryEscape(things[pageThings-1].Name)
	}
	if d.Rows, err = p.openRows(r.Context(), things, d.Lang); err != nil {
		p.openFailed(w, r, err)
		return
	}
	p.show(w, http.StatusOK, "open.html", d.Lang, d)
}

// openRows are things in a list, with their first values.
func (p *Portal) openRows(ctx context.Context, things []open.Thing, lang string) (rows []openRow, err error) {
	const valuesMost = 3
	for _, t := range things {
		newest, err := p.cfg.Open.NewestOf(ctx, t.Service, t.Name)
		if errors.Is(err, open.ErrUnknown) { // gone meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		values := p.openValues(t, newest, lang)
		rows = append(rows, openRow{
			Href: openPath(t.Service, t.Name), Title: clean(t.TitleIn(lang)), Text: firstLine(t.TextIn(lang)), Values: values[:min(len(values), valuesMost)],
		})
	}
	return rows, nil
}

// openValues are a thing's newest values by the names of its properties.
func (p *Portal) openValues(t open.Thing, newest map[string]open.Sample, lang string) (all []openValue) {
	for _, name := range t.Properties() {
		v := openValue{Title: clean(t.PropertyTitle(name, lang)), Unit: unitText(t.Description.Properties[name].Unit)}
		if s, ok := newest[name]; ok {
			v.Value = valueText(s, lang, p.words(lang))
			v.At, v.AtISO = moment(s.At), s.At.Format(time.RFC3339)
			v.Link = placeLink(s)
		}
		all = append(all, v)
	}
	return all
}
