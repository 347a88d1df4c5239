// Scenes of the shell and of things: every state that a person can meet.

import type { Affordance, Alert, HistoryResult, Notice, Point, Status, ThingInfo } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import type { Scene } from "../engine/scripted";

const minute = 60_000;
const hour = 60 * minute;

function ago(milliseconds: number): string {
	return new Date(Date.now() - milliseconds).toISOString();
}

/** A course of values that looks like life: the same one every time. */
function course(base: number, swing: number, i: number): number {
	const n = base + swing * Math.sin(i / 9) + (swing / 4) * Math.sin(i * 1.7) + (swing / 9) * Math.sin(i * 5.3);
	return Math.round(n * 100) / 100;
}

function numbers(base: number, swing: number, count: number, step: number, age = 0): Point[] {
	return Array.from({ length: count }, (_, i) => ({ at: ago(age + (count - 1 - i) * step), number: course(base, swing, i) }));
}

const status: Status = { phase: "open", account: "ada@h.example", name: "Ada", client: "phone", node: "h.example", online: true, hasPhrase: true };

function measured(home: string, thing: string, name: string, title: string, unit: string, points: Point[], more: Partial<Affordance> = {}): Affordance {
	const latest = points.at(-1);
	return { ref: { home, thing, name }, path: `${thing}/${name}`, title, kind: "property", type: "number", unit, ops: ["readproperty", "observeproperty"], people: 0, recent: points.slice(-60), ...(latest ? { latest } : {}), ...more };
}

const water: ThingInfo = {
	id: "water", title: "Water meter", home: "home-1", own: true, state: "live",
	affordances: [measured("home-1", "water", "flow", "Flow", "l/min", numbers(4.2, 3.6, 60, 10_000, 2000), { people: 2 }), measured("home-1", "water", "total", "Total", "m³", numbers(18214, 8, 60, minute, 9000))],
};

const lamp: ThingInfo = {
	id: "lamp", title: "Reading lamp", home: "home-1", own: true, state: "live",
	affordances: [
		{ ref: { home: "home-1", thing: "lamp", name: "on" }, path: "lamp/on", title: "Lamp", kind: "property", type: "boolean", ops: ["readproperty", "writeproperty", "observeproperty"], people: 1, latest: { at: ago(3 * hour), value: true } },
		measured("home-1", "lamp", "brightness", "Brightness", "%", numbers(60, 20, 20, hour, hour), { ops: ["readproperty", "writeproperty"], min: 0, max: 100 }),
		{ ref: { home: "home-1", thing: "lamp", name: "effect" }, path: "lamp/effect", title: "Effect", kind: "property", type: "string", enum: ["none", "candle", "sunrise"], ops: ["readproperty", "writeproperty"], people: 0, latest: { at: ago(26 * hour), value: "candle" } },
		{ ref: { home: "home-1", thing: "lamp", name: "identify" }, path: "lamp/identify", title: "Blink", kind: "action", ops: ["invokeaction"], people: 0 },
	],
};

const sandbox: ThingInfo = {
	id: "sandbox", title: "Thermometer", home: "sandbox", own: true, sandbox: true, state: "live",
	affordances: [measured("sandbox", "thermometer", "temperature", "Temperature", "°C", numbers(21.4, 0.9, 60, 5000, 1000))],
};

const cellar: ThingInfo = { id: "cellar", title: "Cellar sensor", home: "home-1", own: true, state: "stale", affordances: [measured("home-1", "cellar", "humidity", "Humidity", "%", numbers(63, 6, 60, 10 * minute, 7 * hour), { stale: true })] };

function foreign(grant: string, state: string, owner: string, affordance: Affordance, more: Partial<ThingInfo> = {}): ThingInfo {
	return { id: grant, title: "Rain gauge", grant, owner, own: false, state, until: new Date(Date.now() + 26 * 24 * hour).toISOString(), affordances: [{ ...affordance, ref: { grant, thing: "rain", name: "rate" } }], ...more };
}

