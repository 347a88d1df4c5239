// Written by tools/web from internal/engine/{api,methods}.go. Do not edit.

/** A time as RFC 3339 has it. */
export type Time = string;

/** Any JSON; whoever uses it looks what it is. */
export type Json = unknown;

/** Phase says how far an engine is. */
export type Phase = "none" | "open" | "gone";

/** Status is the answer of "status" and the event of that name. */
export interface Status {
	readonly phase: Phase;
	readonly account?: string;
	readonly name?: string;
	readonly client?: string;
	/** authority of the own node */
	readonly node?: string;
	/** the own node is connected */
	readonly online: boolean;
	/** other nodes that don't answer */
	readonly away?: readonly string[];
	readonly guest?: boolean;
	/** of the identity document */
	readonly expires?: Time;
	/** it is time to renew */
	readonly renew?: boolean;
	/** seconds this clock is ahead of the node's, when more than 60 */
	readonly clockOff?: number;
	readonly hasPhrase?: boolean;
	readonly hasPasskey?: boolean;
	/** nobody has confirmed that they saw the recovery phrase */
	readonly unshown?: boolean;
	readonly suspended?: boolean;
}

/** Secret is a phrase or a passkey's PRF output; exactly one is set. */
export interface Secret {
	readonly phrase?: string;
	/** base64url, 32 bytes */
	readonly prf?: string;
}

/** CreateParams of "account.create". */
export interface CreateParams {
	/** ada@h.example */
	readonly account: string;
	readonly name?: string;
	/** "phone"; letters, digits, - and _ */
	readonly client: string;
	readonly country?: string;
	readonly invite?: string;
	/** of a new passkey, when there is one */
	readonly prf?: string;
	readonly organisation?: boolean;
}

/** Created answers "account.create": the phrase is shown once and kept nowhere. */
export interface Created {
	/** twelve words */
	readonly phrase: string;
	readonly status: Status;
}

/** RestoreParams of "account.restore": this browser becomes a further client. */
export interface RestoreParams {
	readonly account: string;
	readonly client: string;
	readonly secret: Secret;
	/** take all other clients off */
	readonly drop?: boolean;
}

/** SecretParams of "account.renew", "account.addPasskey" (PRF is the new one,
 * Secret an old one) and "account.check". */
export interface SecretParams {
	readonly secret: Secret;
	readonly prf?: string;
}

/** ClientInfo is one client of the own account. */
export interface ClientInfo {
	readonly name: string;
	readonly browser?: boolean;
	/** this one */
	readonly own?: boolean;
	readonly added: Time;
	/** last sign of life in a home circle */
	readonly heard?: Time;
}

/** DropParams of "account.drop". */
export interface DropParams {
	readonly client: string;
	readonly secret: Secret;
}

/** PairOffer answers "pair.begin" on the new device: Code goes into a QR that
 * the old device scans. Words are compared by eye. */
export interface PairOffer {
	readonly code: string;
	readonly words: string;
	readonly expires: Time;
}

/** PairBeginParams of "pair.begin" (new device, phase none). */
export interface PairBeginParams {
	readonly account: string;
	readonly client: string;
}

/** PairLookParams of "pair.look" (old device): what a scanned code asks. */
export interface PairLookParams {
	readonly code: string;
}

/** PairAsked answers "pair.look". */
export interface PairAsked {
	readonly client: string;
	readonly words: string;
}

/** PairAcceptParams of "pair.accept" (old device). */
export interface PairAcceptParams {
	readonly code: string;
	readonly secret: Secret;
}

/** AccountParams name somebody. */
export interface AccountParams {
	readonly account: string;
}

/** Person answers "person": somebody else's identity, fetched now. */
export interface Person {
	readonly account: string;
	readonly name?: string;
	readonly organisation?: boolean;
	/** six words of both keys */
	readonly shortCode: string;
	readonly compared: boolean;
	/** some client of it is a browser */
	readonly browser?: boolean;
}

