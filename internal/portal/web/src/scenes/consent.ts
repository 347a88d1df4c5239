// Scenes of requests, grants, stopping, sharing and links.

import type { Affordance, GrantInfo, GrantItem, LinkInfo, Person, Point, Precision, PreviewParams, PreviewResult, Ref, RequestInfo, ServiceInfo, Status, Stop, ThingInfo, WithdrawParams } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import type { Scene, ScriptedEngine } from "../engine/scripted";

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour;
const now = Date.now();
const midnight = new Date(now).setHours(0, 0, 0, 0);

function iso(at: number): string {
	return new Date(at).toISOString();
}

function pause(ms: number): Promise<void> {
	return new Promise((done) => setTimeout(done, ms));
}

/** A day of a household: quiet at night, a kettle in the morning, a stove in the evening. */
function household(): Point[] {
	return Array.from({ length: 1440 }, (_, i) => {
		const h = i / 60;
		const morning = h > 6.5 && h < 8.2 ? 1900 * Math.abs(Math.sin(h * 9)) : 0;
		const evening = h > 17.5 && h < 21 ? 900 + 500 * Math.sin(h * 7) : 0;
		return { at: iso(midnight - day + i * 60 * second), number: Math.round(140 + 40 * Math.sin(h) + morning + evening + ((i * 97) % 60)) };
	});
}

const clock: Readonly<Record<string, number>> = { s: second, m: 60 * second, h: hour, d: day };

/** As the engine reduces: windows of the clock, then steps. */
function reduced(own: readonly Point[], p: Precision): Point[] {
	const step = (n: number): number => (p.round ? Math.round(n / p.round) * p.round : n);
	const [, count = "1", unit = "m"] = /^(\d+)([smhd])$/.exec(p.every ?? "") ?? [];
	if (p.change) return own.map((q) => ({ ...q, ...(typeof q.number === "number" ? { number: step(q.number) } : {}) }));
	const size = Number(count) * (clock[unit] ?? second);
	const windows = new Map<number, Point[]>();
	for (const q of own) {
		const w = Math.floor(Date.parse(q.at) / size);
		windows.set(w, [...(windows.get(w) ?? []), q]);
	}
	return [...windows].map(([w, list]) => ({ at: iso((w + 1) * size), ...one(list, p.stat ?? "mean", step) }));
}

function one(list: readonly Point[], stat: string, step: (n: number) => number): Pick<Point, "number" | "value"> {
	const numbers = list.flatMap((q) => (typeof q.number === "number" ? [q.number] : []));
	if (numbers.length === 0) return { value: list.at(-1)?.value };
	if (stat === "max") return { number: step(Math.max(...numbers)) };
	if (stat === "min") return { number: step(Math.min(...numbers)) };
	if (stat === "last") return { number: step(numbers.at(-1) ?? 0) };
	return { number: step(numbers.reduce((a, b) => a + b, 0) / numbers.length) };
}

const switched: Point[] = [[0, false], [6.5, true], [8.5, false], [18, true], [23, false]].map(([h, value]) => ({ at: iso(midnight - day + Number(h) * hour), value }));
const modes: Point[] = [[1, "heat"], [9, "away"], [17, "heat"]].map(([h, value]) => ({ at: iso(midnight - day + Number(h) * hour), value }));

function preview({ ref, precision }: PreviewParams): PreviewResult {
	const own = ref.thing === "lamp" ? switched : ref.thing === "heater" ? modes : household();
	return { own, seen: reduced(own, precision), ...(ref.thing === "meter" || ref.thing === "plug" ? { unit: "W" } : {}), from: iso(midnight - day), to: iso(midnight), words: "" };
}

const meter: Ref = { home: "home-1", thing: "meter", name: "power" };
const plug: Ref = { home: "home-1", thing: "plug", name: "power" };
const lamp: Ref = { home: "home-1", thing: "lamp", name: "on" };
const heater: Ref = { home: "home-1", thing: "heater", name: "mode" };

