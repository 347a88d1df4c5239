// The book of calls that change something. It is written before such a call
// runs, so that one that is sent again after a crash is not done twice.

import { asked, durable, writing } from "./database";
import type { Seal } from "./seal";

const keptMillis = 24 * 60 * 60 * 1000;

interface Row {
	readonly at: number; // milliseconds
	readonly answer?: Uint8Array<ArrayBuffer>; // sealed; none: it began
}

/** What the book says of a call: new (and now it has begun), begun before and
 * never finished, or done with this answer. */
export type Past = "new" | "begun" | { readonly answer: string };

export class Journal {
	constructor(
		private readonly db: IDBDatabase,
		private readonly seal: Seal,
	) {}

	/** Looks a call up, and notes durably that it begins when it is new. */
	async begin(id: string): Promise<Past> {
		const tx = writing(this.db, "calls");
		const done = durable(tx);
		const calls = tx.objectStore("calls");
		const row = (await asked(calls.get(id))) as Row | undefined;
		if (!row) calls.put({ at: Date.now() } satisfies Row, id);
		await done;
		if (!row) return "new";
		if (!row.answer) return "begun";
		return { answer: new TextDecoder().decode(await this.seal.open(id, row.answer)) };
	}

	/** Notes the answer, until the caller has it. */
	async finish(id: string, answer: string): Promise<void> {
		const sealed = await this.seal.seal(id, new TextEncoder().encode(answer));
		const tx = writing(this.db, "calls");
		tx.objectStore("calls").put({ at: Date.now(), answer: sealed } satisfies Row, id);
		await durable(tx);
	}

	/** The caller has the answer. */
	async taken(id: string): Promise<void> {
		const tx = this.db.transaction("calls", "readwrite");
		tx.objectStore("calls").delete(id);
		await durable(tx);
	}

	/** Forgets what nobody came back for. */
	async clean(): Promise<void> {
		const tx = this.db.transaction("calls", "readwrite");
		const done = durable(tx);
		const calls = tx.objectStore("calls");
		const walk = calls.openCursor();
		walk.onsuccess = () => {
			const cursor = walk.result;
			if (!cursor) return;
			if ((cursor.value as Row).at < Date.now() - keptMillis) cursor.delete();
			cursor.continue();
		};
		await done;
	}
}
