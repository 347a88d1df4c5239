package engine

import (
	"encoding/json"
	"time"
)

// Phase says how far an engine is.
type Phase string

// Phases.
const (
	PhaseNone Phase = "none" // no account here: the first run
	PhaseOpen Phase = "open" // at work
	PhaseGone Phase = "gone" // this client was dropped, or the guest's grant ended
)

// Status is the answer of "status" and the event of that name.
type Status struct {
	Phase      Phase     `json:"phase"`
	Account    string    `json:"account,omitempty"`
	Name       string    `json:"name,omitempty"`
	Client     string    `json:"client,omitempty"`
	Node       string    `json:"node,omitempty"` // authority of the own node
	Online     bool      `json:"online"`         // the own node is connected
	Away       []string  `json:"away,omitempty"` // other nodes that don't answer
	Guest      bool      `json:"guest,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`   // of the identity document
	Renew      bool      `json:"renew,omitempty"`    // it is time to renew
	ClockOff   float64   `json:"clockOff,omitempty"` // seconds this clock is ahead of the node's, when more than 60
	HasPhrase  bool      `json:"hasPhrase,omitempty"`
	HasPasskey bool      `json:"hasPasskey,omitempty"`
	Unshown    bool      `json:"unshown,omitempty"` // nobody has confirmed that they saw the recovery phrase
	Suspended  bool      `json:"suspended,omitempty"`
}

// Accounts. A secret is what unwraps the identity key: the recovery phrase, or
// the PRF output of a passkey, in base64url. It is used and dropped.

// Secret is a phrase or a passkey's PRF output; exactly one is set.
type Secret struct {
	Phrase string `json:"phrase,omitempty"`
	PRF    string `json:"prf,omitempty"` // base64url, 32 bytes
}

// CreateParams of "account.create".
type CreateParams struct {
	Account      string `json:"account"` // ada@h.example
	Name         string `json:"name,omitempty"`
	Client       string `json:"client"` // "phone"; letters, digits, - and _
	Country      string `json:"country,omitempty"`
	Invite       string `json:"invite,omitempty"`
	PRF          string `json:"prf,omitempty"` // of a new passkey, when there is one
	Organisation bool   `json:"organisation,omitempty"`
}

// Created answers "account.create": the phrase is shown once and kept nowhere.
type Created struct {
	Phrase string `json:"phrase"` // twelve words
	Status Status `json:"status"`
}

// RestoreParams of "account.restore": this browser becomes a further client.
type RestoreParams struct {
	Account string `json:"account"`
	Client  string `json:"client"`
	Secret  Secret `json:"secret"`
	Drop    bool   `json:"drop,omitempty"` // take all other clients off
}

// SecretParams of "account.renew", "account.addPasskey" (PRF is the new one,
// Secret an old one) and "account.check".
type SecretParams struct {
	Secret Secret `json:"secret"`
	PRF    string `json:"prf,omitempty"`
}

// ClientInfo is one client of the own account.
type ClientInfo struct {
	Name    string    `json:"name"`
	Browser bool      `json:"browser,omitempty"`
	Own     bool      `json:"own,omitempty"` // this one
	Added   time.Time `json:"added"`
	Heard   time.Time `json:"heard,omitzero"` // last sign of life in a home circle
}

// DropParams of "account.drop".
type DropParams struct {
	Client string `json:"client"`
	Secret Secret `json:"secret"`
}

// PairOffer answers "pair.begin" on the new device: Code goes into a QR that
// the old device scans. Words are compared by eye.
type PairOffer struct {
	Code    string    `json:"code"`
	Words   string    `json:"words"`
	Expires time.Time `json:"expires"`
}

// PairBeginParams of "pair.begin" (new device, phase none).
type PairBeginParams struct {
	Account string `json:"account"`
	Client  string `json:"client"`
}

// PairLookParams of "pair.look" (old device): what a scanned code asks.
type PairLookParams struct {
	Code string `json:"code"`
}

// PairAsked answers "pair.look".
type PairAsked struct {
	Client string `json:"client"`
	Words  string `json:"words"`
}

// PairAcceptParams of "pair.accept" (old device).
type PairAcceptParams struct {
	Code   string `json:"code"`
	Secret Secret `json:"secret"`
}

// AccountParams name somebody.
type AccountParams struct {
	Account string `json:"account"`
}

