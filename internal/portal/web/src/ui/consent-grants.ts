// Grants: what runs, from when to when, and Stop. Given ones first, then what
// others share with this person, then what has ended.
import type { GrantInfo, GrantItem, Ref, ThingInfo } from "../engine/api.gen";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { parseRef, refKey } from "../lib/ref";
import { bdi } from "../lib/untrusted";
import type { Ctx } from "./ctx";
import { spanBar } from "./consent-bar";
import { fineWords, purposeWords } from "./consent-fine";
import { compareBox, consentTabs, facts, otherName, who } from "./consent-parts";
import { termLines } from "./consent-terms";
import { dayWords } from "./consent-until";
import { fillWith, page, released, skeleton, state } from "./page";
import { stopPanel, type StopPanel } from "./stop";

/** All grants; with a ref in args those of one affordance. */
export function grantsView(ctx: Ctx, args: string[]): HTMLElement {
	const only = parseRef(args);
	const list = h("div", { class: "stack", test: "grants" }, skeleton(ctx, 3));
	const cards = new Cards(ctx);
	const load = async (): Promise<void> => {
		await released(list); // it may be Stop that is pressed
		if (cards.busy()) void cards.refresh();
		else void fillWith(ctx, list, async () => cards.show(await grantsOf(ctx, only)));
	};
	ctx.on((e) => {
		if (e.kind === "grants") void load();
	});
	void load();
	return page(ctx, { heading: ctx.t("consent.grants.title"), class: "consent" }, consentTabs(ctx, "grants"), list);
}

async function grantsOf(ctx: Ctx, only: Ref | undefined): Promise<readonly GrantInfo[]> {
	const all = await ctx.engine.call("grants");
	if (!only) return all;
	return all.filter((g) => g.shared.some((s) => refKey(s.ref) === refKey(only) || (s.ref.thing === only.thing && s.ref.name === only.name)));
}

/** The cards of a list; one whose stop is under way is not touched. */
class Cards {
	private readonly panels = new Map<string, StopPanel>();

	constructor(private readonly ctx: Ctx) {}

	busy(): boolean {
		return [...this.panels.values()].some((p) => p.busy);
	}

	async refresh(): Promise<void> {
		for (const g of await this.ctx.engine.call("grants").catch(() => [])) this.panels.get(g.id)?.update(g);
	}

	show(all: readonly GrantInfo[]): Child {
		const { t } = this.ctx;
		const over = (g: GrantInfo): boolean => g.state === "ended" || g.state === "declined";
		// What was stopped but is not confirmed is not over.
		const open = (g: GrantInfo): boolean => !over(g) || Boolean(g.stop && !g.stop.lockTwo);
		const given = all.filter((g) => g.own && open(g)), got = all.filter((g) => !g.own && open(g)), ended = all.filter((g) => !open(g));
		if (all.length === 0) return h("div", { test: "grants-empty" }, state("empty", "hand", t("consent.grants.none"), t("consent.grants.noneMore"), h("a", { class: "button primary", href: "#/share" }, t("consent.grants.share"))));
		return [
			this.group("consent.grants.given", given, "grants-given", t("consent.grants.givenNone")),
			this.group("consent.grants.got", got, "grants-got"),
			ended.length === 0 ? null : h("details", { class: "ended-list", test: "grants-ended" }, h("summary", null, t("consent.grants.ended", { N: ended.length })), h("div", { class: "stack" }, ended.map((g) => this.card(g)))),
		];
	}

	private group(title: string, list: readonly GrantInfo[], test: string, none?: string): Child {
		if (list.length === 0 && !none) return null;
		return h("section", { class: "stack", test }, h("h2", null, this.ctx.t(title)), list.length === 0 ? h("p", { class: "soft" }, none) : list.map((g) => this.card(g)));
	}

	private card(g: GrantInfo): HTMLElement {
		const panel = this.panel(g);
		return h("article", { class: `card grant ${g.state}`, test: "grant" }, other(this.ctx, g, "h3"),
			whatList(this.ctx, g.shared), spanBar(this.ctx, g),
			h("div", { class: "grant-foot" }, h("a", { class: "more", href: `#/grant/${encodeURIComponent(g.id)}`, test: "grant-more" }, this.ctx.t("consent.grant.more")), panel.element));
	}

	private panel(g: GrantInfo): StopPanel {
		let panel = this.panels.get(g.id);
		if (!panel) this.panels.set(g.id, (panel = stopPanel(this.ctx, g)));
		else panel.update(g);
		return panel;
	}
}

/** The other side of a grant; a name that stands above is not said again. */
function other(ctx: Ctx, g: GrantInfo, level: "h3" | null): Child {
	const marks = stateMarks(ctx, g);
	if (g.other) return who(ctx, { account: g.other, name: otherName(ctx, g), compared: g.compared, guest: g.guest }, level, marks);
	return h("div", { class: "who" }, level ? h(level, null, ctx.t("consent.grant.nobody")) : null, marks.length > 0 ? h("p", { class: "chips" }, marks) : null);
}