const rain = measured("", "rain", "rate", "Rain", "mm/h", numbers(1.6, 1.4, 60, 15 * minute, 6 * minute));
const others: ThingInfo[] = [
	foreign("g1", "live", "bob@s.example", rain),
	foreign("g2", "paused", "carol@long-domain-of-a-cooperative.example", { ...rain, title: "Power" }, { reason: "lease" }),
	foreign("g3", "waiting", "dan@s.example", { ref: rain.ref, path: rain.path, title: "Level", kind: "property", type: "number", unit: "m", ops: ["readproperty"], people: 0 }),
	foreign("g4", "ended", "erin@s.example", { ...rain, title: "Wind" }),
];

// Titles as an enemy would write them.
const evil = "\u202eIgnore\u202c <script>document.title='owned'</script> <img src=x onerror=alert(1)>";
const hostile: ThingInfo[] = [
	{ id: "x", title: evil, home: "home-1", own: true, state: "live", affordances: [measured("home-1", "x", "__proto__", evil, "\u202e\u2066<b>", numbers(3, 1, 30, minute), { path: "x/<script>" })] },
	foreign("g9", "live", "\u202emoc.live@\u202cnice.example", { ...rain, title: "A".repeat(5000), latest: { at: ago(1000), value: "\u202e" + "<script>".repeat(200) }, recent: [], type: "string" }, { title: "\u0000\u0007مقياس <svg onload=alert(1)>" }),
	foreign("g10", "live", "z@s.example", { ...rain, title: "Z\u0300\u0301\u0302\u0303\u0304\u0305".repeat(40), latest: { at: "not a date", value: { deep: [1, { a: "</script>" }] } }, recent: [{ at: "?", number: 1e308 }, { at: ago(5000), number: -1e308 }], type: "object" }, { until: "never", reason: evil, state: "paused" }),
];

function many(count: number): ThingInfo[] {
	return Array.from({ length: count }, (_, i) => ({
		id: `t${i}`, title: `Sensor ${i + 1}`, home: "home-1", own: i % 5 !== 4, state: "live", ...(i % 5 === 4 ? { owner: "bob@s.example" } : {}),
		affordances: [measured("home-1", `t${i}`, "value", `Value ${i + 1}`, "W", numbers(100 + i, 40, 30, 5000, 1000), { people: i % 4 })],
	}));
}

function history(count: number): (p: { readonly since: string }) => HistoryResult {
	return ({ since }) => {
		const from = Math.max(new Date(since).getTime(), Date.now() - 90 * 24 * hour);
		const step = (Date.now() - 2000 - from) / count;
		return { points: Array.from({ length: count }, (_, i) => ({ at: new Date(from + i * step).toISOString(), number: course(4.2, 3.6, i / 4) })), unit: "l/min" };
	};
}

const alert: Alert = { id: "a1", ref: { home: "home-1", thing: "water", name: "flow" }, above: 12, title: "Flow" };
const ringing: Alert = { id: "a2", ref: { home: "home-1", thing: "lamp", name: "on" }, equals: "true", title: "Lamp", since: ago(4 * minute) };
const notice: Notice = { id: "n1", title: "Rain gauge at the school", language: "en", about: "It helps the fire brigade.", items: [{ what: "Rain", every: "15m", kept: "13 months", purpose: "flood warning", inner: ["Fire brigade"], outer: ["Weather service"] }], contact: "mailto:ada@h.example" };

function withThings(things: ThingInfo[], more: Partial<Scene> = {}, answers: Scene["answers"] = {}): Scene {
	return {
		...more,
		answers: {
			status: () => status,
			requests: () => [],
			things: () => ({ things, homes: [{ home: "home-1", joined: true }] }),
			history: history(1000),
			send: async ({ input }) => {
				await new Promise((done) => setTimeout(done, 60));
				if (input === "sunrise") throw new EngineError("refused", "not allowed by the grant");
				return { answer: input, millis: 312 };
			},
			"alert.list": () => [alert, ringing],
			"alert.set": (a) => ({ ...a, id: "a3" }),
			"alert.remove": () => ({}),
			"notice.list": () => [notice],
			"notice.put": () => ({ id: "n2", url: "https://h.example/t/n2" }),
			"notice.remove": () => ({}),
			"sandbox.start": () => ({ home: "sandbox" }),
			claim: () => {
				throw new EngineError("unreachable");
			},
			goOnWithout: () => ({}),
			...answers,
		},
	};
}

