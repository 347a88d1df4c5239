package circle

import (
	"time"

	"primum/circle/internal/anchor"
	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/circle/internal/owner"
)

// What goes in and out of every actor. The fields are described where they are
// declared, in internal/core/api.go.
type (
	// ID names a circle: 16 random bytes, written in lower-case hex.
	ID = core.ID
	// Frame is one message of a circle under its number in the node's sequence.
	Frame = core.Frame
	// Effect is something that an actor wants done; EffectKind says what.
	Effect = core.Effect
	// EffectKind says what a driver is asked to do.
	EffectKind = core.EffectKind
	// Result is the answer to an effect that was performed.
	Result = core.Result
	// ClaimedPackage is a key package of one client of an account.
	ClaimedPackage = core.ClaimedPackage
	// PackageStock is what a node has left of key packages of a suite.
	PackageStock = core.PackageStock
	// Refusal is why an effect was not performed.
	Refusal = core.Refusal
	// Event is something to show or act upon; it waits for Ack.
	Event = core.Event
	// EventKind says what happened.
	EventKind = core.EventKind
	// Reading is one value of a history.
	Reading = core.Reading
	// Problem is why a command or a read was not answered with a value.
	Problem = core.Problem
	// Subscription is a circle that a driver reads.
	Subscription = core.Subscription
	// Sample is one value of a device.
	Sample = core.Sample
	// Thing is a description as the anchor announces it in the home circle.
	Thing = core.Thing
	// Withdrawal is what ends a grant: closing and countersignature.
	Withdrawal = core.Withdrawal
	// Source names what an affordance of a grant is at home.
	Source = core.Source
	// Precision is how finely an affordance is shared.
	Precision = core.Precision
	// ClaimRequest is what an owner's client posts on the LAN.
	ClaimRequest = core.ClaimRequest
	// ClaimOffer is the thing's half of a claim.
	ClaimOffer = core.ClaimOffer
	// HomeWelcome ends a claim on the LAN.
	HomeWelcome = core.HomeWelcome
)

// What goes in and out of members and owners.
type (
	// AskParams is what a grantee asks for.
	AskParams = member.AskParams
	// CommandParams is a command to a thing.
	CommandParams = member.CommandParams
	// ReadParams asks for a value, or from Since on for all values.
	ReadParams = member.ReadParams
	// GrantInfo is a grant as a member or owner knows it.
	GrantInfo = member.GrantInfo
	// SharedName is an affordance of a grant, by the name that it has there.
	SharedName = member.SharedName
	// RequestInfo is a request as the owner sees it.
	RequestInfo = member.RequestInfo
	// WithdrawalInfo says how far a withdrawal is.
	WithdrawalInfo = member.WithdrawalInfo
	// GiveParams is a yes. All affordances are of one home.
	GiveParams = owner.GiveParams
	// SharedAffordance is one affordance that a grant gives.
	SharedAffordance = owner.SharedAffordance
	// HomeInfo is one home circle.
	HomeInfo = owner.HomeInfo
)

// What goes in and out of anchors.
type (
	// History is where an anchor finds past values; the edge implements it.
	History = anchor.History
	// Claimed is who owns an edge.
	Claimed = anchor.Claimed
)

// Kinds of effects.
const (
	EffectOpenHome           = core.EffectOpenHome
	EffectOpenCircle         = core.EffectOpenCircle
	EffectAppend             = core.EffectAppend
	EffectCommit             = core.EffectCommit
	EffectClaimKeyPackages   = core.EffectClaimKeyPackages
	EffectFetchIdentity      = core.EffectFetchIdentity
	EffectPublishKeyPackages = core.EffectPublishKeyPackages
	EffectSendInbox          = core.EffectSendInbox
	EffectFileEnvelope       = core.EffectFileEnvelope
	EffectFileClosing        = core.EffectFileClosing
	EffectFileRefusal        = core.EffectFileRefusal
	EffectPresentActive      = core.EffectPresentActive
)

