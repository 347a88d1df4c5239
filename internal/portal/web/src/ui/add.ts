// Adding a thing: one's own edge in the house, or the thermometer to try with.

import { openDialog } from "../lib/dialog";
import { busy, field } from "../lib/form";
import { h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";
import { qrScan } from "./qr-scan";
import { startSandbox } from "./sandbox";

export const routes: Routes = {
	add: { view: add, title: "web.add.heading", tab: "things" },
};

function add(ctx: Ctx): HTMLElement {
	return page(ctx, { heading: ctx.t("web.add.heading"), back: "", class: "narrow" }, house(ctx), sandbox(ctx));
}

/** Whether this page may reach devices of the house; whoever serves it says so. */
function reachesHouse(): boolean {
	return document.documentElement.dataset["lan"] === "1";
}

function house(ctx: Ctx): HTMLElement {
	const heading = h("h2", null, ctx.t("web.add.house"));
	if (!reachesHouse()) return h("section", { class: "card stack", test: "no-lan" }, heading, h("p", null, ctx.t("web.add.noLan")), h("p", null, ctx.t("web.add.app")), h("p", null, h("code", { dir: "ltr" }, "primum app")));
	return h("section", { class: "card stack" }, heading, h("p", { class: "soft" }, ctx.t("web.add.how")), claimForm(ctx));
}

function claimForm(ctx: Ctx): HTMLElement {
	const url = h("input", { type: "text", inputmode: "url", dir: "ltr", autocomplete: "off", spellcheck: false, required: true, maxlength: 2000, placeholder: "http://192.168.1.20:8410#k=…", test: "claim-url" });
	const code = h("input", { type: "text", dir: "ltr", autocomplete: "one-time-code", autocapitalize: "characters", spellcheck: false, required: true, maxlength: 40, placeholder: "ABCD-EFGH", test: "claim-code" });
	const fault = h("p", { class: "field-error", role: "alert", test: "claim-fault" });
	const scan = h("button", { type: "button", test: "claim-scan" }, icon("camera"), ctx.t("web.add.scan"));
	const claim = h("button", { type: "submit", class: "primary", test: "claim" }, ctx.t("web.add.claim"));
	scan.addEventListener("click", () => scanInto(ctx, url, code));
	const form = h("form", { class: "form", novalidate: true }, scan, field(ctx.t("web.add.url"), url, ctx.t("web.add.urlHint")), field(ctx.t("web.add.code"), code, ctx.t("web.add.codeHint")), fault, claim);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		fault.textContent = problem(ctx, url, code);
		if (fault.textContent === "") void busy(claim, () => send(ctx, url.value.trim(), code.value.trim(), fault));
	});
	return form;
}

/** Reads the code that the edge shows on its terminal. */
function scanInto(ctx: Ctx, url: HTMLInputElement, code: HTMLInputElement): void {
	const take = (read: string): string | undefined => {
		if (!isClaim(read)) return ctx.t("web.add.notClaim");
		url.value = read.trim();
		dialog.close();
		code.focus();
		return undefined;
	};
	const dialog = openDialog(ctx.t("web.add.scan"), ctx.t("web.close"), qrScan({ t: ctx.t, typeLabel: ctx.t("web.add.url"), take }));
	ctx.signal.addEventListener("abort", () => dialog.close(), { once: true });
}

function isClaim(url: string): boolean {
	return /^https?:\/\/[^/\s]+\/?#.*k=/.test(url.trim());
}

/** What is wrong with what was typed, said before anything is sent; the field gets the focus. */
function problem(ctx: Ctx, url: HTMLInputElement, code: HTMLInputElement): string {
	const fits = isClaim(url.value);
	url.setAttribute("aria-invalid", String(!fits));
	code.setAttribute("aria-invalid", String(code.value.trim() === ""));
	if (!fits) {
		url.focus();
		return ctx.t("web.add.notClaim");
	}
	if (code.value.trim() !== "") return "";
	code.focus();
	return ctx.t("web.add.noCode");
}

async function send(ctx: Ctx, url: string, code: string, fault: HTMLElement): Promise<void> {
	try {
		await ctx.engine.call("claim", { url, code });
		ctx.toast("web.add.done");
		ctx.go("");
	} catch (error) {
		fault.textContent = ctx.wrong(error);
	}
}

function sandbox(ctx: Ctx): Child {
	const start = h("button", { type: "button", test: "start-sandbox" }, icon("thermometer"), ctx.t("web.sandbox.start"));
	start.addEventListener("click", () => void startSandbox(ctx, start));
	return h("section", { class: "card stack" }, h("h2", null, ctx.t("web.sandbox.heading")), h("p", { class: "soft" }, ctx.t("web.sandbox.sentence")), h("div", { class: "row-actions" }, start));
}
