// A card: one value of one thing, at a glance.

import type { Affordance, Point, ThingInfo } from "../engine/api.gen";
import { h, text } from "../lib/h";
import { icon } from "../lib/icons";
import { refPath } from "../lib/ref";
import { bdi, clean } from "../lib/untrusted";
import type { Ctx } from "./ctx";
import type { SparkElement } from "./spark";
import type { AgeElement, ValueElement } from "./value";

const young = 10_000; // milliseconds: no value is stale before

/** A card on the page; it is changed, never rebuilt, when a value comes. */
export class Card {
	readonly element: HTMLElement;
	private readonly value = document.createElement("primum-value") as ValueElement;
	private readonly age = document.createElement("primum-age") as AgeElement;
	private readonly spark = document.createElement("primum-spark") as SparkElement;
	private readonly foot = h("div", { class: "card-foot" });
	private stale = false;

	constructor(
		private readonly ctx: Ctx,
		private readonly thing: ThingInfo,
		private readonly affordance: Affordance,
	) {
		const wordy = typeof affordance.latest?.number !== "number" && affordance.type !== "number" && affordance.type !== "integer";
		this.element = h("li", { class: "card thing-card" + (wordy ? " wordy" : ""), test: "card" }, this.head(), this.value, this.spark, this.foot);
		this.element.dataset["path"] = clean(affordance.path, 200);
		this.foot.append(this.age, ...this.chips());
		this.value.show(ctx, affordance, affordance.latest ?? undefined);
		this.age.set(ctx, affordance.latest ?? undefined);
		this.spark.show(affordance.recent ?? []);
		this.grey(affordance.stale === true || ["stale", "paused", "ended", "waiting"].includes(thing.state));
	}

	/** What a search looks through. */
	get words(): string {
		const { thing, affordance } = this;
		return [thing.title, affordance.title, affordance.path, thing.owner ?? ""].join(" ").toLowerCase();
	}

	focus(): void {
		this.element.querySelector<HTMLElement>("a")?.focus();
	}

	/** Shows a newer value. */
	take(point: Point): void {
		this.value.show(this.ctx, this.affordance, point);
		this.age.set(this.ctx, point);
		this.spark.add(point);
		if (this.thing.state === "live" || this.thing.state === "stale") this.grey(false);
	}

	/** Lets time pass: the age, and grey when three times the usual has gone by. */
	tick(now: number): void {
		const age = this.age.tick(this.ctx, now);
		const { usual } = this.spark;
		if (usual !== undefined && age > Math.max(young, 3 * usual)) this.grey(true);
	}

	private grey(stale: boolean): void {
		if (stale === this.stale) return;
		this.stale = stale;
		this.element.classList.toggle("stale", stale);
	}

	private head(): HTMLElement {
		const { affordance, thing } = this;
		const title = h("h3", null, h("a", { href: "#/thing/" + refPath(affordance.ref), class: "stretch", test: "open" }, bdi(affordance.title || affordance.ref.name, 80)));
		const below = h("p", { class: "card-sub" }, bdi(thing.title, 60), thing.owner ? [" · ", bdi(thing.owner, 80)] : null);
		return h("div", { class: "card-head" }, h("div", null, title, below), this.lock());
	}

	/** The lock: how many people have this value; it leads to who they are. */
	private lock(): HTMLElement | null {
		const { affordance, ctx } = this;
		if (!this.thing.own) return null;
		const name = affordance.people > 0 ? ctx.t("web.people", { N: affordance.people }) : ctx.t("web.people.none");
		const count = h("span", { "aria-hidden": "true" });
		text(count, affordance.people > 0 ? ctx.fmt.number(affordance.people) : "");
		const lock = h("a", { class: "lock", href: "#/grants/" + refPath(affordance.ref), title: name, test: "lock" }, icon("lock"), count, h("span", { class: "only-read" }, name));
		lock.classList.toggle("shared", affordance.people > 0);
		return lock;
	}

	private chips(): HTMLElement[] {
		const { ctx, thing } = this;
		const chips: HTMLElement[] = [];
		if (thing.sandbox) chips.push(h("span", { class: "chip" }, ctx.t("web.sandbox")));
		if (thing.state !== "live") chips.push(h("span", { class: "chip" + (thing.state === "paused" ? " warn" : ""), test: "thing-state" }, ctx.t("web.state." + thing.state)));
		else if (!thing.own && thing.until) chips.push(h("span", { class: "chip" }, ctx.t("web.until", { Date: ctx.fmt.date(thing.until) })));
		if ((this.affordance.alerts ?? []).some((alert) => alert.since)) chips.push(h("span", { class: "chip warn" }, icon("bell"), ctx.t("web.rings")));
		return chips;
	}
}
