// The tab that runs the worker. It starts it, starts it again when it dies, and
// hands it the calls of all tabs.

import type { EngineEvent } from "./api.gen";
import type { Answer, Call, FromWorker, Taken, Told, ToWorker } from "./protocol";
import { scriptURL } from "./trusted";

export interface Place {
	readonly worker: string;
	readonly wasm: string;
}

export interface Heard {
	state(state: Told): void;
	event(json: string): void;
	answer(answer: Answer): void;
}

// So many deaths within this time are a fault that starting again won't mend.
const maxDeaths = 3;
const withinMillis = 60_000;

export class Leader {
	/** Another one for every worker: who sees a new one sends its calls again. */
	id = "";
	state: Told = "starting";
	#worker: Worker | undefined;
	#deaths: number[] = [];
	readonly #running = new Map<string, Call>();

	constructor(
		private readonly place: Place,
		private readonly heard: Heard,
	) {
		this.#start();
	}

	/** Hands a call to the worker; one that runs already is not handed over twice. */
	call(call: Call): void {
		if (this.#running.has(call.id)) return;
		this.#running.set(call.id, call);
		if (this.state === "ready") this.#post(call);
	}

	taken(taken: Taken): void {
		if (this.state === "ready") this.#post(taken);
	}

	/** Starts the engine again after a failure. */
	retry(): void {
		if (typeof this.state !== "object") return;
		this.#deaths = [];
		this.#start();
	}

	/** Ends the worker at once. Another tab sends what had no answer again. */
	stop(): void {
		this.#worker?.terminate();
		this.#worker = undefined;
		this.#running.clear();
	}

	#start(): void {
		this.#worker?.terminate();
		this.id = crypto.randomUUID();
		this.#tell("starting");
		const worker = new Worker(scriptURL(this.place.worker));
		worker.onmessage = (e: MessageEvent<FromWorker>) => this.#hear(e.data);
		// A fault of the script itself; what it catches it tells in words.
		worker.onerror = (e) => {
			e.preventDefault();
			this.#died(e.message || "the worker's script could not be loaded");
		};
		this.#worker = worker;
		this.#post({ t: "start", origin: location.origin, wasm: this.place.wasm, lan: document.documentElement.dataset["lan"] === "1" });
	}

	#hear(m: FromWorker): void {
		switch (m.t) {
			case "ready":
				this.#ready(m.fresh, m.millis);
				break;
			case "failed":
				this.#fail(m.code, m.detail);
				break;
			case "died":
				this.#died(m.detail);
				break;
			case "event":
				note(m.json);
				this.heard.event(m.json);
				break;
			case "answer":
				this.#running.delete(m.id);
				this.heard.answer(m);
		}
	}

	#ready(fresh: boolean, millis: Readonly<Record<string, number>>): void {
		for (const [name, duration] of Object.entries(millis)) performance.measure("primum." + name, { start: 0, duration });
		performance.mark("primum.ready");
		this.#tell("ready");
		for (const call of this.#running.values()) this.#post(call);
		if (fresh && remembered()) {
			remember(false); // it is said once
			this.heard.event(JSON.stringify({ kind: "note", text: "engine.storage-evicted" } satisfies EngineEvent));
		}
	}

	#died(detail: string): void {
		const now = Date.now();
		this.#deaths = [...this.#deaths.filter((d) => now - d < withinMillis), now];
		if (this.#deaths.length >= maxDeaths) this.#fail("engine-crashed", detail);
		else this.#start();
	}

	#fail(code: string, detail: string): void {
		this.#worker?.terminate();
		this.#running.clear();
		this.#tell({ failed: code, detail });
	}

	#tell(state: Told): void {
		this.state = state;
		this.heard.state(state);
	}

	#post(m: ToWorker): void {
		this.#worker?.postMessage(m);
	}
}

// What browsers evict is IndexedDB; this mark stays, and tells that there was an
// account. It goes when the account does.
const mark = "primum.was-here";

function note(json: string): void {
	const { kind, status } = JSON.parse(json) as EngineEvent;
	if (kind === "status" && status) remember(status.phase === "open");
}

function remembered(): boolean {
	try {
		return localStorage.getItem(mark) !== null;
	} catch {
		return false; // denied: then there was nothing
	}
}

function remember(yes: boolean): void {
	try {
		if (yes) localStorage.setItem(mark, "1");
		else localStorage.removeItem(mark);
	} catch {
		// denied: an eviction can't be told from a first visit
	}
}
