// The shell: where one is, what waits, whether all is well, and what was just
// done. Views fill the middle.

import type { Status } from "../engine/api.gen";
import type { Engine, EngineEvent } from "../engine/engine";
import { fill, h, text } from "../lib/h";
import { icon, type Icon } from "../lib/icons";
import { formats } from "../lib/format";
import type { T } from "../lib/words";
import { routes as account } from "./account";
import { notify, ruleWords } from "./alerts";
import { routes as consent } from "./consent";
import type { Ctx, Route, Routes, Tab } from "./ctx";
import { wrong } from "./errors";
import { routes as links } from "./links";
import { routes as rights } from "./rights";
import { routes as seen } from "./seen";
import { failureWords, statusLine } from "./status";
import { routes as things } from "./things";
import { toasts } from "./toasts";
import { routes as welcome } from "./welcome";

const routes: Routes = { ...things, ...consent, ...account, ...links, ...rights, ...seen, ...welcome };

const places: readonly (readonly [Tab, string, Icon])[] = [
	["things", "", "home"],
	["consent", "requests", "hand"],
	["account", "account", "person"],
];

// Notes that must not be missed by somebody who looks away for some seconds.
const grave: readonly string[] = ["engine.storage-evicted", "engine.note.stopped"];

export interface App {
	/** Tells that a newer page waits; apply changes over to it. */
	update(apply: () => void): void;
}

/** Shows the portal in root until the page is closed. */
export function app(engine: Engine, t: T, lang: string, root: HTMLElement): App {
	const shell = new Shell(engine, t, lang);
	root.replaceWith(...shell.elements());
	shell.start();
	return shell;
}

class Shell implements App {
	private status: Status | undefined;
	private view = new AbortController();
	private first = true;
	private failed = false;
	private waiting = 0;
	private shownWithout = false;
	private wanted = ""; // the service that somebody without an account came for
	readonly fmt;
	private readonly toasts;
	private readonly line;
	private readonly main = h("main", { id: "main", test: "main" });
	private readonly badge = h("span", { class: "badge", hidden: true, test: "badge" });
	private readonly said = h("div", { class: "only-read", role: "status" });
	private readonly links: ReadonlyMap<Tab, HTMLAnchorElement>;

	constructor(
		private readonly engine: Engine,
		readonly t: T,
		private readonly lang: string,
	) {
		this.fmt = formats(lang);
		this.toasts = toasts(t);
		this.line = statusLine(t, this.fmt);
		this.links = new Map(places.map(([tab, route, sign]) => [tab, this.link(tab, route, sign)]));
	}

	elements(): HTMLElement[] {
		const skip = h("a", { class: "skip", href: "#main", on: { click: (event) => this.skip(event) } }, this.t("web.skip"));
		const nav = h("nav", { "aria-label": this.t("web.nav"), class: "nav" }, ...this.links.values());
		const brand = h("a", { class: "brand", href: "#/" }, h("span", { class: "mark", "aria-hidden": "true" }), "Primum");
		return [skip, h("header", { class: "top" }, h("div", { class: "top-in" }, brand, nav)), this.line.element, this.main, this.toasts.element, this.said];
	}

	start(): void {
		this.engine.on((event) => this.event(event));
		this.failed = typeof this.engine.state === "object";
		window.addEventListener("hashchange", () => this.moved());
		window.addEventListener("online", () => this.refresh());
		window.addEventListener("offline", () => this.refresh());
		this.show();
		this.refresh();
		void this.ask();
	}

	update(apply: () => void): void {
		this.line.pin(this.t("web.update"), h("button", { type: "button", class: "small", test: "update", on: { click: apply } }, this.t("web.update.now")));
	}

	private link(tab: Tab, route: string, sign: Icon): HTMLAnchorElement {
		const badge = tab === "consent" ? this.badge : null;
		return h("a", { href: "#/" + route, test: "nav-" + tab }, icon(sign), h("span", null, this.t("web.nav." + tab)), badge);
	}

	private skip(event: Event): void {
		event.preventDefault(); // the hash is the route
		this.main.querySelector("h1")?.focus();
	}

	private async ask(): Promise<void> {
		try {
			this.take(await this.engine.call("status"));
			await this.count();
		} catch {
			this.refresh(); // the status line says what is wrong
		}
	}

	private event(event: EngineEvent): void {
		if (event.kind === "status" && event.status) this.take(event.status);
		else if (event.kind === "requests") void this.count();
		else if (event.kind === "note" && event.text) this.note(event.text, event.data);
		else if (event.kind === "alert") this.rang(event);
		else if (event.kind === "state") this.stateChanged();
	}

	/** What a person has to see stays on the page; the rest passes. */
	private note(id: string, data: EngineEvent["data"]): void {
		if (grave.includes(id)) this.line.pin(this.t(id, data));
		else this.toasts.show(id, data);
	}

	/** A view that failed with the engine is made anew when the engine is back. */
	private stateChanged(): void {
		this.refresh();
		const failed = typeof this.engine.state === "object";
		if (failed === this.failed) return;
		this.failed = failed;
		// What is already shown stays: it may be a half-filled form.
		if (!failed || this.status === undefined) this.show();
		if (!failed) void this.ask();
	}

	private rang({ alert }: EngineEvent): void {
		if (!alert?.since) return; // it has stopped ringing
		const title = alert.title ?? alert.ref.name;
		const rule = ruleWords(this, alert, undefined);
		this.toasts.show("web.alert.rings", { Title: title, Rule: rule });
		void notify(this.t("web.alert.rings", { Title: title, Rule: rule }), alert.id ?? title);
	}

