// The dots: one row per party, one column per day, and below them how far each
// day is proved.
import type { GrantInfo, Seen, SeenDay, SeenRow } from "../engine/api.gen";
import { locale } from "../lib/format";
import { h, type Child } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { otherName } from "./consent-parts";
import type { Ctx } from "./ctx";

/** Seven days, the oldest first, with what was told of them. */
export interface Week {
	readonly days: readonly Column[];
	/** "16 – 22 Nov". */
	readonly span: string;
	/** A day in words: "Mon, Nov 16". */
	name(day: string): string;
}

export interface Column {
	readonly day: string;
	readonly told: SeenDay | undefined;
}

/** Somebody who got something, or could have. */
export interface Party {
	readonly key: string;
	readonly name: string;
	readonly account: string;
	readonly grants: ReadonlySet<string>;
}

/** What was chosen: a day, of one party or of all. */
export interface Pick {
	readonly day: string;
	readonly party: Party | undefined;
}

/** Tells choices apart, from one drawing to the next. */
export function keyOf({ day, party }: Pick): string {
	return party ? `${day} ${party.key}` : day;
}

export function weekOf(ctx: Ctx, last: string, seen: Seen): Week {
	const end = Date.parse(last);
	const days = Array.from({ length: 7 }, (_, i) => new Date(end - (6 - i) * 86_400_000).toISOString().slice(0, 10));
	const name = format(ctx, { weekday: "short", day: "numeric", month: "short" });
	const range = new Intl.DateTimeFormat(locale(ctx.lang), { day: "numeric", month: "short", timeZone: "UTC" });
	return {
		days: days.map((day) => ({ day, told: seen.days.find((d) => d.day === day) })),
		span: range.formatRange(Date.parse(days[0] ?? last), end),
		name,
	};
}

function format(ctx: Ctx, options: Intl.DateTimeFormatOptions): (day: string) => string {
	const f = new Intl.DateTimeFormat(locale(ctx.lang), { ...options, timeZone: "UTC" });
	return (day) => f.format(Date.parse(day));
}

/** Everybody who got something in the week, and everybody who still could. */
export function partiesOf(ctx: Ctx, week: Week, grants: readonly GrantInfo[]): Party[] {
	const rows = new Set(week.days.flatMap((c) => c.told?.rows ?? []).map((r) => r.grant));
	const parties = new Map<string, { name: string; account: string; grants: Set<string> }>();
	for (const g of grants) {
		if (!g.own || !(rows.has(g.id) || g.state === "running")) continue;
		const party = parties.get(g.other) ?? { name: otherName(ctx, g), account: g.guest ? "" : g.other, grants: new Set<string>() };
		party.grants.add(g.id);
		parties.set(g.other, party);
	}
	const known = new Set(grants.map((g) => g.id));
	const strange = [...rows].filter((id) => !known.has(id));
	if (strange.length > 0) parties.set("", { name: ctx.t("seen.unknown"), account: "", grants: new Set(strange) });
	return [...parties].map(([key, p]) => ({ key, ...p }));
}

/** The rows of a day that are of a party; without one, all. */
export function rowsOf(told: SeenDay | undefined, party: Party | undefined): readonly SeenRow[] {
	return (told?.rows ?? []).filter((r) => !party || party.grants.has(r.grant));
}

/** The table; chosen is the key of what is chosen already. picked is called with what is then. */
export function dots(ctx: Ctx, week: Week, parties: readonly Party[], chosen: string | undefined, picked: (pick: Pick, button: HTMLElement) => void): HTMLElement {
	const weekday = format(ctx, { weekday: "narrow" }), date = format(ctx, { day: "numeric" });
	const head = week.days.map(({ day }) => h("th", { scope: "col" }, h("span", { "aria-hidden": "true" }, weekday(day), h("b", null, date(day))), h("span", { class: "only-read" }, week.name(day))));
	const most = Math.max(1, ...parties.flatMap((p) => week.days.map((c) => sum(rowsOf(c.told, p)))));
	const body = parties.map((p) => h("tr", { test: "seen-party" }, h("th", { scope: "row" }, bdi(p.name, 64), p.account && p.account !== p.name ? h("small", null, bdi(p.account, 96)) : null),
		week.days.map((c) => h("td", null, dot(ctx, week, c, p, most, chosen, picked)))));
	const chain = h("tr", { class: "chain" }, h("th", { scope: "row" }, ctx.t("seen.chain")), week.days.map((c) => h("td", null, link(ctx, week, c, chosen, picked))));
	return h("div", { class: "card dots-card" }, h("table", { class: "dots", test: "dots" }, h("caption", { class: "only-read" }, ctx.t("seen.caption", { Span: week.span })),
		h("thead", null, h("tr", null, h("td"), head)), h("tbody", null, body), h("tfoot", null, chain)));
}

/** What passed: deliveries, and messages of theirs. */
export function sum(rows: readonly SeenRow[]): number {
	return rows.reduce((n, r) => n + r.deliveries + r.actions, 0);
}

function dot(ctx: Ctx, week: Week, { day, told }: Column, party: Party, most: number, chosen: string | undefined, picked: (pick: Pick, button: HTMLElement) => void): Child {
	const rows = rowsOf(told, party), n = sum(rows);
	const words = ctx.t(n === 0 ? "seen.dot.none" : "seen.dot", { Who: party.name, Day: week.name(day), N: rows.reduce((m, r) => m + r.deliveries, 0) });
	if (n === 0) return h("span", { class: "no-dot" }, h("span", { class: "only-read" }, words));
	// By the logarithm: once a day is seen beside once a second.
	const size = 1 + Math.round((3 * Math.log1p(n)) / Math.log1p(most));
	const button = h("button", { type: "button", class: `dot d${size}${told?.state === "broken" ? " broken" : ""}`, "aria-label": words, "aria-pressed": String(chosen === keyOf({ day, party })), title: words, "data-key": keyOf({ day, party }), test: "dot" }, h("span", null));
	button.addEventListener("click", () => picked({ day, party }, button));
	return button;
}

const signs: Readonly<Record<string, Icon>> = { proved: "link", waiting: "clock", unlogged: "away", broken: "broken", open: "open" };

/** One link of the chain: how far a day is proved. */
function link(ctx: Ctx, week: Week, { day, told }: Column, chosen: string | undefined, picked: (pick: Pick, button: HTMLElement) => void): Child {
	if (!told) return h("span", { class: "no-dot" }, h("span", { class: "only-read" }, ctx.t("seen.chain.none", { Day: week.name(day) })));
	const words = ctx.t("seen.chain.day", { Day: week.name(day), State: ctx.t("seen.state." + told.state) });
	const button = h("button", { type: "button", class: `chain-link ${told.state}`, "aria-label": words, "aria-pressed": String(chosen === keyOf({ day, party: undefined })), title: words, "data-key": keyOf({ day, party: undefined }), test: `chain-${told.state}` }, icon(signs[told.state] ?? "open"));
	button.addEventListener("click", () => picked({ day, party: undefined }, button));
	return button;
}
