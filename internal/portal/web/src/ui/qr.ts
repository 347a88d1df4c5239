// A QR code as SVG: dark on light in every theme, with the quiet zone around it
// that readers need.
import encodeQR from "qr";
import { svg } from "../lib/h";

const quiet = 4; // modules, ISO/IEC 18004 §6.3.8

/** Draws text as a QR code; label is what a screen reader says instead. */
export function qrCode(text: string, label: string): SVGElement {
	const rows = encodeQR(text, "raw", { ecc: "medium", border: quiet });
	const size = rows.length;
	return svg("svg", { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges", test: "qr" },
		svg("rect", { class: "qr-light", width: size, height: size }),
		svg("path", { class: "qr-dark", d: rows.map(dark).join("") }));
}

/** The dark modules of one row, runs of them as one rectangle. */
function dark(row: readonly boolean[], y: number): string {
	let d = "";
	for (let x = 0; x < row.length; x++) {
		let run = 0;
		while (row[x + run]) run++;
		if (run > 0) d += `M${x} ${y}h${run}v1h-${run}z`;
		x += run;
	}
	return d;
}
