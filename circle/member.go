package circle

import (
	"crypto"
	"crypto/ed25519"
	"io"
	"log/slog"
	"time"

	"primum/circle/internal/member"
	"primum/circle/internal/owner"
	"primum/internal/clock"
)

// MemberOptions is what a client's actor needs from outside.
type MemberOptions struct {
	Clock  clock.Clock   // nil: the machine's
	Rand   io.Reader     // nil: crypto/rand
	Signer crypto.Signer // the client key (Ed25519)
	// Identity is the own account's newest identity document. It is verified
	// against the one known before; the client is found by Signer's public key.
	Identity string
	Log      *slog.Logger // nil: none; no secret and no value is logged
}

func (o MemberOptions) options() member.Options {
	return member.Options{Clock: o.Clock, Rand: o.Rand, Signer: o.Signer, Identity: o.Identity, Log: o.Log}
}

// Member is a client of a person or a service in the circles of grants given to
// its account. One client has one directory. It is safe for concurrent use.
type Member struct {
	common
	in *member.Member
}

// OpenMember opens or makes the member that lives in dir, and locks it.
func OpenMember(dir string, o MemberOptions) (*Member, error) {
	in, err := member.Open(dir, o.options())
	if err != nil {
		return nil, err
	}
	return &Member{common{&in.Actor}, in}, nil
}

// Identity takes a newer identity document of the own or another account by any
// path. An own one is told to every circle this client is in.
func (m *Member) Identity(compact string) error { return m.in.Identity(compact) }

// KeyPackageStock tells how many key packages the own node still has of this
// client, by suite; the member publishes what is missing of each suite that it
// lists.
func (m *Member) KeyPackageStock(stock []PackageStock) error { return m.in.KeyPackageStock(stock) }

// Inbox takes an item of the inbox that the driver has opened: who sent it, its
// kind and the document. A repetition is no error. senderIdentity is the
// sender's newest identity document.
func (m *Member) Inbox(from, senderIdentity, kind string, document []byte) error {
	return m.in.Inbox(from, senderIdentity, kind, document)
}

// Ask sends a request to an owner's inbox; the id comes back in EventRefused,
// and the offer that answers it names it.
func (m *Member) Ask(p AskParams) (request string, err error) { return m.in.Ask(p) }

// Grants lists the grants given to this account, ended ones too, newest last.
func (m *Member) Grants() []GrantInfo { return m.in.Grants() }

// Forget removes an ended grant from the list.
func (m *Member) Forget(grantID string) error { return m.in.Forget(grantID) }

// Command sends a command; EventAnswer carries ref. The right is checked here
// first: the error names the grant that is missing.
func (m *Member) Command(p CommandParams) (ref string, err error) { return m.in.Command(p) }

// Read asks for past values; EventHistory carries ref, page by page.
func (m *Member) Read(p ReadParams) (ref string, err error) { return m.in.Read(p) }

// Backup is what another directory of this client starts from: documents, no
// ratchet state, no key.
func (m *Member) Backup() ([]byte, error) { return m.in.Backup() }

// Owner is a Member that also decides about things of its own.
type Owner struct {
	Member
	in *owner.Owner
}

// OpenOwner opens or makes the owner that lives in dir, and locks it.
func OpenOwner(dir string, o MemberOptions) (*Owner, error) {
	in, err := owner.Open(dir, o.options())
	if err != nil {
		return nil, err
	}
	return &Owner{Member{common{&in.Actor}, &in.Member}, in}, nil
}

// BeginClaim makes what the client posts to an edge on the LAN; node is the
// authority of the own node.
func (o *Owner) BeginClaim(node string) (req ClaimRequest, err error) { return o.in.BeginClaim(node) }

// SignClaim checks the edge's offer against the request and the key that the
// label or terminal pinned, and countersigns.
func (o *Owner) SignClaim(r ClaimRequest, offer ClaimOffer, thingKey ed25519.PublicKey) (countersignature string, err error) {
	return o.in.SignClaim(r, offer, thingKey)
}

// JoinHome enters the home circle of the claim that SignClaim signed last, by the
// Welcome from the LAN.
func (o *Owner) JoinHome(offer ClaimOffer, w HomeWelcome) (id ID, err error) {
	return o.in.JoinHome(offer, w)
}

// Homes lists the home circles.
func (o *Owner) Homes() []HomeInfo { return o.in.Homes() }

// Things lists the descriptions in a home.
func (o *Owner) Things(home ID) []Thing { return o.in.Things(home) }

// Give signs a grant and sends it on its ways: to the node, through the home
// circle to the anchor, to the grantee's inbox.
func (o *Owner) Give(p GiveParams) (grantID string, err error) { return o.in.Give(p) }

// Given lists the grants given, ended ones too, newest last.
func (o *Owner) Given() []GrantInfo { return o.in.Given() }

// Requests lists requests that wait for a yes or no.
func (o *Owner) Requests() []RequestInfo { return o.in.Requests() }

// Refuse says no to a request, to the node too (askAgainAfter).
func (o *Owner) Refuse(request string, askAgain time.Duration) error {
	return o.in.Refuse(request, askAgain)
}

// Withdraw ends a grant: both locks are asked for at once. It is as good with an
// ended or unknown lease, and may be repeated.
func (o *Owner) Withdraw(grantID string) error { return o.in.Withdraw(grantID) }

// KnownHome takes claim and countersignature of a home from whoever has them, as
// the own node, so that a new client of the account gets in while no older one is
// on. It refuses what no present client of the account countersigned.
func (o *Owner) KnownHome(claim, countersignature string) error {
	return o.in.KnownHome(claim, countersignature)
}

// WithdrawHome ends every grant of a home: a lost edge.
func (o *Owner) WithdrawHome(home ID) error { return o.in.WithdrawHome(home) }

// LANWithdrawal is what to post to the edge on the LAN, when it is reachable.
func (o *Owner) LANWithdrawal(grantID string) (w Withdrawal, err error) {
	return o.in.LANWithdrawal(grantID)
}

// Statement takes the anchor's answer from the LAN.
func (o *Owner) Statement(compact string) error { return o.in.Statement(compact) }

// Finding tells what a driver found out about a node or party, as an
// EventProblem: of a circle or grant, if of any.
func (o *Owner) Finding(c ID, grantID, reason, text string) error {
	return o.in.Do(func() error {
		o.in.Problem(c, grantID, reason, text)
		return nil
	})
}

// GoOnWithout excuses a silent client: the grants that pause for it go on.
func (o *Owner) GoOnWithout(home ID, client string) error { return o.in.GoOnWithout(home, client) }

// SetHomePrecision chooses how fine the own circle sees its things: a clock of
// whole seconds.
func (o *Owner) SetHomePrecision(home ID, p Precision) error { return o.in.SetHomePrecision(home, p) }
