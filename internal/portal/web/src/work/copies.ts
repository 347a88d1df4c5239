// The disk is kept twice where the browser lets us. LevelDB, on which Chromium
// keeps IndexedDB, goes on writing behind a record that a kill tore off, and
// takes the whole database for damaged at the start after the next one: then
// Chromium deletes all of it. Two storage buckets are two databases; we write
// them one after the other, so a kill can tear one at most, and the other one
// heals it. What is acknowledged is in both.

import { asked, durable, openDatabase, quota, type Shelf, writing } from "./database";
import { Fault } from "./fault";

export const keyName = "key";
export const ownerName = "owner";
export const sequenceName = "sequence";
const shelves: readonly Shelf[] = ["records", "keys"];

interface Buckets {
	open(name: string): Promise<{ readonly indexedDB: IDBFactory }>;
}

export interface Databases {
	/** The same content in each once they are alike, written in this order. */
	readonly copies: readonly IDBDatabase[];
	/** For the book of calls, which may be lost with a browser that is killed:
	 * whoever would call again is gone, too. */
	readonly calls: IDBDatabase;
}

/** Opens all databases. */
export async function openAll(lost: (why: string) => void): Promise<Databases> {
	const buckets = (navigator as { storageBuckets?: Buckets }).storageBuckets;
	const inBucket = async (name: string): Promise<IDBDatabase | undefined> => {
		const bucket = await buckets?.open(name).catch(() => undefined);
		return bucket && openDatabase(bucket.indexedDB, lost);
	};
	const [first, second, calls] = await Promise.all([openDatabase(indexedDB, lost), inBucket("second"), inBucket("calls")]);
	return { copies: second ? [first, second] : [first], calls: calls ?? first };
}

/** Makes a worker the owner of all copies: whoever was it before can't write any
 * more, so that the copies stay as they are. */
export async function take(copies: readonly IDBDatabase[], owner: string): Promise<void> {
	for (const db of copies) {
		const tx = writing(db, "keys");
		tx.objectStore("keys").put(owner, ownerName);
		await durable(tx);
	}
}

/** Makes the copies alike, for their owner, and answers those that are to be
 * used. The copy that is ahead is written over the other one. Where there is no
 * room for that, there is one copy until there is; an old one is never kept,
 * because keys that were used must not come back. */
export async function alike(copies: readonly IDBDatabase[], owner: string): Promise<readonly IDBDatabase[]> {
	const [first, second] = copies;
	if (!first || !second) return copies;
	const [one, two] = await Promise.all([rank(first), rank(second)]);
	if (one === two) return [first, second];
	const [from, to] = one > two ? [first, second] : [second, first];
	try {
		await overwrite(from, to, owner);
		return [first, second];
	} catch (error) {
		if (!quota(error)) throw error;
		await owned(to, owner, (tx) => {
			for (const shelf of shelves) tx.objectStore(shelf).clear();
		});
		return [from];
	}
}

// A change that is made only if nobody else took the copy meanwhile: it would be
// of what was before them.
async function owned(db: IDBDatabase, owner: string, change: (tx: IDBTransaction) => void): Promise<void> {
	const tx = writing(db, ...shelves);
	const done = durable(tx);
	let lost = false;
	const now = tx.objectStore("keys").get(ownerName);
	now.onsuccess = () => {
		lost = now.result !== owner;
		if (lost) tx.abort();
		else change(tx);
	};
	await done.catch((error: unknown) => {
		throw lost ? new Fault("other-tab", "another tab took the disk") : error;
	});
}

/** How far a copy is: the number of its last commit, -1 when it is empty. */
async function rank(db: IDBDatabase): Promise<number> {
	const keys = db.transaction("keys").objectStore("keys");
	const [key, sequence] = await Promise.all([asked<unknown>(keys.get(keyName)), asked<unknown>(keys.get(sequenceName))]);
	if (key === undefined) return -1;
	return typeof sequence === "number" ? sequence : 0;
}

async function overwrite(from: IDBDatabase, to: IDBDatabase, owner: string): Promise<void> {
	const read = from.transaction(shelves);
	const all = await Promise.all(
		shelves.map(async (shelf) => {
			const store = read.objectStore(shelf);
			const [names, values] = await Promise.all([asked(store.getAllKeys()), asked<unknown[]>(store.getAll())]);
			return { shelf, names, values };
		}),
	);
	await owned(to, owner, (tx) => {
		for (const { shelf, names, values } of all) {
			const store = tx.objectStore(shelf);
			store.clear();
			names.forEach((name, i) => store.put(values[i], name));
		}
	});
}
