// The portal on a scripted engine: ?scene=NAME chooses what it says. Built for
// tests only.

import { ScriptedEngine, type Scene } from "./engine/scripted";
import { load } from "./lib/words";
import { scenes as account } from "./scenes/account";
import { scenes as consent } from "./scenes/consent";
import { addressOf, scenes as guest } from "./scenes/guest";
import { scenes as rights } from "./scenes/rights";
import { scenes as seen } from "./scenes/seen";
import { scenes as things } from "./scenes/things";
import { app } from "./ui/app";
import { guestCtx, guestPage } from "./ui/guest";

declare global {
	interface Window {
		/** The hand of a test. */
		engine: ScriptedEngine;
	}
}

const scenes: Readonly<Record<string, Scene>> = { ...things, ...consent, ...account, ...guest, ...rights, ...seen };

async function main(): Promise<void> {
	const { lang } = document.documentElement;
	const name = new URLSearchParams(location.search).get("scene") ?? "";
	const scene = scenes[name];
	const root = document.getElementById("app");
	if (!root || !scene) throw new Error(`no scene ${name}`);
	if (scene.at && location.hash === "") history.replaceState(null, "", "#/" + scene.at);
	const engine = new ScriptedEngine(scene);
	Object.assign(window, { engine, readQR }); // the hands of a test
	const t = await load(lang);
	if (name.startsWith("guest-")) guestPage(guestCtx(engine, t, lang), root, addressOf(name));
	else app(engine, t, lang, root);
}

/** Reads the code in a picture (PNG in base64), as the camera's reader does. */
async function readQR(png: string): Promise<string | undefined> {
	const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
	const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
	return (await (await import("./ui/qr-read")).reader()).read(bitmap);
}

void main();
