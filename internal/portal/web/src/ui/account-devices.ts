// The account's devices: which there are, one more, one less.

import type { ClientInfo } from "../engine/api.gen";
import { h } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { withSecret } from "./account-parts";
import type { Ctx } from "./ctx";
import { fillWith, skeleton } from "./page";

export function devices(ctx: Ctx): HTMLElement {
	const place = h("div", { test: "devices" }, skeleton(ctx, 2, "row"));
	let shown = "";
	const load = (): Promise<void> => fillWith(ctx, place, async () => {
		const all = await ctx.engine.call("account.clients");
		shown = JSON.stringify(all);
		return h("ul", { class: "rows" }, all.map((client) => row(ctx, client, all.length, () => void load())));
	});
	ctx.on((event) => {
		if (event.kind !== "status") return;
		void ctx.engine.call("account.clients").then((all) => {
			if (JSON.stringify(all) !== shown && !ctx.signal.aborted) return load();
			return undefined;
		}, () => undefined); // what is there stays
	});
	void load();
	const add = h("a", { class: "button", href: "#/pair", test: "add-device" }, icon("plus"), ctx.t("account.device.add"));
	return h("section", { class: "stack" }, h("div", { class: "section-head" }, h("h2", null, ctx.t("account.devices")), add), place);
}

function row(ctx: Ctx, client: ClientInfo, count: number, again: () => void): HTMLElement {
	const { t } = ctx;
	const facts = [t("account.device.added", { Date: ctx.fmt.date(client.added) }), client.heard ? t("account.device.heard", { Ago: ctx.fmt.ago(client.heard) }) : null, t(client.browser ? "account.device.browser" : "account.device.program")];
	const drop = h("button", { type: "button", class: "small quiet", test: "drop" }, t("account.device.drop"), h("span", { class: "only-read" }, " ", bdi(client.name, 40)));
	drop.addEventListener("click", () => void dropDevice(ctx, client, again));
	return h("li", { class: "row device", test: "device" }, h("div", { class: "row-text" },
		h("strong", null, bdi(client.name, 40), client.own ? [" ", h("span", { class: "chip good", test: "own-device" }, t("account.device.own"))] : null),
		h("small", null, facts.filter((fact) => fact !== null).join(" · "))), count > 1 ? drop : null);
}

async function dropDevice(ctx: Ctx, client: ClientInfo, again: () => void): Promise<void> {
	const { t } = ctx;
	const why = t(client.own ? "account.device.dropOwn" : "account.device.dropWhy", { Client: client.name });
	const done = await withSecret(ctx, t("account.device.dropNamed", { Client: client.name }), why, async (secret) => {
		await ctx.engine.call("account.drop", { client: client.name, secret });
	}, true);
	if (!done) return;
	ctx.toast("account.device.dropped", { Client: client.name });
	if (!client.own) again();
}
