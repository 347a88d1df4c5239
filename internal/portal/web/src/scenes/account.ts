// Scenes of accounts: what a real node shows only after weeks, or when something
// is wrong.

import type { ClientInfo, Person, Status } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import type { Scene } from "../engine/scripted";

const day = 24 * 3600 * 1000;

function at(days: number): string {
	return new Date(Date.now() + days * day).toISOString();
}

const open: Status = {
	phase: "open", account: "ada@h.example", name: "Ada Byron", client: "firefox-linux", node: "h.example", online: true,
	expires: at(21), hasPhrase: true, hasPasskey: true,
};

const clients: ClientInfo[] = [
	{ name: "firefox-linux", browser: true, own: true, added: at(-40), heard: at(0) },
	{ name: "safari-iphone", browser: true, added: at(-12), heard: at(-0.2) },
	{ name: "main", added: at(-60), heard: at(-9) },
];

const people: Person[] = [
	{ account: "ben@s.example", name: "Ben", shortCode: "trim powder despair artwork neither head", compared: true },
	{ account: "energy@advice.example", name: "Advice <b>\u202egnitset</b>", organisation: true, shortCode: "able about above abandon ability zoo", compared: false },
];

function account(status: Partial<Status>, more: Scene["answers"] = {}): Scene {
	return { at: "account", answers: { status: () => ({ ...open, ...status }), requests: () => [], "account.clients": () => clients, people: () => people, ...more } };
}

function refused(code: string, data: Readonly<Record<string, string>> = {}): () => never {
	return () => {
		throw new EngineError(code, undefined, data);
	};
}

const none: Scene["answers"] = { status: () => ({ phase: "none", online: false }) };
const words = "whisper soccer above critic wall fan absurd carpet camp veteran top feature";
const pairing = { code: "https://h.example/my#/pair/eyJ2IjoxfQ", words: "pet foil current zone amber", expires: at(10 / 1440) };

export const scenes: Readonly<Record<string, Scene>> = {
	account: account({}),
	"account-renew": account({ expires: at(4), renew: true }),
	"account-suspended": account({ suspended: true }),
	"account-unshown": account({ hasPhrase: false, hasPasskey: false, unshown: true }),
	"account-alone": account({}, { "account.clients": () => clients.slice(0, 1), people: () => [] }),
	"account-loading": { at: "account", answers: {} },
	"account-failed": account({}, { "account.clients": refused("unreachable"), people: refused("internal") }),
	"account-wrong": account({}, { "account.renew": refused("phrase-typo", { Place: "3", Word: "abandom", Near: "abandon" }) }),
	"account-kept": account({}, { "account.delete": refused("delete-locks", { Count: "2" }) }),
	"account-deleted": account({}, {
		"account.delete": () => ({ stops: [
			{ grant: "1", other: "ben@s.example", stop: { asked: at(0), lockOne: at(0), lockTwo: at(0) } },
			{ grant: "2", other: "energy@advice.example", stop: { asked: at(0), lockOne: at(0) } },
		] }),
	}),
	"new-words": { at: "new-words/first", answers: { ...account({ unshown: true }).answers, "account.newPhrase": () => ({ phrase: words, status: open }) } },
	trust: { at: "trust", answers: account({}).answers },
	welcome: { at: "welcome", answers: none },
	"welcome-open": { at: "welcome", answers: account({}).answers },
	"welcome-gone": { at: "welcome", answers: { status: () => ({ phase: "gone", online: false, account: "ada@h.example" }) } },
	"welcome-taken": { at: "welcome", answers: { ...none, "account.create": refused("account-taken") } },
	"welcome-invite": { at: "welcome", answers: { ...none, "account.create": refused("invite") } },
	"welcome-first": { at: "welcome/first", answers: account({}).answers },
	restore: { at: "restore", answers: none },
	"restore-trap": { at: "restore/eve@h.example/" + words.replaceAll(" ", "-"), answers: none },
	"restore-old": { at: "restore/ada@h.localhost/" + words.replaceAll(" ", "-"), answers: { ...none, "account.restore": refused("keep-old") } },
	pairing: { at: "pairing", answers: { ...none, "pair.begin": () => pairing } },
	"pairing-expired": { at: "pairing", answers: { ...none, "pair.begin": () => pairing, "pair.wait": refused("pair-expired") } },
	pair: { at: "pair", answers: account({}).answers },
	"pair-asked": { at: "pair/abc", answers: { ...account({}).answers, "pair.look": () => ({ client: "safari-ipad", words: "pet foil current zone amber" }) } },
	"pair-other": { at: "pair/abc", answers: { ...account({}).answers, "pair.look": refused("pair-other", { Account: "eve@h.example" }) } },
};
