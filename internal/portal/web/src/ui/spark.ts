// A sparkline: the last while at a glance, without axes. The number beside it
// and the table behind it say the same to those who don't see it.

import type { Point } from "../engine/api.gen";
import { svg } from "../lib/h";

const width = 240;
const height = 48;
const room = 3; // for the stroke and the last dot
const most = 60; // points kept

interface Sample {
	readonly at: number;
	readonly n: number | undefined;
}

/** <primum-spark>: holds its numbers, draws one path. */
export class SparkElement extends HTMLElement {
	private samples: Sample[] = [];
	private readonly line = svg("path", { class: "line" });
	private readonly area = svg("path", { class: "area" });
	private readonly dot = svg("circle", { class: "dot", r: 2.5 });

	/** Shows these points, oldest first. */
	show(points: readonly Point[]): void {
		if (!this.firstChild) this.build();
		this.samples = points.slice(-most).map(sample).filter((s) => Number.isFinite(s.at));
		this.draw();
	}

	/** Adds a newer point. */
	add(point: Point): void {
		const next = sample(point);
		const last = this.samples.at(-1);
		if (!Number.isFinite(next.at) || (last && next.at <= last.at)) return;
		this.samples.push(next);
		if (this.samples.length > most) this.samples.shift();
		this.draw();
	}

	/** The median time between two values in milliseconds; undefined when there are too few to say. */
	usual: number | undefined;

	private build(): void {
		this.setAttribute("aria-hidden", "true");
		const frame = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", focusable: "false" }, this.area, this.line);
		this.append(frame, svg("svg", { class: "over", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMaxYMid meet", focusable: "false" }, this.dot));
	}

	private draw(): void {
		this.usual = median(this.samples);
		const known = this.samples.filter((s) => s.n !== undefined);
		this.toggleAttribute("data-empty", known.length < 2);
		if (known.length < 2) return;
		const place = scale(this.samples);
		const d = path(this.samples, place);
		this.line.setAttribute("d", d);
		const first = known[0], last = known.at(-1);
		if (!first || !last) return;
		this.area.setAttribute("d", d.includes("M", 1) ? "" : `${d}L${place(last)[0]} ${height}L${place(first)[0]} ${height}Z`);
		const [x, y] = place(last);
		this.dot.setAttribute("cx", String(x));
		this.dot.setAttribute("cy", String(y));
	}
}

function sample(point: Point): Sample {
	return { at: Date.parse(point.at), n: typeof point.number === "number" && Number.isFinite(point.number) ? point.number : undefined };
}

function median(samples: readonly Sample[]): number | undefined {
	if (samples.length < 5) return undefined;
	const gaps = samples.slice(1).map((s, i) => s.at - (samples[i]?.at ?? s.at));
	return gaps.sort((a, b) => a - b)[gaps.length >> 1];
}

type Place = (s: Sample) => readonly [number, number];

function scale(samples: readonly Sample[]): Place {
	const numbers = samples.flatMap((s) => (s.n === undefined ? [] : [s.n]));
	const least = Math.min(...numbers), greatest = Math.max(...numbers);
	const from = samples[0]?.at ?? 0, to = samples.at(-1)?.at ?? 1;
	const tall = height - 2 * room, wide = width - 2 * room;
	const flat = greatest === least;
	return ({ at, n }) => [
		round(room + (wide * (at - from)) / (to - from || 1)),
		round(flat ? height / 2 : room + tall * (1 - ((n ?? least) - least) / (greatest - least))),
	];
}

/** A path with gaps where nothing was measured. */
function path(samples: readonly Sample[], place: Place): string {
	let d = "";
	let pen = "M";
	for (const s of samples) {
		if (s.n === undefined) {
			pen = "M";
			continue;
		}
		d += pen + place(s).join(" ");
		pen = "L";
	}
	return d;
}

function round(n: number): number {
	return Math.round(n * 10) / 10;
}

/** Registers the element, once. */
export function defineSpark(): void {
	if (!customElements.get("primum-spark")) customElements.define("primum-spark", SparkElement);
}
