// The time of a grant as a bar: from its start to its end, with a mark at now.
import type { GrantInfo } from "../engine/api.gen";
import { locale } from "../lib/format";
import { h } from "../lib/h";
import type { Ctx } from "./ctx";
import { dayWords, lastDay } from "./consent-until";

/** How much of a span is over, 0 to 1. */
export function share(from: number, until: number, now: number): number {
	if (!(until > from)) return now >= until ? 1 : 0;
	return Math.min(1, Math.max(0, (now - from) / (until - from)));
}

/** The bar; its words are what a screen reader says of it. */
export function spanBar(ctx: Ctx, g: Pick<GrantInfo, "from" | "until" | "state">): HTMLElement {
	const { t, lang } = ctx;
	const now = new Date();
	const from = new Date(g.from), until = new Date(g.until);
	const over = g.state === "ended" || g.state === "declined";
	const fill = h("span", { class: "span-fill" }), mark = h("span", { class: "span-now" });
	const gone = share(from.getTime(), until.getTime(), now.getTime());
	// Through the object model: the page's policy allows no style attributes.
	fill.style.setProperty("--share", `${(gone * 100).toFixed(1)}%`);
	mark.style.setProperty("--share", `${(gone * 100).toFixed(1)}%`);
	const ends = h("div", { class: "span-ends" }, h("span", { class: "span-from" }, shortDay(ctx.lang, from, now)), h("span", { class: "span-until" }, over ? t("consent.bar.was", { Date: dayWords(lang, until, now) }) : t("consent.bar.until", { Date: dayWords(lang, until, now), Left: leftWords(ctx, until, now) })));
	return h("div", { class: "span", test: "span" }, h("div", { class: over ? "span-bar over" : "span-bar", "aria-hidden": "true" }, fill, over ? null : mark), ends);
}

/** "Nov 20", with the year when it is another one. */
function shortDay(lang: string, d: Date, now: Date): string {
	return new Intl.DateTimeFormat(locale(lang), { day: "numeric", month: "short", year: d.getFullYear() === now.getFullYear() ? undefined : "numeric" }).format(d);
}

/** Nights between two moments; summer time makes some days 23 or 25 hours long. */
function calendarDays(from: Date, to: Date): number {
	const noon = (d: Date): number => new Date(d.getFullYear(), d.getMonth(), d.getDate(), 12).getTime();
	return Math.round((noon(to) - noon(from)) / 86_400_000);
}

/** "in 6 days": how long it still runs. */
export function leftWords(ctx: Ctx, until: Date, now: Date): string {
	const seconds = (until.getTime() - now.getTime()) / 1000;
	const format = new Intl.RelativeTimeFormat(locale(ctx.lang), { numeric: "auto" });
	const days = calendarDays(now, lastDay(until));
	if (days !== 0) return format.format(days, "day");
	if (Math.abs(seconds) < 90 * 60) return format.format(Math.round(seconds / 60), "minute");
	return format.format(Math.round(seconds / 3600), "hour");
}
