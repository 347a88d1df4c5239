// The disk is kept twice where the browser lets us. LevelDB, on which Chromium
// keeps IndexedDB, goes on writing behind a record that a kill tore off, and
// takes the whole database for damaged at the start after the next one: then
// Chromium deletes all of it. Two storage buckets are two databases; we write
// them one after the other, so a kill can tear one at most, and the other one
// heals it. What is acknowledged is in both.

import { asked, durable, openDatabase, quota, type Shelf, writing } from "./database";

export const keyName = "key";
export const sequenceName = "sequence";
const shelves: readonly Shelf[] = ["records", "keys"];

interface Buckets {
	open(name: string): Promise<{ readonly indexedDB: IDBFactory }>;
}

export interface Databases {
	/** The same content in each, written in this order. */
	readonly copies: readonly IDBDatabase[];
	/** For the book of calls, which may be lost with a browser that is killed:
	 * whoever would call again is gone, too. */
	readonly calls: IDBDatabase;
}

/** Opens all databases and makes the copies alike. */
export async function openAll(lost: (why: string) => void): Promise<Databases> {
	const buckets = (navigator as { storageBuckets?: Buckets }).storageBuckets;
	const inBucket = async (name: string): Promise<IDBDatabase | undefined> => {
		const bucket = await buckets?.open(name).catch(() => undefined);
		return bucket && openDatabase(bucket.indexedDB, lost);
	};
	const [first, second, calls] = await Promise.all([openDatabase(indexedDB, lost), inBucket("second"), inBucket("calls")]);
	const copies = second ? await alike(first, second) : [first];
	return { copies, calls: calls ?? first };
}

// The copy that is ahead is written over the other one. Where there is no room
// for that, there is one copy until there is; an old one is never kept, because
// keys that were used must not come back.
async function alike(first: IDBDatabase, second: IDBDatabase): Promise<readonly IDBDatabase[]> {
	const [one, two] = await Promise.all([rank(first), rank(second)]);
	if (one === two) return [first, second];
	const [from, to] = one > two ? [first, second] : [second, first];
	try {
		await overwrite(from, to);
		return [first, second];
	} catch (error) {
		if (!quota(error)) throw error;
		const tx = writing(to, ...shelves);
		for (const shelf of shelves) tx.objectStore(shelf).clear();
		await durable(tx);
		return [from];
	}
}

/** How far a copy is: the number of its last commit, -1 when it is empty. */
async function rank(db: IDBDatabase): Promise<number> {
	const keys = db.transaction("keys").objectStore("keys");
	const [key, sequence] = await Promise.all([asked<unknown>(keys.get(keyName)), asked<unknown>(keys.get(sequenceName))]);
	if (key === undefined) return -1;
	return typeof sequence === "number" ? sequence : 0;
}

async function overwrite(from: IDBDatabase, to: IDBDatabase): Promise<void> {
	const read = from.transaction(shelves);
	const all = await Promise.all(
		shelves.map(async (shelf) => {
			const store = read.objectStore(shelf);
			const [names, values] = await Promise.all([asked(store.getAllKeys()), asked<unknown[]>(store.getAll())]);
			return { shelf, names, values };
		}),
	);
	const tx = writing(to, ...shelves);
	for (const { shelf, names, values } of all) {
		const store = tx.objectStore(shelf);
		store.clear();
		names.forEach((name, i) => store.put(values[i], name));
	}
	await durable(tx);
}
