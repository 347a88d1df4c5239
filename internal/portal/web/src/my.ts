// The portal, /my. The server writes the language, the names of the assets and a
// shell into the page; it is shown before anything here has run.

import { start } from "./engine/engine";
import { load } from "./lib/words";
import { app } from "./ui/app";

async function main(): Promise<void> {
	const { lang } = document.documentElement;
	const root = document.getElementById("app");
	if (!root) return;
	const engine = start(); // it queues calls; nothing waits for it
	app(engine, await load(lang), lang, root);
}

void main();
