// The guest's page: somebody opened a link, has no account, and has never heard
// of any of this. Two words, then the values, then an end.
import type { LinkGuest } from "../engine/api.gen";
import { EngineError, type Engine } from "../engine/engine";
import { formats } from "../lib/format";
import { fill, h, text, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { clean } from "../lib/untrusted";
import type { T } from "../lib/words";
import { wordGrid } from "./consent-parts";
import type { Ctx } from "./ctx";
import { wrong } from "./errors";
import { guestValues } from "./guest-values";

/** What the address of a link page says. */
export interface LinkAddress {
	readonly node: string;
	readonly id: string;
	readonly secret: string;
}

const part = /^[a-z2-7]{26}$/; // 16 random bytes in base32, docs/spec/link.md

/** The link in an address; undefined when it is none, or not whole. */
export function linkIn(at: Pick<Location, "host" | "pathname" | "hash">): LinkAddress | undefined {
	const [, room, id = ""] = at.pathname.split("/");
	const secret = at.hash.slice(1);
	if (room !== "l" || !part.test(id) || !part.test(secret)) return undefined;
	return { node: at.host.replace(/^link\./, ""), id, secret };
}

/** What the guest's page needs of a view's surroundings: it is one view, never left. */
export function guestCtx(engine: Engine, t: T, lang: string): Ctx {
	const nothing = (): void => undefined;
	return {
		engine, t, lang, fmt: formats(lang), status: undefined,
		signal: new AbortController().signal,
		go: nothing, toast: nothing, failed: nothing, say: nothing,
		wrong: (error) => wrong(t, error),
		on: (listener) => void engine.on(listener),
		title: (name) => {
			document.title = `${name} – Primum`;
		},
	};
}

/** Shows the guest's page in root until the page is closed. */
export function guestPage(ctx: Ctx, root: HTMLElement, link: LinkAddress | undefined): void {
	new Guest(ctx, root, link).start();
}

class Guest {
	private readonly main = h("main", { id: "main", class: "guest", test: "guest" });
	private readonly line = h("p", { class: "guest-line", role: "status", test: "guest-offline" });
	private shown = "";
	private stopValues: AbortController | undefined;

	constructor(private readonly ctx: Ctx, private readonly root: HTMLElement, private readonly link: LinkAddress | undefined) {}

	start(): void {
		const brand = h("span", { class: "brand" }, h("span", { class: "mark", "aria-hidden": "true" }), "Primum");
		document.documentElement.classList.add("bare");
		this.root.replaceWith(h("header", { class: "top" }, h("div", { class: "top-in" }, brand)), this.line, this.main);
		if (!this.link) return this.put("other", over(this.ctx, "other"));
		this.put("opening", h("div", { class: "state waiting", test: "guest-opening" }, h("span", { class: "pulse", "aria-hidden": "true" }), h("h1", null, this.ctx.t("link.opening"))));
		this.follow();
		void this.open(this.link);
	}

	private follow(): void {
		const net = (): void => text(this.line, navigator.onLine ? "" : this.ctx.t("link.offline"));
		for (const kind of ["online", "offline"]) window.addEventListener(kind, net);
		net();
		this.ctx.on((e) => {
			if (e.kind === "links" || e.kind === "status" || e.kind === "grants") void this.ask();
		});
		document.addEventListener("visibilitychange", () => {
			if (!document.hidden && this.shown !== "opening") void this.ask();
		});
	}

	private async open(link: LinkAddress): Promise<void> {
		try {
			this.show(await this.ctx.engine.call("link.open", { node: link.node, id: link.id, secret: link.secret }));
		} catch (err) {
			this.fail(err);
		}
	}

	private async ask(): Promise<void> {
		const now = await this.ctx.engine.call("link.state").catch(() => undefined);
		if (now) this.show(now);
	}

	private fail(err: unknown): void {
		const code = err instanceof EngineError ? err.code : "";
		const known = /(?:^|-)(used|expired|ended|refused)$/.exec(code)?.[1];
		if (known) return this.show({ state: known });
		if (code === "link-bad") return this.put("other", over(this.ctx, "other"));
		if (code === "account-here") return this.put("busy", over(this.ctx, "busy"));
		const again = h("button", { type: "button", class: "primary", test: "again", on: { click: () => location.reload() } }, this.ctx.t("link.again"));
		this.put("failed", h("div", { class: "state error", test: "guest-failed" }, h("div", { class: "state-sign" }, icon("warn")), h("h1", null, this.ctx.t("link.failed")), h("p", null, this.ctx.wrong(err)), h("div", { class: "ways" }, again)));
	}

	private show(g: LinkGuest): void {
		const owner = clean(g.ownerName || g.owner || "", 64) || this.ctx.t("link.somebody");
		switch (g.state) {
			case "words": return this.put(`words ${g.words}`, this.words(g, owner));
			case "waiting": return this.put("waiting", h("div", { class: "state waiting", test: "guest-waiting" }, h("span", { class: "pulse", "aria-hidden": "true" }), h("h1", null, this.ctx.t("link.wait")), h("p", null, this.ctx.t("link.waitMore"))));
			case "given": return this.given(owner);
			case "refused": case "expired": case "used": case "ended": return this.put(g.state, over(this.ctx, g.state, owner));
			default: return;
		}
	}

	/** Shows a state once; the same one again changes nothing. */
	private put(key: string, ...content: Child[]): void {
		if (key === this.shown) return;
		const first = this.shown === "";
		this.shown = key;
		this.stopValues?.abort();
		this.stopValues = undefined;
		fill(this.main, ...content);
		const heading = this.main.querySelector<HTMLElement>("h1, h2");
		this.ctx.title(heading?.textContent ?? this.ctx.t("link.title"));
		if (first || !heading) return;
		heading.tabIndex = -1;
		heading.focus({ preventScroll: true });
	}

	private words(g: LinkGuest, owner: string): Child {
		const { t } = this.ctx;
		return h("section", { class: "page guest-words", test: "guest-compare" },
			h("h1", null, t("link.would", { Owner: owner })), account(g),
			h("p", { class: "say" }, t("link.tell", { Owner: owner })), wordGrid(g.words ?? "", "guest-words"),
			h("p", null, t("link.then", { Owner: owner })),
			h("p", { class: "awaiting", role: "status" }, h("span", { class: "pulse", "aria-hidden": "true" }), t("link.waiting", { Owner: owner })),
			trust(this.ctx, this.link?.node ?? ""));
	}

	private given(owner: string): void {
		if (this.shown === "given") return;
		const stop = new AbortController();
		this.put("given", guestValues(this.ctx, owner, stop.signal), trust(this.ctx, this.link?.node ?? ""));
		this.stopValues = stop;
	}
}

/** The account beneath the name: the name is only what the owner says of themself. */
function account(g: LinkGuest): Child {
	return g.ownerName && g.owner ? h("p", { class: "soft" }, h("bdi", null, clean(g.owner, 96))) : null;
}

function over(ctx: Ctx, which: string, owner = ""): HTMLElement {
	const { t } = ctx;
	return h("div", { class: "state ended", test: `guest-${which}` }, h("div", { class: "state-sign" }, icon("link")), h("h1", null, t("link." + which)), h("p", null, t(`link.${which}More`, { Owner: owner })));
}

function trust(ctx: Ctx, node: string): HTMLElement {
	const { t } = ctx;
	return h("section", { class: "trust", test: "trust" }, h("h2", null, t("link.trust")),
		h("ul", null, h("li", null, t("link.trustPage", { Node: node })), h("li", null, t("link.trustWords"))), h("p", null, t("link.trustRest")));
}