/** Export answers "account.export": a file the person keeps, JSON. */
export interface Export {
	/** of the file */
	readonly name: string;
	readonly content: string;
}

/** Deleted answers "account.delete": how each grant that was given ended. */
export interface Deleted {
	readonly stops?: readonly DeletedGrant[];
	/** of the account, at the node */
	readonly remains?: readonly RightsKind[];
}

/** DeletedGrant is one of them. */
export interface DeletedGrant {
	readonly grant: string;
	readonly other?: string;
	readonly stop: Stop;
}

/** Ref names one affordance: of an own thing by Home and Thing, of a grant by
 * Grant (and Thing as the grant calls it). */
export interface Ref {
	readonly home?: string;
	readonly grant?: string;
	readonly thing: string;
	readonly name: string;
}

/** Point is one value. Value is any JSON; Number is set where it is a number. */
export interface Point {
	readonly at: Time;
	/** none: nothing was measured */
	readonly value?: Json;
	readonly number?: number;
}

/** Affordance is what a page shows of one property or action. */
export interface Affordance {
	readonly ref: Ref;
	/** water/flow */
	readonly path: string;
	readonly title: string;
	/** property, action, event */
	readonly kind: string;
	/** number, boolean, string, object */
	readonly type?: string;
	/** as it is shown: "l/min" */
	readonly unit?: string;
	readonly enum?: readonly string[];
	readonly min?: number;
	readonly max?: number;
	readonly ops: readonly string[];
	readonly latest?: Point;
	/** older than three times what is usual */
	readonly stale?: boolean;
	/** numbers for a sparkline, at most 60, oldest first */
	readonly recent?: readonly Point[];
	/** accounts that have it now (own things) */
	readonly people: number;
	/** of the grant it comes by */
	readonly precision?: Precision;
	readonly alerts?: readonly Alert[];
}

/** ThingInfo is one thing with its affordances. */
export interface ThingInfo {
	readonly id: string;
	readonly title: string;
	readonly home?: string;
	readonly grant?: string;
	/** of a thing of somebody else */
	readonly owner?: string;
	readonly own: boolean;
	readonly sandbox?: boolean;
	/** live, stale, paused, ended, waiting */
	readonly state: string;
	readonly reason?: string;
	readonly until?: Time;
	readonly affordances: readonly Affordance[];
}

/** ThingsResult answers "things": own ones first. */
export interface ThingsResult {
	readonly things: readonly ThingInfo[];
	readonly homes: readonly HomeInfo[];
}

/** HomeInfo is one edge of the person. */
export interface HomeInfo {
	readonly home: string;
	readonly joined: boolean;
	readonly sandbox?: boolean;
	/** clients that pause the grants */
	readonly silent?: readonly string[];
	readonly closed?: boolean;
	readonly clients?: readonly string[];
}

/** HistoryParams of "history": past values from the thing's own end. */
export interface HistoryParams {
	readonly ref: Ref;
	readonly since: Time;
	/** points to answer with, thinned by windows; 0: 2,000 */
	readonly max?: number;
}

/** HistoryResult answers "history" and "preview". */
export interface HistoryResult {
	readonly points: readonly Point[];
	readonly unit?: string;
	/** there were more than Max; they were thinned */
	readonly more?: boolean;
}

/** PreviewParams of "preview": the own values of the day before now as a grant
 * of this precision would have shown them. */
export interface PreviewParams {
	readonly ref: Ref;
	readonly precision: Precision;
}

/** PreviewResult answers "preview". */
export interface PreviewResult {
	readonly own: readonly Point[];
	readonly seen: readonly Point[];
	readonly unit?: string;
	/** Day is the day shown: yesterday, or the time since the first value when
	 * there is less. */
	readonly from: Time;
	readonly to: Time;
	/** the precision in words */
	readonly words: string;
}

/** SendParams of "send": write a property or invoke an action. */
export interface SendParams {
	readonly ref: Ref;
	readonly input?: Json;
}

