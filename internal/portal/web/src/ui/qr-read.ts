// Reading QR codes: by the browser where it can, else by our own decoder.
import decodeQR from "qr/decode.js";

/** What of BarcodeDetector is used; not in the DOM's types yet. */
interface Detector {
	detect(source: ImageBitmapSource): Promise<{ rawValue: string }[]>;
}

type DetectorClass = {
	new (options: { formats: string[] }): Detector;
	getSupportedFormats(): Promise<string[]>;
};

export interface Reader {
	/** The text of a QR code in the picture, or undefined. */
	read(source: HTMLVideoElement | ImageBitmap): Promise<string | undefined>;
}

const largest = 1280; // pixels of a side that are looked at

/** Makes the best reader there is here. */
export async function reader(): Promise<Reader> {
	const native = (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
	const known = native ? await native.getSupportedFormats().catch(() => []) : [];
	if (native && known.includes("qr_code")) {
		const detector = new native({ formats: ["qr_code"] });
		return { read: async (source) => (await detector.detect(source).catch(() => []))[0]?.rawValue ?? own(source) };
	}
	return { read: (source) => Promise.resolve(own(source)) };
}

function own(source: HTMLVideoElement | ImageBitmap): string | undefined {
	const [w, h] = source instanceof ImageBitmap ? [source.width, source.height] : [source.videoWidth, source.videoHeight];
	if (w === 0 || h === 0) return undefined;
	const scale = Math.min(1, largest / Math.max(w, h));
	const canvas = document.createElement("canvas");
	canvas.width = Math.round(w * scale);
	canvas.height = Math.round(h * scale);
	const paper = canvas.getContext("2d", { willReadFrequently: true });
	if (!paper) return undefined;
	paper.drawImage(source, 0, 0, canvas.width, canvas.height);
	try {
		return decodeQR(paper.getImageData(0, 0, canvas.width, canvas.height));
	} catch {
		return undefined; // no code in this picture
	}
}
