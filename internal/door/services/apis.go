package servicesdoor

import (
	"net/http"

	"primum/internal/answer"
)

// APICatalogPath is where programs find what interfaces a domain has (RFC
// 9727): a link set (RFC 9264).
const APICatalogPath = "/.well-known/api-catalog"

const apiCatalogType = `application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"`

// API is an interface of the node: where it is, and the documents about it.
type API struct {
	Path        string // where it begins
	Description string // path of a description for programs
	Kind        string // its media type
	Page        string // path of a page for people; may be empty
}

// target and context are the members of a link set that are needed here (RFC
// 9264 §4.2).
type target struct {
	Href string `json:"href"`
	Type string `json:"type,omitempty"`
}

type linkContext struct {
	Anchor      string   `json:"anchor"`
	Description []target `json:"service-desc,omitempty"`
	Page        []target `json:"service-doc,omitempty"`
	Item        []target `json:"item,omitempty"`
}

// apis lists the interfaces, and as its items some link sets of products, as a
// way in for who looks whether others can be named there.
func (d *Door) apis(w http.ResponseWriter, r *http.Request) {
	products, err := d.cfg.Products(r.Context())
	if err != nil {
		d.failed(w, err)
		return
	}
	own := linkContext{Anchor: d.cfg.Base + APICatalogPath}
	var all []linkContext
	for _, a := range d.cfg.APIs {
		c := linkContext{Anchor: d.cfg.Base + a.Path, Description: []target{{d.cfg.Base + a.Description, a.Kind}}}
		if a.Page != "" {
			c.Page = []target{{d.cfg.Base + a.Page, "text/html"}}
		}
		all, own.Item = append(all, c), append(own.Item, target{Href: c.Anchor})
	}
	for _, path := range products {
		own.Item = append(own.Item, target{d.cfg.Base + path, "application/linkset+json"})
	}
	open(w.Header())
	w.Header().Set("Link", "<"+own.Anchor+`>; rel="api-catalog"`) // RFC 9727 §2: of HEAD, too
	answer.JSON(w, http.StatusOK, apiCatalogType, map[string][]linkContext{"linkset": append([]linkContext{own}, all...)})
}
