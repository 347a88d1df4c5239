package portal_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"primum/internal/clock"
	"primum/internal/portal"
)

func begin() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// built is a small set of assets as the build leaves it.
func built() fstest.MapFS {
	files := fstest.MapFS{}
	var m portal.Manifest
	for name, content := range map[string]string{
		"assets/my.0123abcd.js": strings.Repeat("export {};\n", 100), "assets/link.0123abcd.js": "export {};", "assets/style.0123abcd.css": "body{}",
		"assets/sw.0123abcd.js": "self;", "assets/engine.0123abcd.wasm": "\x00asm", "assets/icon.0123abcd.svg": "<svg/>",
		"assets/words.de.0123abcd.json": "{}",
	} {
		sum := sha256.Sum256([]byte(content))
		files[name] = &fstest.MapFile{Data: []byte(content)}
		m.Assets = append(m.Assets, portal.Asset{Path: "/" + name, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content))})
	}
	files["assets/my.0123abcd.js.br"] = &fstest.MapFile{Data: []byte("brotli")}
	b, _ := json.Marshal(m)
	files["manifest.json"] = &fstest.MapFile{Data: b}
	return files
}

func open(t *testing.T, change ...func(*portal.Config)) *portal.Portal {
	t.Helper()
	cfg := portal.Config{
		Authority: "h.localhost:8401", Version: "test", Clock: clock.NewManual(begin()), Assets: built(), Since: begin(),
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Door", r.Header.Get("Cookie"))
			_, _ = io.WriteString(w, "the door: "+r.Method+" "+r.URL.RequestURI())
		}),
		Counts: func(context.Context) (portal.Counts, error) {
			return portal.Counts{Accounts: 7, Messages: 1048211}, nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	p, err := portal.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request is one as a server gets it.
func request(method, host, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Host, r.RequestURI = host, target
	return r
}

// ask sends a request with headers given as pairs.
func ask(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := request(method, "h.localhost:8401", target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestStartPageSaysWhatThisIs(t *testing.T) {
	t.Parallel()
	w := ask(open(t), "GET", "/")
	page := w.Body.String()
	for _, want := range []string{
		"This node sees: who, when, how often. Never: values.", "Not audited yet.", "h.localhost:8401", "version test", "2026-11-22 14:00",
		"<dt>Accounts</dt><dd>7</dd>", "<dd>1,048,211</dd>", `href="/my"`, `href="/my#/welcome"`, `href="/openapi.json"`, "primum app", "primum check h.localhost:8401 --web",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the start page lacks %q", want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "script-src") || strings.Contains(page, "<script") {
		t.Errorf("the start page may run scripts: %s", csp)
	}
}

func TestShellShowsAtOnceAndRunsNothingInline(t *testing.T) {
	t.Parallel()
	w := ask(open(t), "GET", "/my", "Accept-Language", "ar-EG,en;q=0.5")
	page := w.Body.String()
	for _, want := range []string{
		`lang="ar" dir="rtl"`, `<script type="module" src="/assets/my.0123abcd.js"></script>`, `href="/assets/style.0123abcd.css"`,
		`data-test="skeleton"`, `<noscript><link rel="stylesheet" href="/assets/page.`, `href="/manifest.webmanifest"`, `&#34;engine.wasm&#34;:&#34;/assets/engine.0123abcd.wasm&#34;`,
		`&#34;words.de.json&#34;:&#34;/assets/words.de.0123abcd.json&#34;`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the shell lacks %q:\n%s", want, page)
		}
	}
	for _, never := range []string{"<style", " style=", "onclick", "http://", "https://", "<script>"} {
		if strings.Contains(page, never) {
			t.Errorf("the shell holds %q", never)
		}
	}
}

func TestShellWithoutAssetsSaysHowToBuild(t *testing.T) {
	t.Parallel()
	w := ask(open(t, func(c *portal.Config) { c.Assets = fstest.MapFS{} }), "GET", "/my")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make web") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestHeadersOfEveryPage(t *testing.T) {
	t.Parallel()
	p := open(t)
	for _, path := range []string{"/", "/my", "/sw.js", "/manifest.webmanifest", "/assets/my.0123abcd.js", "/assets/none.js", portal.ManifestPath} {
		h := ask(p, "GET", path).Header()
		for name, want := range map[string]string{
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Reporting-Endpoints": `primum="/csp"`,
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "report-to primum"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy lacks %q: %s", path, want, csp)
			}
		}
		for _, never := range []string{"'unsafe-inline'", "'unsafe-eval'", "*", "http"} {
			if strings.Contains(csp, never) {
				t.Errorf("%s: the policy holds %q", path, never)
			}
		}
		if perms := h.Get("Permissions-Policy"); !strings.Contains(perms, "camera=(self)") || !strings.Contains(perms, "geolocation=()") {
			t.Errorf("%s: permissions %q", path, perms)
		}
	}
	csp := ask(p, "GET", "/my").Header().Get("Content-Security-Policy")
	for _, want := range []string{
		"script-src 'self' 'wasm-unsafe-eval'", "img-src 'self' data:", "connect-src 'self'", "worker-src 'self'", "manifest-src 'self'",
		"form-action 'self'", "require-trusted-types-for 'script'", "trusted-types primum;",
	} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy lacks %q: %s", want, csp)
		}
	}
	if ask(p, "GET", "/").Header().Get("Strict-Transport-Security") != "" {
		t.Error("HSTS without TLS")
	}
	if ask(open(t, func(c *portal.Config) { c.TLS = true }), "GET", "/").Header().Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over TLS")
	}
}

