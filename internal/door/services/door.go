// Package servicesdoor is the catalogue of services over HTTP, for programs.
// People read the same on the portal's pages.
package servicesdoor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"primum/grant"
	"primum/internal/answer"
	"primum/internal/catalogue"
	"primum/internal/store"
	"primum/internal/wire"
)

// Path is where the list is; below it is each service by its name.
const Path = wire.ServiceListPath

// Catalogue is what the door shows and changes; *catalogue.Catalogue does.
type Catalogue interface {
	Get(ctx context.Context, name string) (catalogue.Entry, error)
	List(ctx context.Context, after string) ([]catalogue.Entry, string, error)
	Check(ctx context.Context, body []byte) (grant.Service, error)
	Publish(ctx context.Context, s grant.Service, body []byte) (sha256 string, added bool, err error)
	End(ctx context.Context, name string) error
}

// Config of the door; all but Log is needed.
type Config struct {
	Authority string
	Base      string // of every address of the node, without a final slash
	Catalogue Catalogue
	APIs      []API // the interfaces of the node
	// Products are paths of link sets of some products, class level only.
	Products func(ctx context.Context) ([]string, error)
	Log      *slog.Logger
	// Pages answers browsers below wire.ServicePages; nil: they get what programs
	// get.
	Pages http.Handler
	// Publisher tells who may change what is public; its *wire.Problem is
	// answered as it is.
	Publisher func(*http.Request) (name string, err error)
	// Note writes into the operators' log what is about to be changed.
	Note func(ctx context.Context, name, act, about string) error
}

// Door is safe for concurrent use.
type Door struct{ cfg Config }

// New makes the door.
func New(c Config) *Door {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Door{c}
}

// Routes are the patterns of the door and who answers them.
func (d *Door) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET " + Path:                          http.HandlerFunc(d.list),
		"GET " + Path + "/{name}":              http.HandlerFunc(d.get),
		"PUT " + Path + "/{name}":              d.changes(d.put),
		"DELETE " + Path + "/{name}":           d.changes(d.remove),
		"GET " + APICatalogPath:                http.HandlerFunc(d.apis),
		"GET " + wire.ServicePages:             answer.ForAll(d.cfg.Pages, d.list),
		"GET " + wire.ServicePages + "/{name}": answer.ForAll(d.cfg.Pages, d.get),
	}
}

// List is what GET Path answers.
type List struct {
	Authority string   `json:"authority"`
	Services  []Listed `json:"services"`
	// Next: there are more; ask for those ?after= it.
	Next string `json:"next,omitempty"`
}

// Listed is one service, and where its document stands in the public log.
type Listed struct {
	Service json.RawMessage `json:"service"`
	SHA256  string          `json:"sha256"`
	Ref     string          `json:"ref"` // wire.FactPath of the document
	Index   uint64          `json:"index"`
	At      time.Time       `json:"at"`
}

// Published is what PUT answers with: 202, for it is shown when it stands in
// the public log.
type Published struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Ref    string `json:"ref"`
	Added  bool   `json:"added"` // false: it was the newest already
}

// open lets scripts of every origin read: there is nothing here that is not
// for everybody.
func open(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "no-cache")
}

func (d *Door) list(w http.ResponseWriter, r *http.Request) {
	all, next, err := d.cfg.Catalogue.List(r.Context(), r.URL.Query().Get("after"))
	if err != nil {
		d.failed(w, err)
		return
	}
	out := List{Authority: d.cfg.Authority, Services: []Listed{}, Next: next}
	for _, e := range all {
		out.Services = append(out.Services, Listed{e.Raw, e.SHA256, wire.FactPath(e.SHA256), e.Index, e.At})
	}
	open(w.Header())
	answer.JSON(w, http.StatusOK, "application/json", out)
}

func (d *Door) get(w http.ResponseWriter, r *http.Request) {
	e, err := d.cfg.Catalogue.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		d.failed(w, err)
		return
	}
	h := w.Header()
	open(h)
	h.Set("Content-Type", "application/json")
	h.Set("ETag", `"`+e.SHA256+`"`)
	h.Set("Link", "<"+wire.FactPath(e.SHA256)+`>; rel="permalink"`)
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(e.Raw)
}

// changes is for publishers only.
func (d *Door) changes(do func(w http.ResponseWriter, r *http.Request, who string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := d.cfg.Publisher(r)
		if err != nil {
			d.failed(w, err)
			return
		}
		do(w, r, who)
	})
}

func (d *Door) put(w http.ResponseWriter, r *http.Request, who string) {
	body, err := answer.Body(w, r, grant.MaxService)
	if errors.Is(err, answer.ErrTooLarge) {
		answer.Problem(w, http.StatusRequestEntityTooLarge, wire.ProbTooLarge, "a service has at most 64 KiB")
		return
	}
	if err != nil {
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "the body ended early")
		return
	}
	s, err := d.cfg.Catalogue.Check(r.Context(), body)
	switch {
	case err != nil:
		d.failed(w, err)
		return
	case s.Name != r.PathValue("name") || s.Ended:
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "the name in the document is another one, or it has ended; DELETE ends a service")
		return
	}
	if err := d.cfg.Note(r.Context(), who, store.ActService, s.Name); err != nil {
		d.failed(w, err)
		return
	}
	sum, added, err := d.cfg.Catalogue.Publish(r.Context(), s, body)
	if err != nil {
		d.failed(w, err)
		return
	}
	answer.JSON(w, http.StatusAccepted, "application/json", Published{s.Name, sum, wire.FactPath(sum), added})
}

func (d *Door) remove(w http.ResponseWriter, r *http.Request, who string) {
	name := r.PathValue("name")
	if _, err := d.cfg.Catalogue.Get(r.Context(), name); err != nil {
		d.failed(w, err)
		return
	}
	err := d.cfg.Note(r.Context(), who, store.ActServiceEnded, name)
	if err == nil {
		err = d.cfg.Catalogue.End(r.Context(), name)
	}
	if err != nil {
		d.failed(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// failed answers with what went wrong.
func (d *Door) failed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, catalogue.ErrUnknown):
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "no service of this name is offered here")
	case errors.Is(err, catalogue.ErrProvider), errors.Is(err, grant.ErrDocument):
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, err.Error())
	default:
		answer.Failed(w, d.cfg.Log, "the catalogue of services failed", err)
	}
}
