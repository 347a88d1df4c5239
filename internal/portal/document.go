package portal

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"primum/internal/answer"
	"primum/internal/store"
	"primum/internal/wire"
)

// documentPage shows one public document to a person, with where it stands.
type documentPage struct {
	frame
	SHA256, Type, Kind string
	When, WhenISO      string
	Index              int64
	Heading, Body      string // its words, if it has some
	Whole              string // it, as it is
	URL                string
}

// showDocument is a page about a document.
func (p *Portal) showDocument(w http.ResponseWriter, r *http.Request) {
	f, err := p.cfg.Facts.Get(r.Context(), r.PathValue("sha256"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		p.missing(w, r)
		return
	case err != nil:
		p.cfg.Log.Error("fact not read", "error", err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Security-Policy", scriptless())
	answer.Vary(w.Header(), "Accept")
	d := documentPage{
		frame: p.frame(w, r), SHA256: f.SHA256, Type: f.Type, Kind: f.Kind, When: moment(f.At), WhenISO: f.At.UTC().Format(time.RFC3339),
		Index: int64(f.Index), Whole: cleanLines(string(f.Body)), URL: p.base + wire.FactPath(f.SHA256),
	}
	d.Title = p.words(d.Lang)("facts.type." + f.Type)
	var doc struct {
		Texts map[string]wire.Text `json:"texts"`
	}
	if json.Unmarshal(f.Body, &doc) == nil {
		t := textIn(doc.Texts, d.Lang)
		d.Heading, d.Body = t.Title, t.Body
	}
	p.show(w, http.StatusOK, "document.html", d.Lang, d)
}