func TestAssetsAreServedSmallAndForever(t *testing.T) {
	t.Parallel()
	p := open(t)
	for _, c := range []struct{ accept, coding string }{
		{"gzip, deflate, br", "br"}, {"gzip, br;q=0", "gzip"}, {"gzip", "gzip"}, {"", ""}, {"br;q=x", ""}, {"identity", ""},
	} {
		w := ask(p, "GET", "/assets/my.0123abcd.js", "Accept-Encoding", c.accept)
		if got := w.Header().Get("Content-Encoding"); got != c.coding {
			t.Errorf("accepting %q: coded as %q, want %q", c.accept, got, c.coding)
		}
		if w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("caching: %v", w.Header())
		}
		if c.coding == "gzip" && !strings.HasPrefix(unzip(t, w.Body.Bytes()), "export {};") {
			t.Error("gzip holds something else")
		}
	}
	for path, kind := range map[string]string{
		"/assets/engine.0123abcd.wasm": "application/wasm", "/assets/style.0123abcd.css": "text/css; charset=utf-8", "/sw.js": "text/javascript; charset=utf-8",
		"/manifest.webmanifest": "application/manifest+json",
	} {
		if w := ask(p, "GET", path); w.Code != 200 || w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: status %d, type %q", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
	if w := ask(p, "GET", "/sw.js"); w.Header().Get("Cache-Control") != "no-cache" {
		t.Error("the service worker is cached")
	}
	tag := ask(p, "GET", "/sw.js").Header().Get("ETag")
	if w := ask(p, "GET", "/sw.js", "If-None-Match", tag); tag == "" || w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("known by its tag %q: status %d", tag, w.Code)
	}
	if w := ask(p, "GET", "/assets/manifest.json"); w.Code != 404 {
		t.Errorf("a file that the manifest does not list: status %d", w.Code)
	}
}

