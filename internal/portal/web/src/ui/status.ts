// The status line: one calm sentence while something is not as usual, nothing
// otherwise.

import type { Status } from "../engine/api.gen";
import type { State } from "../engine/engine";
import { fill, h, type Child } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import type { Formats } from "../lib/format";
import type { T } from "../lib/words";

export interface StatusLine {
	readonly element: HTMLElement;
	show(state: State, status: Status | undefined): void;
}

interface Note {
	readonly key: string;
	readonly kind: "quiet" | "warn" | "fault";
	readonly sign: Icon;
	readonly sentence: string;
	readonly way?: Child;
}

/** Makes the status line; it is said once per change, not with every event. */
export function statusLine(t: T, fmt: Formats): StatusLine {
	const element = h("div", { class: "status", role: "status", test: "status" });
	let shown = "";
	return {
		element,
		show: (state, status) => {
			const notes = notesOf(t, fmt, state, status);
			const now = notes.map((note) => note.sentence).join("\n");
			if (now === shown) return;
			shown = now;
			fill(element, notes.map((note) => banner(note)));
		},
	};
}

function banner(note: Note): HTMLElement {
	return h("div", { class: `banner ${note.kind}`, test: "status-" + note.key }, icon(note.sign), h("p", null, note.sentence), note.way ?? null);
}

function notesOf(t: T, fmt: Formats, state: State, status: Status | undefined): Note[] {
	const notes: Note[] = [];
	if (typeof state === "object") notes.push(failure(t, state.failed));
	if (!navigator.onLine) notes.push({ key: "offline", kind: "quiet", sign: "away", sentence: t("web.status.offline") });
	else if (status?.phase === "open" && !status.online) notes.push({ key: "node", kind: "quiet", sign: "away", sentence: t("web.status.node", { Node: status.node ?? "" }) });
	if (status?.away?.length) notes.push({ key: "away", kind: "quiet", sign: "away", sentence: t("web.status.away", { Nodes: fmt.list(status.away.slice(0, 5)) }) });
	if (status?.clockOff) notes.push(clock(t, fmt, status.clockOff));
	if (status?.suspended) notes.push({ key: "suspended", kind: "warn", sign: "warn", sentence: t("web.status.suspended"), way: h("a", { href: "#/account" }, t("web.nav.account")) });
	else if (status?.renew) notes.push({ key: "renew", kind: "warn", sign: "warn", sentence: t("web.status.renew", { Date: fmt.date(status.expires ?? new Date()) }), way: h("a", { href: "#/account" }, t("web.nav.account")) });
	if (state === "other-tab") notes.push({ key: "other-tab", kind: "quiet", sign: "page", sentence: t("web.status.otherTab") });
	return notes;
}

function clock(t: T, fmt: Formats, off: number): Note {
	const sentence = t(off > 0 ? "web.status.clockAhead" : "web.status.clockBehind", { Span: fmt.span(Math.abs(off)) });
	return { key: "clock", kind: "warn", sign: "warn", sentence };
}

function failure(t: T, code: string): Note {
	const id = "web.failed." + code;
	const sentence = t.has(id) ? t(id) : t("web.failed.other", { Code: code });
	const again = h("button", { type: "button", class: "small", test: "reload", on: { click: () => location.reload() } }, t("web.again"));
	return { key: "failed", kind: "fault", sign: "warn", sentence, way: again };
}
