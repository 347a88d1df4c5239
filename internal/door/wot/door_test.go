package wotdoor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/directory"
	wotdoor "primum/internal/door/wot"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/thing/td"
)

// world is a door with its directory. Who asks says it in a header: that
// signatures and tokens hold is tested where they are checked.
type world struct {
	t     *testing.T
	srv   *httptest.Server
	door  *wotdoor.Door
	clock *clock.Manual
	mu    sync.Mutex
	notes []string // guarded by mu
	full  error    // guarded by mu; why the log takes nothing, nil if it does
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewManual(time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC))}
	dir, err := directory.Open(t.Context(), t.TempDir(), directory.Options{Clock: w.clock, Granting: func(_ context.Context, account string) ([]string, error) {
		return map[string][]string{"bob@s.example": {"alice@h.example"}}[account], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	w.srv = httptest.NewServer(mux)
	w.door = wotdoor.New(wotdoor.Config{
		Authority: "h.example", Base: w.srv.URL, Directory: dir, Clock: w.clock,
		Publisher: func(r *http.Request) (string, error) {
			if r.Header.Get("Authorization") != "Bearer good" {
				return "", &wire.Problem{Type: wire.ProblemPrefix + wire.ProbToken, Title: "Unauthorized", Status: http.StatusUnauthorized}
			}
			return "shop", nil
		},
		Note: func(_ context.Context, name, act, about string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.full != nil {
				return w.full
			}
			w.notes = append(w.notes, name+" "+act+" "+about)
			return nil
		},
		Caller: func(r *http.Request, _ []byte) (string, error) { return r.Header.Get("Test-Account"), nil },
	})
	for pattern, h := range w.door.Routes() {
		mux.Handle(pattern, h)
	}
	t.Cleanup(func() {
		w.door.Stop()
		w.srv.Close()
		_ = dir.Close()
	})
	return w
}

// got is an answer that was read.
type got struct {
	*http.Response
	body string
}

const shop, nobody = "shop", ""

// ask asks as an account, the publisher "shop", or nobody. Each more is a
// header "Name: value".
func (w *world) ask(as, method, path, body string, more ...string) got {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.srv.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	switch {
	case as == shop:
		req.Header.Set("Authorization", "Bearer good")
	case as != "":
		req.Header.Set("Test-Account", as)
	}
	for _, m := range more {
		name, value, _ := strings.Cut(m, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return got{resp, string(b)}
}

func (w *world) want(status int, g got) got {
	w.t.Helper()
	if g.StatusCode != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", g.Request.Method, g.Request.URL, g.StatusCode, status, g.body)
	}
	if status >= 400 && (g.Header.Get("Content-Type") != "application/problem+json" || g.Request.Method != http.MethodHead && !strings.Contains(g.body, fmt.Sprintf(`"status":%d`, status))) {
		w.t.Fatalf("%d is no problem: %s", status, g.body)
	}
	return g
}

func lamp(id, title string) string {
	if id != "" {
		id = `"id":"` + id + `",`
	}
	return `{"@context":"` + td.Context11 + `",` + id + `"title":"` + title + `","securityDefinitions":{"none":{"scheme":"nosec"}},"security":"none"}`
}

func TestCRUD(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.want(201, w.ask(shop, "POST", "/things", lamp("", "Lamp"))).Header.Get("Location")
	if !strings.HasPrefix(at, "/things/urn:uuid:") {
		t.Fatal(at)
	}
	g := w.want(200, w.ask(nobody, "GET", at, ""))
	if g.Header.Get("Content-Type") != td.MediaType || !strings.Contains(g.body, `"retrieved":"2026-11-23T06:00:00Z"`) {
		t.Error(g.Header, g.body)
	}
	h := w.want(200, w.ask(nobody, "HEAD", at, ""))
	for _, name := range []string{"Content-Type", "Content-Length", "Etag", "Vary"} {
		if h.Header.Get(name) != g.Header.Get(name) || h.Header.Get(name) == "" {
			t.Errorf("HEAD has %s %q, GET %q", name, h.Header.Get(name), g.Header.Get(name))
		}
	}
	w.want(304, w.ask(nobody, "GET", at, "", "If-None-Match: "+g.Header.Get("ETag")))
	w.want(200, w.ask(nobody, "GET", "/things/"+url.PathEscape(w.srv.URL+at), "")) // as the W3C's suite asks
	odd := "https://a.example/x y/%41?q#f"
	path := "/things/" + url.PathEscape("https://a.example/x/%41?q#f")
	w.want(201, w.ask(shop, "PUT", path, lamp("https://a.example/x/%41?q#f", "Odd")))
	w.want(400, w.ask(shop, "PUT", "/things/"+url.PathEscape(odd), lamp(odd, "Odder")))
	w.want(204, w.ask(shop, "PUT", path, lamp("https://a.example/x/%41?q#f", "Odd 2"), "If-Match: *"))
	w.want(412, w.ask(shop, "PUT", path, lamp("https://a.example/x/%41?q#f", "Odd 3"), "If-None-Match: *"))
	w.want(412, w.ask(shop, "DELETE", path, "", `If-Match: "old"`))
	w.want(415, w.ask(shop, "PATCH", path, `{"title":"New"}`, "Content-Type: application/json"))
	w.want(204, w.ask(shop, "PATCH", path, `{"title":"New"}`, "Content-Type: application/merge-patch+json"))
	if g := w.want(200, w.ask(nobody, "GET", path, "")); !strings.Contains(g.body, `"title":"New"`) {
		t.Error(g.body)
	}
	w.want(204, w.ask(shop, "DELETE", path, ""))
	w.want(404, w.ask(nobody, "GET", path, ""))
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.notes) < 6 || !strings.HasPrefix(w.notes[0], "shop thing-published urn:uuid:") {
		t.Error(w.notes)
	}
}

// TestWhatIsNotLoggedIsNotDone: the operators' log has the line first.
func TestWhatIsNotLoggedIsNotDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.want(201, w.ask(shop, "POST", "/things", lamp("", "Lamp"))).Header.Get("Location")
	w.mu.Lock()
	w.full = store.ErrDiskFull
	w.mu.Unlock()
	w.want(507, w.ask(shop, "POST", "/things", lamp("", "Other")))
	w.want(507, w.ask(shop, "PUT", "/things/urn:example:new", lamp("urn:example:new", "New")))
	w.want(507, w.ask(shop, "PATCH", at, `{"title":"New"}`, "Content-Type: application/merge-patch+json"))
	w.want(507, w.ask(shop, "DELETE", at, ""))
	if g := w.want(200, w.ask(nobody, "GET", "/things", "")); strings.Count(g.body, `"title":`) != 1 || !strings.Contains(g.body, `"title":"Lamp"`) {
		t.Error(g.body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.want(400, w.ask(shop, "POST", "/things", strings.Replace(lamp("", "Lamp"), `"title":"Lamp",`, "", 1)))
	var p struct {
		ValidationErrors []struct{ Field, Description string }
	}
	if err := json.Unmarshal([]byte(g.body), &p); err != nil || len(p.ValidationErrors) != 1 || p.ValidationErrors[0].Field != "/title" {
		t.Error(g.body, err)
	}
	w.want(401, w.ask(nobody, "POST", "/things", lamp("", "Lamp")))
	w.want(401, w.ask(nobody, "POST", "/things", lamp("", "Lamp"), "Authorization: Bearer bad"))
	w.want(401, w.ask(nobody, "GET", "/things", "", "Authorization: Bearer bad"))
	w.want(403, w.ask("bob@s.example", "POST", "/things", lamp("", "Lamp")))
	w.want(400, w.ask(shop, "PUT", "/things/urn:b", lamp("urn:c", "Lamp")))
	w.want(400, w.ask(shop, "PUT", "/things/", lamp("", "Lamp")))
	w.want(400, w.ask(shop, "POST", "/things?visibility=all", lamp("", "Lamp")))
	w.want(413, w.ask(shop, "POST", "/things", strings.Repeat(" ", td.MaxBytes+1)))
	if got := w.want(405, w.ask(nobody, "DELETE", "/things", "")).Header.Get("Allow"); got != "GET, HEAD, OPTIONS, POST" {
		t.Error(got)
	}
	w.want(204, w.ask(nobody, "OPTIONS", "/things", ""))
	w.want(400, w.ask(nobody, "GET", "/search/jsonpath", ""))
	if g := w.want(400, w.ask(nobody, "GET", "/search/jsonpath?query="+url.QueryEscape("$[?@.a=]"), "")); !strings.Contains(g.body, "at byte 6") {
		t.Error(g.body)
	}
	w.want(501, w.ask(nobody, "GET", "/search/sparql?query=x", ""))
	w.want(404, w.ask(nobody, "GET", "/events/thing_moved", ""))
	for _, q := range []string{"limit=0", "limit=x", "offset=-1", "format=xml"} {
		w.want(400, w.ask(nobody, "GET", "/things?"+q, ""))
	}
	w.want(501, w.ask(nobody, "GET", "/things?sort_by=created", ""))
}

func TestListAndPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"urn:b", "urn:a", "urn:é", "urn:c"} {
		w.want(201, w.ask(shop, "PUT", "/things/"+url.PathEscape(id), lamp(id, "T "+id)))
	}
	w.want(201, w.ask("alice@h.example", "PUT", "/things/urn:0", lamp("urn:0", "hidden")))
	g := w.want(200, w.ask(nobody, "GET", "/things?limit=3", ""))
	links := g.Header.Values("Link")
	if g.Header.Get("Content-Type") != "application/ld+json" || len(links) != 2 || !strings.HasPrefix(links[0], `</things>; rel="canonical"; etag="`) ||
		links[1] != `</things?limit=3&offset=3>; rel="next"` {
		t.Error(g.Header)
	}
	var page []struct{ ID string }
	if err := json.Unmarshal([]byte(g.body), &page); err != nil || fmt.Sprint(page) != "[{urn:a} {urn:b} {urn:c}]" {
		t.Error(g.body, err)
	}
	if g := w.want(200, w.ask(nobody, "GET", "/things?limit=3&offset=3", "")); len(g.Header.Values("Link")) != 1 || !strings.Contains(g.body, "urn:é") {
		t.Error(g.Header, g.body)
	}
	var c struct {
		Type    string `json:"@type"`
		Total   int
		Next    string
		Members []struct{ ID string }
	}
	g = w.want(200, w.ask(nobody, "GET", "/things?limit=1&format=collection", ""))
	if err := json.Unmarshal([]byte(g.body), &c); err != nil || c.Type != "ThingCollection" || c.Total != 4 || len(c.Members) != 1 ||
		c.Next != "/things?format=collection&limit=1&offset=1" {
		t.Error(g.body, err)
	}
	w.want(304, w.ask(nobody, "GET", "/things", "", "If-None-Match: "+g.Header.Get("ETag")))
	if mine := w.want(200, w.ask("alice@h.example", "GET", "/things", "")); !strings.Contains(mine.body, "hidden") || mine.Header.Get("Cache-Control") != "private, no-store" {
		t.Error(mine.Header, mine.body)
	}
}

// TestHiddenIsAbsent: what a caller may not see is answered as what does not
// exist, byte for byte.
func TestHiddenIsAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const alice, bob, shared = "alice@h.example", "bob@s.example", "/things/urn:shared"
	w.want(201, w.ask(alice, "PUT", "/things/urn:mine", lamp("urn:mine", "Mine")))
	w.want(201, w.ask(alice, "PUT", shared+"?visibility=grantees", lamp("urn:shared", "Shared")))
	for _, method := range []string{"GET", "HEAD", "DELETE", "PATCH"} {
		for _, as := range []string{nobody, shop, bob} {
			kind := "Content-Type: application/merge-patch+json"
			hidden, absent := w.ask(as, method, "/things/urn:mine", `{}`, kind), w.ask(as, method, "/things/urn:none", `{}`, kind)
			hidden.Header.Del("Date")
			absent.Header.Del("Date")
			if hidden.StatusCode != absent.StatusCode || hidden.body != absent.body || fmt.Sprint(hidden.Header) != fmt.Sprint(absent.Header) {
				t.Errorf("%s as %q: %d %s %v, and where there is none %d %s %v", method, as, hidden.StatusCode, hidden.body, hidden.Header,
					absent.StatusCode, absent.body, absent.Header)
			}
		}
	}
	w.want(200, w.ask(bob, "GET", shared, ""))
	w.want(404, w.ask(nobody, "GET", shared, ""))
	w.want(403, w.ask(bob, "DELETE", shared, "")) // not of this node
	query := "/search/jsonpath?query=" + url.QueryEscape(`$[?@.title].id`)
	if g := w.want(200, w.ask(bob, "GET", query, "")); g.body != `["urn:shared"]` {
		t.Error(g.body)
	}
	if g := w.want(200, w.ask(nobody, "GET", query, "")); g.body != `[]` {
		t.Error(g.body)
	}
}

