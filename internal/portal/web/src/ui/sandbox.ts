// The sandbox thermometer: a thing that lives in this browser, to try everything
// with.

import { busy } from "../lib/form";
import type { Ctx } from "./ctx";

/** Starts it; the page follows by the engine's event. */
export function startSandbox(ctx: Ctx, button: HTMLButtonElement): Promise<void> {
	return busy(button, async () => {
		try {
			await ctx.engine.call("sandbox.start");
			ctx.toast("web.sandbox.started");
			ctx.go("");
		} catch (error) {
			ctx.failed(error);
		}
	});
}
