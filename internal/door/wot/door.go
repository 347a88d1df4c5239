package wotdoor

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"primum/internal/answer"
	"primum/internal/clock"
	"primum/internal/directory"
	"primum/internal/jsonpath"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/td"
)

// Paths of the door.
const (
	SelfPath   = "/.well-known/wot"
	ThingsPath = "/things"
	EventsPath = "/events"
	SearchPath = "/search/jsonpath"
)

// Config of a door. Authority, Base and Directory are needed.
type Config struct {
	Authority string // the node's domain
	Base      string // of every address of the node, without a final slash
	Directory *directory.Directory
	// Publisher names whose token a request bears, or refuses with a
	// *wire.Problem; nil: nobody has one.
	Publisher func(*http.Request) (name string, err error)
	// Note keeps what a publisher is about to change; nil keeps nothing.
	Note func(ctx context.Context, name, act, about string) error
	// Caller is the account that signed a request, empty for a stranger; nil:
	// all are strangers. Its *wire.Problem is answered as it is.
	Caller func(r *http.Request, body []byte) (account string, err error)
	// Address is the client's, for limits; nil: that of the connection.
	Address func(*http.Request) string
	Clock   clock.Clock  // nil: the machine's
	Log     *slog.Logger // nil: none
}

// Door answers for the directory. It is safe for concurrent use.
type Door struct {
	cfg     Config
	streams *answer.Streams
	ctx     context.Context // ends at Stop
	stop    context.CancelFunc
}

// New makes a door.
func New(c Config) *Door {
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Address == nil {
		c.Address = func(r *http.Request) string { return r.RemoteAddr }
	}
	d := &Door{cfg: c, streams: answer.NewStreams(streamsPerAddress, streamsInAll)}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// Stop ends all streams of events; who followed one comes back and goes on.
func (d *Door) Stop() { d.stop() }

// Routes are the patterns of the door and who answers them.
func (d *Door) Routes() map[string]http.Handler {
	read := func(h http.HandlerFunc) methods { return methods{"GET": h, "HEAD": h} }
	return map[string]http.Handler{
		SelfPath:                read(d.self),
		ThingsPath:              methods{"GET": d.list, "HEAD": d.list, "POST": d.create},
		ThingsPath + "/{id...}": methods{"GET": d.get, "HEAD": d.get, "PUT": d.put, "PATCH": d.patch, "DELETE": d.remove},
		EventsPath:              read(d.follow),
		EventsPath + "/{type}":  read(d.follow),
		SearchPath:              read(d.search),
		"/search/{language}":    read(d.noSearch),
	}
}

// Stays tells of patterns whose answers last.
func (d *Door) Stays(pattern string) bool {
	return pattern == EventsPath || pattern == EventsPath+"/{type}"
}

// methods of one path.
type methods map[string]http.HandlerFunc

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer.Open(w.Header(), "ETag, Link, Location")
	if h := m[r.Method]; h != nil {
		h(w, r)
		return
	}
	names := []string{"OPTIONS"}
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	allow := strings.Join(names, ", ")
	if r.Method == http.MethodOptions {
		answer.Preflight(w, allow)
		return
	}
	w.Header().Set("Allow", allow)
	answer.Problem(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "this path has "+allow)
}

// caller is who asks.
type caller struct {
	directory.Viewer
	publisher string // name of the token
}

// who finds out who asks; body is what was read of the request.
func (d *Door) who(r *http.Request, body []byte) (c caller, err error) {
	account := ""
	switch {
	case r.Header.Get("Authorization") != "" && d.cfg.Publisher != nil:
		if c.publisher, err = d.cfg.Publisher(r); err != nil {
			return c, err
		}
	case d.cfg.Caller != nil:
		if account, err = d.cfg.Caller(r, body); err != nil {
			return c, err
		}
	}
	c.Viewer, err = d.cfg.Directory.As(r.Context(), account, c.publisher != "")
	return c, err
}

// reader is who for a request without a body. What a stranger sees may be kept
// by caches that ask each time; the rest by none.
func (d *Door) reader(w http.ResponseWriter, r *http.Request) (caller, bool) {
	c, err := d.who(r, nil)
	if err != nil {
		d.failed(w, err)
		return c, false
	}
	h := w.Header()
	h.Add("Vary", "Authorization, Signature-Input")
	h.Set("Cache-Control", "no-cache")
	if c.Account != "" || c.Publisher {
		h.Set("Cache-Control", "private, no-store")
	}
	return c, true
}

