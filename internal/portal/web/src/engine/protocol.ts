// What tabs and the engine's worker say to each other.

import type { Method } from "./api.gen";

/** A call on its way. The id stays the same when it is sent again. */
export interface Call {
	readonly t: "call";
	readonly id: string;
	readonly method: string;
	readonly params: string; // JSON
}

/** JSON of the result, or of an engine's Error. */
export interface Answer {
	readonly t: "answer";
	readonly id: string;
	readonly ok?: string;
	readonly error?: string;
}

export interface Start {
	readonly t: "start";
	readonly origin: string;
	readonly wasm: string; // its address
	readonly lan: boolean;
}

/** The caller has the answer: it need not be kept. */
export interface Taken {
	readonly t: "taken";
	readonly id: string;
}

export type ToWorker = Start | Call | Taken;

export type FromWorker =
	| { readonly t: "ready"; readonly fresh: boolean; readonly millis: Readonly<Record<string, number>> }
	| { readonly t: "failed"; readonly code: string; readonly detail: string }
	| { readonly t: "event"; readonly json: string }
	| { readonly t: "died"; readonly detail: string }
	| Answer;

export type Told = "starting" | "ready" | { readonly failed: string; readonly detail?: string };

/** Between tabs. leader is another one after every change of tab or worker. */
export type Between =
	| { readonly t: "hello" }
	| { readonly t: "leader"; readonly leader: string; readonly state: Told }
	| { readonly t: "event"; readonly json: string }
	| { readonly t: "retry" }
	| Call
	| Answer
	| Taken;

/** Methods that change nothing: they may be done again. All others are done at
 * most once per id. */
export const reads: ReadonlySet<string> = new Set<Method>([
	"status", "account.check", "account.clients", "account.export", "pair.wait", "pair.look", "person", "people",
	"things", "history", "preview", "requests", "grants", "link.list", "link.state", "alert.list", "notice.list", "push.key",
]);
