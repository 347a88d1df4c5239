package node

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/linkset"
	"primum/internal/peer"
)

const honey = "01/04012345999969"

func putHoney(t *testing.T, n *Node) {
	t.Helper()
	_, err := n.names.links.Put(t.Context(), "test", linkset.Item{Anchor: honey, Description: "Honey Pot One", Entries: []linkset.Entry{
		{LinkType: "gs1:pip", Href: "https://shop.example/honey", Title: "Honey"},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// ask sends a request that follows no redirect.
func ask(t *testing.T, n *Node, path string) *http.Response {
	t.Helper()
	tr := &http.Transport{DialContext: peer.Dialer{Loopback: true}.DialContext, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.BaseURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestLinksAreAnsweredAndBackedUp(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	stop := serve(t, n)
	putHoney(t, n)
	if resp := ask(t, n, "/"+honey); resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Location") != "https://shop.example/honey" {
		t.Errorf("a Digital Link: %d %v", resp.StatusCode, resp.Header)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := n.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	c.DataDir = filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), Restoration{Backup: backup, DataDir: c.DataDir, NewLedger: true, Now: begin()}); err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	if it, err := again.names.links.Lookup(t.Context(), honey); err != nil || it.Description != "Honey Pot One" {
		t.Errorf("after a restore: %+v, %v", it, err)
	}
}

// TestSerialsWithSlashesStayWhole checks that no mux tidies them up.
func TestSerialsWithSlashesStayWhole(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	defer serve(t, n)()
	putHoney(t, n)
	for _, serial := range []string{"A%2F%2FB", "..", "%2E%2E", "%2Fetc", "A%2F..%2FB"} {
		if resp := ask(t, n, "/"+honey+"/21/"+serial); resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Location") != "https://shop.example/honey" {
			t.Errorf("serial %s: %d %v", serial, resp.StatusCode, resp.Header)
		}
	}
}

// TestNamesPageNamesEveryRoute reads the doors' own tables.
func TestNamesPageNamesEveryRoute(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "spec", "names.md"))
	if err != nil {
		t.Fatal(err)
	}
	n, routes := open(t, config(t)), 0
	for _, d := range n.names.doors {
		for pattern := range d.Routes() {
			want := "`" + pattern + "`"
			if key, _, ok := strings.Cut(pattern, "{rest...}"); ok && key != "/01/" {
				want = "`" + key + "`"
			}
			if routes++; !strings.HasPrefix(pattern, "OPTIONS ") && !strings.Contains(string(b), want) {
				t.Errorf("docs/spec/names.md does not name %s", want)
			}
		}
	}
	if routes < 40 {
		t.Errorf("the doors have %d routes", routes)
	}
}

// TestCompressedLinksTakeNoPageAway checks that a page's path is none.
func TestCompressedLinksTakeNoPageAway(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	defer serve(t, n)()
	for _, path := range []string{
		"/services", "/operator", "/requests", "/settings", "/directory", "/manifest.webmanifest", "/openapi.json", "/portal", "/healthz", "/metrics",
		"/security.txt", "/favicon.ico", "/sandbox", "/download", "/welcome", "/complaints", "/objections", "/facts",
	} {
		if n.names.gs1.Takes(path) {
			t.Errorf("%s is taken for a compressed link", path)
		}
	}
}

// TestPeopleGetAPage asks as a browser does, where a link leads to no one place.
func TestPeopleGetAPage(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	defer serve(t, n)()
	_, err := n.names.links.Put(t.Context(), "test", linkset.Item{Anchor: honey, Description: "Honey Pot One", Entries: []linkset.Entry{
		{LinkType: "gs1:certificationInfo", Href: "https://shop.example/1", Title: "One"},
		{LinkType: "gs1:certificationInfo", Href: "https://shop.example/2", Title: "Two"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{
		"/" + honey + "?linkType=gs1:certificationInfo": 300, "/" + honey + "/21/7?linkType=gs1:certificationInfo": 300,
		"/" + honey + "?linkType=linkset": 200, "/01/04012345999990": 404,
	} {
		code, kind, body := browse(t, n, path)
		if code != status || !strings.HasPrefix(kind, "text/html") || status != 404 && !strings.Contains(body, "https://shop.example/2") {
			t.Errorf("%s: %d %s %s", path, code, kind, body)
		}
		if strings.Contains(body, "/21/7") {
			t.Errorf("%s: the page repeats a serial number", path)
		}
	}
}

// TestNothingIsKnown asks browsers' and programs' way for what is not there: a
// page that says so about the class at most, or a problem.
func TestNothingIsKnown(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	const valid, sscc = "01/04012345999990", "00/340123450000000000"
	for path, c := range map[string]struct {
		status int
		says   string
	}{
		"/" + valid:                       {404, "(01)04012345999990 is a valid code"},
		"/" + valid + "/10/LOT/21/S3CRET": {404, "(01)04012345999990(10)LOT is a valid code"},
		"/" + sscc:                        {404, "This is a valid name"},
		"/class/" + valid:                 {404, "(01)04012345999990 is a valid code"},
		"/resolve?id=" + valid + "/21/S3CRET&lang=en": {404, `href="?id=01%2F04012345999990&amp;lang=de"`},
		"/resolve?id=" + sscc:                         {404, "This is a valid name"},
		"/resolve?id=s3cret.example":                  {404, "This is a valid name"},
		"/resolve?id=" + valid + "/S3CRET/7":          {400, "This is no name"},
		"/resolve":                                    {400, "This is no name"},
		"/class/01/04012345999991":                    {404, "There is nothing here"},
		"/services/nope":                              {404, "There is nothing here"},
		"/thing/zzz":                                  {404, "There is nothing here"},
	} {
		for accept, kind := range map[string]string{"text/html,*/*;q=0.8": "text/html; charset=utf-8", "*/*": "application/problem+json"} {
			w := n.ask(path, accept)
			body := w.Body.String()
			if w.Code != c.status || w.Header().Get("Content-Type") != kind || strings.Contains(strings.ToLower(body), "s3cret") || strings.Contains(body, "3401234") {
				t.Errorf("%s as %s: %d %v %s", path, accept, w.Code, w.Header(), body)
			}
			if kind[0] == 't' && (!strings.Contains(body, c.says) || len(w.Header().Values("Vary")) != 1) {
				t.Errorf("%s: no %s in %v %s", path, c.says, w.Header(), body)
			}
		}
	}
	if w := n.ask("/services", "*/*"); w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("services for programs: %d %v", w.Code, w.Header())
	}
}

func browse(t *testing.T, n *Node, path string) (status int, kind, body string) {
	t.Helper()
	tr := &http.Transport{DialContext: peer.Dialer{Loopback: true}.DialContext, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.BaseURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}
