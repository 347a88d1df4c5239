package namesdoor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"primum/internal/answer"
	"primum/internal/clock"
	"primum/internal/resolve"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/id"
)

const (
	jsonType    = "application/json"
	linksetType = "application/linkset+json" // RFC 9264 §4.2
	// classAge is how long an answer at the level of a class may be kept.
	classAge = "public, max-age=7200"
)

// OptOuts keeps the names that are not answered for; *store.Labels does.
type OptOuts interface {
	OptOut(ctx context.Context, hush []byte, out bool, now time.Time) error
}

// Config of the door. Caller, Log and Core may be nil.
type Config struct {
	Authority string // the node's domain, with its port
	Base      string // its address, without a final slash
	KeyName   string // of the node's key
	Key       ed25519.PublicKey
	Secret    []byte // resolve.SecretOf the node's key
	Resolver  *resolve.Resolver
	Pages     resolve.Pages
	OptOuts   OptOuts
	Tally     *resolve.Tally
	Clock     clock.Clock
	Log       *slog.Logger
	// Caller tells which account signed a request: "" for a stranger.
	Caller func(r *http.Request, body []byte) (account string, err error)
	// Publisher tells who may change what is public.
	Publisher func(*http.Request) (name string, err error)
	// Note writes into the operators' log what is about to be changed.
	Note func(ctx context.Context, name, act, about string) error
	// BadPage tells people what is wrong with a name, NothingPage that nothing of
	// it is known here. Nil: they get what programs get.
	BadPage     func(w http.ResponseWriter, r *http.Request, err error)
	NothingPage func(w http.ResponseWriter, r *http.Request, name id.ID)
	// Core are more links for /.well-known/core.
	Core func(context.Context) ([]Link, error)
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
		"GET " + wire.ResolvePath:                      http.HandlerFunc(d.resolve),
		"OPTIONS " + wire.ResolvePath:                  http.HandlerFunc(d.preflight),
		"GET /.well-known/did.json":                    http.HandlerFunc(d.ownDocument),
		"GET " + wire.LabelPrefix + "{label}/did.json": http.HandlerFunc(d.labelDocument),
		"GET /.well-known/core":                        http.HandlerFunc(d.core),
		"PUT " + wire.OptOutPath:                       d.changes(true),
		"DELETE " + wire.OptOutPath:                    d.changes(false),
	}
}

func (d *Door) preflight(w http.ResponseWriter, _ *http.Request) {
	answer.Preflight(w, "GET, HEAD, OPTIONS")
}

// named reads the name that a request asks for, or answers what is wrong with
// it: the place and the reason, never the text.
func (d *Door) named(w http.ResponseWriter, r *http.Request) (id.ID, bool) {
	text := r.URL.Query().Get("id")
	name, err := id.Parse(text)
	if err != nil && d.cfg.BadPage != nil && wants(r.Header.Get("Accept"), "text/html") {
		d.cfg.BadPage(w, r, err)
		return id.ID{}, false
	}
	if text == "" {
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "ask with ?id= and a name: a product code, a DNS name, a URL, a did:web …")
		return id.ID{}, false
	}
	var bad *id.Error
	switch {
	case errors.As(err, &bad):
		p := wire.Problem{
			Type: wire.ProblemPrefix + wire.ProbMalformed, Title: http.StatusText(http.StatusBadRequest), Status: http.StatusBadRequest,
			Detail: bad.Unquoted().Error(), Pointer: "/id",
		}
		answer.Write(w, p)
		return id.ID{}, false
	case err != nil:
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "this is no name that is known here")
		return id.ID{}, false
	}
	return name, true
}

// changes opts a thing's name out, or in again.
func (d *Door) changes(out bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := d.cfg.Publisher(r)
		if err != nil {
			d.failed(w, err)
			return
		}
		name, ok := d.named(w, r)
		if !ok {
			return
		}
		if !resolve.IsThing(name) {
			answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "a class can't be opted out; name one thing, by its serial number")
			return
		}
		// The log of acts is read by all operators: the name is not for them.
		if err := d.cfg.Note(r.Context(), who, store.ActOptOut, ""); err != nil {
			d.failed(w, err)
			return
		}
		if err := d.cfg.OptOuts.OptOut(r.Context(), resolve.Hush(d.cfg.Secret, name), out, d.cfg.Clock.Now()); err != nil {
			d.failed(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
}

// failed answers with what went wrong. What is not a problem already is not
// shown, and logged without what was asked.
func (d *Door) failed(w http.ResponseWriter, err error) {
	answer.Failed(w, d.cfg.Log, "a name could not be answered", err)
}