// Person answers "person": somebody else's identity, fetched now.
type Person struct {
	Account      string `json:"account"`
	Name         string `json:"name,omitempty"`
	Organisation bool   `json:"organisation,omitempty"`
	ShortCode    string `json:"shortCode"` // six words of both keys
	Compared     bool   `json:"compared"`
	Browser      bool   `json:"browser,omitempty"` // some client of it is a browser
}

// Export answers "account.export": a file the person keeps, JSON.
type Export struct {
	Name    string `json:"name"` // of the file
	Content string `json:"content"`
}

// Deleted answers "account.delete": how each grant that was given ended.
type Deleted struct {
	Stops   []DeletedGrant `json:"stops,omitempty"`
	Remains []RightsKind   `json:"remains,omitempty"` // of the account, at the node
}

// DeletedGrant is one of them.
type DeletedGrant struct {
	Grant string `json:"grant"`
	Other string `json:"other,omitempty"`
	Stop  Stop   `json:"stop"`
}

// Things.

// Ref names one affordance: of an own thing by Home and Thing, of a grant by
// Grant (and Thing as the grant calls it).
type Ref struct {
	Home  string `json:"home,omitempty"`
	Grant string `json:"grant,omitempty"`
	Thing string `json:"thing"`
	Name  string `json:"name"`
}

// Point is one value. Value is any JSON; Number is set where it is a number.
type Point struct {
	At     time.Time       `json:"at"`
	Value  json.RawMessage `json:"value,omitempty"` // none: nothing was measured
	Number *float64        `json:"number,omitempty"`
}

// Affordance is what a page shows of one property or action.
type Affordance struct {
	Ref       Ref        `json:"ref"`
	Path      string     `json:"path"` // water/flow
	Title     string     `json:"title"`
	Kind      string     `json:"kind"`           // property, action, event
	Type      string     `json:"type,omitempty"` // number, boolean, string, object
	Unit      string     `json:"unit,omitempty"` // as it is shown: "l/min"
	Enum      []string   `json:"enum,omitempty"`
	Min       *float64   `json:"min,omitempty"`
	Max       *float64   `json:"max,omitempty"`
	Ops       []string   `json:"ops"`
	Latest    *Point     `json:"latest,omitempty"`
	Stale     bool       `json:"stale,omitempty"`     // older than three times what is usual
	Recent    []Point    `json:"recent,omitempty"`    // numbers for a sparkline, at most 60, oldest first
	People    int        `json:"people"`              // accounts that have it now (own things)
	Precision *Precision `json:"precision,omitempty"` // of the grant it comes by
	Alerts    []Alert    `json:"alerts,omitempty"`
}

// ThingInfo is one thing with its affordances.
type ThingInfo struct {
	ID          string       `json:"id"`
	Title       string       `json:"title"`
	Home        string       `json:"home,omitempty"`
	Grant       string       `json:"grant,omitempty"`
	Owner       string       `json:"owner,omitempty"` // of a thing of somebody else
	Own         bool         `json:"own"`
	Sandbox     bool         `json:"sandbox,omitempty"`
	State       string       `json:"state"` // live, stale, paused, ended, waiting
	Reason      string       `json:"reason,omitempty"`
	Until       time.Time    `json:"until,omitzero"`
	Affordances []Affordance `json:"affordances"`
}

// ThingsResult answers "things": own ones first.
type ThingsResult struct {
	Things []ThingInfo `json:"things"`
	Homes  []HomeInfo  `json:"homes"`
}

// HomeInfo is one edge of the person.
type HomeInfo struct {
	Home    string   `json:"home"`
	Joined  bool     `json:"joined"`
	Sandbox bool     `json:"sandbox,omitempty"`
	Silent  []string `json:"silent,omitempty"` // clients that pause the grants
	Closed  bool     `json:"closed,omitempty"`
	Clients []string `json:"clients,omitempty"`
}

// HistoryParams of "history": past values from the thing's own end.
type HistoryParams struct {
	Ref   Ref       `json:"ref"`
	Since time.Time `json:"since"`
	Max   int       `json:"max,omitempty"` // points to answer with, thinned by windows; 0: 2,000
}

// HistoryResult answers "history" and "preview".
type HistoryResult struct {
	Points []Point `json:"points"`
	Unit   string  `json:"unit,omitempty"`
	More   bool    `json:"more,omitempty"` // there were more than Max; they were thinned
}

