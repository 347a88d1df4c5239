// The editor of a public page: one form, one item per value that is collected.

import type { Affordance, Notice, NoticeItem, NoticeResult, ThingInfo } from "../engine/api.gen";
import { openDialog } from "../lib/dialog";
import { busy, field } from "../lib/form";
import { fill, h, type Child } from "../lib/h";
import { icon } from "../lib/icons";
import { bdi } from "../lib/untrusted";
import type { Ctx } from "./ctx";
import { fillWith, page, skeleton, state } from "./page";

const clocks = ["change", "1m", "15m", "1h", "1d"] as const;
const languages = ["en", "de", "fr", "es", "pt", "ru", "zh", "ar", "hi", "sw"] as const;

/** The view of "#/notices/ID", and of "#/notices/new". */
export function editNotice(ctx: Ctx, id: string): HTMLElement {
	const place = h("div", { class: "stack" }, skeleton(ctx, 1, "plot"));
	void fillWith(ctx, place, async () => {
		const [known, { things }] = await Promise.all([ctx.engine.call("notice.list"), ctx.engine.call("things")]);
		const notice = known.find((n) => n.id === id);
		if (id !== "new" && !notice) return others(ctx, id);
		return new Editor(ctx, notice, things.filter((thing) => thing.own)).element;
	});
	return page(ctx, { heading: ctx.t(id === "new" ? "web.notices.new" : "web.notices.edit"), back: "notices", class: "narrow" }, place);
}

/** Who comes from somebody else's public page: it is not theirs to edit. */
async function others(ctx: Ctx, id: string): Promise<HTMLElement> {
	const own = h("a", { class: "button", href: "#/notices" }, ctx.t("web.notices.heading"));
	const answer = await fetch("/v1/notices/" + encodeURIComponent(id), { credentials: "omit" }).catch(() => undefined);
	if (!answer?.ok) return state("empty", "search", ctx.t("web.lost.heading"), ctx.t("web.lost.sentence"), own);
	const { title } = (await answer.json()) as { readonly title?: unknown };
	const read = h("a", { class: "button primary", href: "/thing/" + encodeURIComponent(id), test: "notice-read" }, ctx.t("web.notices.read"));
	return state("empty", "page", typeof title === "string" ? bdi(title, 120) : "", ctx.t("web.notices.others"), read, own);
}

interface ItemForm {
	readonly element: HTMLElement;
	readonly read: () => NoticeItem;
}

class Editor {
	readonly element: HTMLFormElement;
	private readonly title: HTMLInputElement;
	private readonly about: HTMLTextAreaElement;
	private readonly contact: HTMLInputElement;
	private readonly language: HTMLSelectElement;
	private readonly items = h("div", { class: "stack", test: "notice-items" });
	private readonly fault = h("p", { class: "field-error", role: "alert", test: "notice-fault" });
	private readonly save: HTMLButtonElement;
	private forms: ItemForm[] = [];

	constructor(
		private readonly ctx: Ctx,
		private readonly notice: Notice | undefined,
		private readonly things: readonly ThingInfo[],
	) {
		const { t } = ctx;
		this.title = h("input", { type: "text", dir: "auto", required: true, maxlength: 120, value: notice?.title, test: "notice-title" });
		this.about = h("textarea", { dir: "auto", maxlength: 2000, test: "notice-about" }, notice?.about ?? "");
		this.contact = h("input", { type: "text", inputmode: "email", dir: "ltr", maxlength: 300, value: notice?.contact, placeholder: "mailto:ada@h.example", test: "notice-contact" });
		this.language = languageChoice(notice?.language ?? ctx.lang);
		this.save = h("button", { type: "submit", class: "primary", test: "notice-save" }, t("web.notices.publish"));
		this.element = h(
			"form",
			{ class: "form", novalidate: true },
			h("p", { class: "soft" }, t("web.notices.public")),
			field(t("web.notices.title"), this.title, t("web.notices.titleHint")),
			field(t("web.notices.about"), this.about),
			field(t("web.notices.language"), this.language),
			field(t("web.notices.contact"), this.contact, t("web.notices.contactHint")),
			h("h2", null, t("web.notices.items")),
			this.items,
			h("div", { class: "row-actions" }, ...this.offers()),
			this.fault,
			this.save,
		);
		for (const item of notice?.items ?? []) this.add(item);
		this.element.addEventListener("submit", (event) => this.submit(event));
	}

	/** One button per own value, so that nobody has to type what is known. */
	private offers(): HTMLElement[] {
		const known = this.things.flatMap((thing) => thing.affordances.filter((a) => a.kind === "property")).slice(0, 12);
		const offer = (what: string, every: string): HTMLElement => h("button", { type: "button", class: "small", test: "notice-add", on: { click: () => this.add({ what, every }).querySelector("input")?.focus() } }, icon("plus"), h("bdi", null, what || this.ctx.t("web.notices.other")));
		return [...known.map((a) => offer(name(a), a.precision?.every ?? "change")), offer("", "15m")];
	}

