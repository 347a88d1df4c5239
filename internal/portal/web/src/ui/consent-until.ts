// Until when: as people say it, and as a date.
import { locale } from "../lib/format";

/** One answer to "until when?". */
export interface Until {
	readonly id: "today" | "tomorrow" | "sunday" | "week" | "month" | "date";
	readonly at: Date;
}

/** What is offered now: the end of today (of tomorrow, late in the evening),
 * the end of Sunday, in 7 and in 30 days, all at the end of a day here. */
export function untils(now: Date): Until[] {
	const late = now.getHours() >= 22;
	const toSunday = (7 - now.getDay()) % 7;
	const list: Until[] = [late ? { id: "tomorrow", at: endOfDay(now, 1) } : { id: "today", at: endOfDay(now, 0) }];
	if (toSunday > 1) list.push({ id: "sunday", at: endOfDay(now, toSunday) });
	return [...list, { id: "week", at: endOfDay(now, 7) }, { id: "month", at: endOfDay(now, 30) }];
}

/** The last second that counts of the day so many days after now: midnight. */
export function endOfDay(now: Date, days: number): Date {
	return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days + 1);
}

/** A date field's value ("2026-11-29") as the end of that day here. */
export function fromField(value: string): Date | undefined {
	const m = /^(\d{4})-(\d\d)-(\d\d)$/.exec(value);
	if (!m) return undefined;
	return new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3]) + 1);
}

/** The date as a date field holds it. */
export function toField(d: Date): string {
	const day = lastDay(d);
	const two = (n: number): string => String(n).padStart(2, "0");
	return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** "Sunday, 29 November", with the year when it is another one. */
export function dayWords(lang: string, d: Date, now: Date): string {
	const day = lastDay(d);
	const year = day.getFullYear() === now.getFullYear() ? undefined : "numeric";
	return new Intl.DateTimeFormat(locale(lang), { weekday: "long", day: "numeric", month: "long", year }).format(day);
}

/** A midnight belongs to the day that it ends. */
export function lastDay(d: Date): Date {
	const midnight = d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0;
	return midnight ? new Date(d.getTime() - 1000) : d;
}