// PreviewParams of "preview": the own values of the day before now as a grant
// of this precision would have shown them.
type PreviewParams struct {
	Ref       Ref       `json:"ref"`
	Precision Precision `json:"precision"`
}

// PreviewResult answers "preview".
type PreviewResult struct {
	Own  []Point `json:"own"`
	Seen []Point `json:"seen"`
	Unit string  `json:"unit,omitempty"`
	// Day is the day shown: yesterday, or the time since the first value when
	// there is less.
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Words string    `json:"words"` // the precision in words
}

// SendParams of "send": write a property or invoke an action.
type SendParams struct {
	Ref   Ref             `json:"ref"`
	Input json.RawMessage `json:"input,omitempty"`
}

// SendResult is the thing's own answer.
type SendResult struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Millis int64           `json:"millis"`
}

// ClaimParams of "claim": an edge on the local network.
type ClaimParams struct {
	URL  string `json:"url"`
	Code string `json:"code"`
}

// HomeResult answers "claim" and "sandbox.start".
type HomeResult struct {
	Home string `json:"home"`
}

// GoOnParams of "goOnWithout".
type GoOnParams struct {
	Home   string `json:"home"`
	Client string `json:"client"`
}

// Consent.

// Precision is how fine values are shared (grant.Precision, as a form has it).
type Precision struct {
	Every  string  `json:"every,omitempty"` // "15m", "1h", "1d": a clock
	Stat   string  `json:"stat,omitempty"`  // mean, min, max, last, sum
	Round  float64 `json:"round,omitempty"`
	Place  *int    `json:"place,omitempty"`
	Delay  string  `json:"delay,omitempty"`
	Change bool    `json:"change,omitempty"` // on change instead of a clock
}

// RequestInfo is somebody's request that waits for a yes or no.
type RequestInfo struct {
	ID           string    `json:"id"`
	From         string    `json:"from"`
	Name         string    `json:"name,omitempty"`
	Organisation bool      `json:"organisation,omitempty"`
	Compared     bool      `json:"compared"`
	Service      string    `json:"service,omitempty"`
	Purpose      string    `json:"purpose"` // in words
	PurposeClass string    `json:"purposeClass"`
	Until        time.Time `json:"until,omitzero"`
	For          string    `json:"for,omitempty"`
	Retention    string    `json:"retention,omitempty"` // in words
	Price        string    `json:"price,omitempty"`
	Benefit      string    `json:"benefit,omitempty"`
	Needed       bool      `json:"needed,omitempty"` // the service does not work without the yes
	Notice       string    `json:"notice"`
	Language     string    `json:"language,omitempty"`
	Received     time.Time `json:"received"`
	Expires      time.Time `json:"expires"`
	Wants        []Want    `json:"wants"`
}

// Want is one thing asked for, with the own affordances that fit.
type Want struct {
	Label     string    `json:"label"`
	Ops       []string  `json:"ops"`
	Precision Precision `json:"precision"`
	Fits      []Ref     `json:"fits"`
}

// ServiceParams of "service": whose catalogue, and which of it.
type ServiceParams struct {
	Node     string `json:"node"` // domain
	Name     string `json:"name"`
	Language string `json:"language,omitempty"` // of the words that are wanted
}

// ServiceInfo answers "service". Each of its asks is a request that nobody has
// sent: it has no id, and is answered by "give" with a ServiceRef, or not at all.
type ServiceInfo struct {
	Node     string        `json:"node"`
	Name     string        `json:"name"`
	Title    string        `json:"title"`
	Offer    string        `json:"offer,omitempty"`
	Language string        `json:"language"` // of title and offer
	Page     string        `json:"page,omitempty"`
	Asks     []RequestInfo `json:"asks"`
}

// ServiceRef names one ask of a service that was read before.
type ServiceRef struct {
	Node string `json:"node"`
	Name string `json:"name"`
	Ask  int    `json:"ask"` // from 0
}

// GiveParams of "give". A person, a request's id, an ask of a service, or some
// of these.
type GiveParams struct {
	Account      string      `json:"account,omitempty"`
	Request      string      `json:"request,omitempty"`
	Service      *ServiceRef `json:"service,omitempty"`
	Share        []Share     `json:"share"`
	Purpose      string      `json:"purpose,omitempty"` // words; empty: of the request, or household
	Until        time.Time   `json:"until"`
	Pseudonymous bool        `json:"pseudonymous,omitempty"`
	Notice       string      `json:"notice,omitempty"` // the exact text shown
	Language     string      `json:"language,omitempty"`
	Replaces     string      `json:"replaces,omitempty"`
}