function own(title: string, a: Partial<Affordance> & Pick<Affordance, "ref" | "title">): ThingInfo {
	return { id: a.ref.thing, title, home: "home-1", own: true, state: "live", affordances: [{ path: `${a.ref.thing}/${a.ref.name}`, kind: "property", type: "number", ops: ["observeproperty", "readproperty"], people: 1, ...a }] };
}

const things: ThingInfo[] = [
	own("Electricity meter", { ref: meter, title: "Power", unit: "W", latest: { at: iso(now - 4 * second), number: 412.5 } }),
	own("Plug in the kitchen", { ref: plug, title: "Power", unit: "W", latest: { at: iso(now - 4 * second), number: 61 } }),
	own("Reading lamp", { ref: lamp, title: "Light", type: "boolean", ops: ["observeproperty", "readproperty", "writeproperty"], latest: { at: iso(now - hour), value: true } }),
	own("Heating", { ref: heater, title: "Mode", type: "string", latest: { at: iso(now - hour), value: "heat" } }),
];

const advice: RequestInfo = {
	id: "r1", from: "advice@stadtwerke.example", name: "Stadtwerke Ulm", organisation: true, compared: false, service: "Energy check",
	purpose: "energy advice", purposeClass: "dpv:OptimisationForConsumer", until: iso(midnight + 30 * day), retention: "13 months", benefit: "5 % off the base price",
	notice: "We use your consumption to show you where electricity is lost. We look at quarter hours, keep them for thirteen months, and tell nobody.", language: "en",
	received: iso(now - hour), expires: iso(now + 29 * day), wants: [{ label: "power", ops: ["observeproperty", "readproperty"], precision: { every: "15m", stat: "mean" }, fits: [meter, plug] }],
};
const bea: RequestInfo = {
	id: "r2", from: "bea@k.example", name: "Bea", compared: true, purpose: "care", purposeClass: "dpv:RequestedServiceProvision", for: "P7D", notice: "To switch your light while you are away.",
	received: iso(now - 2 * hour), expires: iso(now + 20 * day), wants: [{ label: "light", ops: ["observeproperty", "writeproperty"], precision: { change: true }, fits: [lamp] }],
};
const evil = "\u202e<script>alert(1)</script>\u0000 " + "y".repeat(400);
const strange: RequestInfo = { ...advice, id: "r3", name: evil, from: "x@strange.example", service: evil, purpose: evil, retention: evil, benefit: evil, price: evil, needed: true, notice: evil.repeat(50), wants: [{ label: evil, ops: ["observeproperty"], precision: { every: "1h", stat: "max", round: 50, delay: "1d" }, fits: [meter] }] };
const foreign: RequestInfo = { ...advice, id: "r4", name: "Weather office", wants: [{ label: "rain", ops: ["observeproperty"], precision: { every: "1h", stat: "sum" }, fits: [] }] };

const unsent: RequestInfo = { ...advice, id: "", price: "2 EUR a month" };
const offered: ServiceInfo = { node: "stadtwerke.example", name: "energy-check", title: "Energy check", offer: "We show you where electricity is lost.\nOnce a month you get a letter.", language: "en", asks: [unsent] };
const study: RequestInfo = { ...unsent, purpose: "research", purposeClass: "dpv:ScientificResearch", wants: [{ label: "power", ops: ["readproperty"], precision: { every: "1d", stat: "mean" }, fits: [meter] }] };

function item(ref: Ref, every: string, ...ops: string[]): GrantItem {
	return { ref, path: `${ref.thing}/${ref.name}`, ops: ops.length > 0 ? ops : ["observeproperty", "readproperty"], precision: { every, stat: ref.thing === "lamp" ? "last" : "mean" }, words: "" };
}

function given(id: string, other: string, otherName: string, fromDays: number, untilDays: number, more: Partial<GrantInfo> = {}): GrantInfo {
	return { id, own: true, other, otherName, compared: true, state: "running", purpose: "sharing with a friend", class: "dpv:NonCommercialPurpose", retention: "30d", deletes: "1d", shared: [item(meter, "15m")], from: iso(now + fromDays * day), until: iso(midnight + untilDays * day), ...more };
}

const receipts = { receipt: "eyJhbGciOiJFZDI1NTE5In0.e30.AA", statement: "eyJhbGciOiJFZDI1NTE5In0.e30.BB" };

