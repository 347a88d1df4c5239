// Refusals of the file system, with the codes that Go's syscall package knows.

export type Code =
	| "EBADF" | "EEXIST" | "EINVAL" | "EIO" | "EISDIR" | "ENOENT" | "ENOSPC" | "ENOSYS" | "ENOTDIR" | "ENOTEMPTY" | "EPERM";

export class Errno extends Error {
	constructor(
		readonly code: Code,
		detail = "",
	) {
		super(detail ? `${code}: ${detail}` : code);
		this.name = "Errno";
	}
}