/** SendResult is the thing's own answer. */
export interface SendResult {
	readonly answer?: Json;
	readonly millis: number;
}

/** ClaimParams of "claim": an edge on the local network. */
export interface ClaimParams {
	readonly url: string;
	readonly code: string;
}

/** HomeResult answers "claim" and "sandbox.start". */
export interface HomeResult {
	readonly home: string;
}

/** GoOnParams of "goOnWithout". */
export interface GoOnParams {
	readonly home: string;
	readonly client: string;
}

/** Precision is how fine values are shared (grant.Precision, as a form has it). */
export interface Precision {
	/** "15m", "1h", "1d": a clock */
	readonly every?: string;
	/** mean, min, max, last, sum */
	readonly stat?: string;
	readonly round?: number;
	readonly place?: number;
	readonly delay?: string;
	/** on change instead of a clock */
	readonly change?: boolean;
}

/** RequestInfo is somebody's request that waits for a yes or no. */
export interface RequestInfo {
	readonly id: string;
	readonly from: string;
	readonly name?: string;
	readonly organisation?: boolean;
	readonly compared: boolean;
	readonly service?: string;
	/** in words */
	readonly purpose: string;
	readonly purposeClass: string;
	readonly until?: Time;
	readonly for?: string;
	/** in words */
	readonly retention?: string;
	readonly price?: string;
	readonly benefit?: string;
	/** the service does not work without the yes */
	readonly needed?: boolean;
	readonly notice: string;
	readonly language?: string;
	readonly received: Time;
	readonly expires: Time;
	readonly wants: readonly Want[];
}

/** Want is one thing asked for, with the own affordances that fit. */
export interface Want {
	readonly label: string;
	readonly ops: readonly string[];
	readonly precision: Precision;
	readonly fits: readonly Ref[];
}

/** ServiceParams of "service": whose catalogue, and which of it. */
export interface ServiceParams {
	/** domain */
	readonly node: string;
	readonly name: string;
	/** of the words that are wanted */
	readonly language?: string;
}

/** ServiceInfo answers "service". Each of its asks is a request that nobody has
 * sent: it has no id, and is answered by "give" with a ServiceRef, or not at all. */
export interface ServiceInfo {
	readonly node: string;
	readonly name: string;
	readonly title: string;
	readonly offer?: string;
	/** of title and offer */
	readonly language: string;
	readonly page?: string;
	readonly asks: readonly RequestInfo[];
}

/** ServiceRef names one ask of a service that was read before. */
export interface ServiceRef {
	readonly node: string;
	readonly name: string;
	/** from 0 */
	readonly ask: number;
}

/** GiveParams of "give". A person, a request's id, an ask of a service, or some
 * of these. */
export interface GiveParams {
	readonly account?: string;
	readonly request?: string;
	readonly service?: ServiceRef;
	readonly share: readonly Share[];
	/** words; empty: of the request, or household */
	readonly purpose?: string;
	readonly until: Time;
	readonly pseudonymous?: boolean;
	/** the exact text shown */
	readonly notice?: string;
	readonly language?: string;
	readonly replaces?: string;
}

/** Share is one affordance of a grant to be given. */
export interface Share {
	readonly ref: Ref;
	/** observeproperty, readproperty, writeproperty, invokeaction, subscribeevent */
	readonly ops: readonly string[];
	readonly precision: Precision;
}

/** Given answers "give". */
export interface Given {
	readonly grant: string;
	/** Opened: the thing's end has opened the circle already. */
	readonly opened: boolean;
}

/** AskParams of "ask". */
export interface AskParams {
	readonly account: string;
	/** "power", or a path the owner told */
	readonly wants: readonly string[];
	readonly ops?: readonly string[];
	readonly precision: Precision;
	readonly purpose: string;
	readonly until: Time;
	readonly notice?: string;
	readonly language?: string;
}

/** AskResult answers "ask". */
export interface AskResult {
	readonly request: string;
}

