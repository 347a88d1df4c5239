// The precision slider with its picture: one's own yesterday as the other would
// have seen it.
import { locale } from "../lib/format";
import type { Precision, PreviewResult, Ref } from "../engine/api.gen";
import { fill, h, text, type Child } from "../lib/h";
import { refKey } from "../lib/ref";
import type { Ctx } from "./ctx";
import { clocksFor, fineWords, plain, roundsFor, seconds, withClock, withUnit } from "./consent-fine";
import { segments } from "./consent-parts";
import { numberOf, previewPlot, previewTable, range } from "./consent-plot";

export interface Choice {
	readonly element: HTMLElement;
	/** What the person has chosen. */
	precision(): Precision;
	/** Another thing: asks for its yesterday. */
	show(ref: Ref, unit: string, type: string | undefined): void;
}

/** Makes a choice of precision. With asked, nothing finer than that is offered,
 * and it starts there; else it starts at start. changed is called when another
 * one is chosen. */
export function precisionChoice(ctx: Ctx, asked: Precision | undefined, start: Precision, changed: () => void): Choice {
	return new Slider(ctx, asked, asked ?? start, changed).choice();
}

const stats = ["mean", "min", "max", "last"];

class Slider {
	private readonly clocks: string[];
	private ref: Ref | undefined;
	private unit = "";
	private numeric = true;
	private failed = false;
	private room = 0; // pixels, inline
	private turn = 0; // the newest question; older answers are dropped
	private preview: PreviewResult | undefined;
	private readonly said = h("p", { class: "fine-words", "aria-live": "polite", test: "fine-words" });
	private readonly picture = h("div", { class: "preview", test: "preview" });
	private readonly table = h("div", { class: "scroll", tabindex: 0, role: "region" });
	private readonly more = h("div", { class: "fine-more" });
	private readonly moreBox = h("details", { class: "fine-more-box", hidden: true, test: "fine-more" });
	private readonly range: HTMLInputElement;

	constructor(private readonly ctx: Ctx, private readonly asked: Precision | undefined, private now: Precision, private readonly changed: () => void) {
		this.clocks = clocksFor(asked);
		const clock = now.change ? "" : now.every ?? "";
		if (!this.clocks.includes(clock)) this.clocks = [...this.clocks, clock].sort((a, b) => seconds(a) - seconds(b));
		this.range = h("input", {
			type: "range", min: 0, max: this.clocks.length - 1, step: 1, value: this.clocks.indexOf(clock),
			class: "fine-range", test: "fine-range", on: { input: () => this.slide() },
		});
		this.watchWidth();
		this.watchThing();
		fill(this.moreBox, h("summary", null, ctx.t("consent.fine.more")), this.more);
		this.table.setAttribute("aria-label", ctx.t("consent.table.name"));
	}

	choice(): Choice {
		return { element: this.element(), precision: () => this.now, show: (ref, unit, type) => this.show(ref, unit, type) };
	}

	private element(): HTMLElement {
		const { t } = this.ctx;
		this.range.setAttribute("aria-label", t("consent.fine.label"));
		const slider = h("div", { class: "fine-slider" }, this.range,
			h("div", { class: "fine-ends", "aria-hidden": "true" }, h("span", null, t(this.asked ? "consent.fine.asked" : "consent.fine.finest")), h("span", null, t("consent.fine.coarsest"))));
		slider.hidden = this.clocks.length < 2;
		return h("div", { class: "fine", test: "fine" }, this.said, this.picture, slider, this.moreBox,
			h("details", { test: "preview-table" }, h("summary", null, t("consent.table.show")), this.table));
	}

	private show(ref: Ref, unit: string, type: string | undefined): void {
		this.ref = ref;
		this.unit = unit;
		this.numeric = type === undefined || type === "number" || type === "integer";
		this.preview = undefined;
		this.now = withClock(this.now, this.clocks[Number(this.range.value)] ?? "", this.numeric);
		if (!this.numeric && !this.asked) this.now = withoutNumbers(this.now);
		fill(this.picture, h("p", { class: "preview-wait" }, this.ctx.t("consent.preview.wait")));
		this.say();
		void this.ask();
	}

	private slide(): void {
		this.set(withClock(this.now, this.clocks[Number(this.range.value)] ?? "", this.numeric));
	}

	private set(p: Precision): void {
		this.now = p;
		this.say();
		this.changed();
		void this.ask();
	}

	private say(): void {
		const words = fineWords(this.ctx.t, this.ctx.lang, this.now, this.unit);
		text(this.said, words);
		this.range.setAttribute("aria-valuetext", plain(words));
	}

