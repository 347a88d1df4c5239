// Text that others wrote: titles, names, units, purposes. It is shown, never
// obeyed.

import { h } from "./h";

// Control characters, and what turns or isolates direction (a title must not
// make "refuse" read as "accept"), and characters that have no width.
const invisible = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** The text without characters that nobody sees, on one line, at most max characters long. */
export function clean(text: string, max = 120): string {
	// Cut first: a hostile text may be megabytes long.
	const kept = text.slice(0, max * 4).replace(invisible, "").replace(/\s+/g, " ").trim();
	const letters = Array.from(kept);
	return letters.length > max ? letters.slice(0, max - 1).join("") + "…" : kept;
}

/** An element that shows such a text, isolated from the direction around it. */
export function bdi(text: string, max = 120): HTMLElement {
	return h("bdi", null, clean(text, max));
}
