package circle

import (
	"crypto/ed25519"
	"errors"
	"time"

	"primum/grant"
)

// Owner is a Member that also decides about things of its own.
type Owner struct{ Member }

// OpenOwner opens or makes the owner that lives in dir, and locks it.
func OpenOwner(dir string, o MemberOptions) (*Owner, error) { return nil, errors.ErrUnsupported }

// BeginClaim makes what the client posts to an edge on the LAN; node is the
// authority of the own node.
func (o *Owner) BeginClaim(node string) (ClaimRequest, error) {
	return ClaimRequest{}, errors.ErrUnsupported
}

// SignClaim checks the edge's offer against the request and the key that the
// label or terminal pinned, and countersigns.
func (o *Owner) SignClaim(r ClaimRequest, offer ClaimOffer, thingKey ed25519.PublicKey) (countersignature string, err error) {
	return "", errors.ErrUnsupported
}

// JoinHome enters the home circle by the Welcome from the LAN.
func (o *Owner) JoinHome(offer ClaimOffer, w HomeWelcome) (ID, error) {
	return ID{}, errors.ErrUnsupported
}

// HomeInfo is one home circle.
type HomeInfo struct {
	Circle   ID
	Node     string
	ThingKey ed25519.PublicKey
	Number   uint64
	Joined   bool
	// Ready: the documents that the circle's context names are all here.
	Ready   bool
	Clients []string
	// Life is when each client was last heard, as it signed.
	Life map[string]time.Time
	// Silent are clients that pause the grants.
	Silent []string
	// Closed: a later claim of the same edge took its place.
	Closed bool
}

// Homes lists the home circles.
func (o *Owner) Homes() []HomeInfo { return nil }

// Things lists the descriptions in a home.
func (o *Owner) Things(home ID) []Thing { return nil }

// SharedAffordance is one affordance that a grant gives.
type SharedAffordance struct {
	Source    Source
	Title     string // what the grantee shall call the thing
	Ops       []string
	Precision Precision
}

// GiveParams is a yes. All affordances are of one home.
type GiveParams struct {
	Home           ID
	Grantee        string // identity document
	Request        string // id of the request that it answers, if any
	Share          []SharedAffordance
	Purpose        grant.Purpose
	Service        string
	From, Until    time.Time // From zero: now
	Pseudonymous   bool      // the owner's account is not told
	MaxClients     int       // 0: 8
	Bucket         int       // bytes of a message: 256, 1024, 4096; 0: what fits
	Notice         grant.Notice
	Country        string
	Retention      grant.Duration
	AskAgainAfter  grant.Duration // 0: 90 days
	Conditionality *grant.Conditionality
	Replaces       string // grant id of a renewal
	ShortLease     bool   // the terms touch locks, cameras, health
}

// Give signs a grant and sends it on its ways: to the node, through the home
// circle to the anchor, to the grantee's inbox.
func (o *Owner) Give(p GiveParams) (grantID string, err error) { return "", errors.ErrUnsupported }

// Requests lists requests that wait for a yes or no.
func (o *Owner) Requests() []RequestInfo { return nil }

// RequestInfo is a request as the owner sees it.
type RequestInfo struct {
	ID       string
	From     string // account
	Identity string // its identity document
	Document string // JWS
	Received time.Time
	Request  grant.Request
}

// Refuse says no to a request, to the node too (askAgainAfter).
func (o *Owner) Refuse(request string, askAgain time.Duration) error { return errors.ErrUnsupported }

// Withdraw ends a grant: both locks are asked for at once. It is as good with an
// ended or unknown lease, and may be repeated.
func (o *Owner) Withdraw(grantID string) error { return errors.ErrUnsupported }

// WithdrawHome ends every grant of a home: a lost edge.
func (o *Owner) WithdrawHome(home ID) error { return errors.ErrUnsupported }

// WithdrawalInfo says how far a withdrawal is. Confirmed is set by the anchor's
// own statement only.
type WithdrawalInfo struct {
	Asked     time.Time
	LockOne   time.Time // the node's receipt; zero: not yet
	LockTwo   time.Time // the anchor's statement; zero: not confirmed by your thing
	Receipt   string    // JWS by the node
	Statement string    // JWS by the anchor
}

// Confirmed tells that the thing itself has sealed its last.
func (w WithdrawalInfo) Confirmed() bool { return w.Statement != "" && !w.LockTwo.IsZero() }

// LANWithdrawal is what to post to the edge on the LAN, when it is reachable.
func (o *Owner) LANWithdrawal(grantID string) (Withdrawal, error) {
	return Withdrawal{}, errors.ErrUnsupported
}

// Statement takes the anchor's answer from the LAN.
func (o *Owner) Statement(compact string) error { return errors.ErrUnsupported }

// Given lists the grants given, ended ones too, newest last.
func (o *Owner) Given() []GrantInfo { return nil }

// GoOnWithout excuses a silent client: the grants that pause for it go on.
func (o *Owner) GoOnWithout(home ID, client string) error { return errors.ErrUnsupported }

// SetHomePrecision chooses how fine the own circle sees its things.
func (o *Owner) SetHomePrecision(home ID, p Precision) error { return errors.ErrUnsupported }
