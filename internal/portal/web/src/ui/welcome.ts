// The first run: a name, a passkey, twelve words, a first thing. One minute.

import { EngineError } from "../engine/engine";
import { busy, field } from "../lib/form";
import { h, text, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { accountHere, accountWrong, deviceField, deviceName, faultLine, goneNote, ownNode } from "./account-parts";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";
import { createPasskey, passkeys } from "./passkey";
import { startSandbox } from "./sandbox";
import { phraseSteps } from "./welcome-phrase";
import { routes as pairing } from "./welcome-pair";
import { routes as restore } from "./welcome-restore";

export const routes: Routes = {
	welcome: { view: welcome, title: "account.welcome.title", open: true, steady: true },
	...restore,
	...pairing,
};

function welcome(ctx: Ctx, args: string[]): HTMLElement {
	if (args[0] === "first") return firstThing(ctx);
	const steps = new Steps(ctx);
	if (ctx.status?.phase === "open") steps.already();
	else steps.name();
	ctx.on((event) => {
		if (event.kind === "status" && event.status?.phase === "open") steps.already();
	});
	void ctx.engine.call("status").then((status) => {
		if (status.phase === "open") steps.already();
	}, () => undefined); // the status line says what is wrong
	return steps.element;
}

/** The steps of one first run, each in the place of the one before. */
class Steps {
	readonly element = h("div", { class: "first-run", test: "welcome" });

	/** Somebody asked for an account here; what the engine tells of it is theirs. */
	private begun = false;

	constructor(private readonly ctx: Ctx) {}

	/** Someone with an account came here by hand. */
	already(): void {
		if (this.begun) return;
		const { t, status } = this.ctx;
		this.show(page(this.ctx, { heading: t("account.already.heading"), class: "narrow" },
			h("p", { test: "already" }, t("account.already.sentence", { Account: status?.account ?? "" })),
			h("div", { class: "ways" }, h("a", { class: "button primary", href: "#/" }, t("web.nav.things")), h("a", { class: "button", href: "#/account" }, t("web.nav.account")))));
	}

	name(): void {
		const { ctx } = this;
		const { t } = ctx;
		const node = ownNode();
		const name = h("input", { type: "text", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, maxlength: 320, dir: "ltr", test: "name" });
		const shown = h("input", { type: "text", autocomplete: "name", maxlength: 120, test: "shown-name" });
		const invite = h("input", { type: "text", dir: "ltr", autocomplete: "off", maxlength: 200, test: "invite" });
		const inviteField = h("div", { hidden: true }, field(t("account.invite.label"), invite, t("account.invite.hint")));
		const device = deviceField(ctx, deviceName());
		const fault = faultLine("welcome-fault");
		const go = h("button", { type: "submit", class: "primary wide", test: "create" }, t("account.create"));
		const form = h("form", { class: "form card", novalidate: true, test: "name-form" },
			field(t("account.name.label"), name, node ? t("account.name.hint", { Account: `name@${node}` }) : t("account.name.hintWhole")),
			field(t("account.shown.label"), shown, t("account.shown.hint")), inviteField, device.element, fault, go);
		form.addEventListener("submit", (event) => {
			event.preventDefault();
			void busy(go, async () => {
				text(fault, "");
				for (const input of [name, invite]) input.removeAttribute("aria-invalid");
				this.begun = true;
				try {
					const account = accountHere(name.value);
					const made = await ctx.engine.call("account.create", { account, name: shown.value.trim(), client: device.value(), invite: invite.value.trim() });
					this.passkey(made.status.account ?? account, made.status.name ?? "", made.phrase);
				} catch (error) {
					if (isInvite(error)) inviteField.hidden = false;
					text(fault, accountWrong(ctx, error));
					const wrong = isInvite(error) ? invite : name;
					wrong.setAttribute("aria-invalid", "true");
					wrong.focus();
				}
			});
		});
		this.show(page(ctx, { heading: t("account.welcome.heading"), class: "narrow" }, h("p", { class: "lead" }, t("account.welcome.sentence")), progress(ctx, 1), goneNote(ctx), form, haveOne(ctx), trustShort(ctx)));
	}

	passkey(account: string, name: string, phrase: string): void {
		const { ctx } = this;
		const { t } = ctx;
		if (!passkeys()) return this.phrase(phrase, t("account.passkey.none"));
		const fault = faultLine("passkey-fault");
		const make = h("button", { type: "button", class: "primary", test: "make-passkey" }, icon("lock"), t("account.passkey.make"));
		const without = h("button", { type: "button", class: "quiet", test: "without-passkey", on: { click: () => this.phrase(phrase) } }, t("account.passkey.without"));
		make.addEventListener("click", () => void busy(make, async () => {
			text(fault, "");
			try {
				const { prf } = await createPasskey(account, name);
				await ctx.engine.call("account.addPasskey", { secret: {}, prf });
				this.phrase(phrase);
			} catch (error) {
				text(fault, accountWrong(ctx, error));
				text(without, t("account.passkey.wordsOnly"));
				without.className = "primary";
				make.className = "";
			}
		}));
		this.show(page(ctx, { heading: t("account.passkey.heading"), class: "narrow" }, progress(ctx, 2),
			h("div", { class: "card stack" }, h("p", { class: "big account-name", test: "new-account" }, bdi(account)), h("p", null, t("account.passkey.sentence")), fault, h("div", { class: "ways" }, make, without))));
	}

	phrase(phrase: string, note?: string): void {
		const { ctx } = this;
		this.show(phraseSteps(ctx, phrase, () => ctx.go("welcome/first"), progress(ctx, 3), note));
	}

	private show(step: HTMLElement): void {
		this.element.replaceChildren(step);
		step.querySelector("h1")?.focus();
	}
}

function isInvite(error: unknown): boolean {
	return error instanceof EngineError && (error.code === "invite" || error.code === "node.invitation-required");
}

/** How far one is, as dots that are told to screen readers as words. */
function progress(ctx: Ctx, step: number): HTMLElement {
	const last = 4;
	const dots = Array.from({ length: last }, (_, i) => h("span", { class: i < step ? "step-dot done" : "step-dot" }));
	return h("p", { class: "progress", role: "img", "aria-label": ctx.t("account.step", { Step: step, Last: last }) }, dots);
}

function haveOne(ctx: Ctx): HTMLElement {
	return h("nav", { class: "rows", "aria-label": ctx.t("account.have") },
		way("#/restore", "lock", ctx.t("account.have"), ctx.t("account.have.hint"), "to-restore"),
		way("#/pairing", "camera", ctx.t("account.pair.new"), ctx.t("account.pair.newHint"), "to-pairing"));
}

function way(href: string, sign: "lock" | "camera" | "thermometer" | "plus" | "home", title: string, hint: string, test: string): HTMLElement {
	return h("a", { class: "row", href, test }, icon(sign), h("span", { class: "row-text" }, h("strong", null, title), h("small", null, hint)));
}

function trustShort(ctx: Ctx): Child {
	return h("p", { class: "soft small-text" }, ctx.t("account.trust.short"), " ", h("a", { href: "#/trust", test: "to-trust" }, ctx.t("account.trust.more")));
}

/** The last step: something to look at. */
function firstThing(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const sandbox = h("button", { type: "button", class: "primary", test: "first-sandbox" }, icon("thermometer"), t("web.sandbox.start"));
	sandbox.addEventListener("click", () => void startSandbox(ctx, sandbox));
	return h("div", { class: "first-run", test: "welcome" }, page(ctx, { heading: t("account.first.heading"), class: "narrow" }, progress(ctx, 4),
		h("div", { class: "card stack" }, h("p", null, t("account.first.sandbox")), h("div", { class: "ways" }, sandbox)),
		h("div", { class: "rows" }, way("#/add", "plus", t("account.first.add"), t("account.first.addHint"), "first-add"), way("#/", "home", t("account.first.later"), t("account.first.laterHint"), "first-later"))));
}
