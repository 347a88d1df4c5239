// Package gs1door is a GS1-conformant resolver (1.2) over HTTP: GS1 Digital
// Links at the root, compressed ones too, the resolver's description, and the
// interface by which publishers manage links. It keeps nothing; the links are
// linkset's.
//
// A look-up of a single object's name reads the same rows whether that object
// is unknown, private or opted out, and what it answers comes from the class
// alone (design, privacy of names 3 and 7).
package gs1door

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"primum/internal/answer"
	"primum/internal/linkset"
	"primum/internal/resolve"
	"primum/internal/wire"
	"primum/thing/id"
)

// Paths of the door, beside Digital Links.
const (
	DescriptionPath = "/.well-known/gs1resolver"
	ContextPath     = "/.well-known/gs1resolver/context.jsonld"
	LinksPath       = "/v1/linkset"
	DelegationsPath = "/v1/linkset/delegations"
)

// Config of the door; Contact, Anchor and Log may be empty.
type Config struct {
	Authority string // the node's domain
	Base      string // its address, without a final slash
	Contact   string // of the operator, mailto: or https:
	Links     *linkset.Book
	// Anchor is where the links of a single object's name stand: nowhere, if
	// nobody is to learn whether they do (resolve.Resolver.Anchor). Nil: at the
	// path of its key.
	Anchor func(context.Context, id.ID) (string, error)
	// Described finds the Thing Description of a name that everyone may see
	// (resolve.Resolver.Described). Nil: there are none.
	Described func(context.Context, id.ID) (resolve.Description, bool, error)
	// Publisher tells who may change links; its *wire.Problem is answered as it
	// is.
	Publisher func(*http.Request) (name string, err error)
	// Header are lines that every answer of the node has, for ReadyBytes.
	Header []string
	// Page shows people what is known of a class, by the path of its key: with a
	// status, or with the page's own (0); without a class, that nothing is. Nil:
	// they get what programs get.
	Page func(w http.ResponseWriter, r *http.Request, status int, class string)
	// BadPage tells people what is wrong with a Digital Link that is none. Nil:
	// they get what programs get.
	BadPage func(w http.ResponseWriter, r *http.Request, err error)
	// Note writes into the operators' log what is about to be changed.
	Note func(ctx context.Context, name, act, about string) error
	Log  *slog.Logger
}

// Door is safe for concurrent use.
type Door struct {
	cfg   Config
	ready ready
}

// New makes the door.
func New(c Config) *Door {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Anchor == nil {
		c.Anchor = func(_ context.Context, name id.ID) (string, error) {
			k, _ := name.Key()
			return k.Path(), nil
		}
	}
	if c.Described == nil {
		c.Described = func(context.Context, id.ID) (d resolve.Description, ok bool, err error) { return d, false, nil }
	}
	return &Door{cfg: c}
}

// Routes are the patterns of the door and who answers them. Compressed links
// have no pattern: see Takes.
func (d *Door) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{
		DescriptionPath: http.HandlerFunc(d.describe),
		ContextPath:     http.HandlerFunc(d.context),
		LinksPath:       d.byPublisher(d.links),
		DelegationsPath: d.byPublisher(d.delegations),
	}
	for _, code := range primaryKeys {
		routes["/"+code+"/{rest...}"] = d
	}
	return routes
}

// Begins tells whether a path begins with a primary key.
func Begins(path string) bool {
	if len(path) < 4 || path[0] != '/' || path[1] < '0' || path[1] > '9' {
		return false
	}
	code, _, ok := strings.Cut(path[1:], "/")
	return ok && slices.Contains(primaryKeys[:], code)
}

// shortest compressed link: three bytes of a key that nobody can write shorter.
const shortest = 8

// Takes tells whether a path that no pattern has is a compressed link: one
// segment of base64url that decompresses to a valid key. A word of people's is
// none.
func (d *Door) Takes(path string) bool {
	text, ok := strings.CutPrefix(path, "/")
	if !ok || len(text) < shortest || strings.Trim(text, "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return false
	}
	link, err := id.ParseLink(path, "", id.Options{})
	return err == nil && link.Compressed
}

// primaryKeys are the keys that a path may begin with (GS1 Digital Link 1.6
// §4.3), in the order of their codes.
var primaryKeys = [...]string{"00", "01", "253", "255", "401", "402", "414", "415", "417", "8003", "8004", "8006", "8010", "8013", "8017", "8018"}

// description is the resolver's own (GS1-Conformant Resolver 1.2, Resolver
// Description File).
type description struct {
	Name      string      `json:"name"`
	Root      string      `json:"resolverRoot"`
	Keys      []string    `json:"supportedPrimaryKeys"`
	LinkTypes []namespace `json:"supportedLinkType"`
	Default   bool        `json:"linkTypeDefaultCanBeLinkset"`
	Contact   *contact    `json:"contact,omitempty"`
	Context   string      `json:"jsonLdContextLocation"`
}

type namespace struct {
	Namespace string `json:"namespace"`
	Prefix    string `json:"prefix"`
}

type contact struct {
	Name string `json:"fn"`
	URL  string `json:"url,omitempty"`
	Mail string `json:"hasEmail,omitempty"`
}

// describe answers with the resolver's description.
func (d *Door) describe(w http.ResponseWriter, r *http.Request) {
	if !d.reads(w, r) {
		return
	}
	out := description{
		Name: d.cfg.Authority, Root: d.cfg.Base, Keys: primaryKeys[:],
		LinkTypes: []namespace{{linkset.Vocabulary, "gs1:"}}, Context: d.cfg.Base + ContextPath,
	}
	if mail, ok := strings.CutPrefix(d.cfg.Contact, "mailto:"); ok {
		out.Contact = &contact{Name: d.cfg.Authority, Mail: mail}
	} else if d.cfg.Contact != "" {
		out.Contact = &contact{Name: d.cfg.Authority, URL: d.cfg.Contact}
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	answer.JSON(w, http.StatusOK, "application/json", out)
}

// context answers with the JSON-LD context by which a linkset is RDF.
func (d *Door) context(w http.ResponseWriter, r *http.Request) {
	if !d.reads(w, r) {
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=86400")
	answer.JSON(w, http.StatusOK, "application/ld+json", map[string]any{"@context": map[string]any{
		"@vocab": "http://www.iana.org/assignments/relation/", "anchor": "@id", "href": "@id", "linkset": "@graph",
		"itemDescription": "http://www.w3.org/2000/01/rdf-schema#comment", "title": "http://purl.org/dc/terms/title",
		"hreflang": map[string]string{"@id": "http://purl.org/dc/terms/language", "@container": "@set"},
		"type":     "http://purl.org/dc/terms/format", "gs1": linkset.Vocabulary,
	}})
}

const readMethods = "GET, HEAD, OPTIONS"

// reads answers what is no GET or HEAD, and opens the answer to other origins'
// scripts.
func (d *Door) reads(w http.ResponseWriter, r *http.Request) bool {
	answer.Open(w.Header(), "Link, Location")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodOptions:
		answer.Preflight(w, readMethods)
	default:
		w.Header().Set("Allow", readMethods)
		answer.Problem(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "names are read by GET or HEAD")
	}
	return false
}