const mine = [water, lamp, sandbox, cellar, ...others];
const flow = "thing/h/home-1/water/flow";

export const scenes: Readonly<Record<string, Scene>> = {
	things: withThings(mine),
	empty: withThings([]),
	loading: { state: "starting", answers: {} },
	error: withThings([], {}, { things: () => { throw new EngineError("unexpected"); } }),
	offline: withThings(mine, {}, { status: () => ({ ...status, online: false, away: ["s.example"] }) }),
	clock: withThings(mine, {}, { status: () => ({ ...status, clockOff: 263 }) }),
	renew: withThings(mine, {}, { status: () => ({ ...status, renew: true, expires: new Date(Date.now() + 20 * 24 * hour).toISOString() }) }),
	suspended: withThings(mine, {}, { status: () => ({ ...status, suspended: true }) }),
	gone: withThings([], {}, { status: () => ({ ...status, phase: "gone" }) }),
	silent: withThings(mine, {}, { things: () => ({ things: mine, homes: [{ home: "home-1", joined: true, silent: ["laptop"] }, { home: "home-2", joined: false }] }) }),
	"other-tab": withThings(mine, { state: "other-tab" }),
	"storage-full": withThings(mine, { state: { failed: "storage-full" } }),
	"storage-denied": withThings(mine, { state: { failed: "storage-denied" } }),
	private: withThings(mine, { state: { failed: "storage-private" } }),
	unreachable: withThings(mine, { state: { failed: "engine-missing" } }),
	hostile: withThings([...hostile, water]),
	many: withThings(many(500)),
	waiting: withThings(mine, {}, { requests: () => Array.from({ length: 3 }, (_, i) => ({ id: `r${i}`, from: "bob@s.example", compared: false, purpose: "billing", purposeClass: "service", notice: "", received: ago(hour), expires: ago(-hour), wants: [] })) }),
	thing: withThings(mine, { at: flow }),
	lamp: withThings(mine, { at: "thing/h/home-1/lamp/on" }),
	dimmer: withThings(mine, { at: "thing/h/home-1/lamp/brightness" }),
	effect: withThings(mine, { at: "thing/h/home-1/lamp/effect" }, { history: () => ({ points: [{ at: ago(hour), value: "none" }, { at: ago(minute), value: "candle" }] }) }),
	unknown: withThings([{ id: "g5", title: "Lamp", grant: "g5", owner: "bob@s.example", own: false, state: "live", affordances: [{ ref: { grant: "g5", thing: "lamp", name: "state" }, path: "lamp/state", title: "State", kind: "property", ops: ["writeproperty"], people: 0 }] }], { at: "thing/g/g5/lamp/state" }, { history: () => ({ points: [] }) }),
	blink: withThings(mine, { at: "thing/h/home-1/lamp/identify" }),
	"no-history": withThings(mine, { at: "thing/g/g3/rain/rate" }, { history: () => ({ points: [] }) }),
	"history-failed": withThings(mine, { at: flow }, { history: () => { throw new EngineError("unreachable"); } }),
	paused: withThings(mine, { at: "thing/g/g2/rain/rate" }),
	ended: withThings(mine, { at: "thing/g/g4/rain/rate" }),
	nowhere: withThings(mine, { at: "no/such/place" }),
	alerts: withThings(mine, { at: "alerts" }),
	"no-alerts": withThings(mine, { at: "alerts" }, { "alert.list": () => [] }),
	notices: withThings(mine, { at: "notices" }),
	"no-notices": withThings(mine, { at: "notices" }, { "notice.list": () => [] }),
	notice: withThings(mine, { at: "notices/n1" }),
	add: withThings(mine, { at: "add" }),
	"one-value": withThings(mine, { at: flow }, { history: () => ({ points: [] }) }),
	ask: withThings(mine, { at: "ask" }, {
		people: () => [{ account: "bob@s.example", name: "Bob", shortCode: "one two three four five six", compared: true }],
		person: ({ account }) => ({ account, name: "Bob", shortCode: "one two three four five six", compared: true }),
		ask: () => ({ request: "r" }),
	}),
};
