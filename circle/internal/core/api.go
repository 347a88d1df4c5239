package core

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ID names a circle: 16 random bytes, written in lower-case hex.
type ID [16]byte

// String is the id in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String wrote.
func ParseID(s string) (id ID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != s {
		return id, errors.New("a circle id is 32 lower-case hexadecimal digits")
	}
	copy(id[:], b)
	return id, nil
}

// MarshalText writes hex.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads hex.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// IsZero tells the id of no circle.
func (id ID) IsZero() bool { return id == ID{} }

// Frame is one message of a circle under its number in the node's sequence.
type Frame struct {
	Seq     uint64 // from 1, without gaps
	Message []byte // MLSMessage
}

// EffectKind says what a driver is asked to do.
type EffectKind string

// Kinds of effects; the comment names what is filled in, and what Result
// carries.
const (
	// EffectOpenHome: Node, Circle, Claim, Countersignature, GroupInfo.
	EffectOpenHome EffectKind = "open-home"
	// EffectOpenCircle: Node, Circle, GroupInfo; signed with Signer(Circle).
	EffectOpenCircle EffectKind = "open-circle"
	// EffectAppend: Node, Circle, Epoch, Message. Result: Seq.
	EffectAppend EffectKind = "append"
	// EffectCommit: Node, Circle, Epoch, Commit, Welcome (nil without adds).
	// Result: Seq.
	EffectCommit EffectKind = "commit"
	// EffectClaimKeyPackages: Node, Circle, Account, Clients (only these are
	// wanted), Suite. Result: Packages.
	EffectClaimKeyPackages EffectKind = "claim-key-packages"
	// EffectFetchIdentity: Account. Result: Identity.
	EffectFetchIdentity EffectKind = "fetch-identity"
	// EffectPublishKeyPackages: Suite of all, OneTime, LastResort (nil: keep) at
	// the own node.
	EffectPublishKeyPackages EffectKind = "publish-key-packages"
	// EffectSendInbox: Account, InboxKind, Request, Document, Identity (the recipient's
	// verified document, whose clients it is sealed to), Expires.
	EffectSendInbox EffectKind = "send-inbox"
	// EffectFileEnvelope: Node, Grant, Envelope and, for a renewal, Closing and
	// Countersignature of what it replaces. Result: Receipt, State, At.
	EffectFileEnvelope EffectKind = "file-envelope"
	// EffectFileClosing: Node, Grant, Closing, Countersignature. Result:
	// Receipt, State, At.
	EffectFileClosing EffectKind = "file-closing"
	// EffectFileRefusal: Account (who asked), Until, Document (the signed
	// refusal); at the own node.
	EffectFileRefusal EffectKind = "file-refusal"
	// EffectPresentActive: Node, Circle (home), Document (the signed active
	// set, JWS); after the node said "restored".
	EffectPresentActive EffectKind = "present-active"
)

// Effect is something that an actor wants done. The same effect keeps its ID
// until Done or Failed answers it, also over a restart; performing it twice
// does no harm.
type Effect struct {
	ID               string
	Kind             EffectKind
	Node             string // authority of the node to ask; empty: the own node
	Circle           ID
	Account          string
	Clients          []string
	Suite            uint16
	Epoch            uint64
	Message          []byte
	Commit           []byte
	Welcome          []byte
	GroupInfo        []byte
	OneTime          [][]byte
	LastResort       []byte
	Grant            string
	Claim            string
	Envelope         string
	Closing          string
	Countersignature string
	InboxKind        string // "request", "offer", "notice"
	Request          string // id of the request that the document is
	Document         []byte
	Identity         string
	Expires          time.Time
	Until            time.Time
}

// Result is the answer to an effect that was performed.
type Result struct {
	Seq      uint64
	Identity string
	Packages []ClaimedPackage
	Receipt  string
	State    string
	At       time.Time
}

// ClaimedPackage is a key package of one client of an account.
type ClaimedPackage struct {
	Client     string
	KeyPackage []byte
	LastResort bool
}

