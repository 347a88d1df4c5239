// A plot by finger: one finger reads values (up and down still scrolls the
// page), two zoom, two taps show all again.

import type uPlot from "uplot";

interface Touch {
	readonly id: number;
	readonly x: number;
}

/** Binds fingers to the place of the plot; a mouse is left to uPlot. */
export function fingers(chart: uPlot, place: HTMLElement, whole: () => void, signal: AbortSignal): void {
	let down: Touch[] = [];
	let tapped = 0;
	const left = (event: PointerEvent): number => event.clientX - chart.over.getBoundingClientRect().left;
	const isTouch = (event: PointerEvent): boolean => event.pointerType === "touch";
	place.addEventListener("pointerdown", (event) => {
		if (!isTouch(event)) return;
		down = [...down, { id: event.pointerId, x: left(event) }];
		if (down.length === 1 && event.timeStamp - tapped < 300) whole();
		tapped = event.timeStamp;
		read(chart, left(event));
	}, { signal });
	place.addEventListener("pointermove", (event) => {
		if (!isTouch(event)) return;
		const moved = down.map((t) => (t.id === event.pointerId ? { id: t.id, x: left(event) } : t));
		if (moved.length === 2) pinch(chart, down, moved);
		else read(chart, left(event));
		down = moved;
	}, { signal });
	for (const end of ["pointerup", "pointercancel"] as const) {
		place.addEventListener(end, (event) => {
			down = down.filter((t) => t.id !== event.pointerId);
		}, { signal });
	}
}

function read(chart: uPlot, left: number): void {
	chart.setCursor({ left, top: 10 });
}

/** Keeps the two moments under the two fingers where the fingers are now. */
function pinch(chart: uPlot, before: readonly Touch[], after: readonly Touch[]): void {
	const [a, b] = before, [c, d] = after;
	if (!a || !b || !c || !d || Math.abs(c.x - d.x) < 8) return;
	const ta = chart.posToVal(a.x, "x"), tb = chart.posToVal(b.x, "x");
	const perPixel = (tb - ta) / (d.x - c.x);
	if (!(perPixel > 0)) return;
	const min = ta - c.x * perPixel;
	chart.setScale("x", { min, max: min + chart.over.clientWidth * perPixel });
}
