// How fine values are shared: the steps a person can choose, and what they are
// called. No page in here, so that it can be read at once.
import type { Precision } from "../engine/api.gen";
import { locale } from "../lib/format";
import type { T } from "../lib/words";

/** The clocks offered, finest first. "" is on change: no clock at all. */
const clocks = ["", "1s", "10s", "1m", "5m", "15m", "1h", "6h", "1d"];

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const unitNames: Readonly<Record<string, string>> = { s: "second", m: "minute", h: "hour", d: "day", w: "week" };

/** Seconds of a clock or delay such as "15m" or "1h30m"; 0 for none. */
export function seconds(clock: string | undefined): number {
	let sum = 0;
	for (const [, n, unit] of (clock ?? "").matchAll(/(\d+)([smhdw])/g)) sum += Number(n) * (unitSeconds[unit ?? ""] ?? 0);
	return sum;
}

/** The clocks a person may choose when someone asked for this precision: as
 * asked, or coarser in whole windows of it. Without a request: all. */
export function clocksFor(asked?: Precision): string[] {
	if (!asked || asked.change || !asked.every) return clocks;
	const least = seconds(asked.every);
	const coarser = clocks.filter((c) => seconds(c) > least && seconds(c) % least === 0);
	return [asked.every, ...coarser];
}

/** Steps to round to that make sense for values between min and max, never
 * finer than least; 0 means not rounded. */
export function roundsFor(min: number, max: number, least = 0): number[] {
	const span = max - min || Math.abs(max) || 1;
	const top = Math.floor(Math.log10(span));
	const steps = least > 0 ? [least] : [0];
	for (let k = top - 2; k <= top; k++) {
		const step = Number(`1e${k}`);
		if (step > least && step <= span / 2) steps.push(step);
	}
	return steps;
}

/** A precision with this clock; a clock needs a statistic, a change has none. */
export function withClock(p: Precision, clock: string, numeric: boolean): Precision {
	const { every: _every, change: _change, stat, ...rest } = p;
	if (clock === "") return { ...rest, change: true };
	return { ...rest, every: clock, stat: stat || (numeric ? "mean" : "last") };
}

/** The precision in words: "one average every 15 minutes, rounded to 0.5 °C". */
export function fineWords(t: T, lang: string, p: Precision, unit = ""): string {
	const parts = [p.change || !p.every ? t("consent.fine.change") : t(statSentence(p.stat), { Every: everyWords(t, lang, p.every) })];
	if (p.round) parts.push(t("consent.fine.round", { Step: withUnit(lang, p.round, unit) }));
	if (p.delay) parts.push(t("consent.fine.delay", { Time: spanWords(lang, p.delay) }));
	return parts.join(t("consent.comma"));
}

function statSentence(stat: string | undefined): string {
	return ["mean", "min", "max", "sum"].includes(stat ?? "") ? "consent.fine." + stat : "consent.fine.last";
}

/** "every 15 minutes", "every hour". */
export function everyWords(t: T, lang: string, clock: string): string {
	const one = /^1([smhdw])$/.exec(clock);
	if (one) return t("consent.every." + unitNames[one[1] ?? ""]);
	return t("consent.every.time", { Time: spanWords(lang, clock) });
}

/** "15 minutes", "1 hour, 30 minutes", in the page's language. */
export function spanWords(lang: string, clock: string): string {
	const parts = [...clock.matchAll(/(\d+)([smhdw])/g)].filter(([, n]) => Number(n) > 0).map(([, n, unit]) =>
		new Intl.NumberFormat(locale(lang), { style: "unit", unit: unitNames[unit ?? ""] ?? "second", unitDisplay: "long" }).format(Number(n)));
	return new Intl.ListFormat(locale(lang), { type: "unit" }).format(parts);
}

const englishUnits: Readonly<Record<string, string>> = { second: "s", minute: "m", hour: "h", day: "d", week: "w" };

/** A span that the engine said in English ("one day", "30 days"), in the page's
 * language; another text is somebody's own words and stays. */
export function spanSaid(lang: string, said: string): string {
	const [, count = "", unit = ""] = /^(one|\d+) (second|minute|hour|day|week)s?$/.exec(said) ?? [];
	return unit === "" ? said : spanWords(lang, (count === "one" ? "1" : count) + (englishUnits[unit] ?? ""));
}

/** A purpose in the page's language, where it is one of those that are offered. */
export function purposeWords(t: T, purpose: string): string {
	const id = "consent.purpose." + purpose.trim().toLowerCase().replaceAll(" ", "-");
	return t.has(id) ? t(id) : purpose;
}

/** A number with its unit, kept together. */
export function withUnit(lang: string, n: number, unit: string): string {
	const said = new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 6 }).format(n);
	return unit ? `${said}\u00a0${unit}` : said;
}

/** A sentence without the marks that isolate directions, for attributes and documents. */
export function plain(sentence: string): string {
	return sentence.replace(/[\u2066-\u2069]/g, "");
}
