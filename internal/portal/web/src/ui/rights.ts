// What a person may ask of the node: see, take, object, stop, erase. Each is one
// step; a picture first: what of it the node can read.

import type { RightsCase, RightsHeld, RightsKind } from "../engine/api.gen";
import { openDialog } from "../lib/dialog";
import { busy, field } from "../lib/form";
import { fill, h, svg, text, type Child } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { endAccount, saveExport } from "./account-end";
import type { Ctx, Routes } from "./ctx";
import { fillWith, page, skeleton } from "./page";

export const routes: Routes = {
	rights: { view: rights, title: "rights.title", tab: "account", steady: true },
};

// What the node keeps sealed: it has no key to any of it.
const sealed: readonly string[] = ["messages", "inbox", "outbox", "keep"];
const remain: readonly string[] = ["name", "commitments", "given", "received", "backups", "others"];
const kinds: readonly string[] = [
	"account", "identities", "suspension", "key-packages", "keep", "inbox", "outbox", "homes", "given", "received", "refusals",
	"links", "notices", "labels", "sessions", "pushes", "seen", "cases", "things", "messages", ...remain,
];

function rights(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const cases = h("div", { class: "stack", test: "rights-cases" }, skeleton(ctx, 1, "row"));
	const load = (): void => void fillWith(ctx, cases, async () => list(ctx, await ctx.engine.call("rights.cases"), load));
	load();
	return page(ctx, { heading: t("rights.title"), back: "account", class: "narrow rights" },
		h("p", { class: "soft" }, t("rights.free")),
		held(ctx), take(ctx), stop(ctx), say(ctx, load),
		h("section", { class: "stack" }, h("h2", null, t("rights.cases")), cases),
		erase(ctx));
}

function part(sign: Icon, title: string, hint: string, ...more: Child[]): HTMLElement {
	return h("section", { class: "card stack" }, h("h2", { class: "row" }, icon(sign), h("span", null, title)), hint ? h("p", { class: "soft" }, hint) : null, ...more);
}

function held(ctx: Ctx): HTMLElement {
	const place = h("div", { class: "stack", test: "rights-held" }, skeleton(ctx, 2, "row"));
	void fillWith(ctx, place, async () => shown(ctx, await ctx.engine.call("rights.access")));
	return part("page", ctx.t("rights.see"), "", place);
}

function shown(ctx: Ctx, got: RightsHeld): Child {
	const { t } = ctx;
	if (got.holds.length === 0) return h("p", null, t("rights.see.none"));
	const rows = got.holds.map((k) => h("div", { class: "row", test: "held-" + k.what },
		icon(sealed.includes(k.what) ? "lock" : "page"),
		h("div", { class: "row-text" }, h("strong", null, name(ctx, k)), h("small", null, because(ctx, k))),
		h("span", { class: "count" }, ctx.fmt.number(k.count))));
	return [
		bar(ctx, got.holds), h("p", null, t("rights.see.sealed")),
		h("details", { test: "rights-all" }, h("summary", null, t("rights.see.go")), h("div", { class: "rows" }, rows)),
		got.leaf ? h("p", { class: "soft small-text", test: "rights-leaf" }, icon("check"), " ", t("rights.receipt.hint", { Leaf: got.leaf.slice(0, 16) + "…" })) : null,
	];
}

function known(kind: RightsKind): boolean {
	return kinds.includes(kind.what);
}

function name(ctx: Ctx, kind: RightsKind): Child {
	return known(kind) ? ctx.t("rights.held." + kind.what) : bdi(kind.what);
}

function because(ctx: Ctx, kind: RightsKind): string {
	return known(kind) ? ctx.t("rights.why." + kind.what) + " · " + ctx.t("rights.see.long", { Kept: ctx.t("rights.kept." + kind.what) }) : "";
}

/** Two parts of a whole, by bytes: sealed, and readable to the node. */
function bar(ctx: Ctx, all: readonly RightsKind[]): HTMLElement {
	let shut = 0;
	let total = 0;
	for (const kind of all) {
		const bytes = Math.max(0, kind.bytes ?? 0);
		total += bytes;
		if (sealed.includes(kind.what)) shut += bytes;
	}
	const share = total === 0 ? 0 : shut / total;
	const key = (mark: string, id: string, bytes: number): HTMLElement =>
		h("span", { class: "bar-key" }, h("span", { class: "bar-mark " + mark, "aria-hidden": "true" }), ctx.t(id, { Size: size(ctx, bytes) }));
	return h("figure", { class: "held-bar", test: "rights-bar" },
		svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
			svg("rect", { class: "open", x: 0, y: 0, width: 100, height: 10 }),
			svg("rect", { class: "shut", x: 0, y: 0, width: (100 * share).toFixed(2), height: 10 })),
		h("figcaption", null, key("shut", "rights.bar.sealed", shut), key("open", "rights.bar.open", total - shut)));
}

