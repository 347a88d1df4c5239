// Alerts: a person's own rules about their own sight, computed in this browser
// and at their thing, never at a node.

import type { Affordance, Alert, Ref, ThingInfo } from "../engine/api.gen";
import { openDialog, type Opened } from "../lib/dialog";
import { busy, field, uniqueId } from "../lib/form";
import { h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { refKey, refPath } from "../lib/ref";
import { bdi, clean } from "../lib/untrusted";
import type { T } from "../lib/words";
import type { Ctx, Routes } from "./ctx";
import { fillWith, page, skeleton, state } from "./page";

export const routes: Routes = {
	alerts: { view: alerts, title: "web.alerts.heading", tab: "things" },
};

function alerts(ctx: Ctx): HTMLElement {
	const place = h("div", { class: "stack", test: "alerts" }, skeleton(ctx, 2, "row"));
	const load = (): Promise<void> =>
		fillWith(ctx, place, async () => {
			const [list, { things }] = await Promise.all([ctx.engine.call("alert.list"), ctx.engine.call("things")]);
			if (list.length === 0) return state("empty", "bell", ctx.t("web.alerts.none"), ctx.t("web.alerts.noneSentence"), h("a", { class: "button", href: "#/" }, ctx.t("web.nav.things")));
			return h("ul", { class: "rows" }, ...list.map((alert) => row(ctx, alert, affordanceOf(things, alert.ref), load)));
		});
	ctx.on((event) => {
		if (event.kind === "alert") void load();
	});
	void load();
	return page(ctx, { heading: ctx.t("web.alerts.heading"), back: "", class: "narrow" }, h("p", { class: "soft" }, ctx.t("web.alerts.where")), place);
}

function affordanceOf(things: readonly ThingInfo[], ref: Ref): Affordance | undefined {
	const key = refKey(ref);
	return things.flatMap((thing) => thing.affordances).find((a) => refKey(a.ref) === key);
}

/** The rule in words: "above 30 l/min". */
export function ruleWords(ctx: Pick<Ctx, "t" | "fmt">, alert: Alert, unit: string | undefined): string {
	const value = (n: number): string => ctx.fmt.number(n) + (unit ? " " + clean(unit, 16) : "");
	if (typeof alert.above === "number") return ctx.t("web.alert.above", { Value: value(alert.above) });
	if (typeof alert.below === "number") return ctx.t("web.alert.below", { Value: value(alert.below) });
	return ctx.t("web.alert.equals", { Value: truth(ctx.t, alert.equals ?? "") });
}

function truth(t: T, equals: string): string {
	if (equals === "true") return t("web.value.on");
	return equals === "false" ? t("web.value.off") : equals;
}

function row(ctx: Ctx, alert: Alert, affordance: Affordance | undefined, changed: () => Promise<void>): HTMLElement {
	const title = alert.title || affordance?.title || alert.ref.name;
	const remove = h("button", { type: "button", class: "quiet round", "aria-label": ctx.t("web.alert.remove", { Title: title }), test: "alert-remove" }, icon("close"));
	remove.addEventListener("click", () => void busy(remove, () => removeAlert(ctx, alert, changed)));
	const rings = alert.since ? h("span", { class: "chip warn" }, ctx.t("web.rings.since", { Ago: ctx.fmt.ago(alert.since) })) : null;
	return h("li", { class: "row", test: "alert" }, h("div", { class: "row-text" }, h("a", { class: "plain", href: "#/thing/" + refPath(alert.ref) }, bdi(title)), h("span", { class: "soft" }, ruleWords(ctx, alert, affordance?.unit)), rings), remove);
}

async function removeAlert(ctx: Ctx, alert: Alert, changed: () => Promise<void>): Promise<void> {
	try {
		await ctx.engine.call("alert.remove", { id: alert.id ?? "" });
		ctx.toast("web.alert.removed");
		await changed();
	} catch (error) {
		ctx.failed(error);
	}
}

/** Opens the bell of an affordance: its alerts, and a new one. */
export function openBell(ctx: Ctx, affordance: Affordance): void {
	const place = h("div", { class: "stack" });
	const dialog = openDialog(ctx.t("web.bell.heading", { Title: affordance.title || affordance.ref.name }), ctx.t("web.close"), place, newAlert(ctx, affordance, () => dialog));
	const load = (): Promise<void> =>
		fillWith(ctx, place, async () => {
			const key = refKey(affordance.ref);
			const mine = (await ctx.engine.call("alert.list")).filter((alert) => refKey(alert.ref) === key);
			return mine.length === 0 ? null : h("ul", { class: "rows" }, ...mine.map((alert) => row(ctx, alert, affordance, load)));
		});
	ctx.signal.addEventListener("abort", () => dialog.close(), { once: true });
	void load();
}

interface Rule {
	readonly element: Child;
	/** The rule as the person set it; undefined while it is incomplete. */
	readonly read: () => Pick<Alert, "above" | "below" | "equals"> | undefined;
}

function newAlert(ctx: Ctx, affordance: Affordance, dialog: () => Opened): HTMLElement {
	const numeric = affordance.type === "number" || affordance.type === "integer" || typeof affordance.latest?.number === "number";
	const rule = numeric ? numberRule(ctx, affordance) : wordRule(ctx, affordance);
	const save = h("button", { type: "submit", class: "primary", test: "alert-save" }, ctx.t("web.bell.save"));
	const form = h("form", { class: "form", novalidate: true }, rule.element, h("p", { class: "hint" }, ctx.t("web.bell.hint")), save);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		const set = rule.read();
		if (!set) return ctx.toast("web.bell.incomplete");
		void busy(save, () => saveAlert(ctx, { ref: affordance.ref, title: clean(affordance.title || affordance.ref.name, 80), ...set }, dialog()));
	});
	return form;
}