	private take(status: Status): void {
		const before = this.status?.phase;
		this.status = status;
		this.refresh();
		if (before !== status.phase) this.settle();
	}

	/** Goes where the phase leads: without an account to the first run, with one away from it. */
	private settle(): void {
		const route = this.route();
		if (this.status?.phase === "none" && !route.open) {
			// A dialog may be what ended the account: then it has the page made anew itself.
			const asked = document.querySelector("dialog[open]");
			if (asked) return asked.addEventListener("close", () => this.settle(), { once: true });
			this.toWelcome();
		}
		else if (!route.steady && (this.status?.phase === "gone" || this.shownWithout)) this.show();
	}

	/** The address is another one: by a link, by hand, by the way back. */
	private moved(): void {
		if (this.status?.phase === "none" && !this.route().open) this.toWelcome();
		else this.show();
	}

	/** To the first run; who came for a service gets there after it. */
	private toWelcome(): void {
		if (segments()[0] === "connect") this.wanted = location.hash;
		location.replace("#/welcome");
	}

	private refresh(): void {
		this.line.show(this.engine, this.status);
	}

	private async count(): Promise<void> {
		if (this.status?.phase !== "open") return;
		const waiting = (await this.engine.call("requests").catch(() => [])).length;
		const words = this.t("web.waiting", { N: waiting });
		fill(this.badge, h("span", { "aria-hidden": "true" }, this.fmt.number(waiting)), h("span", { class: "only-read" }, words));
		this.badge.hidden = waiting === 0;
		if (waiting > this.waiting) text(this.said, words);
		this.waiting = waiting;
	}

	private route(): Route {
		const [first = ""] = segments();
		return (Object.hasOwn(routes, first) ? routes[first] : undefined) ?? lost;
	}

	private show(): void {
		if (this.wanted !== "" && this.status?.phase === "open" && segments()[0] === "") {
			location.replace(this.wanted);
			this.wanted = "";
			return;
		}
		this.view.abort();
		this.view = new AbortController();
		const route = this.route();
		const ctx = this.ctx(this.view.signal);
		this.shownWithout = this.status === undefined;
		ctx.title(this.t(route.title));
		for (const [tab, link] of this.links) {
			if (tab === route.tab) link.setAttribute("aria-current", "page");
			else link.removeAttribute("aria-current");
		}
		document.documentElement.classList.toggle("bare", route.tab === undefined);
		fill(this.main, this.instead(ctx, route) ?? route.view(ctx, segments().slice(1)));
		this.settleFocus();
	}

	/** What is shown in place of a view, if the view can't be. */
	private instead(ctx: Ctx, route: Route): HTMLElement | undefined {
		const { state } = this.engine;
		if (typeof state === "object" && this.status === undefined) return failedView(ctx, state.failed);
		return this.status?.phase === "gone" && !route.open ? gone(ctx) : undefined;
	}

	private settleFocus(): void {
		if (!this.first) {
			window.scrollTo(0, 0);
			this.main.querySelector("h1")?.focus({ preventScroll: true });
		}
		this.first = false;
	}

	private ctx(signal: AbortSignal): Ctx {
		const shell = this;
		return {
			engine: this.engine,
			t: this.t,
			lang: this.lang,
			fmt: this.fmt,
			get status() {
				return shell.status;
			},
			signal,
			go: (route) => {
				location.hash = "#/" + route;
			},
			toast: (id, blanks) => this.toasts.show(id, blanks),
			wrong: (error) => wrong(this.t, error),
			failed: (error) => this.toasts.fault(wrong(this.t, error)),
			say: (sentence) => text(this.said, sentence),
			on: (listener) => signal.addEventListener("abort", this.engine.on(listener), { once: true }),
			title: (name) => {
				document.title = `${name} – Primum`;
			},
		};
	}
}

/** The segments of the address, decoded; a part that can't be decoded stays as it is. */
function segments(): string[] {
	const path = location.hash.replace(/^#\/?/, "");
	return path.split("/").map((part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return part;
		}
	});
}

const lost: Route = { view: (ctx) => nothing(ctx), title: "web.lost.heading", open: true };

function nothing(ctx: Ctx): HTMLElement {
	return h("section", { class: "page state empty", test: "lost" }, h("h1", { tabindex: -1 }, ctx.t("web.lost.heading")), h("p", null, ctx.t("web.lost.sentence")), h("a", { class: "button", href: "#/" }, ctx.t("web.nav.things")));
}

function failedView(ctx: Ctx, code: string): HTMLElement {
	return h(
		"section",
		{ class: "page state error", test: "engine-failed" },
		h("div", { class: "state-sign" }, icon("warn")),
		h("h1", { tabindex: -1 }, ctx.t("web.failed.heading")),
		h("p", null, failureWords(ctx.t, code)),
		h("button", { type: "button", class: "primary", test: "retry", on: { click: () => ctx.engine.retry() } }, ctx.t("web.again")),
	);
}

function gone(ctx: Ctx): HTMLElement {
	return h(
		"section",
		{ class: "page state ended", test: "gone" },
		h("h1", { tabindex: -1 }, ctx.t("web.gone.heading")),
		h("p", null, ctx.t("web.gone.sentence")),
		h("a", { class: "button", href: "#/welcome" }, ctx.t("web.gone.way")),
	);
}
