package namesdoor

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"primum/internal/answer"
	"primum/internal/linkset"
	"primum/internal/resolve"
	"primum/internal/wire"
	"primum/thing/id"
)

// resolve answers GET /resolve?id=NAME: a document for programs, a redirect for
// browsers and for names of other nodes.
func (d *Door) resolve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	answer.Open(h, "Link, Location")
	h.Set("Referrer-Policy", "no-referrer")
	answer.Vary(h, "Accept", "Accept-Language", "Signature")
	name, ok := d.named(w, r)
	if !ok {
		return
	}
	ask, err := d.asker(r)
	if err != nil {
		d.failed(w, err)
		return
	}
	a, err := d.cfg.Resolver.Resolve(r.Context(), name, ask)
	if err != nil {
		d.failed(w, err)
		return
	}
	d.cfg.Tally.Count(a.Kind, d.cfg.Clock.Now())
	h.Set("Cache-Control", cacheOf(a, ask))
	switch {
	case a.Kind == resolve.Unknown && d.cfg.NothingPage != nil && wants(r.Header.Get("Accept"), "text/html"):
		d.cfg.NothingPage(w, r, name)
	case a.Kind == resolve.Unknown:
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "nothing of this name is known here")
	case a.Kind == resolve.Referral:
		h.Set("Location", a.HandledBy+wire.ResolvePath+"?id="+url.QueryEscape(name.String()))
		answer.JSON(w, http.StatusTemporaryRedirect, jsonType, a.Wire())
	default:
		d.found(w, r, name, a)
	}
}

func (d *Door) asker(r *http.Request) (ask resolve.Ask, err error) {
	ask.Lang = r.Header.Get("Accept-Language")
	if d.cfg.Caller != nil {
		ask.Caller, err = d.cfg.Caller(r, nil)
	}
	return ask, err
}

// cacheOf is what may be kept: the answer to a question for a class (names.md,
// privacy 7). What is said to a question for a thing is never kept, even where
// it is about the class alone: the address holds the serial.
func cacheOf(a resolve.Answer, ask resolve.Ask) string {
	if a.Asked == resolve.Class && ask.Caller == "" {
		return classAge
	}
	return "no-store"
}

func (d *Door) found(w http.ResponseWriter, r *http.Request, name id.ID, a resolve.Answer) {
	accept := r.Header.Get("Accept")
	if page, ok := d.page(name, a); ok && wants(accept, "text/html") {
		w.Header().Set("Location", page)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	if wants(accept, linksetType) {
		answer.JSON(w, http.StatusOK, linksetType, linksetOf(a))
		return
	}
	answer.JSON(w, http.StatusOK, jsonType, a.Wire())
}

// page is where a browser goes: for a key the Digital Link here, which knows
// languages and media types; else the default link. A serial stays at this
// host: what it is exchanged for is what a publisher wrote for this very thing.
func (d *Door) page(name id.ID, a resolve.Answer) (string, bool) {
	if k, ok := name.Key(); ok {
		return d.cfg.Base + "/" + k.Path(), true
	}
	for _, l := range a.Links {
		if l.Default {
			return l.Href, true
		}
	}
	return "", false
}

// wants says whether a media type stands in an Accept header before JSON.
func wants(accept, kind string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		mime, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch {
		case strings.EqualFold(mime, kind):
			return true
		case strings.EqualFold(mime, jsonType):
			return false
		}
	}
	return false
}

// linksetOf is an answer as RFC 9264 §4.2 writes it: one context object.
func linksetOf(a resolve.Answer) map[string]any {
	context := map[string]any{"anchor": a.ID}
	for _, l := range a.Links {
		rel := linkset.TypeURL(l.Rel)
		list, _ := context[rel].([]map[string]any)
		context[rel] = append(list, targetOf(l))
	}
	return map[string]any{"linkset": []any{context}}
}

func targetOf(l wire.NamedLink) map[string]any {
	target := map[string]any{"href": l.Href}
	for member, v := range map[string]string{"title": l.Title, "type": l.Type} {
		if v != "" {
			target[member] = v
		}
	}
	if len(l.HrefLang) > 0 {
		target["hreflang"] = l.HrefLang
	}
	return target
}

// ownDocument is the node's did:web document.
func (d *Door) ownDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", classAge)
	d.document(w, resolve.NodeDocument(d.cfg.Authority, d.cfg.Base, d.cfg.KeyName, d.cfg.Key))
}

// labelDocument is the did:web document of a thing by its random label.
func (d *Door) labelDocument(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	label := r.PathValue("label")
	_, ok, err := d.cfg.Pages(r.Context(), label)
	switch {
	case err != nil:
		d.failed(w, err)
	case !ok:
		answer.Open(w.Header(), "")
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "nothing of this name is known here")
	default:
		d.document(w, resolve.LabelDocument(d.cfg.Authority, d.cfg.Base, label))
	}
}

func (d *Door) document(w http.ResponseWriter, doc resolve.Document) {
	answer.Open(w.Header(), "")
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		d.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", resolve.DIDType)
	_, _ = w.Write(append(b, '\n'))
}
