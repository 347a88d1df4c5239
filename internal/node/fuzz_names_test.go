package node

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/linkset"
)

// FuzzPublicDoors asks a node for any path and query in any language and media
// type: whichever door takes it, it is no fault of the node's own, and no header
// of the answer has a line that the caller wrote.
func FuzzPublicDoors(f *testing.F) {
	n, err := Open(f.Context(), Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: filepath.Join(f.TempDir(), "node")})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = n.Close() })
	entry := linkset.Entry{LinkType: "gs1:pip", Href: "https://example.com/", Title: "It", Default: true}
	if _, err := n.names.links.Put(f.Context(), "test", linkset.Item{Anchor: product(0), Description: "It", Entries: []linkset.Entry{entry}}); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"/" + product(0), "/" + product(0) + "/10/A%0d%0aX:%20y/21/1?linkType=gs1:pip&context=a", "/01/%30401", "//01//", "/DAdMZM_FAALg",
		"/resolve?id=(01)04012345123456(21)7", "/resolve?id=urn:epc:id:sgtin:4012345.012345.7", "/resolve?id=did:web:h.localhost", "/did.json",
		"/things?limit=1&offset=9", "/things/urn:x", "/search/jsonpath?query=$[?@.a]", "/search/jsonpath?query=$..[?@..[?@..a]]", "/.well-known/core?rt=x*",
		"/open", "/open/air/roof/properties/a/history?from=1h&window=1ns", "/open/air/roof/qr.svg", "/class/" + product(0), "/v1/services/a", "/services",
	} {
		f.Add(seed, "text/html,*/*;q=0.1", "de-AT, en;q=0.5")
	}
	handler := n.handler()
	f.Fuzz(func(t *testing.T, target, accept, language string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || len(target) > headerMax || strings.HasPrefix(u.Path, "/events") {
			return // net/http refuses it, or the answer lasts
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL, r.RequestURI, r.Host = u, target, n.Authority()
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError && w.Code != http.StatusNotImplemented { // of SPARQL, of other orders
			t.Errorf("%q: answered %d: %.300s", target, w.Code, w.Body)
		}
		for name, values := range w.Header() {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%q: header %s is %q", target, name, values)
			}
		}
	})
}
