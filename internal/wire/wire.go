// Package wire holds the types that a client and a node exchange: paths, JSON
// bodies, socket frames and problems. It knows no network and no storage.
// Source: docs/spec/wire.md.
package wire

import (
	"encoding/json"
	"time"

	"primum/ledger"
)

// Relations and well-known places.
const (
	WebFingerPath = "/.well-known/webfinger"
	NodePath      = "/.well-known/primum"
	// RelIdentity is the WebFinger link relation of an identity document.
	RelIdentity = "urn:primum:rel:identity"
	// JOSE is the media type of a compact JWS.
	JOSE = "application/jose"
	// Subprotocol is offered on the live socket beside the ticket.
	Subprotocol = "primum.v1"
	// TicketPrefix precedes a ticket in its subprotocol name.
	TicketPrefix = "primum.ticket."
)

// Limits that both ends keep.
const (
	MaxDocument    = 64 << 10  // a signed document, bytes
	MaxMessage     = 16 << 10  // an application or proposal MLSMessage, bytes
	MaxHandshake   = 256 << 10 // a commit, Welcome or GroupInfo, bytes
	MaxBody        = 512 << 10 // any other request body, bytes
	MaxClients     = 63        // clients of a grantee in one circle
	OneTimeStock   = 20        // one-time key packages of a client, of each suite
	PageMessages   = 256       // frames in one page of a read
	PageMessageMax = 1 << 20   // bytes in one page of a read
)

// NodeInfo is the answer at NodePath.
type NodeInfo struct {
	Authority string    `json:"authority"`
	API       string    `json:"api"`
	Software  string    `json:"software"`
	Version   string    `json:"version"`
	Keys      []NodeKey `json:"keys"`
	Time      time.Time `json:"time"`
	// Ledger is where the node's logs are; nil: it keeps none.
	Ledger *ledger.NodeLedger `json:"ledger,omitempty"`
}

// NodeKey is a node's Ed25519 key for signed requests; the keyid of such a
// request is "https://AUTHORITY/.well-known/primum#ID".
type NodeKey struct {
	ID string `json:"kid"`
	X  []byte `json:"x"`
}

// JRD is the part of a WebFinger answer that is used (RFC 7033 §4.4).
type JRD struct {
	Subject string `json:"subject"`
	Links   []Link `json:"links"`
}

// Link is one link of a JRD.
type Link struct {
	Rel  string `json:"rel"`
	Type string `json:"type,omitempty"`
	Href string `json:"href"`
}

// NewAccount asks for an account: POST /v1/accounts.
type NewAccount struct {
	Identity string `json:"identity"`         // the first identity document
	Invite   string `json:"invite,omitempty"` // where accounts are by invitation
}

// KeyPackages publishes packages of one client, all of one cipher suite: POST
// /v1/key-packages. LastResort replaces the last one of the suite; OneTime adds
// to its stock.
type KeyPackages struct {
	Suite      uint16   `json:"suite"`
	OneTime    [][]byte `json:"oneTime,omitempty"`
	LastResort []byte   `json:"lastResort,omitempty"`
}

// KeyPackageCount is the stock left of the calling client, by cipher suite.
type KeyPackageCount struct {
	Stock []SuiteCount `json:"stock"`
}

// SuiteCount is the stock of one suite.
type SuiteCount struct {
	Suite      uint16 `json:"suite"`
	OneTime    int    `json:"oneTime"`
	LastResort bool   `json:"lastResort"`
}

// ClaimKeyPackages claims packages of a suite; see ClaimedPackages.
type ClaimKeyPackages struct {
	Suite uint16 `json:"suite"`
}

// ClaimedPackage is one client's package, claimed. All MLS bytes are base64.
type ClaimedPackage struct {
	Client     string `json:"client"`
	KeyPackage []byte `json:"keyPackage"`
	LastResort bool   `json:"lastResort,omitempty"`
}

// ClaimedPackages answers POST /v1/key-packages/claim/{user} (by a node) and
// POST /v1/circles/{circle}/key-packages (by an anchor).
type ClaimedPackages struct {
	Account  string           `json:"account"`
	Packages []ClaimedPackage `json:"packages"`
}

// Kinds of inbox items, visible to the nodes.
const (
	InboxRequest = "request" // a stranger may send this one only
	InboxOffer   = "offer"   // terms and opening of a grant given
	InboxNotice  = "notice"  // refusals, comparisons, news about a grant
)

