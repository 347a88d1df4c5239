// A plot by keyboard: arrows go from value to value, Page keys ten at once, Home
// and End to the ends; plus and minus zoom, 0 shows all.

import type uPlot from "uplot";
import type { Series } from "./series";

/** Binds the keys to the place of the plot. */
export function keys(chart: uPlot, place: HTMLElement, series: Series, whole: () => void, signal: AbortSignal): void {
	place.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey || series.size === 0) return;
		const at = chart.cursor.idx ?? series.size;
		const next = target(event.key, at, series.size);
		if (next !== undefined) go(chart, series, next);
		else if (event.key === "+" || event.key === "-") zoom(chart, series, event.key === "+" ? 0.5 : 2, chart.cursor.idx ?? series.size - 1);
		else if (event.key === "0") whole();
		else return;
		event.preventDefault();
	}, { signal });
	place.addEventListener("blur", () => chart.setCursor({ left: -10, top: -10 }), { signal });
}

function target(key: string, at: number, size: number): number | undefined {
	const steps: Readonly<Record<string, number>> = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: size - 1 };
	const next = steps[key];
	return next === undefined ? undefined : Math.min(size - 1, Math.max(0, next));
}

/** Puts the cursor on a value; what is outside the shown part is brought in. */
function go(chart: uPlot, series: Series, i: number): void {
	const x = series.xs[i], y = series.ys[i];
	if (x === undefined) return;
	const { min, max } = chart.scales["x"] ?? {};
	if (min !== undefined && max !== undefined && (x < min || x > max)) {
		const half = (max - min) / 2;
		chart.setScale("x", { min: x - half, max: x + half });
	}
	chart.setCursor({ left: chart.valToPos(x, "x"), top: y === null || y === undefined ? 0 : chart.valToPos(y, "y") });
}

function zoom(chart: uPlot, series: Series, factor: number, i: number): void {
	const { min, max } = chart.scales["x"] ?? {};
	const middle = series.xs[i], first = series.xs[0], last = series.xs.at(-1);
	if (min === undefined || max === undefined || middle === undefined || first === undefined || last === undefined) return;
	const half = Math.max(1, ((max - min) / 2) * factor);
	chart.setScale("x", { min: Math.max(first, middle - half), max: Math.min(last, middle + half) });
}
