// The operators' page: the two buttons that use a passkey. All sentences stand
// in the page; this shows the one that fits.

/** What the server answers to a ceremony's end. */
interface Answer {
	readonly go?: string;
}

async function post<T>(path: string, body: unknown): Promise<T> {
	const r = await fetch(path, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify(body),
	});
	if (!r.ok) throw new Error(`${path} answers ${r.status}`);
	return (await r.json()) as T;
}

function passkey(c: Credential | null): PublicKeyCredential {
	if (!(c instanceof PublicKeyCredential)) throw new Error("no passkey");
	return c;
}

async function login(): Promise<Answer> {
	const options = await post<PublicKeyCredentialRequestOptionsJSON>("/operator/login/begin", {});
	const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
	return post<Answer>("/operator/login", passkey(await navigator.credentials.get({ publicKey })).toJSON());
}

/** register uses the one-time part of the address, which no server log sees. */
async function register(): Promise<Answer> {
	const ticket = location.hash.slice(1);
	const options = await post<PublicKeyCredentialCreationOptionsJSON>("/operator/new/begin", { ticket });
	const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
	return post<Answer>("/operator/new", passkey(await navigator.credentials.create({ publicKey })).toJSON());
}

function says(which: string, shown: boolean): void {
	const p = document.querySelector<HTMLElement>(`[data-says="${which}"]`);
	if (p) p.hidden = !shown;
}

async function run(button: HTMLButtonElement): Promise<void> {
	button.disabled = true;
	says("refused", false);
	try {
		const answer = await (button.dataset["passkey"] === "new" ? register() : login());
		location.replace(answer.go ?? "/operator");
	} catch {
		says("refused", true);
		button.disabled = false;
		button.focus();
	}
}

function main(): void {
	const button = document.querySelector<HTMLButtonElement>("[data-passkey]");
	if (!button) return;
	if (typeof PublicKeyCredential === "undefined" || !("parseRequestOptionsFromJSON" in PublicKeyCredential)) {
		says("old", true);
		return;
	}
	button.disabled = false;
	button.addEventListener("click", () => void run(button));
}

main();

export {};

export {}; // a module: its names are its own
