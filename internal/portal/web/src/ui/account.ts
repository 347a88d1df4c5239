// The account: its devices, its secrets, its people, and its ends.

import type { Status } from "../engine/api.gen";
import { fill, h, type Child } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { devices } from "./account-devices";
import { ends } from "./account-end";
import { withSecret } from "./account-parts";
import { people, push } from "./account-people";
import { addPasskey, newWords, routes as secrets } from "./account-secrets";
import { routes as trust } from "./account-trust";
import type { Ctx, Routes } from "./ctx";
import { fillWith, page, skeleton } from "./page";
import { passkeys } from "./passkey";

export const routes: Routes = {
	account: { view: account, title: "account.title", tab: "account" },
	...secrets,
	...trust,
};

function account(ctx: Ctx): HTMLElement {
	const top = h("div", { class: "stack", test: "account-top" }, skeleton(ctx, 2, "row"));
	const load = (): Promise<void> => fillWith(ctx, top, async () => [...head(ctx, await ctx.engine.call("status"))]);
	ctx.on((event) => {
		if (event.kind === "status" && event.status) fill(top, ...head(ctx, event.status));
	});
	void load();
	return page(ctx, { heading: ctx.t("account.title"), class: "account" }, top, h("div", { class: "two" }, h("div", { class: "stack" }, devices(ctx), people(ctx)), h("div", { class: "stack" }, push(ctx), language(ctx), trustRows(ctx), ends(ctx))));
}

function head(ctx: Ctx, status: Status): Child[] {
	return [who(status), notes(ctx, status), secretsCard(ctx, status)];
}

function who(status: Status): HTMLElement {
	return h("div", { class: "who-am-i", test: "who" }, h("p", { class: "big" }, bdi(status.name || status.account || "")), status.name ? h("p", { class: "soft" }, bdi(status.account ?? "")) : null);
}

/** What should be done soon, with the button that does it. */
function notes(ctx: Ctx, status: Status): Child {
	const { t } = ctx;
	const list: HTMLElement[] = [];
	if (status.phase !== "open" || status.guest) return list;
	if (status.suspended) list.push(note("note-suspended", t("account.suspended"), renewButton(ctx)));
	else if (status.renew) list.push(note("note-renew", t("account.renew.soon", { Date: ctx.fmt.date(status.expires ?? new Date()) }), renewButton(ctx)));
	if (status.unshown) list.push(note("note-phrase", t("account.phrase.unshown"), h("button", { type: "button", class: "small", test: "note-words", on: { click: () => newWords(ctx, true) } }, t("account.phrase.show"))));
	return list;
}

function note(test: string, sentence: string, way: HTMLElement): HTMLElement {
	return h("div", { class: "banner warn", test }, icon("warn"), h("p", null, sentence), way);
}

function renewButton(ctx: Ctx): HTMLButtonElement {
	const button = h("button", { type: "button", class: "small", test: "renew" }, ctx.t("account.renew"));
	button.addEventListener("click", () => void (async () => {
		const done = await withSecret(ctx, ctx.t("account.renew"), ctx.t("account.renew.why"), async (secret) => {
			await ctx.engine.call("account.renew", { secret });
		});
		if (done) ctx.toast("account.renew.done");
	})());
	return button;
}

function secretsCard(ctx: Ctx, status: Status): HTMLElement {
	const { t } = ctx;
	const row = (test: string, good: boolean, title: string, hint: string, way: HTMLElement | null): HTMLElement =>
		h("div", { class: "row", test }, icon(good ? "check" : "warn"), h("div", { class: "row-text" }, h("strong", null, title), h("small", null, hint)), way);
	const key = h("button", { type: "button", class: "small", test: "add-passkey", on: { click: () => addPasskey(ctx, status) } }, t("account.passkey.add"));
	const words = h("button", { type: "button", class: "small", test: "new-phrase", on: { click: () => newWords(ctx, status.unshown === true) } }, t("account.phrase.new"));
	return h("section", { class: "stack" }, h("h2", null, t("account.in.heading")), h("div", { class: "rows" },
		row("row-passkey", status.hasPasskey === true, t("account.passkey"), t(status.hasPasskey ? "account.passkey.have" : passkeys() ? "account.passkey.missing" : "account.passkey.none"), passkeys() ? key : null),
		row("row-phrase", status.hasPhrase === true, t("account.phrase.label"), t(status.hasPhrase ? "account.phrase.have" : "account.phrase.missing"), words),
		row("row-valid", !status.renew && !status.suspended, t("account.valid"), status.expires ? t("account.valid.until", { Date: ctx.fmt.date(status.expires) }) : "", renewButton(ctx))));
}

const languages = [["en", "English"], ["de", "Deutsch"], ["ar", "العربية"]] as const;

function language(ctx: Ctx): HTMLElement {
	const links = languages.map(([lang, name]) => h("a", { class: "button small", href: `/my?lang=${lang}#/account`, lang, hreflang: lang, "aria-current": lang === ctx.lang ? "true" : null, test: "lang-" + lang }, name));
	return h("section", { class: "card stack" }, h("h2", null, ctx.t("account.language")), h("div", { class: "row-actions languages" }, links));
}

function trustRows(ctx: Ctx): HTMLElement {
	const way = (to: string, sign: Icon, heading: string, short: string): HTMLElement =>
		h("a", { class: "row", href: "#/" + to, test: "to-" + to }, icon(sign), h("span", { class: "row-text" }, h("strong", null, ctx.t(heading)), h("small", null, ctx.t(short))));
	return h("nav", { class: "rows", "aria-label": ctx.t("account.trust.heading") },
		way("rights", "hand", "rights.title", "rights.short"), way("trust", "lock", "account.trust.heading", "account.trust.short"));
}
