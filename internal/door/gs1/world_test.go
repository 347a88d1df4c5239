package gs1door_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	gs1door "primum/internal/door/gs1"
	"primum/internal/linkset"
	"primum/internal/resolve"
	"primum/internal/wire"
	"primum/thing/id"
)

const base = "https://id.example.org"

// world is a door to a book, and what its publishers did.
type world struct {
	book *linkset.Book
	door *gs1door.Door
	mux  *http.ServeMux

	mu     sync.Mutex
	acts   []string // guarded by mu
	looked int      // guarded by mu; descriptions that were looked for
	full   error    // guarded by mu; why the log takes nothing, nil if it does
}

func newWorld(t *testing.T) *world {
	t.Helper()
	book, err := linkset.Open(t.Context(), t.TempDir(), linkset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := book.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{book: book, mux: http.NewServeMux()}
	w.door = gs1door.New(gs1door.Config{
		Authority: "id.example.org", Base: base, Contact: "mailto:ops@id.example.org", Links: book,
		Publisher: publisher, Note: w.note, Described: w.described,
	})
	for pattern, h := range w.door.Routes() {
		w.mux.Handle(pattern, h)
	}
	return w
}

// described knows one object and one product that have descriptions only, and
// the description that a link names already.
func (w *world) described(_ context.Context, name id.ID) (d resolve.Description, ok bool, err error) {
	k, _ := name.Key()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked++
	switch k.Path() {
	case screwdriver + "/21/TD", "01/04000001002221", "414/4012345000108":
		return resolve.Description{Title: "Described", URL: base + "/things/" + k.Primary().Value}, true, nil
	}
	return d, false, nil
}

func publisher(r *http.Request) (string, error) {
	if r.Header.Get("Authorization") != "Bearer good" {
		return "", &wire.Problem{Type: wire.ProblemPrefix + wire.ProbToken, Title: "No token", Status: http.StatusUnauthorized}
	}
	return "shop", nil
}

func (w *world) note(_ context.Context, name, act, about string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full != nil {
		return w.full
	}
	w.acts = append(w.acts, name+" "+act+" "+about)
	return nil
}

func (w *world) put(t *testing.T, items ...linkset.Item) {
	t.Helper()
	if _, err := w.book.Put(t.Context(), "test", items...); err != nil {
		t.Fatalf("%+v: %v", items, err)
	}
}

// ask sends a request without a body.
func (w *world) ask(t *testing.T, method, target string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	return w.send(t, method, target, header, nil)
}

// publish sends a request with the publisher's token.
func (w *world) publish(t *testing.T, method, target, kind, body string) *httptest.ResponseRecorder {
	t.Helper()
	return w.send(t, method, target, http.Header{"Authorization": {"Bearer good"}, "Content-Type": {kind}}, strings.NewReader(body))
}

func (w *world) send(t *testing.T, method, target string, header http.Header, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	for name, values := range header {
		r.Header[name] = values
	}
	out := httptest.NewRecorder()
	if w.door.Takes(r.URL.EscapedPath()) {
		w.door.ServeHTTP(out, r)
	} else {
		w.mux.ServeHTTP(out, r)
	}
	return out
}
