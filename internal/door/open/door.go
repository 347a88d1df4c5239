// Package opendoor lets anyone read open values over HTTP: the newest, their
// history, each as it comes, descriptions that a stock Web of Things consumer
// follows, and pages for people. Publishers feed them. Source:
// docs/spec/names.md.
package opendoor

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"primum/internal/answer"
	"primum/internal/clock"
	"primum/internal/open"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing"
	"primum/thing/id"
)

// Config is what a door opens to. Base and Book are needed.
type Config struct {
	Base string // of every address of the node, without a final slash
	Book *open.Book
	// Publisher names who may change things here, or refuses with a
	// *wire.Problem; nil: nobody may.
	Publisher func(*http.Request) (name string, err error)
	// Note keeps what a publisher is about to change; nil keeps nothing.
	Note func(ctx context.Context, name, act, about string) error
	// Pages answers browsers at the same addresses; nil: they get what programs
	// get.
	Pages http.Handler
	// Class tells what is known of a product code, or open.ErrUnknown; nil:
	// nothing. It is asked for classes only, never for a serial.
	Class func(ctx context.Context, class id.Key, language string) (open.Class, error)
	// Address is the client's, for limits; nil: that of the connection.
	Address func(*http.Request) string
	Clock   clock.Clock  // nil: the machine's
	Log     *slog.Logger // nil: none
}

// Door answers for open services. It is safe for concurrent use.
type Door struct {
	cfg     Config
	streams *answer.Streams
	ctx     context.Context // ends at Stop
	stop    context.CancelFunc
}

// New builds a door.
func New(cfg Config) *Door {
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Address == nil {
		cfg.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	d := &Door{cfg: cfg, streams: answer.NewStreams(streamsPerAddress, 0)}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// Stop ends all streams; their readers come back where they stopped.
func (d *Door) Stop() { d.stop() }

const (
	observeThing    = "GET /open/{service}/{thing}/observe"
	observeProperty = "GET /open/{service}/{thing}/properties/{property}/observe"
)

// Routes are all patterns of the door, in plain sight.
func (d *Door) Routes() map[string]http.Handler {
	all := map[string]http.Handler{}
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /open":                                                 d.forAll(d.getCatalogue),
		"GET /open/{service}":                                       d.forAll(d.getService),
		"GET /open/{service}/{thing}":                               d.forAll(d.getThing),
		"GET /open/{service}/{thing}/qr.svg":                        d.answered(d.getQR),
		"GET /open/{service}/{thing}/properties":                    d.answered(d.getValues),
		"GET /open/{service}/{thing}/properties/{property}":         d.answered(d.getValue),
		"GET /open/{service}/{thing}/properties/{property}/history": d.answered(d.getHistory),
		observeThing:          d.answered(d.observe),
		observeProperty:       d.answered(d.observe),
		"GET /class/{key...}": d.forAll(d.getClass),
		"OPTIONS /open/":      d.preflight,
		"OPTIONS /class/":     d.preflight,

		"PUT /v1/open/{service}":            d.byPublisher(d.putService),
		"DELETE /v1/open/{service}":         d.byPublisher(d.deleteService),
		"POST /v1/open/{service}":           d.byPublisher(d.postValues),
		"PUT /v1/open/{service}/{thing}":    d.byPublisher(d.putThing),
		"DELETE /v1/open/{service}/{thing}": d.byPublisher(d.deleteThing),
	} {
		all[pattern] = h
	}
	return all
}

// Stays tells of patterns whose answers last.
func (d *Door) Stays(pattern string) bool {
	return pattern == observeThing || pattern == observeProperty
}

func (d *Door) preflight(w http.ResponseWriter, _ *http.Request) {
	answer.Preflight(w, "GET, HEAD, OPTIONS")
}

// handler answers, or says why it could not; then it has written nothing.
type handler func(http.ResponseWriter, *http.Request) error

// answered answers for the error of a handler.
func (d *Door) answered(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			d.failed(w, err)
		}
	}
}

// forAll answers programs, and lets the portal answer browsers.
func (d *Door) forAll(h handler) http.HandlerFunc { return answer.ForAll(d.cfg.Pages, d.answered(h)) }

// public are the headers of what everybody may read and keep for a while.
func public(w http.ResponseWriter, keep time.Duration) {
	answer.Open(w.Header(), "ETag, Last-Modified, Link, Location, Retry-After")
	w.Header().Set("Cache-Control", "public, max-age="+seconds(keep))
}

// How long caches may keep an answer.
const (
	keepList  = time.Minute
	keepValue = time.Second
)

// failed answers for an error.
func (d *Door) failed(w http.ResponseWriter, err error) {
	answer.Open(w.Header(), "Retry-After")
	var bad *open.Invalid
	switch {
	case errors.As(err, &bad):
		answer.Write(w, wire.Problem{
			Type: wire.ProblemPrefix + wire.ProbMalformed, Title: http.StatusText(http.StatusBadRequest), Status: http.StatusBadRequest,
			Detail: bad.Reason, Pointer: bad.Pointer,
		})
	case errors.Is(err, open.ErrUnknown):
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, err.Error())
	case errors.Is(err, store.ErrQuota), errors.Is(err, store.ErrDiskFull):
		answer.Problem(w, http.StatusInsufficientStorage, wire.ProbStorage, "the node has no room for this")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, store.ErrClosed):
		answer.Problem(w, http.StatusServiceUnavailable, wire.ProbInternal, "not now")
	default:
		answer.Failed(w, d.cfg.Log, "open values failed", err)
	}
}

// The addresses of services, things and properties.
func (d *Door) serviceURL(service string) string {
	return d.cfg.Base + "/open/" + url.PathEscape(service)
}

func (d *Door) thingURL(service, name string) string {
	return d.serviceURL(service) + "/" + url.PathEscape(name)
}

// named are the names in a request's path; a name that can't be one is unknown.
func named(r *http.Request) (service, name string, err error) {
	service, name = r.PathValue("service"), r.PathValue("thing")
	if thing.CheckName(service) != nil || name != "" && thing.CheckName(name) != nil {
		return "", "", open.ErrUnknown
	}
	return service, name, nil
}