// Share is one affordance of a grant to be given.
type Share struct {
	Ref       Ref       `json:"ref"`
	Ops       []string  `json:"ops"` // observeproperty, readproperty, writeproperty, invokeaction, subscribeevent
	Precision Precision `json:"precision"`
}

// Given answers "give".
type Given struct {
	Grant string `json:"grant"`
	// Opened: the thing's end has opened the circle already.
	Opened bool `json:"opened"`
}

// AskParams of "ask".
type AskParams struct {
	Account   string    `json:"account"`
	Wants     []string  `json:"wants"` // "power", or a path the owner told
	Ops       []string  `json:"ops,omitempty"`
	Precision Precision `json:"precision"`
	Purpose   string    `json:"purpose"`
	Until     time.Time `json:"until"`
	Notice    string    `json:"notice,omitempty"`
	Language  string    `json:"language,omitempty"`
}

// AskResult answers "ask".
type AskResult struct {
	Request string `json:"request"`
}

// GrantInfo is one grant, given or received.
type GrantInfo struct {
	ID          string      `json:"id"`
	Own         bool        `json:"own"`   // given by this account
	Other       string      `json:"other"` // grantee or owner; empty: pseudonymous owner
	OtherName   string      `json:"otherName,omitempty"`
	Guest       bool        `json:"guest,omitempty"` // a link guest
	Compared    bool        `json:"compared"`
	State       string      `json:"state"` // waiting, running, paused, ended, declined
	Reason      string      `json:"reason,omitempty"`
	Purpose     string      `json:"purpose"`
	Lines       []string    `json:"lines,omitempty"`     // the terms in English sentences
	Class       string      `json:"class,omitempty"`     // of the purpose, in W3C DPV
	Retention   string      `json:"retention,omitempty"` // how long they may keep values: "30d"
	Deletes     string      `json:"deletes,omitempty"`   // how soon they delete after a stop: "1d"
	Price       string      `json:"price,omitempty"`
	Benefit     string      `json:"benefit,omitempty"`
	Needed      bool        `json:"needed,omitempty"`  // their service does not work without it
	Unnamed     bool        `json:"unnamed,omitempty"` // they don't learn the owner's name from it
	Shared      []GrantItem `json:"shared"`
	From        time.Time   `json:"from"`
	Until       time.Time   `json:"until"`
	LastValue   time.Time   `json:"lastValue,omitzero"`
	Clients     []string    `json:"clients,omitempty"`
	Browser     bool        `json:"browser,omitempty"`
	PostQuantum bool        `json:"postQuantum,omitempty"`
	Stop        *Stop       `json:"stop,omitempty"`
}

// GrantItem is one affordance of a grant.
type GrantItem struct {
	Ref       Ref       `json:"ref"`
	Path      string    `json:"path"`
	Ops       []string  `json:"ops"`
	Precision Precision `json:"precision"`
	Words     string    `json:"words"` // the precision in words
}

// GrantParams name a grant.
type GrantParams struct {
	Grant string `json:"grant"`
}

// WithdrawParams of "withdraw".
type WithdrawParams struct {
	Grant    string `json:"grant"`
	Patience string `json:"patience,omitempty"` // "3s"; how long to wait for both locks
}

// Stop tells what happened after a withdrawal. A zero time: not yet.
type Stop struct {
	Asked     time.Time `json:"asked"`
	LockOne   time.Time `json:"lockOne,omitzero"` // the node's receipt
	LockTwo   time.Time `json:"lockTwo,omitzero"` // the thing's statement; zero: not confirmed by your thing
	Receipt   string    `json:"receipt,omitempty"`
	Statement string    `json:"statement,omitempty"`
	NodeError string    `json:"nodeError,omitempty"`
}

// RefuseParams of "refuse". Dismissing a dialog is not a refusal.
type RefuseParams struct {
	Request  string `json:"request"`
	AskAgain string `json:"askAgain,omitempty"` // "90d", the default
}

// Links (share by link; docs/spec/link.md).

// LinkParams of "link.create": as GiveParams without somebody.
type LinkParams struct {
	Share    []Share   `json:"share"`
	Purpose  string    `json:"purpose,omitempty"`
	Until    time.Time `json:"until"`
	Name     string    `json:"name,omitempty"` // what the owner calls the guest
	Notice   string    `json:"notice,omitempty"`
	Language string    `json:"language,omitempty"`
}

