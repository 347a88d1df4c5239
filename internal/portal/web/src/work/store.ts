// The sealed disk: a Tree kept in IndexedDB. Each chunk and each directory is a
// record that is written once under a new random name; a commit writes what
// changed, takes away what it replaces, and sets the root, in one transaction.

import { alike, openAll, ownerName, sequenceName, take } from "./copies";
import { asked, durable, quota, writing } from "./database";
import { Errno } from "./errno";
import { Fault } from "./fault";
import type { Keeper } from "./fs";
import { originKey, randomName, type Seal } from "./seal";
import { type Chunk, chunkSize, type DirNode, type FileNode, type Node, Tree } from "./tree";

const rootName = "root";
// What was not synced by a program is kept so much later, as systems do.
const lazyMillis = 500;

interface Entry {
	readonly m: number; // mode
	readonly t: number; // time of change, milliseconds
	readonly s?: number; // a file's size
	readonly c?: readonly string[]; // a file's chunks
	readonly d?: string; // a directory's record
}

/** A record that is about to be written, and how to take that back. */
interface Put {
	readonly name: string;
	readonly plain: Uint8Array<ArrayBuffer>;
	readonly of: Chunk | DirNode;
}

export interface Opened {
	readonly tree: Tree;
	readonly store: Store;
	/** Nothing was here. */
	readonly fresh: boolean;
}

export class Store implements Keeper {
	#committing: Promise<void> | undefined;
	#next: Promise<void> | undefined;
	#lazy: ReturnType<typeof setTimeout> | undefined;
	#gone = false;
	#sequence = 0; // of the last commit that was tried

	private constructor(
		/** For the book of calls. */
		readonly calls: IDBDatabase,
		private readonly copies: readonly IDBDatabase[],
		private readonly owner: string,
		readonly seal: Seal,
		private readonly tree: Tree,
		private readonly lost: (fault: Fault) => void,
	) {}

	/** Opens the disk and makes it this worker's: whoever had it before can't
	 * write any more. Rejects with a Fault. lost is called when somebody else
	 * takes it, or the browser takes it away. */
	static async open(lost: (fault: Fault) => void): Promise<Opened> {
		const opened = await openAll((why) => lost(new Fault("storage-evicted", why)));
		const owner = randomName();
		await take(opened.copies, owner);
		const copies = await alike(opened.copies, owner);
		const { seal, fresh } = await originKey(copies);
		const tree = new Tree();
		const store = new Store(opened.calls, copies, owner, seal, tree, lost);
		const records = await store.#read();
		if (fresh && records.size > 0) throw new Fault("storage-tampered", "there are records, but not the key that sealed them");
		await new Loader(tree, seal, records).load();
		return { tree, store, fresh: records.size === 0 };
	}

