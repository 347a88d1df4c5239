// The values of one affordance that are on the page now, in time order.

import type { Affordance, Point } from "../engine/api.gen";
import type { Formats } from "../lib/format";
import { clean } from "../lib/untrusted";
import { valueText, type Reading } from "./value";

const most = 5000; // points held; older ones are asked for again when wanted

/** Columns as a plot wants them, and what is no number as text. */
export class Series {
	/** Seconds since the epoch. */
	xs: number[] = [];
	/** Numbers; null where nothing was measured or where it is no number. */
	ys: (number | null)[] = [];
	private points: Point[] = [];

	constructor(readonly affordance: Affordance) {}

	get size(): number {
		return this.points.length;
	}

	/** Whether there is something to draw a line of. */
	get drawable(): boolean {
		return this.ys.some((y) => y !== null);
	}

	get last(): Point | undefined {
		return this.points.at(-1);
	}

	point(i: number): Point | undefined {
		return this.points[i];
	}

	/** Takes a whole range, oldest first. */
	reset(points: readonly Point[]): void {
		this.points = points.filter((point) => Number.isFinite(seconds(point))).slice(-most);
		this.xs = this.points.map(seconds);
		this.ys = this.points.map(figure);
	}

	/** Adds a newer point; false if it is not newer. */
	add(point: Point): boolean {
		const x = seconds(point);
		if (!(x > (this.xs.at(-1) ?? -Infinity))) return false; // also what is no time
		this.points.push(point);
		this.xs.push(x);
		this.ys.push(figure(point));
		// A fifth at once, not one for one: that would move everything each time.
		if (this.points.length > most) for (const column of [this.points, this.xs, this.ys]) column.splice(0, most / 5);
		return true;
	}

	/** Least and greatest number. */
	extent(): readonly [number, number] | undefined {
		let least = Infinity, greatest = -Infinity;
		for (const y of this.ys) {
			if (y === null) continue;
			least = Math.min(least, y);
			greatest = Math.max(greatest, y);
		}
		return least <= greatest ? [least, greatest] : undefined;
	}

	/** All of it as RFC 4180, times in UTC. */
	csv(): string {
		const { ref, unit } = this.affordance;
		const head = "time," + quoted(unit ? `${ref.name} (${unit})` : ref.name);
		return [head, ...this.points.map((point) => `${new Date(point.at).toISOString()},${cell(point)}`), ""].join("\r\n");
	}
}

function seconds(point: Point): number {
	return Date.parse(point.at) / 1000;
}

function figure(point: Point): number | null {
	if (typeof point.number === "number" && Number.isFinite(point.number)) return point.number;
	return typeof point.value === "boolean" ? Number(point.value) : null;
}

function cell(point: Point): string {
	if (typeof point.number === "number") return String(point.number);
	const value: unknown = point.value;
	if (value === undefined || value === null) return "";
	return quoted(typeof value === "string" ? value : JSON.stringify(value));
}

/** A text of a thing must not become a formula in somebody's spreadsheet. */
function quoted(text: string): string {
	const inert = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
	return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

/** A value with its unit. */
export function withUnit(reading: Reading, affordance: Affordance, point: Point | undefined, exact = false): string {
	const words = valueText(reading, point, exact);
	const unit = typeof point?.number === "number" ? clean(affordance.unit ?? "", 16) : "";
	return unit === "" ? words : `${words} ${unit}`;
}

/** A number of this affordance with its unit. */
export function numberWithUnit(fmt: Formats, affordance: Affordance, n: number): string {
	const unit = clean(affordance.unit ?? "", 16);
	return unit === "" ? fmt.number(n) : `${fmt.number(n)} ${unit}`;
}
