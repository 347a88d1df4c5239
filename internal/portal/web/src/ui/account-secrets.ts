// A further passkey, and new recovery words.

import type { Secret, Status } from "../engine/api.gen";
import { openDialog } from "../lib/dialog";
import { busy } from "../lib/form";
import { fill, h, text } from "../lib/h";
import { icon } from "../lib/icons";
import { accountWrong, faultLine, withSecret } from "./account-parts";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";
import { createPasskey } from "./passkey";
import { phraseSteps } from "./welcome-phrase";

export const routes: Routes = { "new-words": { view: wordsView, title: "account.phrase.new", tab: "account" } };

/** Unlocks with what there is, then makes the passkey: browsers want a press of
 * its own for that. */
export function addPasskey(ctx: Ctx, status: Status): void {
	const { t } = ctx;
	void withSecret(ctx, t("account.passkey.add"), t("account.passkey.addWhy"), async (secret) => {
		await ctx.engine.call("account.check", { secret });
		makeOne(ctx, status, secret);
	});
}

function makeOne(ctx: Ctx, status: Status, secret: Secret): void {
	const { t } = ctx;
	const fault = faultLine("passkey-fault");
	const make = h("button", { type: "button", class: "primary", test: "make-passkey" }, icon("lock"), t("account.passkey.make"));
	const dialog = openDialog(t("account.passkey.add"), t("web.close"), h("p", null, t("account.passkey.sentence")), make, fault);
	make.addEventListener("click", () => void busy(make, async () => {
		text(fault, "");
		try {
			const { prf } = await createPasskey(status.account ?? "", status.name ?? "");
			await ctx.engine.call("account.addPasskey", { secret, prf });
			dialog.close();
			ctx.toast("account.passkey.added");
		} catch (error) {
			text(fault, accountWrong(ctx, error));
		}
	}));
}

/** Goes to new words; those that nobody has noted are replaced without a secret. */
export function newWords(ctx: Ctx, unshown: boolean): void {
	ctx.go(unshown ? "new-words/first" : "new-words");
}

function wordsView(ctx: Ctx, args: string[]): HTMLElement {
	const { t } = ctx;
	const place = h("div", { test: "new-words" });
	const fault = faultLine("words-fault");
	const done = (): void => {
		ctx.toast("account.phrase.done");
		ctx.go("account");
	};
	const make = async (secret: Secret): Promise<void> => {
		const { phrase } = await ctx.engine.call("account.newPhrase", { secret });
		fill(place, phraseSteps(ctx, phrase, done));
		place.querySelector("h1")?.focus();
	};
	const ask = (): void => void withSecret(ctx, t("account.phrase.new"), t("account.phrase.newWhy"), make);
	const go = h("button", { type: "button", class: "primary", test: "make-words" }, t("account.phrase.make"));
	go.addEventListener("click", () => void busy(go, async () => {
		text(fault, "");
		if (args[0] !== "first") return ask();
		try {
			await make({});
		} catch {
			ask(); // they were noted meanwhile, or it is another device
		}
	}));
	fill(place, page(ctx, { heading: t("account.phrase.new"), back: "account", class: "narrow" }, h("p", null, t(args[0] === "first" ? "account.phrase.unshown" : "account.phrase.replace")), h("div", { class: "ways" }, go), fault));
	return place;
}
