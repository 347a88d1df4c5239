package portal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"primum/internal/portal"
)

// serve serves a handler as the node of h.localhost, and gives the client that
// reaches it.
func serve(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}}}
}

// changed is a node that serves something else at a path.
func changed(p http.Handler, path string, change func(*httptest.ResponseRecorder)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			p.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		change(rec)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func check(t *testing.T, h http.Handler, assets portal.Config) portal.Check {
	t.Helper()
	c, err := portal.CheckWebAgainst(t.Context(), serve(t, h), assets)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ids(c portal.Check) (bad []string) {
	for _, f := range c.Findings {
		if !f.Good {
			bad = append(bad, f.ID)
		}
	}
	return bad
}

// same is a node and a program that were built together.
func same(t *testing.T) (*portal.Portal, portal.Config) {
	t.Helper()
	local := func(c *portal.Config) { c.LAN = true }
	p := open(t, local)
	return p, portal.Config{Authority: "h.localhost:8401", Version: "test", Assets: built(), LAN: true, Next: http.NotFoundHandler()}
}

func TestCheckOfAnHonestNode(t *testing.T) {
	t.Parallel()
	p, own := same(t)
	c := check(t, p, own)
	if !c.Good() || !c.Compared || len(c.Findings) != 4 {
		t.Errorf("findings: %+v", c)
	}
}

func TestCheckFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	p, own := same(t)
	evil := func(rec *httptest.ResponseRecorder) {
		rec.Header().Del("Content-Encoding")
		rec.Body = bytes.NewBufferString("evil()")
	}
	for name, c := range map[string]struct {
		path   string
		change func(*httptest.ResponseRecorder)
		want   string
	}{
		"a script":      {"/assets/my.0123abcd.js", evil, "check.web.differs"},
		"a lost script": {"/assets/my.0123abcd.js", func(r *httptest.ResponseRecorder) { r.Code = 404 }, "check.web.missing"},
		"what browsers get": {"/assets/my.0123abcd.js", func(r *httptest.ResponseRecorder) {
			if r.Header().Get("Content-Encoding") == "br" {
				r.Body = bytes.NewBufferString("another brotli")
			}
		}, "check.web.changed"},
		"service worker": {"/sw.js", evil, "check.web.worker"},
		"the policy":     {"/my", func(r *httptest.ResponseRecorder) { r.Header().Set("Content-Security-Policy", "script-src *") }, "check.web.header"},
		"the page": {"/my", func(r *httptest.ResponseRecorder) {
			r.Body = bytes.NewBufferString(strings.Replace(r.Body.String(), "</head>", `<script src="/other.js"></script></head>`, 1))
		}, "check.web.shellDiffers"},
	} {
		got := check(t, changed(p, c.path, c.change), own)
		if got.Good() || !slices.Contains(ids(got), c.want) {
			t.Errorf("%s: found %v, want %s", name, ids(got), c.want)
		}
	}
}

// TestCheckFindsAnotherBuild is about a node whose own list is consistent, but
// not that of this program.
func TestCheckFindsAnotherBuild(t *testing.T) {
	t.Parallel()
	_, own := same(t)
	manifest := func(change func(*portal.Manifest)) http.Handler {
		p := open(t, func(c *portal.Config) { c.LAN = true })
		return changed(p, portal.ManifestPath, func(r *httptest.ResponseRecorder) {
			var m portal.Manifest
			if err := json.Unmarshal(r.Body.Bytes(), &m); err != nil {
				t.Error(err)
			}
			change(&m)
			r.Body = bytes.NewBuffer(mustJSON(m))
		})
	}
	for name, c := range map[string]struct {
		change func(*portal.Manifest)
		want   string
	}{
		"one less":        {func(m *portal.Manifest) { m.Assets = m.Assets[1:] }, "check.web.lacks"},
		"another version": {func(m *portal.Manifest) { m.Version = "other" }, "check.web.version"},
		"another hash":    {func(m *portal.Manifest) { m.Assets[0].SHA256 = strings.Repeat("0", 64) }, "check.web.changed"},
		"one more": {func(m *portal.Manifest) {
			m.Assets = append(m.Assets, portal.Asset{Path: "/assets/more.js", SHA256: strings.Repeat("0", 64)})
		}, "check.web.foreign"},
	} {
		got := check(t, manifest(c.change), own)
		if got.Good() || !slices.Contains(ids(got), c.want) {
			t.Errorf("%s: found %v, want %s", name, ids(got), c.want)
		}
	}
	own.Assets = nil // a program without pages compares nothing
	if c := check(t, open(t), own); c.Good() || c.Compared && !slices.Contains(ids(c), "check.web.foreign") {
		t.Errorf("compared with nothing: %+v", c)
	}
}

func TestCheckWithoutManifest(t *testing.T) {
	t.Parallel()
	_, own := same(t)
	for name, body := range map[string]string{
		"not JSON": "<html>", "elsewhere": `{"assets":[{"path":"/assets/../v1/x","sha256":"` + strings.Repeat("0", 64) + `"}]}`,
		"twice": `{"assets":[` + strings.Repeat(`{"path":"/assets/a","sha256":"`+strings.Repeat("0", 64)+`"},`, 1) + `{"path":"/assets/a","sha256":"` + strings.Repeat("0", 64) + `"}]}`,
	} {
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		if _, err := portal.CheckWebAgainst(t.Context(), client, own); !errors.Is(err, portal.ErrNoManifest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	client := serve(t, http.NotFoundHandler())
	if _, err := portal.CheckWeb(t.Context(), client, "h.localhost:8401", "test"); !errors.Is(err, portal.ErrNoManifest) {
		t.Errorf("no node: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":"1","assets":[{"path":"/assets/my.0123.js","sha256":"` + strings.Repeat("0", 64) + `","bytes":1}]}`))
	f.Add([]byte(`{"assets":[{"path":"//evil.example/x"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := portal.ParseManifest(b)
		if err != nil {
			if !errors.Is(err, portal.ErrNoManifest) {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, a := range m.Assets {
			if !strings.HasPrefix(a.Path, "/assets/") || strings.Contains(a.Path, "..") && strings.Contains(a.Path[8:], "/") {
				t.Errorf("path %q", a.Path)
			}
		}
	})
}

// TestBuiltAssetsAreWhatTheListSays reads what was built into this program.
func TestBuiltAssetsAreWhatTheListSays(t *testing.T) {
	t.Parallel()
	m, err := portal.OwnManifest("test")
	if err != nil {
		t.Fatal(err)
	}
	dist, err := portal.Dist()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range m.Assets[:len(m.Assets)-1] { // the last one is not of the build
		b, err := fs.ReadFile(dist, strings.TrimPrefix(a.Path, "/"))
		if err != nil {
			t.Error(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != a.SHA256 {
			t.Errorf("%s has another hash", a.Path)
		}
	}
}
