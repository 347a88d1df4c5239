// Sharing one thing unasked: with whom, until when, how fine; and then it is so.
import type { Affordance, GiveParams, Precision, Share, ThingInfo } from "../engine/api.gen";
import { busy, field } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { parseRef, refKey, refPath } from "../lib/ref";
import { bdi } from "../lib/untrusted";
import { precisionChoice, type Choice } from "./consent-choice";
import { fineWords, plain } from "./consent-fine";
import { errorBox, finished, nameOf, segments } from "./consent-parts";
import { valueWords } from "./consent-plot";
import { dayWords } from "./consent-until";
import type { Ctx } from "./ctx";
import { fillWith, page, skeleton, state } from "./page";
import { personPicker, type PersonPicker } from "./share-person";
import { untilPicker, type UntilPicker } from "./share-until";

/** The sharing of the affordance that args name; without one, the choice of it. */
export function shareView(ctx: Ctx, args: string[]): HTMLElement {
	const ref = parseRef(args);
	const body = h("div", { class: "stack" }, skeleton(ctx, 2, "row"), skeleton(ctx, 1, "plot"));
	const view = page(ctx, { heading: ctx.t("consent.share.title"), back: "", class: "consent narrow share" }, body);
	void fillWith(ctx, body, async () => {
		const { things } = await ctx.engine.call("things");
		const own = things.filter((thing) => thing.own);
		if (!ref) return pick(ctx, own);
		for (const thing of own) {
			const one = thing.affordances.find((a) => refKey(a.ref) === refKey(ref));
			if (one) return new Sharing(ctx, thing, one, view).content();
		}
		return h("div", { test: "share-unknown" }, state("ended", "share", ctx.t("consent.share.unknown"), ctx.t("consent.share.unknownMore"), h("a", { class: "button", href: "#/share" }, ctx.t("consent.share.other"))));
	});
	return view;
}

function pick(ctx: Ctx, own: readonly ThingInfo[]): Child {
	const { t } = ctx;
	if (own.length === 0) return h("div", { test: "share-empty" }, state("empty", "share", t("consent.share.none"), t("consent.share.noneMore"), h("a", { class: "button primary", href: "#/" }, t("web.nav.things"))));
	return [h("p", null, t("consent.share.which")), h("div", { class: "rows", test: "share-which" }, own.flatMap((thing) => thing.affordances.map((a) =>
		h("a", { class: "row", href: "#/share/" + refPath(a.ref) }, h("span", { class: "row-text" }, h("strong", null, bdi(a.title)), h("small", null, bdi(thing.title))), h("span", { class: "value" }, latest(ctx, a))))))];
}

function latest(ctx: Ctx, a: Affordance): string {
	return a.latest ? valueWords(ctx.t, ctx.lang, a.latest, a.unit ?? "") : "";
}

/** What a person shares for or asks for, as grants name it. */
export const purposes = ["sharing with a friend", "care", "energy advice", "water advice", "saving energy", "repair", "maintenance", "research", "service"];

/** One sharing while it is put together. */
class Sharing {
	private readonly people: PersonPicker;
	private readonly until: UntilPicker;
	private readonly choice: Choice | undefined;
	private readonly purpose = h("select", { test: "purpose" });
	private readonly acts: HTMLInputElement | undefined;
	private readonly sum = h("p", { class: "summary", "aria-live": "polite", test: "summary" });
	private readonly problem = h("div", null);
	private readonly go = h("button", { type: "button", class: "primary wide", test: "share-go" });
	private readonly readOps: string[];
	private readonly actOps: string[];
	private byLink = false;

	constructor(private readonly ctx: Ctx, private readonly thing: ThingInfo, private readonly a: Affordance, private readonly view: HTMLElement) {
		const { t } = ctx;
		const act = (o: string): boolean => o === "writeproperty" || o === "invokeaction";
		this.readOps = a.ops.filter((o) => !act(o));
		this.actOps = a.ops.filter(act);
		const changed = (): void => this.summary();
		this.people = personPicker(ctx, changed);
		this.until = untilPicker(ctx, new Date(), changed);
		if (this.readOps.length > 0) this.choice = precisionChoice(ctx, undefined, usual(a, thing.sandbox === true), changed);
		if (this.actOps.length > 0 && this.readOps.length > 0) this.acts = h("input", { type: "checkbox", class: "switch", test: "may-switch", on: { change: changed } });
		fill(this.purpose, purposes.map((p) => h("option", { value: p }, t("consent.purpose." + p.replaceAll(" ", "-")))));
		this.go.addEventListener("click", () => void busy(this.go, () => (this.byLink ? this.makeLink() : this.give())));
	}

