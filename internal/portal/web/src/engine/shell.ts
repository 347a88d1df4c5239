// The page's side of the service worker: it makes the portal open without a
// network, and tells when a new version of it waits.

import { scriptURL } from "./trusted";

/** Registers the service worker. onUpdate is called when a new version has been
 * fetched and waits; applyUpdate changes over. A browser without service
 * workers needs the network, nothing else. */
export async function shell(onUpdate: () => void): Promise<void> {
	if (!("serviceWorker" in navigator)) return;
	try {
		const registration = await navigator.serviceWorker.register(scriptURL("/sw.js"), { scope: "/", updateViaCache: "none" });
		if (registration.waiting) onUpdate();
		registration.addEventListener("updatefound", () => {
			const fresh = registration.installing;
			fresh?.addEventListener("statechange", () => {
				if (fresh.state === "installed" && navigator.serviceWorker.controller) onUpdate();
			});
		});
	} catch {
		// Refused, or no network: the page works as long as there is one.
	}
}

/** Changes to the version that waits and loads the page anew. */
export async function applyUpdate(): Promise<void> {
	const registration = await navigator.serviceWorker.getRegistration();
	navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
	registration?.waiting?.postMessage("update");
}