function size(ctx: Ctx, bytes: number): string {
	const step = bytes >= 1 << 20 ? { unit: "megabyte", by: 1 << 20 } : { unit: "kilobyte", by: 1 << 10 };
	return new Intl.NumberFormat(ctx.lang + "-u-nu-latn", { style: "unit", unit: step.unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(bytes / step.by);
}

function take(ctx: Ctx): HTMLElement {
	const button = h("button", { type: "button", class: "primary", test: "rights-export" }, ctx.t("rights.take.go"));
	const note = h("p", { class: "soft", role: "status" });
	button.addEventListener("click", () => void busy(button, async () => {
		text(note, ctx.t("rights.take.busy"));
		await saveExport(ctx);
		text(note, "");
	}));
	return part("down", ctx.t("rights.take"), ctx.t("rights.take.hint"), h("p", { class: "soft small-text" }, ctx.t("rights.take.past")), h("div", { class: "row-actions" }, button), note);
}

function stop(ctx: Ctx): HTMLElement {
	return part("hand", ctx.t("rights.stop"), ctx.t("rights.stop.hint"), h("div", { class: "row-actions" },
		h("a", { class: "button", href: "#/grants", test: "rights-grants" }, ctx.t("rights.stop.grants")),
		h("a", { class: "button", href: "#/requests", test: "rights-requests" }, ctx.t("rights.stop.requests"))));
}

/** An objection or a complaint: one form, one press. */
function say(ctx: Ctx, sent: () => void): HTMLElement {
	const { t } = ctx;
	const kind = h("select", { test: "plea-kind" }, h("option", { value: "objection" }, t("rights.say.object")), h("option", { value: "complaint" }, t("rights.say.complain")));
	const about = h("input", { type: "text", dir: "auto", maxlength: 250, test: "plea-about" });
	const words = h("textarea", { dir: "auto", required: true, rows: 4, maxlength: 2000, test: "plea-text" });
	const fault = h("p", { class: "field-error", role: "alert", test: "plea-fault" });
	const done = h("p", { role: "status", test: "plea-done" });
	const go = h("button", { type: "submit", class: "primary", test: "plea-send" }, t("rights.say.go"));
	const form = h("form", { class: "form", novalidate: true }, field(t("rights.say.kind"), kind), field(t("rights.say.text"), words), field(t("rights.say.about"), about, t("rights.say.about.hint")), fault, h("div", { class: "row-actions" }, go), done);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		if (words.value.trim() === "") {
			text(fault, t("rights.say.empty"));
			words.focus();
			return;
		}
		void busy(go, async () => {
			try {
				const got = await ctx.engine.call("rights.plead", { kind: kind.value, text: words.value.trim(), ...(about.value ? { about: about.value } : {}) });
				form.reset();
				text(fault, "");
				text(done, t("rights.say.done", { When: ctx.fmt.dateTime(got.answerBy) }));
				sent();
			} catch (error) {
				text(fault, ctx.wrong(error));
			}
		});
	});
	return part("bell", t("rights.say"), t("rights.say.hint"), form);
}

function list(ctx: Ctx, all: readonly RightsCase[], changed: () => void): Child {
	if (all.length === 0) return h("p", { class: "soft" }, ctx.t("rights.cases.none"));
	return all.map((c) => one(ctx, c, changed));
}

function one(ctx: Ctx, c: RightsCase, changed: () => void): HTMLElement {
	const { t } = ctx;
	const waits = c.state === "received" || c.state === "appealed";
	const steps = c.steps.map((s) => h("li", null, h("span", { class: "soft" }, t("rights.case.by." + (s.by === "operator" || s.by === "clock" ? s.by : "person")), " · ", ctx.fmt.dateTime(s.at)), h("p", { class: "words", dir: "auto" }, bdi(s.text ?? "", 4000))));
	const again = h("button", { type: "button", class: "small", test: "appeal" }, t("rights.appeal"));
	again.addEventListener("click", () => void appeal(ctx, c, changed));
	return h("article", { class: "card stack case", test: "case" },
		h("h3", null, t("rights.case.kind." + (c.kind === "complaint" ? c.kind : "objection")), " ", h("span", { class: waits ? "chip warn" : "chip good" }, t("rights.case.state." + stateOf(c)))),
		c.about ? h("p", { class: "soft" }, bdi(c.about, 250)) : null,
		h("ol", { class: "steps" }, steps),
		waits ? h("p", { class: "soft" }, t("rights.cases.by", { When: ctx.fmt.dateTime(c.answerBy) })) : null,
		c.state === "answered" ? h("div", { class: "row-actions" }, again) : null);
}

function stateOf(c: RightsCase): string {
	return ["received", "answered", "appealed"].includes(c.state) ? c.state : "closed";
}

async function appeal(ctx: Ctx, c: RightsCase, changed: () => void): Promise<void> {
	const { t } = ctx;
	const words = h("textarea", { dir: "auto", rows: 4, maxlength: 2000, test: "appeal-text" });
	const fault = h("p", { class: "field-error", role: "alert", test: "appeal-fault" });
	const go = h("button", { type: "button", class: "primary", test: "appeal-send" }, t("rights.say.go"));
	const dialog = openDialog(t("rights.appeal"), t("web.close"), field(t("rights.appeal.text"), words), fault, go);
	go.addEventListener("click", () => void busy(go, async () => {
		try {
			await ctx.engine.call("rights.appeal", { id: c.id, text: words.value.trim() });
			dialog.close();
			changed();
		} catch (error) {
			text(fault, ctx.wrong(error));
		}
	}));
	await dialog.closed;
}

function erase(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const stays = h("dl", { class: "stays" });
	fill(stays, remain.map((what) => [h("dt", null, t("rights.held." + what)), h("dd", null, t((what === "given" || what === "received" ? "rights.remain." : "rights.why.") + what))]));
	const go = h("button", { type: "button", class: "danger", test: "rights-erase" }, t("rights.erase.go"));
	go.addEventListener("click", () => void endAccount(ctx));
	return part("warn", t("rights.erase"), t("rights.erase.hint"), h("details", { test: "rights-stays" }, h("summary", null, t("rights.erase.stays")), stays), h("div", { class: "row-actions" }, go));
}
