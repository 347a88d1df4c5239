// Package answer is how the public doors answer alike: problems (RFC 9457),
// bodies with a bound, permission for other origins' scripts (CORS), and
// entity tags. It keeps nothing.
package answer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"primum/internal/wire"
)

// ProblemType is the media type of a problem (RFC 9457 §3).
const ProblemType = "application/problem+json"

// ErrTooLarge is of a body beyond its bound.
var ErrTooLarge = errors.New("the body is too large")

// Problem answers with a problem: name is one of wire's Prob constants, detail
// is for people and never repeats what the caller sent but for names and
// places.
func Problem(w http.ResponseWriter, status int, name, detail string) {
	Write(w, wire.Problem{Type: wire.ProblemPrefix + name, Title: http.StatusText(status), Status: status, Detail: detail})
}

// Write answers with a problem that has more members; More must be JSON.
func Write(w http.ResponseWriter, p wire.Problem) {
	b, err := json.Marshal(p)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", ProblemType)
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	if p.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.Retry))
	}
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 §11.6.1 wants a challenge
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b)
}

// Failed answers for an error that has no answer of its own: a *wire.Problem as
// it is; of anything else not a word, but for the log, where what says which
// part failed.
func Failed(w http.ResponseWriter, log *slog.Logger, what string, err error) {
	var p *wire.Problem
	if errors.As(err, &p) {
		Write(w, *p)
		return
	}
	log.Error(what, "error", err)
	Problem(w, http.StatusInternalServerError, wire.ProbInternal, "")
}

// JSON answers with a document of a media type.
func JSON(w http.ResponseWriter, status int, kind string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		Problem(w, http.StatusInternalServerError, wire.ProbInternal, "")
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// Body reads a request's body of at most limit bytes, whatever its header
// promises. Errors: ErrTooLarge, or that the body ended early.
func Body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	return b, nil
}

// BadBody answers for an error of Body.
func BadBody(w http.ResponseWriter, err error, limit int64) {
	if errors.Is(err, ErrTooLarge) {
		Problem(w, http.StatusRequestEntityTooLarge, wire.ProbTooLarge, fmt.Sprintf("at most %d bytes are taken here", limit))
		return
	}
	Problem(w, http.StatusBadRequest, wire.ProbMalformed, "the body ended early")
}

// Open lets scripts of every origin read an answer with no credentials, and
// see the headers named.
func Open(h http.Header, exposed string) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if exposed != "" {
		h.Set("Access-Control-Expose-Headers", exposed)
	}
}

// Preflight answers OPTIONS, a script's question whether it may (CORS).
func Preflight(w http.ResponseWriter, methods string) {
	h := w.Header()
	Open(h, "")
	h.Set("Allow", methods)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Accept, Accept-Language, Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

// WantsPage tells whether a request is a browser's: it names HTML.
func WantsPage(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == "text/html" {
			return true
		}
	}
	return false
}

// ForAll lets pages answer browsers, and h programs. Nil pages: h answers all.
func ForAll(pages http.Handler, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		Vary(w.Header(), "Accept")
		if pages != nil && WantsPage(r) {
			pages.ServeHTTP(w, r)
			return
		}
		h(w, r)
	}
}

// Vary adds names of headers that an answer depends on (RFC 9110 §12.5.5), each
// once, in one line.
func Vary(h http.Header, names ...string) {
	var all []string
	for name := range strings.SplitSeq(strings.Join(slices.Concat(h.Values("Vary"), names), ","), ",") {
		name = strings.TrimSpace(name)
		if name != "" && !slices.ContainsFunc(all, func(known string) bool { return strings.EqualFold(known, name) }) {
			all = append(all, name)
		}
	}
	h.Set("Vary", strings.Join(all, ", "))
}

// Same sets an answer's entity tag (quoted) and answers 304 where the caller
// has it already (RFC 9110 §13.1.2); then nothing is left to do.
func Same(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == strings.TrimPrefix(tag, "W/") {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}
