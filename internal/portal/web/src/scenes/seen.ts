// Scenes of who saw what.

import type { GrantInfo, Seen, SeenDay, SeenRow } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import type { Scene } from "../engine/scripted";
import { scenes as consent } from "./consent";

const dayMs = 86_400_000;
const midnight = Math.floor(Date.now() / dayMs) * dayMs;

function dayOf(ago: number): string {
	return new Date(midnight - ago * dayMs).toISOString().slice(0, 10);
}

function row(ago: number, grant: string, name: string, deliveries: number, actions = 0, from = "06:10", to = "22:45"): SeenRow {
	return { grant, client: "c-" + name, name, deliveries, actions, bytes: deliveries * 368, first: `${dayOf(ago)}T${from}Z`, last: `${dayOf(ago)}T${to}Z` };
}

const root = "5f1c0a77d1a9b0a4c3e2f6871b9d4e5566778899aabbccddeeff001122334455";

function rows(ago: number): SeenRow[] {
	const all = [row(ago, "g1", "phone", 96, ago % 3 === 0 ? 4 : 0), row(ago, "g1", "laptop", 40 - ago * 3, 0, "19:02", "21:30")];
	if (ago < 2) all.push(row(ago, "g2", "server", 24, 0, "00:00", "23:00"));
	if (ago === 1) all.push(row(ago, "g3", "", 1440));
	return ago === 4 ? [] : all;
}

function told(ago: number, more: Partial<SeenDay> = {}): SeenDay {
	const proof: Partial<SeenDay> = ago === 0 ? { state: "open" }
		: ago === 1 ? { state: "waiting", root, due: new Date(midnight + 6 * 3_600_000).toISOString() }
		: { state: "proved", root, index: 4242 - ago, size: 4352, witnesses: ["s.example/witness", "k.example/witness"] };
	return { day: dayOf(ago), state: "open", rows: rows(ago), ...proof, ...more };
}

function week(change: (d: SeenDay) => SeenDay = (d) => d): Seen {
	const days = [0, 1, 2, 3, 4, 5, 6].map((ago) => told(ago)).filter((d) => d.rows.length > 0);
	return { at: new Date().toISOString(), days: days.map(change) };
}

const base: Scene["answers"] = consent["grants"]?.answers ?? {};

function scene(seen: () => Seen, more: Scene["answers"] = {}): Scene {
	return {
		at: "seen",
		answers: { ...base, seen, "seen.export": () => ({ name: "primum-seen.json", content: "{}\n" }), ...more },
	};
}

const evil = "\u202e<script>alert(1)</script>\u0000 " + "y".repeat(400);
const strange: GrantInfo[] = [{ id: "g1", own: true, other: "x@strange.example", otherName: evil, compared: false, state: "running", purpose: evil, shared: [], from: new Date(midnight).toISOString(), until: new Date(midnight + dayMs).toISOString() }];

export const scenes: Readonly<Record<string, Scene>> = {
	"seen": scene(() => week()),
	"seen-broken": scene(() => week((d) => (d.day === dayOf(3) ? { ...d, state: "broken", why: "changed" } : d.day === dayOf(5) ? { day: d.day, state: "broken", why: "gone", rows: [] } : d))),
	"seen-unlogged": scene(() => week((d) => (d.state === "open" ? d : { day: d.day, rows: d.rows, root, state: "unlogged" }))),
	"seen-none": scene(() => ({ at: new Date().toISOString(), days: [] }), { grants: () => [] }),
	"seen-quiet": scene(() => ({ at: new Date().toISOString(), days: [] })),
	"seen-strange": scene(() => week((d) => ({ ...d, rows: d.rows.map((r) => ({ ...r, name: evil, deliveries: 9e15 })), witnesses: [evil] })), { grants: () => strange }),
	"seen-failed": scene(() => {
		throw new EngineError("unreachable");
	}),
};
