// Public pages of own things: what a passer-by may know. Everybody can read
// them; nothing in them is computed, and no value is.

import type { Notice } from "../engine/api.gen";
import { busy } from "../lib/form";
import { h } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import type { Ctx, Routes } from "./ctx";
import { editNotice } from "./notice-form";
import { fillWith, page, skeleton, state } from "./page";

export const routes: Routes = {
	notices: { view: notices, title: "web.notices.heading", tab: "things" },
};

function notices(ctx: Ctx, args: string[]): HTMLElement {
	return args[0] === undefined ? list(ctx) : editNotice(ctx, args[0]);
}

function list(ctx: Ctx): HTMLElement {
	const place = h("div", { class: "stack", test: "notices" }, skeleton(ctx, 2, "row"));
	const load = (): Promise<void> =>
		fillWith(ctx, place, async () => {
			const all = await ctx.engine.call("notice.list");
			if (all.length === 0) return state("empty", "page", ctx.t("web.notices.none"), ctx.t("web.notices.noneSentence"), h("a", { class: "button primary", href: "#/notices/new", test: "notice-new" }, ctx.t("web.notices.new")));
			return h("ul", { class: "rows" }, ...all.map((notice) => row(ctx, notice, load)));
		});
	void load();
	const make = h("a", { class: "button", href: "#/notices/new" }, icon("plus"), ctx.t("web.notices.new"));
	return page(ctx, { heading: ctx.t("web.notices.heading"), back: "", actions: make, class: "narrow" }, h("p", { class: "soft" }, ctx.t("web.notices.what")), place);
}

function row(ctx: Ctx, notice: Notice, changed: () => Promise<void>): HTMLElement {
	const url = noticeURL(ctx, notice);
	const remove = h("button", { type: "button", class: "quiet round", "aria-label": ctx.t("web.notices.remove", { Title: notice.title }), test: "notice-remove" }, icon("close"));
	remove.addEventListener("click", () => void busy(remove, async () => {
		try {
			await ctx.engine.call("notice.remove", { id: notice.id ?? "" });
			ctx.toast("web.notices.removed");
			await changed();
		} catch (error) {
			ctx.failed(error);
		}
	}));
	const link = url ? h("a", { href: url, target: "_blank", rel: "noopener", dir: "ltr", class: "small-text" }, url.replace(/^https?:\/\//, "")) : null;
	return h("li", { class: "row", test: "notice" }, h("div", { class: "row-text" }, h("a", { class: "plain", href: "#/notices/" + encodeURIComponent(notice.id ?? "") }, bdi(notice.title, 100)), link), remove);
}

/** Where a notice is read. The portal of `primum app` is not its place: the own node is. */
function noticeURL(ctx: Ctx, notice: Notice): string | undefined {
	if (!notice.id || !/^[\w-]{1,100}$/.test(notice.id)) return undefined;
	const node = ctx.status?.node;
	const base = !node || node === location.host ? location.origin : "https://" + node;
	return `${base}/thing/${notice.id}`;
}
