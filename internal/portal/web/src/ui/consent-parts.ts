// Small pieces that requests, grants, sharing and links have in common.
import type { GrantInfo, Person } from "../engine/api.gen";
import { busy, uniqueId } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import type { Ctx } from "./ctx";

/** A failure where the person looks: read out at once. */
export function errorBox(ctx: Ctx, error: unknown): HTMLElement {
	return h("p", { class: "problem", role: "alert", test: "error" }, ctx.wrong(error));
}

export interface Named {
	readonly account: string;
	readonly name?: string | undefined;
	readonly organisation?: boolean | undefined;
	readonly compared: boolean;
	readonly guest?: boolean | undefined;
}

/** What a person is called: the name, else the account. */
export function nameOf(p: { readonly account: string; readonly name?: string | undefined }): string {
	return p.name || p.account;
}

/** What the other side is called; a guest's account says nothing to anybody. */
export function otherName(ctx: Ctx, g: GrantInfo): string {
	if (g.otherName) return g.otherName;
	if (g.guest) return ctx.t("consent.grant.guest");
	return g.other || ctx.t("consent.grant.nobody");
}

/** Who it is: name (unless level is null: it stands above), account, and marks:
 * that the words were never compared, and what else is given. */
export function who(ctx: Ctx, p: Named, level: "h2" | "h3" | null = "h2", more: readonly Child[] = []): HTMLElement {
	const mark = p.guest ? h("span", { class: "chip" }, ctx.t("consent.mark.guest"))
		: p.compared ? null : h("span", { class: "chip warn", test: "not-compared" }, ctx.t("consent.mark.notCompared"));
	return h("div", { class: "who" }, level ? h(level, { class: "who-name" }, bdi(nameOf(p), 64)) : null,
		p.name && !p.guest ? h("p", { class: "who-account" }, bdi(p.account, 96)) : null,
		p.organisation || mark || more.length > 0 ? h("p", { class: "chips" }, p.organisation ? h("span", { class: "chip" }, ctx.t("consent.mark.organisation")) : null, mark, more) : null);
}

/** The way to compare the six words with somebody; done is called when they agree. */
export function compareBox(ctx: Ctx, account: string, name: string, done: () => void): HTMLElement {
	const { t } = ctx;
	const body = h("div", { class: "compare-body" });
	const box = h("details", { class: "compare", test: "compare" }, h("summary", null, t("consent.compare.open")), body);
	box.addEventListener("toggle", () => {
		if (!box.open || body.childElementCount > 0) return;
		fill(body, h("p", { role: "status" }, t("consent.wait")));
		ctx.engine.call("person", { account }).then(
			(p) => fill(body, ...compareSteps(ctx, p, name, body, done)),
			(err: unknown) => fill(body, errorBox(ctx, err)));
	});
	return box;
}

function compareSteps(ctx: Ctx, p: Person, name: string, body: HTMLElement, done: () => void): Child[] {
	const { t } = ctx;
	const same = h("button", { type: "button", test: "compare-same" }, t("consent.compare.same"));
	const differ = h("button", { type: "button", test: "compare-differ" }, t("consent.compare.differ"));
	same.addEventListener("click", () => void busy(same, async () => {
		try {
			await ctx.engine.call("person.compared", { account: p.account });
			fill(body, h("p", { role: "status", test: "compare-done" }, t("consent.compare.done", { Name: name })));
			done();
		} catch (err) {
			body.append(errorBox(ctx, err));
		}
	}));
	differ.addEventListener("click", () => fill(body, h("p", { class: "state error", role: "alert", test: "compare-warning" }, t("consent.compare.warning", { Name: name }))));
	return [h("p", null, t("consent.compare.how", { Name: name })), wordGrid(p.shortCode, "code-words"), h("div", { class: "even" }, differ, same)];
}

/** Words to compare by eye or ear, each in its place; always left to right, they are of one list in all languages. */
export function wordGrid(words: string, test: string): HTMLElement {
	const list = words.split(/[\s-]+/).filter((w) => w !== "");
	return h("ol", { class: "words", dir: "ltr", lang: "en", test }, list.map((w) => h("li", null, w)));
}

export interface Segment {
	readonly value: string;
	readonly label: Child;
}

/** One of few: radio buttons that look like one row. */
export function segments(legend: string, list: readonly Segment[], chosen: string, changed: (value: string) => void, test: string): HTMLElement {
	return radios("segments", legend, list, chosen, changed, test);
}

/** One of few that need room: radio buttons, one below the other. */
export function choices(legend: string, list: readonly Segment[], chosen: string, changed: (value: string) => void, test: string): HTMLElement {
	return radios("choice", legend, list, chosen, changed, test);
}

function radios(kind: string, legend: string, list: readonly Segment[], chosen: string, changed: (value: string) => void, test: string): HTMLElement {
	const name = uniqueId("radio");
	return h("fieldset", { test }, h("legend", null, legend), h("div", { class: kind }, list.map((s) => h("label", null,
		h("input", { type: "radio", name, value: s.value, checked: s.value === chosen, on: { change: () => changed(s.value) } }),
		h("span", null, s.label)))));
}

/** Facts as pairs of a name and what it is; pairs without the latter are left out. */
export function facts(...pairs: readonly (readonly [string, Child])[]): HTMLElement {
	return h("dl", { class: "facts" }, pairs.filter(([, what]) => what !== "" && what !== null && what !== undefined && what !== false)
		.map(([name, what]) => h("div", null, h("dt", null, name), h("dd", null, what))));
}

/** Offers text as a file to keep. */
export function saveFile(name: string, type: string, content: string): void {
	const url = URL.createObjectURL(new Blob([content], { type }));
	const link = h("a", { href: url, download: name });
	document.body.append(link);
	link.click();
	link.remove();
	setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The places of this part of the portal. */
export function consentTabs(ctx: Ctx, current: "requests" | "grants" | "links" | "seen"): HTMLElement {
	const places = ["requests", "grants", "links", "seen"] as const;
	const nav = h("nav", { class: "tabs", "aria-label": ctx.t("consent.tabs") }, places.map((p) =>
		h("a", { href: `#/${p}`, "aria-current": p === current ? "page" : null, test: `tab-${p}` }, ctx.t("consent.tab." + p))));
	// On a phone the last one is out of sight; the page itself stays where it is.
	requestAnimationFrame(() => nav.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" }));
	return nav;
}

/** Puts what was done in place of a view's content, and the focus on it. */
export function finished(view: HTMLElement, test: string, title: string, more: string, ...ways: Child[]): void {
	const heading = h("h1", { tabindex: -1 }, title);
	fill(view, h("div", { class: "state done", test }, h("div", { class: "state-sign" }, icon("check")), heading, h("p", { role: "status" }, more), h("div", { class: "ways" }, ways)));
	heading.focus();
	window.scrollTo(0, 0);
}
