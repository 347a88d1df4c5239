// What was agreed, in sentences of the page's language: the same that package
// grant says in English, from the same numbers.
import type { GrantInfo, GrantItem } from "../engine/api.gen";
import { clean } from "../lib/untrusted";
import { fineWords, purposeWords, spanWords } from "./consent-fine";
import { otherName } from "./consent-parts";
import { dayWords } from "./consent-until";
import type { Ctx } from "./ctx";

/** The terms of a grant. */
export function termLines(ctx: Ctx, g: GrantInfo): string[] {
	const { t, lang } = ctx;
	const now = new Date();
	const who = g.own ? otherName(ctx, g) : t("consent.terms.you");
	return [
		...g.shared.flatMap((s) => itemLines(ctx, who, s)),
		t("consent.terms.valid", { From: dayWords(lang, new Date(g.from), now), Until: dayWords(lang, new Date(g.until), now) }),
		t("consent.terms.for", { Why: purposeWords(t, clean(g.purpose)), Class: g.class ?? "" }),
		...conditions(ctx, g),
		...(g.retention && g.deletes ? [t("consent.terms.keep", { Keep: spanWords(lang, g.retention), Delete: spanWords(lang, g.deletes) })] : []),
		...(g.unnamed ? [t("consent.terms.unnamed")] : []),
		t("consent.terms.stop"),
	];
}

function itemLines(ctx: Ctx, who: string, s: GrantItem): string[] {
	const { t, lang } = ctx;
	const what = clean(s.path, 80);
	const lines: string[] = [];
	if (s.ops.some((o) => o !== "writeproperty" && o !== "invokeaction")) lines.push(t("consent.terms.see", { Who: who, What: what, Fine: fineWords(t, lang, s.precision) }));
	if (s.ops.includes("writeproperty")) lines.push(t("consent.terms.set", { Who: who, What: what }));
	if (s.ops.includes("invokeaction")) lines.push(t("consent.terms.start", { Who: who, What: what }));
	return lines;
}

function conditions(ctx: Ctx, g: GrantInfo): string[] {
	const { t } = ctx;
	return [
		...(g.price ? [t("consent.terms.price", { Text: clean(g.price) })] : []),
		...(g.benefit ? [t("consent.terms.benefit", { Text: clean(g.benefit) })] : []),
		...(g.needed ? [t("consent.terms.needed")] : []),
	];
}