// LinkInfo is a link this account made, and how far it is.
type LinkInfo struct {
	ID      string    `json:"id"`
	URL     string    `json:"url,omitempty"` // with the secret; only in the answer to "link.create" and "link.list" of this client
	Name    string    `json:"name,omitempty"`
	Expires time.Time `json:"expires"` // of the invitation, not of the grant
	// State: open (nobody came), arrived (compare Words), given, expired, ended.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"` // of ended: cancelled, forged (somebody in the middle), over
	Words  string `json:"words,omitempty"`  // two words
	Guest  string `json:"guest,omitempty"`  // account
	Grant  string `json:"grant,omitempty"`
}

// LinkIDParams of "link.confirm" and "link.cancel".
type LinkIDParams struct {
	ID string `json:"id"`
}

// LinkOpenParams of "link.open": what the guest's page found in its address.
type LinkOpenParams struct {
	Node   string `json:"node"`
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// LinkGuest answers "link.open" and "link.state" on the guest's side.
type LinkGuest struct {
	// State: waiting (for the owner's side), words (compare them), given,
	// refused, expired, used, ended.
	State     string `json:"state"`
	Words     string `json:"words,omitempty"`
	Owner     string `json:"owner,omitempty"`
	OwnerName string `json:"ownerName,omitempty"`
}

// Alerts, computed here, never at a node.

// Alert is one rule of a person for themself. Exactly one of Above, Below and
// Equals is set.
type Alert struct {
	ID     string    `json:"id,omitempty"`
	Ref    Ref       `json:"ref"`
	Above  *float64  `json:"above,omitempty"`
	Below  *float64  `json:"below,omitempty"`
	Equals string    `json:"equals,omitempty"`
	Title  string    `json:"title,omitempty"`
	Since  time.Time `json:"since,omitzero"` // it is ringing since
}

// AlertParams of "alert.remove".
type AlertParams struct {
	ID string `json:"id"`
}

// Notices (page A): a public notice about an own thing.

// Notice is what a thing's public page says. Nothing of it is computed.
type Notice struct {
	ID       string       `json:"id,omitempty"` // random label; made when empty
	Title    string       `json:"title"`
	Language string       `json:"language"`
	About    string       `json:"about,omitempty"`
	Items    []NoticeItem `json:"items"`
	Contact  string       `json:"contact,omitempty"` // mailto: or https:
}

// NoticeItem is one thing that is collected.
type NoticeItem struct {
	What    string   `json:"what"`
	Every   string   `json:"every"`          // "15m" or "change"
	Fine    string   `json:"fine,omitempty"` // in words
	Kept    string   `json:"kept,omitempty"` // "13 months"
	Purpose string   `json:"purpose,omitempty"`
	Inner   []string `json:"inner,omitempty"` // recipients that see all of it
	Outer   []string `json:"outer,omitempty"` // recipients that see less
}

// NoticeResult answers "notice.put".
type NoticeResult struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// PushParams of "push.set": a Web Push subscription of this browser, or nil to
// end it. A push carries no content.
type PushParams struct {
	Subscription json.RawMessage `json:"subscription"`
}

// PushKey answers "push.key": the node's VAPID public key.
type PushKey struct {
	Key string `json:"key"`
}

// Who saw what (page D).

// SeenParams of "seen" and "seen.export": days of UTC up to Day ("2026-11-23";
// empty: today), 1 to 31; 0: 7.
type SeenParams struct {
	Day  string `json:"day,omitempty"`
	Days int    `json:"days,omitempty"`
}

// Seen answers "seen": what was delivered to whom, the newest day first. Days
// without a delivery are left out.
type Seen struct {
	At   time.Time `json:"at"`
	Days []SeenDay `json:"days"`
}

// SeenDay is one day. State: open (more may come), waiting (for the log's
// tick, Due), proved, unlogged (the node promised nothing), broken. Why, of a
// broken one: rows, changed, fewer, gone, key, proof, promise, late.
type SeenDay struct {
	Day       string    `json:"day"`
	State     string    `json:"state"`
	Why       string    `json:"why,omitempty"`
	Rows      []SeenRow `json:"rows"`
	Due       time.Time `json:"due,omitzero"`
	Root      string    `json:"root,omitempty"`  // hexadecimal
	Index     int64     `json:"index,omitempty"` // of a proved day: its place in the log
	Size      int64     `json:"size,omitempty"`
	Witnesses []string  `json:"witnesses,omitempty"` // named under the log's head
}

// SeenRow is one client of a grantee. Name is its name in its account.
type SeenRow struct {
	Grant      string `json:"grant"`
	Client     string `json:"client"` // 16 bytes of its key's SHA-256, base64url
	Name       string `json:"name,omitempty"`
	Deliveries int64  `json:"deliveries"`
	Bytes      int64  `json:"bytes"`
	Actions    int64  `json:"actions"`
	First      string `json:"first"` // minute, "2026-11-23T10:15Z"
	Last       string `json:"last"`
}

// A node's public logs.

// LedgerParams of "ledger.verify" name a node.
type LedgerParams struct {
	Authority string `json:"authority"`
}

// LedgerReport answers "ledger.verify". Found is empty where all is well.
type LedgerReport struct {
	Authority   string        `json:"authority"`
	Public      LedgerLog     `json:"public"`
	Commitments LedgerLog     `json:"commitments"`
	Found       []LedgerFound `json:"found"`
	Took        float64       `json:"took"` // milliseconds, with all requests
}

// LedgerLog is one log.
type LedgerLog struct {
	Size      int64           `json:"size"`
	Since     int64           `json:"since"` // entries that were seen before
	Read      int64           `json:"read"`
	Witnesses []LedgerWitness `json:"witnesses"`
	Requests  int             `json:"requests"`
}

// LedgerWitness is a node named as a witness; At only if its signature is good.
type LedgerWitness struct {
	Authority string    `json:"authority"`
	At        time.Time `json:"at,omitzero"`
}

// LedgerFound is something wrong. Kind: rollback, fork, tampered, omitted,
// witness, key, signature, proof, malformed.
type LedgerFound struct {
	Kind   string `json:"kind"`
	Log    string `json:"log"`
	Detail string `json:"detail"`
}

// Empty is the params or the answer of methods that have none.
type Empty struct{}

// Event is what an engine tells without being asked. Kind: "status" (Status),
// "value" (Ref, Point), "things", "requests", "grants", "links", "alert"
// (Alert, Point), "note" (Text: a sentence's id, Data its blanks). Kinds without
// content mean: ask again.
type Event struct {
	Kind   string            `json:"kind"`
	Status *Status           `json:"status,omitempty"`
	Ref    *Ref              `json:"ref,omitempty"`
	Point  *Point            `json:"point,omitempty"`
	Alert  *Alert            `json:"alert,omitempty"`
	Text   string            `json:"text,omitempty"`
	Data   map[string]string `json:"data,omitempty"`
}

// Error is a refusal as a page sees it. Code is the id of a sentence under
// "engine." in the catalogue; Detail is English, for those who mend.
type Error struct {
	Code   string            `json:"code"`
	Detail string            `json:"detail,omitempty"`
	Data   map[string]string `json:"data,omitempty"`
}

// Error is for logs.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code
	}
	return e.Code + ": " + e.Detail
}

