// A service of a node, as requests that nobody has sent: the person came here
// by its Connect button. To look tells nobody; a yes goes to the provider.
import type { RequestInfo, ServiceInfo } from "../engine/api.gen";
import { EngineError } from "../engine/engine";
import { openDialog } from "../lib/dialog";
import { field } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import { decision, lines, requestCard } from "./consent-requests";
import { nameOf } from "./consent-parts";
import type { Ctx } from "./ctx";
import { fillWith, page, skeleton } from "./page";
import { qrScan } from "./qr-scan";

/** The service that args name (node, name), or one of its asks (by its place, from 0). */
export function connectView(ctx: Ctx, args: string[]): HTMLElement {
	const { t } = ctx;
	const [node = "", name = "", ask] = args;
	const body = h("div", { class: "stack" }, skeleton(ctx, 1, "row"), skeleton(ctx, 1, "plot"));
	const view = page(ctx, { heading: t("consent.connect.title"), back: ask === undefined ? "requests" : route(node, name), class: "consent request" }, body);
	if (node === "" || name === "" || !serviceIn(node + "/" + name)) {
		fill(body, which(ctx, node + name === "" ? "" : t("consent.connect.notService")));
		return view;
	}
	void fillWith(ctx, body, async () => {
		const [service, things] = await Promise.all([offered(ctx, node, name), ctx.engine.call("things")]);
		if (service === undefined) return which(ctx, t("consent.connect.notService"));
		const at = ask === undefined ? only(service) : Number(ask);
		const asked = at === undefined ? undefined : service.asks[at];
		if (at === undefined || asked === undefined) return overview(ctx, service, view);
		return [offer(service), decision(ctx, asked, things.things, view, { node: service.node, name: service.name, ask: at })];
	});
	return view;
}

/** What a node offers by a name; undefined: that is no address of a node. */
async function offered(ctx: Ctx, node: string, name: string): Promise<ServiceInfo | undefined> {
	try {
		return await ctx.engine.call("service", { node, name, language: ctx.lang });
	} catch (error) {
		if (error instanceof EngineError && error.code === "address") return undefined; // its sentence is one about accounts
		throw error;
	}
}

/** Which service? Typed, or read from its code; wrong says what was wrong with the one before. */
function which(ctx: Ctx, wrong: string): Child {
	const { t } = ctx;
	const input = h("input", { type: "text", inputmode: "url", dir: "ltr", autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: "example.org/advice", maxlength: 400, test: "connect-url" });
	const fault = h("p", { class: "field-error", role: "alert", test: "connect-fault" }, wrong);
	const take = (text: string): string | undefined => {
		const named = serviceIn(text);
		if (!named) return t("consent.connect.notService");
		dialog?.close();
		ctx.go(route(named[0], named[1]));
		return undefined;
	};
	let dialog: ReturnType<typeof openDialog> | undefined;
	const scan = h("button", { type: "button", test: "connect-scan", on: { click: () => {
		dialog = openDialog(t("consent.connect.scan"), t("web.close"), qrScan({ t, typeLabel: t("consent.connect.url"), take }));
		ctx.signal.addEventListener("abort", () => dialog?.close(), { once: true });
	} } }, icon("camera"), t("consent.connect.scan"));
	const go = h("button", { type: "submit", class: "primary", test: "connect-go" }, t("consent.connect.look"));
	return h("form", { class: "form", novalidate: true, test: "connect-none", on: { submit: (e) => {
		e.preventDefault();
		fault.textContent = take(input.value) ?? "";
		input.setAttribute("aria-invalid", String(fault.textContent !== ""));
		if (fault.textContent !== "") input.focus();
	} } }, h("p", null, t("consent.connect.noneMore")), field(t("consent.connect.url"), input, t("consent.connect.urlHint")), fault, h("div", { class: "ways" }, scan, go));
}

/** Node and name in the address of a service's page, or in NODE/NAME. */
export function serviceIn(text: string): readonly [string, string] | undefined {
	const plain = text.trim().replace(/^https?:\/\//i, "").replace(/[?#].*$/, "");
	const [, node, name] = /^([\p{L}\p{M}\p{N}.-]+(?::\d{1,5})?)\/(?:services\/|v1\/services\/)?([a-z0-9-]{1,48})$/u.exec(plain) ?? [];
	return node !== undefined && name !== undefined ? [node.toLowerCase(), name] : undefined;
}

function route(node: string, name: string, ask?: number): string {
	return ["connect", node, name, ...(ask === undefined ? [] : [String(ask)])].map(encodeURIComponent).join("/");
}

/** The place of the one ask, if there is one only. */
function only(s: ServiceInfo): number | undefined {
	return s.asks.length === 1 ? 0 : undefined;
}

function offer(s: ServiceInfo): Child {
	return h("section", { class: "notice-text", test: "service" }, h("h2", { dir: "auto", lang: s.language }, bdi(s.title)),
		s.offer ? h("blockquote", { lang: s.language, dir: "auto" }, lines(s.offer)) : null);
}

/** Several purposes: each is looked at, and answered, by itself. */
function overview(ctx: Ctx, s: ServiceInfo, view: HTMLElement): Child {
	const { t } = ctx;
	const heading = view.querySelector("h1");
	if (heading) fill(heading, bdi(s.title));
	return [offer(s), h("p", null, t("consent.connect.each", { N: s.asks.length })),
		s.asks.map((r: RequestInfo, i: number) => requestCard(ctx, r, route(s.node, s.name, i))),
		s.asks[0] ? h("p", { class: "soft" }, t("consent.connect.by", { Name: nameOf({ account: s.asks[0].from, name: s.asks[0].name }) })) : null];
}
