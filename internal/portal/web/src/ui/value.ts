// A value, opened: the elements in which it is shown, and only there.

import type { Affordance, Point } from "../engine/api.gen";
import type { Formats } from "../lib/format";
import { fill, h, text } from "../lib/h";
import { clean } from "../lib/untrusted";
import type { T } from "../lib/words";

/** What turns a point into words. */
export interface Reading {
	readonly t: T;
	readonly fmt: Formats;
}

/** A value in words, without its unit. Numbers are written as the language does. */
export function valueText({ t, fmt }: Reading, point: Point | undefined, exact = false): string {
	if (!point) return "–";
	if (typeof point.number === "number") return exact ? fmt.exact(point.number) : fmt.number(point.number);
	const value: unknown = point.value;
	if (value === undefined || value === null) return t("web.value.none");
	if (typeof value === "boolean") return t(value ? "web.value.on" : "web.value.off");
	if (typeof value === "string") return clean(value, exact ? 500 : 60);
	return clean(JSON.stringify(value), exact ? 500 : 60);
}

/** The last value, large, with its unit: <primum-value>. */
export class ValueElement extends HTMLElement {
	private readonly figure = h("bdi", { class: "figure" });
	private readonly unit = h("bdi", { class: "unit" });

	/** Shows a point of an affordance; the same point again changes nothing. */
	show(reading: Reading, affordance: Affordance, point: Point | undefined): void {
		if (!this.firstChild) {
			this.classList.add("value");
			fill(this, this.figure, " ", this.unit);
		}
		const words = valueText(reading, point);
		text(this.figure, words);
		this.classList.toggle("long", words.length > 12);
		text(this.unit, point && typeof point.number === "number" ? clean(affordance.unit ?? "", 16) : "");
	}
}

/** How old a value is: <primum-age>. */
export class AgeElement extends HTMLElement {
	private readonly time = h("time");
	private at = 0;

	set(reading: Reading, point: Point | undefined): void {
		if (!this.firstChild) this.append(this.time);
		this.at = (point && Date.parse(point.at)) || 0;
		if (point) this.time.dateTime = point.at;
		this.time.title = point ? reading.fmt.dateTime(point.at) : "";
		this.tick(reading, Date.now());
	}

	/** Writes the age anew if it reads differently; answers the age in milliseconds. */
	tick({ fmt, t }: Reading, now: number): number {
		const age = this.at === 0 ? Infinity : now - this.at;
		text(this.time, this.at === 0 ? t("web.value.never") : fmt.ago(new Date(this.at), now));
		return age;
	}
}

/** Registers the elements, once. */
export function defineValues(): void {
	if (customElements.get("primum-value")) return;
	customElements.define("primum-value", ValueElement);
	customElements.define("primum-age", AgeElement);
}
