// The frame of a view: its heading, a way back, and the states every view has.

import { fill, h, type Child } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import type { Ctx } from "./ctx";

export interface PageOptions {
	readonly heading: Child;
	/** Route of the view above; shown as a way back. */
	readonly back?: string;
	/** Beside the heading, at the end of the line. */
	readonly actions?: Child;
	readonly class?: string;
}

/** A view with a heading that takes the focus after a change of route. */
export function page(ctx: Ctx, options: PageOptions, ...children: Child[]): HTMLElement {
	const back = options.back === undefined ? null : h("a", { class: "back", href: "#/" + options.back, test: "back" }, icon("back"), h("span", null, ctx.t("web.back")));
	return h(
		"section",
		{ class: "page " + (options.class ?? "") },
		back,
		h("div", { class: "page-head" }, h("h1", { tabindex: -1 }, options.heading), options.actions ? h("div", { class: "page-actions" }, options.actions) : null),
		...children,
	);
}

/** A designed state in place of content: nothing here, refused, ended, offline. */
export function state(kind: "empty" | "error" | "offline" | "ended" | "waiting", sign: Icon, heading: Child, sentence: Child, ...ways: Child[]): HTMLElement {
	return h(
		"div",
		{ class: `state ${kind}`, test: `state-${kind}` },
		h("div", { class: "state-sign" }, icon(sign)),
		h("h2", null, heading),
		h("p", null, sentence),
		ways.length > 0 ? h("div", { class: "ways" }, ...ways) : null,
	);
}

/** Grey shapes in the size of what will come: nothing jumps when it does. */
export function skeleton(ctx: Ctx, count: number, shape: "card" | "row" | "plot" = "card"): HTMLElement {
	const shapes = Array.from({ length: count }, () => h("div", { class: `skeleton ${shape}`, "aria-hidden": "true" }));
	return h("div", { class: shape === "card" ? "cards" : "rows", test: "loading" }, h("span", { class: "only-read" }, ctx.t("web.loading")), ...shapes);
}

/** Fills a place with what work makes; meanwhile it keeps what is there (a
 * skeleton), and if work fails there is a sentence and a way to try again. */
export async function fillWith(ctx: Ctx, place: HTMLElement, work: () => Promise<Child>): Promise<void> {
	place.setAttribute("aria-busy", "true");
	try {
		await released(place); // a click is done with before what it hit is made anew
		const made = await work();
		if (!ctx.signal.aborted) fill(place, made);
	} catch (error) {
		if (ctx.signal.aborted) return;
		const again = h("button", { type: "button", test: "again", on: { click: () => void fillWith(ctx, place, work) } }, ctx.t("web.again"));
		fill(place, state("error", "warn", ctx.t("web.error.heading"), ctx.wrong(error), again));
	} finally {
		place.removeAttribute("aria-busy");
	}
}

/** Waits while something in an element is pressed: what is made anew between
 * press and release takes no click. */
export async function released(element: HTMLElement): Promise<void> {
	while (element.matches(":active")) await new Promise((frame) => requestAnimationFrame(frame)); // the click comes before
}
