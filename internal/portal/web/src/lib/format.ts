// Numbers, dates and spans as the page's language writes them.

export interface Formats {
	/** A measured number: as fine as is readable at a glance. */
	number(n: number): string;
	/** The same number as fine as a table needs it; files have all of it. */
	exact(n: number): string;
	date(at: string | Date): string;
	time(at: string | Date): string;
	dateTime(at: string | Date): string;
	/** With seconds. */
	dateTimeExact(at: string | Date): string;
	/** "now", "12s ago", "3h ago"; dates that come read "in 5 days". */
	ago(at: string | Date, present?: number): string;
	/** A span in its largest fitting unit: "4 minutes". */
	span(seconds: number): string;
	list(items: readonly string[]): string;
}

const steps: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
	["year", 365 * 86400],
	["month", 30 * 86400],
	["day", 86400],
	["hour", 3600],
	["minute", 60],
	["second", 1],
];

/** The language with Latin digits: values, codes and axes are then read alike
 * everywhere on the page. */
export function locale(lang: string): string {
	return new Intl.Locale(lang, { numberingSystem: "latn" }).toString();
}

/** Makes the formats of a language. */
export function formats(language: string): Formats {
	const lang = locale(language);
	const numbers = [0, 1, 2, 3].map((n) => new Intl.NumberFormat(lang, { maximumFractionDigits: n }));
	const exact = new Intl.NumberFormat(lang, { maximumSignificantDigits: 7 });
	const date = new Intl.DateTimeFormat(lang, { dateStyle: "medium" });
	const time = new Intl.DateTimeFormat(lang, { timeStyle: "medium" });
	const dateTime = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
	const dateTimeExact = new Intl.DateTimeFormat(lang, { dateStyle: "short", timeStyle: "medium" });
	const relative = new Intl.RelativeTimeFormat(lang, { numeric: "always", style: "narrow" });
	const now = new Intl.RelativeTimeFormat(lang, { numeric: "auto", style: "narrow" }).format(0, "second");
	const list = new Intl.ListFormat(lang, { type: "conjunction" });
	const digits = (n: number): number => (Math.abs(n) >= 1000 ? 0 : Math.abs(n) >= 100 ? 1 : Math.abs(n) >= 10 ? 2 : 3);
	// A date of somebody else may be none; that must stop nothing.
	const by = (format: Intl.DateTimeFormat) => (at: string | Date): string => {
		const when = new Date(at);
		return Number.isNaN(when.getTime()) ? "–" : format.format(when);
	};
	return {
		number: (n) => (numbers[digits(n)] ?? exact).format(n),
		exact: (n) => exact.format(n),
		date: by(date),
		time: by(time),
		dateTime: by(dateTime),
		dateTimeExact: by(dateTimeExact),
		ago: (at, present = Date.now()) => {
			const seconds = (new Date(at).getTime() - present) / 1000;
			if (Number.isNaN(seconds)) return "–";
			// A value of just now is not in the future: clocks differ a little.
			if (seconds > -1 && seconds < 5) return now;
			const [unit, size] = step(seconds);
			return relative.format(Math.trunc(seconds / size), unit);
		},
		span: (seconds) => {
			const [unit, size] = step(seconds);
			return new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 }).format(Math.abs(seconds) / size);
		},
		list: (items) => list.format(items),
	};
}

function step(seconds: number): readonly [Intl.RelativeTimeFormatUnit, number] {
	const size = Math.abs(seconds);
	return steps.find(([, least]) => size >= least) ?? ["second", 1];
}