// Kinds of events.
const (
	EventValue       = core.EventValue
	EventHistory     = core.EventHistory
	EventAnswer      = core.EventAnswer
	EventCommand     = core.EventCommand
	EventRequested   = core.EventRequested
	EventRefused     = core.EventRefused
	EventOffered     = core.EventOffered
	EventJoined      = core.EventJoined
	EventEnded       = core.EventEnded
	EventPaused      = core.EventPaused
	EventResumed     = core.EventResumed
	EventGranted     = core.EventGranted
	EventDeclined    = core.EventDeclined
	EventRoster      = core.EventRoster
	EventLockOne     = core.EventLockOne
	EventLockTwo     = core.EventLockTwo
	EventUnconfirmed = core.EventUnconfirmed
	EventThings      = core.EventThings
	EventHome        = core.EventHome
	EventClaimed     = core.EventClaimed
	EventStopped     = core.EventStopped
	EventProblem     = core.EventProblem
)

// Kinds of refusals that the actors treat in a way of their own.
const (
	KindOffline    = core.KindOffline
	KindStaleEpoch = core.KindStaleEpoch
	KindFenced     = core.KindFenced
	KindClockSkew  = core.KindClockSkew
	KindTooMany    = core.KindTooMany
	KindNotFound   = core.KindNotFound
	KindNotYet     = core.KindNotYet
	KindStorage    = core.KindStorage
	KindInternal   = core.KindInternal
	KindForbidden  = core.KindForbidden
	KindConflict   = core.KindConflict
)

// Errors of the actors, for errors.Is.
var (
	ErrClosed  = core.ErrClosed
	ErrFull    = core.ErrFull
	ErrUnknown = core.ErrUnknown
	ErrRefused = core.ErrRefused
	ErrNotYet  = core.ErrNotYet
	// ErrWeakSuite: a cipher suite weaker than both sides list.
	ErrWeakSuite = core.ErrWeakSuite
	ErrEnded     = core.ErrEnded
)

// ParseID reads what ID.String wrote.
func ParseID(s string) (ID, error) { return core.ParseID(s) }

// common is what a driver needs of every actor.
type common struct{ in *core.Actor }

// Effects lists what is to be done now, oldest first. An effect stays listed
// until Done or Failed; the driver performs those it is not performing yet.
func (a *common) Effects() []Effect { return a.in.Effects() }

// Done answers an effect that was performed. An effect that is not known any
// more is no error.
func (a *common) Done(id string, res Result) error { return a.in.Done(id, res) }

// Failed answers an effect that was refused or met nobody. The actor retries
// with a growing pause, or drops the effect and says so by an event.
func (a *common) Failed(id string, ref *Refusal) error { return a.in.Failed(id, ref) }

// Events lists what waits for Ack, oldest first, at most 1,000 and a few.
func (a *common) Events() []Event { return a.in.Events() }

// Ack takes every event up to and including id out of the queue.
func (a *common) Ack(id uint64) error { return a.in.Ack(id) }

// Changed receives after anything that may have changed Effects, Events,
// Subscriptions or NextTick.
func (a *common) Changed() <-chan struct{} { return a.in.Changed() }

// Subscriptions lists the circles to read.
func (a *common) Subscriptions() []Subscription { return a.in.Subscriptions() }

// Receive takes frames of a circle in the node's order, own ones included, as
// many as there are: one persist for all. It returns how many were taken:
// duplicates are taken and ignored; a gap ends the call (read again from the
// subscription's After). ErrFull: take events first.
func (a *common) Receive(c ID, frames []Frame) (n int, err error) { return a.in.Receive(c, frames) }

// Synced tells where the node's sequence stood when the driver (re)connected:
// the highest number and the epoch. Nothing is sealed in the circle before all
// up to head was received.
func (a *common) Synced(c ID, head, epoch uint64) error { return a.in.Synced(c, head, epoch) }

// Offline tells that the connection that delivered these circles was lost; none
// named: all.
func (a *common) Offline(circles ...ID) { a.in.Offline(circles...) }

// Ended tells that the node delivers nothing more, and why ("withdrawn",
// "superseded", "expired", "revoked", "restored").
func (a *common) Ended(c ID, reason string, at time.Time) error { return a.in.Ended(c, reason, at) }

// NodeTime tells the time of the node, as often as it is seen. More than five
// minutes apart, nothing is sealed.
func (a *common) NodeTime(t time.Time) error { return a.in.NodeTime(t) }

// Tick does what is due by the clock.
func (a *common) Tick() error { return a.in.Tick() }

// NextTick is when Tick has something to do again; zero: nothing is planned.
func (a *common) NextTick() time.Time { return a.in.NextTick() }

// Close writes what is only in memory and gives the directory back.
func (a *common) Close() error { return a.in.Close() }
