package portal

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"time"

	"primum/internal/wire"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Counts are the numbers on the start page.
type Counts struct {
	Accounts, Circles, Messages int64
}

// countsLife is how long counted numbers are shown, so that reloading the page
// costs the store nothing.
const countsLife = 10 * time.Second

func parsePages() (*template.Template, error) {
	// t is replaced for each page by the words of its language.
	t := template.New("").Funcs(template.FuncMap{
		"t": func(string, ...any) string { return "" }, "number": func(int64) string { return "" },
		"text": func(map[string]wire.Text) wire.Text { return wire.Text{} }, "whole": func(uint64) string { return "" },
		"factPath": wire.FactPath, "day": day, "newestFirst": newestFirst,
	})
	return t.ParseFS(templateFiles, "templates/*.html")
}

// frame is what every page has.
type frame struct {
	Lang, Dir string
	Title     string
	Authority string
	Style     string // path of the style sheet
	Plain     string // path of the one for pages without a script
	Script    string // path of the script, empty for pages without one
	Icon      string
	Assets    string // JSON: logical names and paths
	LAN       bool   // edges on the local network can be reached
	Languages []choice
}

// choice is a link to the same page in another language.
type choice struct{ Lang, Name, Href string }

func (p *Portal) frame(w http.ResponseWriter, r *http.Request) frame {
	l := p.language(w, r)
	f := frame{
		Lang: l, Dir: direction(l), Authority: p.cfg.Authority, LAN: p.cfg.LAN && !p.isLink(r),
		Style: p.assets.paths["page.css"], Plain: p.assets.paths["page.css"], Icon: p.assets.paths["icon.svg"],
	}
	f.inLanguages(keptIn(r.URL.Query()))
	return f
}

// inLanguages links to the same page in the other languages; keep is the rest of
// its address.
func (f *frame) inLanguages(keep url.Values) {
	f.Languages = nil
	for _, other := range languages() {
		if other != f.Lang {
			keep.Set("lang", other)
			f.Languages = append(f.Languages, choice{other, ownName(other), "?" + keep.Encode()})
		}
	}
}

// keptIn is what of a query says which page it is. Only what pages have is kept:
// the query of a Digital Link may hold a serial number, which no page repeats.
func keptIn(query url.Values) url.Values {
	keep := url.Values{}
	for _, name := range []string{"after", "at", "context", "linkType", "property", "span"} {
		if v := query.Get(name); v != "" {
			keep.Set(name, v)
		}
	}
	return keep
}

// ownName is what speakers of a language call it.
func ownName(language string) string {
	return map[string]string{"en": "English", "de": "Deutsch", "ar": "العربية"}[language]
}

// show writes a page from its template, whole or not at all.
func (p *Portal) show(w http.ResponseWriter, status int, name, language string, data any) {
	t, err := p.pages.Clone()
	if err == nil {
		t.Funcs(template.FuncMap{
			"t": p.words(language), "number": func(n int64) string { return grouped(n, language) },
			"text":  func(in map[string]wire.Text) wire.Text { return textIn(in, language) },
			"whole": func(n uint64) string { return grouped(int64(min(n, math.MaxInt64)), language) },
		})
		var b bytes.Buffer
		if err = t.ExecuteTemplate(&b, name, data); err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Language", language)
			w.WriteHeader(status)
			_, _ = w.Write(b.Bytes())
			return
		}
	}
	p.cfg.Log.Error("page failed", "page", name, "error", err)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte("This page failed. The node's log says why.\n"))
}

// startPage is what the start page shows.
type startPage struct {
	frame
	Version, Since, SinceISO string
	Counts                   *Counts
	Built, Services, Open    bool
}