// PackageStock is what a node has left of one client's key packages of a suite.
type PackageStock struct {
	Suite      uint16
	OneTime    int
	LastResort bool
}

// Refusal is why an effect was not performed. Kinds are the problem names of
// the wire ("stale-epoch", "fenced", "too-many-requests", …); KindOffline when
// nobody answered.
type Refusal struct {
	Kind       string
	Detail     string
	RetryAfter time.Duration
	Epoch      uint64    // stale-epoch: the current one
	Now        time.Time // clock-skew: the node's time
}

// Kinds of refusals that the actors treat in a way of their own.
const (
	KindOffline    = "unreachable"
	KindStaleEpoch = "stale-epoch"
	KindFenced     = "fenced"
	KindClockSkew  = "clock-skew"
	KindTooMany    = "too-many-requests"
	KindNotFound   = "not-found"
	KindNotYet     = "not-yet"
	KindStorage    = "storage"
	KindInternal   = "internal"
	KindForbidden  = "forbidden"
	KindConflict   = "conflict"
)

// Error is for people.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Kind
	}
	return r.Kind + ": " + r.Detail
}

// EventKind says what happened.
type EventKind string

// Kinds of events; the comment names what is filled in beside At, Circle and,
// in a grant circle, Grant.
const (
	// EventValue: Thing, Title, Name, Op, ValueAt, Value (nil: nothing was measured in
	// the window), Unit. In Op subscribeevent the value is the event's data.
	EventValue EventKind = "value"
	// EventHistory: Ref (of Read), Thing, Name, Unit, Values, Last.
	EventHistory EventKind = "history"
	// EventAnswer: Ref (of Command), Value or Problem; Problem.Kind "timeout"
	// when no answer came by the deadline.
	EventAnswer EventKind = "answer"
	// EventCommand (anchor): Ref, Op, Thing, Name, Value (the input), Account,
	// Client, Deadline. The edge executes it and calls Answer.
	EventCommand EventKind = "command"
	// EventRequested: Account asks; Ref is the request's id, Document the JWS.
	EventRequested EventKind = "requested"
	// EventRefused: the request Ref was refused by Account; Until when set.
	EventRefused EventKind = "refused"
	// EventOffered: Account offers Grant.
	EventOffered EventKind = "offered"
	// EventJoined: this client is in the circle.
	EventJoined EventKind = "joined"
	// EventEnded: Reason (withdrawn, superseded, expired, revoked, removed).
	EventEnded EventKind = "ended"
	// EventPaused, EventResumed: Reason (lease, identity-expired, clock, fenced).
	EventPaused  EventKind = "paused"
	EventResumed EventKind = "resumed"
	// EventGranted: the anchor opened the circle of Grant.
	EventGranted EventKind = "granted"
	// EventDeclined: the anchor did not accept Grant: Reason, Text.
	EventDeclined EventKind = "declined"
	// EventRoster: the clients in the circle changed: Clients. circle-full
	// names in Reason when some found no room.
	EventRoster EventKind = "roster"
	// EventLockOne: the node has fenced Grant at ValueAt.
	EventLockOne EventKind = "lock-one"
	// EventLockTwo: the thing has confirmed by its statement that it sealed
	// nothing more from ValueAt on.
	EventLockTwo EventKind = "lock-two"
	// EventUnconfirmed: the withdrawal of Grant is still not confirmed by the
	// thing.
	EventUnconfirmed EventKind = "unconfirmed"
	// EventThings: the descriptions of a home changed.
	EventThings EventKind = "things"
	// EventHome: a home circle was joined or offered; Thing is the edge's key.
	EventHome EventKind = "home"
	// EventClaimed (anchor): Account owns this edge now.
	EventClaimed EventKind = "claimed"
	// EventStopped: Reason (rollback, fork): the actor seals nothing more in the
	// circle. A member rejoins by itself; an anchor must be claimed again.
	EventStopped EventKind = "stopped"
	// EventProblem: Reason, Text.
	EventProblem EventKind = "problem"
)

