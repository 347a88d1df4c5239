// The picture of a choice: one's own day, and over it what the other would have
// seen of it. And the same as a table.
import type { Point, PreviewResult } from "../engine/api.gen";
import { locale } from "../lib/format";
import { h, svg } from "../lib/h";
import type { T } from "../lib/words";
import { withUnit } from "./consent-fine";

const height = 200;
const edge = { start: 4, end: 4, top: 12, bottom: 22 };
const columns = 320; // of the own line; finer is not seen

/** What is drawn: numbers in time order, with gaps as undefined. */
interface Sample {
	readonly at: number;
	readonly n: number | undefined;
}

interface Scale {
	readonly width: number;
	x(at: number): number;
	y(n: number): number;
}

/** The two lines of a preview, drawn for a place so many pixels wide. window is
 * the asker's clock in seconds, 0 on change. */
export function previewPlot(t: T, lang: string, p: PreviewResult, window: number, width: number): SVGElement {
	const own = samples(p.own), seen = samples(p.seen);
	const from = Date.parse(p.from), to = Date.parse(p.to);
	const s = scale([...own, ...seen], from, to, width);
	const truth = p.own.some((q) => typeof q.value === "boolean");
	const ownPath = thin(own, from, to);
	const title = svg("title", null, t("consent.plot.title", { Words: p.words }));
	return svg("svg", { class: "preview-plot", viewBox: `0 0 ${width} ${height}`, role: "img", test: "preview-plot" }, title,
		hours(lang, from, to, s), levels(lang, [...own, ...seen], s, truth ? [t("consent.off"), t("consent.on")] : undefined),
		svg("path", { class: "own", d: truth ? stairs(ownPath, s, to) : line(ownPath, s) }),
		svg("path", { class: "seen", d: window > 0 ? treads(seen, window * 1000, s, from) : stairs(seen, s, to) }),
		lonePoints(seen, window, s));
}

function samples(points: readonly Point[]): Sample[] {
	return points.map((p) => ({ at: Date.parse(p.at), n: numberOf(p) }));
}

/** The number of a value; on is 1 and off 0; of other values there is none. */
export function numberOf(p: Point): number | undefined {
	if (typeof p.number === "number" && Number.isFinite(p.number)) return p.number;
	return typeof p.value === "boolean" ? Number(p.value) : undefined;
}

/** Least and greatest number, with room where there is only one. */
export function range(list: readonly { readonly n: number | undefined }[]): [number, number] {
	let min = Infinity, max = -Infinity;
	for (const { n } of list) {
		if (n === undefined) continue;
		min = Math.min(min, n);
		max = Math.max(max, n);
	}
	if (min > max) return [0, 1];
	if (min === max) return [min - 1, max + 1];
	return [min, max];
}

function scale(list: readonly Sample[], from: number, to: number, width: number): Scale {
	const [min, max] = range(list);
	const w = width - edge.start - edge.end, tall = height - edge.top - edge.bottom;
	return {
		width,
		x: (at) => round(edge.start + w * Math.min(1, Math.max(0, (at - from) / (to - from || 1)))),
		y: (n) => round(edge.top + tall * (1 - (n - min) / (max - min))),
	};
}

function round(n: number): number {
	return Math.round(n * 10) / 10;
}

/** As many samples as can be told apart: the least and the greatest of each column. */
function thin(list: Sample[], from: number, to: number): Sample[] {
	if (list.length <= columns * 2) return list;
	const out: Sample[] = [];
	const size = (to - from) / columns;
	for (let i = 0; i < list.length; ) {
		const column = Math.floor(((list[i]?.at ?? 0) - from) / size);
		let low: Sample | undefined, high: Sample | undefined;
		for (; i < list.length && Math.floor(((list[i]?.at ?? 0) - from) / size) <= column; i++) {
			const s = list[i];
			if (!s || s.n === undefined) continue;
			if (low?.n === undefined || s.n < low.n) low = s;
			if (high?.n === undefined || s.n > high.n) high = s;
		}
		if (low && high) out.push(...(low.at < high.at ? [low, high] : low === high ? [low] : [high, low]));
	}
	return out;
}

function line(list: readonly Sample[], s: Scale): string {
	let d = "", drawing = false;
	for (const { at, n } of list) {
		if (n !== undefined) d += `${drawing ? "L" : "M"}${s.x(at)} ${s.y(n)}`;
		drawing = n !== undefined;
	}
	return d;
}

