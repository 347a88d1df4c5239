// Calls of this tab that have no answer yet.

import { EngineError } from "./error";
import type { Answer, Call } from "./protocol";

interface Waiting {
	readonly call: Call;
	resolve(json: unknown): void;
	reject(error: EngineError): void;
}

/** Keeps what was asked until it is answered, to send it again when the engine moves. */
export class Pending {
	readonly #waiting = new Map<string, Waiting>();

	add(method: string, params: unknown, send: (call: Call) => void): Promise<unknown> {
		const call: Call = { t: "call", id: crypto.randomUUID(), method, params: JSON.stringify(params ?? {}) };
		return new Promise((resolve, reject) => {
			this.#waiting.set(call.id, { call, resolve, reject });
			send(call);
		});
	}

	/** Tells whether the answer was for somebody here. */
	answered(answer: Answer): boolean {
		const waiting = this.#waiting.get(answer.id);
		if (!waiting) return false;
		this.#waiting.delete(answer.id);
		if (answer.error !== undefined) waiting.reject(errorOf(answer.error));
		else waiting.resolve(JSON.parse(answer.ok ?? "null"));
		return true;
	}

	all(): Call[] {
		return [...this.#waiting.values()].map((w) => w.call);
	}

	refuse(error: EngineError): void {
		for (const w of this.#waiting.values()) w.reject(error);
		this.#waiting.clear();
	}
}

function errorOf(json: string): EngineError {
	const e = JSON.parse(json) as { code?: string; detail?: string; data?: Record<string, string> };
	return new EngineError(e.code ?? "internal", e.detail, e.data);
}