// Rights.

// RightsKind is one kind of things held: by its name of docs/spec/export.md.
type RightsKind struct {
	What  string `json:"what"`
	Count int    `json:"count"`
	Bytes int64  `json:"bytes,omitempty"`
}

// RightsHeld answers "rights.access".
type RightsHeld struct {
	At    time.Time    `json:"at"`
	Holds []RightsKind `json:"holds"`
	Leaf  string       `json:"leaf,omitempty"` // of the receipt, where the node keeps a ledger
}

// RightsPlea of "rights.plead".
type RightsPlea struct {
	Kind  string `json:"kind"` // objection or complaint
	About string `json:"about,omitempty"`
	Text  string `json:"text"`
}

// RightsCase is an objection or a complaint, and how it stands.
type RightsCase struct {
	ID       string       `json:"id"`
	Kind     string       `json:"kind"`
	State    string       `json:"state"` // received, answered, appealed, closed
	About    string       `json:"about,omitempty"`
	At       time.Time    `json:"at"`
	AnswerBy time.Time    `json:"answerBy"`
	Steps    []RightsStep `json:"steps"`
}

// RightsStep is one entry of a case's history.
type RightsStep struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"` // person, operator, clock
	Text string    `json:"text,omitempty"`
}

// RightsAppeal of "rights.appeal".
type RightsAppeal struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}
