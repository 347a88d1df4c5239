// The worker: the sealed disk, the engine on it, and the calls of the pages.

import type { Call, FromWorker, Start, ToWorker } from "./engine/protocol";
import { reads } from "./engine/protocol";
import { quota } from "./work/database";
import { Fault } from "./work/fault";
import { fileSystem } from "./work/fs";
import { compile, install, run } from "./work/go";
import { Journal } from "./work/journal";
import { Store } from "./work/store";

declare const self: DedicatedWorkerGlobalScope;

/** What cmd/engine publishes, and what it reads. */
declare global {
	var primumEngine: { call(method: string, params: string): Promise<string>; onEvent(listener: (json: string) => void): void };
	var primumOrigin: string;
	var primumLAN: boolean;
	var primumReady: (failure: string | null) => void;
}

let journal: Journal | undefined;

self.onmessage = (e: MessageEvent<ToWorker>): void => {
	switch (e.data.t) {
		case "start":
			void start(e.data);
			break;
		case "call":
			void call(e.data);
			break;
		case "taken":
			void journal?.taken(e.data.id).catch(() => undefined); // cleaned up later then
	}
};

function tell(m: FromWorker): void {
	self.postMessage(m);
}

function fail(error: unknown): void {
	if (error instanceof Fault) tell({ t: "failed", code: error.code, detail: error.detail });
	else if (quota(error)) tell({ t: "failed", code: "storage-full", detail: String(error) });
	else tell({ t: "died", detail: String(error) });
}

async function start(m: Start): Promise<void> {
	try {
		const begin = performance.now();
		const compiling = compile(m.wasm);
		compiling.catch(() => undefined); // awaited below
		const { tree, store, fresh } = await Store.open(fail);
		journal = new Journal(store.calls, store.seal);
		const opened = performance.now();
		if (!tree.root.entries.has("tmp")) tree.link(tree.root, "tmp", tree.dir(0o700));
		install(tree, fileSystem(tree, store, (line) => console.info(line)));
		await import("go:wasm_exec");
		const module = await compiling;
		const compiled = performance.now();
		globalThis.primumOrigin = m.origin;
		globalThis.primumLAN = m.lan;
		const ready = new Promise<string | null>((resolve) => {
			globalThis.primumReady = resolve;
		});
		const ended = run(module);
		ended.then((code) => fail(new Error(`the engine ended with ${code}`)), fail);
		const failure = await Promise.race([ready, ended.then(() => null)]);
		if (failure !== null) return refused(failure);
		globalThis.primumEngine.onEvent((json) => tell({ t: "event", json }));
		const millis = { disk: opened - begin, compile: compiled - begin, engine: performance.now() - begin };
		tell({ t: "ready", fresh, millis });
		await journal.clean();
	} catch (error) {
		fail(error);
	}
}

// The engine says why it can't start: the JSON of its Error.
function refused(failure: string): void {
	const { code, detail } = JSON.parse(failure) as { code?: string; detail?: string };
	tell({ t: "failed", code: code ?? "internal", detail: detail ?? "" });
}

async function call(c: Call): Promise<void> {
	try {
		tell({ t: "answer", id: c.id, ok: reads.has(c.method) ? await ask(c) : await once(c) });
	} catch (error) {
		tell({ t: "answer", id: c.id, error: typeof error === "string" ? error : JSON.stringify(refusal(error)) });
	}
}

// The engine refuses with a string. Anything else that is thrown is its end:
// then nothing is answered, and the tab starts it again.
async function ask(c: Call): Promise<string> {
	try {
		return await globalThis.primumEngine.call(c.method, c.params);
	} catch (error) {
		if (typeof error === "string") throw error;
		fail(new Error(`the engine broke off ${c.method}: ${String(error)}`));
		return new Promise(() => undefined);
	}
}

// What changes something is done at most once per id. A refusal is noted, too.
async function once(c: Call): Promise<string> {
	if (!journal) throw new Error("no disk");
	const past = await journal.begin(c.id);
	if (past === "begun") throw JSON.stringify({ code: "interrupted" });
	let answer = "";
	if (past !== "new") answer = past.answer;
	else {
		answer = await ask(c).then(
			(ok) => "+" + ok,
			(error: unknown) => "-" + String(error),
		);
		await journal.finish(c.id, answer).catch(() => undefined); // full: then a crash right now hides the answer
	}
	if (answer.startsWith("-")) throw answer.slice(1);
	return answer.slice(1);
}

function refusal(error: unknown): { code: string; detail: string } {
	if (error instanceof Fault) return { code: error.code, detail: error.detail };
	if (quota(error)) return { code: "storage-full", detail: String(error) };
	return { code: "internal", detail: String(error) };
}
