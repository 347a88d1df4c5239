// The status line: one calm sentence while something is not as usual, nothing
// otherwise.

import type { Status } from "../engine/api.gen";
import type { Engine } from "../engine/engine";
import { fill, h, type Child } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import type { Formats } from "../lib/format";
import type { T } from "../lib/words";

export interface StatusLine {
	readonly element: HTMLElement;
	show(engine: Engine, status: Status | undefined): void;
	/** Puts up a sentence that stays, with its way on. */
	pin(sentence: string, way?: Child): void;
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
	const pinned = h("div", { class: "status", role: "status" });
	const place = h("div", null, pinned, element);
	let shown = "";
	let latest: Status | undefined;
	let awaySince = 0;
	const draw = (engine: Engine, status: Status | undefined): void => {
		const notes = notesOf(t, fmt, engine, status, awaySince > 0 && Date.now() - awaySince >= patience);
		const now = notes.map((note) => note.sentence).join("\n");
		if (now === shown) return;
		shown = now;
		fill(element, notes.map((note) => banner(note)));
	};
	return {
		element: place,
		pin: (sentence, way) => {
			if (pinned.textContent?.includes(sentence)) return; // it stands there
			const note = banner({ key: "pinned", kind: "warn", sign: "warn", sentence, way: [way, cross(t, () => note.remove())] });
			pinned.append(note);
		},
		show: (engine, status) => {
			latest = status;
			if (!isAway(status)) awaySince = 0;
			else if (awaySince === 0) {
				awaySince = Date.now();
				window.setTimeout(() => draw(engine, latest), patience);
			}
			draw(engine, status);
		},
	};
}

/** A node that answers within this is not worth a word, nor a page that jumps. */
const patience = 1500; // milliseconds

function isAway(status: Status | undefined): boolean {
	return status?.phase === "open" && (!status.online || (status.away?.length ?? 0) > 0);
}

function banner(note: Note): HTMLElement {
	return h("div", { class: `banner ${note.kind}`, test: "status-" + note.key }, icon(note.sign), h("p", null, note.sentence), note.way ?? null);
}

function cross(t: T, click: () => void): HTMLElement {
	return h("button", { type: "button", class: "quiet round", "aria-label": t("web.close"), test: "unpin", on: { click } }, icon("close"));
}

function notesOf(t: T, fmt: Formats, engine: Engine, status: Status | undefined, away: boolean): Note[] {
	const notes: Note[] = [];
	const { state } = engine;
	if (typeof state === "object" && status) notes.push(failure(t, engine, state.failed)); // without one, it is the page
	else if (state === "other-tab") notes.push(otherTab(t, engine));
	if (!navigator.onLine) notes.push({ key: "offline", kind: "quiet", sign: "away", sentence: t("web.status.offline") });
	else if (away && status?.phase === "open" && !status.online) notes.push({ key: "node", kind: "quiet", sign: "away", sentence: t("web.status.node", { Node: status.node ?? "" }) });
	if (away && status?.away?.length) notes.push({ key: "away", kind: "quiet", sign: "away", sentence: t("web.status.away", { Nodes: fmt.list(status.away.slice(0, 5)) }) });
	if (status?.clockOff) notes.push(clock(t, fmt, status.clockOff));
	if (status?.suspended) notes.push({ key: "suspended", kind: "warn", sign: "warn", sentence: t("web.status.suspended"), way: h("a", { href: "#/account" }, t("web.nav.account")) });
	else if (status?.renew) notes.push({ key: "renew", kind: "warn", sign: "warn", sentence: t("web.status.renew", { Date: fmt.date(status.expires ?? new Date()) }), way: h("a", { href: "#/account" }, t("web.nav.account")) });
	else if (status?.unshown) notes.push({ key: "unshown", kind: "warn", sign: "warn", sentence: t("account.phrase.unshown"), way: h("a", { href: "#/new-words/first" }, t("account.phrase.show")) });
	return notes;
}

function clock(t: T, fmt: Formats, off: number): Note {
	const sentence = t(off > 0 ? "web.status.clockAhead" : "web.status.clockBehind", { Span: fmt.span(Math.abs(off)) });
	return { key: "clock", kind: "warn", sign: "warn", sentence };
}

/** Why the engine does not run, as a sentence. */
export function failureWords(t: T, code: string): string {
	const id = "engine." + code;
	return t.has(id) ? t(id) : t("web.failed", { Code: code });
}

function failure(t: T, engine: Engine, code: string): Note {
	const sentence = failureWords(t, code);
	const again = h("button", { type: "button", class: "small", test: "retry", on: { click: () => engine.retry() } }, t("web.again"));
	return { key: "failed", kind: "fault", sign: "warn", sentence, way: again };
}

function otherTab(t: T, engine: Engine): Note {
	const here = h("button", { type: "button", class: "small", test: "take-over", on: { click: () => engine.takeOver() } }, t("web.status.here"));
	return { key: "other-tab", kind: "warn", sign: "page", sentence: t("web.status.otherTab"), way: here };
}
