/** Why the engine can't be run here: the code of a sentence under "engine.". */
export type FaultCode =
	| "storage-denied" | "storage-private" | "storage-full" | "storage-tampered" | "storage-evicted"
	| "engine-missing" | "engine-crashed" | "other-tab" | "browser-too-old";

export class Fault extends Error {
	constructor(
		readonly code: FaultCode,
		readonly detail: string,
	) {
		super(`${code}: ${detail}`);
		this.name = "Fault";
	}
}
