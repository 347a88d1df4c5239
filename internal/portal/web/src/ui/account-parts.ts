// What the first run and the account page share.

import type { Secret, Status } from "../engine/api.gen";
import { openDialog } from "../lib/dialog";
import { busy, field } from "../lib/form";
import { h, text, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import type { Ctx } from "./ctx";
import { PasskeyError, passkeys, usePasskey } from "./passkey";

/** The sentence for what was thrown, passkeys included. */
export function accountWrong(ctx: Ctx, error: unknown): string {
	if (error instanceof OtherNode) return ctx.t("account.otherNode", { Node: error.node });
	return error instanceof PasskeyError ? ctx.t("account.passkey." + error.why) : ctx.wrong(error);
}

/** A place for what went wrong, said at once. */
export function faultLine(test: string): HTMLElement {
	return h("p", { class: "field-error", role: "alert", test });
}

/** The node of this page; undefined where the page belongs to no node (`primum app`). */
export function ownNode(): string | undefined {
	return document.documentElement.dataset["authority"] || undefined;
}

/** The account a person means: a bare name is one of this page's node. */
export function accountFrom(typed: string): string {
	const trimmed = typed.trim();
	const node = ownNode();
	return trimmed.includes("@") || !node ? trimmed : `${trimmed}@${node}`;
}

/** The node of an account that this page can't open: it is not the page's own.
 * Every node has a portal for its own accounts. */
export function otherNode(account: string): string | undefined {
	const node = ownNode();
	const typed = account.slice(account.lastIndexOf("@") + 1);
	try {
		const host = new URL(`http://${typed}`).host; // as the node is written: lower case, A-labels
		return !node || host === "" || host === node ? undefined : host;
	} catch {
		return undefined; // no address at all: the engine says so
	}
}

/** Thrown where an account is of another node than the page. */
export class OtherNode extends Error {
	constructor(readonly node: string) {
		super(node);
		this.name = "OtherNode";
	}
}

/** The account of what was typed; an OtherNode is thrown where it is not for this page. */
export function accountHere(typed: string): string {
	const account = accountFrom(typed);
	const node = otherNode(account);
	if (node !== undefined) throw new OtherNode(node);
	return account;
}

/** What a browser that was taken off an account still keeps goes when another begins here. */
export function goneNote(ctx: Ctx): HTMLElement {
	const note = h("p", { class: "banner warn", hidden: true, test: "gone-note" });
	const show = (status: Status | undefined): void => {
		note.hidden = status?.phase !== "gone";
		text(note, ctx.t("account.gone.erases", { Account: status?.account ?? "" }));
	};
	show(ctx.status);
	if (!ctx.status) ctx.engine.call("status").then(show, () => undefined); // the status line says what is wrong
	return note;
}

/** A field for twelve words. */
export function phraseField(ctx: Ctx, value = ""): HTMLTextAreaElement {
	const area = h("textarea", { rows: 3, dir: "ltr", lang: "en", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 1000, class: "phrase-field", test: "phrase" });
	area.value = value;
	area.addEventListener("input", () => area.removeAttribute("aria-invalid"));
	area.setAttribute("aria-label", ctx.t("account.phrase.label"));
	return area;
}

/** What this device is called in the account: letters, digits, - and _. */
export function deviceName(): string {
	const agent = navigator.userAgent;
	const browser = /Edg/.test(agent) ? "edge" : /Firefox|FxiOS/.test(agent) ? "firefox" : /Chrome|CriOS/.test(agent) ? "chrome" : /Safari/.test(agent) ? "safari" : "browser";
	const system = /Android/.test(agent) ? "android" : /iPhone/.test(agent) ? "iphone" : /iPad/.test(agent) ? "ipad" : /Mac/.test(agent) ? "mac" : /Windows/.test(agent) ? "windows" : /Linux/.test(agent) ? "linux" : "device";
	return `${browser}-${system}`;
}

/** A device's name with what tells it from one that is there already. */
export function otherDeviceName(): string {
	return `${deviceName()}-${Math.random().toString(36).slice(2, 5)}`;
}

/** A field for the name of this device, folded away: nearly everybody takes what is proposed. */
export function deviceField(ctx: Ctx, value: string): { element: HTMLElement; value: () => string } {
	const input = h("input", { type: "text", dir: "ltr", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 32, value, test: "device-name" });
	const element = h("details", { class: "more", test: "device-more" }, h("summary", null, ctx.t("account.device.more")), field(ctx.t("account.device.label"), input, ctx.t("account.device.hint")));
	return { element, value: () => input.value.trim() || value };
}

/** Asks for a passkey or the phrase and does something with it: the dialog stays,
 * with a sentence, until it worked or the person leaves. The secret is kept
 * nowhere. Resolves to whether it was done. */
export async function withSecret(ctx: Ctx, title: string, why: Child, work: (secret: Secret) => Promise<void>, danger = false): Promise<boolean> {
	let done = false;
	let running = false;
	const fault = faultLine("secret-fault");
	const attempt = (button: HTMLButtonElement, secret: () => Promise<Secret>): Promise<void> => busy(button, async () => {
		text(fault, "");
		running = true;
		try {
			await work(await secret());
			done = true;
		} catch (error) {
			text(fault, accountWrong(ctx, error));
		}
		running = false;
		if (done || ctx.signal.aborted) dialog.close();
	});
	const area = phraseField(ctx);
	const go = h("button", { type: "submit", class: danger ? "danger" : passkeys() ? "" : "primary", test: "secret-go" }, ctx.t("account.secret.go"));
	const form = h("form", { class: "form", test: "secret-form" }, field(ctx.t("account.phrase.label"), area, ctx.t("account.phrase.typing")), go);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		void attempt(go, async () => ({ phrase: area.value }));
	});
	const key = h("button", { type: "button", class: danger ? "danger" : "primary", test: "secret-passkey" }, icon("lock"), ctx.t("account.secret.passkey"));
	key.addEventListener("click", () => void attempt(key, async () => ({ prf: (await usePasskey()).prf })));
	const dialog = openDialog(title, ctx.t("web.close"), typeof why === "string" ? h("p", null, why) : why,
		passkeys() ? [key, h("p", { class: "or soft" }, ctx.t("account.or"))] : null, form, fault);
	// What runs may itself change the page (the account ends): it is waited for.
	ctx.signal.addEventListener("abort", () => running || dialog.close(), { once: true });
	await dialog.closed;
	area.value = "";
	return done;
}
