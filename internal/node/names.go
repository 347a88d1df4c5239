package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"primum/internal/answer"
	"primum/internal/directory"
	"primum/internal/door/express"
	gs1door "primum/internal/door/gs1"
	"primum/internal/durable"
	"primum/internal/linkset"
	openvalues "primum/internal/open"
	"primum/internal/resolve"
	"primum/internal/wire"
	"primum/thing/id"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namesFolder = "names"
	nameWait    = 20 * time.Second // for an answer that doesn't stay

	strictTransport = "max-age=31536000"
)

// publicDoor answers strangers: patterns of an http.ServeMux and who answers
// them. A door whose answers last (server-sent events) lifts the server's
// deadlines itself, by http.ResponseController, and says so by Stays.
type publicDoor interface {
	Routes() map[string]http.Handler
}

// staying doors have routes whose answers last.
type staying interface {
	Stays(pattern string) bool
}

// names is what everyone may ask a node: rooms with a public file each, and
// the doors to them. Nothing here lies in state.db or log.db.
type names struct {
	links    *linkset.Book
	values   *openvalues.Book
	things   *directory.Directory
	resolver *resolve.Resolver
	doors    []publicDoor
	gs1      *gs1door.Door
	digital  http.Handler // gs1, shielded
	mux      *http.ServeMux
	places   *places
	open     []interface{ Close() error } // in the order of their opening
}

// openNames opens the public files; assembleNames makes the doors.
func (n *Node) openNames(ctx context.Context) (err error) {
	n.names = &names{}
	dir := filepath.Join(n.cfg.DataDir, namesFolder)
	if err := durable.MakeDir(dir); err != nil {
		return fmt.Errorf("open names: %w", err)
	}
	c, a := n.cfg, n.names
	if a.links, err = linkset.Open(ctx, dir, linkset.Options{Clock: c.Clock, Log: c.Log, MaxPages: c.MaxPages}); err != nil {
		return err
	}
	a.open = append(a.open, a.links)
	if err := n.openValues(ctx, dir); err != nil {
		return err
	}
	a.open = append(a.open, a.values)
	if err := n.openThings(ctx, dir); err != nil {
		return err
	}
	a.open = append(a.open, a.things)
	n.sweepOpen(ctx)
	return nil
}

// assembleNames lists the doors, in plain sight.
func (n *Node) assembleNames(key ed25519.PrivateKey, reg prometheus.Registerer) error {
	c, a := n.cfg, n.names
	a.mux, a.places = http.NewServeMux(), newPlaces()
	a.resolver = n.newResolver(key)
	byName, err := n.namesDoor(key, reg)
	if err != nil {
		return err
	}
	a.gs1 = gs1door.New(gs1door.Config{
		Authority: c.Authority, Base: n.BaseURL(), Contact: c.Contact, Links: a.links, Anchor: a.resolver.Anchor, Described: a.resolver.Described,
		Publisher: n.tokens.Name, Note: n.tokens.Note, Log: c.Log, Page: n.classPage, BadPage: n.portal.BadName, Header: n.everyAnswer(),
	})
	a.digital = n.digital(a.gs1)
	a.doors = append(a.doors, byName, a.gs1, n.servicesDoor(), n.valuesDoor(), n.thingsDoor())
	for _, d := range a.doors {
		routes := d.Routes()
		for _, pattern := range sortedKeys(routes) {
			s, _ := d.(staying)
			a.mux.Handle(pattern, n.shielded(routes[pattern], s != nil && s.Stays(pattern)))
		}
	}
	return nil
}

func sortedKeys(m map[string]http.Handler) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// serveName answers what the doors have a pattern for, and tells whether they
// had one.
func (n *Node) serveName(w http.ResponseWriter, r *http.Request) bool {
	// Digital Links go by no mux: it would tidy up what serial numbers may have.
	if gs1door.Begins(r.URL.Path) {
		n.names.digital.ServeHTTP(w, r)
		return true
	}
	if _, pattern := n.names.mux.Handler(r); pattern != "" {
		n.names.mux.ServeHTTP(w, r)
		return true
	}
	if n.readOnly(w, r) {
		return true
	}
	// A compressed Digital Link may be any word: the doors' own paths go first.
	if n.names.gs1.Takes(r.URL.EscapedPath()) {
		n.names.digital.ServeHTTP(w, r)
		return true
	}
	return false
}

// readOnly answers other methods where the doors only read (RFC 9110 §15.5.6).
func (n *Node) readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	read := &http.Request{Method: http.MethodGet, URL: r.URL, Host: r.Host}
	if _, pattern := n.names.mux.Handler(read); pattern == "" {
		return false
	}
	n.shielded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		answer.Problem(w, http.StatusMethodNotAllowed, wire.ProbMalformed, "this is read by GET or HEAD")
	}), false).ServeHTTP(w, r)
	return true
}

