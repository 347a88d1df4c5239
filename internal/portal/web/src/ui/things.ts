// My things: the last value of everything I have, own things first.

import type { HomeInfo, Point, ThingInfo, ThingsResult } from "../engine/api.gen";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { refKey } from "../lib/ref";
import { everySecond, perFrame } from "../lib/ticker";
import { routes as add } from "./add";
import { routes as alerts } from "./alerts";
import { routes as ask } from "./ask";
import { Card } from "./card";
import type { Ctx, Routes } from "./ctx";
import { routes as notices } from "./notices";
import { fillWith, page, released, skeleton, state } from "./page";
import { startSandbox } from "./sandbox";
import { defineSpark } from "./spark";
import { routes as thing } from "./thing";
import { defineValues } from "./value";

const manyThings = 12; // from here on there is a search field
const manyCards = 60; // from here on those out of sight are not laid out

export const routes: Routes = {
	"": { view: things, title: "web.things.heading", tab: "things" },
	...thing,
	...add,
	...alerts,
	...notices,
	...ask,
};

function things(ctx: Ctx): HTMLElement {
	defineValues();
	defineSpark();
	const place = h("div", { class: "stack wide-gap", test: "things" }, skeleton(ctx, 4));
	const board = new Board(ctx);
	const load = (): Promise<void> => fillWith(ctx, place, async () => board.make(await ctx.engine.call("things")));
	const again = async (): Promise<void> => {
		const result = await ctx.engine.call("things").catch(() => undefined);
		await released(place);
		if (result && !ctx.signal.aborted) board.renew(place, result); // else what is there stays
	};
	const draw = perFrame<Point>(ctx.signal, (changed) => changed.forEach((point, key) => board.take(key, point)));
	ctx.on((event) => {
		if (event.kind === "value" && event.ref && event.point) draw(refKey(event.ref), event.point);
		else if (event.kind === "things" || event.kind === "grants" || event.kind === "state") void again();
	});
	everySecond(ctx.signal, (now) => board.tick(now));
	void load();
	return page(ctx, { heading: ctx.t("web.things.heading"), actions: headActions(ctx) }, place);
}

function headActions(ctx: Ctx): Child {
	return [
		h("a", { class: "button quiet round", href: "#/alerts", "aria-label": ctx.t("web.alerts.heading"), title: ctx.t("web.alerts.heading"), test: "to-alerts" }, icon("bell")),
		h("a", { class: "button quiet round", href: "#/notices", "aria-label": ctx.t("web.notices.heading"), title: ctx.t("web.notices.heading"), test: "to-notices" }, icon("page")),
		h("a", { class: "button", href: "#/add", test: "to-add" }, icon("plus"), ctx.t("web.add")),
	];
}

/** The cards that are on the page now. */
class Board {
	private readonly cards = new Map<string, Card>();
	private search = "";
	private shape = "";

	constructor(private readonly ctx: Ctx) {}

	/** Shows a newer answer. The cards stay if only values changed; else they are
	 * made anew, and the focus goes where it was. */
	renew(place: HTMLElement, result: ThingsResult): void {
		if (shapeOf(result) === this.shape) {
			for (const { ref, latest } of result.things.flatMap((thing) => thing.affordances)) if (latest) this.take(refKey(ref), latest);
			return;
		}
		const focused = document.activeElement;
		const path = focused instanceof HTMLElement && place.contains(focused) ? focused.closest<HTMLElement>(".card")?.dataset["path"] : undefined;
		fill(place, this.make(result));
		if (path === undefined) return;
		for (const card of this.cards.values()) if (card.element.dataset["path"] === path) return card.focus();
	}

	make(result: ThingsResult): Child {
		this.cards.clear();
		this.shape = shapeOf(result);
		if (result.things.length === 0) return [this.homes(result.homes), empty(this.ctx)];
		const own = result.things.filter((thing) => thing.own);
		const others = result.things.filter((thing) => !thing.own && thing.state !== "ended");
		const ended = result.things.filter((thing) => !thing.own && thing.state === "ended");
		return [
			this.homes(result.homes),
			result.things.length > manyThings ? this.field() : null,
			this.section("own", own),
			this.section("others", others),
			this.section("ended", ended),
			h("p", null, h("a", { href: "#/ask", test: "to-ask" }, this.ctx.t("web.ask.heading"))),
			h("p", { class: "soft none-found", hidden: true, test: "none-found" }, this.ctx.t("web.search.none")),
		];
	}

