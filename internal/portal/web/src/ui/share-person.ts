// "With whom?": an address that is looked up, somebody known, or a code.
import type { Person } from "../engine/api.gen";
import { busy, field } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { openDialog } from "../lib/dialog";
import { compareBox, errorBox, nameOf, who } from "./consent-parts";
import type { Ctx } from "./ctx";
import { qrScan } from "./qr-scan";

export interface PersonPicker {
	readonly element: HTMLElement;
	/** Who was looked up and found. */
	person(): Person | undefined;
	/** Looks up what is typed, if that was not done; says so if there is nobody. */
	look(): Promise<Person | undefined>;
}

/** Makes the choice; changed is called when somebody else, or nobody, is chosen. */
export function personPicker(ctx: Ctx, changed: () => void): PersonPicker {
	return new Picker(ctx, changed);
}

const known = 6; // people offered without typing

class Picker implements PersonPicker {
	private found: Person | undefined;
	private readonly place = h("div", { class: "found", test: "found" });
	private readonly chips = h("div", { class: "ways people", test: "people" });
	private readonly input: HTMLInputElement;
	readonly element: HTMLElement;

	constructor(private readonly ctx: Ctx, private readonly changed: () => void) {
		const { t } = ctx;
		this.input = h("input", { type: "email", inputmode: "email", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "ltr", placeholder: "bea@example.org", test: "address", on: { input: () => this.set(undefined) } });
		const go = h("button", { type: "submit", test: "look-up" }, icon("search"), t("consent.person.look"));
		const scan = h("button", { type: "button", test: "scan-person", on: { click: () => this.scan() } }, icon("camera"), t("consent.person.scan"));
		const form = h("form", { class: "stack", novalidate: true, on: { submit: (e) => {
			e.preventDefault();
			void busy(go, async () => void (await this.look()));
		} } }, field(t("consent.person.address"), this.input, t("consent.person.hint")), h("div", { class: "ways" }, go, scan));
		this.element = h("div", { class: "stack" }, this.chips, form, this.place);
		ctx.engine.call("people").then((list) => this.offer(list), () => undefined);
	}

	person(): Person | undefined {
		return this.found;
	}

	async look(): Promise<Person | undefined> {
		const account = this.input.value.trim().replace(/^@/, "");
		if (this.found?.account === account) return this.found;
		if (!/^[^\s@]+@[^\s@]+$/.test(account)) {
			this.say(h("p", { class: "problem", role: "alert", test: "address-wrong" }, this.ctx.t("consent.person.notAddress")));
			this.input.focus();
			return undefined;
		}
		try {
			this.set(await this.ctx.engine.call("person", { account }));
		} catch (err) {
			this.set(undefined);
			this.say(errorBox(this.ctx, err));
		}
		return this.found;
	}

	private offer(list: readonly Person[]): void {
		fill(this.chips, list.slice(0, known).map((p) => h("button", { type: "button", class: "small", on: { click: () => {
			this.input.value = p.account;
			void this.look();
		} } }, bdi(nameOf(p), 40))));
		this.chips.hidden = list.length === 0;
	}

	private set(p: Person | undefined): void {
		this.found = p;
		if (p) this.say(this.card(p));
		else this.say();
		this.changed();
	}

	private card(p: Person): HTMLElement {
		const compare = p.compared ? null : compareBox(this.ctx, p.account, nameOf(p), () => {
			this.found = { ...p, compared: true };
			this.place.querySelector("[data-test=not-compared]")?.remove();
		});
		return h("div", { class: "card", role: "status", test: "person" }, who(this.ctx, p, "h3"), compare);
	}

	private say(...what: Child[]): void {
		fill(this.place, ...what);
	}

	private scan(): void {
		const { t } = this.ctx;
		const dialog = openDialog(t("consent.person.scan"), t("web.close"), qrScan({
			t, typeLabel: t("consent.person.address"),
			take: (text) => {
				const account = addressIn(text);
				if (!account) return t("consent.scan.notPerson");
				this.input.value = account;
				dialog.close();
				void this.look();
				return undefined;
			},
		}));
	}
}

/** The account in a scanned text: an address, with or without acct:, or the page of one. */
export function addressIn(text: string): string | undefined {
	const plain = text.trim().replace(/^(acct|primum|mailto):/i, "");
	return /^[^\s@/?#]+@[^\s@/?#]+$/.test(plain) ? plain.toLowerCase() : undefined;
}