// shielded gives a door's handler what every answer has: headers, the limit of
// the caller's address, a deadline, and a word instead of a torn connection
// when it fails. A door overwrites a header where its answers need another.
func (n *Node) shielded(next http.Handler, stays bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.admitted(w, r) {
			n.inside(w, r, next, stays)
		}
	})
}

func (n *Node) inside(w http.ResponseWriter, r *http.Request, next http.Handler, stays bool) {
	n.publicHeaders(w.Header())
	defer n.caught(w)
	if !stays {
		ctx, cancel := context.WithTimeout(r.Context(), nameWait)
		defer cancel()
		r = r.WithContext(ctx)
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			leave, ok := n.placed(w, r)
			if !ok {
				return
			}
			defer leave()
		}
	}
	next.ServeHTTP(w, r)
}

// placed takes a place for a reader, or answers that there is none.
func (n *Node) placed(w http.ResponseWriter, r *http.Request) (leave func(), ok bool) {
	address := ""
	if n.cfg.Limits.Address.PerSecond > 0 {
		address = n.door.Address(r)
	}
	leave, status := n.names.places.enter(r.Context(), address)
	if status == 0 {
		return leave, true
	}
	w.Header().Set("Retry-After", "2")
	name := map[int]string{http.StatusTooManyRequests: wire.ProbTooMany, http.StatusServiceUnavailable: wire.ProbUnreachable}[status]
	answer.Problem(w, status, name, "too many answers are on their way; read those first")
	return nil, false
}

// digital is shielded for Digital Links. An answer that is ready is a redirect
// without a body: it needs no deadline, and no word on what a page may.
func (n *Node) digital(door *gs1door.Door) http.Handler {
	quiet, strict := []string{"no-referrer"}, []string{strictTransport}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.admitted(w, r) {
			return
		}
		h := w.Header()
		h["Referrer-Policy"] = quiet
		if !n.cfg.Loopback() {
			h["Strict-Transport-Security"] = strict
		}
		if !door.Ready(w, r) {
			n.inside(w, r, door, false)
		}
	})
}

// express is the listener of a node that speaks plain HTTP, for itself or to a
// proxy on its machine: the plainest questions are answered ahead of net/http.
func (n *Node) express() net.Listener {
	return express.Listen(n.listener, express.Config{
		Answer: func(q express.Question) []byte { return n.names.gs1.ReadyBytes(q.Path, q.Accept, q.Language) },
		Admit:  n.door.AdmitFrom, Clock: n.cfg.Clock, Header: headerWait, Idle: idleWait,
	})
}

// everyAnswer are the header lines of answers that net/http does not write.
func (n *Node) everyAnswer() []string {
	lines := []string{"Referrer-Policy: no-referrer"}
	if !n.cfg.Loopback() {
		lines = append(lines, "Strict-Transport-Security: "+strictTransport)
	}
	return lines
}

// classPage shows people what is known of a product, where its Digital Link
// leads to no one place.
func (n *Node) classPage(w http.ResponseWriter, r *http.Request, status int, class string) {
	if class == "" {
		n.portal.NothingOf(w, r, id.Key{})
		return
	}
	to, err := url.Parse("/class/" + class)
	if err != nil {
		answer.Problem(w, http.StatusInternalServerError, wire.ProbInternal, "")
		return
	}
	page := r.Clone(r.Context())
	to.RawQuery = r.URL.RawQuery
	page.URL, page.RequestURI = to, to.RequestURI()
	n.portal.OpenPages().ServeHTTP(&restated{ResponseWriter: w, status: status}, page)
}

// restated answers with another status than a page that was found.
type restated struct {
	http.ResponseWriter
	status int // 0: the page's own
}

func (w *restated) WriteHeader(status int) {
	if status == http.StatusOK && w.status != 0 {
		status = w.status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *restated) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// admitted answers who comes too often from one address.
func (n *Node) admitted(w http.ResponseWriter, r *http.Request) bool {
	wait, ok := n.door.Admit(r)
	if !ok {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait.Round(time.Second)/time.Second))))
		answer.Problem(w, http.StatusTooManyRequests, wire.ProbTooMany, "the limit for your address is reached")
	}
	return ok
}

// caught answers for a door that panicked; it is deferred.
func (n *Node) caught(w http.ResponseWriter) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	// The value may hold what was sent; its place is enough.
	n.cfg.Log.Error("a public door panicked", "at", string(debug.Stack()))
	answer.Problem(w, http.StatusInternalServerError, wire.ProbInternal, "")
}

func (n *Node) publicHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	if !n.cfg.Loopback() {
		h.Set("Strict-Transport-Security", strictTransport)
	}
}

// stop ends answers that last, so that a shutdown does not wait for them.
func (a *names) stop() {
	for _, d := range a.doors {
		if s, ok := d.(interface{ Stop() }); ok {
			s.Stop()
		}
	}
}

// close closes the public files, the last one first.
func (a *names) close() error {
	var errs []error
	for _, f := range slices.Backward(a.open) {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
