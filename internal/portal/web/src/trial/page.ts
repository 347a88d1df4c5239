// A page for tests: gives a test hold of the engine and of the disk's worker.

import type { Engine } from "../engine/engine";
import { EngineError } from "../engine/engine";
import { start } from "../engine/tab";
import type { EngineEvent } from "../engine/api.gen";

declare global {
	interface Window {
		tab: Engine;
		heard: EngineEvent[];
		begin(): void;
		ask(method: string, input?: unknown): Promise<string>;
		disk(wasm: string, argv: string[], line: (line: string) => void): Promise<string>;
	}
}

window.heard = [];
window.begin = () => {
	window.tab = start();
	window.tab.on((event) => window.heard.push(event));
};

// The counter of the tests has methods of the real surface, with other params.
window.ask = (method, input) => {
	const call = window.tab.call.bind(window.tab) as unknown as (method: string, params: unknown) => Promise<unknown>;
	return call(method, { input }).then(
		(ok) => JSON.stringify(ok),
		(error: unknown) => (error instanceof EngineError ? "refused " + error.code : String(error)),
	);
};

window.disk = (wasm, argv, line) =>
	new Promise((resolve) => {
		const worker = new Worker("/assets/disk.js");
		worker.onmessage = (e: MessageEvent<{ line?: string; code?: number; error?: string }>) => {
			if (e.data.line !== undefined) line(e.data.line);
			if (e.data.error !== undefined) resolve("error " + e.data.error);
			if (e.data.code !== undefined) {
				worker.terminate();
				resolve("code " + String(e.data.code));
			}
		};
		worker.onerror = (e) => resolve("error " + e.message);
		worker.postMessage({ wasm, argv });
	});
