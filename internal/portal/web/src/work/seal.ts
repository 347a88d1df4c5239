// Records on the disk are sealed with AES-256-GCM: 12 bytes of nonce, then
// ciphertext and tag. The record's own name is authenticated with it, so that
// none can stand in another one's place.

import { keyName } from "./copies";
import { asked, durable, writing } from "./database";
import { Fault } from "./fault";

const nonceSize = 12;

export class Seal {
	constructor(private readonly key: CryptoKey) {}

	async seal(name: string, plain: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
		const nonce = crypto.getRandomValues(new Uint8Array(nonceSize));
		const sealed = await crypto.subtle.encrypt(parameters(name, nonce), this.key, plain);
		const all = new Uint8Array(nonceSize + sealed.byteLength);
		all.set(nonce);
		all.set(new Uint8Array(sealed), nonceSize);
		return all;
	}

	/** Rejects when it was not sealed here under this name. */
	async open(name: string, all: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
		const plain = await crypto.subtle.decrypt(parameters(name, all.subarray(0, nonceSize)), this.key, all.subarray(nonceSize));
		return new Uint8Array(plain);
	}
}

function parameters(name: string, iv: Uint8Array<ArrayBuffer>): AesGcmParams {
	return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode("primum disk 1\n" + name) };
}

/** A name for a record that tells nothing: 128 random bits. */
export function randomName(): string {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** The key of this origin, which scripts can use but not read; made on the
 * first visit and kept in every copy. fresh: it was made now. */
export async function originKey(copies: readonly IDBDatabase[]): Promise<{ seal: Seal; fresh: boolean }> {
	const [first] = copies;
	const old: unknown = first && (await asked(first.transaction("keys").objectStore("keys").get(keyName)));
	if (old instanceof CryptoKey) return { seal: new Seal(old), fresh: false };
	const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
	for (const db of copies) await keep(db, key);
	return { seal: new Seal(key), fresh: true };
}

async function keep(db: IDBDatabase, key: CryptoKey): Promise<void> {
	const tx = writing(db, "keys");
	try {
		tx.objectStore("keys").put(key, keyName);
	} catch (error) {
		// Some browsers keep no keys in private windows (DataCloneError).
		throw new Fault("storage-private", String(error));
	}
	await durable(tx);
}
