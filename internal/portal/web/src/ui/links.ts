// Links that this person made: from the link to the two words to the yes.
import type { LinkInfo } from "../engine/api.gen";
import { busy } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { consentTabs, errorBox, wordGrid } from "./consent-parts";
import type { Ctx, Routes } from "./ctx";
import { fillWith, page, skeleton, state } from "./page";
import { qrCode } from "./qr";

export const routes: Routes = { links: { view: linksView, title: "consent.links.title", tab: "consent" } };

function linksView(ctx: Ctx, args: string[]): HTMLElement {
	return args[0] ? oneLink(ctx, args[0]) : allLinks(ctx);
}

function allLinks(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const list = h("div", { class: "stack", test: "links" }, skeleton(ctx, 2, "row"));
	const load = (): void => void fillWith(ctx, list, async () => {
		const all = await ctx.engine.call("link.list");
		if (all.length === 0) return h("div", { test: "links-empty" }, state("empty", "link", t("consent.links.none"), t("consent.links.noneMore"), h("a", { class: "button primary", href: "#/share" }, t("consent.grants.share"))));
		return all.map((l) => linkCard(ctx, l));
	});
	ctx.on((e) => {
		if (e.kind === "links") load();
	});
	load();
	return page(ctx, { heading: t("consent.links.title"), class: "consent" }, consentTabs(ctx, "links"), list);
}

function linkCard(ctx: Ctx, l: LinkInfo): HTMLElement {
	const { t } = ctx;
	return h("article", { class: `card link-card ${l.state}`, test: "link" }, h("h2", null, l.name ? bdi(l.name, 64) : t("consent.link.noName")),
		h("p", { class: "soft" }, t("consent.linkState." + l.state, { Date: ctx.fmt.dateTime(l.expires) })),
		l.state === "open" || l.state === "arrived" ? h("a", { class: l.state === "arrived" ? "button primary" : "button", href: `#/links/${encodeURIComponent(l.id)}`, test: "link-look" }, t(l.state === "arrived" ? "consent.link.compare" : "consent.link.show")) : null,
		l.grant ? h("a", { class: "button", href: `#/grant/${encodeURIComponent(l.grant)}` }, t("consent.given.look")) : null);
}

/** One link, until it is given or over. It follows by itself. */
function oneLink(ctx: Ctx, id: string): HTMLElement {
	const body = h("div", { class: "stack", test: "link-page" }, skeleton(ctx, 1, "plot"));
	let shown = "";
	const load = async (): Promise<void> => {
		const l = (await ctx.engine.call("link.list")).find((one) => one.id === id);
		const now = l ? `${l.state} ${l.words ?? ""}` : "none";
		if (now === shown || ctx.signal.aborted) return; // what is pressed is not taken away
		shown = now;
		fill(body, l ? linkState(ctx, l, body) : over(ctx, "consent.link.gone", "consent.link.goneMore", "link-gone"));
	};
	ctx.on((e) => {
		if (e.kind === "links") void load().catch((err: unknown) => ctx.failed(err));
	});
	void fillWith(ctx, body, async () => {
		await load();
		return [...body.childNodes];
	});
	return page(ctx, { heading: ctx.t("consent.link.title"), back: "links", class: "consent link-view" }, body);
}

function linkState(ctx: Ctx, l: LinkInfo, body: HTMLElement): Child {
	const { t } = ctx;
	switch (l.state) {
		case "open": return open(ctx, l, body);
		case "arrived": return arrived(ctx, l, body);
		case "given": return h("div", { class: "state done", test: "link-given" }, h("div", { class: "state-sign" }, icon("check")), h("h2", { tabindex: -1 }, t("consent.link.given")), h("p", null, t("consent.link.givenMore")),
			h("div", { class: "ways" }, l.grant ? h("a", { class: "button primary", href: `#/grant/${encodeURIComponent(l.grant)}`, test: "to-grant" }, t("consent.given.look")) : null));
		case "expired": return over(ctx, "consent.link.expired", "consent.link.expiredMore", "link-expired");
		default: return over(ctx, l.reason === "forged" ? "consent.link.forged" : "consent.link.ended", l.reason === "forged" ? "consent.link.forgedMore" : "consent.link.endedMore", "link-ended");
	}
}

