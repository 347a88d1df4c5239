// What was thrown, as a sentence.

import { EngineError } from "../engine/engine";
import type { T } from "../lib/words";

/** The catalogue's sentence for an error; of an unknown one, that something is wrong and its code. */
export function wrong(t: T, error: unknown): string {
	if (error instanceof EngineError) {
		const id = "engine." + error.code;
		return t.has(id) ? t(id, error.data ?? {}) : t("web.error.code", { Code: error.code });
	}
	return t("web.error.unknown");
}
