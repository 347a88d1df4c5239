// What is final, or nearly: a copy to take along, a pause, forgetting, the end.

import type { Deleted } from "../engine/api.gen";
import { openDialog } from "../lib/dialog";
import { busy } from "../lib/form";
import { h, text } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { accountWrong, faultLine, withSecret } from "./account-parts";
import type { Ctx } from "./ctx";

export function ends(ctx: Ctx): HTMLElement {
	const { t } = ctx;
	const row = (test: string, danger: boolean, work: (button: HTMLButtonElement) => Promise<void>): HTMLElement => {
		const button = h("button", { type: "button", class: danger ? "small danger" : "small", test }, t(`account.${test}.go`));
		button.addEventListener("click", () => void work(button));
		return h("div", { class: "row" }, h("div", { class: "row-text" }, h("strong", null, t(`account.${test}`)), h("small", null, t(`account.${test}.hint`))), button);
	};
	return h("section", { class: "stack" }, h("h2", null, t("account.end.heading")), h("div", { class: "rows" },
		row("export", false, (button) => busy(button, () => saveExport(ctx))),
		row("suspend", false, () => sure(ctx, "suspend", async () => {
			await ctx.engine.call("account.suspend");
			ctx.toast("account.suspend.done");
		})),
		row("forget", true, () => sure(ctx, "forget", async () => {
			await ctx.engine.call("account.forget");
			leave();
		})),
		row("delete", true, () => endAccount(ctx))));
}

/** Everything starts anew: nothing of the account shall be left in this page. */
function leave(): void {
	history.replaceState(null, "", "/my#/welcome");
	location.reload();
}

/** Offers everything as one file: docs/spec/export.md. */
export async function saveExport(ctx: Ctx): Promise<void> {
	try {
		const made = await ctx.engine.call("account.export");
		const url = URL.createObjectURL(new Blob([made.content], { type: "application/json" }));
		const link = h("a", { href: url, download: made.name, hidden: true, test: "export-file" });
		document.body.append(link);
		link.click();
		link.remove();
		window.setTimeout(() => URL.revokeObjectURL(url), 60_000);
		ctx.toast("account.export.done", { File: made.name });
	} catch (error) {
		ctx.failed(error);
	}
}

/** Asks once more before something that can't be taken back lightly. */
async function sure(ctx: Ctx, what: string, work: () => Promise<void>): Promise<void> {
	const { t } = ctx;
	const fault = faultLine(what + "-fault");
	const yes = h("button", { type: "button", class: "danger", test: what + "-yes" }, t(`account.${what}.go`));
	const no = h("button", { type: "button", test: what + "-no", on: { click: () => dialog.close() } }, t("account.keep"));
	const dialog = openDialog(t(`account.${what}`), t("web.close"), h("p", null, t(`account.${what}.sure`)), fault, h("div", { class: "even" }, no, yes));
	yes.addEventListener("click", () => void busy(yes, async () => {
		try {
			await work();
			dialog.close();
		} catch (error) {
			text(fault, accountWrong(ctx, error));
		}
	}));
	await dialog.closed;
}

/** The last step: asks for the secret, then stops and erases everything. */
export async function endAccount(ctx: Ctx): Promise<void> {
	const { t } = ctx;
	let told: Deleted | undefined;
	const done = await withSecret(ctx, t("account.delete"), t("account.delete.sure"), async (secret) => {
		told = await ctx.engine.call("account.delete", { secret });
	}, true);
	if (!done) return;
	const stops = told?.stops ?? [];
	const list = h("ul", { class: "rows", test: "delete-stops" }, stops.map((stop) => h("li", null, bdi(stop.other || stop.grant), " ", h("span", { class: "soft" }, t(stop.stop.lockTwo ? "account.delete.both" : "account.delete.one")))));
	const go = h("button", { type: "button", class: "primary", test: "delete-leave", on: { click: leave } }, t("account.delete.leave"));
	const dialog = openDialog(t("account.delete.done"), t("web.close"), h("p", { class: "row" }, icon("check"), t("account.delete.doneSentence")), stops.length > 0 ? list : null, go);
	await dialog.closed;
	leave();
}
