// The portal, /my. The server writes the language, the names of the assets and a
// shell into the page; it is shown before anything here has run.

import { start } from "./engine/tab";
import { applyUpdate, shell } from "./engine/shell";
import { load, type T } from "./lib/words";
import { app } from "./ui/app";

async function main(): Promise<void> {
	const { lang } = document.documentElement;
	const root = document.getElementById("app");
	if (!root) return;
	const engine = start(); // it queues calls; nothing waits for it
	const portal = app(engine, await patient(lang), lang, root);
	void shell(() => portal.update(() => void applyUpdate()));
}

/** The catalogue, as soon as there is a network. */
async function patient(lang: string): Promise<T> {
	for (;;) {
		try {
			return await load(lang);
		} catch {
			await new Promise((done) => setTimeout(done, 2000));
		}
	}
}

void main();
