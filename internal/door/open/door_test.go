package opendoor_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	opendoor "primum/internal/door/open"
	"primum/internal/open"
	"primum/internal/wire"
	"primum/thing/id"
)

func start() time.Time { return time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC) }

const air = `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Market square",
	"securityDefinitions":{"nosec_sc":{"scheme":"nosec"}},"security":"nosec_sc",
	"properties":{"pm10":{"title":"Fine dust","type":"number","unit":"ug/m3"},"state":{"type":"string"}}}`

const key = "01/04012345999990/21/7"

// desk is a door with a service that has one thing.
type desk struct {
	t     *testing.T
	mux   *http.ServeMux
	book  *open.Book
	door  *opendoor.Door
	clock *clock.Manual
	notes []string
}

func newDesk(t testing.TB, change ...func(*opendoor.Config)) *desk {
	t.Helper()
	d := &desk{clock: clock.NewManual(start()), mux: http.NewServeMux()}
	d.t, _ = t.(*testing.T)
	var err error
	if d.book, err = open.Open(t.Context(), t.TempDir(), open.Options{Clock: d.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.book.Close() })
	cfg := opendoor.Config{
		Base: "https://h.example", Book: d.book, Clock: d.clock,
		Publisher: func(r *http.Request) (string, error) {
			if r.Header.Get("Authorization") != "Bearer right" {
				return "", &wire.Problem{Type: wire.ProblemPrefix + wire.ProbToken, Title: "no", Status: http.StatusUnauthorized}
			}
			return "town", nil
		},
		Note: func(_ context.Context, name, act, about string) error {
			d.notes = append(d.notes, name+" "+act+" "+about)
			return nil
		},
		Class: func(_ context.Context, k id.Key, _ string) (c open.Class, err error) {
			c.Key, c.Elements = k.Path(), k.ElementString()
			if c.Things, err = d.book.OfClass(context.Background(), k.Path(), 10); err == nil && len(c.Things) == 0 {
				err = open.ErrUnknown
			}
			return c, err
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	d.door = opendoor.New(cfg)
	t.Cleanup(d.door.Stop)
	for pattern, h := range d.door.Routes() {
		d.mux.Handle(pattern, h)
	}
	return d
}

func (d *desk) filled() *desk {
	d.t.Helper()
	for path, body := range map[string]string{"/v1/open/air": `{"title":"Air","keepDays":30}`} {
		d.want(http.StatusCreated, "PUT", path, body)
	}
	d.want(http.StatusCreated, "PUT", "/v1/open/air/square?key="+url.QueryEscape("(01)04012345999990(21)7"), air)
	return d
}

func (d *desk) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if strings.HasPrefix(path, "/v1/") {
		r.Header.Set("Authorization", "Bearer right")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	return w
}

// want asks and checks the status; it gives the body.
func (d *desk) want(status int, method, path, body string, headers ...string) string {
	d.t.Helper()
	w := d.ask(method, path, body, headers...)
	if w.Code != status {
		d.t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	return w.Body.String()
}

func (d *desk) feed(property, value string, at time.Time) {
	d.t.Helper()
	got := d.want(200, "POST", "/v1/open/air", fmt.Sprintf(`{"values":[{"thing":"square","property":%q,"at":%q,"value":%s}]}`, property, at.Format(time.RFC3339Nano), value))
	if !strings.Contains(got, `"kept":1`) {
		d.t.Errorf("fed: %s", got)
	}
}

func TestPublishReadRemove(t *testing.T) {
	t.Parallel()
	d := newDesk(t).filled()
	d.feed("pm10", "21.5", start())
	for path, want := range map[string]string{
		"/open":                                    `"services":[{"name":"air","title":"Air","keepDays":30`,
		"/open/air":                                `"list":[{"name":"square","title":"Market square","url":"https://h.example/open/air/square","key":"` + key + `"}]`,
		"/open/air/square":                         `"href":"https://h.example/open/air/square/properties/pm10/observe"`,
		"/open/air/square/properties":              `{"pm10":21.5}`,
		"/open/air/square/qr.svg":                  `<svg xmlns=`,
		"/class/01/04012345999990":                 `"elementString":"(01)04012345999990"`,
		"/open/air/square/properties/pm10":         `21.5`,
		"/open/air/square/properties/pm10/history": `"values":[{"at":"2026-11-23T06:00:00Z","value":21.5}]`,
	} {
		w := d.ask("GET", path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(w.Header().Get("Cache-Control"), "public") {
			t.Errorf("%s: headers %v", path, w.Header())
		}
	}
	if w := d.ask("GET", "/open/air/square/properties/pm10", ""); w.Header().Get("Last-Modified") != "Mon, 23 Nov 2026 06:00:00 GMT" {
		t.Errorf("when it was measured: %v", w.Header())
	} else if again := d.ask("GET", "/open/air/square/properties/pm10", "", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
		t.Errorf("the same value: %d", again.Code)
	}
	d.want(204, "PUT", "/v1/open/air/square?key="+url.QueryEscape("01/04012345999990/10/A%2FB%2525"), air)
	if got := d.want(200, "GET", "/class/01/04012345999990/10/A%2FB%2525", ""); !strings.Contains(got, `"elementString":"(01)04012345999990(10)A/B%25"`) {
		t.Errorf("a class with signs: %s", got)
	}
	d.want(204, "PUT", "/v1/open/air/square", air) // says nothing of its key
	d.want(200, "GET", "/class/01/04012345999990", "")
	d.want(204, "PUT", "/v1/open/air/square?key=", air) // takes it away
	d.want(404, "GET", "/class/01/04012345999990", "")
	d.want(204, "DELETE", "/v1/open/air/square", "")
	d.want(404, "GET", "/open/air/square", "")
	d.want(204, "DELETE", "/v1/open/air", "")
	d.want(404, "GET", "/open/air", "")
	want := "town open-published air,town open-published air/square,town open-published air/square,town open-published air/square,town open-published air/square,town open-removed air/square,town open-removed air"
	if got := strings.Join(d.notes, ","); got != want {
		t.Errorf("the operators' log: %s", got)
	}
}

func TestOnlyPublishersChangeThings(t *testing.T) {
	t.Parallel()
	d := newDesk(t).filled()
	for method, path := range map[string]string{"PUT": "/v1/open/air", "DELETE": "/v1/open/air/square", "POST": "/v1/open/air"} {
		if body := d.want(401, method, path, "{}", "Authorization", "Bearer wrong"); !strings.Contains(body, wire.ProbToken) {
			t.Errorf("%s: %s", method, body)
		}
	}
	closed := newDesk(t, func(c *opendoor.Config) { c.Publisher = nil })
	closed.want(403, "PUT", "/v1/open/air", `{"title":"Air"}`)
}

func TestBadInputIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	d := newDesk(t).filled()
	deep := strings.Repeat("[", 200_000)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PUT", "/v1/open/air", `{"title":""}`, 400, `"pointer":"/title"`},
		{"PUT", "/v1/open/air", `{"title":"x","name":"water"}`, 400, `"pointer":"/name"`},
		{"PUT", "/v1/open/Air%20Q", `{"title":"x"}`, 400, `"pointer":"/name"`},
		{"PUT", "/v1/open/air/square", `{}`, 400, `"pointer":"/properties"`},
		{"PUT", "/v1/open/air/square", strings.Repeat(" ", 300_000), 413, "too-large"},
		{"PUT", "/v1/open/none/square", air, 404, "not-found"},
		{"PUT", "/v1/open/air/square?key=01/04012345999991", air, 400, `"pointer":"key"`},
		{"PUT", "/v1/open/air/square?key=https://h.example/", air, 400, `"pointer":"key"`},
		{"POST", "/v1/open/air", deep, 400, "malformed"},
		{"POST", "/v1/open/air", `{"values":[]}`, 400, `"pointer":"/values"`},
		{"POST", "/v1/open/air", `{"values":[` + strings.Repeat(`{},`, 1000) + `{}]}`, 400, "more than 1000"},
		{"POST", "/v1/open/none", `{"values":[{"thing":"square","property":"pm10","value":1}]}`, 404, "not-found"},
		{"GET", "/open/air/square/properties/pm10", "", 404, "not-yet"},
		{"GET", "/open/air/square/properties/nox", "", 404, "not-found"},
		{"GET", "/open/" + strings.Repeat("a", 100_000), "", 404, "not-found"},
		{"GET", "/open/%2e%2e/square", "", 404, "not-found"},
		{"GET", "/class/" + key, "", 404, "not-found"},
		{"GET", "/class/01/1", "", 404, "not-found"},
		{"GET", "/open/air/square/properties/pm10/history?from=yesterday", "", 400, `"pointer":"from"`},
		{"GET", "/open/air/square/properties/pm10/history?to=2026-11-01T00:00:00Z&from=2026-11-02T00:00:00Z", "", 400, `"pointer":"to"`},
		{"GET", "/open/air/square/properties/pm10/history?window=tiny", "", 400, `"pointer":"window"`},
		{"GET", "/open/air/square/properties/pm10/history?window=9999d", "", 400, `"pointer":"window"`},
		{"GET", "/open/air/square/properties/state/history?window=1h", "", 400, "no numbers"},
		{"GET", "/open/air/square/properties/nox/history?window=1h", "", 404, "not-found"},
		{"GET", "/open/air/square/properties/pm10/history?limit=100000", "", 400, `"pointer":"limit"`},
		{"GET", "/open/air/square/properties/pm10/history?format=xls", "", 400, `"pointer":"format"`},
		{"GET", "/open/air/square/properties/nox/observe", "", 404, "not-found"},
		{"GET", "/open/air/none/observe", "", 404, "not-found"},
	} {
		w := d.ask(c.method, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %.80s: %d %.300s, want %d %s", c.method, c.path, w.Code, w.Body, c.status, c.want)
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s %.80s: %s", c.method, c.path, w.Header().Get("Content-Type"))
		}
	}
	got := d.want(200, "POST", "/v1/open/air", `{"values":[{"thing":"square","property":"pm10","value":"high"},{"thing":"square","property":"pm10","value":3}]}`)
	if !strings.Contains(got, `"kept":1,"refused":[{"index":0,"reason":"at /value:`) {
		t.Errorf("one bad value: %s", got)
	}
}

func TestHistoryAsTableAndByPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t).filled()
	for i := range 6 {
		d.feed("pm10", fmt.Sprint(i*10), start().Add(time.Duration(i-6)*20*time.Minute))
	}
	d.feed("state", `"=1+1"`, start())
	const at = "/open/air/square/properties/pm10/history"
	rows, err := csv.NewReader(strings.NewReader(d.want(200, "GET", at+"?from=3h&window=1h&format=csv", ""))).ReadAll()
	if err != nil || fmt.Sprint(rows) != "[[at count mean min max] [2026-11-23T04:00:00.000Z 3 10 0 20] [2026-11-23T05:00:00.000Z 3 40 30 50]]" {
		t.Errorf("table: %v %v", rows, err)
	}
	if text := d.want(200, "GET", "/open/air/square/properties/state/history", "", "Accept", "text/csv"); !strings.HasSuffix(text, ",'=1+1\n") {
		t.Errorf("a formula: %s", text)
	}
	var seen []string
	next := at + "?from=3h&limit=4"
	for next != "" {
		w := d.ask("GET", strings.TrimPrefix(next, "https://h.example"), "")
		var p struct {
			Values []struct{ Value json.Number }
			Next   string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		for _, v := range p.Values {
			seen = append(seen, v.Value.String())
		}
		if p.Next != "" && !strings.Contains(w.Header().Get("Link"), p.Next) {
			t.Errorf("link: %s", w.Header().Get("Link"))
		}
		if next = p.Next; len(seen) > 10 {
			t.Fatal("no end")
		}
	}
	if strings.Join(seen, " ") != "0 10 20 30 40 50" {
		t.Errorf("seen: %v", seen)
	}
}

// follow reads the events of a stream: id and data.
func follow(t *testing.T, url, lastID string) (next func() (string, string), status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return func() (id, data string) {
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); {
			case name == "id":
				id = value
			case name == "data":
				data = value
			case name == "" && data != "":
				return id, data
			}
		}
		return "", "end"
	}, resp.StatusCode
}

