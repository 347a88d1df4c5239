// Requests: who asks, for what, until when; and a Yes and a No of one weight.
// To leave the page is neither.
import type { Affordance, RequestInfo, ServiceRef, Share, ThingInfo, Want } from "../engine/api.gen";
import { busy } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { refKey } from "../lib/ref";
import { bdi, clean } from "../lib/untrusted";
import type { Ctx } from "./ctx";
import { precisionChoice, type Choice } from "./consent-choice";
import { fineWords, purposeWords, spanSaid } from "./consent-fine";
import { choices, compareBox, consentTabs, errorBox, facts, finished, nameOf, who } from "./consent-parts";
import { valueWords } from "./consent-plot";
import { dayWords } from "./consent-until";
import { fillWith, page, skeleton, state } from "./page";

/** All requests that wait, or the one that args names. */
export function requestsView(ctx: Ctx, args: string[]): HTMLElement {
	return args[0] ? oneRequest(ctx, args[0]) : allRequests(ctx);
}

function allRequests(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const list = h("div", { test: "requests" }, skeleton(ctx, 2));
	const load = (): void => void fillWith(ctx, list, async () => requestList(ctx, await ctx.engine.call("requests")));
	ctx.on((e) => {
		if (e.kind === "requests") load();
	});
	load();
	const connect = h("a", { class: "button", href: "#/connect", test: "to-connect" }, t("consent.connect.title"));
	return page(ctx, { heading: t("consent.requests.title"), class: "consent", actions: connect }, consentTabs(ctx, "requests"), list);
}

function requestList(ctx: Ctx, all: readonly RequestInfo[]): Child {
	const { t } = ctx;
	if (all.length === 0) return h("div", { test: "requests-empty" }, state("empty", "hand", t("consent.requests.none"), t("consent.requests.noneMore")));
	return h("div", { class: "stack" }, all.map((r) => requestCard(ctx, r)));
}

/** A request in short, and the way to the whole of it. */
export function requestCard(ctx: Ctx, r: RequestInfo, route = `requests/${encodeURIComponent(r.id)}`): HTMLElement {
	const { t } = ctx;
	return h("article", { class: "card request-card", test: "request" }, who(ctx, { ...r, account: r.from }),
		h("ul", { class: "wants" }, r.wants.map((w) => h("li", null, h("strong", null, bdi(w.label)), " ", h("span", { class: "soft" }, wantWords(ctx, w))))),
		h("p", null, t("consent.requests.line", { Purpose: clean(purposeWords(t, r.purpose)), Until: untilWords(ctx, r) })),
		h("a", { class: "button", href: "#/" + route, test: "look" }, t("consent.requests.look")));
}

function wantWords(ctx: Ctx, w: Want): string {
	return reads(w.ops) ? fineWords(ctx.t, ctx.lang, w.precision) : ctx.t("consent.ops.switch");
}

/** When a grant of this request would end, in words. */
function untilWords(ctx: Ctx, r: RequestInfo): string {
	return dayWords(ctx.lang, endOf(r), new Date());
}

function endOf(r: RequestInfo): Date {
	if (r.until) return new Date(r.until);
	return new Date(Date.now() + isoSeconds(r.for ?? "") * 1000);
}

/** Seconds of an ISO 8601 duration or of a clock ("P7D", "PT1H30M", "7d"). */
export function isoSeconds(s: string): number {
	const sizes: Readonly<Record<string, number>> = { W: 604800, D: 86400, H: 3600, M: 60, S: 1 };
	let sum = 0;
	for (const [, n, unit] of s.toUpperCase().matchAll(/(\d+)([WDHMS])/g)) sum += Number(n) * (sizes[unit ?? ""] ?? 0);
	return sum;
}

/** A text of several lines, each without what nobody sees. */
export function lines(text: string): string {
	return text.slice(0, 8000).split(/\r?\n/).map((l) => clean(l, 4000)).join("\n");
}

function reads(ops: readonly string[]): boolean {
	return ops.some((o) => o === "observeproperty" || o === "readproperty" || o === "subscribeevent");
}

