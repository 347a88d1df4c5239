// Time that passes on a page: one timer for all ages, none while nobody looks.

/** Calls tick at once when the page is looked at again, and every second while
 * it is, until signal aborts. */
export function everySecond(signal: AbortSignal, tick: (now: number) => void): void {
	let timer = 0;
	const look = (): void => {
		window.clearInterval(timer);
		if (document.hidden || signal.aborted) return;
		tick(Date.now());
		timer = window.setInterval(() => tick(Date.now()), 1000);
	};
	document.addEventListener("visibilitychange", look, { signal });
	signal.addEventListener("abort", () => window.clearInterval(timer), { once: true });
	look();
}

/** Gathers calls until the next frame: however many values come, the page is
 * drawn once per frame, and while it is hidden not at all. The last value of
 * each key is kept. */
export function perFrame<V>(signal: AbortSignal, draw: (changed: ReadonlyMap<string, V>) => void): (key: string, value: V) => void {
	let waiting = new Map<string, V>();
	let asked = 0;
	const run = (): void => {
		asked = 0;
		if (signal.aborted || document.hidden) return;
		const changed = waiting;
		waiting = new Map();
		draw(changed);
	};
	const ask = (): void => {
		if (asked === 0 && !document.hidden && waiting.size > 0) asked = requestAnimationFrame(run);
	};
	document.addEventListener("visibilitychange", ask, { signal });
	signal.addEventListener("abort", () => cancelAnimationFrame(asked), { once: true });
	return (key, value) => {
		waiting.set(key, value);
		ask();
	};
}
