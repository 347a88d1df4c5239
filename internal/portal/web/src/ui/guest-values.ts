// What a link brought: each value large, with the last while beside it, and
// until when.
import type { Affordance, Point, ThingInfo } from "../engine/api.gen";
import { fill, h, text, type Child } from "../lib/h";
import { refKey } from "../lib/ref";
import { everySecond } from "../lib/ticker";
import { bdi } from "../lib/untrusted";
import { leftWords } from "./consent-bar";
import { fineWords, spanWords } from "./consent-fine";
import { valueWords } from "./consent-plot";
import { dayWords } from "./consent-until";
import { makeControl } from "./control";
import type { Ctx } from "./ctx";
import { defineSpark, type SparkElement } from "./spark";
import { defineValues, type AgeElement, type ValueElement } from "./value";

const rows = 20; // of the table

/** The values of a guest's one grant; it follows them until signal aborts. */
export function guestValues(ctx: Ctx, owner: string, signal: AbortSignal): HTMLElement {
	defineValues();
	defineSpark();
	const until = h("p", { class: "soft", test: "guest-until" });
	const place = h("div", { class: "stack", test: "guest-values" });
	let cards = new Map<string, GuestCard>();
	const load = async (): Promise<void> => {
		const got = (await ctx.engine.call("things")).things.filter((thing) => !thing.own);
		if (signal.aborted) return;
		const [first] = got;
		if (first?.until) text(until, ctx.t("link.until", { Date: dayWords(ctx.lang, new Date(first.until), new Date()), Left: leftWords(ctx, new Date(first.until), new Date()) }));
		const made = got.flatMap((thing) => thing.affordances.map((a) => [refKey(a.ref), cards.get(refKey(a.ref)) ?? new GuestCard(ctx, thing, a)] as const));
		if (made.length === cards.size && made.length > 0 && made.every(([key]) => cards.has(key))) return;
		cards = new Map(made);
		fill(place, cards.size === 0 ? waiting(ctx) : [...cards.values()].map((c) => c.element));
	};
	const again = (): void => void load().catch((err: unknown) => fill(place, h("p", { class: "problem", role: "alert" }, ctx.wrong(err))));
	const off = ctx.engine.on((e) => {
		if (e.kind === "things" || e.kind === "grants") again();
		if (e.kind === "value" && e.ref && e.point) cards.get(refKey(e.ref))?.take(e.point);
	});
	signal.addEventListener("abort", off, { once: true });
	everySecond(signal, (now) => cards.forEach((c) => c.tick(now)));
	fill(place, waiting(ctx));
	again();
	return h("section", { class: "page guest-given", test: "guest-given" }, h("h1", null, ctx.t("link.from", { Owner: owner })), until, place, h("p", { class: "soft" }, ctx.t("link.here")));
}

function waiting(ctx: Ctx): Child {
	return h("p", { class: "awaiting card", role: "status", test: "guest-first" }, h("span", { class: "pulse", "aria-hidden": "true" }), ctx.t("link.first"));
}

class GuestCard {
	readonly element: HTMLElement;
	private readonly value = document.createElement("primum-value") as ValueElement;
	private readonly age = document.createElement("primum-age") as AgeElement;
	private readonly spark = document.createElement("primum-spark") as SparkElement;
	private readonly wait = h("p", { class: "soft", test: "guest-wait" });
	private readonly body = h("tbody", null);
	private readonly control;
	private readonly points: Point[] = [];

	constructor(private readonly ctx: Ctx, thing: ThingInfo, private readonly a: Affordance) {
		const { t, lang } = ctx;
		this.control = makeControl(ctx, a);
		const fine = a.precision ? fineWords(t, lang, a.precision, a.unit) : "";
		const table = h("details", null, h("summary", null, t("link.table")), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("link.table") },
			h("table", { class: "preview-table" }, h("thead", null, h("tr", null, h("th", { scope: "col" }, t("consent.table.time")), h("th", { scope: "col" }, bdi(a.title, 60)))), this.body)));
		this.element = h("article", { class: "card guest-card", test: "guest-card" }, h("h2", null, bdi(a.title || a.ref.name, 80)), h("p", { class: "soft" }, bdi(thing.title, 80), fine ? [" · ", fine] : null),
			this.value, this.wait, this.age, this.spark, this.control?.element, thing.state === "paused" ? h("p", { class: "warn-line" }, t("link.paused")) : null, table);
		this.value.show(ctx, a, a.latest);
		this.age.set(ctx, a.latest);
		this.spark.show(a.recent ?? []);
		this.spark.hidden = a.type !== undefined && a.type !== "" && a.type !== "number" && a.type !== "integer";
		for (const p of a.recent ?? []) this.note(p);
		this.waits(a.latest === undefined || a.latest === null);
	}

	take(p: Point): void {
		this.value.show(this.ctx, this.a, p);
		this.age.set(this.ctx, p);
		this.spark.add(p);
		this.control?.take(p);
		this.note(p);
		this.waits(false);
	}

	tick(now: number): void {
		if (!this.value.hidden) this.age.tick(this.ctx, now);
	}

	/** Before the first value there is a sentence in its place. */
	private waits(yes: boolean): void {
		const { t, lang } = this.ctx;
		const every = this.a.precision?.every;
		text(this.wait, !yes ? "" : every ? t("link.within", { Time: spanWords(lang, every) }) : t("link.first"));
		this.value.hidden = this.age.hidden = yes;
	}

	private note(p: Point): void {
		if (this.points.at(-1)?.at === p.at) return;
		this.points.push(p);
		const { t, lang, fmt } = this.ctx;
		this.body.prepend(h("tr", null, h("th", { scope: "row" }, fmt.dateTime(p.at)), h("td", null, valueWords(t, lang, p, this.a.unit ?? ""))));
		while (this.body.childElementCount > rows) this.body.lastElementChild?.remove();
	}
}
