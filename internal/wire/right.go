package wire

import (
	"context"
	"encoding/json"
	"time"
)

type rightKey struct{}

// Right marks what is done with ctx as the exercise of a person's right: no
// meter may count it, no plan may slow it down (requirement L11). The door marks
// a request before its handler runs.
func Right(ctx context.Context) context.Context {
	return context.WithValue(ctx, rightKey{}, true)
}

// IsRight tells whether ctx is marked.
func IsRight(ctx context.Context) bool {
	marked, _ := ctx.Value(rightKey{}).(bool)
	return marked
}

// Names of rights, as receipts have them. The leaf of an exercised right in the
// commitments log is ledger.RightLeaf(RightReceipt.Key, name, SHA-256 of Receipt).
const (
	RightAccess    = "access"
	RightExport    = "export"
	RightImport    = "import"
	RightErasure   = "erasure"
	RightObjection = "objection"
	RightComplaint = "complaint"
	RightAppeal    = "appeal"
)

// Limits of rights.
const (
	MaxPlea       = 8 << 10 // bytes of the text of an objection, complaint or appeal
	MaxRightsBody = 4 << 20 // bytes of an import
	// AnswerWithin is by when the operator says how an objection or a complaint
	// stands.
	AnswerWithin = 72 * time.Hour
)

// RightReceipt is the node's word that a right was exercised.
type RightReceipt struct {
	Receipt string `json:"receipt"`           // JWS primum-right+jwt, by the node's key: RightDone
	Key     []byte `json:"key,omitempty"`     // 32 bytes, of this event alone
	Leaf    string `json:"leaf,omitempty"`    // hex: what the commitments log gets at its next tick
	Promise string `json:"promise,omitempty"` // JWS primum-promise+jwt, where the node keeps a ledger
}

// RightDone is the payload of a receipt. It does not name the person.
type RightDone struct {
	ID    string    `json:"id"` // 128 random bits, hex; of a case: its id
	Right string    `json:"right"`
	Node  string    `json:"node"`
	At    time.Time `json:"at"`
	By    time.Time `json:"by,omitzero"` // when it is done or answered, if not at once
	// Hash is the SHA-256, in base64url, of the request's body (objection,
	// complaint, appeal, import), or of the answer's JSON as sent, without its
	// last member, receipt (access, export, erasure).
	Hash string `json:"hash"`
}

// Access answers GET /v1/rights/access: what the node holds about the caller's
// account, why, for how long, and who gets it.
type Access struct {
	Account string        `json:"account"`
	At      time.Time     `json:"at"`
	Holds   []Holding     `json:"holds"`
	Rights  []RightOffer  `json:"rights"`
	Receipt *RightReceipt `json:"receipt,omitempty"`
}

// Holding is one kind of thing that a node holds about an account.
type Holding struct {
	What  string    `json:"what"`  // a name of the closed list in docs/spec/export.md
	Count int       `json:"count"` // how many
	Bytes int64     `json:"bytes,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why"`  // in English; pages have their own words by What
	Kept  string    `json:"kept"` // how long, in English
	To    []string  `json:"to,omitempty"`
}

// RightOffer names an operation by which a right is exercised.
type RightOffer struct {
	Right  string `json:"right"`
	Method string `json:"method"`
	Path   string `json:"path"`
}

// NodeExport answers GET /v1/rights/export: everything that the node holds about
// the caller's account, by the same names as Access, each with its rows.
type NodeExport struct {
	Format  string                       `json:"format"` // primum-node-export
	Version int                          `json:"version"`
	Account string                       `json:"account"`
	At      time.Time                    `json:"at"`
	Holds   map[string][]json.RawMessage `json:"holds"`
	More    string                       `json:"more,omitempty"` // not all: ask on with ?after=MORE
	Receipt *RightReceipt                `json:"receipt,omitempty"`
}

// Of a NodeExport.
const (
	NodeExportFormat  = "primum-node-export"
	NodeExportVersion = 1
)

// NodeImport gives a node what another node exported: POST /v1/rights/import.
// Public pages and remembered refusals are taken over for the calling account;
// the rest is for the person's client.
type NodeImport struct {
	Export NodeExport `json:"export"`
}

// Imported answers it.
type Imported struct {
	Taken   map[string]int `json:"taken"`
	Left    map[string]int `json:"left"` // what a node can't take from another
	Receipt *RightReceipt  `json:"receipt,omitempty"`
}

// Erased answers POST /v1/rights/erasure, whose body is CloseAccount.
type Erased struct {
	Gone    map[string]int `json:"gone"`
	Remains []Remains      `json:"remains"`
	By      time.Time      `json:"by"` // from then on nothing of it is on the disk
	Receipt *RightReceipt  `json:"receipt,omitempty"`
}

// Remains is what an erasure leaves, and why.
type Remains struct {
	What  string `json:"what"`
	Count int    `json:"count"`
	Why   string `json:"why"`
	Until string `json:"until"`
}

// Plea is an objection or a complaint: POST /v1/rights/objection and
// /v1/rights/complaint. Nobody needs an account for it. A signed one stands in
// the caller's list, too.
type Plea struct {
	About string `json:"about"` // a thing, page, grant or domain; free text
	Text  string `json:"text"`
	Reply string `json:"reply,omitempty"` // where an answer may also be sent; kept until the case is closed
}

// Case is a plea and how it stands: GET /v1/rights/cases/{id}. Who knows the id,
// which is a secret of 128 bits, may read and appeal.
type Case struct {
	ID       string        `json:"id"`
	Kind     string        `json:"kind"`  // objection or complaint
	State    string        `json:"state"` // received, answered, appealed, closed
	About    string        `json:"about"`
	At       time.Time     `json:"at"`
	AnswerBy time.Time     `json:"answerBy"`
	Steps    []CaseStep    `json:"steps"`
	Status   string        `json:"status"` // URL of this
	Appeal   string        `json:"appeal"` // URL to POST an Appeal to
	Receipt  *RightReceipt `json:"receipt,omitempty"`
}

// CaseStep is one entry of a case's history.
type CaseStep struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"` // person, operator, clock
	What string    `json:"what"`
	Text string    `json:"text,omitempty"`
}

// Appeal is the body of POST /v1/rights/cases/{id}/appeal.
type Appeal struct {
	Text string `json:"text"`
}

// Cases answers GET /v1/rights: the caller's own.
type Cases struct {
	Cases []Case `json:"cases"`
}

// States of a case.
const (
	CaseReceived = "received"
	CaseAnswered = "answered"
	CaseAppealed = "appealed"
	CaseClosed   = "closed"
)
