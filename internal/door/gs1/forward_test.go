package gs1door_test

import (
	"net/http"
	"strings"
	"testing"

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
