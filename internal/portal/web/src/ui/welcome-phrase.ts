// The recovery phrase: shown once, noted, and three words of it asked for.

import { busy, field } from "../lib/form";
import { h, text, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { accountWrong, faultLine } from "./account-parts";
import { wordGrid } from "./consent-parts";
import type { Ctx } from "./ctx";
import { page } from "./page";

/** Shows the words, then asks for three of them; done is called when the engine
 * knows that they were seen. */
export function phraseSteps(ctx: Ctx, phrase: string, done: () => void, above?: Child, note?: string): HTMLElement {
	const place = h("div", { test: "phrase-steps" });
	const show = (step: HTMLElement): void => {
		place.replaceChildren(step);
		step.querySelector("h1")?.focus();
	};
	const look = (): void => show(words(ctx, phrase, ask, above, note));
	const ask = (): void => show(question(ctx, phrase, look, done, above));
	look();
	return place;
}

function words(ctx: Ctx, phrase: string, next: () => void, above: Child, note?: string): HTMLElement {
	const { t } = ctx;
	const copy = h("button", { type: "button", class: "small", test: "copy-phrase" }, icon("copy"), t("web.copy"));
	copy.addEventListener("click", () => {
		void navigator.clipboard.writeText(phrase).then(() => ctx.toast("account.phrase.copied"), () => ctx.toast("account.phrase.notCopied"));
	});
	const print = h("button", { type: "button", class: "small", test: "print-phrase", on: { click: () => window.print() } }, icon("page"), t("account.phrase.print"));
	return page(ctx, { heading: t("account.phrase.heading"), class: "narrow phrase-page" }, above ?? null,
		note ? h("p", { class: "banner quiet", test: "phrase-note" }, note) : null,
		h("div", { class: "card stack printed" }, h("p", { class: "only-print" }, `Primum – ${ctx.status?.account ?? ""}`), h("p", null, t("account.phrase.sentence")), wordGrid(phrase, "phrase-words"), h("div", { class: "row-actions" }, copy, print)),
		h("button", { type: "button", class: "primary wide", test: "noted", on: { click: next } }, t("account.phrase.noted")));
}

/** Three places of the twelve, in order. */
function places(count: number): number[] {
	const all = Array.from({ length: count }, (_, i) => i);
	const some: number[] = [];
	for (let i = 0; i < 3; i++) some.push(...all.splice((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % all.length, 1));
	return some.sort((a, b) => a - b);
}

function question(ctx: Ctx, phrase: string, back: () => void, done: () => void, above: Child): HTMLElement {
	const { t } = ctx;
	const list = phrase.split(" ");
	const asked = places(list.length);
	const inputs = asked.map((place) => h("input", { type: "text", dir: "ltr", lang: "en", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 40, required: true, test: "check-word", "data-place": place + 1 }));
	const fault = faultLine("check-fault");
	const go = h("button", { type: "submit", class: "primary wide", test: "check" }, t("account.check.go"));
	const skip = h("button", { type: "button", class: "quiet", test: "skip-check" }, t("account.check.skip"));
	const finish = (button: HTMLButtonElement): Promise<void> => busy(button, async () => {
		try {
			await ctx.engine.call("account.check", { secret: { phrase } });
			done();
		} catch (error) {
			text(fault, accountWrong(ctx, error));
		}
	});
	const form = h("form", { class: "form card", novalidate: true, test: "check-form" }, asked.map((place, i) => field(t("account.check.word", { Place: place + 1 }), inputs[i] as HTMLInputElement)), fault, go);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		const wrong = inputs.filter((input, i) => input.value.trim().toLowerCase() !== list[asked[i] ?? 0]);
		for (const input of inputs) input.setAttribute("aria-invalid", String(wrong.includes(input)));
		text(fault, wrong.length > 0 ? t("account.check.wrong") : "");
		if (wrong[0]) wrong[0].focus();
		else void finish(go);
	});
	skip.addEventListener("click", () => void finish(skip));
	const again = h("button", { type: "button", test: "look-again", on: { click: back } }, t("account.check.again"));
	return page(ctx, { heading: t("account.check.heading"), class: "narrow" }, above ?? null, h("p", null, t("account.check.sentence")), form,
		h("div", { class: "ways" }, again, skip), h("p", { class: "soft small-text" }, t("account.check.skipHint")));
}
