package wotdoor

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"primum/internal/answer"
	"primum/internal/directory"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/td"
)

const (
	typeLD    = "application/ld+json"
	typeMerge = "application/merge-patch+json"
)

// address of a thing, below the node's base.
func address(id string) string { return ThingsPath + "/" + url.PathEscape(id) }

func (d *Door) get(w http.ResponseWriter, r *http.Request) {
	c, ok := d.reader(w, r)
	if !ok {
		return
	}
	e, err := d.find(r.Context(), c, r.PathValue("id"))
	if err != nil {
		d.failed(w, err)
		return
	}
	// Weak, for each answer says when it was retrieved.
	if answer.Same(w, r, "W/"+e.Tag()) {
		return
	}
	d.send(w, td.MediaType, e.Bytes(d.now()))
}

// find reads a thing by its id; or by its whole address here, which some take
// for its id because Location said it (the W3C's test suite does).
func (d *Door) find(ctx context.Context, c caller, id string) (directory.Entry, error) {
	e, err := d.cfg.Directory.Get(ctx, c.Viewer, id)
	if !errors.Is(err, directory.ErrNotFound) {
		return e, err
	}
	address := d.cfg.Base + ThingsPath + "/"
	for _, a := range []string{address, strings.Replace(address, "//", "/", 1)} { // http.ServeMux makes one slash of two
		if rest, ok := strings.CutPrefix(id, a); ok {
			return d.cfg.Directory.Get(ctx, c.Viewer, rest)
		}
	}
	return e, err
}

func (d *Door) send(w http.ResponseWriter, kind string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b)
}

// wanted reads what a request says about its change: the entry's visibility
// (query parameter of ours) and conditions (RFC 9110 §13.1).
func wanted(r *http.Request) (c directory.Change, err error) {
	switch v := directory.Visibility(r.URL.Query().Get("visibility")); v {
	case "", directory.Public, directory.Grantees, directory.Private:
		c.Visibility = v
	default:
		return c, &wire.Problem{
			Type: wire.ProblemPrefix + wire.ProbMalformed, Title: http.StatusText(http.StatusBadRequest), Status: http.StatusBadRequest,
			Detail: "visibility is public, grantees or private",
		}
	}
	c.Match = strings.TrimPrefix(r.Header.Get("If-Match"), "W/")
	c.Fresh = r.Header.Get("If-None-Match") == "*"
	return c, nil
}

func (d *Door) create(w http.ResponseWriter, r *http.Request) {
	change, err := wanted(r)
	if err != nil {
		d.failed(w, err)
		return
	}
	change.ID = directory.NewID()
	c, body, ok := d.writer(w, r, store.ActThing, change.ID)
	if !ok {
		return
	}
	e, err := d.cfg.Directory.Create(r.Context(), c.Viewer, body, change)
	if err != nil {
		d.failed(w, err)
		return
	}
	d.done(w, e, true)
}

// done answers for a change that was made.
func (d *Door) done(w http.ResponseWriter, e directory.Entry, created bool) {
	h := w.Header()
	h.Set("ETag", "W/"+e.Tag())
	h.Set("Cache-Control", "no-store")
	if !created {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.Set("Location", address(e.ID))
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
}

func (d *Door) put(w http.ResponseWriter, r *http.Request) {
	change, err := wanted(r)
	if err != nil {
		d.failed(w, err)
		return
	}
	c, body, ok := d.writer(w, r, store.ActThing, r.PathValue("id"))
	if !ok {
		return
	}
	e, created, err := d.cfg.Directory.Put(r.Context(), c.Viewer, r.PathValue("id"), body, change)
	if err != nil {
		d.failed(w, err)
		return
	}
	d.done(w, e, created)
}

func (d *Door) patch(w http.ResponseWriter, r *http.Request) {
	change, err := wanted(r)
	if err != nil {
		d.failed(w, err)
		return
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), typeMerge) {
		w.Header().Set("Accept-Patch", typeMerge) // RFC 5789 §3.1
		answer.Problem(w, http.StatusUnsupportedMediaType, wire.ProbMalformed, "a patch is "+typeMerge+" (RFC 7396)")
		return
	}
	c, body, ok := d.writer(w, r, store.ActThing, r.PathValue("id"))
	if !ok {
		return
	}
	e, err := d.cfg.Directory.Patch(r.Context(), c.Viewer, r.PathValue("id"), body, change)
	if err != nil {
		d.failed(w, err)
		return
	}
	d.done(w, e, false)
}

func (d *Door) remove(w http.ResponseWriter, r *http.Request) {
	change, err := wanted(r)
	if err != nil {
		d.failed(w, err)
		return
	}
	c, _, ok := d.writer(w, r, store.ActThingRemoved, r.PathValue("id"))
	if !ok {
		return
	}
	err = d.cfg.Directory.Delete(r.Context(), c.Viewer, r.PathValue("id"), change)
	if err != nil {
		d.failed(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}
