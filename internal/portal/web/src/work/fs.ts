// globalThis.fs as Go's syscall/fs_js.go calls it: Node's names, flags and
// callbacks. Everything happens in memory at once but fsync, which answers when
// the disk has all that was changed before.

import { Errno, type Code } from "./errno";
import { type DirNode, type FileNode, type Node, Tree } from "./tree";

type Done<T = void> = (error: Error | null, value?: T) => void;

export const constants = {
	O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 0o100, O_EXCL: 0o200, O_TRUNC: 0o1000, O_APPEND: 0o2000, O_DIRECTORY: 0o200000,
} as const;

const dirType = 0o040000;
const fileType = 0o100000;

interface Open {
	readonly node: Node;
	readonly path: string;
	readonly flags: number;
	position: number;
}

/** What keeps a tree over the end of the worker. */
export interface Keeper {
	/** Resolves when everything that was changed before is durable; rejects with an Errno. */
	commit(): Promise<void>;
	/** Something changed; it may be kept later. */
	changed(): void;
}

/** Makes the file system of a tree. say gets what Go prints, line by line. */
export function fileSystem(tree: Tree, keeper: Keeper, say: (line: string) => void) {
	const open = new Map<number, Open>();
	let nextFd = 3;
	let printed = "";
	const decoder = new TextDecoder();

	const at = (fd: number): Open => {
		const o = open.get(fd);
		if (!o) throw new Errno("EBADF", String(fd));
		return o;
	};
	const file = (fd: number): FileNode => asFile(at(fd).node, at(fd).path);
	const print = (bytes: Uint8Array): number => {
		const lines = (printed + decoder.decode(bytes, { stream: true })).split("\n");
		printed = lines.pop() ?? "";
		for (const line of lines) say(line);
		return bytes.length;
	};
	// Calls back at once with what work gives or throws.
	const now = <T>(done: Done<T>, work: () => T): void => {
		let value: T;
		try {
			value = work();
		} catch (error) {
			done(error instanceof Errno ? error : new Errno("EIO", String(error)));
			return;
		}
		done(null, value);
	};
	const change = <T>(done: Done<T>, work: () => T): void =>
		now(done, () => {
			const value = work();
			keeper.changed();
			return value;
		});
	const refuse = (code: Code) => (...args: unknown[]): void => (args.at(-1) as Done)(new Errno(code));
	const openFile = (path: string, flags: number, mode: number): FileNode | DirNode => {
		const { dir, name } = tree.place(path);
		let node: Node | undefined = name === "" ? dir : dir.entries.get(name);
		if (node && flags & constants.O_CREAT && flags & constants.O_EXCL) throw new Errno("EEXIST", path);
		if (!node) {
			if (!(flags & constants.O_CREAT)) throw new Errno("ENOENT", path);
			node = tree.file(mode & 0o777);
			tree.link(dir, name, node);
		}
		const writes = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
		if (node.kind === "dir" && writes) throw new Errno("EISDIR", path);
		if (node.kind === "file" && (flags & constants.O_DIRECTORY || path.endsWith("/"))) throw new Errno("ENOTDIR", path);
		if (node.kind === "file" && flags & constants.O_TRUNC && writes) tree.truncate(node, 0);
		return node;
	};

	return {
		constants,
		writeSync: (_fd: number, bytes: Uint8Array): number => print(bytes),
		open(path: string, flags: number, mode: number, done: Done<number>): void {
			change(done, () => {
				const fd = nextFd++;
				open.set(fd, { node: openFile(path, flags, mode), path, flags, position: 0 });
				return fd;
			});
		},
		close(fd: number, done: Done): void {
			now(done, () => void (at(fd), open.delete(fd)));
		},
		read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null, done: Done<number>): void {
			now(done, () => {
				if (fd === 0) return 0;
				const o = at(fd);
				if (o.flags & constants.O_WRONLY) throw new Errno("EBADF", o.path);
				const n = tree.read(file(fd), buffer.subarray(offset, offset + length), position ?? o.position);
				if (position === null) o.position += n;
				return n;
			});
		},
		write(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null, done: Done<number>): void {
			const bytes = buffer.subarray(offset, offset + length);
			if (fd === 1 || fd === 2) return done(null, print(bytes));
			change(done, () => {
				const o = at(fd);
				if (!(o.flags & (constants.O_WRONLY | constants.O_RDWR))) throw new Errno("EBADF", o.path);
				const f = file(fd);
				const where = o.flags & constants.O_APPEND ? f.size : (position ?? o.position);
				tree.write(f, bytes, where);
				if (position === null) o.position = where + length;
				return length;
			});
		},
		fsync(fd: number, done: Done): void {
			if (!open.has(fd)) return done(new Errno("EBADF", String(fd)));
			keeper.commit().then(
				() => done(null),
				(error: unknown) => done(error instanceof Errno ? error : new Errno("EIO", String(error))),
			);
		},
		fstat(fd: number, done: Done<Stat>): void {
			now(done, () => stat(fd < 3 ? tree.root : at(fd).node));
		},
		stat: (path: string, done: Done<Stat>): void => now(done, () => stat(tree.find(path))),
		lstat: (path: string, done: Done<Stat>): void => now(done, () => stat(tree.find(path))),
		readdir(path: string, done: Done<string[]>): void {
			now(done, () => [...asDir(tree.find(path), path).entries.keys()].sort());
		},
		mkdir(path: string, mode: number, done: Done): void {
			change(done, () => {
				const { dir, name } = tree.place(path);
				if (name === "" || dir.entries.has(name)) throw new Errno("EEXIST", path);
				tree.link(dir, name, tree.dir(mode & 0o777));
			});
		},
		rename: (from: string, to: string, done: Done): void => change(done, () => rename(tree, from, to)),
		unlink(path: string, done: Done): void {
			change(done, () => {
				const { dir, name } = tree.place(path);
				if (tree.find(path).kind === "dir") throw new Errno("EISDIR", path);
				tree.unlink(dir, name);
			});
		},
		rmdir(path: string, done: Done): void {
			change(done, () => {
				const { dir, name } = tree.place(path);
				if (asDir(tree.find(path), path).entries.size > 0) throw new Errno("ENOTEMPTY", path);
				if (name === "") throw new Errno("EPERM", path);
				tree.unlink(dir, name);
			});
		},
		truncate: (path: string, size: number, done: Done): void =>
			change(done, () => tree.truncate(asFile(tree.find(path), path), length(size))),
		ftruncate(fd: number, size: number, done: Done): void {
			change(done, () => {
				if (!(at(fd).flags & (constants.O_WRONLY | constants.O_RDWR))) throw new Errno("EINVAL", at(fd).path);
				tree.truncate(file(fd), length(size));
			});
		},
		chmod: (path: string, mode: number, done: Done): void => change(done, () => chmod(tree, tree.find(path), mode)),
		fchmod: (fd: number, mode: number, done: Done): void => change(done, () => chmod(tree, at(fd).node, mode)),
		utimes(path: string, _atime: number, mtime: number, done: Done): void {
			change(done, () => {
				const node = tree.find(path);
				node.mtime = mtime * 1000;
				tree.touch(node.parent ?? tree.root);
			});
		},
		// One user, no links.
		chown: (path: string, _u: number, _g: number, done: Done): void => now(done, () => void tree.find(path)),
		lchown: (path: string, _u: number, _g: number, done: Done): void => now(done, () => void tree.find(path)),
		fchown: (fd: number, _u: number, _g: number, done: Done): void => now(done, () => void at(fd)),
		link: refuse("ENOSYS"),
		symlink: refuse("ENOSYS"),
		readlink: (path: string, done: Done): void =>
			now(done, () => {
				tree.find(path);
				throw new Errno("EINVAL", path);
			}),
	};
}

