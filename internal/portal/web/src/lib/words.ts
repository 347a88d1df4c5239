// The catalogue: sentences by id, in the language of the page. Form of go-i18n:
// a string, or an object of CLDR plural forms chosen by the blank N.

import { locale } from "./format";
import { clean } from "./untrusted";

export type Blanks = Readonly<Record<string, string | number>>;
type Entry = string | Readonly<Partial<Record<Intl.LDMLPluralRule, string>>>;
export type Catalogue = Readonly<Record<string, Entry>>;

/** A sentence of the catalogue with its blanks filled. An unknown id is shown as itself. */
export interface T {
	(id: string, blanks?: Blanks): string;
	has(id: string): boolean;
}

/** Makes T of a catalogue. Numbers are written as the language does; texts are
 * cleaned and isolated, so that none can turn the direction of what is around it. */
export function words(lang: string, catalogue: Catalogue): T {
	const plural = new Intl.PluralRules(lang);
	const number = new Intl.NumberFormat(locale(lang), { maximumFractionDigits: 3 });
	const blank = (value: string | number | undefined): string => {
		if (value === undefined) return "";
		return typeof value === "number" ? number.format(value) : "\u2068" + clean(value, 500) + "\u2069";
	};
	const t = (id: string, blanks: Blanks = {}): string => {
		const entry = Object.hasOwn(catalogue, id) ? catalogue[id] : undefined;
		if (entry === undefined) return id;
		return form(entry, blanks, plural).replace(/\{\{\s*\.(\w+)\s*\}\}/g, (_, name: string) => blank(blanks[name]));
	};
	return Object.assign(t, { has: (id: string) => Object.hasOwn(catalogue, id) });
}

/** Fetches the catalogue of a language; the page names where it lies. */
export async function load(lang: string): Promise<T> {
	const url = asset(`words.${lang}.json`);
	const answer = await fetch(url, { credentials: "same-origin" });
	if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
	return words(lang, (await answer.json()) as Catalogue);
}

/** Where an asset lies by its logical name: the server writes the list into the page. */
export function asset(name: string): string {
	const list = JSON.parse(document.documentElement.dataset["assets"] ?? "{}") as Readonly<Record<string, string>>;
	const path = list[name];
	if (path === undefined) throw new Error(`the page names no ${name}`);
	return path;
}

function form(entry: Entry, blanks: Blanks, plural: Intl.PluralRules): string {
	if (typeof entry === "string") return entry;
	const n = blanks["N"];
	const rule = typeof n === "number" ? plural.select(n) : "other";
	return entry[rule] ?? entry.other ?? "";
}