function stopped(at: number, one: number | undefined, two: number | undefined): Stop {
	return { asked: iso(at), ...(one === undefined ? { nodeError: "unreachable" } : { lockOne: iso(at + one), receipt: receipts.receipt }), ...(two === undefined ? {} : { lockTwo: iso(at + two), statement: receipts.statement }) };
}

const grants: readonly GrantInfo[] = [
	given("g1", "bea@k.example", "Bea", -3, 5, { lastValue: iso(now - 60 * second), clients: ["phone", "laptop"], postQuantum: true }),
	given("g2", "advice@stadtwerke.example", "Stadtwerke Ulm", -1, 29, { compared: false, browser: true, state: "waiting", purpose: "energy advice", shared: [item(meter, "1h"), item(lamp, "15m", "observeproperty", "writeproperty")] }),
	given("g3", "guest-abcdefgh@h.example", "Plumber", -0.2, 1, { guest: true, browser: true, shared: [item(plug, "1m")] }),
	given("g4", "emil@e.example", "Emil", -20, 2, { state: "ended", stop: stopped(now - hour, 310, undefined) }),
	{ ...given("g5", "carl@c.example", "Carl", -10, 2, { compared: false, shared: [item({ grant: "g5", thing: "door", name: "open" }, "1h")] }), own: false },
	{ ...given("g6", "", "", -10, 2, { state: "paused", reason: "", shared: [item({ grant: "g6", thing: "rain", name: "rate" }, "1d")] }), own: false },
	given("g7", "dora@d.example", "Dora", -20, -2, { state: "ended", stop: stopped(now - 3 * day, 310, 820) }),
	given("g8", "fritz@f.example", "Fritz", -40, -12, { state: "ended", reason: "" }),
];

const people: Person[] = [
	{ account: "bea@k.example", name: "Bea", compared: true, shortCode: "anchor velvet harbour lemon quartz window" },
	{ account: "advice@stadtwerke.example", name: "Stadtwerke Ulm", organisation: true, compared: false, shortCode: "copper meadow signal orbit walnut ribbon" },
];

function person({ account }: { readonly account: string }): Person {
	const known = people.find((p) => p.account === account);
	if (!known) throw new EngineError("no-account");
	return known;
}

const secret = "https://link.h.example/l/abcdefghijklmnopqrstuvwxyz#zyxwvutsrqponmlkjihgfedcba";

function link(state: string, more: Partial<LinkInfo> = {}): LinkInfo {
	return { id: state, url: secret, name: "Plumber", expires: iso(now + day), state, ...more };
}

const links: readonly LinkInfo[] = [link("arrived", { words: "harbour velvet", name: "Aunt Mia" }), link("open"), link("given", { grant: "g3" }), link("expired", { name: "" }), link("ended", { name: "Neighbour" })];

const status: Status = { phase: "open", account: "ada@h.example", name: "Ada", client: "phone", node: "h.example", online: true };

/** A stop that tells how far it is while it waits: times of both locks in ms. */
function stopping(one: number | undefined, two: number | undefined): Scene["answers"] {
	let list = [...grants];
	const set = (id: string, stop: Stop): void => {
		list = list.map((g) => (g.id === id ? { ...g, state: "ended", stop } : g));
		(window as unknown as { engine: ScriptedEngine }).engine.tell({ kind: "grants" });
	};
	return {
		grants: () => list,
		withdraw: async ({ grant }: WithdrawParams) => {
			const at = Date.now();
			if (one !== undefined) {
				await pause(one);
				set(grant, stopped(at, one, undefined));
			}
			await pause(two === undefined ? 900 : two - (one ?? 0));
			const stop = stopped(at, one, two);
			set(grant, stop);
			return stop;
		},
	};
}

