package gs1door_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gs1door "primum/internal/door/gs1"
	"primum/internal/linkset"
)

// TestNoSpellingHandsAnObjectOn checks that names of single objects stay here
// however a query writes them: behind a semicolon, percent-encoded.
func TestNoSpellingHandsAnObjectOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const key = "01/04000001002221"
	w.put(t, linkset.Item{Anchor: key, Description: "x", Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/p", Title: "P", Default: true}}})
	for query, want := range map[string]string{
		"?a=1;250=nobody77": "?a=1", "?%32%35%30=nobody77": "", "?a=1&%32%31=nobody77": "?a=1", "?a=1;%32%31=nobody77": "?a=1",
		"?+250=nobody77": "", "?250=nobody77": "", "?17=271231;a=%20": "?17=271231&a=%20", "?a=%zz": "?",
	} {
		for _, path := range []string{"/" + key, "/" + key + "/21/nobody77"} {
			r := w.ask(t, http.MethodGet, path+query, nil)
			to := r.Header().Get("Location")
			if strings.Contains(to, "77") || r.Code == http.StatusTemporaryRedirect && path == "/"+key && to != "https://shop.example/p"+want {
				t.Errorf("%s%s: %d to %s", path, query, r.Code, to)
			}
		}
	}
}

// TestObjectsWithoutAClassHaveTheirLinkset asks as a browser does for a key that
// names one object by its nature: there is no page of a class to show.
func TestObjectsWithoutAClassHaveTheirLinkset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	door := gs1door.New(gs1door.Config{
		Authority: "id.example.org", Base: base, Links: w.book, Described: w.described, Publisher: publisher, Note: w.note,
		Page: func(w http.ResponseWriter, _ *http.Request, _ int, class string) {
			http.Error(w, "no page of "+class, http.StatusNotFound)
		},
	})
	w.put(t, linkset.Item{Anchor: "8004/4012345X1", Description: "x", Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/p", Title: "P"}}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/8004/4012345X1?linkType=linkset", nil)
	r.Header.Set("Accept", "text/html")
	out := httptest.NewRecorder()
	if door.ServeHTTP(out, r); out.Code != http.StatusOK || !strings.Contains(out.Body.String(), "https://shop.example/p") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

// TestBrowsersSeeWhatIsWrong asks for codes that are none.
func TestBrowsersSeeWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	door := gs1door.New(gs1door.Config{
		Authority: "id.example.org", Base: base, Links: w.book, Publisher: publisher, Note: w.note,
		BadPage: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "page: "+err.Error(), http.StatusBadRequest)
		},
	})
	for accept, want := range map[string]string{"text/html,*/*;q=0.8": "page: 01 at byte", "*/*": "urn:primum:problem:malformed", "application/linkset+json": "urn:primum:problem:malformed"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/01/04012345999991", nil)
		r.Header.Set("Accept", accept)
		out := httptest.NewRecorder()
		if door.ServeHTTP(out, r); out.Code != http.StatusBadRequest || !strings.Contains(out.Body.String(), want) {
			t.Errorf("%s: %d %s", accept, out.Code, out.Body)
		}
	}
}