	take(key: string, point: Point): void {
		this.cards.get(key)?.take(point);
	}

	tick(now: number): void {
		for (const card of this.cards.values()) card.tick(now);
	}

	private section(kind: string, list: readonly ThingInfo[]): Child {
		if (list.length === 0) return null;
		const cards = list.flatMap((thing) => this.cardsOf(thing));
		const heading = h("h2", { class: "section-name" }, this.ctx.t("web.things." + kind));
		return h("section", { class: "stack", test: "things-" + kind }, heading, h("ul", { class: cards.length > manyCards ? "cards many" : "cards" }, ...cards.map((card) => card.element)));
	}

	private cardsOf(thing: ThingInfo): Card[] {
		const shown = thing.affordances.filter((affordance) => affordance.kind === "property");
		return (shown.length > 0 ? shown : thing.affordances.slice(0, 1)).map((affordance) => {
			const card = new Card(this.ctx, thing, affordance);
			this.cards.set(refKey(affordance.ref), card);
			card.element.hidden = !card.words.includes(this.search);
			return card;
		});
	}

	private field(): HTMLElement {
		const input = h("input", { type: "search", placeholder: this.ctx.t("web.search"), "aria-label": this.ctx.t("web.search"), value: this.search, test: "search" });
		input.addEventListener("input", () => this.filter(input));
		return h("div", { class: "search" }, icon("search"), input);
	}

	private filter(input: HTMLInputElement): void {
		this.search = input.value.trim().toLowerCase();
		let found = 0;
		for (const card of this.cards.values()) {
			card.element.hidden = !card.words.includes(this.search);
			if (!card.element.hidden) found += 1;
		}
		const none = input.closest("[data-test=things]")?.querySelector<HTMLElement>(".none-found");
		if (none) none.hidden = found > 0;
		this.ctx.say(this.ctx.t("web.search.found", { N: found }));
	}

	/** What holds a whole home up, in a sentence with its way on. */
	private homes(homes: readonly HomeInfo[]): Child {
		return homes.flatMap((home) => {
			if (home.closed) return [banner("warn", this.ctx.t("web.home.closed"))];
			if (!home.joined) return [banner("quiet", this.ctx.t("web.home.joining"))];
			return (home.silent ?? []).map((client) => silent(this.ctx, home.home, client));
		});
	}
}

/** All but the values: what decides which cards there are. */
function shapeOf(result: ThingsResult): string {
	return JSON.stringify(result, (key, value: unknown) => (key === "latest" || key === "recent" || key === "stale" ? undefined : value));
}

function banner(kind: string, sentence: Child, ...ways: Child[]): HTMLElement {
	return h("div", { class: "banner " + kind, test: "home-banner" }, icon("warn"), h("p", null, sentence), ...ways);
}

/** A client that was not heard of pauses what a home gives; the person may go on without it. */
function silent(ctx: Ctx, home: string, client: string): HTMLElement {
	const place = banner("warn", ctx.t("web.home.silent", { Client: client }));
	const goOn = async (): Promise<void> => {
		try {
			await ctx.engine.call("goOnWithout", { home, client });
			place.remove();
			ctx.toast("web.home.wentOn", { Client: client });
		} catch (error) {
			ctx.failed(error);
		}
	};
	place.append(h("button", { type: "button", class: "small", test: "go-on", on: { click: () => void goOn() } }, ctx.t("web.home.goOn")));
	return place;
}

function empty(ctx: Ctx): HTMLElement {
	const sandbox = h("button", { type: "button", class: "primary", test: "start-sandbox", on: { click: () => void startSandbox(ctx, sandbox) } }, ctx.t("web.sandbox.start"));
	const adding = h("a", { class: "button", href: "#/add" }, ctx.t("web.add"));
	return state("empty", "thermometer", ctx.t("web.empty.heading"), ctx.t("web.empty.sentence"), sandbox, adding, h("a", { class: "button quiet", href: "#/ask" }, ctx.t("web.ask.heading")));
}