function sharing(at: string, answers: Scene["answers"] = {}): Scene {
	let mine = [...links];
	const become = (id: string, state: string, more: Partial<LinkInfo> = {}): LinkInfo => {
		const next = link(state, { id, ...more });
		mine = mine.map((l) => (l.id === id ? { ...l, ...next } : l));
		return next;
	};
	return {
		at,
		answers: {
			status: () => status,
			things: () => ({ things, homes: [{ home: "home-1", joined: true }] }),
			requests: () => [advice, bea],
			grants: () => grants,
			people: () => people,
			person,
			"person.compared": () => ({}),
			preview,
			give: async () => {
				await pause(80);
				return { grant: "g1", opened: true };
			},
			service: () => offered,
			refuse: () => ({}),
			"link.list": () => mine,
			"link.create": (p) => {
				const made = link("open", { id: "new", ...(p.name ? { name: p.name } : {}) });
				mine = [made, ...mine];
				return made;
			},
			"link.confirm": ({ id }) => become(id, "given", { grant: "g3" }),
			"link.cancel": ({ id }) => {
				become(id, "ended");
				return {};
			},
			...answers,
		},
	};
}

function fails(code: string): () => never {
	return () => {
		throw new EngineError(code);
	};
}

export const scenes: Readonly<Record<string, Scene>> = {
	requests: sharing("requests"),
	"requests-none": sharing("requests", { requests: () => [] }),
	"requests-failed": sharing("requests", { requests: fails("unreachable") }),
	request: sharing("requests/r1"),
	"request-switch": sharing("requests/r2"),
	"request-strange": sharing("requests/r3", { requests: () => [strange] }),
	"request-foreign": sharing("requests/r4", { requests: () => [foreign] }),
	"request-gone": sharing("requests/r9"),
	"request-nothing-measured": sharing("requests/r1", { preview: () => ({ own: [], seen: [], from: iso(midnight - day), to: iso(midnight), words: "" }) }),
	"request-no-preview": sharing("requests/r1", { preview: fails("unreachable") }),
	"request-give-fails": sharing("requests/r1", { give: fails("unreachable") }),
	connect: sharing("connect/stadtwerke.example/energy-check"),
	"connect-new": sharing("connect/stadtwerke.example/energy-check", { status: () => ({ phase: "none", online: true }) }),
	"connect-each": sharing("connect/stadtwerke.example/energy-check", { service: () => ({ ...offered, asks: [unsent, study] }) }),
	"connect-strange": sharing("connect/strange.example/x", { service: () => ({ ...offered, title: evil, offer: evil, language: "en", asks: [{ ...strange, id: "" }] }) }),
	"connect-gone": sharing("connect/strange.example/x", { service: fails("no-service") }),
	"connect-none": sharing("connect"),
	grants: sharing("grants"),
	"grants-none": sharing("grants", { grants: () => [] }),
	"grants-of-one": sharing("grants/h/home-1/plug/power"),
	grant: sharing("grant/g1"),
	"grant-not-compared": sharing("grant/g2"),
	"grant-unconfirmed": sharing("grant/g4"),
	"grant-received": sharing("grant/g5"),
	"grant-unknown": sharing("grant/none"),
	stop: sharing("grants", stopping(310, 820)),
	"stop-unconfirmed": sharing("grants", stopping(310, undefined)),
	"stop-no-node": sharing("grants", stopping(undefined, 700)),
	"stop-nothing": sharing("grants", stopping(undefined, undefined)),
	"stop-failed": sharing("grants", { withdraw: fails("unreachable") }),
	share: sharing("share/h/home-1/meter/power"),
	"share-switch": sharing("share/h/home-1/lamp/on"),
	"share-words": sharing("share/h/home-1/heater/mode"),
	"share-pick": sharing("share"),
	"share-none": sharing("share", { things: () => ({ things: [], homes: [] }) }),
	"share-unknown": sharing("share/h/home-1/gone/power"),
	links: sharing("links"),
	"links-none": sharing("links", { "link.list": () => [] }),
	"link-open": sharing("links/open"),
	"link-elsewhere": sharing("links/open", { "link.list": () => [{ id: "open", expires: iso(now + day), state: "open" }] }),
	"link-arrived": sharing("links/arrived"),
	"link-given": sharing("links/given"),
	"link-expired": sharing("links/expired"),
	"link-ended": sharing("links/ended"),
	"link-forged": sharing("links/ended", { "link.list": () => [link("ended", { reason: "forged" })] }),
	"link-unknown": sharing("links/none"),
};
