package portal_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	openvalues "primum/internal/open"
	"primum/internal/portal"
	"primum/thing"
	"primum/thing/id"
)

// openPages are the pages of a book with one thing, whose texts and values are
// given.
func openPages(t testing.TB, s openvalues.Service, d *thing.Description, values map[string]string) http.Handler {
	t.Helper()
	b, err := openvalues.Open(t.Context(), t.TempDir(), openvalues.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	s.Name = "air"
	if _, err := b.PutService(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutThing(t.Context(), openvalues.Thing{Service: "air", Name: "square", Description: d, Key: "01/04012345999990/21/7", Class: "01/04012345999990"}); err != nil {
		t.Fatal(err)
	}
	var all []openvalues.Sample
	for property, value := range values {
		all = append(all, openvalues.Sample{Thing: "square", Property: property, Value: json.RawMessage(value)})
	}
	if a, err := b.Add(t.Context(), "air", all); err != nil || a.Kept != len(all) {
		t.Fatal(a, err)
	}
	p, err := portal.New(portal.Config{
		Authority: "h.localhost:8401", Assets: built(), Next: http.NotFoundHandler(), Open: b,
		Class: func(_ context.Context, k id.Key, _ string) (c openvalues.Class, err error) {
			c.Title, c.Links = d.Title, []openvalues.ClassLink{{Title: s.Title, Href: "javascript:alert(1)"}, {Title: "itself", Href: "http://h.localhost:8401/class/" + k.Path()}, {Title: d.Title, Href: "https://h.example/\"><script>"}}
			c.Things, err = b.OfClass(context.Background(), k.Path(), 5)
			return c, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.OpenPages()
}

func pageOf(h http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestHostileOpenThing: what a publisher says and publishes is text, whatever it
// looks like.
func TestHostileOpenThing(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script>`
	d, err := openvalues.ReadDescription([]byte(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"\"><script>alert(1)</script>",
		"titles":{"de":"a\u202eb","ar":"<script>"},"security":"n","securityDefinitions":{"n":{"scheme":"nosec"}},"properties":{
		"a":{"type":"number","unit":"<script>","titles":{"en":"\u2066<script>"}},"b":{"type":"string"},"c":{"type":"object"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	h := openPages(t, openvalues.Service{Title: evil, Text: evil + "\nx", License: "https://h.example/?q=%22%3E"}, d, map[string]string{
		"a": "1e300", "b": `"<script>\u202e"`, "c": `{"lat":"<script>","<script>":1}`,
	})
	for _, path := range []string{
		"/open", "/open/air", "/open/air/square", "/class/01/04012345999990", "/open/air/square?lang=de", "/open/air/square?lang=ar",
		"/open/air/square?property=%22%3E%3Cscript%3E&span=%3Cscript%3E", "/open/air?after=%3Cscript%3E", "/open/%3Cscript%3E", "/class/01/%3Cscript%3E",
	} {
		w := pageOf(h, path)
		text := w.Body.String()
		for _, never := range []string{"<script", "javascript:", "itself", "\u202e", "\u2066<", "ZgotmplZ"} {
			if strings.Contains(text, never) {
				t.Errorf("%s holds %q", path, never)
			}
		}
		if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "script-src") || !strings.HasSuffix(text, "</html>\n") {
			t.Errorf("%s: %d %s", path, w.Code, csp)
		}
	}
	if w := pageOf(h, "/class/01/04012345999990/21/7"); w.Code != http.StatusNotFound {
		t.Errorf("a serial's class page: %d", w.Code)
	}
	for path, says := range map[string]string{
		"/open": "", "/open/air?after=%3C": `href="?after=%3C&amp;lang=de"`, "/class/01/04012345999990?linkType=gs1:pip&21=S3CRET": `href="?lang=de&amp;linkType=gs1%3Apip"`,
		"/open/air/square?property=a%26b&span=day&lang=en&21=S3CRET": `href="?lang=de&amp;property=a%26b&amp;span=day"`,
	} {
		text := pageOf(h, path).Body.String()
		if !strings.Contains(text, says) || strings.Contains(text, "S3CRET") || !strings.Contains(text, `<p class="soft"><a href="/"><bdi dir="ltr">h.localhost:8401</bdi></a>`) {
			t.Errorf("%s: no %s, or no way to the node, in %s", path, says, text)
		}
	}
}

// TestChartsOfExtremes draws what has no height, and what has too much.
func TestChartsOfExtremes(t *testing.T) {
	t.Parallel()
	d, err := openvalues.ReadDescription([]byte(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"x","security":"n",
		"securityDefinitions":{"n":{"scheme":"nosec"}},"properties":{"a":{"type":"number"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"0", "1e300", "-1e300", "1e-300", "9007199254740993", "-0.0001"} {
		text := pageOf(openPages(t, openvalues.Service{Title: "x"}, d, map[string]string{"a": value}), "/open/air/square").Body.String()
		if !strings.Contains(text, `class="chart-line"`) || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s: no chart of it", value)
		}
	}
}

// A code that is none is a page with the reason, without the code in it.
func TestBadNameSaysWhy(t *testing.T) {
	t.Parallel()
	p, err := portal.New(portal.Config{Authority: "h.localhost:8401", Assets: built(), Next: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	for text, part := range map[string]string{"/01/04012345999990/S3CRET/7": "(name)", "/01//04012345999990/21/S3CRET": "(name)"} {
		_, bad := id.ParseLink(text, "", id.Options{})
		for path, ways := range map[string]bool{text: true, "/resolve?id=" + text: false} {
			w := httptest.NewRecorder()
			w.Header()["Vary"] = []string{"Accept, Accept-Language"}
			p.BadName(w, httptest.NewRequest(http.MethodGet, path, nil), bad)
			body := w.Body.String()
			if strings.Contains(body, "S3CRET") || !strings.Contains(body, part) || strings.Contains(body, "lang=de") != ways {
				t.Errorf("%s: %s", path, body)
			}
			if vary := w.Header().Values("Vary"); len(vary) != 1 || vary[0] != "Accept, Accept-Language, Cookie" {
				t.Errorf("%s: Vary %q", path, vary)
			}
		}
	}
	for lang, want := range map[string]string{"en": "the check digit is wrong; 0 would be right", "de": "die Prüfziffer ist falsch; richtig wäre 0", "ar": "رقم التحقق خاطئ؛ الصحيح 0"} {
		r := httptest.NewRequest(http.MethodGet, "/01/04012345999991?lang="+lang, nil)
		_, bad := id.ParseLink(r.URL.Path, "", id.Options{})
		w := httptest.NewRecorder()
		p.BadName(w, r, bad)
		body := w.Body.String()
		if w.Code != http.StatusBadRequest || w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(body, want) || !strings.Contains(body, "(01)") || strings.Contains(body, "04012345999991") {
			t.Errorf("%s: %d %v\n%s", lang, w.Code, w.Header(), body)
		}
	}
}
