//go:build full

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxSize is what a browser may have to load, in bytes after brotli.
const maxSize = 1_500_000

// The engine as it is served: its size, and that it starts. The time it takes
// is printed; in a browser compiling overlaps with loading.
func TestSizeAndStart(t *testing.T) {
	build := exec.Command("go", "run", "./web", "-size")
	build.Dir = filepath.Join("..", "..", "tools")
	out, err := build.Output()
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	var file string
	var raw, small int
	if _, err := fmt.Sscan(string(out), &file, &raw, &small); err != nil {
		t.Fatalf("build printed %q: %v", out, err)
	}
	t.Logf("engine: %d bytes, %d in brotli", raw, small)
	if small > maxSize {
		t.Errorf("%d bytes in brotli, want at most %d", small, maxSize)
	}
	start(t, file)
}

func start(t *testing.T, file string) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node here: the start is tried in Chromium only")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	glue := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js")
	c := exec.Command(node, filepath.Join("testdata", "start.cjs"), glue, file)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	var got struct {
		Compile, Ready float64
		Status         struct{ Phase string }
		Wrong          string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("it printed %q: %v", out, err)
	}
	t.Logf("compiled in %.0f ms, ready %.0f ms after that", got.Compile, got.Ready)
	if got.Status.Phase != "none" || got.Wrong != "params" {
		t.Errorf("it answers %s", out)
	}
}

// Names mean the same on both builds: the tests of package identity, run as
// WebAssembly.
func TestNamesInWebAssembly(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("no node here to run WebAssembly")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	runner := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "go_js_wasm_exec")
	c := exec.Command("go", "test", "-short", "-exec="+runner, "primum/identity", "primum/client/browser")
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