// Event is something to show or act upon. It stays in the queue, under the same
// ID and also over a restart, until Ack.
type Event struct {
	ID       uint64          `json:"id"`
	Kind     EventKind       `json:"kind"`
	At       time.Time       `json:"at"`
	Circle   ID              `json:"circle,omitzero"`
	Grant    string          `json:"grant,omitempty"`
	Account  string          `json:"account,omitempty"`
	Client   string          `json:"client,omitempty"`
	Clients  []string        `json:"clients,omitempty"`
	Ref      string          `json:"ref,omitempty"`
	Thing    string          `json:"thing,omitempty"`
	Title    string          `json:"title,omitempty"` // of the thing, as the terms say
	Name     string          `json:"name,omitempty"`
	Op       string          `json:"op,omitempty"`
	ValueAt  time.Time       `json:"valueAt,omitzero"`
	Value    json.RawMessage `json:"value,omitempty"`
	Unit     string          `json:"unit,omitempty"`
	Values   []Reading       `json:"values,omitempty"`
	Last     bool            `json:"last,omitempty"`
	Deadline time.Time       `json:"deadline,omitzero"`
	Until    time.Time       `json:"until,omitzero"`
	Document string          `json:"document,omitempty"`
	Problem  *Problem        `json:"problem,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Text     string          `json:"text,omitempty"`
}

// Reading is one value of a history.
type Reading struct {
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value"`
}

// Problem is why a command or a read was not answered with a value.
type Problem struct {
	Kind   string `json:"kind"`
	Detail string `json:"detail,omitempty"`
}

// Error is for people.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Kind
	}
	return fmt.Sprintf("%s: %s", p.Kind, p.Detail)
}

// Subscription is a circle that a driver reads: from After+1 on, then live.
type Subscription struct {
	Circle ID
	Node   string // authority
	After  uint64
	Home   bool
	// Joining: not on the roster yet; a "not yet" of the node is to be retried.
	Joining bool
}

// Sample is one value of a device.
type Sample struct {
	Thing string          `json:"thing"`
	Name  string          `json:"name"` // affordance
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value"`
	Unit  string          `json:"unit,omitempty"`
	// Event: the affordance is an event, not a property.
	Event bool `json:"event,omitempty"`
}

// Thing is a description as the anchor announces it in the home circle.
type Thing struct {
	ID          string          `json:"id"`
	Title       string          `json:"title,omitempty"`
	Description json.RawMessage `json:"description,omitempty"` // Thing Description, ≤ 256 KiB
}

// Withdrawal is what ends a grant: the closing, signed by the grant key, and
// the signature of an owner's client, whose nonce the anchor's statement repeats.
type Withdrawal struct {
	Closing          string `json:"closing"`
	Countersignature string `json:"countersignature"`
}

// Source names what an affordance of a grant is at home.
type Source struct {
	Thing string `json:"thing"`
	Name  string `json:"name"`
}

// Errors of the actors, for errors.Is. The error returned says more.
var (
	// ErrClosed: the actor was closed.
	ErrClosed = errors.New("actor is closed")
	// ErrFull: too many events wait for Ack; the rest of the input was not
	// taken.
	ErrFull = errors.New("events wait to be taken")
	// ErrUnknown: no such circle, grant, thing, request or effect.
	ErrUnknown = errors.New("not known here")
	// ErrRefused: the input breaks a rule; nothing was changed.
	ErrRefused = errors.New("refused")
	// ErrWeakSuite: a cipher suite weaker than both sides list.
	ErrWeakSuite = fmt.Errorf("weaker encryption than both sides have: %w", ErrRefused)
	// ErrNotYet: the input is right and must wait (not synced, not joined).
	ErrNotYet = errors.New("not yet")
	// ErrEnded: the grant or circle is terminal.
	ErrEnded = errors.New("has ended")
)
