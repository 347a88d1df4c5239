// The large plot. uPlot draws it; this adds what it lacks: fingers, keys, words
// for those who don't see it, and the colours of the page. Loaded when a thing
// is opened, not before.

import uPlot from "uplot";
import { locale, type Formats } from "../lib/format";
import { h, set, text } from "../lib/h";
import { keys } from "./plot-keys";
import { fingers } from "./plot-touch";
import type { Series } from "./series";

export interface PlotOptions {
	readonly series: Series;
	/** How long a time is shown; Infinity: all there is. */
	readonly seconds: () => number;
	readonly fmt: Formats;
	readonly lang: string;
	/** Name of the plot for screen readers. */
	readonly label: string;
	/** The words of one point: "3.2 l/min, 14:05". */
	readonly reading: (i: number) => string;
	/** What is written while no point is chosen. */
	readonly summary: () => string;
	/** Words of an axis value that is a truth: true and false. */
	readonly truth: ((on: boolean) => string) | undefined;
	readonly signal: AbortSignal;
}

export interface Plot {
	readonly element: HTMLElement;
	/** Draws what the series has now. anew: another range, all of it is shown. */
	update(anew: boolean): void;
}

/** Makes a plot of a series. */
export function makePlot(options: PlotOptions): Plot {
	const { series, signal } = options;
	const readout = h("p", { class: "readout", test: "readout" });
	const place = h("div", { class: "plot", tabindex: 0, role: "slider", "aria-label": options.label, "aria-valuemin": 0, dir: "ltr", test: "plot" });
	const element = h("div", { class: "plot-box" }, readout, place);
	let shown: Span = { min: 0, max: 0 };
	const whole = (): void => {
		shown = spanOf(options);
		chart.setScale("x", shown);
	};
	const choose = (i: number | null | undefined): void => {
		const known = typeof i === "number" && i < series.size;
		text(readout, known ? options.reading(i) : options.summary());
		set(place, { "aria-valuemax": Math.max(0, series.size - 1), "aria-valuenow": known ? i : Math.max(0, series.size - 1), "aria-valuetext": known ? options.reading(i) : options.summary() });
	};
	const chart = new uPlot(config(options, place, (i) => choose(i), whole), [series.xs, series.ys], place);
	keys(chart, place, series, whole, signal);
	fingers(chart, place, whole, signal);
	follow(chart, place, signal);
	whole();
	choose(null);
	return {
		element,
		update: (anew) => {
			const { min, max } = chart.scales["x"] ?? {};
			const zoomed = !anew && (min !== shown.min || max !== shown.max); // then new values must not move it
			chart.setData([series.xs, series.ys], false);
			if (zoomed) chart.redraw();
			else whole();
			// Not while it has the focus: a screen reader would say every value.
			if ((chart.cursor.idx ?? null) === null && document.activeElement !== place) choose(null);
		},
	};
}

interface Span {
	readonly min: number;
	readonly max: number;
}

/** The time that is shown, in seconds: a whole range until now, or since the first value. */
function spanOf({ series, seconds }: PlotOptions): Span {
	const max = Math.max(Date.now() / 1000, series.xs.at(-1) ?? 0);
	const from = seconds() === Infinity ? (series.xs[0] ?? max) : max - seconds();
	return { min: Math.min(from, max - 60), max };
}

function config(options: PlotOptions, place: HTMLElement, choose: (i: number | null | undefined) => void, whole: () => void): uPlot.Options {
	const colour = (name: string) => (): string => getComputedStyle(place).getPropertyValue(name) || "gray";
	const axis: uPlot.Axis = { stroke: colour("--plot-soft"), grid: { stroke: colour("--plot-line"), width: 1 }, ticks: { show: false }, font: font(place) };
	const stepped = options.truth && uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {};
	return {
		...size(place),
		legend: { show: false },
		padding: [12, 28, 0, 0],
		cursor: { y: false, points: { size: 9, fill: colour("--plot-accent"), stroke: colour("--plot-card"), width: 2 }, drag: { x: true, y: false }, bind: { dblclick: () => () => (whole(), null) } },
		scales: { x: { time: true }, y: { range: (_, min, max) => room(min, max) } },
		axes: [
			{ ...axis, space: 72, values: (_, splits, __, ___, step) => times(options.lang, splits, step) },
			{ ...axis, size: 56, space: 40, values: (_, splits) => splits.map((n) => level(options, n)) },
		],
		series: [{}, { stroke: colour("--plot-accent"), fill: colour("--plot-fill"), width: 2, spanGaps: false, points: { show: (_, __, from, to) => to - from < 40, size: 5, fill: colour("--plot-accent") }, ...stepped }],
		hooks: { setCursor: [(chart) => choose(chart.cursor.idx)] },
	};
}

/** The room that the style sheet gives; the plot is put in before it is shown. */
function size(place: HTMLElement): { readonly width: number; readonly height: number } {
	return { width: Math.floor(place.clientWidth) || 320, height: Math.floor(place.clientHeight) || 280 };
}

function level(options: PlotOptions, n: number): string {
	if (!options.truth) return options.fmt.number(n);
	return n === 0 || n === 1 ? options.truth(n === 1) : "";
}

/** Some room above and below; a flat line lies in the middle. */
function room(min: number | null, max: number | null): [number, number] {
	if (min === null || max === null) return [0, 1];
	const spare = max === min ? Math.abs(max) * 0.1 || 1 : (max - min) * 0.08;
	return [min >= 0 && min - spare < 0 ? 0 : min - spare, max + spare];
}

function times(lang: string, splits: readonly number[], step: number): string[] {
	const parts: Intl.DateTimeFormatOptions =
		step < 60 ? { hour: "numeric", minute: "2-digit", second: "2-digit" } : step < 86400 ? { hour: "numeric", minute: "2-digit" } : step < 28 * 86400 ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
	const format = new Intl.DateTimeFormat(locale(lang), parts);
	const midnight = new Intl.DateTimeFormat(locale(lang), { day: "numeric", month: "short" });
	return splits.map((at) => {
		const date = new Date(at * 1000);
		return step >= 60 && step < 86400 && date.getHours() === 0 && date.getMinutes() === 0 ? midnight.format(date) : format.format(date);
	});
}

function font(place: HTMLElement): string {
	return `13px ${getComputedStyle(place).fontFamily || "sans-serif"}`;
}

/** Keeps the size and the colours of the page. */
function follow(chart: uPlot, place: HTMLElement, signal: AbortSignal): void {
	const sizes = new ResizeObserver(() => {
		const now = size(place);
		if (now.width !== chart.width || now.height !== chart.height) chart.setSize(now);
	});
	sizes.observe(place);
	const redraw = (): void => chart.redraw(false, true);
	for (const query of ["(prefers-color-scheme: dark)", "print"]) window.matchMedia(query).addEventListener("change", redraw, { signal });
	signal.addEventListener("abort", () => {
		sizes.disconnect();
		chart.destroy();
	}, { once: true });
}
