// What can be done with a thing: a switch, a slider, a choice, a press; then
// what the thing answered, and when.

import type { Affordance, Point, SendResult } from "../engine/api.gen";
import { busy, uniqueId } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { clean } from "../lib/untrusted";
import type { Ctx } from "./ctx";

export interface Control {
	readonly element: HTMLElement;
	/** The thing's own newest value: the control shows that, not what was wished. */
	take(point: Point): void;
}

/** A way to put something in; undefined input: nothing is sent along. */
interface Input {
	readonly element: Child;
	readonly read: () => unknown;
	readonly show: (value: unknown) => void;
	/** Nothing may be sent, too. */
	readonly optional?: boolean;
	/** Whether a change sends at once; else there is a button. */
	readonly direct?: (send: () => void) => void;
}

/** The control of an affordance, or undefined where there is nothing to do. */
export function makeControl(ctx: Ctx, affordance: Affordance): Control | undefined {
	const acts = affordance.ops.includes("invokeaction");
	if (!acts && !affordance.ops.includes("writeproperty")) return undefined;
	const title = ctx.t(acts ? "web.control.act" : "web.control.set");
	const input = inputOf(ctx, affordance, acts);
	const answer = h("p", { class: "answer", role: "status", test: "answer" });
	const button = h("button", { type: "button", class: "primary", test: "send" }, acts ? [icon("power"), clean(affordance.title || affordance.ref.name, 40)] : ctx.t("web.control.send"));
	const send = (): Promise<void> => busy(button, () => sendNow(ctx, affordance, input, answer));
	button.addEventListener("click", () => void send());
	input?.direct?.(() => void send());
	const element = h("section", { class: "card control", test: "control" }, h("h2", null, title), h("div", { class: "control-line" }, input?.element ?? null, input?.direct ? null : button, answer));
	const take = (point: Point): void => input?.show(point.number ?? point.value);
	if (affordance.latest) take(affordance.latest);
	return { element, take };
}

async function sendNow(ctx: Ctx, affordance: Affordance, input: Input | undefined, answer: HTMLElement): Promise<void> {
	const value = input?.read();
	if (input && !input.optional && value === undefined) return say(answer, "fault", ctx.t("web.control.nothing"));
	say(answer, "pending", ctx.t("web.control.pending"));
	try {
		const result = await ctx.engine.call("send", { ref: affordance.ref, input: value });
		say(answer, "done", done(ctx, result));
	} catch (error) {
		say(answer, "fault", ctx.wrong(error));
	}
}

function say(place: HTMLElement, kind: string, sentence: string): void {
	place.className = "answer " + kind;
	fill(place, kind === "done" ? icon("check") : kind === "fault" ? icon("warn") : null, h("span", null, sentence));
}

function done(ctx: Ctx, result: SendResult): string {
	const after = ctx.t("web.control.done", { Seconds: ctx.fmt.number(Math.round(result.millis / 100) / 10), Time: ctx.fmt.time(new Date()) });
	const answer: unknown = result.answer;
	if (answer === undefined || answer === null || typeof answer === "object") return after;
	const words = typeof answer === "boolean" ? ctx.t(answer ? "web.value.on" : "web.value.off") : clean(String(answer), 80);
	return after + " " + ctx.t("web.control.answered", { Answer: words });
}

function inputOf(ctx: Ctx, a: Affordance, acts: boolean): Input | undefined {
	const type = a.type || typeof a.latest?.value; // a grantee may not know the type
	if (a.enum && a.enum.length > 0) return choice(ctx, a, a.enum, !acts);
	if (type === "boolean") return toggle(ctx, a, !acts);
	if (type === "number" || type === "integer") return typeof a.min === "number" && typeof a.max === "number" ? slider(ctx, a, a.min, a.max) : number(ctx, a);
	if (type === "string") return line(ctx, a);
	if (acts && !a.ref.grant && !a.type) return undefined; // an own action without input
	return anything(ctx, a, acts);
}