func TestStreams(t *testing.T) {
	t.Parallel()
	d := newDesk(t).filled()
	s := httptest.NewServer(d.mux)
	defer s.Close()
	d.feed("pm10", "1", start().Add(-3*time.Second))
	d.feed("pm10", "2", start().Add(-2*time.Second))
	one, _ := follow(t, s.URL+"/open/air/square/properties/pm10/observe", "")
	id, data := one()
	if id != "2026-11-23T05:59:58.000Z" || data != "2" {
		t.Errorf("first: %s %s", id, data)
	}
	all, _ := follow(t, s.URL+"/open/air/square/observe", "2026-11-23T05:59:56.000Z")
	if _, data := all(); data != `{"pm10":1}` {
		t.Errorf("missed: %s", data)
	}
	if _, data := all(); data != `{"pm10":2}` {
		t.Errorf("missed: %s", data)
	}
	d.feed("state", `"wet"`, start().Add(-time.Second))
	d.feed("pm10", "1.5", start().Add(-2500*time.Millisecond)) // comes late: the stream goes forward only
	d.feed("pm10", "3", start())
	if _, data := one(); data != "3" {
		t.Errorf("then: %s", data)
	}
	for _, want := range []string{`{"state":"wet"}`, `{"pm10":3}`} {
		if _, data := all(); data != want {
			t.Errorf("then: %s, want %s", data, want)
		}
	}
	again, _ := follow(t, s.URL+"/open/air/square/properties/pm10/observe", id)
	if _, data := again(); data != "3" {
		t.Errorf("after it came back: %s", data)
	}
	d.door.Stop()
	for _, next := range []func() (string, string){one, all, again} {
		if _, data := next(); data != "end" {
			t.Errorf("after the end: %s", data)
		}
	}
}

func TestStreamsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(c *opendoor.Config) { c.Address = func(*http.Request) string { return "one" } }).filled()
	s := httptest.NewServer(d.mux)
	defer s.Close()
	defer d.door.Stop()
	d.feed("pm10", "1", start())
	for range 32 {
		next, status := follow(t, s.URL+"/open/air/square/observe", "")
		if _, data := next(); status != 200 || data != `{"pm10":1}` {
			t.Fatalf("%d %s", status, data)
		}
	}
	if _, status := follow(t, s.URL+"/open/air/square/observe", ""); status != 429 {
		t.Errorf("the 33rd stream: %d", status)
	}
}

func TestBrowsersGetPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(c *opendoor.Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page of "+r.URL.Path) })
	}).filled()
	browser := []string{"Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
	for _, path := range []string{"/open", "/open/air", "/open/air/square", "/class/01/04012345999990"} {
		if got := d.want(200, "GET", path, "", browser...); got != "page of "+path {
			t.Errorf("%s: %s", path, got)
		}
		if w := d.ask("GET", path, ""); w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), "json") || w.Header().Get("Vary") != "Accept" {
			t.Errorf("%s for programs: %d %v", path, w.Code, w.Header())
		}
	}
	if w := d.ask("OPTIONS", "/open/air/square/properties/pm10", ""); w.Code != 204 || w.Header().Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	for path, status := range map[string]int{"/open/air/square/observe": 200, "/open/air/none/observe": 404} {
		if w := d.ask("HEAD", path, ""); w.Code != status {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
	if w := d.ask("HEAD", "/open/air/square", ""); w.Code != 200 || w.Header().Get("Content-Type") != "application/td+json" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("GET", "/open/air/square/properties/pm10/history", "from=7d&to=1h&window=15m&limit=3&format=csv", "")
	f.Add("POST", "/v1/open/air", "", `{"values":[{"thing":"square","property":"pm10","at":"2026-11-23T06:00:00Z","value":1e309}]}`)
	f.Add("PUT", "/v1/open/air/square", "key=(01)04012345999990(21)%2F", air)
	f.Add("GET", "/class/01/04012345999990/10/%00", "lang=de", "")
	d := newDesk(f)
	for path, body := range map[string]string{"/v1/open/air": `{"title":"Air"}`, "/v1/open/air/square": air} {
		d.ask("PUT", path, body)
	}
	d.ask("PUT", "/v1/open/air/square", air)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if strings.HasSuffix(path, "observe") || method == "DELETE" {
			return // those last, or take the room away
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://h.example/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Authorization", "Bearer right")
		w := httptest.NewRecorder()
		d.mux.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
		}
	})
}
