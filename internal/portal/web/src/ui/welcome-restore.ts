// Into an account that exists, from a browser that it does not know yet.

import type { RestoreParams, Secret } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import { busy, field } from "../lib/form";
import { h, text } from "../lib/h";
import { icon } from "../lib/icons";
import { accountHere, accountWrong, deviceField, deviceName, faultLine, goneNote, otherDeviceName, ownNode, phraseField } from "./account-parts";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";
import { passkeys, usePasskey } from "./passkey";

export const routes: Routes = { restore: { view: restore, title: "account.restore.title", open: true, steady: true } };

// Accounts to play with, on this very machine.
const local = /@([^@]*\.)?localhost(:\d+)?$/i;

/** `#/restore`, or `#/restore/ACCOUNT/word-word-…` as `primum local` prints it.
 * For any other account a filled-in form is a trap: whoever follows somebody's
 * link and presses the button would put their own things into that one's account. */
function restore(ctx: Ctx, args: string[]): HTMLElement {
	const { t } = ctx;
	const [named = "", words = ""] = args;
	const [account, phrase] = words === "" || local.test(named) ? [named, words] : ["", ""];
	// The words leave the address, and with it the history, before anything else.
	if (words !== "") history.replaceState(null, "", "#/restore");
	const form = new Form(ctx, account, phrase.replace(/[-_+]+/g, " "));
	const open = ctx.status?.phase === "open" ? h("p", { class: "banner warn", test: "restore-open" }, t("account.already.sentence", { Account: ctx.status.account ?? "" })) : null;
	return page(ctx, { heading: t("account.restore.heading"), back: "welcome", class: "narrow" }, open, goneNote(ctx), ...form.parts(),
		h("p", null, h("a", { href: "#/pairing", test: "to-pairing" }, t("account.pair.new"))),
		h("p", { class: "soft small-text" }, t("account.restore.lost")));
}

class Form {
	private readonly fault = faultLine("restore-fault");
	private readonly account: HTMLInputElement;
	private readonly area: HTMLTextAreaElement;
	private readonly drop = h("input", { type: "checkbox", test: "restore-drop" });
	private readonly device;
	private readonly prefilled: boolean;

	constructor(private readonly ctx: Ctx, account: string, phrase: string) {
		this.account = h("input", { type: "text", dir: "ltr", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: 320, required: true, value: account, test: "restore-account" });
		this.area = phraseField(ctx, phrase);
		this.device = deviceField(ctx, deviceName());
		this.prefilled = account !== "" && phrase !== "";
	}

	parts(): HTMLElement[] {
		const { t } = this.ctx;
		const key = h("button", { type: "button", class: this.prefilled ? "wide" : "primary wide", test: "restore-passkey" }, icon("lock"), t("account.secret.passkey"));
		key.addEventListener("click", () => void this.attempt(key, async () => {
			const { account, prf } = await usePasskey();
			return { account: account ?? this.typed(), secret: { prf } };
		}));
		const none = h("p", { class: "banner quiet", test: "no-passkeys" }, t("account.passkey.none"));
		const byKey = h("section", { class: "card stack", test: "by-passkey" }, h("h2", null, t("account.restore.byPasskey")), h("p", { class: "soft" }, t("account.restore.byPasskeyHint")), key);
		const first = passkeys() ? byKey : none;
		const parts = this.prefilled ? [this.byPhrase(), first] : [first, this.byPhrase()];
		return [...parts.slice(0, 1), this.fault, ...parts.slice(1)];
	}

	private byPhrase(): HTMLElement {
		const { t } = this.ctx;
		const node = ownNode();
		const go = h("button", { type: "submit", class: this.prefilled || !passkeys() ? "primary wide" : "wide", test: "restore-go" }, t("account.restore.here"));
		const form = h("form", { class: "card form", novalidate: true, test: "restore-form" }, h("h2", null, t("account.restore.byPhrase")),
			field(t("account.account.label"), this.account, node ? t("account.account.hint", { Node: node }) : null),
			field(t("account.phrase.label"), this.area, t("account.phrase.typing")),
			h("label", { class: "check" }, this.drop, t("account.restore.drop")), this.device.element, go);
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			void this.attempt(go, async () => ({ account: this.typed(), secret: { phrase: this.area.value } }));
		});
		return form;
	}

	private typed(): string {
		return accountHere(this.account.value);
	}

	private attempt(button: HTMLButtonElement, get: () => Promise<{ account: string; secret: Secret }>): Promise<void> {
		return busy(button, async () => {
			text(this.fault, "");
			try {
				const { account, secret } = await get();
				await this.send({ account, secret, client: this.device.value(), drop: this.drop.checked });
				this.area.value = "";
				this.ctx.toast("account.restore.done");
				this.ctx.go("");
			} catch (error) {
				text(this.fault, accountWrong(this.ctx, error));
				this.fault.scrollIntoView({ block: "nearest" });
			}
		});
	}

	/** A device's name that is taken is no reason to ask a person anything. */
	private async send(params: RestoreParams): Promise<void> {
		try {
			await this.ctx.engine.call("account.restore", params);
		} catch (error) {
			if (!(error instanceof EngineError) || error.code !== "client-name") throw error;
			await this.ctx.engine.call("account.restore", { ...params, client: otherDeviceName() });
		}
	}
}
