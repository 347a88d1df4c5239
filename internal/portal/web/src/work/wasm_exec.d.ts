// Go's own lib/wasm/wasm_exec.js, put in place by the build: sets globalThis.Go.
declare module "go:wasm_exec" {}