function oneRequest(ctx: Ctx, id: string): HTMLElement {
	const { t } = ctx;
	const body = h("div", { class: "stack" }, skeleton(ctx, 1, "row"), skeleton(ctx, 1, "plot"));
	const view = page(ctx, { heading: t("consent.request.asks"), back: "requests", class: "consent request" }, body);
	void fillWith(ctx, body, async () => {
		const [all, things] = await Promise.all([ctx.engine.call("requests"), ctx.engine.call("things")]);
		const r = all.find((q) => q.id === id);
		return r ? new Decision(ctx, r, things.things, view).content() : gone(ctx);
	});
	return view;
}

function gone(ctx: Ctx): Child {
	const { t } = ctx;
	return h("div", { test: "request-gone" }, state("ended", "hand", t("consent.request.gone"), t("consent.request.goneMore"), h("a", { class: "button", href: "#/requests" }, t("consent.requests.title"))));
}

/** What is asked, and the answers; from is the service whose ask it is, if nobody sent it. */
export function decision(ctx: Ctx, r: RequestInfo, things: readonly ThingInfo[], view: HTMLElement, from: ServiceRef): Child[] {
	return new Decision(ctx, r, things, view, from).content();
}

/** One request while the person decides. */
class Decision {
	private readonly parts: WantPart[];
	private readonly problem = h("div", { test: "decide-problem" });

	constructor(private readonly ctx: Ctx, private readonly r: RequestInfo, things: readonly ThingInfo[], private readonly view: HTMLElement, private readonly from?: ServiceRef) {
		this.parts = r.wants.map((w) => new WantPart(ctx, w, things));
	}

	content(): Child[] {
		const { ctx, r } = this;
		const name = nameOf({ account: r.from, name: r.name });
		const heading = this.view.querySelector("h1");
		if (heading) fill(heading, ctx.t("consent.request.from", { Name: clean(name, 64) }));
		const head = who(ctx, { ...r, account: r.from }, null);
		const compare = r.compared ? null : compareBox(ctx, r.from, name, () => head.querySelector("[data-test=not-compared]")?.remove());
		return [head, compare, this.terms(), this.parts.map((p) => p.element), this.notice(), this.answer(name)];
	}

	private terms(): HTMLElement {
		const { t } = this.ctx;
		const r = this.r;
		return facts(
			[t("consent.term.purpose"), bdi(purposeWords(t, r.purpose))],
			[t("consent.term.service"), r.service ? bdi(r.service) : null],
			[t("consent.term.until"), untilWords(this.ctx, r)],
			[t("consent.term.kept"), r.retention ? bdi(spanSaid(this.ctx.lang, r.retention)) : null]);
	}

	private notice(): Child {
		const r = this.r;
		if (!r.notice) return null;
		return h("section", { class: "notice-text" }, h("h2", null, this.ctx.t("consent.notice.title")),
			h("blockquote", { lang: r.language || null, dir: "auto", tabindex: 0, test: "notice" }, lines(r.notice)));
	}

	private answer(name: string): HTMLElement {
		const { t } = this.ctx;
		const r = this.r;
		const yes = h("button", { type: "button", class: "decision", test: "yes" }, t("consent.yes"));
		const no = h("button", { type: "button", class: "decision", test: "no" }, t("consent.no"));
		yes.addEventListener("click", () => void busy(yes, () => this.give(name)));
		no.addEventListener("click", () => void busy(no, () => this.refuse(name)));
		const able = this.parts.every((p) => p.share() !== undefined);
		yes.hidden = !able;
		const tied = [r.benefit ? t("consent.tied.benefit", { Text: clean(r.benefit) }) : "", r.price ? t("consent.tied.price", { Text: clean(r.price) }) : "", r.needed ? t("consent.tied.needed") : ""].filter((s) => s !== "");
		return h("footer", { class: "decide" },
			able ? null : h("p", { class: "problem", test: "nothing-fits" }, t("consent.request.nothing")),
			h("div", { class: "even answers" },
				h("div", null, no, h("p", { class: "soft" }, this.from ? t("consent.connect.no") : t("consent.no.then", { N: 90 }))),
				able ? h("div", null, yes, tied.length > 0 ? tied.map((s) => h("p", { class: "tied", test: "tied" }, s)) : h("p", { class: "soft" }, t("consent.yes.then"))) : null),
			this.problem,
			this.from ? null : h("p", { class: "soft later" }, t("consent.later", { Date: dayWords(this.ctx.lang, new Date(r.expires), new Date()) })));
	}

