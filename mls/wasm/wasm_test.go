// Package wasm builds the smallest program that uses package mls for
// WebAssembly, measures it and runs it:
//
//	go test -v ./mls/wasm
package wasm

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"primum/mls"
)

// Bars in bytes: measured with Go 1.26.8, plus 15 %.
const (
	maxRaw  = 6_050_000 // measured 5,255,720
	maxGzip = 1_700_000 // measured 1,475,117
)

// build compiles the program; its size depends on Go and the target alone.
func build(t *testing.T, goos string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "roundtrip.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./testdata/roundtrip")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

func zipped(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// need skips, or fails in CI, where a tool is missing.
func need(t *testing.T, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err == nil {
		return path
	}
	if os.Getenv("PRIMUM_NEED_ALL") == "1" {
		t.Fatal(err)
	}
	t.Skipf("no %s on this machine", tool)
	return ""
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestWebAssembly prints the size of the program, holds it against its bars,
// and lets it make a group, add, join, talk, restart and remove under Node.js.
func TestWebAssembly(t *testing.T) {
	t.Parallel()
	file := build(t, "js")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	size := zipped(t, raw)
	t.Logf("js/wasm: %d bytes, gzip -9 %d", len(raw), size)
	if len(raw) > maxRaw || size > maxGzip {
		t.Errorf("%d bytes, gzip %d, are above the bars of %d and %d", len(raw), size, maxRaw, maxGzip)
	}
	node := need(t, "node")
	if brotli, err := exec.Command(node, "-e", brotliSize, file).Output(); err != nil {
		t.Error(err)
	} else {
		t.Logf("js/wasm: brotli -q 9 %s", brotli)
	}
	begin := time.Now()
	out, err := exec.Command(node, filepath.Join(goroot(t), "lib", "wasm", "wasm_exec_node.js"), file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check(t, string(out))
	t.Logf("js/wasm under Node.js, the whole process: %s\n%s", time.Since(begin).Round(time.Millisecond), out)
}

const brotliSize = `const z = require("zlib"), p = {params: {[z.constants.BROTLI_PARAM_QUALITY]: 9}};
process.stdout.write(String(z.brotliCompressSync(require("fs").readFileSync(process.argv[1]), p).length))`

// check reads the program's report: every step of every suite, with a time.
func check(t *testing.T, out string) {
	t.Helper()
	for _, suite := range mls.Suites() {
		for _, step := range []string{"create", "package", "add", "join", "seal", "open", "restart", "remove"} {
			_, after, found := strings.Cut(out, suite.String()+" "+step+" ")
			us, _, _ := strings.Cut(after, " ")
			if _, err := strconv.Atoi(us); !found || err != nil {
				t.Errorf("%s: no line of %s", suite, step)
			}
		}
	}
}