/** GrantInfo is one grant, given or received. */
export interface GrantInfo {
	readonly id: string;
	/** given by this account */
	readonly own: boolean;
	/** grantee or owner; empty: pseudonymous owner */
	readonly other: string;
	readonly otherName?: string;
	/** a link guest */
	readonly guest?: boolean;
	readonly compared: boolean;
	/** waiting, running, paused, ended, declined */
	readonly state: string;
	readonly reason?: string;
	readonly purpose: string;
	/** the terms in English sentences */
	readonly lines?: readonly string[];
	/** of the purpose, in W3C DPV */
	readonly class?: string;
	/** how long they may keep values: "30d" */
	readonly retention?: string;
	/** how soon they delete after a stop: "1d" */
	readonly deletes?: string;
	readonly price?: string;
	readonly benefit?: string;
	/** their service does not work without it */
	readonly needed?: boolean;
	/** they don't learn the owner's name from it */
	readonly unnamed?: boolean;
	readonly shared: readonly GrantItem[];
	readonly from: Time;
	readonly until: Time;
	readonly lastValue?: Time;
	readonly clients?: readonly string[];
	readonly browser?: boolean;
	readonly postQuantum?: boolean;
	readonly stop?: Stop;
}

/** GrantItem is one affordance of a grant. */
export interface GrantItem {
	readonly ref: Ref;
	readonly path: string;
	readonly ops: readonly string[];
	readonly precision: Precision;
	/** the precision in words */
	readonly words: string;
}

/** GrantParams name a grant. */
export interface GrantParams {
	readonly grant: string;
}

/** WithdrawParams of "withdraw". */
export interface WithdrawParams {
	readonly grant: string;
	/** "3s"; how long to wait for both locks */
	readonly patience?: string;
}

/** Stop tells what happened after a withdrawal. A zero time: not yet. */
export interface Stop {
	readonly asked: Time;
	/** the node's receipt */
	readonly lockOne?: Time;
	/** the thing's statement; zero: not confirmed by your thing */
	readonly lockTwo?: Time;
	readonly receipt?: string;
	readonly statement?: string;
	readonly nodeError?: string;
}

/** RefuseParams of "refuse". Dismissing a dialog is not a refusal. */
export interface RefuseParams {
	readonly request: string;
	/** "90d", the default */
	readonly askAgain?: string;
}

/** LinkParams of "link.create": as GiveParams without somebody. */
export interface LinkParams {
	readonly share: readonly Share[];
	readonly purpose?: string;
	readonly until: Time;
	/** what the owner calls the guest */
	readonly name?: string;
	readonly notice?: string;
	readonly language?: string;
}

/** LinkInfo is a link this account made, and how far it is. */
export interface LinkInfo {
	readonly id: string;
	/** with the secret; only in the answer to "link.create" and "link.list" of this client */
	readonly url?: string;
	readonly name?: string;
	/** of the invitation, not of the grant */
	readonly expires: Time;
	/** State: open (nobody came), arrived (compare Words), given, expired, ended. */
	readonly state: string;
	/** of ended: cancelled, forged (somebody in the middle), over */
	readonly reason?: string;
	/** two words */
	readonly words?: string;
	/** account */
	readonly guest?: string;
	readonly grant?: string;
}

/** LinkIDParams of "link.confirm" and "link.cancel". */
export interface LinkIDParams {
	readonly id: string;
}

/** LinkOpenParams of "link.open": what the guest's page found in its address. */
export interface LinkOpenParams {
	readonly node: string;
	readonly id: string;
	readonly secret: string;
}

/** LinkGuest answers "link.open" and "link.state" on the guest's side. */
export interface LinkGuest {
	/** State: waiting (for the owner's side), words (compare them), given,
	 * refused, expired, used, ended. */
	readonly state: string;
	readonly words?: string;
	readonly owner?: string;
	readonly ownerName?: string;
}

/** Alert is one rule of a person for themself. Exactly one of Above, Below and
 * Equals is set. */