	private add(item: NoticeItem): HTMLElement {
		const form = itemForm(this.ctx, item, () => {
			this.forms = this.forms.filter((f) => f !== form);
			form.element.remove();
			this.save.focus();
		});
		this.forms.push(form);
		this.items.append(form.element);
		return form.element;
	}

	private submit(event: Event): void {
		event.preventDefault();
		this.fault.textContent = this.problem();
		if (this.fault.textContent !== "") return;
		const notice: Notice = {
			...(this.notice?.id ? { id: this.notice.id } : {}),
			title: this.title.value.trim(),
			language: this.language.value,
			about: this.about.value.trim(),
			contact: this.contact.value.trim(),
			items: this.forms.map((form) => form.read()),
		};
		void busy(this.save, () => this.publish(notice));
	}

	private problem(): string {
		const { t } = this.ctx;
		if (this.title.value.trim() === "") {
			this.title.focus();
			return t("web.notices.needTitle");
		}
		if (this.forms.length === 0 || this.forms.some((form) => form.read().what === "")) return t("web.notices.needItem");
		if (this.contact.value.trim() !== "" && !/^(mailto:|https:\/\/)\S+$/.test(this.contact.value.trim())) {
			this.contact.focus();
			return t("web.notices.badContact");
		}
		return "";
	}

	private async publish(notice: Notice): Promise<void> {
		try {
			published(this.ctx, await this.ctx.engine.call("notice.put", notice));
		} catch (error) {
			this.fault.textContent = this.ctx.wrong(error);
		}
	}
}

function published(ctx: Ctx, { url }: NoticeResult): void {
	const copy = async (): Promise<void> => {
		try {
			await navigator.clipboard.writeText(url);
			ctx.toast("web.copied");
		} catch {
			ctx.toast("web.table.notCopied");
		}
	};
	const dialog = openDialog(
		ctx.t("web.notices.done"),
		ctx.t("web.close"),
		h("p", null, h("a", { href: url, target: "_blank", rel: "noopener", dir: "ltr", test: "notice-url" }, url)),
		h("div", { class: "row-actions" }, h("button", { type: "button", test: "notice-copy", on: { click: () => void copy() } }, icon("copy"), ctx.t("web.copy"))),
	);
	void dialog.closed.then(() => {
		if (!ctx.signal.aborted) ctx.go("notices");
	});
	ctx.signal.addEventListener("abort", () => dialog.close(), { once: true });
}

function name(a: Affordance): string {
	return a.title || a.ref.name;
}

function languageChoice(chosen: string): HTMLSelectElement {
	const own = (lang: string): string => new Intl.DisplayNames(lang, { type: "language" }).of(lang) ?? lang;
	return h("select", { test: "notice-language" }, ...languages.map((lang) => h("option", { value: lang, lang, selected: lang === chosen }, own(lang))));
}

function itemForm(ctx: Ctx, item: NoticeItem, remove: () => void): ItemForm {
	const { t } = ctx;
	const text = (value: string | undefined, test: string): HTMLInputElement => h("input", { type: "text", dir: "auto", maxlength: 200, value, test });
	const what = text(item.what, "item-what"), fine = text(item.fine, "item-fine"), kept = text(item.kept, "item-kept"), purpose = text(item.purpose, "item-purpose");
	const inner = text(item.inner?.join(", "), "item-inner"), outer = text(item.outer?.join(", "), "item-outer");
	const every = h("select", { test: "item-every" });
	const choices: string[] = clocks.includes(item.every as (typeof clocks)[number]) ? [...clocks] : [...clocks, item.every];
	fill(every, choices.map((clock) => h("option", { value: clock, selected: clock === item.every }, t.has("web.clock." + clock) ? t("web.clock." + clock) : clock)));
	const cross = h("button", { type: "button", class: "quiet round", "aria-label": t("web.notices.dropItem", { What: item.what }), on: { click: remove } }, icon("close"));
	const more: Child = h("details", null, h("summary", null, t("web.notices.who")), h("div", { class: "form" }, field(t("web.notices.inner"), inner, t("web.notices.namesHint")), field(t("web.notices.outer"), outer)));
	const element = h("fieldset", { class: "card form item", test: "notice-item" }, h("div", { class: "item-head" }, field(t("web.notices.what1"), what), cross), field(t("web.notices.every"), every), field(t("web.notices.fine"), fine), field(t("web.notices.kept"), kept), field(t("web.notices.purpose"), purpose), more);
	return { element, read: () => ({ what: what.value.trim(), every: every.value, fine: fine.value.trim(), kept: kept.value.trim(), purpose: purpose.value.trim(), inner: names(inner.value), outer: names(outer.value) }) };
}

function names(list: string): string[] {
	return list.split(/[,،;]/).map((one) => one.trim()).filter((one) => one !== "");
}
