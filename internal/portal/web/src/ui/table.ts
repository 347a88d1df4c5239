// The same values as a table: for screen readers, for keeping, for who likes
// numbers better than lines.

import { fill, h } from "../lib/h";
import { icon } from "../lib/icons";
import { clean } from "../lib/untrusted";
import type { Ctx } from "./ctx";
import type { Series } from "./series";
import { valueText } from "./value";

const few = 50; // rows at first
const more = 200; // rows per press

export interface Table {
	readonly element: HTMLElement;
	/** Shows what the series has now, newest first. */
	update(whole: boolean): void;
}

/** Makes the table of a series, with its values to copy or to download. */
export function makeTable(ctx: Ctx, series: Series, name: string): Table {
	const body = h("tbody");
	const count = h("p", { class: "soft small-text", test: "table-count" });
	const next = h("button", { type: "button", class: "small", hidden: true, test: "table-more" }, ctx.t("web.table.more"));
	const buttons = tools(ctx, series, name);
	let rows = few;
	let newest: number | undefined;
	const settle = (): void => {
		newest = series.xs.at(-1);
		next.hidden = series.size <= rows;
		buttons.hidden = series.size === 0;
		count.textContent = ctx.t("web.table.count", { N: series.size });
	};
	const draw = (): void => {
		fill(body, indices(series.size, rows).map((i) => row(ctx, series, i)));
		settle();
	};
	next.addEventListener("click", () => {
		rows += more;
		draw();
	});
	const grow = (): void => {
		const fresh = indices(series.size, rows).filter((i) => (series.xs[i] ?? 0) > (newest ?? -Infinity));
		body.prepend(...fresh.map((i) => row(ctx, series, i)));
		while (body.childElementCount > rows) body.lastElementChild?.remove();
		settle();
	};
	const unit = clean(series.affordance.unit ?? "", 16);
	const head = h("thead", null, h("tr", null, h("th", { scope: "col" }, ctx.t("web.table.time")), h("th", { scope: "col", class: "end" }, ctx.t("web.table.value"), unit ? [" ", h("bdi", null, unit)] : null)));
	const scroll = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": ctx.t("web.table.name") }, h("table", { test: "table" }, head, body), next);
	const element = h("section", { class: "card stack table-card" }, h("div", { class: "section-head" }, h("h2", null, ctx.t("web.table.name")), count), scroll, buttons);
	return { element, update: (whole) => (whole || newest === undefined ? draw() : grow()) };
}

function indices(size: number, rows: number): number[] {
	return Array.from({ length: Math.min(size, rows) }, (_, i) => size - 1 - i);
}

function row(ctx: Ctx, series: Series, i: number): HTMLElement {
	const point = series.point(i);
	if (!point) return h("tr");
	return h("tr", null, h("td", null, h("time", { datetime: point.at }, ctx.fmt.dateTimeExact(point.at))), h("td", { class: "end" }, h("bdi", null, valueText(ctx, point, true))));
}

function tools(ctx: Ctx, series: Series, name: string): HTMLElement {
	const copy = async (): Promise<void> => {
		try {
			await navigator.clipboard.writeText(series.csv());
			ctx.toast("web.table.copied", { N: series.size });
		} catch {
			ctx.toast("web.table.notCopied");
		}
	};
	return h(
		"div",
		{ class: "row-actions" },
		h("button", { type: "button", class: "small", test: "csv-copy", on: { click: () => void copy() } }, icon("copy"), ctx.t("web.table.copy")),
		h("button", { type: "button", class: "small", test: "csv-save", on: { click: () => save(series, name) } }, icon("down"), ctx.t("web.table.save")),
	);
}

/** Hands the values over as a file; nothing is sent anywhere. */
function save(series: Series, name: string): void {
	const url = URL.createObjectURL(new Blob([series.csv()], { type: "text/csv;charset=utf-8" }));
	const file = clean(name, 60).replace(/[^\p{L}\p{N}]+/gu, "-") || "values";
	h("a", { href: url, download: file + ".csv" }).click();
	window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
