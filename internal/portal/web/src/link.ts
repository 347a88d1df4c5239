// The page of a link, /l/ID, on an origin of its own. The secret stands in the
// fragment, which browsers never send.
import { start } from "./engine/tab";
import { load } from "./lib/words";
import { guestCtx, guestPage, linkIn } from "./ui/guest";

async function main(): Promise<void> {
	const { lang } = document.documentElement;
	const root = document.getElementById("app");
	if (!root) return;
	const link = linkIn(location);
	const engine = start();
	guestPage(guestCtx(engine, await load(lang), lang), root, link);
}

void main();
