package portal

import (
	"net/http"
	"strings"
)

// linkPrefix makes the origin of link pages: a guest's keys are made there, and
// must be out of reach of every other page.
const linkPrefix = "link."

// isLink tells whether a request is for the origin of link pages.
func (p *Portal) isLink(r *http.Request) bool {
	if p.cfg.Alone {
		return false
	}
	name, _, _ := strings.Cut(p.cfg.Authority, ":")
	return host(r) == linkPrefix+name
}

// originOf is the origin whose pages may send a request.
func (p *Portal) originOf(r *http.Request) string {
	if p.isLink(r) {
		scheme, rest, _ := strings.Cut(p.base, "://")
		return scheme + "://" + linkPrefix + rest
	}
	return p.origin
}

// mountLink is all that the link pages' origin has: the guest's page, assets,
// and reports. Requests to the own node go by /via/.
func (p *Portal) mountLink() {
	p.link = http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /l/{id}":                  p.getLink,
		"GET " + assetsPath + "{name}": p.getAsset,
		"GET " + ManifestPath:          p.getManifest,
		"POST " + reportPath:           p.postReport,
		"GET /{$}":                     p.toStart,
		"/":                            p.missing,
	} {
		p.link.HandleFunc(pattern, p.page(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Permissions-Policy", guestPermissions())
			h(w, r)
		}))
	}
}

// getLink is the shell of a guest's page. The link's secret is behind the #,
// which no browser sends.
func (p *Portal) getLink(w http.ResponseWriter, r *http.Request) {
	p.shell(w, r, shellOf{script: "link.js", page: "link.html", title: "portal.link.title"})
}

func (p *Portal) toStart(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, p.base+"/", http.StatusSeeOther)
}
