package namesdoor

import (
	"net/http"
	"strings"

	"primum/internal/answer"
	"primum/internal/wire"
)

const coreType = "application/link-format" // RFC 6690 §7.3

// Link is one entry of /.well-known/core.
type Link struct {
	Path  string // on this node
	RT    string // resource type, for filters
	CT    string // CoAP content format: 432 is a Thing Description
	Title string
}

func ownLinks() []Link {
	return []Link{
		{Path: "/.well-known/wot", RT: "wot.directory", CT: "432"}, // W3C WoT Discovery, CoRE link format
		{Path: wire.ResolvePath, RT: "primum.resolve", CT: "50"},
		{Path: "/.well-known/gs1resolver", RT: "gs1.resolver", CT: "50"},
		{Path: "/.well-known/did.json", RT: "did.document", CT: "50"},
	}
}

// core answers in the CoRE link format, with the filter of RFC 6690 §4.1.
func (d *Door) core(w http.ResponseWriter, r *http.Request) {
	links := ownLinks()
	if d.cfg.Core != nil {
		more, err := d.cfg.Core(r.Context())
		if err != nil {
			d.failed(w, err)
			return
		}
		links = append(links, more...)
	}
	var out []string
	query := r.URL.Query()
	for _, l := range links {
		if l.passes(query) {
			out = append(out, l.String())
		}
	}
	h := w.Header()
	answer.Open(h, "")
	h.Set("Content-Type", coreType)
	h.Set("Cache-Control", classAge)
	_, _ = w.Write([]byte(strings.Join(out, ",")))
}

// String writes the link (RFC 6690 §2).
func (l Link) String() string {
	s := "<" + l.Path + ">"
	for _, a := range [][2]string{{"rt", quoted(l.RT)}, {"ct", l.CT}, {"title", quoted(l.Title)}} {
		if a[1] != "" {
			s += ";" + a[0] + "=" + a[1]
		}
	}
	return s
}

// quoted is a quoted-string (RFC 6690 §2); "" stays "".
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", " ", "\n", " ").Replace(s) + `"`
}

// passes compares each attribute of a query; a star at the end stands for any
// more.
func (l Link) passes(query map[string][]string) bool {
	have := map[string]string{"href": l.Path, "rt": l.RT, "ct": l.CT, "title": l.Title}
	for name, values := range query {
		for _, want := range values {
			prefix, star := strings.CutSuffix(want, "*")
			if have[name] != want && (!star || !strings.HasPrefix(have[name], prefix)) {
				return false
			}
		}
	}
	return true
}
