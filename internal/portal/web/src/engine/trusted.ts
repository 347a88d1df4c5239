// The page's one Trusted Types policy. It lets scripts be run from the two
// addresses that the server named, and makes no HTML.

interface ScriptURLs {
	createScriptURL(url: string): string;
}

interface TrustedTypes {
	createPolicy(name: string, rules: ScriptURLs): ScriptURLs;
}

let policy: ScriptURLs | undefined;

/** Lets url stand where the browser wants the address of a script. */
export function scriptURL(url: string): string {
	const trusted = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
	if (!trusted) return url;
	policy ??= trusted.createPolicy("primum", {
		createScriptURL: (u) => {
			if (u === "/sw.js" || /^\/assets\/worker\.[0-9A-Za-z]+\.js$/.test(u)) return u;
			throw new TypeError("not a script of this page: " + u);
		},
	});
	return policy.createScriptURL(url);
}