export interface Alert {
	readonly id?: string;
	readonly ref: Ref;
	readonly above?: number;
	readonly below?: number;
	readonly equals?: string;
	readonly title?: string;
	/** it is ringing since */
	readonly since?: Time;
}

/** AlertParams of "alert.remove". */
export interface AlertParams {
	readonly id: string;
}

/** Notice is what a thing's public page says. Nothing of it is computed. */
export interface Notice {
	/** random label; made when empty */
	readonly id?: string;
	readonly title: string;
	readonly language: string;
	readonly about?: string;
	readonly items: readonly NoticeItem[];
	/** mailto: or https: */
	readonly contact?: string;
}

/** NoticeItem is one thing that is collected. */
export interface NoticeItem {
	readonly what: string;
	/** "15m" or "change" */
	readonly every: string;
	/** in words */
	readonly fine?: string;
	/** "13 months" */
	readonly kept?: string;
	readonly purpose?: string;
	/** recipients that see all of it */
	readonly inner?: readonly string[];
	/** recipients that see less */
	readonly outer?: readonly string[];
}

/** NoticeResult answers "notice.put". */
export interface NoticeResult {
	readonly id: string;
	readonly url: string;
}

/** PushParams of "push.set": a Web Push subscription of this browser, or nil to
 * end it. A push carries no content. */
export interface PushParams {
	readonly subscription: Json;
}

/** PushKey answers "push.key": the node's VAPID public key. */
export interface PushKey {
	readonly key: string;
}

/** SeenParams of "seen" and "seen.export": days of UTC up to Day ("2026-11-23";
 * empty: today), 1 to 31; 0: 7. */
export interface SeenParams {
	readonly day?: string;
	readonly days?: number;
}

/** Seen answers "seen": what was delivered to whom, the newest day first. Days
 * without a delivery are left out. */
export interface Seen {
	readonly at: Time;
	readonly days: readonly SeenDay[];
}

/** SeenDay is one day. State: open (more may come), waiting (for the log's
 * tick, Due), proved, unlogged (the node promised nothing), broken. Why, of a
 * broken one: rows, changed, fewer, gone, key, proof, promise, late. */
export interface SeenDay {
	readonly day: string;
	readonly state: string;
	readonly why?: string;
	readonly rows: readonly SeenRow[];
	readonly due?: Time;
	/** hexadecimal */
	readonly root?: string;
	/** of a proved day: its place in the log */
	readonly index?: number;
	readonly size?: number;
	/** named under the log's head */
	readonly witnesses?: readonly string[];
}

/** SeenRow is one client of a grantee. Name is its name in its account. */
export interface SeenRow {
	readonly grant: string;
	/** 16 bytes of its key's SHA-256, base64url */
	readonly client: string;
	readonly name?: string;
	readonly deliveries: number;
	readonly bytes: number;
	readonly actions: number;
	/** minute, "2026-11-23T10:15Z" */
	readonly first: string;
	readonly last: string;
}

/** LedgerParams of "ledger.verify" name a node. */
export interface LedgerParams {
	readonly authority: string;
}

/** LedgerReport answers "ledger.verify". Found is empty where all is well. */
export interface LedgerReport {
	readonly authority: string;
	readonly public: LedgerLog;
	readonly commitments: LedgerLog;
	readonly found: readonly LedgerFound[];
	/** milliseconds, with all requests */
	readonly took: number;
}

/** LedgerLog is one log. */
export interface LedgerLog {
	readonly size: number;
	/** entries that were seen before */
	readonly since: number;
	readonly read: number;
	readonly witnesses: readonly LedgerWitness[];
	readonly requests: number;
}

/** LedgerWitness is a node named as a witness; At only if its signature is good. */
export interface LedgerWitness {
	readonly authority: string;
	readonly at?: Time;
}

/** LedgerFound is something wrong. Kind: rollback, fork, tampered, omitted,
 * witness, key, signature, proof, malformed. */
export interface LedgerFound {
	readonly kind: string;
	readonly log: string;
	readonly detail: string;
}

