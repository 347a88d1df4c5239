// Scenes of the guest's page.

import type { Affordance, LinkGuest, Point, ThingInfo } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import type { Scene } from "../engine/scripted";
import type { LinkAddress } from "../ui/guest";

const minute = 60_000;
const day = 24 * 60 * minute;
const now = Date.now();

function iso(at: number): string {
	return new Date(at).toISOString();
}

/** What the address of a guest's page says in a scene. */
export function addressOf(scene: string): LinkAddress | undefined {
	return scene === "guest-other" ? undefined : { node: "h.example", id: "abcdefghijklmnopqrstuvwxyz", secret: "zyxwvutsrqponmlkjihgfedcba" };
}

const recent: Point[] = Array.from({ length: 40 }, (_, i) => ({ at: iso(now - (40 - i) * 15 * minute), number: Math.round(52 + 14 * Math.sin(i / 5) + 6 * Math.sin(i * 1.7)) / 10 }));
const flow: Affordance = {
	ref: { grant: "g9", thing: "water", name: "flow" }, path: "water/flow", title: "Flow", kind: "property", type: "number", unit: "l/min",
	ops: ["observeproperty", "readproperty"], people: 0, precision: { every: "15m", stat: "mean" }, recent, latest: recent.at(-1) ?? { at: iso(now) },
};
const valve: Affordance = { ref: { grant: "g9", thing: "water", name: "valve" }, path: "water/valve", title: "Valve", kind: "property", type: "boolean", ops: ["readproperty", "writeproperty"], people: 0, latest: { at: iso(now - minute), value: true } };

function shared(affordances: Affordance[], state = "live"): Scene["answers"] {
	const thing: ThingInfo = { id: "water", title: "Water meter", grant: "g9", own: false, owner: "ada@h.example", state, until: iso(new Date(now).setHours(0, 0, 0, 0) + 6 * day), affordances };
	return { things: () => ({ things: [thing], homes: [] }), send: ({ input }) => ({ answer: input, millis: 240 }) };
}

/** opened is what the link answers first, then what it is after the next event. */
function guest(opened: string, then = opened, answers: Scene["answers"] = shared([flow])): Scene {
	const at = (state: string): LinkGuest => ({ state, words: "harbour velvet", owner: "ada@h.example", ownerName: "Ada" });
	return { answers: { status: () => ({ phase: "open", online: true, guest: true }), "link.open": () => at(opened), "link.state": () => at(then), ...answers } };
}

function failing(code: string): Scene {
	return guest("words", "words", { "link.open": () => { throw new EngineError(code); } });
}

export const scenes: Readonly<Record<string, Scene>> = {
	"guest-opening": { answers: {} },
	"guest-waiting": guest("waiting", "words"),
	"guest-words": guest("words", "given"),
	"guest-turned-away": guest("words", "refused"),
	"guest-given": guest("given", "ended"),
	"guest-first": guest("given", "given", shared([{ ...flow, latest: undefined, recent: [] } as Affordance])),
	"guest-valve": guest("given", "given", shared([flow, valve])),
	"guest-paused": guest("given", "given", shared([flow], "paused")),
	"guest-refused": guest("refused"),
	"guest-expired": guest("expired"),
	"guest-used": guest("used"),
	"guest-ended": guest("ended"),
	"guest-other": guest("words"),
	"guest-busy": failing("account-here"),
	"guest-failed": failing("unreachable"),
	"guest-storage": { state: { failed: "storage-denied" }, answers: {} },
};
