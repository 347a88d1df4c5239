// <qr-scan>: reads a QR code by camera, from a picture, or typed. Whoever uses it
// says what it takes; of anything else it says so and goes on looking.
import { field } from "../lib/form";
import { fill, h } from "../lib/h";
import { icon } from "../lib/icons";
import type { T } from "../lib/words";
import type { Reader } from "./qr-read";

export interface ScanOptions {
	readonly t: T;
	/** Above the field for those who type. */
	readonly typeLabel: string;
	readonly typeHint?: string;
	/** Takes a text and returns undefined, or refuses it with a sentence. */
	take(text: string): string | undefined | Promise<string | undefined>;
}

/** The decoder is loaded when somebody scans, not before. */
async function reader(): Promise<Reader> {
	return (await import("./qr-read")).reader();
}

const between = 150; // milliseconds from look to look

export class QRScan extends HTMLElement {
	private options: ScanOptions | undefined;
	private stream: MediaStream | undefined;
	private readonly video = h("video", { muted: true, playsinline: true, "aria-hidden": "true" });
	private readonly stage = h("div", { class: "scan-stage" });
	private readonly said = h("p", { class: "scan-said", role: "status", test: "scan-said" });
	private last = "";
	private taken = false;

	/** Sets it up; call before it is put into the page. */
	setUp(options: ScanOptions): this {
		this.options = options;
		return this;
	}

	connectedCallback(): void {
		const o = this.options;
		if (!o || this.childElementCount > 0) return;
		this.video.muted = true; // the attribute alone does not count in script-made elements
		this.append(this.stage, this.said, this.typing(o));
		this.rest(o);
	}

	disconnectedCallback(): void {
		this.release();
	}

	/** Lets the camera go. */
	release(): void {
		for (const track of this.stream?.getTracks() ?? []) track.stop();
		this.stream = undefined;
	}

	private rest(o: ScanOptions): void {
		const camera = navigator.mediaDevices ? h("button", { type: "button", class: "primary", test: "scan-camera", on: { click: () => void this.film(o) } }, icon("camera"), o.t("consent.scan.camera")) : null;
		const file = h("input", { type: "file", accept: "image/*", class: "only-read", test: "scan-file", on: { change: () => void this.picture(o, file) } });
		fill(this.stage, h("div", { class: "ways" }, camera, h("label", { class: "button" }, icon("page"), o.t("consent.scan.picture"), file)));
	}

	private typing(o: ScanOptions): HTMLElement {
		const input = h("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", dir: "ltr", test: "scan-typed" });
		const go = h("button", { type: "submit", test: "scan-go" }, o.t("consent.scan.go"));
		return h("form", { class: "scan-type", on: { submit: (e) => {
			e.preventDefault();
			this.last = "";
			if (input.value.trim() !== "") void this.offer(o, input.value.trim());
		} } }, field(o.typeLabel, input, o.typeHint), go);
	}

	private async film(o: ScanOptions): Promise<void> {
		try {
			this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
		} catch (err) {
			this.say(o.t(refused(err) ? "consent.scan.refused" : "consent.scan.noCamera"));
			this.querySelector<HTMLInputElement>("[data-test=scan-typed]")?.focus();
			return;
		}
		if (!this.isConnected) return this.release();
		this.video.srcObject = this.stream;
		const stop = h("button", { type: "button", test: "scan-stop", on: { click: () => this.end(o) } }, o.t("consent.scan.stop"));
		fill(this.stage, h("div", { class: "scan-view" }, this.video), stop);
		this.say(o.t("consent.scan.looking"));
		await this.video.play().catch(() => undefined);
		await this.look(o, await reader());
	}

	private async look(o: ScanOptions, r: Reader): Promise<void> {
		while (this.stream && this.isConnected && !this.taken) {
			const text = await r.read(this.video);
			if (text !== undefined) await this.offer(o, text);
			await new Promise((next) => setTimeout(next, between));
		}
	}

	private async picture(o: ScanOptions, file: HTMLInputElement): Promise<void> {
		const chosen = file.files?.[0];
		if (!chosen) return;
		this.last = "";
		try {
			const bitmap = await createImageBitmap(chosen);
			const text = await (await reader()).read(bitmap);
			bitmap.close();
			if (text === undefined) this.say(o.t("consent.scan.nothing"));
			else await this.offer(o, text);
		} catch {
			this.say(o.t("consent.scan.noPicture"));
		}
		file.value = "";
	}

	/** Offers a text once; the camera sees the same one many times. */
	private async offer(o: ScanOptions, text: string): Promise<void> {
		if (text === this.last || this.taken) return;
		this.last = text;
		const no = await o.take(text);
		if (no !== undefined) return this.say(no);
		this.taken = true;
		this.say("");
		this.end(o);
	}

	private end(o: ScanOptions): void {
		this.release();
		this.rest(o);
	}

	private say(sentence: string): void {
		this.said.textContent = sentence;
	}
}

function refused(err: unknown): boolean {
	return err instanceof DOMException && (err.name === "NotAllowedError" || err.name === "SecurityError");
}

/** Makes one; the element is registered with the first. */
export function qrScan(options: ScanOptions): QRScan {
	if (!customElements.get("qr-scan")) customElements.define("qr-scan", QRScan);
	return (document.createElement("qr-scan") as QRScan).setUp(options);
}
