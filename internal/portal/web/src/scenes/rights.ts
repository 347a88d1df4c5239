// Scenes of what a person may ask of the node.

import type { RightsCase, RightsHeld, Status } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import type { Scene } from "../engine/scripted";

const day = 24 * 3600 * 1000;

function at(days: number): string {
	return new Date(Date.now() + days * day).toISOString();
}

const open: Status = { phase: "open", account: "ada@h.example", name: "Ada Byron", client: "firefox-linux", node: "h.example", online: true, expires: at(21), hasPhrase: true };

const held: RightsHeld = {
	at: at(0), leaf: "9f2c".repeat(16),
	holds: [
		{ what: "account", count: 1, bytes: 13 }, { what: "identities", count: 3, bytes: 5400 }, { what: "key-packages", count: 21, bytes: 31_500 },
		{ what: "keep", count: 1, bytes: 900 }, { what: "homes", count: 1, bytes: 2100 }, { what: "given", count: 2, bytes: 3900 },
		{ what: "received", count: 1, bytes: 60 }, { what: "seen", count: 14, bytes: 448 }, { what: "cases", count: 2, bytes: 700 },
		{ what: "messages", count: 1204, bytes: 443_000 },
	],
};

const answered: RightsCase = {
	id: "a1", kind: "objection", state: "answered", about: "https://h.example/thing/front-door", at: at(-3), answerBy: at(0), steps: [
		{ at: at(-3), by: "person", text: "The camera at the front door sees the street." },
		{ at: at(-2), by: "operator", text: "It was turned away today. Its page says so, too." },
	],
};

const cases: RightsCase[] = [
	answered,
	{ id: "a2", kind: "complaint", state: "received", at: at(-0.5), answerBy: at(2.5), steps: [{ at: at(-0.5), by: "person", text: "My objection was answered, but nothing happened." }] },
];

const evil = "\u202e<script>alert(1)</script>\u0000 " + "y".repeat(400);

function scene(more: Scene["answers"] = {}): Scene {
	return { at: "rights", answers: {
		status: () => open, requests: () => [], "rights.access": () => held, "rights.cases": () => cases,
		"rights.plead": () => ({ id: "a3", kind: "objection", state: "received", at: at(0), answerBy: at(3), steps: [] }),
		"rights.appeal": () => answered, "account.export": () => ({ name: "primum-ada.h.example.json", content: "{}\n" }), ...more,
	} };
}

function refused(code: string): () => never {
	return () => {
		throw new EngineError(code);
	};
}

export const scenes: Readonly<Record<string, Scene>> = {
	rights: scene(),
	"rights-none": scene({ "rights.access": () => ({ at: at(0), holds: [] }), "rights.cases": () => [] }),
	"rights-failed": scene({ "rights.access": refused("unreachable"), "rights.cases": refused("unreachable") }),
	"rights-refused": scene({ "rights.plead": refused("unreachable") }),
	"rights-strange": scene({
		"rights.access": () => ({ at: at(0), holds: [{ what: evil, count: 9e15, bytes: 9e15 }, { what: "messages", count: 1, bytes: -5 }] }),
		"rights.cases": () => [{ id: "x", kind: evil, state: evil, about: evil, at: at(0), answerBy: at(3), steps: [{ at: at(0), by: evil, text: evil }] }],
	}),
};
