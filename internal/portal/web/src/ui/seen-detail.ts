// What stands behind a dot: which grant, which of their devices, how much, from
// when to when, and what proves it.
import type { GrantInfo, SeenDay, SeenRow } from "../engine/api.gen";
import { locale } from "../lib/format";
import { h, type Child } from "../lib/h";
import { bdi } from "../lib/untrusted";
import { fineWords, purposeWords } from "./consent-fine";
import { facts, otherName } from "./consent-parts";
import type { Ctx } from "./ctx";
import { rowsOf, type Pick, type Week } from "./seen-dots";

/** The panel of what was chosen. */
export function detail(ctx: Ctx, week: Week, grants: readonly GrantInfo[], pick: Pick): HTMLElement {
	const told = week.days.find((c) => c.day === pick.day)?.told;
	const rows = rowsOf(told, pick.party);
	const heading = pick.party ? ctx.t("seen.detail", { Who: pick.party.name, Day: week.name(pick.day) }) : week.name(pick.day);
	const ids = [...new Set(rows.map((r) => r.grant))];
	const parts = ids.map((id) => section(ctx, grants.find((g) => g.id === id), rows.filter((r) => r.grant === id), !pick.party));
	return h("section", { class: "card stack seen-detail", test: "seen-detail" }, h("h2", null, heading), told ? proof(ctx, told) : null, parts);
}

/** How far the day is proved, in a sentence, and what it is proved by. */
function proof(ctx: Ctx, day: SeenDay): Child {
	const { t, fmt } = ctx;
	const blanks = { Time: day.due ? fmt.dateTime(day.due) : "", Index: (day.index ?? 0) + 1, Size: day.size ?? 0, Node: ctx.status?.node ?? "" };
	const words = day.state === "broken" ? t("seen.why." + (day.why ?? "rows")) : t("seen.say." + day.state, blanks);
	const names = day.witnesses ?? [];
	return h("div", { class: "stack" }, h("p", { class: day.state === "broken" ? "problem" : "", test: "seen-proof" }, words),
		facts([t("seen.root"), day.root ? h("code", { dir: "ltr", class: "root" }, day.root) : null], [t("seen.witnesses"), names.length > 0 ? h("bdi", null, fmt.list(names)) : null]));
}

/** One grant's share of the day. */
function section(ctx: Ctx, grant: GrantInfo | undefined, rows: readonly SeenRow[], named: boolean): HTMLElement {
	const { t } = ctx;
	const head = grant ? [facts([t("seen.for"), bdi(purposeWords(ctx.t, grant.purpose), 200)], [t("seen.fine"), grant.shared.map((s) => h("div", null, bdi(s.path, 80), " · ", fineWords(ctx.t, ctx.lang, s.precision)))])] : [h("p", { class: "soft" }, t("seen.unknownMore"))];
	return h("section", { class: "stack", test: "seen-grant" }, named && grant ? h("h3", null, bdi(otherName(ctx, grant), 64)) : null, head, table(ctx, rows, grant ? otherName(ctx, grant) : ""),
		grant ? h("p", null, h("a", { href: "#/grant/" + encodeURIComponent(grant.id), test: "seen-to-grant" }, t("seen.toGrant"))) : null);
}

function table(ctx: Ctx, rows: readonly SeenRow[], who: string): HTMLElement {
	const { t, fmt, lang } = ctx;
	const time = new Intl.DateTimeFormat(locale(lang), { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
	const size = new Intl.NumberFormat(locale(lang), { style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
	const head = ["device", "got", "size", "sent", "time"].map((id) => h("th", { scope: "col", class: id === "device" ? "" : `end col-${id}` }, t("seen.col." + id)));
	const lines = rows.map((r) => h("tr", { test: "seen-row" }, h("th", { scope: "row" }, r.name ? bdi(r.name, 64) : h("span", { class: "soft", title: r.client }, t("seen.unnamed"))),
		h("td", { class: "end" }, fmt.exact(r.deliveries)), h("td", { class: "end col-size" }, size.format(r.bytes / 1000)), h("td", { class: "end" }, fmt.exact(r.actions)),
		h("td", { class: "end" }, r.first === r.last ? time.format(new Date(r.first)) : time.formatRange(new Date(r.first), new Date(r.last)))));
	return h("div", { class: "table-scroll", tabindex: 0, role: "group", "aria-label": t("seen.table", { Who: who }) }, h("table", { class: "seen-rows" }, h("thead", null, h("tr", null, head)), h("tbody", null, lines)));
}