	private async give(name: string): Promise<void> {
		const { ctx, r } = this;
		const share = this.parts.map((p) => p.share()).filter((s): s is Share => s !== undefined);
		try {
			const given = await ctx.engine.call("give", { account: r.from, ...(this.from ? { service: this.from } : { request: r.id }), share, until: endOf(r).toISOString(), notice: r.notice, language: r.language ?? ctx.lang });
			this.done("request-given", ctx.t("consent.given.title", { Name: name }), ctx.t(given.opened ? "consent.given.opened" : "consent.given.waiting", { Name: name }),
				h("a", { class: "button", href: `#/grant/${encodeURIComponent(given.grant)}`, test: "to-grant" }, ctx.t("consent.given.look")));
		} catch (err) {
			fill(this.problem, errorBox(ctx, err));
		}
	}

	private async refuse(name: string): Promise<void> {
		const { ctx, r } = this;
		if (this.from) {
			this.done("request-refused", ctx.t("consent.refused.title"), ctx.t("consent.connect.nothing"));
			return;
		}
		try {
			await ctx.engine.call("refuse", { request: r.id, askAgain: "90d" });
			this.done("request-refused", ctx.t("consent.refused.title"), ctx.t("consent.refused.more", { Name: name, N: 90 }));
		} catch (err) {
			fill(this.problem, errorBox(ctx, err));
		}
	}

	private done(test: string, title: string, more: string, ...next: Child[]): void {
		finished(this.view, test, title, more, next, h("a", { class: "button quiet", href: "#/requests" }, this.ctx.t("consent.back.requests")));
	}
}

/** One thing that is asked for: which own one, and how fine. */
class WantPart {
	readonly element: HTMLElement;
	private chosen: Affordance | undefined;
	private readonly choice: Choice | undefined;

	constructor(private readonly ctx: Ctx, private readonly want: Want, things: readonly ThingInfo[]) {
		const fits = matching(want, things);
		this.chosen = fits[0]?.affordance;
		if (reads(want.ops) && this.chosen) this.choice = precisionChoice(ctx, want.precision, want.precision, () => undefined);
		this.element = h("section", { class: "want", test: "want" }, h("h2", null, bdi(want.label)), this.ways(), this.which(fits), this.choice?.element);
		this.preview();
	}

	share(): Share | undefined {
		if (!this.chosen) return undefined;
		return { ref: this.chosen.ref, ops: this.want.ops, precision: this.choice?.precision() ?? this.want.precision };
	}

	private ways(): Child {
		const { t } = this.ctx;
		const says = this.want.ops.some((o) => o === "writeproperty" || o === "invokeaction");
		return says ? h("p", { class: "warn-line" }, t(reads(this.want.ops) ? "consent.ops.both" : "consent.ops.switch")) : null;
	}

	private which(fits: readonly Fit[]): Child {
		const { t, lang } = this.ctx;
		if (fits.length === 0) return h("p", { class: "problem" }, t("consent.want.none"));
		const label = (f: Fit): Child => [bdi(f.thing.title), " · ", bdi(f.affordance.title), f.affordance.latest ? h("small", null, valueWords(t, lang, f.affordance.latest, f.affordance.unit ?? "")) : null];
		const only = fits[0];
		if (fits.length === 1 && only) return h("p", { class: "which" }, label(only));
		return choices(t("consent.want.which"), fits.map((f) => ({ value: refKey(f.affordance.ref), label: label(f) })), refKey(this.chosen?.ref ?? { thing: "", name: "" }), (key) => {
			this.chosen = fits.find((f) => refKey(f.affordance.ref) === key)?.affordance;
			this.preview();
		}, "which");
	}

	private preview(): void {
		if (this.chosen) this.choice?.show(this.chosen.ref, this.chosen.unit ?? "", this.chosen.type);
	}
}

interface Fit {
	readonly thing: ThingInfo;
	readonly affordance: Affordance;
}

function matching(want: Want, things: readonly ThingInfo[]): Fit[] {
	const keys = new Set((want.fits ?? []).map(refKey));
	return things.flatMap((thing) => thing.affordances.filter((a) => keys.has(refKey(a.ref))).map((affordance) => ({ thing, affordance })));
}
