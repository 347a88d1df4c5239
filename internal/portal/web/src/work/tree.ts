// The tree of files in memory, and what of it is not on the disk yet. Content
// lies in chunks; a chunk and a directory are one record each on the disk.

import { Errno } from "./errno";

/** Plain bytes of a record of a file, at most. */
export const chunkSize = 16384;

/** What is written as one record. id is the record's name on the disk; a new
 * content gets a new name. */
interface Stored {
	id: string | null;
	dirty: boolean;
}

export interface Chunk extends Stored {
	bytes: Uint8Array<ArrayBuffer>; // chunkSize long, or shorter until it grows
}

export interface FileNode {
	readonly kind: "file";
	readonly ino: number;
	mode: number;
	mtime: number; // milliseconds
	size: number;
	chunks: Chunk[];
	parent: DirNode | null; // null: unlinked
}

export interface DirNode extends Stored {
	readonly kind: "dir";
	readonly ino: number;
	mode: number;
	mtime: number;
	readonly entries: Map<string, Node>;
	parent: DirNode | null;
}

export type Node = FileNode | DirNode;

/** The tree and the names of records that nothing refers to any more. */
export class Tree {
	readonly root: DirNode;
	dropped: string[] = [];
	/** Where relative paths begin. */
	cwd = "/";
	#ino = 1;

	constructor() {
		this.root = this.dir(0o700);
	}

	dir(mode: number): DirNode {
		return { kind: "dir", ino: this.#ino++, mode, mtime: Date.now(), entries: new Map(), parent: null, id: null, dirty: true };
	}

	file(mode: number): FileNode {
		return { kind: "file", ino: this.#ino++, mode, mtime: Date.now(), size: 0, chunks: [], parent: null };
	}

	/** Marks what describes a node, up to the root. */
	touch(node: Node): void {
		for (let d = node.kind === "dir" ? node : node.parent; d; d = d.parent) {
			if (d.dirty && d !== node) return;
			d.dirty = true;
		}
	}

	/** An absolute path without "." and "..". */
	resolve(path: string): string {
		return "/" + segments(path.startsWith("/") ? path : this.cwd + "/" + path).join("/");
	}

	/** Finds a node. */
	find(path: string): Node {
		let node: Node = this.root;
		for (const name of segments(this.resolve(path))) {
			if (node.kind !== "dir") throw new Errno("ENOTDIR", path);
			const next = node.entries.get(name);
			if (!next) throw new Errno("ENOENT", path);
			node = next;
		}
		if (node.kind !== "dir" && /\/\.?$/.test(path)) throw new Errno("ENOTDIR", path);
		return node;
	}

	/** The directory that holds path, and path's last name ("" for the root). */
	place(path: string): { dir: DirNode; name: string } {
		const names = segments(this.resolve(path));
		const name = names.pop() ?? "";
		const dir = this.find("/" + names.join("/"));
		if (dir.kind !== "dir") throw new Errno("ENOTDIR", path);
		return { dir, name };
	}

	link(dir: DirNode, name: string, node: Node): void {
		dir.entries.set(name, node);
		node.parent = dir;
		dir.mtime = Date.now();
		this.touch(dir);
	}

	/** Takes a node out of its directory; its records are dropped. */
	unlink(dir: DirNode, name: string): void {
		const node = dir.entries.get(name);
		if (!node) return;
		this.detach(dir, name, node);
		this.drop(node);
	}

	/** Takes a node out without dropping it: it goes elsewhere. */
	detach(dir: DirNode, name: string, node: Node): void {
		dir.entries.delete(name);
		node.parent = null;
		dir.mtime = Date.now();
		this.touch(dir);
	}

	drop(node: Node): void {
		if (node.kind === "dir") {
			this.forget(node);
			for (const n of node.entries.values()) this.drop(n);
		} else for (const c of node.chunks) this.forget(c);
	}

	/** The record of something is no longer referred to. */
	forget(s: Stored): void {
		if (s.id !== null) this.dropped.push(s.id);
		s.id = null;
	}

	read(f: FileNode, into: Uint8Array, position: number): number {
		const end = Math.min(f.size, position + into.length);
		for (let at = position; at < end; ) {
			const start = at % chunkSize;
			const n = Math.min(chunkSize - start, end - at);
			const bytes = f.chunks[Math.floor(at / chunkSize)]?.bytes.subarray(start, start + n) ?? new Uint8Array(0);
			into.set(bytes, at - position);
			into.fill(0, at - position + bytes.length, at - position + n); // a hole
			at += n;
		}
		return Math.max(0, end - position);
	}

	write(f: FileNode, from: Uint8Array, position: number): void {
		for (let done = 0; done < from.length; ) {
			const at = position + done;
			const start = at % chunkSize;
			const n = Math.min(chunkSize - start, from.length - done);
			const chunk = this.#chunk(f, Math.floor(at / chunkSize), start + n);
			chunk.bytes.set(from.subarray(done, done + n), start);
			done += n;
		}
		f.size = Math.max(f.size, position + from.length);
		this.#changed(f);
	}

	truncate(f: FileNode, size: number): void {
		const count = Math.ceil(size / chunkSize);
		for (const c of f.chunks.splice(count)) this.forget(c);
		const last = f.chunks[count - 1];
		const rest = size - (count - 1) * chunkSize;
		if (last && size < f.size && last.bytes.length > rest) {
			last.bytes = last.bytes.slice(0, rest); // what was cut off reads as zero later
			last.dirty = true;
		}
		f.size = size;
		this.#changed(f);
	}

	// The chunk, made or grown so that it has room for size bytes.
	#chunk(f: FileNode, index: number, size: number): Chunk {
		while (f.chunks.length <= index) f.chunks.push({ bytes: new Uint8Array(0), id: null, dirty: true });
		const chunk = f.chunks[index];
		if (!chunk) throw new Errno("EIO");
		chunk.dirty = true;
		if (chunk.bytes.length < size) {
			const grown = new Uint8Array(Math.min(chunkSize, Math.max(size, 2 * chunk.bytes.length)));
			grown.set(chunk.bytes);
			chunk.bytes = grown;
		}
		return chunk;
	}

	#changed(f: FileNode): void {
		f.mtime = Date.now();
		if (f.parent) this.touch(f.parent);
	}
}

/** The names of a path; "." and ".." are resolved. */
export function segments(path: string): string[] {
	const all: string[] = [];
	for (const s of path.split("/")) {
		if (s === "..") all.pop();
		else if (s !== "" && s !== ".") all.push(s);
	}
	return all;
}
