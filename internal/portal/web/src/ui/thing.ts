// A thing's page: one value, how it went, the numbers, and what can be done.

import type { Affordance, HistoryResult, Point, Ref, ThingInfo } from "../engine/api.gen";
import { fill, h, set, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { parseRef, refKey, refPath } from "../lib/ref";
import { everySecond, perFrame } from "../lib/ticker";
import { bdi, clean } from "../lib/untrusted";
import { openBell } from "./alerts";
import { makeControl } from "./control";
import type { Ctx, Routes } from "./ctx";
import { fillWith, page, released, skeleton, state } from "./page";
import type { Plot } from "./plot";
import { Series, numberWithUnit, withUnit } from "./series";
import { makeTable, type Table } from "./table";
import { defineValues, type AgeElement, type ValueElement } from "./value";

export const routes: Routes = {
	thing: { view: thing, title: "web.thing.title", tab: "things" },
};

const day = 86_400_000; // milliseconds
const ranges = { day, week: 7 * day, month: 31 * day, all: Infinity } as const;
type Range = keyof typeof ranges;
const points = 1000; // asked for per range; the thing's end thins

interface Found {
	readonly thing: ThingInfo;
	readonly affordance: Affordance;
}

function thing(ctx: Ctx, args: string[]): HTMLElement {
	defineValues();
	const ref = parseRef(args);
	const heading = h("bdi", null, ref ? clean(ref.name) : ctx.t("web.lost.heading"));
	const actions = h("div", { class: "page-actions" });
	const place = h("div", { class: "stack", test: "thing" }, skeleton(ctx, 1, "plot"));
	void fillWith(ctx, place, async () => {
		const found = ref && find((await ctx.engine.call("things")).things, ref);
		if (!found) return state("empty", "search", ctx.t("web.thing.none"), ctx.t("web.thing.noneSentence"), h("a", { class: "button", href: "#/" }, ctx.t("web.nav.things")));
		const title = clean(found.affordance.title || found.affordance.ref.name, 80);
		heading.textContent = title;
		ctx.title(title);
		fill(actions, headActions(ctx, found));
		return new Sheet(ctx, found).parts();
	});
	return page(ctx, { heading, back: "", actions, class: "thing-page" }, place);
}

function find(things: readonly ThingInfo[], ref: Ref): Found | undefined {
	const key = refKey(ref);
	for (const thing of things) {
		const affordance = thing.affordances.find((a) => refKey(a.ref) === key);
		if (affordance) return { thing, affordance };
	}
	return undefined;
}

function headActions(ctx: Ctx, { thing, affordance }: Found): Child {
	const bell = h("button", { type: "button", class: "quiet round", "aria-label": ctx.t("web.bell"), title: ctx.t("web.bell"), test: "bell", on: { click: () => openBell(ctx, affordance) } }, icon("bell"));
	const share = h("a", { class: "button primary", href: "#/share/" + refPath(affordance.ref), test: "share" }, icon("share"), ctx.t("web.share"));
	return [affordance.kind === "property" ? bell : null, thing.own ? share : null];
}

/** What stands below the heading. It lives until the view is left. */
class Sheet {
	private readonly series: Series;
	private readonly value = document.createElement("primum-value") as ValueElement;
	private readonly age = document.createElement("primum-age") as AgeElement;
	private readonly plotPlace: HTMLElement;
	private readonly table: Table;
	private readonly facts = h("div", { class: "now-about" });
	private readonly title: string;
	private readonly control;
	private plot: Plot | undefined;
	private asked = 0;
	private range: Range = "day";

	constructor(
		private readonly ctx: Ctx,
		private readonly found: Found,
	) {
		const { affordance } = found;
		this.title = clean(affordance.title || affordance.ref.name, 80);
		this.series = new Series(affordance);
		this.table = makeTable(ctx, this.series, this.title);
		this.control = makeControl(ctx, affordance);
		this.plotPlace = h("div", { class: "plot-place", test: "plot-place" }, h("div", { class: "skeleton plot" }));
		this.value.show(ctx, affordance, affordance.latest ?? undefined);
		this.age.set(ctx, affordance.latest ?? undefined);
	}

	parts(): Child {
		const { found } = this;
		this.live();
		fill(this.facts, this.about(found));
		const now = h("section", { class: "card now" }, found.affordance.kind === "property" ? h("div", { class: "now-value" }, this.value, this.age) : null, this.facts);
		const others = this.others();
		if (found.affordance.kind !== "property") return [now, this.control?.element ?? null, others];
		void this.load("day");
		return [now, this.control?.element ?? null, h("div", { class: "beside" }, this.plotCard(), this.table.element), others];
	}

	private live(): void {
		const key = refKey(this.found.affordance.ref);
		const draw = perFrame<Point>(this.ctx.signal, (changed) => {
			const point = changed.get(key);
			if (point) this.show(point);
		});
		this.ctx.on((event) => {
			if (event.kind === "things" || event.kind === "grants") void this.renew();
			if (event.kind !== "value" || !event.ref || !event.point || refKey(event.ref) !== key) return;
			this.series.add(event.point); // every value is kept, the last of a frame is drawn
			draw(key, event.point);
		});
		everySecond(this.ctx.signal, (time) => this.age.tick(this.ctx, time));
	}

	private show(point: Point): void {
		this.value.show(this.ctx, this.found.affordance, point);
		this.age.set(this.ctx, point);
		this.control?.take(point);
		this.table.update(false);
		if (this.plot) this.plot.update(false);
		else void this.draw();
	}

	/** Who has it and how it stands, anew: a grant was given, paused, ended. */
	private async renew(): Promise<void> {
		const result = await this.ctx.engine.call("things").catch(() => undefined);
		const found = result && find(result.things, this.found.affordance.ref);
		await released(this.facts);
		if (found && !this.ctx.signal.aborted) fill(this.facts, this.about(found));
	}

	private about({ thing, affordance }: Found): Child {
		const { ctx } = this;
		const people = affordance.people > 0 ? ctx.t("web.people", { N: affordance.people }) : ctx.t("web.people.none");
		const reason = thing.reason ? (ctx.t.has("web.reason." + thing.reason) ? ctx.t("web.reason." + thing.reason) : clean(thing.reason, 200)) : "";
		return [
			h("p", null, bdi(thing.title, 80), " ", h("bdi", { class: "soft code" }, clean(affordance.path, 120))),
			thing.owner ? h("p", { class: "soft" }, ctx.t("web.from", { Owner: thing.owner }), thing.until ? " · " + ctx.t("web.until", { Date: ctx.fmt.date(thing.until) }) : null) : null,
			thing.state === "live" ? null : h("p", { class: "state-line", test: "thing-state" }, h("span", { class: "chip" + (thing.state === "paused" ? " warn" : "") }, ctx.t("web.state." + thing.state)), " ", reason || ctx.t("web.state.sentence." + thing.state)),
			thing.own ? h("a", { class: "chip good", href: "#/grants/" + refPath(affordance.ref), test: "lock" }, icon("lock"), people) : null,
			thing.sandbox ? h("span", { class: "chip" }, ctx.t("web.sandbox")) : null,
		];
	}

	private plotCard(): HTMLElement {
		const name = "range-" + refKey(this.found.affordance.ref);
		const choice = (range: Range): HTMLElement => {
			const input = h("input", { type: "radio", name, value: range, checked: range === "day", test: "range-" + range, on: { change: () => void this.load(range) } });
			return h("label", null, input, this.ctx.t("web.range." + range));
		};
		const segments = h("fieldset", { class: "segments" }, h("legend", { class: "only-read" }, this.ctx.t("web.range")), ...(Object.keys(ranges) as Range[]).map(choice));
		return h("section", { class: "card stack plot-card" }, segments, this.plotPlace);
	}

	/** Asks for a range. The answer of an older question is dropped. */
	private async load(range: Range): Promise<void> {
		const mine = ++this.asked;
		set(this.plotPlace, { "aria-busy": "true" });
		const since = ranges[range] === Infinity ? new Date(0) : new Date(Date.now() - ranges[range]);
		try {
			const result = await this.ctx.engine.call("history", { ref: this.found.affordance.ref, since: since.toISOString(), max: points });
			if (mine !== this.asked || this.ctx.signal.aborted) return;
			this.range = range;
			await this.fillIn(result);
		} catch (error) {
			if (mine === this.asked && !this.ctx.signal.aborted) this.refuse(error, range);
		} finally {
			this.plotPlace.removeAttribute("aria-busy");
		}
	}

	private async fillIn(result: HistoryResult): Promise<void> {
		this.series.reset(result.points);
		const { latest } = this.found.affordance;
		if (latest) this.series.add(latest);
		this.table.update(true);
		if (this.plot && this.series.drawable) this.plot.update(true);
		else await this.draw();
	}

	private async draw(): Promise<void> {
		if (!this.series.drawable) {
			this.plot = undefined;
			fill(this.plotPlace, state("empty", "search", this.ctx.t("web.plot.none"), this.ctx.t(this.series.size > 0 ? "web.plot.noNumbers" : "web.plot.noneSentence")));
			return;
		}
		const { makePlot } = await import("./plot");
		if (this.ctx.signal.aborted || this.plot) return;
		this.plot = makePlot(this.options());
		fill(this.plotPlace, this.plot.element);
	}

	private options(): Parameters<typeof import("./plot").makePlot>[0] {
		const { ctx, series, found, title } = this;
		const truth = found.affordance.type === "boolean" ? (on: boolean) => ctx.t(on ? "web.value.on" : "web.value.off") : undefined;
		return {
			series,
			seconds: () => ranges[this.range] / 1000,
			fmt: ctx.fmt,
			lang: ctx.lang,
			label: ctx.t("web.plot.label", { Title: title }),
			reading: (i) => reading(ctx, series, i),
			summary: () => this.summary(),
			truth,
			signal: ctx.signal,
		};
	}

	private summary(): string {
		const extent = this.series.extent();
		if (!extent || extent[0] === extent[1] || this.found.affordance.type === "boolean") return this.ctx.t("web.table.count", { N: this.series.size });
		const [least, greatest] = extent.map((n) => numberWithUnit(this.ctx.fmt, this.found.affordance, n));
		return this.ctx.t("web.plot.extent", { Least: least ?? "", Greatest: greatest ?? "" });
	}

	private refuse(error: unknown, range: Range): void {
		this.plot = undefined;
		const again = h("button", { type: "button", class: "small", test: "again", on: { click: () => void this.load(range) } }, this.ctx.t("web.again"));
		fill(this.plotPlace, state("error", "warn", this.ctx.t("web.plot.failed"), this.ctx.wrong(error), again));
	}

	private others(): Child {
		const rest = this.found.thing.affordances.filter((a) => a !== this.found.affordance);
		if (rest.length === 0) return null;
		const row = (a: Affordance): HTMLElement =>
			h("li", null, h("a", { class: "plain", href: "#/thing/" + refPath(a.ref) }, bdi(a.title || a.ref.name, 80)), " ", h("span", { class: "soft" }, a.kind === "property" ? withUnit(this.ctx, a, a.latest ?? undefined) : this.ctx.t("web.kind." + a.kind)));
		return h("section", { class: "stack" }, h("h2", null, this.ctx.t("web.thing.more")), h("ul", { class: "rows more-rows" }, ...rest.map(row)));
	}
}

function reading(ctx: Ctx, series: Series, i: number): string {
	const point = series.point(i);
	return point ? `${withUnit(ctx, series.affordance, point)} · ${ctx.fmt.dateTimeExact(point.at)}` : "";
}