/** Empty is the params or the answer of methods that have none. */
export type Empty = Readonly<Record<string, never>>;

/** Event is what an engine tells without being asked. Kind: "status" (Status),
 * "value" (Ref, Point), "things", "requests", "grants", "links", "alert"
 * (Alert, Point), "note" (Text: a sentence's id, Data its blanks). Kinds without
 * content mean: ask again. */
export interface Event {
	readonly kind: string;
	readonly status?: Status;
	readonly ref?: Ref;
	readonly point?: Point;
	readonly alert?: Alert;
	readonly text?: string;
	readonly data?: Readonly<Record<string, string>>;
}

/** Error is a refusal as a page sees it. Code is the id of a sentence under
 * "engine." in the catalogue; Detail is English, for those who mend. */
export interface Error {
	readonly code: string;
	readonly detail?: string;
	readonly data?: Readonly<Record<string, string>>;
}

/** RightsKind is one kind of things held: by its name of docs/spec/export.md. */
export interface RightsKind {
	readonly what: string;
	readonly count: number;
	readonly bytes?: number;
}

/** RightsHeld answers "rights.access". */
export interface RightsHeld {
	readonly at: Time;
	readonly holds: readonly RightsKind[];
	/** of the receipt, where the node keeps a ledger */
	readonly leaf?: string;
}

/** RightsPlea of "rights.plead". */
export interface RightsPlea {
	/** objection or complaint */
	readonly kind: string;
	readonly about?: string;
	readonly text: string;
}

/** RightsCase is an objection or a complaint, and how it stands. */
export interface RightsCase {
	readonly id: string;
	readonly kind: string;
	/** received, answered, appealed, closed */
	readonly state: string;
	readonly about?: string;
	readonly at: Time;
	readonly answerBy: Time;
	readonly steps: readonly RightsStep[];
}

/** RightsStep is one entry of a case's history. */
export interface RightsStep {
	readonly at: Time;
	/** person, operator, clock */
	readonly by: string;
	readonly text?: string;
}

/** RightsAppeal of "rights.appeal". */
export interface RightsAppeal {
	readonly id: string;
	readonly text: string;
}

/** What an engine tells; kind "state" is told by the tab's own side. */
export type EngineEvent = Event;

