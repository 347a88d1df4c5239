// A tab's side of the engine. One tab holds a Web Lock and runs the worker; the
// others speak to it over a BroadcastChannel, and one of them takes over when
// it goes (one engine per origin).

import type { EngineEvent, Method, ParamsOf, ResultOf } from "./api.gen";
import type { Engine, State } from "./engine";
import { EngineError } from "./error";
import { Leader, type Place } from "./leader";
import { Pending } from "./pending";
import type { Answer, Between, Call, Told } from "./protocol";

const lockName = "primum-engine";
const silenceMillis = 3000;

/** Starts the engine, or joins the one of another tab. It never blocks. */
export function start(): Engine {
	const assets = JSON.parse(document.documentElement.dataset["assets"] ?? "{}") as Readonly<Record<string, string>>;
	const worker = assets["worker.js"];
	const wasm = assets["engine.wasm"];
	return new Tab(worker && wasm ? { worker, wasm } : undefined);
}

class Tab implements Engine {
	state: State = "starting";
	readonly #listeners = new Set<(event: EngineEvent) => void>();
	readonly #pending = new Pending();
	readonly #channel = new BroadcastChannel("primum");
	#leader: Leader | undefined; // of this tab
	#waiting: AbortController | undefined; // for the lock
	#release: (() => void) | undefined; // gives the lock back
	#following = ""; // the leader that was last heard
	#silence = 0; // the timer that ends patience with another tab

	constructor(private readonly place: Place | undefined) {
		if (!place) {
			this.#failed("not-built");
			return;
		}
		if (!("locks" in navigator)) {
			this.#failed("browser-too-old");
			return;
		}
		this.#channel.onmessage = (e: MessageEvent<Between>) => this.#hear(e.data);
		void this.#queue(false);
		this.#ask();
		document.addEventListener("visibilitychange", () => {
			if (document.visibilityState === "visible") this.#ask();
		});
		// A page that is left may stay alive for "back", with the lock: give it up.
		addEventListener("pagehide", () => this.#retire());
		addEventListener("pageshow", (e) => {
			if (e.persisted) this.#again();
		});
	}

	call<M extends Method>(method: M, ...params: ParamsOf<M>): Promise<ResultOf<M>> {
		if (typeof this.state === "object") return Promise.reject(new EngineError(this.state.failed, this.state.detail));
		return this.#pending.add(method, params[0], (call) => this.#send(call)) as Promise<ResultOf<M>>;
	}

	on(listener: (event: EngineEvent) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	takeOver(): void {
		if (!this.#leader) void this.#queue(true);
	}

	retry(): void {
		if (this.#leader) this.#leader.retry();
		else this.#say({ t: "retry" });
	}

	// Waits for the lock and leads as long as it is held.
	async #queue(steal: boolean): Promise<void> {
		this.#waiting?.abort();
		const waiting = new AbortController();
		this.#waiting = waiting;
		try {
			await navigator.locks.request(lockName, steal ? { steal } : { signal: waiting.signal }, () => this.#lead());
		} catch (error) {
			if (waiting.signal.aborted) return; // this tab asked otherwise
			if (error instanceof DOMException && error.name === "AbortError") {
				// Another tab took the lock: follow it, and wait for the next turn.
				this.#retire();
				this.#again();
			} else this.#failed("storage-denied", String(error));
		}
	}

	#retire(): void {
		this.#waiting?.abort();
		this.#leader?.stop();
		this.#leader = undefined;
		this.#release?.();
		this.#release = undefined;
	}

	#again(): void {
		void this.#queue(false);
		this.#ask();
		for (const call of this.#pending.all()) this.#send(call);
	}

	#lead(): Promise<void> {
		clearTimeout(this.#silence);
		if (!this.place) throw new Error("no assets");
		this.#leader = new Leader(this.place, {
			state: (state) => this.#led(state),
			event: (json) => {
				this.#say({ t: "event", json });
				this.#event(JSON.parse(json) as EngineEvent);
			},
			answer: (answer) => this.#answer(answer),
		});
		for (const call of this.#pending.all()) this.#leader.call(call);
		return new Promise((resolve) => {
			this.#release = resolve;
		});
	}

	#led(state: Told): void {
		// The constructor of Leader tells "starting" before it can be named here.
		if (this.#leader) this.#say({ t: "leader", leader: this.#leader.id, state });
		this.#setState(state);
	}

	#answer(answer: Answer): void {
		if (this.#pending.answered(answer)) this.#leader?.taken({ t: "taken", id: answer.id });
		else this.#say(answer);
	}

	#send(call: Call): void {
		if (this.#leader) this.#leader.call(call);
		else {
			this.#say(call);
			this.#ask();
		}
	}

	#hear(m: Between): void {
		if (this.#leader) this.#hearAsLeader(this.#leader, m);
		else this.#hearAsFollower(m);
	}

	#hearAsLeader(leader: Leader, m: Between): void {
		switch (m.t) {
			case "hello":
				this.#say({ t: "leader", leader: leader.id, state: leader.state });
				break;
			case "call":
				leader.call(m);
				break;
			case "taken":
				leader.taken(m);
				break;
			case "retry":
				leader.retry();
		}
	}

	#hearAsFollower(m: Between): void {
		switch (m.t) {
			case "leader":
				this.#heardLeader(m.leader, m.state);
				break;
			case "event":
				this.#event(JSON.parse(m.json) as EngineEvent);
				break;
			case "answer":
				if (this.#pending.answered(m)) this.#say({ t: "taken", id: m.id });
		}
	}

	#heardLeader(leader: string, state: Told): void {
		clearTimeout(this.#silence);
		this.#silence = 0;
		this.#setState(state);
		if (leader === this.#following) return;
		this.#following = leader;
		for (const call of this.#pending.all()) this.#say(call);
	}

	// Asks who leads. Silence means that the other tab does not work.
	#ask(): void {
		if (this.#leader || this.#silence !== 0) return;
		this.#say({ t: "hello" });
		this.#silence = window.setTimeout(() => {
			this.#silence = 0;
			if (!this.#leader) this.#setState("other-tab");
		}, silenceMillis);
	}

	#say(m: Between): void {
		this.#channel.postMessage(m);
	}

	#failed(code: string, detail = ""): void {
		this.#setState({ failed: code, detail });
	}

	#setState(state: State): void {
		if (JSON.stringify(state) === JSON.stringify(this.state)) return;
		this.state = state;
		if (typeof state === "object") this.#pending.refuse(new EngineError(state.failed, state.detail));
		this.#event({ kind: "state" });
	}

	#event(event: EngineEvent): void {
		for (const listener of this.#listeners) listener(event);
	}
}
