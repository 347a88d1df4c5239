// A typed builder of elements. Nothing here parses markup, so text that comes
// from anybody stays text (Trusted Types: the page has no policy at all).

export type Child = Node | string | number | null | undefined | false | readonly Child[];

export type Handlers = { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

export interface Attrs {
	on?: Handlers;
	/** The mark by which tests find an element; never a text. */
	test?: string;
	[name: string]: string | number | boolean | Handlers | null | undefined;
}

/** Makes an element. `false`, null and undefined leave an attribute or a child out; `true` sets it empty. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attrs?: Attrs | null, ...children: Child[]): HTMLElementTagNameMap[K] {
	const element = document.createElement(tag);
	set(element, attrs ?? {});
	append(element, children);
	return element;
}

/** Makes an element of SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attrs?: Attrs | null, ...children: Child[]): SVGElementTagNameMap[K] {
	const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
	set(element, attrs ?? {});
	append(element, children);
	return element;
}

/** Replaces all children. */
export function fill(element: Element, ...children: Child[]): void {
	element.replaceChildren();
	append(element, children);
}

/** Sets a text only if it is another one: no mutation, no layout, no announcement for nothing. */
export function text(element: Element, value: string): void {
	if (element.textContent !== value) element.textContent = value;
}

/** Sets attributes; those that could execute anything are refused. */
export function set(element: Element, attrs: Attrs): void {
	for (const [name, value] of Object.entries(attrs)) {
		if (name === "on") listen(element, value as Handlers);
		else if (value === null || value === undefined || value === false) continue;
		else if (name === "test") element.setAttribute("data-test", String(value));
		else element.setAttribute(name, safe(name, value === true ? "" : String(value)));
	}
}

function listen(element: Element, handlers: Handlers): void {
	for (const [name, handler] of Object.entries(handlers)) {
		if (handler) element.addEventListener(name, handler as EventListener);
	}
}

function safe(name: string, value: string): string {
	if (/^(on|srcdoc$|style$)/i.test(name)) throw new Error(`attribute ${name} is not set by h()`);
	if (/^(href|src|action|formaction|xlink:href)$/i.test(name) && !/^(#|\/(?!\/)|https?:|mailto:|blob:|data:image\/)/i.test(value)) return "#";
	return value;
}

function append(element: Element, children: readonly Child[]): void {
	for (const child of children) {
		if (child === null || child === undefined || child === false) continue;
		if (Array.isArray(child)) append(element, child as readonly Child[]);
		else element.append(child instanceof Node ? child : String(child));
	}
}