type Stat = ReturnType<typeof stat>;

function stat(node: Node) {
	const dir = node.kind === "dir";
	const size = dir ? 0 : node.size;
	return {
		dev: 1, ino: node.ino, nlink: 1, uid: 0, gid: 0, rdev: 0, size, blksize: 4096, blocks: Math.ceil(size / 512),
		mode: node.mode | (dir ? dirType : fileType),
		atimeMs: node.mtime, mtimeMs: node.mtime, ctimeMs: node.mtime,
		isDirectory: () => dir,
	};
}

function asFile(node: Node, path: string): FileNode {
	if (node.kind !== "file") throw new Errno("EISDIR", path);
	return node;
}

function asDir(node: Node, path: string): DirNode {
	if (node.kind !== "dir") throw new Errno("ENOTDIR", path);
	return node;
}

function length(size: number): number {
	if (size < 0) throw new Errno("EINVAL");
	return size;
}

function chmod(tree: Tree, node: Node, mode: number): void {
	node.mode = mode & 0o777;
	tree.touch(node.parent ?? tree.root);
}

// As rename(2): a file replaces a file, a directory an empty directory.
function rename(tree: Tree, from: string, to: string): void {
	const node = tree.find(from);
	const source = tree.place(from);
	const target = tree.place(to);
	if (source.name === "" || target.name === "") throw new Errno("EPERM", from);
	for (let d: DirNode | null = target.dir; d; d = d.parent) if (d === node) throw new Errno("EINVAL", to);
	const there = target.dir.entries.get(target.name);
	if (there === node) return;
	if (there?.kind === "dir") {
		if (node.kind !== "dir") throw new Errno("EISDIR", to);
		if (there.entries.size > 0) throw new Errno("ENOTEMPTY", to);
	} else if (there && node.kind === "dir") throw new Errno("ENOTDIR", to);
	if (there) tree.unlink(target.dir, target.name);
	tree.detach(source.dir, source.name, node);
	tree.link(target.dir, target.name, node);
}