/** All methods: what they take and give. */
export interface Methods {
	/** how far the engine is */
	"status": { in: Empty; out: Status };
	/** make an identity and open its account */
	"account.create": { in: CreateParams; out: Created };
	/** make this browser a further client, by phrase or passkey */
	"account.restore": { in: RestoreParams; out: Status };
	/** whether a secret unwraps the identity key */
	"account.check": { in: SecretParams; out: Empty };
	/** renew the identity document */
	"account.renew": { in: SecretParams; out: Status };
	/** let a passkey unwrap the identity key, too */
	"account.addPasskey": { in: SecretParams; out: Status };
	/** replace the recovery phrase */
	"account.newPhrase": { in: SecretParams; out: Created };
	/** the clients of the account */
	"account.clients": { in: Empty; out: readonly ClientInfo[] };
	/** take a client off */
	"account.drop": { in: DropParams; out: Status };
	/** no client gives until the account is renewed */
	"account.suspend": { in: Empty; out: Status };
	/** everything that client, things and node hold about the account, but keys */
	"account.export": { in: Empty; out: Export };
	/** withdraw everything, close the account, forget all here */
	"account.delete": { in: SecretParams; out: Deleted };
	/** erase all state of this browser; the account stays */
	"account.forget": { in: Empty; out: Empty };
	/** new device: ask to become a client */
	"pair.begin": { in: PairBeginParams; out: PairOffer };
	/** new device: wait until the old one has accepted */
	"pair.wait": { in: Empty; out: Status };
	/** old device: what a scanned code asks */
	"pair.look": { in: PairLookParams; out: PairAsked };
	/** old device: accept the new one */
	"pair.accept": { in: PairAcceptParams; out: Empty };
	/** fetch somebody's identity */
	"person": { in: AccountParams; out: Person };
	/** note that the short codes were compared */
	"person.compared": { in: AccountParams; out: Empty };
	/** everybody known here, without asking anybody */
	"people": { in: Empty; out: readonly Person[] };
	/** all things, own ones first */
	"things": { in: Empty; out: ThingsResult };
	/** past values from the thing's own end */
	"history": { in: HistoryParams; out: HistoryResult };
	/** yesterday as a grantee would have seen it */
	"preview": { in: PreviewParams; out: PreviewResult };
	/** write a property or invoke an action */
	"send": { in: SendParams; out: SendResult };
	/** make an edge on the local network one's own */
	"claim": { in: ClaimParams; out: HomeResult };
	/** a thermometer that lives in this browser */
	"sandbox.start": { in: Empty; out: HomeResult };
	/** end it and all its grants */
	"sandbox.remove": { in: Empty; out: Empty };
	/** excuse a silent client */
	"goOnWithout": { in: GoOnParams; out: Empty };
	/** requests that wait for a yes or no */
	"requests": { in: Empty; out: readonly RequestInfo[] };
	/** read what a node offers, as requests that nobody has sent */
	"service": { in: ServiceParams; out: ServiceInfo };
	/** say no */
	"refuse": { in: RefuseParams; out: Empty };
	/** say yes, or share unasked */
	"give": { in: GiveParams; out: Given };
	/** all grants, given and received, newest first */
	"grants": { in: Empty; out: readonly GrantInfo[] };
	/** end a grant: both locks */
	"withdraw": { in: WithdrawParams; out: Stop };
	/** ask somebody for a value */
	"ask": { in: AskParams; out: AskResult };
	/** what was delivered to whom, and how far that is proved */
	"seen": { in: SeenParams; out: Seen };
	/** the same with its proofs, to take away */
	"seen.export": { in: SeenParams; out: Export };
	/** what the own node holds about the account */
	"rights.access": { in: Empty; out: RightsHeld };
	/** object, or complain to the operator */
	"rights.plead": { in: RightsPlea; out: RightsCase };
	/** what was sent, the newest first */
	"rights.cases": { in: Empty; out: readonly RightsCase[] };
	/** have an answered case looked at again */
	"rights.appeal": { in: RightsAppeal; out: RightsCase };
	/** check a node's public logs */
	"ledger.verify": { in: LedgerParams; out: LedgerReport };
	/** make a link to share by */
	"link.create": { in: LinkParams; out: LinkInfo };
	/** links made here and how far they are */
	"link.list": { in: Empty; out: readonly LinkInfo[] };
	/** the words agree: give */
	"link.confirm": { in: LinkIDParams; out: LinkInfo };
	/** end a link, or refuse who came */
	"link.cancel": { in: LinkIDParams; out: Empty };
	/** guest: open a link; makes keys */
	"link.open": { in: LinkOpenParams; out: LinkGuest };
	/** guest: how far it is */
	"link.state": { in: Empty; out: LinkGuest };
	/** ring when a value is so */
	"alert.set": { in: Alert; out: Alert };
	/** all alerts */
	"alert.list": { in: Empty; out: readonly Alert[] };
	/** end one */
	"alert.remove": { in: AlertParams; out: Empty };
	/** publish a thing's public page */
	"notice.put": { in: Notice; out: NoticeResult };
	/** own public pages */
	"notice.list": { in: Empty; out: readonly Notice[] };
	/** take one down */
	"notice.remove": { in: AlertParams; out: Empty };
	/** the node's key for Web Push */
	"push.key": { in: Empty; out: PushKey };
	/** switch Web Push on or off for this browser */
	"push.set": { in: PushParams; out: Empty };
}

export type Method = keyof Methods;
export type ParamsOf<M extends Method> = Methods[M]["in"] extends Empty ? [] : [params: Methods[M]["in"]];
export type ResultOf<M extends Method> = Methods[M]["out"];