function stateMarks(ctx: Ctx, g: GrantInfo): Child[] {
	const marks: Child[] = [];
	if (g.browser) marks.push(h("span", { class: "chip", test: "browser" }, ctx.t("consent.mark.browser")));
	if (g.state !== "running" && !(g.stop && !g.stop.lockTwo)) marks.push(h("span", { class: `chip ${g.state}`, test: "grant-state" }, ctx.t("consent.state." + g.state)));
	return marks;
}

function whatList(ctx: Ctx, shared: readonly GrantItem[]): HTMLElement {
	return h("ul", { class: "what" }, shared.map((s) => h("li", null, h("strong", null, bdi(s.path)), " ", h("span", { class: "soft" }, itemWords(ctx, s)))));
}

function itemWords(ctx: Ctx, s: GrantItem): string {
	const acts = s.ops.some((o) => o === "writeproperty" || o === "invokeaction");
	const reads = s.ops.some((o) => o !== "writeproperty" && o !== "invokeaction");
	const words = reads ? fineWords(ctx.t, ctx.lang, s.precision) : "";
	if (!acts) return words;
	return reads ? words + ctx.t("consent.comma") + ctx.t("consent.ops.switchToo") : ctx.t("consent.ops.switch");
}

/** One grant with its terms. */
export function grantView(ctx: Ctx, args: string[]): HTMLElement {
	const id = args[0] ?? "";
	const body = h("div", { class: "stack", test: "grant-page" }, skeleton(ctx, 2, "row"));
	const view = page(ctx, { heading: ctx.t("consent.grant.title"), back: "grants", class: "consent" }, body);
	let panel: StopPanel | undefined;
	const find = async (): Promise<GrantInfo | undefined> => (await ctx.engine.call("grants")).find((g) => g.id === id);
	const load = (): void => void fillWith(ctx, body, async () => {
		const [g, things] = await Promise.all([find(), ctx.engine.call("things").catch(() => ({ things: [] }))]);
		if (!g) return h("div", { test: "grant-unknown" }, state("ended", "hand", ctx.t("consent.grant.unknown"), ctx.t("consent.grant.unknownMore")));
		panel = stopPanel(ctx, g);
		const heading = view.querySelector("h1");
		if (heading) fill(heading, ctx.t(g.own ? "consent.grant.with" : "consent.grant.by", { Name: otherName(ctx, g) }));
		return grantContent(ctx, g, panel, things.things, load);
	});
	ctx.on((e) => {
		if (e.kind !== "grants") return;
		if (panel?.busy) void find().then((g) => g && panel?.update(g), () => undefined);
		else if (!body.querySelector("[data-test=stop-done]")) load();
	});
	load();
	return view;
}

function grantContent(ctx: Ctx, g: GrantInfo, panel: StopPanel, things: readonly ThingInfo[], again: () => void): Child {
	const { t } = ctx;
	const name = otherName(ctx, g);
	return [
		h("section", { class: "card grant" }, other(ctx, g, null),
			g.reason ? h("p", { class: "problem" }, bdi(g.reason, 400)) : null, whatList(ctx, g.shared), spanBar(ctx, g), panel.element),
		g.compared || g.guest || !g.other ? null : compareBox(ctx, g.other, name, () => {
			ctx.toast("consent.compare.done", { Name: name });
			again();
		}),
		details(ctx, g),
		h("section", { class: "stack" }, h("h2", null, t("consent.grant.terms")), h("ul", { class: "terms", test: "terms" }, termLines(ctx, g).map((l) => h("li", null, l)))),
		g.own ? null : h("p", { class: "soft" }, t("consent.grant.gotStop")),
		valueLinks(ctx, g, things),
	];
}

function details(ctx: Ctx, g: GrantInfo): HTMLElement {
	const { t, lang } = ctx;
	const now = new Date();
	return facts(
		[t("consent.term.purpose"), g.purpose ? bdi(purposeWords(t, g.purpose)) : null],
		[t("consent.term.from"), dayWords(lang, new Date(g.from), now)],
		[t("consent.term.until"), dayWords(lang, new Date(g.until), now)],
		[t("consent.term.last"), g.lastValue ? ctx.fmt.dateTime(g.lastValue) : null],
		[t("consent.term.clients"), g.clients?.length ? ctx.fmt.list(g.clients) : null],
		[t("consent.term.browser"), g.browser ? t("consent.browser.means") : null],
		[t("consent.term.lock"), t(g.postQuantum ? "consent.lock.hybrid" : "consent.lock.classic")]);
}

/** From a received grant to the values it brings. */
function valueLinks(ctx: Ctx, g: GrantInfo, things: readonly ThingInfo[]): Child {
	if (g.own) return null;
	const thing = things.find((one) => one.grant === g.id);
	return thing ? h("a", { class: "button", href: "#/" }, icon("home"), ctx.t("consent.grant.values")) : null;
}
