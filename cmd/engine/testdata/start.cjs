// Runs an engine as a worker would, without a browser: node start.cjs
// WASM_EXEC.js ENGINE.wasm HOME. Prints milliseconds to compile and to be ready,
// and the answer to "status".
const fs = require("fs");
globalThis.require = require;
globalThis.fs = fs;
globalThis.path = require("path");
require(process.argv[2]);
globalThis.primumOrigin = "http://127.0.0.1:1";
const begun = performance.now();
const module_ = new WebAssembly.Module(fs.readFileSync(process.argv[3]));
const compiled = performance.now();
globalThis.primumReady = async (failure) => {
	const ready = performance.now();
	const status = failure ?? (await globalThis.primumEngine.call("status", "{}"));
	const wrong = await globalThis.primumEngine.call("status", '{"x":1}').catch((e) => JSON.parse(e).code);
	console.log(JSON.stringify({ compile: compiled - begun, ready: ready - compiled, status: JSON.parse(status), wrong }));
	process.exit(0);
};
const go = new Go();
go.run(new WebAssembly.Instance(module_, go.importObject)).catch((e) => {
	console.error(e);
	process.exit(1);
});
