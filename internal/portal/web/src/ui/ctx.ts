// What a view gets, and what it is.

import type { Status } from "../engine/api.gen";
import type { Engine, EngineEvent } from "../engine/engine";
import type { Formats } from "../lib/format";
import type { Blanks, T } from "../lib/words";

export interface Ctx {
	readonly engine: Engine;
	readonly t: T;
	readonly lang: string;
	readonly fmt: Formats;
	/** The last status the engine told; undefined until it is ready. */
	readonly status: Status | undefined;
	/** Aborted when the view is left: give it to listeners and timers. */
	readonly signal: AbortSignal;
	/** Goes to a route without "#/": "grants", "thing/h/…", "" for the things. */
	go(route: string): void;
	/** Shows a sentence for some seconds; screen readers say it. */
	toast(id: string, blanks?: Blanks): void;
	/** As toast, in the colour of faults, of whatever was thrown. */
	failed(error: unknown): void;
	/** The sentence for whatever was thrown. */
	wrong(error: unknown): string;
	/** Says a sentence to screen readers only. */
	say(sentence: string): void;
	/** Listens to the engine until the view is left. */
	on(listener: (event: EngineEvent) => void): void;
	/** Sets the document's title when it is known later than the view. */
	title(text: string): void;
}

/** Makes the element of a route. It is shown at once: what has to be asked for
 * is filled in later. It contains one h1. */
export type View = (ctx: Ctx, args: string[]) => HTMLElement;

export type Tab = "things" | "consent" | "account";

export interface Route {
	readonly view: View;
	/** Id of the sentence that is the document's title. */
	readonly title: string;
	/** Which place of the navigation is current. */
	readonly tab?: Tab;
	/** It can be shown without an account here. */
	readonly open?: boolean;
	/** It is not made anew when the engine is ready: somebody may have begun to type. */
	readonly steady?: boolean;
}

/** Routes by their first segment ("" is the start page). */
export type Routes = Readonly<Record<string, Route>>;