// stream reads events until it has n lines of data.
func (w *world) stream(as, path, last string, ready chan<- struct{}, n int) (out []string) {
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.srv.URL+path, nil)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	req.Header.Set("Test-Account", as)
	req.Header.Set("Last-Event-ID", last)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	if ready != nil {
		close(ready)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		w.t.Error(kind)
	}
	lines := bufio.NewScanner(resp.Body)
	for data := 0; data < n && lines.Scan(); {
		if line := lines.Text(); line != "" && line != ":" {
			out = append(out, line)
			if strings.HasPrefix(line, "data: ") {
				data++
			}
		}
	}
	return out
}

func TestEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ready, done := make(chan struct{}), make(chan []string)
	go func() { done <- w.stream(nobody, "/events?diff=true", "", ready, 3) }()
	<-ready
	w.want(201, w.ask(shop, "PUT", "/things/urn:a", lamp("urn:a", "A")))
	w.want(201, w.ask("alice@h.example", "PUT", "/things/urn:b", lamp("urn:b", "B")))
	w.want(204, w.ask(shop, "PUT", "/things/urn:a", lamp("urn:a", "A 2")))
	w.want(204, w.ask(shop, "DELETE", "/things/urn:a", ""))
	lines := <-done
	if len(lines) != 9 || lines[0] != "event: thing_created" || lines[3] != "event: thing_updated" ||
		lines[5] != `data: {"id":"urn:a","registration":{"modified":"2026-11-23T06:00:00Z"},"title":"A 2"}` || lines[6] != "event: thing_deleted" || lines[8] != `data: {"id":"urn:a"}` {
		t.Fatal(strings.Join(lines, "\n"))
	}
	id := strings.TrimPrefix(lines[1], "id: ")
	if missed := w.stream(nobody, "/events/thing_deleted", id, nil, 1); strings.Join(missed, " ") != strings.Join(lines[6:], " ") {
		t.Error(missed)
	}
	if own := w.stream("alice@h.example", "/events", id, nil, 1); own[2] != `data: {"id":"urn:b"}` {
		t.Error(own)
	}
	w.want(200, w.ask(nobody, "HEAD", "/events", ""))
	w.door.Stop()
	if rest := w.stream(nobody, "/events", "", nil, 1); len(rest) != 0 {
		t.Error("events after the end:", rest)
	}
}