function label(ctx: Ctx, a: Affordance): string {
	return ctx.t("web.control.label", { Title: a.title || a.ref.name });
}

function toggle(ctx: Ctx, a: Affordance, direct: boolean): Input {
	const box = h("input", { type: "checkbox", role: "switch", class: "switch", "aria-label": label(ctx, a), test: "input" });
	const words = h("span", { "aria-hidden": "true" }, ctx.t("web.value.off"));
	const show = (value: unknown): void => {
		box.checked = value === true;
		words.textContent = ctx.t(box.checked ? "web.value.on" : "web.value.off");
	};
	const element = h("label", { class: "check big-check" }, box, words);
	const base: Input = { element, read: () => box.checked, show };
	return direct ? { ...base, direct: (send) => box.addEventListener("change", () => (show(box.checked), send())) } : base;
}

function choice(ctx: Ctx, a: Affordance, values: readonly string[], direct: boolean): Input {
	const name = uniqueId("choice");
	const inputs = values.slice(0, 20).map((value) => h("input", { type: "radio", name, value, test: "input" }));
	const read = (): unknown => {
		const chosen = inputs.find((input) => input.checked)?.value;
		return chosen !== undefined && (a.type === "number" || a.type === "integer") ? Number(chosen) : chosen;
	};
	const show = (value: unknown): void => inputs.forEach((input) => (input.checked = input.value === String(value)));
	const labels = inputs.map((input) => h("label", null, input, h("bdi", null, clean(input.value, 40))));
	const base: Input = { element: h("fieldset", { class: "segments large" }, h("legend", { class: "only-read" }, label(ctx, a)), ...labels), read, show };
	return direct ? { ...base, direct: (send) => inputs.forEach((input) => input.addEventListener("change", send)) } : base;
}

function slider(ctx: Ctx, a: Affordance, min: number, max: number): Input {
	const step = a.type === "integer" ? 1 : Math.max(10 ** Math.floor(Math.log10((max - min) / 100 || 1)), 1e-6);
	const input = h("input", { type: "range", min, max, step, "aria-label": label(ctx, a), test: "input" });
	const output = h("output", { class: "big number" });
	let touched = false; // what a person is about to choose is not taken from them
	const words = (): void => {
		const unit = clean(a.unit ?? "", 16);
		output.textContent = ctx.fmt.number(input.valueAsNumber) + (unit ? " " + unit : "");
		input.setAttribute("aria-valuetext", output.textContent);
	};
	input.addEventListener("input", () => {
		touched = true;
		words();
	});
	words();
	const show = (value: unknown): void => {
		if (touched || typeof value !== "number") return;
		input.valueAsNumber = value;
		words();
	};
	const read = (): unknown => {
		touched = false;
		return input.valueAsNumber;
	};
	return { element: h("div", { class: "slide" }, output, input), read, show };
}

function number(ctx: Ctx, a: Affordance): Input {
	const input = h("input", { type: "number", inputmode: "decimal", step: "any", min: a.min, max: a.max, "aria-label": label(ctx, a), test: "input" });
	return { element: input, read: () => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : undefined), show: () => undefined };
}

/** Whatever the thing may take: JSON if it reads so, else a text. */
function anything(ctx: Ctx, a: Affordance, optional: boolean): Input {
	const input = h("input", { type: "text", maxlength: 4000, dir: "auto", placeholder: ctx.t("web.control.any"), "aria-label": label(ctx, a), test: "input" });
	const read = (): unknown => {
		if (input.value.trim() === "") return undefined;
		try {
			return JSON.parse(input.value);
		} catch {
			return input.value;
		}
	};
	return { element: input, read, show: () => undefined, optional };
}

function line(ctx: Ctx, a: Affordance): Input {
	const input = h("input", { type: "text", maxlength: 500, "aria-label": label(ctx, a), test: "input" });
	return { element: input, read: () => (input.value === "" ? undefined : input.value), show: () => undefined };
}
