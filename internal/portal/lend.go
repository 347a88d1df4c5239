package portal

import "net/http"

// What the portal lends to pages of other rooms on the same origin.

// Secure sets the headers that all pages have; a page may narrow its policy.
func (p *Portal) Secure(h http.Header) { secure(h, p.cfg.TLS) }

// Asset is the path of an asset by its logical name, "style.css"; empty for one
// that is not there.
func (p *Portal) Asset(name string) string { return p.assets.paths[name] }

// Language is the visitor's: asked for, remembered, or preferred.
func (p *Portal) Language(w http.ResponseWriter, r *http.Request) string { return p.language(w, r) }
