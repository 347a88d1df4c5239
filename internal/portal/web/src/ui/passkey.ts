// Passkeys, used for one thing only: their PRF output unwraps the identity key
// (docs/spec/keep.md). No server asks for them, and their signatures go nowhere.

/** What a passkey gave. account is missing when its handle is no account. */
export interface Unlocked {
	readonly prf: string;
	readonly account?: string;
}

/** Why there is no passkey: no way to make one here ("none"), the person said no
 * or it took too long ("cancelled"), it can't keep a secret ("no-prf"), anything
 * else ("failed"). */
export type Refusal = "none" | "cancelled" | "no-prf" | "failed";

export class PasskeyError extends Error {
	constructor(readonly why: Refusal) {
		super(why);
		this.name = "PasskeyError";
	}
}

interface PRFValues {
	readonly enabled?: boolean;
	readonly results?: { readonly first?: BufferSource };
}

/** Whether passkeys can be used on this page at all. They belong to a name: a page
 * at a bare number (127.0.0.1) has none. */
export function passkeys(): boolean {
	const numbers = /^[\d.]+$|^\[/.test(location.hostname);
	return window.isSecureContext && "PublicKeyCredential" in window && "credentials" in navigator && !numbers;
}

/** Makes a passkey for an account and asks it for its secret. Call it from a press
 * of a button: browsers want that. */
export async function createPasskey(account: string, name: string): Promise<Unlocked> {
	const handle = await handleOf(account);
	const made = await ask(async () => navigator.credentials.create({ publicKey: {
		rp: { name: "Primum", id: location.hostname },
		user: { id: handle, name: account, displayName: name || account },
		challenge: random(),
		pubKeyCredParams: [-8, -7, -257].map((alg) => ({ type: "public-key" as const, alg })),
		authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
		attestation: "none",
		extensions: await extensions(),
	} }));
	const prf = outputs(made);
	if (prf.results?.first) return { prf: base64url(prf.results.first), account };
	if (!prf.enabled) throw new PasskeyError("no-prf");
	return usePasskey(made.rawId); // some give it only when they are used
}

/** Uses a passkey of this page; without an id the person chooses one. */
export async function usePasskey(id?: ArrayBuffer): Promise<Unlocked> {
	const used = await ask(async () => navigator.credentials.get({ publicKey: {
		challenge: random(),
		rpId: location.hostname,
		userVerification: "required",
		allowCredentials: id ? [{ type: "public-key", id }] : [],
		extensions: await extensions(),
	} }));
	const first = outputs(used).results?.first;
	if (!first) throw new PasskeyError("no-prf");
	const account = accountOf((used.response as AuthenticatorAssertionResponse).userHandle);
	return account === undefined ? { prf: base64url(first) } : { prf: base64url(first), account };
}

async function ask(work: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
	if (!passkeys()) throw new PasskeyError("none");
	try {
		const got = await work();
		if (got instanceof PublicKeyCredential) return got;
	} catch (error) {
		const name = error instanceof DOMException ? error.name : "";
		throw new PasskeyError(name === "NotAllowedError" || name === "AbortError" ? "cancelled" : "failed");
	}
	throw new PasskeyError("failed");
}

function outputs(credential: PublicKeyCredential): PRFValues {
	return (credential.getClientExtensionResults() as { prf?: PRFValues }).prf ?? {};
}

/** The same input for everybody, so that a passkey can be used without knowing whose it is. */
async function extensions(): Promise<AuthenticationExtensionsClientInputs> {
	const first = await crypto.subtle.digest("SHA-256", utf8("primum keep 1"));
	return { prf: { eval: { first } } } as AuthenticationExtensionsClientInputs;
}

const longestHandle = 64; // bytes, WebAuthn §5.4.3

async function handleOf(account: string): Promise<Uint8Array<ArrayBuffer>> {
	const bytes = utf8(account);
	return bytes.length <= longestHandle ? bytes : new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function accountOf(handle: ArrayBuffer | null): string | undefined {
	if (!handle) return undefined;
	try {
		const text = new TextDecoder("utf-8", { fatal: true }).decode(handle);
		return text.includes("@") ? text : undefined;
	} catch {
		return undefined; // the account was too long to be a handle
	}
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
	return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}

function random(): Uint8Array<ArrayBuffer> {
	return crypto.getRandomValues(new Uint8Array(32));
}

function base64url(source: BufferSource): string {
	const bytes = ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
	return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