	changed(): void {
		this.#lazy ??= setTimeout(() => {
			this.#lazy = undefined;
			this.commit().catch(() => undefined); // tried again with the next change; who needs to know syncs
		}, lazyMillis);
	}

	/** One commit runs at a time; those who come meanwhile share the next one. */
	commit(): Promise<void> {
		if (!this.#committing) return this.#begin();
		this.#next ??= this.#committing.then(
			() => this.#begin(),
			() => this.#begin(),
		);
		return this.#next;
	}

	#begin(): Promise<void> {
		this.#next = undefined;
		const running = this.#commit().finally(() => {
			if (this.#committing === running) this.#committing = undefined;
		});
		this.#committing = running;
		return running;
	}

	async #commit(): Promise<void> {
		if (this.#gone) throw new Errno("EIO", "another tab has the disk");
		const root = this.tree.root;
		if (!root.dirty && this.tree.dropped.length === 0) return;
		const puts: Put[] = [];
		const dropped = this.tree.dropped;
		this.tree.dropped = [];
		const before = new Map<Chunk | DirNode, string | null>();
		this.#gather(root, puts, before);
		const replaced = [...before.values()].filter((id) => id !== null && id !== rootName);
		try {
			const sealed = await Promise.all(puts.map((p) => this.seal.seal(p.name, p.plain)));
			this.#sequence++;
			for (const db of this.copies) await this.#write(db, puts, sealed, [...dropped, ...replaced]);
		} catch (error) {
			this.#undo(puts, before, dropped);
			throw quota(error) ? new Errno("ENOSPC", String(error)) : error instanceof Errno ? error : new Errno("EIO", String(error));
		}
	}

	async #write(db: IDBDatabase, puts: readonly Put[], sealed: readonly Uint8Array<ArrayBuffer>[], away: readonly (string | null)[]): Promise<void> {
		const tx = writing(db, "records", "keys");
		const done = durable(tx);
		const owner = tx.objectStore("keys").get(ownerName);
		owner.onsuccess = () => {
			if (owner.result !== this.owner) {
				this.#gone = true;
				tx.abort();
				return;
			}
			tx.objectStore("keys").put(this.#sequence, sequenceName);
			const records = tx.objectStore("records");
			puts.forEach((p, i) => records.put(sealed[i], p.name));
			for (const name of away) if (name !== null) records.delete(name);
		};
		await done.catch((error: unknown) => {
			if (this.#gone) this.lost(new Fault("other-tab", "another tab took the disk"));
			throw error;
		});
	}

	// Takes a picture of all that is dirty; afterwards it counts as clean.
	#gather(dir: DirNode, puts: Put[], before: Map<Chunk | DirNode, string | null>): void {
		if (!dir.dirty) return;
		const entries: [string, Entry][] = [];
		for (const [name, node] of dir.entries) {
			if (node.kind === "dir") this.#gather(node, puts, before);
			else node.chunks.forEach((c, i) => this.#chunk(node, c, i, puts, before));
			entries.push([name, entry(node)]);
		}
		before.set(dir, dir.id);
		dir.id = dir.parent === null ? rootName : randomName();
		dir.dirty = false;
		const text = JSON.stringify({ mode: dir.mode, time: dir.mtime, entries });
		puts.push({ name: dir.id, plain: new TextEncoder().encode(text), of: dir });
	}

	#chunk(f: FileNode, c: Chunk, index: number, puts: Put[], before: Map<Chunk | DirNode, string | null>): void {
		if (!c.dirty) return;
		before.set(c, c.id);
		c.id = randomName();
		c.dirty = false;
		puts.push({ name: c.id, plain: c.bytes.slice(0, Math.max(0, Math.min(chunkSize, f.size - index * chunkSize))), of: c });
	}

	// The transaction did not happen: what was to be written is dirty again.
	// Something that was dropped meanwhile needs its old record dropped.
	#undo(puts: readonly Put[], before: ReadonlyMap<Chunk | DirNode, string | null>, dropped: readonly string[]): void {
		this.tree.dropped.push(...dropped);
		for (const p of puts) {
			const old = before.get(p.of) ?? null;
			if (p.of.id === p.name) {
				p.of.id = old;
				p.of.dirty = true;
			} else if (old !== null && old !== rootName) this.tree.dropped.push(old);
		}
		this.tree.root.dirty = true;
		for (const p of puts) if ("kind" in p.of) this.tree.touch(p.of);
	}

	// Reads the first copy, in one transaction.
	async #read(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
		const [first] = this.copies;
		if (!first) return new Map();
		const tx = first.transaction(["records", "keys"]);
		const keys = tx.objectStore("keys");
		const records = tx.objectStore("records");
		const [owner, sequence, names, values] = await Promise.all([
			asked<unknown>(keys.get(ownerName)), asked<unknown>(keys.get(sequenceName)),
			asked(records.getAllKeys()), asked(records.getAll() as IDBRequest<Uint8Array<ArrayBuffer>[]>),
		]);
		if (owner !== this.owner) throw new Fault("other-tab", "another tab took the disk");
		this.#sequence = typeof sequence === "number" ? sequence : 0;
		return new Map(names.map((n, i) => [String(n), values[i] ?? new Uint8Array(0)]));
	}
}

function entry(node: Node): Entry {
	if (node.kind === "dir") return { m: node.mode, t: node.mtime, d: node.id ?? "" };
	return { m: node.mode, t: node.mtime, s: node.size, c: node.chunks.map((c) => c.id ?? "") };
}

// Loader makes the tree of the records. Each must open and be where the root
// says it is; what nothing refers to is dropped.
class Loader {
	readonly #used = new Set<string>();

	constructor(
		private readonly tree: Tree,
		private readonly seal: Seal,
		private readonly records: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
	) {}

	async load(): Promise<void> {
		if (this.records.size === 0) return;
		await this.#dir(this.tree.root, rootName, "/");
		for (const name of this.records.keys()) if (!this.#used.has(name)) this.tree.dropped.push(name);
	}

	async #open(name: string, path: string): Promise<Uint8Array<ArrayBuffer>> {
		const sealed = this.records.get(name);
		if (!sealed || this.#used.has(name)) throw new Fault("storage-tampered", `${path}: its record ${name} is missing`);
		this.#used.add(name);
		try {
			return await this.seal.open(name, sealed);
		} catch {
			throw new Fault("storage-tampered", `${path}: its record ${name} does not open`);
		}
	}

	async #dir(dir: DirNode, name: string, path: string): Promise<void> {
		const text = new TextDecoder().decode(await this.#open(name, path));
		const all = JSON.parse(text) as { mode: number; time: number; entries: [string, Entry][] };
		const work: Promise<void>[] = [];
		for (const [child, e] of all.entries) {
			const node = e.d === undefined ? this.tree.file(e.m) : this.tree.dir(e.m);
			dir.entries.set(child, node);
			node.parent = dir;
			work.push(node.kind === "dir" ? this.#dir(node, e.d ?? "", path + child + "/") : this.#file(node, e, path + child));
		}
		await Promise.all(work);
		dir.mode = all.mode;
		dir.mtime = all.time;
		dir.id = name;
		dir.dirty = false;
	}

	async #file(f: FileNode, e: Entry, path: string): Promise<void> {
		const parts = await Promise.all((e.c ?? []).map((name) => this.#open(name, path)));
		f.chunks = parts.map((bytes, i) => ({ bytes, id: e.c?.[i] ?? null, dirty: false }));
		f.size = e.s ?? 0;
		f.mtime = e.t;
	}
}