// errElsewhere is of an account of another node that wants to write here.
var errElsewhere = errors.New("things are kept by their owner's own node")

// writer reads the body and finds out who wants to change something; about is
// what a publisher changes, for the operators' log: its line is on the disk when
// this returns, so that no change is without one.
func (d *Door) writer(w http.ResponseWriter, r *http.Request, act, about string) (c caller, body []byte, ok bool) {
	body, err := answer.Body(w, r, td.MaxBytes)
	if err != nil {
		answer.BadBody(w, err, td.MaxBytes)
		return c, nil, false
	}
	c, err = d.who(r, body)
	switch {
	case err != nil:
	case c.Account != "" && !strings.HasSuffix(c.Account, "@"+d.cfg.Authority):
		err = errElsewhere
	case c.Account == "" && !c.Publisher:
		err = directory.ErrStranger
	case c.Publisher && d.cfg.Note != nil:
		err = d.cfg.Note(r.Context(), c.publisher, act, about)
	}
	if err != nil {
		d.failed(w, err)
		return c, nil, false
	}
	return c, body, true
}

// invalid is the problem of a description that is none (WoT Discovery §7.3.2.2).
type invalid struct {
	wire.Problem
	Errors []td.Fault `json:"validationErrors"`
}

// failed answers for an error.
func (d *Door) failed(w http.ResponseWriter, err error) {
	var in *td.Invalid
	var place *jsonpath.Error
	w.Header().Del("Cache-Control")
	switch {
	case errors.As(err, &in):
		w.Header().Set("Cache-Control", "no-store")
		answer.JSON(w, http.StatusBadRequest, answer.ProblemType, invalid{wire.Problem{
			Type: wire.ProblemPrefix + wire.ProbMalformed, Title: http.StatusText(http.StatusBadRequest), Status: http.StatusBadRequest,
			Detail: in.Faults[0].Reason, Pointer: in.Faults[0].Pointer,
		}, in.Faults})
	case errors.As(err, &place):
		answer.Problem(w, http.StatusBadRequest, wire.ProbMalformed, "query is not JSONPath (RFC 9535): "+place.Error())
	default:
		d.refused(w, err)
	}
}

// refused answers for errors that stand for one status each.
func (d *Door) refused(w http.ResponseWriter, err error) {
	for _, k := range []struct {
		err    error
		status int
		name   string
		detail string
	}{
		{directory.ErrNotFound, http.StatusNotFound, wire.ProbNotFound, "no thing of this id is here, or not for you"},
		{directory.ErrForbidden, http.StatusForbidden, wire.ProbForbidden, "the thing belongs to somebody else"},
		{directory.ErrStranger, http.StatusUnauthorized, wire.ProbUnsigned, "send a publisher's token, or sign the request (RFC 9421) as an account of this node"},
		{errElsewhere, http.StatusForbidden, wire.ProbForbidden, "an account keeps its things at its own node"},
		{directory.ErrTaken, http.StatusConflict, wire.ProbConflict, "another public thing has this id"},
		{directory.ErrName, http.StatusForbidden, wire.ProbForbidden, directory.ErrName.Error()},
		{directory.ErrFull, http.StatusForbidden, wire.ProbQuota, "the account has as many things here as it may"},
		{directory.ErrChanged, http.StatusPreconditionFailed, wire.ProbConflict, "the thing has changed since you read it"},
		{directory.ErrBroad, http.StatusBadRequest, wire.ProbTooLarge, "the query finds or reads more than is answered at once: begin with a filter, or read /things page by page"},
		{jsonpath.ErrBudget, http.StatusBadRequest, wire.ProbTooLarge, "the query takes more steps than are spent on one"},
		{store.ErrDiskFull, http.StatusInsufficientStorage, wire.ProbStorage, "nothing acknowledged is lost; try again later"},
		{context.DeadlineExceeded, http.StatusServiceUnavailable, wire.ProbUnreachable, "the request took too long"},
		{context.Canceled, http.StatusServiceUnavailable, wire.ProbUnreachable, "the request took too long"},
	} {
		if errors.Is(err, k.err) {
			answer.Problem(w, k.status, k.name, k.detail)
			return
		}
	}
	answer.Failed(w, d.cfg.Log, "the directory failed", err)
}

func (d *Door) now() time.Time { return d.cfg.Clock.Now().UTC().Truncate(time.Second) }
