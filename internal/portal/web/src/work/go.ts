// Runs a Go program on a file system (wasm_exec.js comes with Go).

import { Errno } from "./errno";
import { Fault } from "./fault";
import type { fileSystem } from "./fs";
import type { Tree } from "./tree";

interface GoProgram {
	importObject: WebAssembly.Imports;
	exit: (code: number) => void;
	env: Record<string, string>;
	argv: string[];
	run(instance: WebAssembly.Instance): Promise<void>;
}

declare global {
	// Set by wasm_exec.js, and for it and Go's syscall package.
	var Go: new () => GoProgram;
	var fs: ReturnType<typeof fileSystem>;
	var process: Readonly<Record<string, unknown>>;
	var path: { resolve(path: string): string };
}

/** Sets what Go takes for its operating system. It must come before wasm_exec.js runs. */
export function install(tree: Tree, fs: ReturnType<typeof fileSystem>): void {
	globalThis.fs = fs;
	const none = (): number => -1;
	globalThis.process = {
		pid: 1, ppid: 0, getuid: none, getgid: none, geteuid: none, getegid: none, getgroups: () => [], umask: () => 0o77,
		cwd: () => tree.cwd,
		chdir: (to: string) => {
			if (tree.find(to).kind !== "dir") throw new Errno("ENOTDIR", to);
			tree.cwd = tree.resolve(to);
		},
	};
	globalThis.path = { resolve: (path) => tree.resolve(path) };
}

/** Fetches and compiles at once, as the bytes come in. */
export async function compile(url: string): Promise<WebAssembly.Module> {
	try {
		return await WebAssembly.compileStreaming(fetch(url, { credentials: "same-origin" }));
	} catch (error) {
		throw new Fault("engine-missing", String(error));
	}
}

/** Runs a program to its end and tells its exit code. */
export async function run(module: WebAssembly.Module, argv: readonly string[] = ["engine"], env: Readonly<Record<string, string>> = {}): Promise<number> {
	const go = new Go();
	let code = 0;
	go.argv = [...argv];
	go.env = { ...env, HOME: "/", TMPDIR: "/tmp" };
	go.exit = (c) => {
		code = c;
	};
	await go.run(await WebAssembly.instantiate(module, go.importObject));
	return code;
}
