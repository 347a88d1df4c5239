// A second device: the new one shows a code, the old one scans it. Both show the
// same words; the identity key stays where it is.

import type { PairAsked, PairOffer } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import { busy, field } from "../lib/form";
import { fill, h, text } from "../lib/h";
import { everySecond } from "../lib/ticker";
import { accountHere, accountWrong, deviceField, deviceName, faultLine, goneNote, otherDeviceName, ownNode, withSecret } from "./account-parts";
import { wordGrid } from "./consent-parts";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";
import { qrCode } from "./qr";
import { qrScan } from "./qr-scan";

export const routes: Routes = {
	pairing: { view: pairing, title: "account.pair.new", open: true, steady: true },
	pair: { view: pair, title: "account.pair.old", tab: "account" },
};

/** The new device. */
function pairing(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const node = ownNode();
	const account = h("input", { type: "text", dir: "ltr", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 320, required: true, test: "pair-account" });
	const device = deviceField(ctx, deviceName());
	const fault = faultLine("pair-fault");
	const go = h("button", { type: "submit", class: "primary wide", test: "pair-begin" }, t("account.pair.begin"));
	const place = h("div", { class: "stack", test: "pair-place" });
	const form = h("form", { class: "form card", novalidate: true }, field(t("account.account.label"), account, node ? t("account.account.hint", { Node: node }) : null), device.element, fault, go);
	const begin = async (client: string): Promise<void> => {
		const offer = await ctx.engine.call("pair.begin", { account: accountHere(account.value), client });
		show(ctx, place, offer, form);
	};
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		void busy(go, async () => {
			text(fault, "");
			try {
				await begin(device.value()).catch((error: unknown) => {
					if (error instanceof EngineError && error.code === "client-name") return begin(otherDeviceName());
					throw error;
				});
			} catch (error) {
				text(fault, accountWrong(ctx, error));
				account.focus();
			}
		});
	});
	fill(place, form);
	// A page that was loaded anew while it waited is let in all the same.
	ctx.engine.call("pair.wait").then(() => paired(ctx), () => undefined);
	return page(ctx, { heading: t("account.pair.new"), back: "welcome", class: "narrow" }, h("p", null, t("account.pair.newSentence")), goneNote(ctx), place);
}

function paired(ctx: Ctx): void {
	if (ctx.signal.aborted) return;
	ctx.toast("account.restore.done");
	ctx.go("");
}

/** Shows the code and waits until the account lists this device. */
function show(ctx: Ctx, place: HTMLElement, offer: PairOffer, form: HTMLElement): void {
	const { t } = ctx;
	const left = h("p", { class: "soft", test: "pair-left" });
	fill(place, h("ol", { class: "how" }, ["scan", "compare", "unlock"].map((step) => h("li", null, t("account.pair.how." + step)))),
		h("div", { class: "qr-frame" }, qrCode(offer.code, t("account.pair.qr"))),
		h("p", null, t("account.pair.words")), wordGrid(offer.words, "pair-words"), h("p", { role: "status", test: "pair-waiting" }, t("account.pair.waiting")), left);
	everySecond(ctx.signal, (now) => text(left, t("account.pair.left", { Span: ctx.fmt.span(Math.max(0, (Date.parse(offer.expires) - now) / 1000)) })));
	ctx.engine.call("pair.wait").then(() => paired(ctx), (error: unknown) => {
		if (ctx.signal.aborted) return;
		fill(place, h("p", { class: "banner warn", role: "alert", test: "pair-over" }, accountWrong(ctx, error)), form);
	});
}

/** The old device: scans, or was opened by the camera's own app with the code. */
function pair(ctx: Ctx, args: string[]): HTMLElement {
	const { t } = ctx;
	const place = h("div", { class: "stack", test: "pair-place" });
	const take = async (code: string): Promise<string | undefined> => {
		try {
			fill(place, ...asks(ctx, code, await ctx.engine.call("pair.look", { code })));
			return undefined;
		} catch (error) {
			return accountWrong(ctx, error);
		}
	};
	const scan = qrScan({ t, typeLabel: t("account.pair.type"), typeHint: t("account.pair.typeHint"), take });
	fill(place, h("p", null, t("account.pair.oldSentence")), scan);
	if (args[0]) void take(args[0]).then((no) => no === undefined || place.prepend(h("p", { class: "banner warn", role: "alert", test: "pair-refused" }, no)));
	return page(ctx, { heading: t("account.pair.old"), back: "account", class: "narrow" }, place);
}

function asks(ctx: Ctx, code: string, asked: PairAsked): HTMLElement[] {
	const { t } = ctx;
	const no = h("a", { class: "button", href: "#/account", test: "pair-no" }, t("account.pair.differ"));
	const yes = h("button", { type: "button", test: "pair-yes" }, t("account.pair.same"));
	yes.addEventListener("click", () => void (async () => {
		const done = await withSecret(ctx, t("account.pair.confirm"), t("account.pair.confirmWhy", { Client: asked.client }), async (secret) => {
			await ctx.engine.call("pair.accept", { code, secret });
		});
		if (!done) return;
		ctx.toast("account.pair.done", { Client: asked.client });
		ctx.go("account");
	})());
	return [h("p", { class: "big", test: "pair-client" }, t("account.pair.asks", { Client: asked.client })), h("p", null, t("account.pair.compare")), wordGrid(asked.words, "pair-words"),
		h("p", { class: "soft" }, t("account.pair.yours")), h("div", { class: "even" }, no, yes)];
}