	content(): Child {
		const { ctx, a } = this;
		const { t } = ctx;
		this.choice?.show(a.ref, a.unit ?? "", a.type);
		this.summary();
		return [
			h("div", { class: "share-what", test: "share-what" }, h("p", null, h("strong", null, bdi(a.title)), h("small", null, bdi(this.thing.title))), h("p", { class: "big value" }, latest(ctx, a))),
			this.whom(),
			h("section", { class: "stack" }, h("h2", null, t("consent.share.until")), this.until.element),
			this.choice ? h("section", { class: "stack" }, h("h2", null, t("consent.share.fine")), this.choice.element) : null,
			this.acts ? h("label", { class: "check" }, this.acts, h("span", null, t("consent.share.acts"))) : null,
			field(t("consent.share.purpose"), this.purpose),
			h("section", { class: "share-end" }, this.sum, this.problem, this.go, h("p", { class: "soft" }, t("consent.share.stop")))];
	}

	private whom(): HTMLElement {
		const { t } = this.ctx;
		const place = h("div", { class: "whom" }, this.people.element);
		const link = h("p", { test: "link-explained" }, t("consent.share.linkMore"));
		const name = field(t("consent.share.linkName"), this.linkName, t("consent.share.linkNameHint"));
		const kinds = [{ value: "person", label: t("consent.share.person") }, { value: "link", label: t("consent.share.link") }];
		return h("section", { class: "stack" }, h("h2", null, t("consent.share.whom")), segments(t("consent.share.how"), kinds, "person", (kind) => {
			this.byLink = kind === "link";
			if (this.byLink) fill(place, link, name);
			else fill(place, this.people.element);
			this.summary();
		}, "share-kind"), place);
	}

	private readonly linkName = h("input", { type: "text", maxlength: 40, autocomplete: "off", dir: "auto", test: "link-name", on: { input: () => this.summary() } });

	private share(): Share {
		const ops = [...this.readOps, ...(this.acts ? (this.acts.checked ? this.actOps : []) : this.actOps)];
		return { ref: this.a.ref, ops, precision: this.choice?.precision() ?? usual(this.a, false) };
	}

	private whoName(): string {
		if (this.byLink) return this.linkName.value.trim() || this.ctx.t("consent.share.whoOpens");
		const p = this.people.person();
		return p ? nameOf(p) : "";
	}

	/** The sentence above the button: what will be so, and the notice of the grant. */
	private sentence(): string {
		const { t, lang } = this.ctx;
		const share = this.share();
		const fine = this.choice ? fineWords(t, lang, share.precision, this.a.unit) : t("consent.ops.switch");
		const both = this.acts?.checked ? t("consent.comma") + t("consent.ops.switchToo") : "";
		return t("consent.share.sentence", { Who: this.whoName(), What: this.a.title, Fine: fine + both, Until: dayWords(lang, this.until.at(), new Date()) });
	}

	private summary(): void {
		const { t } = this.ctx;
		const ready = this.byLink || this.people.person() !== undefined;
		this.sum.textContent = ready ? this.sentence() : t("consent.share.whoFirst");
		this.go.textContent = this.byLink ? t("consent.share.makeLink") : ready ? t("consent.share.with", { Name: this.whoName() }) : t("consent.share.withSomebody");
	}

	private terms(): Pick<GiveParams, "share" | "purpose" | "until" | "notice" | "language"> {
		return { share: [this.share()], purpose: this.purpose.value, until: this.until.at().toISOString(), notice: plain(this.sentence()), language: this.ctx.lang };
	}

	private async give(): Promise<void> {
		const { ctx } = this;
		const person = this.people.person() ?? (await this.people.look());
		if (!person) return;
		try {
			const given = await ctx.engine.call("give", { account: person.account, ...this.terms() });
			finished(this.view, "share-given", ctx.t("consent.given.title", { Name: nameOf(person) }), ctx.t(given.opened ? "consent.given.opened" : "consent.given.waiting", { Name: nameOf(person) }),
				h("a", { class: "button primary", href: `#/grant/${encodeURIComponent(given.grant)}`, test: "to-grant" }, ctx.t("consent.given.look")),
				h("a", { class: "button", href: "#/" }, ctx.t("web.nav.things")));
		} catch (err) {
			fill(this.problem, errorBox(ctx, err));
		}
	}

	private async makeLink(): Promise<void> {
		const { ctx } = this;
		const name = this.linkName.value.trim();
		try {
			const link = await ctx.engine.call("link.create", { ...this.terms(), ...(name ? { name } : {}) });
			ctx.go(`links/${encodeURIComponent(link.id)}`);
		} catch (err) {
			fill(this.problem, errorBox(ctx, err));
		}
	}
}

/** What a sharing starts with: a minute, so that who gets it sees something
 * within a minute; of the thermometer to try, sooner. */
function usual(a: Affordance, sandbox: boolean): Precision {
	const numeric = a.type === undefined || a.type === "number" || a.type === "integer";
	return { every: sandbox ? "10s" : "1m", stat: numeric ? "mean" : "last" };
}
