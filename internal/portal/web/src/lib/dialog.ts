// Dialogs: the browser's own <dialog>, which keeps the focus inside and gives it
// back.

import { fill, h, type Child } from "./h";
import { icon } from "./icons";
import { uniqueId } from "./form";

export interface Opened {
	readonly element: HTMLDialogElement;
	/** Puts other content in, below the same heading. */
	show(...content: Child[]): void;
	close(): void;
	/** Settles when the dialog is closed, however. */
	readonly closed: Promise<void>;
}

/** Opens a dialog. Esc, the cross and a press beside it close it; that decides nothing. */
export function openDialog(title: Child, closeLabel: string, ...content: Child[]): Opened {
	const heading = h("h2", { id: uniqueId("dialog"), tabindex: -1 }, title);
	const body = h("div", { class: "dialog-body" }, ...content);
	const cross = h("button", { type: "button", class: "quiet round", "aria-label": closeLabel, test: "dialog-close", on: { click: () => element.close() } }, icon("close"));
	const element = h("dialog", { "aria-labelledby": heading.id, test: "dialog" }, h("div", { class: "dialog-head" }, heading, cross), body);
	element.addEventListener("click", (event) => {
		if (event.target === element) element.close();
	});
	const closed = new Promise<void>((done) => {
		element.addEventListener("close", () => {
			element.remove();
			done();
		});
	});
	document.body.append(element);
	element.showModal();
	heading.focus();
	return { element, show: (...next) => fill(body, ...next), close: () => element.close(), closed };
}
