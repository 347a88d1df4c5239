package portal_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"primum/internal/portal"
	"primum/internal/store"
	"primum/internal/wire"
)

// oneFact is a source with one document of each type.
type oneFact struct {
	body []byte
	name string
	err  error
}

func (o oneFact) fact(kind string) store.Fact {
	return store.Fact{
		N: 1, Type: kind, Name: o.name, Kind: "application/json", SHA256: strings.Repeat("ab", 32), Body: o.body, At: begin(), Index: 3, Placed: true, Newest: true,
	}
}

func (o oneFact) List(_ context.Context, kind string, _ int64, _ int) ([]store.Fact, error) {
	return []store.Fact{o.fact(kind)}, o.err
}

func (o oneFact) Newest(_ context.Context, kind, _ string) (store.Fact, error) {
	return o.fact(kind), o.err
}

func (o oneFact) Get(context.Context, string) (store.Fact, error) { return o.fact("policy"), o.err }

func withFacts(t *testing.T, o oneFact, change ...func(*portal.Config)) *portal.Portal {
	t.Helper()
	return open(t, append([]func(*portal.Config){func(c *portal.Config) { c.Facts = o }}, change...)...)
}

func TestProgramsAreHandedOn(t *testing.T) {
	t.Parallel()
	p := withFacts(t, oneFact{body: []byte("{}")})
	for _, path := range []string{wire.NodePath, wire.FactPath(strings.Repeat("ab", 32))} {
		for _, accept := range []string{"", "*/*", "application/json", "text/plain, application/xhtml+xml"} {
			if w := ask(p, "GET", path, "Accept", accept); !strings.Contains(w.Body.String(), "the door: GET") {
				t.Errorf("%s for %q: %s", path, accept, w.Body)
			}
		}
		w := ask(p, "GET", path, "Accept", "text/html;q=0.9, */*")
		if !strings.Contains(w.Body.String(), "<!doctype html>") || !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Accept") {
			t.Errorf("%s: a browser got %s", path, w.Body)
		}
	}
	if w := ask(open(t), "GET", wire.NodePath, "Accept", "text/html"); !strings.Contains(w.Body.String(), "the door") {
		t.Error("a portal without facts has a page about an operator")
	}
	if w := ask(withFacts(t, oneFact{err: errors.New("disk")}), "GET", wire.NodePath, "Accept", "text/html"); w.Code != 503 || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("a failing store: status %d", w.Code)
	}
	if w := ask(withFacts(t, oneFact{err: store.ErrNotFound}), "GET", wire.FactPath(strings.Repeat("ab", 32)), "Accept", "text/html"); w.Code != 404 {
		t.Errorf("no document: status %d", w.Code)
	}
}

// TestHostileFacts shows what an operator, or a checker whose result they
// publish, may have written.
func TestHostileFacts(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script>` + "\u202e\x00"
	body, err := json.Marshal(wire.Policy{Name: evil, Review: evil, Texts: map[string]wire.Text{"en": {Title: evil, Body: evil}}})
	if err != nil {
		t.Fatal(err)
	}
	huge := 1e308
	p := withFacts(t, oneFact{body: body, name: evil}, func(c *portal.Config) {
		c.Sworn = func([]byte) (portal.Oath, error) {
			return portal.Oath{Clauses: []portal.Sworn{{ID: evil, Title: evil, Text: evil, Remedy: evil}}, NotSworn: []portal.Sworn{{ID: "O99", Reason: evil}}}, nil
		}
		c.Measurements = func(context.Context) (wire.Measurements, error) {
			m := wire.Measurement{Clause: evil, Verdict: evil, Reason: evil, Checker: evil, Value: &huge, Bound: &huge, Unit: evil, Ref: "javascript:alert(1)", At: time.Unix(0, 0)}
			return wire.Measurements{Clauses: []wire.ClauseSeen{{Clause: evil, Measurements: []wire.Measurement{m}}}}, nil
		}
		c.LogState = func() portal.LogState {
			return portal.LogState{Size: 1, Witnesses: []string{evil}, Checkpoint: "javascript:alert(2)"}
		}
	})
	for _, path := range []string{wire.NodePath, wire.FactPath(strings.Repeat("ab", 32))} {
		page := ask(p, "GET", path, "Accept", "text/html").Body.String()
		for _, never := range []string{"<script", "\u202e", "\x00", `href="javascript:`} {
			if strings.Contains(page, never) {
				t.Errorf("%s holds %q", path, never)
			}
		}
		if !strings.Contains(page, "&lt;script&gt;") || !strings.HasSuffix(page, "</html>\n") {
			t.Errorf("%s was not shown", path)
		}
	}
}

func FuzzFacts(f *testing.F) {
	f.Add([]byte(`{"texts":{"en":{"title":"a","body":"b"}},"review":"2027-01-01"}`), "privacy")
	f.Add([]byte(`{"v":1,"began":"2026-01-01T00:00:00Z","from":"x","received":-1}`), "<b>")
	var o oneFact
	p, err := portal.New(portal.Config{Authority: "h.localhost:8401", Assets: built(), Facts: &o, Next: http.NotFoundHandler()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		o = oneFact{body: body, name: name}
		for _, path := range []string{wire.NodePath, wire.FactPath(strings.Repeat("ab", 32))} {
			page := ask(p, "GET", path, "Accept", "text/html").Body.String()
			if strings.Contains(page, "<script") || strings.ContainsRune(page, '\u202e') || !strings.HasSuffix(page, "</html>\n") {
				t.Errorf("the page became\n%s", page)
			}
		}
	})
}
