//go:build full

package wasm

import (
	"os/exec"
	"testing"
)

// TestWASI runs the program where there is no JavaScript but a WASI host.
func TestWASI(t *testing.T) {
	t.Parallel()
	file := build(t, "wasip1")
	out, err := exec.Command(need(t, "node"), "--no-warnings", "-e", wasiHost, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check(t, string(out))
	t.Logf("wasip1/wasm under Node.js:\n%s", out)
}

const wasiHost = `const {WASI} = require("node:wasi"), w = new WASI({version: "preview1", returnOnExit: true});
WebAssembly.compile(require("fs").readFileSync(process.argv[1]))
  .then(m => WebAssembly.instantiate(m, w.getImportObject()))
  .then(i => process.exit(w.start(i)))`
