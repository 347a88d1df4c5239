// IndexedDB with promises, and its refusals as faults with a sentence.

import { Fault } from "./fault";

const name = "primum";
const version = 1;

/** Sealed records by random name; the key; calls that change something. */
export type Shelf = "records" | "keys" | "calls";

export async function openDatabase(factory: IDBFactory, lost: (why: string) => void): Promise<IDBDatabase> {
	let request: IDBOpenDBRequest;
	try {
		request = factory.open(name, version);
	} catch (error) {
		throw new Fault("storage-denied", String(error)); // SecurityError: switched off
	}
	request.onupgradeneeded = () => {
		for (const shelf of ["records", "keys", "calls"] satisfies Shelf[]) request.result.createObjectStore(shelf);
	};
	const db = await asked(request).catch((error: unknown) => {
		throw quota(error) ? new Fault("storage-full", String(error)) : new Fault("storage-denied", String(error));
	});
	db.onclose = () => lost("the browser closed the database"); // evicted or cleared
	db.onversionchange = () => db.close();
	return db;
}

export function asked<T>(request: IDBRequest<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error ?? new Error("IndexedDB failed without a word"));
	});
}

/** Resolves when the transaction's changes are on the disk. */
export function durable(tx: IDBTransaction): Promise<void> {
	return new Promise((resolve, reject) => {
		tx.oncomplete = () => resolve();
		tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"));
	});
}

/** Begins a transaction that is complete only when it survives a loss of power. */
export function writing(db: IDBDatabase, ...shelves: Shelf[]): IDBTransaction {
	return db.transaction(shelves, "readwrite", { durability: "strict" });
}

export function quota(error: unknown): boolean {
	return error instanceof DOMException && error.name === "QuotaExceededError";
}
