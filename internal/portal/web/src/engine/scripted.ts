// An engine that answers from a scene, for tests of pages in every state. It is
// bundled into test pages only.

import type { EngineEvent, Method, Methods, ParamsOf, ResultOf } from "./api.gen";
import type { Engine, State } from "./engine";
import { EngineError } from "./error";

/** What a page meets. A method without an answer never answers: the page stays
 * in its loading state. An answer may throw an EngineError. */
export interface Scene {
	readonly state?: State; // "ready" when it is not said
	readonly at?: string; // the route to begin with
	readonly answers: {
		readonly [M in Method]?: (params: Methods[M]["in"]) => Methods[M]["out"] | Promise<Methods[M]["out"]>;
	};
}

export class ScriptedEngine implements Engine {
	state: State;
	/** What was asked, oldest first. */
	readonly asked: { readonly method: Method; readonly params: unknown }[] = [];
	readonly #listeners = new Set<(event: EngineEvent) => void>();

	constructor(readonly scene: Scene) {
		this.state = scene.state ?? "ready";
	}

	async call<M extends Method>(method: M, ...params: ParamsOf<M>): Promise<ResultOf<M>> {
		this.asked.push({ method, params: params[0] });
		if (typeof this.state === "object") throw new EngineError(this.state.failed, this.state.detail);
		const answer = this.scene.answers[method];
		if (!answer || this.state !== "ready") return new Promise(() => undefined);
		return answer((params[0] ?? {}) as Methods[M]["in"]);
	}

	on(listener: (event: EngineEvent) => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Tells an event to the page. */
	tell(event: EngineEvent): void {
		for (const listener of this.#listeners) listener(event);
	}

	/** Changes the state and tells so. */
	become(state: State): void {
		this.state = state;
		this.tell({ kind: "state" });
	}

	takeOver(): void {
		this.become("ready");
	}

	retry(): void {
		this.become("starting");
	}
}
