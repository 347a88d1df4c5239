// Asking somebody for a value. They see who asks, what for and until when, and
// their own yesterday as it would be seen, and say yes or no.

import { busy, field, uniqueId } from "../lib/form";
import { fill, h } from "../lib/h";
import { everyWords } from "./consent-fine";
import type { Ctx, Routes } from "./ctx";
import { page } from "./page";
import { purposes } from "./share";
import { personPicker, type PersonPicker } from "./share-person";
import { untilPicker, type UntilPicker } from "./share-until";

export const routes: Routes = {
	ask: { view: ask, title: "web.ask.heading", tab: "things" },
};

const clocks = ["1m", "15m", "1h", "1d"] as const;
const usual = "15m";

function ask(ctx: Ctx): HTMLElement {
	return page(ctx, { heading: ctx.t("web.ask.heading"), back: "", class: "narrow" }, ...new Asking(ctx).parts());
}

class Asking {
	private readonly people: PersonPicker;
	private readonly until: UntilPicker;
	private readonly want = h("input", { type: "text", dir: "auto", maxlength: 64, autocomplete: "off", required: true, test: "ask-want" });
	private readonly every: HTMLSelectElement;
	private readonly purpose: HTMLSelectElement;
	private readonly fault = h("p", { class: "field-error", role: "alert", test: "ask-fault" });
	private readonly go: HTMLButtonElement;

	constructor(private readonly ctx: Ctx) {
		const { t, lang } = ctx;
		this.people = personPicker(ctx, () => undefined);
		this.until = untilPicker(ctx, new Date(), () => undefined);
		this.every = h("select", { test: "ask-every" }, ...clocks.map((clock) => h("option", { value: clock, selected: clock === usual }, everyWords(t, lang, clock))));
		this.purpose = h("select", { test: "ask-purpose" }, ...purposes.map((p) => h("option", { value: p }, t("consent.purpose." + p.replaceAll(" ", "-")))));
		this.go = h("button", { type: "button", class: "primary wide", test: "ask-go", on: { click: () => void busy(this.go, () => this.send()) } }, t("web.ask.go"));
	}

	parts(): HTMLElement[] {
		const { t } = this.ctx;
		const known = h("datalist", { id: uniqueId("known") }, ...["power", "temperature", "humidity", "flow", "energy"].map((value) => h("option", { value })));
		this.want.setAttribute("list", known.id);
		return [
			h("section", { class: "stack" }, h("h2", null, t("web.ask.whom")), this.people.element),
			h("section", { class: "form" }, h("h2", null, t("web.ask.what")), field(t("web.ask.want"), this.want, t("web.ask.wantHint")), known, field(t("web.ask.every"), this.every), field(t("web.ask.purpose"), this.purpose)),
			h("section", { class: "stack" }, h("h2", null, t("web.ask.until")), this.until.element),
			this.fault,
			this.go,
			h("p", { class: "soft" }, t("web.ask.then")),
		];
	}

	private async send(): Promise<void> {
		const { ctx } = this;
		fill(this.fault);
		const person = await this.people.look(); // it says itself what is wrong
		if (!person) return;
		const want = this.want.value.trim();
		if (want === "") {
			this.want.focus();
			return fill(this.fault, ctx.t("web.ask.noWant"));
		}
		try {
			const precision = { every: this.every.value, stat: "mean" };
			await ctx.engine.call("ask", { account: person.account, wants: [want], precision, purpose: this.purpose.value, until: this.until.at().toISOString(), language: ctx.lang });
			ctx.toast("web.ask.sent", { Account: person.account });
			ctx.go("");
		} catch (error) {
			fill(this.fault, ctx.wrong(error));
		}
	}
}
