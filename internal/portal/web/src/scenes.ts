// The portal on a scripted engine: ?scene=NAME chooses what it says. Built for
// tests only.

import { ScriptedEngine, type Scene } from "./engine/scripted";
import { load } from "./lib/words";
import { scenes as things } from "./scenes/things";
import { app } from "./ui/app";

declare global {
	interface Window {
		/** The hand of a test. */
		engine: ScriptedEngine;
	}
}

const scenes: Readonly<Record<string, Scene>> = { ...things };

async function main(): Promise<void> {
	const { lang } = document.documentElement;
	const name = new URLSearchParams(location.search).get("scene") ?? "";
	const scene = scenes[name];
	const root = document.getElementById("app");
	if (!root || !scene) throw new Error(`no scene ${name}`);
	if (scene.at && location.hash === "") history.replaceState(null, "", "#/" + scene.at);
	window.engine = new ScriptedEngine(scene);
	app(window.engine, await load(lang), lang, root);
}

void main();
