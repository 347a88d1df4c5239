// A worker for tests: any Go program on the sealed disk. What it prints goes to
// the page, and at the end its exit code.

import { fileSystem } from "../work/fs";
import { compile, install, run } from "../work/go";
import { Store } from "../work/store";

declare const self: DedicatedWorkerGlobalScope;

interface Order {
	readonly wasm: string;
	readonly argv: readonly string[];
}

self.onmessage = (e: MessageEvent<Order>): void => {
	start(e.data).catch((error: unknown) => self.postMessage({ error: String(error) }));
};

async function start(order: Order): Promise<void> {
	const { tree, store } = await Store.open((fault) => self.postMessage({ error: fault.message }));
	const opened = performance.now();
	if (!tree.root.entries.has("tmp")) tree.link(tree.root, "tmp", tree.dir(0o700));
	install(tree, fileSystem(tree, store, (line) => self.postMessage({ line })));
	await import("go:wasm_exec");
	const code = await run(await compile(order.wasm), order.argv);
	await store.commit();
	self.postMessage({ code, opened });
}
