package circle

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"primum/internal/clock"
)

// History is where an anchor finds past values; the edge implements it.
type History interface {
	// History gives the samples of an affordance with from ≤ At < to, oldest
	// first, at most limit of them.
	History(thing, name string, from, to time.Time, limit int) ([]Sample, error)
}

// AnchorOptions is what an anchor needs from outside.
type AnchorOptions struct {
	Clock   clock.Clock  // nil: the machine's
	Rand    io.Reader    // nil: crypto/rand
	History History      // nil: no history
	Log     *slog.Logger // nil: none; no secret and no value is logged
}

// Anchor is the thing's end: device or edge.
type Anchor struct{ actor }

// OpenAnchor opens or makes the anchor that lives in dir, and locks it.
func OpenAnchor(dir string, o AnchorOptions) (*Anchor, error) { return nil, errors.ErrUnsupported }

// ClaimRequest is what an owner's client posts on the LAN. Presence (button,
// code) is the caller's to check.
type ClaimRequest struct {
	Node       string `json:"node"`       // authority of the owner's node
	Identity   string `json:"identity"`   // the owner's identity document
	Client     string `json:"client"`     // name of the client that asks
	KeyPackage []byte `json:"keyPackage"` // of that client
	Nonce      string `json:"nonce"`
}

// ClaimOffer is the thing's half of a claim.
type ClaimOffer struct {
	Claim string `json:"claim"` // JWS by the thing's key
}

// HomeWelcome ends a claim on the LAN.
type HomeWelcome struct {
	Welcome []byte `json:"welcome"`
}

// Claimed is who owns an edge.
type Claimed struct {
	Owner  string // account
	Node   string
	Home   ID
	Number uint64
}

// ThingKey is the thing's public key: what the label and the QR pin.
func (a *Anchor) ThingKey() ed25519.PublicKey { return nil }

// Claimed tells who owns the edge.
func (a *Anchor) Claimed() (Claimed, bool) { return Claimed{}, false }

// BeginClaim makes a new home circle and the claim for it. A claimed anchor
// accepts only its owner's identity key (claim n+1 after a restore). Nothing is
// in force before FinishClaim; a second BeginClaim replaces the first.
func (a *Anchor) BeginClaim(r ClaimRequest) (ClaimOffer, error) {
	return ClaimOffer{}, errors.ErrUnsupported
}

// FinishClaim takes the countersignature of the client that began. From now on
// the claim is in force; circles of an earlier claim are erased.
func (a *Anchor) FinishClaim(countersignature string) (HomeWelcome, error) {
	return HomeWelcome{}, errors.ErrUnsupported
}

// Reset destroys keys, circles and queues: a physical reset.
func (a *Anchor) Reset() error { return errors.ErrUnsupported }

// SetThings replaces the descriptions that the owner sees.
func (a *Anchor) SetThings(things []Thing) error { return errors.ErrUnsupported }

// Feed takes a device's value. It is not persisted before the window that it
// belongs to is due: the edge's history keeps it.
func (a *Anchor) Feed(s Sample) error { return errors.ErrUnsupported }

// Withdraw takes a closing by any path (LAN). The statement is made at the
// persist after which nothing more is sealed; a repetition gets a new one.
func (a *Anchor) Withdraw(w Withdrawal) (statement string, err error) {
	return "", errors.ErrUnsupported
}

// Identity takes an identity document by any path.
func (a *Anchor) Identity(compact string) error { return errors.ErrUnsupported }

// Answer gives the outcome of a command (Event.Ref); problem nil for success.
func (a *Anchor) Answer(ref string, value json.RawMessage, problem *Problem) error {
	return errors.ErrUnsupported
}

// Signer signs for a circle's leaf: requests with keyid "circle:HEX" and proofs
// on the socket. Nil for a circle that is not known or has ended.
func (a *Anchor) Signer(c ID) crypto.Signer { return nil }

// Backup is what a restored anchor starts from: no ratchet state, no leaf key.
func (a *Anchor) Backup() ([]byte, error) { return nil, errors.ErrUnsupported }

// RestoreAnchor makes a new directory from a backup; the anchor then waits to be
// claimed again by its owner.
func RestoreAnchor(dir string, backup []byte, o AnchorOptions) (*Anchor, error) {
	return nil, errors.ErrUnsupported
}