/** One tread per window: a value stands for the window that ends at its time. */
function treads(list: readonly Sample[], window: number, s: Scale, from: number): string {
	let d = "", drawing = false;
	for (const { at, n } of list) {
		if (n !== undefined) {
			d += `${drawing ? "L" : "M"}${s.x(Math.max(from, at - window))} ${s.y(n)}H${s.x(at)}`;
		}
		drawing = n !== undefined;
	}
	return d;
}

/** A value holds until the next one. */
function stairs(list: readonly Sample[], s: Scale, to: number): string {
	let d = "", last: Sample | undefined;
	for (const p of list) {
		if (p.n !== undefined) d += last?.n === undefined ? `M${s.x(p.at)} ${s.y(p.n)}` : `H${s.x(p.at)}V${s.y(p.n)}`;
		last = p;
	}
	return last?.n === undefined ? d : `${d}H${s.x(to)}`;
}

/** Where few values are seen, each is a point, too. */
function lonePoints(list: readonly Sample[], window: number, s: Scale): SVGElement {
	const known = list.filter((p) => p.n !== undefined);
	const half = window * 500;
	return svg("g", { class: "seen-points" }, known.length > 26 ? null : known.map((p) =>
		svg("circle", { cx: s.x(p.at - half), cy: s.y(p.n ?? 0), r: 3.5 })));
}

/** Marks every six hours of the clock here. */
function hours(lang: string, from: number, to: number, s: Scale): SVGElement {
	const format = new Intl.DateTimeFormat(locale(lang), { hour: "numeric" });
	const first = new Date(from);
	first.setMinutes(0, 0, 0);
	const every = to - from > 12 * 3600e3 ? 6 : to - from > 3 * 3600e3 ? 2 : 1;
	const marks: SVGElement[] = [];
	for (let at = first.getTime(); at <= to; at += 3600e3) {
		if (at <= from || new Date(at).getHours() % every !== 0) continue;
		const x = s.x(at);
		marks.push(svg("path", { d: `M${x} ${edge.top}V${height - edge.bottom}` }));
		if (x > 24 && x < s.width - 24) marks.push(svg("text", { x, y: height - 6, "text-anchor": "middle" }, format.format(at)));
	}
	return svg("g", { class: "hours" }, marks);
}

function levels(lang: string, list: readonly Sample[], s: Scale, names?: readonly [string, string]): SVGElement {
	const [least, greatest] = range(list);
	const [min, max] = names ? [0, 1] : [least, greatest];
	const digits = Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(max - min))));
	const format = new Intl.NumberFormat(locale(lang), { maximumFractionDigits: digits });
	const label = (n: number, dy: number): SVGElement => svg("text", { x: edge.start, y: s.y(n) + dy, class: "level" }, names?.[n] ?? format.format(n));
	return svg("g", { class: "levels" }, label(max, -2), label(min, 14));
}

const maxRows = 48;

/** The seen values as a table, beside the own value at the same time; thinned evenly to what can be read. */
export function previewTable(t: T, lang: string, p: PreviewResult, window: number): HTMLElement {
	const step = Math.max(1, Math.ceil(p.seen.length / maxRows));
	const rows = p.seen.filter((_, i) => (p.seen.length - 1 - i) % step === 0);
	const time = new Intl.DateTimeFormat(locale(lang), { weekday: "short", hour: "2-digit", minute: "2-digit", second: window > 0 && window < 60 ? "2-digit" : undefined });
	const unit = p.unit ?? "";
	let i = 0;
	const ownAt = (at: number): Point | undefined => {
		while (i + 1 < p.own.length && Date.parse(p.own[i + 1]?.at ?? "") <= at) i++;
		return p.own[i];
	};
	return h("table", { class: "preview-table" },
		h("caption", null, step > 1 ? t("consent.table.thinned", { N: rows.length, All: p.seen.length }) : t("consent.table.all", { N: rows.length })),
		h("thead", null, h("tr", null, ["time", "own", "seen"].map((c) => h("th", { scope: "col" }, t("consent.table." + c))))),
		h("tbody", null, rows.map((r) => h("tr", null,
			h("th", { scope: "row" }, time.format(Date.parse(r.at))),
			h("td", null, valueWords(t, lang, ownAt(Date.parse(r.at)), unit)),
			h("td", null, valueWords(t, lang, r, unit))))));
}

/** A value as a short text; none is a dash. */
export function valueWords(t: T, lang: string, p: Point | undefined, unit: string): string {
	if (!p) return "–";
	if (typeof p.number === "number") return withUnit(lang, Number(p.number.toPrecision(6)), unit);
	if (p.value === undefined || p.value === null) return "–";
	if (typeof p.value === "boolean") return t(p.value ? "consent.on" : "consent.off");
	return typeof p.value === "string" ? p.value : JSON.stringify(p.value);
}