// Sealed is a document sealed to the inbox keys of each of a recipient's
// clients. Its id is the SHA-256 of its JSON as sent.
type Sealed struct {
	Kind    string     `json:"kind"`
	From    string     `json:"from"` // account
	To      string     `json:"to"`   // account
	Expires time.Time  `json:"expires"`
	Copies  []SealCopy `json:"copies"`
}

// SealCopy is one HPKE ciphertext (RFC 9180 base mode; info
// "primum inbox", aad = from NUL to NUL client).
type SealCopy struct {
	Client string `json:"client"`
	Enc    []byte `json:"enc"`
	Box    []byte `json:"box"`
}

// InboxItem is one entry of GET /v1/inbox?after=N (own copy only).
type InboxItem struct {
	Seq      uint64          `json:"seq"`
	ID       string          `json:"id"`
	Received time.Time       `json:"received"`
	Sealed   json.RawMessage `json:"sealed"`
}

// Inbox is a page of items.
type Inbox struct {
	Items []InboxItem `json:"items"`
	Head  uint64      `json:"head"`
}

// NewEnvelope files a grant's envelope: POST /v1/envelopes.
type NewEnvelope struct {
	Envelope string `json:"envelope"`
	// Replaces is what a renewal supersedes: the old grant's closing with its
	// countersignature, in one transaction.
	Replaces *NewClosing `json:"replaces,omitempty"`
}

// NewClosing withdraws a grant: POST /v1/closings. Both parts are documents;
// the request itself needs no other authentication.
type NewClosing struct {
	Closing          string `json:"closing"`
	Countersignature string `json:"countersignature"`
}

// NewRefusal records that a request was refused, so that the node answers
// ask-again-later: POST /v1/refusals (client-signed).
type NewRefusal struct {
	From  string    `json:"from"` // the account that asked
	Until time.Time `json:"until"`
}

// Receipt answers envelopes and closings: the node's signed receipt document,
// and its promise that the event's leaf will stand in the commitments log.
type Receipt struct {
	Receipt string    `json:"receipt"`
	State   string    `json:"state"` // grant.State after the event
	At      time.Time `json:"at"`
	Promise string    `json:"promise,omitempty"` // JWS primum-promise+jwt, where the node keeps a ledger
}

// GrantStatus is one entry of GET /v1/grants, for owner or grantee.
type GrantStatus struct {
	ID       string       `json:"id"`
	State    string       `json:"state"`
	Owner    string       `json:"owner"`
	Grantee  string       `json:"grantee"`
	Circle   string       `json:"circle"`
	Envelope string       `json:"envelope,omitempty"` // owner only
	Events   []GrantEvent `json:"events"`
}

// GrantEvent is one entry of a grant's append-only history.
type GrantEvent struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
	By    string    `json:"by"` // owner, grantee, node, clock
	Hash  string    `json:"hash,omitempty"`
}

// NewHome opens a home circle: POST /v1/homes. Claim and countersignature are
// documents; GroupInfo carries the ratchet tree of the anchor's new group.
type NewHome struct {
	Claim            string `json:"claim"`
	Countersignature string `json:"countersignature"`
	GroupInfo        []byte `json:"groupInfo"`
}

// Home is a present home of the asking account: what a new client of it needs to
// find the circle. GET /v1/homes.
type Home struct {
	Claim            string `json:"claim"`
	Countersignature string `json:"countersignature"`
}

// NewCircle opens a grant circle: POST /v1/circles, signed with the anchor's
// leaf key in it (keyid "circle:HEX"). The envelope must be filed.
type NewCircle struct {
	GroupInfo []byte `json:"groupInfo"`
}

// ActiveSet is an anchor's list after a restore: POST /v1/homes/{circle}/active.
// It is a signed document (primum-active+jwt) by the home leaf key.
type ActiveSet struct {
	Document string `json:"document"`
}

// CircleInfo answers GET /v1/circles/{circle}.
type CircleInfo struct {
	Circle   string `json:"circle"`
	Epoch    uint64 `json:"epoch"`
	Head     uint64 `json:"head"`
	Oldest   uint64 `json:"oldest"`
	Fenced   string `json:"fenced,omitempty"` // why nothing more is delivered
	TreeHash []byte `json:"treeHash"`
	// Welcome is the sequence number of the newest Welcome, 0 if none.
	Welcome uint64 `json:"welcome"`
}

// Ticket answers POST /v1/live; it is used once, within 30 s.
type Ticket struct {
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires"`
}
