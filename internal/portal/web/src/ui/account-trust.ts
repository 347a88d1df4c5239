// What must be trusted, in plain words.

import { h } from "../lib/h";
import { ownNode } from "./account-parts";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";

export const routes: Routes = { trust: { view: trust, title: "account.trust.heading", tab: "account", open: true } };

function trust(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const node = ownNode();
	const part = (id: string, text = id): HTMLElement => h("section", { class: "card stack" }, h("h2", null, t(`account.trust.${id}`)), h("p", null, t(`account.trust.${text}.text`, { Node: node ?? ctx.status?.node ?? t("account.trust.node") })));
	const app = h("section", { class: "card stack", test: "trust-app" }, h("h2", null, t("account.trust.app")), h("p", null, t("account.trust.app.text")), h("p", null, h("code", { dir: "ltr" }, "primum app")), h("p", { class: "soft" }, t("account.trust.check")), h("p", null, h("code", { dir: "ltr" }, `primum check ${node ?? "h.example"} --web`)));
	return page(ctx, { heading: t("account.trust.heading"), back: ctx.status?.phase === "open" ? "account" : "welcome", class: "narrow" }, part("never"), part("page", node ? "page" : "own"), part("device"), part("people"), app);
}
