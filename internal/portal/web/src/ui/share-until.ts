// "Until when?", in people's words or as a date.
import { fill, h } from "../lib/h";
import { uniqueId } from "../lib/form";
import { segments } from "./consent-parts";
import { dayWords, fromField, toField, untils } from "./consent-until";
import type { Ctx } from "./ctx";

export interface UntilPicker {
	readonly element: HTMLElement;
	at(): Date;
}

const longest = 730; // days; a grant ends within 24 months

/** Makes the choice, with 7 days chosen; changed is called with every other one. */
export function untilPicker(ctx: Ctx, now: Date, changed: () => void): UntilPicker {
	const { t, lang } = ctx;
	const list = untils(now);
	let at = list.find((u) => u.id === "week")?.at ?? now;
	const said = h("p", { class: "soft", test: "until-words" });
	const tell = (): void => fill(said, t("consent.until.words", { Date: dayWords(lang, at, now) }));
	const take = (next: Date | undefined): void => {
		if (!next || next <= now) return;
		at = next;
		tell();
		changed();
	};
	const last = new Date(now.getFullYear(), now.getMonth(), now.getDate() + longest);
	const date = h("input", { type: "date", id: uniqueId("date"), min: toField(now), max: toField(last), value: toField(at), "aria-label": t("consent.until.date"), test: "until-date", on: { change: () => take(fromField(date.value)) } });
	date.hidden = true;
	const options = [...list.map((u) => ({ value: u.id, label: t("consent.until." + u.id) })), { value: "date", label: t("consent.until.date") }];
	const row = segments(t("consent.until.label"), options, "week", (id) => {
		date.hidden = id !== "date";
		if (id !== "date") return take(list.find((u) => u.id === id)?.at);
		date.value = toField(at);
		date.focus();
	}, "until");
	tell();
	return { element: h("div", { class: "until" }, row, date, said), at: () => at };
}
