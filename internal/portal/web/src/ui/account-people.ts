// People and their six words; and whether this browser may be woken.

import type { Person } from "../engine/api.gen";
import { busy, field } from "../lib/form";
import { fill, h, text } from "../lib/h";
import { bdi } from "../lib/untrusted";
import { accountFrom, accountWrong, faultLine } from "./account-parts";
import { compareBox } from "./consent-parts";
import type { Ctx } from "./ctx";
import { fillWith, skeleton } from "./page";

export function people(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const place = h("div", { test: "people" }, skeleton(ctx, 1, "row"));
	const load = (): Promise<void> => fillWith(ctx, place, async () => {
		const all = await ctx.engine.call("people");
		return all.length === 0 ? null : h("ul", { class: "rows" }, all.map((person) => row(ctx, person, () => void load())));
	});
	void load();
	return h("section", { class: "stack" }, h("h2", null, t("account.people")), h("p", { class: "soft" }, t("account.people.sentence")), finder(ctx, () => void load()), place);
}

function row(ctx: Ctx, person: Person, again: () => void): HTMLElement {
	const { t } = ctx;
	const mark = person.compared ? h("span", { class: "chip good", test: "compared" }, t("account.people.compared")) : null;
	return h("li", { test: "person" }, h("strong", null, bdi(person.name || person.account)), " ", mark, person.name ? h("div", { class: "soft small-text" }, bdi(person.account)) : null,
		person.compared ? null : compareBox(ctx, person.account, person.name || person.account, again));
}

function finder(ctx: Ctx, again: () => void): HTMLElement {
	const { t } = ctx;
	const input = h("input", { type: "text", dir: "ltr", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 320, required: true, placeholder: "ada@h.example", test: "person-account" });
	const go = h("button", { type: "submit", test: "person-find" }, t("account.people.find"));
	const fault = faultLine("person-fault");
	const form = h("form", { class: "form inline-form", novalidate: true }, field(t("account.people.who"), input), go, fault);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		void busy(go, async () => {
			text(fault, "");
			try {
				await ctx.engine.call("person", { account: accountFrom(input.value) });
				input.value = "";
				again();
			} catch (error) {
				text(fault, accountWrong(ctx, error));
				input.focus();
			}
		});
	});
	return form;
}

/** The switch for Web Push; off until somebody wants it. */
export function push(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const box = h("input", { type: "checkbox", class: "switch", role: "switch", test: "push" });
	const fault = faultLine("push-fault");
	const able = "serviceWorker" in navigator && "PushManager" in window;
	const place = h("div", { class: "stack" }, able ? h("label", { class: "check" }, box, t("account.push.label")) : h("p", null, t("account.push.none")), fault);
	if (able) {
		void subscription().then((now) => {
			box.checked = now !== null;
		});
		box.addEventListener("change", () => void turn(ctx, box, fault));
	}
	return h("section", { class: "card stack" }, h("h2", null, t("account.push")), h("p", { class: "soft" }, t("account.push.sentence")), place);
}

async function subscription(): Promise<PushSubscription | null> {
	const registration = await navigator.serviceWorker.getRegistration();
	return (await registration?.pushManager.getSubscription()) ?? null;
}

async function turn(ctx: Ctx, box: HTMLInputElement, fault: HTMLElement): Promise<void> {
	const want = box.checked;
	fill(fault);
	try {
		if (want) await switchOn(ctx);
		else await switchOff(ctx);
	} catch (error) {
		box.checked = !want;
		text(fault, error instanceof DOMException ? ctx.t(error.name === "NotAllowedError" ? "account.push.denied" : "account.push.failed") : accountWrong(ctx, error));
	}
}

async function switchOn(ctx: Ctx): Promise<void> {
	if ((await Notification.requestPermission()) !== "granted") throw new DOMException("", "NotAllowedError");
	const { key } = await ctx.engine.call("push.key");
	const registration = await navigator.serviceWorker.ready;
	const made = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
	await ctx.engine.call("push.set", { subscription: made.toJSON() });
}

async function switchOff(ctx: Ctx): Promise<void> {
	await ctx.engine.call("push.set", { subscription: null });
	await (await subscription())?.unsubscribe();
}