	private async ask(): Promise<void> {
		const ref = this.ref, turn = ++this.turn;
		if (!ref) return;
		try {
			const answer = await this.ctx.engine.call("preview", { ref, precision: this.now });
			if (turn === this.turn) this.draw(answer);
		} catch (err) {
			if (turn === this.turn) this.lacks(err);
		}
	}

	/** Without a picture there is still a choice; the picture comes with the thing. */
	private lacks(err: unknown): void {
		this.failed = true;
		const again = h("button", { type: "button", class: "small", test: "preview-again", on: { click: () => void this.ask() } }, this.ctx.t("web.again"));
		fill(this.picture, h("div", { class: "preview-none" }, h("p", null, this.ctx.wrong(err)), again));
	}

	/** Asks again when a thing that did not answer shows a sign of life. */
	private watchThing(): void {
		this.ctx.on((e) => {
			if (!this.failed || !this.ref || e.kind !== "value" || !e.ref || refKey(e.ref) !== refKey(this.ref)) return;
			this.failed = false;
			void this.ask();
		});
	}

	/** Draws again when there is more or less room: letters keep their size. */
	private watchWidth(): void {
		const watch = new ResizeObserver(() => {
			const room = this.picture.clientWidth;
			if (room === this.room || !this.preview || !this.picture.querySelector("figure")) return;
			this.room = room;
			fill(this.picture, this.figure(this.preview));
		});
		watch.observe(this.picture);
		this.ctx.signal.addEventListener("abort", () => watch.disconnect(), { once: true });
	}

	private draw(answer: PreviewResult): void {
		this.failed = false;
		const { t, lang } = this.ctx;
		const p = { ...answer, words: fineWords(t, lang, this.now, this.unit) };
		const first = this.preview === undefined;
		this.preview = p;
		const drawn = p.own.some((q) => numberOf(q) !== undefined);
		if (drawn) fill(this.picture, this.figure(p));
		else fill(this.picture, h("p", { class: "preview-none" }, t(p.own.length > 0 ? "consent.preview.words" : "consent.preview.none")));
		fill(this.table, previewTable(t, lang, p, seconds(this.now.every)));
		if (!first) return;
		const fields = this.moreFields(p);
		this.moreBox.hidden = fields.length === 0;
		fill(this.more, ...fields);
	}

	private figure(p: PreviewResult): HTMLElement {
		const { t, lang } = this.ctx;
		const day = new Intl.DateTimeFormat(locale(lang), { weekday: "long", day: "numeric", month: "long" }).format(Date.parse(p.from));
		return h("figure", null, previewPlot(t, lang, p, seconds(this.now.every), Math.max(280, this.picture.clientWidth - 24 || 640)),
			h("figcaption", null, h("span", { class: "key own" }, t("consent.preview.own")), h("span", { class: "key seen" }, t("consent.preview.seen")),
				h("span", { class: "key-day" }, day)));
	}

	/** Statistic and rounding, where they mean something. */
	private moreFields(p: PreviewResult): Child[] {
		if (!this.numeric || p.own.length === 0) return [];
		const fields: Child[] = [];
		if (!this.asked) fields.push(this.statField());
		const [min, max] = range(p.own.map((q) => ({ n: numberOf(q) })));
		const rounds = roundsFor(min, max, this.asked?.round ?? 0);
		if (rounds.length > 1) fields.push(this.roundField(rounds));
		return fields;
	}

	private statField(): HTMLElement {
		const { t } = this.ctx;
		return segments(t("consent.stat.label"), stats.map((s) => ({ value: s, label: t("consent.stat." + s) })), this.now.stat ?? "mean", (stat) => {
			this.set(this.now.change ? this.now : { ...this.now, stat });
		}, "fine-stat");
	}

	private roundField(rounds: readonly number[]): HTMLElement {
		const { t, lang } = this.ctx;
		const label = (n: number): string => (n === 0 ? t("consent.round.none") : withUnit(lang, n, this.unit));
		return segments(t("consent.round.label"), rounds.map((n) => ({ value: String(n), label: label(n) })), String(this.now.round ?? 0), (n) => {
			const { round: _, ...rest } = this.now;
			this.set(Number(n) > 0 ? { ...rest, round: Number(n) } : rest);
		}, "fine-round");
	}
}

function withoutNumbers(p: Precision): Precision {
	const { round: _, ...rest } = p;
	return rest.change ? rest : { ...rest, stat: "last" };
}