func (p *Portal) getStart(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", scriptless())
	d := startPage{frame: p.frame(w, r), Version: p.cfg.Version, Built: p.assets.built, Services: p.cfg.Services != nil}
	d.Title = p.cfg.Authority
	if !p.cfg.Since.IsZero() {
		// The isolates keep the order of the parts in a text from right to left.
		d.Since, d.SinceISO = p.cfg.Since.UTC().Format("\u20662006-01-02 15:04 UTC\u2069"), p.cfg.Since.UTC().Format(time.RFC3339)
	}
	if p.cfg.Open != nil {
		all, err := p.cfg.Open.Services(r.Context())
		d.Open = err == nil && len(all) > 0
	}
	if p.cfg.Counts != nil {
		n, err := p.counts(r.Context())
		if err != nil {
			p.cfg.Log.Error("counting failed", "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		d.Counts = &n
	}
	p.show(w, http.StatusOK, "start.html", d.Lang, d)
}

// counts asks the store at most once in countsLife.
func (p *Portal) counts(ctx context.Context) (Counts, error) {
	p.countsMu.Lock()
	defer p.countsMu.Unlock()
	now := p.cfg.Clock.Now()
	if age := now.Sub(p.countsAt); age >= 0 && age < countsLife && !p.countsAt.IsZero() {
		return p.lastCounts, nil
	}
	n, err := p.cfg.Counts(ctx)
	if err != nil {
		return Counts{}, err
	}
	p.lastCounts, p.countsAt = n, now
	return n, nil
}

// getMy is the shell of the portal: it is the same for everybody, shows at
// once, and is filled by the script.
func (p *Portal) getMy(w http.ResponseWriter, r *http.Request) {
	p.shell(w, r, shellOf{script: "my.js", page: "my.html", title: "portal.my.title"})
}

// shellOf names the parts of a page that a script fills.
type shellOf struct{ script, page, title string }

// shell answers with a page that a script fills, or says how to build it.
func (p *Portal) shell(w http.ResponseWriter, r *http.Request, s shellOf) {
	f := p.frame(w, r)
	f.Title = p.words(f.Lang)(s.title)
	f.Script = p.assets.paths[s.script]
	if f.Script == "" {
		w.Header().Set("Content-Security-Policy", scriptless())
		p.show(w, http.StatusServiceUnavailable, "unbuilt.html", f.Lang, f)
		return
	}
	f.Style = p.assets.paths["style.css"]
	names, err := json.Marshal(p.assets.paths)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	f.Assets = string(names)
	w.Header().Set("Cache-Control", "no-cache")
	p.show(w, http.StatusOK, s.page, f.Lang, f)
}

// missing answers for an asset or page that is not there.
func (p *Portal) missing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", scriptless())
	f := p.frame(w, r)
	f.Title = p.words(f.Lang)("portal.missing.title")
	p.show(w, http.StatusNotFound, "missing.html", f.Lang, f)
}

// webManifest makes the portal installable (W3C Web Application Manifest).
type webManifest struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	ShortName  string    `json:"short_name"`
	StartURL   string    `json:"start_url"`
	Scope      string    `json:"scope"`
	Display    string    `json:"display"`
	Lang       string    `json:"lang"`
	Dir        string    `json:"dir"`
	Background string    `json:"background_color"`
	Theme      string    `json:"theme_color"`
	Icons      []webIcon `json:"icons"`
}

type webIcon struct {
	Src     string `json:"src"`
	Sizes   string `json:"sizes"`
	Type    string `json:"type"`
	Purpose string `json:"purpose,omitempty"`
}

func (p *Portal) getWebManifest(w http.ResponseWriter, r *http.Request) {
	l := p.language(w, r)
	m := webManifest{
		ID: "/my", Name: "Primum – " + p.cfg.Authority, ShortName: "Primum", StartURL: "/my", Scope: "/", Display: "standalone",
		Lang: l, Dir: direction(l), Background: "#fbfbf9", Theme: "#1f6650", Icons: []webIcon{},
	}
	for _, i := range []webIcon{
		{"icon.svg", "any", "image/svg+xml", "any"},
		{"icon-192.png", "192x192", "image/png", "any"},
		{"icon-512.png", "512x512", "image/png", "any"},
		{"icon-maskable.png", "512x512", "image/png", "maskable"},
	} {
		if where := p.assets.paths[i.Src]; where != "" {
			i.Src = where
			m.Icons = append(m.Icons, i)
		}
	}
	w.Header().Set("Content-Type", "application/manifest+json")
	w.Header().Set("Cache-Control", "no-cache")
	_ = json.NewEncoder(w).Encode(m)
}
