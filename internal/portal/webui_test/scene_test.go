// Package webui_test looks at the portal's pages in every state, on an engine
// that says what a scene wrote down: what is there, by keyboard and by ear, in
// light and dark, small, and from right to left.
package webui_test

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"primum/internal/webtest"
)

func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }

// policy is that of the portal, so that what would break there breaks here.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types primum"

var frame = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Lang}}" dir="{{.Dir}}" data-assets="{{.Assets}}"{{if .LAN}} data-lan="1"{{end}}>
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Primum</title>
<link rel="stylesheet" href="{{.Style}}"><link rel="icon" href="data:,">
<script type="module" src="{{.Script}}"></script>
</head>
<body><div id="app"></div></body>
</html>
`))

// buildScenes builds the scenes, once for all tests, and answers the folder.
var buildScenes = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "run", "./web", "-scenes")
	build.Dir = filepath.Join(root, "tools")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the scenes: %w\n%s", err, out)
	}
	return filepath.Join(root, ".local", "web", "scenes"), nil
})

// stage serves the scenes.
func stage(t testing.TB) string {
	t.Helper()
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	dir, err := buildScenes()
	switch {
	case err != nil && strings.Contains(err.Error(), "fetch npm package"):
		skip(t, "the pages' packages can't be fetched: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	s := httptest.NewServer(handler(t, dir))
	t.Cleanup(s.Close)
	return s.URL
}

func skip(t testing.TB, format string, a ...any) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatalf(format, a...)
	}
	t.Skipf(format, a...)
}

func handler(t testing.TB, dir string) http.Handler {
	b, err := os.ReadFile(filepath.Join(dir, "names.json")) //nolint:gosec // ours
	if err != nil {
		t.Fatal(err)
	}
	var names map[string]string
	if err := json.Unmarshal(b, &names); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	mux := http.NewServeMux()
	mux.Handle("/assets/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		files.ServeHTTP(w, r)
	}))
	mux.HandleFunc("/my.test.html", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		lang, dir := r.FormValue("lang"), "ltr"
		if lang == "" {
			lang = "en"
		}
		if lang == "ar" {
			dir = "rtl"
		}
		page := map[string]string{"LAN": r.FormValue("lan"), "Lang": lang, "Dir": dir, "Assets": string(b), "Style": names["style.css"], "Script": names["scenes.js"]}
		if err := frame.Execute(w, page); err != nil {
			t.Errorf("page: %v", err)
		}
	})
	return mux
}

// scene is the address of a scene in a language.
func scene(server, name, lang string) string {
	return fmt.Sprintf("%s/my.test.html?scene=%s&lang=%s", server, name, lang)
}
