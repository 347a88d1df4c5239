// Package webdisk_test tries the engine's ground in a real browser: the sealed
// disk under Go programs, tabs that share one engine, crashes, storage that is
// full, denied, damaged or taken away.
package webdisk_test

import (
	"fmt"
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

// page has nothing but the hand of a test. %s: the worker's and the engine's name.
const page = `<!doctype html>
<html lang="en" data-assets='{"worker.js":"/assets/worker.%s.js","engine.wasm":"/assets/%s.wasm"}'>
<head><meta charset="utf-8"><title>Trial</title><link rel="icon" href="data:,"><script src="/assets/page.js"></script></head>
<body><main><h1>Trial</h1></main></body></html>`

// trial is what the browser loads: bundles, and Go programs as WebAssembly.
type trial struct {
	root string
	dir  string // of the bundles
	made string // of the programs
	mu   sync.Mutex
	said func(string) // hears what pages post to /say
}

// bench builds the bundles and the programs that a test names.
func bench(t *testing.T, programs ...string) *trial {
	t.Helper()
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	b := &trial{root: root, dir: filepath.Join(root, ".local", "web", "trial"), made: t.TempDir()}
	tool := exec.Command("go", "run", "./web", "-trial")
	tool.Dir = filepath.Join(root, "tools")
	if out, err := tool.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "fetch npm package") {
			skip(t, "the pages' packages can't be fetched: %s", out)
		}
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, p := range programs {
		b.compile(t, "build", p, "./internal/portal/webdisk_test/testdata/"+p)
	}
	return b
}

func skip(t *testing.T, format string, a ...any) {
	t.Helper()
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatalf(format, a...)
	}
	t.Skipf(format, a...)
}

// compile makes NAME.wasm: of a command ("build"), or of a package's tests ("test").
func (b *trial) compile(t *testing.T, what, name, pkg string) {
	t.Helper()
	args := []string{what, "-o", filepath.Join(b.made, name+".wasm")}
	if what == "test" {
		args = append(args, "-c")
	}
	c := exec.Command("go", append(args, "-ldflags=-s -w", pkg)...) //nolint:gosec // names of our own
	c.Dir = b.root
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("compile %s: %v\n%s", pkg, err, out)
	}
}

// serve answers /ENGINE and /ENGINE/WORKER with a page that has them.
func (b *trial) serve(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{engine}", func(w http.ResponseWriter, r *http.Request) {
		worker := r.URL.Query().Get("worker")
		if worker == "" {
			worker = "0"
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, page, worker, r.PathValue("engine"))
	})
	mux.HandleFunc("GET /assets/{name}", b.asset)
	mux.HandleFunc("POST /say", func(_ http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.said != nil {
			b.said(r.URL.Query().Get("line"))
		}
	})
	s := httptest.NewServer(withWriter(mux))
	t.Cleanup(s.Close)
	return s
}

// broken are workers on browsers that don't give what is needed.
func broken(name string) string {
	return map[string]string{
		"denied": `IDBFactory.prototype.open = () => { throw new DOMException("no", "SecurityError"); };`,
		"private": `const put = IDBObjectStore.prototype.put;
			IDBObjectStore.prototype.put = function(v, k) { if (v instanceof CryptoKey) throw new DOMException("no", "DataCloneError"); return put.call(this, v, k); };`,
	}[name]
}

func (b *trial) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if strings.HasSuffix(name, ".wasm") {
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, filepath.Join(b.made, filepath.Base(name)))
		return
	}
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	if rest, ok := strings.CutPrefix(name, "worker."); ok {
		_, _ = w.Write([]byte(broken(strings.TrimSuffix(rest, ".js")) + "\n"))
		name = "worker.js"
	}
	content, err := os.ReadFile(filepath.Join(b.dir, filepath.Base(name))) //nolint:gosec // ours
	if err != nil {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

// ask calls the counter of a tab and returns its answer or "refused CODE".
func ask(tab *webtest.Tab, method string, input any) string {
	var out string
	tab.Eval(fmt.Sprintf("ask(%q, %#v)", method, input), &out)
	return out
}

// begin opens the page of an engine and starts it.
func begin(t *testing.T, tab *webtest.Tab, url string) {
	t.Helper()
	tab.Open(url)
	tab.Eval("begin()", nil)
}
