// Stop: one press, then what happens is told as it happens. No question before
// it: stopping must be as easy as giving, and a grant that was stopped by a slip
// can be given again.
import { locale } from "../lib/format";
import type { GrantInfo, Stop } from "../engine/api.gen";
import { icon } from "../lib/icons";
import { fill, h, text, type Child } from "../lib/h";
import { refPath } from "../lib/ref";
import type { Ctx } from "./ctx";
import { otherName, saveFile } from "./consent-parts";

const patience = "5s";

export interface StopPanel {
	readonly element: HTMLElement;
	/** A withdrawal is under way here: leave the element where it is. */
	readonly busy: boolean;
	/** What the engine knows now. */
	update(g: GrantInfo): void;
}

/** The button of a grant that runs, or what became of its stop. */
export function stopPanel(ctx: Ctx, g: GrantInfo): StopPanel {
	return new Panel(ctx, g);
}

class Panel implements StopPanel {
	readonly element = h("div", { class: "stop", test: "stop" });
	busy = false;
	private began = 0;
	private readonly one: Lock;
	private readonly two: Lock;

	constructor(private readonly ctx: Ctx, private grant: GrantInfo) {
		this.one = new Lock(ctx, "consent.stop.node", "lock-one");
		this.two = new Lock(ctx, "consent.stop.thing", "lock-two");
		this.rest();
	}

	update(g: GrantInfo): void {
		this.grant = g;
		if (!this.busy) this.rest();
		else if (g.stop) this.mark(g.stop);
	}

	private rest(): void {
		if (this.grant.stop) fill(this.element, ...stopResult(this.ctx, this.grant, this.grant.stop));
		else if (stoppable(this.grant)) fill(this.element, this.button());
		else fill(this.element);
	}

	private button(): HTMLElement {
		return h("button", { type: "button", class: "stop-button", test: "stop-button", "aria-label": this.ctx.t("consent.stop.label", { Name: otherName(this.ctx, this.grant) }), on: { click: () => void this.go() } },
			this.ctx.t("consent.stop.button"));
	}

	private async go(): Promise<void> {
		if (this.busy) return;
		this.busy = true;
		this.began = performance.now();
		const head = h("p", { class: "stop-head", role: "status", tabindex: -1 }, this.ctx.t("consent.stop.going"));
		fill(this.element, head, h("ul", { class: "locks" }, this.one.element, this.two.element));
		head.focus();
		const ticking = setInterval(() => this.tick(), 100);
		try {
			const stop = await this.ctx.engine.call("withdraw", { grant: this.grant.id, patience });
			this.grant = { ...this.grant, state: "ended", stop };
			const times = this.measured(stop);
			fill(this.element, ...stopResult(this.ctx, this.grant, stop, times));
		} catch (err) {
			fill(this.element, h("p", { class: "problem", role: "alert" }, this.ctx.wrong(err)), this.button());
		} finally {
			clearInterval(ticking);
			this.busy = false;
		}
	}

	private tick(): void {
		const passed = (performance.now() - this.began) / 1000;
		this.one.wait(passed);
		this.two.wait(passed);
	}

	private mark(stop: Stop): void {
		const passed = (performance.now() - this.began) / 1000;
		if (stop.lockOne) this.one.close(within(took(stop, stop.lockOne), passed));
		if (stop.lockTwo) this.two.close(within(took(stop, stop.lockTwo), passed));
	}

	/** The times as reported, where they can be true: no clock says more than has passed here. */
	private measured(stop: Stop): Times {
		this.mark(stop);
		return { one: this.one.closed, two: this.two.closed };
	}
}

interface Times {
	readonly one: number | undefined;
	readonly two: number | undefined;
}

/** One of the two locks while it closes. */
class Lock {
	closed: number | undefined;
	private readonly time = h("span", { class: "lock-time", "aria-hidden": "true" });
	readonly element: HTMLElement;

	constructor(private readonly ctx: Ctx, sentence: string, test: string) {
		this.element = h("li", { class: "lock", test }, h("span", null, ctx.t(sentence)), this.time);
	}

	wait(passed: number): void {
		if (this.closed === undefined) text(this.time, secondsWords(this.ctx, passed));
	}

	close(after: number): void {
		if (this.closed !== undefined) return;
		this.closed = after;
		this.element.classList.add("closed");
		fill(this.time, icon("check"), secondsWords(this.ctx, after));
	}
}

function stoppable(g: GrantInfo): boolean {
	return g.own && (g.state === "running" || g.state === "waiting" || g.state === "paused");
}

/** Seconds from the press to a lock, by the reported times; undefined where they can't be compared. */
function took(stop: Stop, lock: string): number | undefined {
	const s = (Date.parse(lock) - Date.parse(stop.asked)) / 1000;
	return s >= 0 && s < 3600 ? s : undefined;
}

function within(reported: number | undefined, passed: number): number {
	return reported !== undefined && reported <= passed ? reported : passed;
}

function secondsWords(ctx: Ctx, s: number): string {
	if (s < 0.05) return ctx.t("consent.secondsLess");
	return ctx.t("consent.seconds", { Time: new Intl.NumberFormat(locale(ctx.lang), { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(s) });
}

/** What a stop has come to, in sentences, with its receipt. */
export function stopResult(ctx: Ctx, g: GrantInfo, stop: Stop, times?: Times): Child[] {
	const { t } = ctx;
	const one = stop.lockOne ? times?.one ?? took(stop, stop.lockOne) : undefined;
	const two = stop.lockTwo ? times?.two ?? took(stop, stop.lockTwo) : undefined;
	const confirmed = Boolean(stop.lockTwo);
	const sentences: string[] = [];
	if (stop.lockOne) sentences.push(one === undefined ? t("consent.stop.oneSome") : t("consent.stop.one", { Time: secondsWords(ctx, one) }));
	if (stop.lockTwo) sentences.push(two === undefined ? t("consent.stop.twoSome") : t("consent.stop.two", { Time: secondsWords(ctx, two) }));
	if (!stop.lockOne) sentences.push(t(confirmed ? "consent.stop.noNode" : "consent.stop.nothing"));
	if (!stop.lockTwo) sentences.push(t("consent.stop.unconfirmed"));
	const first = confirmed || stop.lockOne ? "check" : "warn";
	return [
		h("div", { class: confirmed ? "stop-done" : "stop-open", role: "status", test: confirmed ? "stop-done" : "stop-unconfirmed" },
			icon(confirmed ? first : "warn"), h("div", null, sentences.map((s) => h("p", null, s)), h("p", { class: "soft" }, t("consent.stop.kept")))),
		h("div", { class: "ways" },
			stop.receipt || stop.statement ? h("button", { type: "button", class: "small", test: "receipt", on: { click: () => saveReceipt(g, stop) } }, icon("down"), t("consent.stop.receipt")) : null,
			g.own && g.shared[0]?.ref.home ? h("a", { class: "button small", href: "#/share/" + refPath(g.shared[0].ref), test: "share-again" }, t("consent.stop.again")) : null),
	];
}

/** The receipt of the node and the statement of the thing, both signed, as one file. */
function saveReceipt(g: GrantInfo, stop: Stop): void {
	const content = { grant: g.id, asked: stop.asked, lockOne: stop.lockOne, receipt: stop.receipt, lockTwo: stop.lockTwo, statement: stop.statement };
	saveFile(`stop-${g.id}.json`, "application/json", JSON.stringify(content, null, "\t") + "\n");
}
