// The service worker: the portal without a network, updates, and the notice
// that something waits. It keeps no values and reads no message: a push has no
// content.

export {};

declare const self: ServiceWorkerGlobalScope;

/** Set by the build: a name that changes with any asset, the paths of all
 * assets, and a few sentences by language. */
declare const VERSION: string;
declare const ASSETS: readonly string[];
declare const SENTENCES: Readonly<Record<string, { readonly title: string; readonly body: string }>>;

const prefix = "primum-";
const current = prefix + VERSION;
const page = "/my";

self.addEventListener("install", (e) => e.waitUntil(install()));
self.addEventListener("activate", (e) => e.waitUntil(activate()));
self.addEventListener("message", (e) => {
	// The person asked for the new version.
	if (e.data === "update") void self.skipWaiting();
});
self.addEventListener("fetch", (e) => {
	const url = new URL(e.request.url);
	if (e.request.method !== "GET" || url.origin !== self.location.origin) return;
	if (url.pathname.startsWith("/assets/")) e.respondWith(asset(e.request));
	else if (e.request.mode === "navigate" && url.pathname === page) e.respondWith(shell(e, url.search === ""));
});

// Takes what an older version has already, and fetches the rest.
async function install(): Promise<void> {
	const cache = await caches.open(current);
	await Promise.all(
		ASSETS.map(async (path) => {
			const kept = await caches.match(path);
			await (kept ? cache.put(path, kept) : cache.add(path));
		}),
	);
	await cache.add(new Request(page, { cache: "no-store" }));
}

async function activate(): Promise<void> {
	for (const name of await caches.keys()) if (name.startsWith(prefix) && name !== current) await caches.delete(name);
	await self.clients.claim();
}

async function asset(request: Request): Promise<Response> {
	return (await caches.match(request.url)) ?? fetch(request);
}

// The page is shown from the cache at once and fetched again beside; with a
// query it is fetched first, because that chooses the language.
async function shell(e: FetchEvent, fromCache: boolean): Promise<Response> {
	const cache = await caches.open(current);
	const kept = await cache.match(page);
	const fetched = fetch(e.request).then(async (answer) => {
		if (answer.ok && (await ours(answer.clone()))) await cache.put(page, answer.clone());
		return answer;
	});
	if (kept && fromCache) {
		e.waitUntil(fetched.catch(() => undefined)); // no network: the kept one stays
		return kept;
	}
	return fetched.catch((error: unknown) => {
		if (kept) return kept;
		throw error;
	});
}

// A page of another version names assets that are not kept here.
async function ours(answer: Response): Promise<boolean> {
	const named = (await answer.text()).match(/\/assets\/[\w.-]+/g) ?? [];
	return named.filter((path) => path.endsWith(".js")).every((path) => ASSETS.includes(path) || path.startsWith("/assets/sw."));
}

self.addEventListener("push", (e) => {
	const { title, body } = sentences();
	// One notice for all that waits; the page asks the engine what it is.
	e.waitUntil(self.registration.showNotification(title, { body, tag: "primum", icon: icon() }));
});

self.addEventListener("notificationclick", (e) => {
	e.notification.close();
	e.waitUntil(show());
});

async function show(): Promise<void> {
	for (const client of await self.clients.matchAll({ type: "window" })) {
		if (new URL(client.url).pathname === page) {
			await client.focus();
			return;
		}
	}
	await self.clients.openWindow(page + "#/requests");
}

/** "web.push.title" and "web.push.body" in the language of the browser. */
function sentences(): { readonly title: string; readonly body: string } {
	for (const tag of [...navigator.languages, "en"]) {
		const found = SENTENCES[tag.split("-")[0] ?? ""];
		if (found) return found;
	}
	return { title: "Primum", body: "" };
}

function icon(): string {
	return ASSETS.find((path) => path.startsWith("/assets/icon-192.")) ?? "";
}