// TestSelf: the directory's own description is valid, and each address in it
// is one of the door.
func TestSelf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.want(200, w.ask(nobody, "GET", "/.well-known/wot", ""))
	v, err := td.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Validate([]byte(g.body))
	if err != nil || s.Types[0] != "ThingDirectory" || len(s.Actions) != 7 || len(s.Events) != 3 {
		t.Error(s, err)
	}
	w.want(201, w.ask(shop, "PUT", "/things/"+url.PathEscape(s.ID), g.body)) // it may stand in a directory itself
	var d struct {
		Actions, Events, Properties map[string]struct{ Forms []struct{ Href string } }
	}
	if err := json.Unmarshal([]byte(g.body), &d); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []map[string]struct{ Forms []struct{ Href string } }{d.Actions, d.Events, d.Properties} {
		for name, a := range kind {
			path, _, _ := strings.Cut(strings.Replace(a.Forms[0].Href, "{id}", "urn:none", 1), "{")
			if g := w.ask(nobody, "OPTIONS", path, ""); g.StatusCode != 204 {
				t.Errorf("%s: %s answers %d", name, path, g.StatusCode)
			}
		}
	}
}

// FuzzPut: whatever is sent, the answer is one of a few.
func FuzzPut(f *testing.F) {
	for _, s := range []string{lamp("urn:a", "A"), `{"title":null}`, `{"registration":{"ttl":1}}`, `[`, `{"@context":[],"id":"urn:a"}`} {
		f.Add("urn:a", s)
	}
	dir, err := directory.Open(f.Context(), f.TempDir(), directory.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = dir.Close() })
	d := wotdoor.New(wotdoor.Config{Authority: "h.example", Base: "https://h.example", Directory: dir, Publisher: func(*http.Request) (string, error) { return "x", nil }})
	mux := http.NewServeMux()
	for pattern, h := range d.Routes() {
		mux.Handle(pattern, h)
	}
	f.Fuzz(func(t *testing.T, id, body string) {
		for _, method := range []string{"PUT", "PATCH", "GET", "DELETE"} {
			req := httptest.NewRequestWithContext(t.Context(), method, "/things/"+url.PathEscape(id), strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer x")
			req.Header.Set("Content-Type", "application/merge-patch+json")
			rec := httptest.NewRecorder()
			mux.ServeHTTP(rec, req)
			if rec.Code >= 500 {
				t.Errorf("%s: %d %s", method, rec.Code, rec.Body)
			}
			if rec.Code == 200 && !json.Valid(rec.Body.Bytes()) {
				t.Errorf("not JSON: %s", rec.Body)
			}
		}
	})
}
