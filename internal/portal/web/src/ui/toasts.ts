// What was just done, for some seconds, beside the page and not over it.

import { h } from "../lib/h";
import { icon } from "../lib/icons";
import type { Blanks, T } from "../lib/words";

export interface Toasts {
	readonly element: HTMLElement;
	show(id: string, blanks?: Blanks): void;
	fault(sentence: string): void;
}

const long = 7000; // milliseconds; WCAG 2.2.1 is met, as all of it stands elsewhere, too

/** Makes the place of the toasts. */
export function toasts(t: T): Toasts {
	const element = h("div", { class: "toasts", role: "status", "aria-live": "polite", test: "toasts" });
	const put = (sentence: string, kind: string): void => {
		const cross = h("button", { type: "button", class: "quiet round", "aria-label": t("web.close"), on: { click: () => toast.remove() } }, icon("close"));
		const toast = h("div", { class: `toast ${kind}`, test: "toast" }, h("span", null, sentence), cross);
		while (element.childElementCount >= 3) element.firstElementChild?.remove();
		element.append(toast);
		let timer = window.setTimeout(() => toast.remove(), long);
		toast.addEventListener("pointerenter", () => window.clearTimeout(timer));
		toast.addEventListener("focusin", () => window.clearTimeout(timer));
		toast.addEventListener("pointerleave", () => {
			timer = window.setTimeout(() => toast.remove(), long);
		});
	};
	return { element, show: (id, blanks) => put(t(id, blanks), "done"), fault: (sentence) => put(sentence, "fault") };
}