function over(ctx: Ctx, heading: string, sentence: string, test: string): Child {
	return h("div", { test }, state("ended", "link", ctx.t(heading), ctx.t(sentence), h("a", { class: "button", href: "#/share" }, ctx.t("consent.link.new"))));
}

/** Nobody came yet: the code, the address, and what will happen. */
function open(ctx: Ctx, l: LinkInfo, body: HTMLElement): Child {
	const { t } = ctx;
	const url = l.url ?? "";
	return [
		h("p", { class: "say" }, t("consent.link.send")),
		url === "" ? h("p", { class: "problem" }, t("consent.link.elsewhere")) : [h("div", { class: "qr-frame" }, qrCode(url, t("consent.link.qr"))), address(ctx, url)],
		h("p", { class: "awaiting", role: "status", test: "link-waiting" }, h("span", { class: "pulse", "aria-hidden": "true" }), t("consent.link.waiting")),
		h("p", { class: "soft" }, t("consent.link.once", { Date: ctx.fmt.dateTime(l.expires) })),
		cancelButton(ctx, l, body, "consent.link.cancel"),
	];
}

function address(ctx: Ctx, url: string): HTMLElement {
	const { t } = ctx;
	const input = h("input", { type: "text", readonly: true, value: url, dir: "ltr", "aria-label": t("consent.link.address"), test: "link-url", on: { focus: () => input.select() } });
	const copy = h("button", { type: "button", test: "link-copy" }, icon("copy"), t("consent.link.copy"));
	copy.addEventListener("click", () => {
		input.select();
		navigator.clipboard.writeText(url).then(() => ctx.toast("consent.link.copied"), () => ctx.toast("consent.link.notCopied"));
	});
	const native = "share" in navigator ? h("button", { type: "button", class: "primary", test: "link-share", on: { click: () => void navigator.share({ url, text: t("consent.link.shareText") }).catch(() => undefined) } }, icon("share"), t("consent.link.shareIt")) : null;
	return h("div", { class: "address" }, input, h("div", { class: "ways" }, copy, native));
}

/** Somebody is there: two words, and whether they agree. */
function arrived(ctx: Ctx, l: LinkInfo, body: HTMLElement): Child {
	const { t } = ctx;
	const yes = h("button", { type: "button", class: "decision", test: "words-same" }, t("consent.link.same"));
	const problem = h("div", null);
	yes.addEventListener("click", () => void busy(yes, async () => {
		try {
			fill(body, linkState(ctx, await ctx.engine.call("link.confirm", { id: l.id }), body));
			body.querySelector("h2")?.focus();
		} catch (err) {
			fill(problem, errorBox(ctx, err));
		}
	}));
	const no = cancelButton(ctx, l, body, "consent.link.differ", "decision");
	return [h("p", { class: "say", role: "status" }, t("consent.link.arrived")), wordGrid(l.words ?? "", "link-words"), h("p", null, t("consent.link.ask")), h("div", { class: "even answers" }, no, yes), problem];
}

function cancelButton(ctx: Ctx, l: LinkInfo, body: HTMLElement, label: string, kind = "quiet"): HTMLElement {
	const button = h("button", { type: "button", class: kind, test: kind === "decision" ? "words-differ" : "link-cancel" }, ctx.t(label));
	button.addEventListener("click", () => void busy(button, async () => {
		try {
			await ctx.engine.call("link.cancel", { id: l.id });
			fill(body, kind === "decision" ? over(ctx, "consent.link.refused", "consent.link.refusedMore", "link-refused") : over(ctx, "consent.link.ended", "consent.link.endedMore", "link-ended"));
		} catch (err) {
			ctx.failed(err);
		}
	}));
	return button;
}
