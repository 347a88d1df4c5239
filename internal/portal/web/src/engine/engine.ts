// What pages know of the engine: calls, events, how far it is. The engine runs
// in a worker, of this tab or of another one; who calls does not notice.

import type { EngineEvent, Method, ParamsOf, ResultOf } from "./api.gen";

export type { EngineEvent, Method, ParamsOf, ResultOf };
export { EngineError } from "./error";

/** How far the engine is. "other-tab": it runs in another tab that does not
 * answer; takeOver moves it here. A failure carries the code of a sentence
 * under "engine.", and English for those who mend. */
export type State = "starting" | "ready" | "other-tab" | { readonly failed: string; readonly detail?: string };

export interface Engine {
	/** Calls a method. Calls wait until the engine is ready; after a failure they
	 * are refused with its code. A call that changes something is never done
	 * twice: when a crash hides whether it was done, it fails with "interrupted". */
	call<M extends Method>(method: M, ...params: ParamsOf<M>): Promise<ResultOf<M>>;
	/** Listens to all events; kind "state" tells that state changed. Returns how to stop. */
	on(listener: (event: EngineEvent) => void): () => void;
	readonly state: State;
	/** Runs the engine in this tab, whatever another one says. */
	takeOver(): void;
	/** Tries again after a failure. */
	retry(): void;
}
