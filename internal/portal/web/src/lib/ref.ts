// How an affordance is written in an address of the page:
// h/HOME/THING/NAME (an own one) or g/GRANT/THING/NAME (one of a grant).

import type { Ref } from "../engine/api.gen";

/** The segments of a ref, to stand behind "#/thing/", "#/share/", "#/grants/". */
export function refPath(ref: Ref): string {
	const start = ref.grant ? ["g", ref.grant] : ["h", ref.home ?? ""];
	return [...start, ref.thing, ref.name].map(encodeURIComponent).join("/");
}

/** The ref of such segments, decoded by the router; undefined if they are none. */
export function parseRef(args: readonly string[]): Ref | undefined {
	const [kind, where, thing, name] = args;
	if (!where || !thing || !name || args.length !== 4) return undefined;
	if (kind === "h") return { home: where, thing, name };
	if (kind === "g") return { grant: where, thing, name };
	return undefined;
}

/** One string per ref, to compare and to index by. */
export function refKey(ref: Ref): string {
	return refPath(ref);
}
