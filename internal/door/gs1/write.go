package gs1door

import (
	"net/http"

	"primum/internal/answer"
	"primum/internal/linkset"
)

// jsonLD links a linkset with the context by which it is RDF (RFC 9264 §7.1).
const jsonLD = `>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"`

// writeLinkset answers with all links of what was found, the most exact level
// first.
func (d *Door) writeLinkset(w http.ResponseWriter, r *http.Request, q question, found []*linkset.Item) {
	h := w.Header()
	h.Add("Link", "<"+d.cfg.Base+ContextPath+jsonLD)
	kind := linkset.MediaType
	if linkset.Prefers(q.ask.Accept, "application/json", linkset.MediaType) {
		kind = "application/json"
	}
	answer.JSON(w, http.StatusOK, kind, linkset.Write(d.cfg.Base, q.ask.Language, found...))
}

// people answers a browser with a page about the class, and tells whether it
// did. A key that is one object's by its nature has no such page: only that
// nothing is known of it is said by one (status 0).
func (d *Door) people(w http.ResponseWriter, r *http.Request, q question, status int) bool {
	if d.cfg.Page == nil || !linkset.Prefers(q.ask.Accept, "text/html", linkset.MediaType) {
		return false
	}
	path := ""
	if of := class(q.link.Key); !of.Serial() {
		path = of.Path()
	} else if status != 0 {
		return false
	}
	d.cfg.Page(w, r, status, path)
	return true
}

// writeChoices answers 300 with the links that can't be told apart (RFC 9110
// §15.4.1).
func (d *Door) writeChoices(w http.ResponseWriter, it *linkset.Item, fit []linkset.Entry, language string) {
	some := *it
	some.Entries = fit
	w.Header().Add("Link", "<"+d.cfg.Base+ContextPath+jsonLD)
	answer.JSON(w, http.StatusMultipleChoices, linkset.MediaType, linkset.WriteLinks(d.cfg.Base, language, &some))
}