async function saveAlert(ctx: Ctx, alert: Alert, dialog: Opened): Promise<void> {
	try {
		await ctx.engine.call("alert.set", alert);
		dialog.close();
		ctx.toast((await mayNotify()) ? "web.bell.saved" : "web.bell.savedHere");
	} catch (error) {
		ctx.failed(error);
	}
}

/** Asks the browser for the right to notify: only now, when it is of use. */
async function mayNotify(): Promise<boolean> {
	if (!("Notification" in window)) return false;
	try {
		return (await Notification.requestPermission()) === "granted";
	} catch {
		return false;
	}
}

function numberRule(ctx: Ctx, affordance: Affordance): Rule {
	const name = uniqueId("rule");
	const side = (value: "above" | "below"): HTMLInputElement => h("input", { type: "radio", name, value, checked: value === "above", test: "alert-" + value });
	const above = side("above"), below = side("below");
	const limit = h("input", { type: "number", step: "any", inputmode: "decimal", required: true, test: "alert-value" });
	const unit = clean(affordance.unit ?? "", 16);
	const element = [
		h("fieldset", { class: "segments" }, h("legend", { class: "only-read" }, ctx.t("web.bell.when")), h("label", null, above, ctx.t("web.bell.above")), h("label", null, below, ctx.t("web.bell.below"))),
		field([ctx.t("web.bell.value"), unit ? [" (", h("bdi", null, unit), ")"] : null], limit),
	];
	const read = (): Pick<Alert, "above" | "below"> | undefined => {
		const n = limit.valueAsNumber;
		if (!Number.isFinite(n)) return undefined;
		return above.checked ? { above: n } : { below: n };
	};
	return { element, read };
}

function wordRule(ctx: Ctx, affordance: Affordance): Rule {
	const values = affordance.type === "boolean" ? ["true", "false"] : (affordance.enum ?? []).slice(0, 50);
	if (values.length === 0) {
		const input = h("input", { type: "text", required: true, maxlength: 200, test: "alert-value" });
		return { element: field(ctx.t("web.bell.equals"), input), read: () => (input.value === "" ? undefined : { equals: input.value }) };
	}
	const select = h("select", { test: "alert-value" }, ...values.map((value) => h("option", { value }, clean(truth(ctx.t, value), 60))));
	return { element: field(ctx.t("web.bell.equals"), select), read: () => ({ equals: select.value }) };
}

/** Shows a ringing alert outside the page, if the person allowed that and is not
 * looking at it. It names the rule, not the value: a lock screen has many readers. */
export async function notify(sentence: string, tag: string): Promise<void> {
	if (!("Notification" in window) || Notification.permission !== "granted" || document.visibilityState === "visible") return;
	const worker = await navigator.serviceWorker?.getRegistration();
	// Some browsers let only a service worker notify.
	if (worker) await worker.showNotification("Primum", { body: sentence, tag });
	else new Notification("Primum", { body: sentence, tag });
}
