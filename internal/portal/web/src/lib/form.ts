// Pieces of forms: a label that belongs to its field, and a button that shows
// that it works.

import { h, type Child } from "./h";

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** An id that no other element of the page has. */
export function uniqueId(prefix: string): string {
	return `${prefix}-${Math.random().toString(36).slice(2, 10)}`;
}

/** A label, its field, and below it a hint and room for an error. */
export function field(label: Child, input: Field, hint?: Child): HTMLElement {
	input.id ||= uniqueId("field");
	const note = hint ? h("small", { id: input.id + "-hint", class: "hint" }, hint) : null;
	if (note) input.setAttribute("aria-describedby", note.id);
	return h("div", { class: "field" }, h("label", { for: input.id }, label), input, note);
}

/** Runs work while the button says that it is busy; a second press does nothing. */
export async function busy(button: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
	if (button.getAttribute("aria-disabled") === "true") return;
	// Not `disabled`: the focus would be lost.
	button.setAttribute("aria-disabled", "true");
	button.classList.add("busy");
	try {
		await work();
	} finally {
		button.removeAttribute("aria-disabled");
		button.classList.remove("busy");
	}
}