func unzip(t *testing.T, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestManifestListsWhatIsServed(t *testing.T) {
	t.Parallel()
	p := open(t)
	var m portal.Manifest
	if err := json.Unmarshal(ask(p, "GET", portal.ManifestPath).Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	if m.Version != "test" || len(m.Assets) != 8 {
		t.Fatalf("manifest: %+v", m)
	}
	for _, a := range m.Assets {
		b := ask(p, "GET", a.Path).Body.Bytes()
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != a.SHA256 || int64(len(b)) != a.Bytes {
			t.Errorf("%s is not what the manifest says", a.Path)
		}
	}
}

func TestChangedOrMissingAssetsAreNotServed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(fstest.MapFS){
		"changed":     func(f fstest.MapFS) { f["assets/my.0123abcd.js"] = &fstest.MapFile{Data: []byte("evil")} },
		"missing":     func(f fstest.MapFS) { delete(f, "assets/my.0123abcd.js") },
		"no manifest": func(f fstest.MapFS) { f["manifest.json"] = &fstest.MapFile{Data: []byte("{")} },
		"elsewhere": func(f fstest.MapFS) {
			f["manifest.json"] = &fstest.MapFile{Data: []byte(`{"assets":[{"path":"/etc/passwd"}]}`)}
		},
	} {
		f := built()
		change(f)
		p := open(t, func(c *portal.Config) { c.Assets = f })
		if w := ask(p, "GET", "/my"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make web") {
			t.Errorf("%s: status %d", name, w.Code)
		}
		if w := ask(p, "GET", "/assets/my.0123abcd.js"); w.Code != http.StatusNotFound {
			t.Errorf("%s: served with status %d", name, w.Code)
		}
	}
}

func TestReportsAreCountedAndNotKept(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := open(t, func(c *portal.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	post := func(body string) int {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("POST", "/csp", strings.NewReader(body)))
		return w.Code
	}
	old := `{"csp-report":{"document-uri":"https://h/my#secret","effective-directive":"script-src-elem","blocked-uri":"https://evil"}}`
	for _, c := range []struct {
		body   string
		status int
		count  uint64
	}{
		{old, 204, 1},
		{`[{"type":"csp-violation","body":{"effectiveDirective":"img-src"}},{"type":"other"}]`, 204, 2},
		{`{"csp-report":{"violated-directive":"<b>secret</b>"}}`, 204, 3},
		{`not json`, 400, 3},
		{`[]`, 400, 3},
		{`{}`, 400, 3},
		{strings.Repeat(" ", 70<<10), 413, 3},
	} {
		if got := post(c.body); got != c.status || p.Reports() != c.count {
			t.Errorf("%.40s: status %d, count %d, want %d and %d", c.body, got, p.Reports(), c.status, c.count)
		}
	}
	if s := log.String(); strings.Count(s, "\n") != 1 || strings.Contains(s, "secret") || strings.Contains(s, "evil") || !strings.Contains(s, "script-src-elem") {
		t.Errorf("the log says %q", s)
	}
}

func TestLanguageIsAskedRememberedPreferred(t *testing.T) {
	t.Parallel()
	p := open(t)
	for _, c := range []struct{ query, cookie, header, want string }{
		{"", "", "", "en"},
		{"", "", "fr, de-CH;q=0.8, en;q=0.7", "de"},
		{"", "lang=ar", "de", "ar"},
		{"?lang=de", "lang=ar", "en", "de"},
		{"?lang=tlh", "lang=xx", "fr", "en"},
		{"", "", "en;q=0.1, ar;q=0.9", "ar"},
		{"", "", "de;q=7", "en"},
		{"", "", strings.Repeat("xx,", 200) + "de", "en"},
	} {
		w := ask(p, "GET", "/"+c.query, "Cookie", c.cookie, "Accept-Language", c.header)
		if got := w.Header().Get("Content-Language"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
		if set := w.Header().Get("Set-Cookie"); (c.query == "?lang=de") != strings.Contains(set, "lang=de") {
			t.Errorf("%+v: cookie %q", c, set)
		}
	}
}

func TestAddressesAreLimited(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *portal.Config) {
		c.Admit = func(*http.Request) (time.Duration, bool) { return 3 * time.Second, false }
	})
	for _, path := range []string{"/", "/my", "/assets/my.0123abcd.js"} {
		if w := ask(p, "GET", path); w.Code != 429 || w.Header().Get("Retry-After") != "4" {
			t.Errorf("%s: status %d, %v", path, w.Code, w.Header())
		}
	}
}

func TestEverythingElseIsTheDoors(t *testing.T) {
	t.Parallel()
	p := open(t)
	for _, path := range []string{"/v1/live", "/healthz", "/nothing"} {
		if got := ask(p, "GET", path).Body.String(); got != "the door: GET "+path {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"csp-report":{"effective-directive":"img-src"}}`))
	f.Add([]byte(`[{"type":"csp-violation","body":{"effectiveDirective":"img-src"}}]`))
	p, err := portal.New(portal.Config{Authority: "h.localhost", Assets: fstest.MapFS{}, Next: http.NotFoundHandler()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := p.Reports()
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("POST", "/csp", bytes.NewReader(b)))
		if (w.Code == 204) != (p.Reports() > before) {
			t.Errorf("status %d, count from %d to %d", w.Code, before, p.Reports())
		}
	})
}

// FuzzHeaders: whatever a browser says it prefers, it gets a page in a known
// language, and an asset in a form it named.
func FuzzHeaders(f *testing.F) {
	f.Add("de-CH, en;q=0.5", "gzip, br;q=0", "lang=ar")
	f.Add("*;q=x,,;", "br;q=1e999", "lang=\"")
	p, err := portal.New(portal.Config{Authority: "h.localhost", Assets: built(), Next: http.NotFoundHandler()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, language, encoding, cookie string) {
		w := ask(p, "GET", "/", "Accept-Language", language, "Cookie", cookie)
		if l := w.Header().Get("Content-Language"); w.Code != 200 || l != "en" && l != "de" && l != "ar" {
			t.Errorf("status %d in %q", w.Code, l)
		}
		w = ask(p, "GET", "/assets/my.0123abcd.js", "Accept-Encoding", encoding)
		if coding := w.Header().Get("Content-Encoding"); w.Code != 200 || coding != "" && !strings.Contains(strings.ToLower(encoding), coding) {
			t.Errorf("status %d, coded as %q for %q", w.Code, coding, encoding)
		}
	})
}
