// Icons of one stroke, drawn on a grid of 24. They carry no name: the words
// beside them do.

import { svg } from "./h";

const paths = {
	home: "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9",
	hand: "M5 12h9m0 0-3-3m3 3-3 3M14 5h5v14h-5",
	person: "M12 12a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-7 8c.8-3.6 3.6-5.5 7-5.5s6.2 1.9 7 5.5",
	lock: "M7 11V8.5a5 5 0 0 1 10 0V11M5.5 11h13v8.5h-13z",
	bell: "M6 16.5h12c-1.2-1.3-1.5-2.5-1.5-5.5a4.5 4.5 0 0 0-9 0c0 3-.3 4.2-1.5 5.5ZM10.5 19.5h3",
	share: "M12 15V4.5m0 0L8.5 8M12 4.5 15.5 8M6 12.5v7h12v-7",
	page: "M7 4.5h7l4 4v11H7zM10 12h5M10 15.5h5",
	plus: "M12 5.5v13M5.5 12h13",
	back: "M19 12H5.5m0 0 5-5m-5 5 5 5",
	close: "m6.5 6.5 11 11m0-11-11 11",
	copy: "M9 9h10v10.5H9zM6 15H5V4.5h10V6",
	down: "M12 4.5V15m0 0-4-4m4 4 4-4M5.5 19.5h13",
	warn: "M12 4.5 20.5 19h-17zM12 10v4m0 2.5v.1",
	check: "m5.5 12.5 4.5 4.5 8.5-10",
	camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zm8 8.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z",
	search: "M10.5 16.5a6 6 0 1 0 0-12 6 6 0 0 0 0 12Zm4.5-1.5 5 5",
	away: "M5 12.5c2-2 4.3-3 7-3s5 1 7 3M8.5 16c1-.9 2.2-1.3 3.5-1.3s2.5.4 3.5 1.3M4 4l16 16",
	link: "M10 14a3.5 3.5 0 0 0 5 0l3-3a3.5 3.5 0 0 0-5-5l-1 1m2 3a3.5 3.5 0 0 0-5 0l-3 3a3.5 3.5 0 0 0 5 5l1-1",
	thermometer: "M12 4.5a2 2 0 0 1 2 2v7a3.5 3.5 0 1 1-4 0v-7a2 2 0 0 1 2-2Zm0 5v6.5",
	broken: "M10.5 13.5 7 17a3.5 3.5 0 0 1-5-5l2.5-2.5M13.5 10.5 17 7a3.5 3.5 0 0 1 5 5l-2.5 2.5M9 4.5v2.5M4.5 6.5l2 2M15 19.5V17m4.5.5-2-2",
	clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Zm0-12.5V12l3 2",
	open: "M6.5 12h.01M12 12h.01M17.5 12h.01",
	power: "M12 4.5V12M7.5 7.5a6.5 6.5 0 1 0 9 0",
} as const;

export type Icon = keyof typeof paths;

/** Draws an icon; it is hidden from screen readers. */
export function icon(name: Icon): SVGElement {
	return svg(
		"svg",
		{ class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
		svg("path", { d: paths[name] }),
	);
}
