package wotdoor

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"primum/internal/answer"
	"primum/internal/directory"
	"primum/internal/wire"
)

// Bounds of what streams cost.
const (
	streamsPerAddress = 32
	streamsInAll      = 2000
	streamLife        = time.Hour // then the reader connects again
	beat              = 20 * time.Second
)

// follow streams events (WoT Discovery §7.3.2.3, WHATWG HTML §9.2).
func (d *Door) follow(w http.ResponseWriter, r *http.Request) {
	c, ok := d.reader(w, r)
	if !ok {
		return
	}
	kind := r.PathValue("type")
	if kind != "" && !slices.Contains([]string{directory.ThingCreated, directory.ThingUpdated, directory.ThingDeleted}, kind) {
		w.Header().Del("Cache-Control")
		answer.Problem(w, http.StatusNotFound, wire.ProbNotFound, "events are thing_created, thing_updated and thing_deleted")
		return
	}
	s, err := d.cfg.Directory.Subscribe(r.Context(), c.Viewer, kind, r.URL.Query().Get("diff") == "true", r.Header.Get("Last-Event-ID"))
	if err != nil {
		d.failed(w, err)
		return
	}
	h := w.Header()
	address := d.cfg.Address(r)
	if !d.streams.Begin(address) {
		h.Set("Retry-After", "60")
		answer.Problem(w, http.StatusTooManyRequests, wire.ProbTooMany, "too many streams are open; close one, or read /things now and then")
		return
	}
	defer d.streams.End(address)
	answer.StreamHeaders(h)
	if r.Method == http.MethodHead {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	d.stream(ctx, w, s, func() bool {
		if !c.Publisher {
			return true
		}
		_, err := d.cfg.Publisher(r)
		return err == nil
	})
}

// stream writes events until the reader or ctx is gone, or what the reader
// showed does not hold any more.
func (d *Door) stream(ctx context.Context, w http.ResponseWriter, s *directory.Subscription, holds func() bool) {
	out := answer.NewStream(w)
	if !out.Write(nil) { // the headers: from here on nothing is missed
		return
	}
	for {
		wait, cancel := context.WithTimeout(ctx, beat)
		list, err := s.Next(wait)
		cancel()
		quiet := ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
		if err != nil && !quiet || !holds() {
			return
		}
		var b bytes.Buffer
		if quiet {
			b.WriteString(":\n") // no blank line: some readers make an event of that
		}
		for _, e := range list {
			b.WriteString("event: " + e.Type + "\nid: " + e.ID + "\ndata: ")
			b.Write(e.Data) // JSON without line breaks
			b.WriteString("\n\n")
		}
		if !out.Write(b.Bytes()) {
			return
		}
	}
}
