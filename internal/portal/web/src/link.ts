// The page of a link, /l/ID, on an origin of its own. The secret stands in the
// fragment, which browsers never send.
import { start } from "./engine/engine";
import { formats } from "./lib/format";
import { load } from "./lib/words";
import type { Ctx } from "./ui/ctx";
import { wrong } from "./ui/errors";
import { guestPage, linkIn } from "./ui/guest";

async function main(): Promise<void> {
	const { lang } = document.documentElement;
	const root = document.getElementById("app");
	if (!root) return;
	const link = linkIn(location);
	const engine = start();
	const t = await load(lang);
	const signal = new AbortController().signal; // the page is one view, never left
	const ctx: Ctx = {
		engine, t, lang, signal,
		fmt: formats(lang),
		status: undefined,
		go: () => undefined,
		toast: () => undefined,
		failed: () => undefined,
		say: () => undefined,
		wrong: (error) => wrong(t, error),
		on: (listener) => void engine.on(listener),
		title: (name) => {
			document.title = `${name} – Primum`;
		},
	};
	guestPage(ctx, root, link);
}

void main();
