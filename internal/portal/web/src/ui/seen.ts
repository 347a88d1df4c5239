// Page D: who saw what. A week of dots per party, the chain of proofs below
// them, and what stands behind a dot.
import type { GrantInfo, Seen, SeenDay } from "../engine/api.gen";
import { busy } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { consentTabs, saveFile } from "./consent-parts";
import type { Ctx, Routes } from "./ctx";
import { fillWith, page, skeleton, state } from "./page";
import { detail } from "./seen-detail";
import { dots, keyOf, partiesOf, weekOf, type Pick, type Week } from "./seen-dots";

export const routes: Routes = {
	seen: { view: seenView, title: "seen.title", tab: "consent" },
};

const dayMs = 86_400_000;

/** The week that ends with the day in args, else with today, of UTC. */
function seenView(ctx: Ctx, args: string[]): HTMLElement {
	const place = h("div", { class: "stack wide-gap", test: "seen" }, skeleton(ctx, 3, "row"));
	const last = /^\d{4}-\d\d-\d\d$/.test(args[0] ?? "") ? (args[0] ?? "") : "";
	const board = new Board(ctx, last);
	const load = (): void => void fillWith(ctx, place, () => board.make());
	if (last === "") everyMinute(ctx, () => void board.renew(place));
	load();
	return page(ctx, { heading: ctx.t("seen.title"), class: "consent seen" }, consentTabs(ctx, "seen"), place);
}

/** Runs until the view is left; a page that nobody looks at asks nothing. */
function everyMinute(ctx: Ctx, run: () => void): void {
	const timer = setInterval(() => {
		if (document.visibilityState === "visible") run();
	}, 60_000);
	ctx.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

function exportButton(ctx: Ctx, last: string): HTMLElement {
	const button = h("button", { type: "button", class: "seen-save", test: "seen-export" }, icon("down"), h("span", null, ctx.t("seen.export")));
	button.addEventListener("click", () => void busy(button, async () => {
		try {
			const file = await ctx.engine.call("seen.export", { ...(last ? { day: last } : {}), days: 31 });
			saveFile(file.name, "application/json", file.content);
			ctx.toast("seen.exported");
		} catch (error) {
			ctx.failed(error);
		}
	}));
	return button;
}

class Board {
	private picked: Pick | undefined;
	private readonly panel = h("div", { "aria-live": "polite", test: "seen-panel" });

	constructor(
		private readonly ctx: Ctx,
		private readonly last: string,
	) {}

	async make(): Promise<Child> {
		const [seen, grants] = await Promise.all([this.ctx.engine.call("seen", { ...(this.last ? { day: this.last } : {}), days: 7 }), this.ctx.engine.call("grants")]);
		return this.show(seen, grants);
	}

	/** Asks once more; what is there stays if nobody answers. */
	async renew(place: HTMLElement): Promise<void> {
		const focus = document.activeElement?.getAttribute("data-key");
		const made = await this.make().catch(() => undefined);
		if (!made || this.ctx.signal.aborted) return;
		fill(place, made);
		if (focus) place.querySelector<HTMLElement>(`[data-key="${CSS.escape(focus)}"]`)?.focus();
	}

	private show(seen: Seen, grants: readonly GrantInfo[]): Child {
		const { ctx } = this;
		const week = weekOf(ctx, this.last || seen.at.slice(0, 10), seen);
		const parties = partiesOf(ctx, week, grants);
		const broken = seen.days.filter((d) => d.state === "broken");
		const table = parties.length === 0 ? null : dots(ctx, week, parties, this.picked && keyOf(this.picked), (pick, button) => this.pick(week, grants, pick, button));
		if (table && this.picked) this.pick(week, grants, this.picked);
		const lead = parties.length === 0 ? state("empty", "link", ctx.t("seen.none"), ctx.t("seen.noneMore")) : h("p", { class: "soft" }, ctx.t("seen.lead"));
		return [broken.length > 0 ? brokenBox(ctx, week, broken) : null, lead, table, this.ways(week), this.panel, exportButton(ctx, this.last), limits(ctx), h("p", { class: "soft small-text", test: "seen-at" }, ctx.t("seen.at", { Time: utc(ctx, seen.at) }))];
	}

	private pick(week: Week, grants: readonly GrantInfo[], pick: Pick, button?: HTMLElement): void {
		this.picked = pick;
		fill(this.panel, detail(this.ctx, week, grants, pick));
		for (const other of document.querySelectorAll('.dots [aria-pressed="true"]')) other.setAttribute("aria-pressed", "false");
		button?.setAttribute("aria-pressed", "true");
		if (button) this.panel.scrollIntoView({ block: "nearest" });
	}

	private ways(week: Week): HTMLElement {
		const { t } = this.ctx;
		const to = (ms: number): string => "#/seen/" + new Date(ms).toISOString().slice(0, 10);
		const first = Date.parse(week.days[0]?.day ?? ""), end = Date.parse(week.days.at(-1)?.day ?? ""), today = Math.floor(Date.now() / dayMs) * dayMs;
		const next = end + 7 * dayMs >= today ? "#/seen" : to(end + 7 * dayMs);
		return h("nav", { class: "seen-ways", "aria-label": t("seen.weeks") },
			h("a", { class: "button small", href: to(first - dayMs), test: "seen-earlier" }, t("seen.earlier")),
			h("span", { class: "soft small-text" }, week.span),
			end >= today ? h("span", { class: "button small off", "aria-hidden": "true" }, t("seen.later")) : h("a", { class: "button small", href: next, test: "seen-later" }, t("seen.later")));
	}
}

/** Said first, and loud: what a node changed afterwards. */
function brokenBox(ctx: Ctx, week: Week, broken: readonly SeenDay[]): HTMLElement {
	const lines = broken.map((d) => h("li", null, h("strong", null, week.name(d.day)), " ", ctx.t("seen.why." + (d.why ?? "rows"))));
	return h("section", { class: "problem seen-broken", role: "alert", test: "seen-broken" }, icon("broken"), h("div", null, h("h2", null, ctx.t("seen.broken.title")), h("ul", null, lines), h("p", null, ctx.t("seen.broken.more"))));
}

function limits(ctx: Ctx): HTMLElement {
	const lines = ["omit", "could", "sealed", "crash", "witness", "kept"].map((id) => h("li", null, ctx.t("seen.limits." + id)));
	return h("details", { test: "seen-limits" }, h("summary", null, ctx.t("seen.limits.title")), h("ul", { class: "stack" }, lines));
}

/** A moment as the days are told: in UTC. */
export function utc(ctx: Ctx, at: string): string {
	return new Intl.DateTimeFormat(ctx.lang + "-u-nu-latn", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }).format(new Date(at)) + " UTC";
}

