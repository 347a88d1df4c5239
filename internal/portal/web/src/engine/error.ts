/** A refusal: code is the id of a sentence under "engine.", detail is English
 * for those who mend, data fills the sentence's blanks. */
export class EngineError extends Error {
	constructor(
		readonly code: string,
		readonly detail?: string,
		readonly data?: Readonly<Record<string, string>>,
	) {
		super(detail ? `${code}: ${detail}` : code);
		this.name = "EngineError";
	}
}
