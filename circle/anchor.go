package circle

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"

	"primum/circle/internal/anchor"
	"primum/internal/clock"
)

// AnchorOptions is what an anchor needs from outside.
type AnchorOptions struct {
	Clock   clock.Clock  // nil: the machine's
	Rand    io.Reader    // nil: crypto/rand
	History History      // nil: no history
	Log     *slog.Logger // nil: none; no secret and no value is logged
}

func (o AnchorOptions) options() anchor.Options {
	return anchor.Options{Clock: o.Clock, Rand: o.Rand, History: o.History, Log: o.Log}
}

// Anchor is the thing's end: device or edge. It is safe for concurrent use.
type Anchor struct {
	common
	in *anchor.Anchor
}

// OpenAnchor opens or makes the anchor that lives in dir, and locks it.
func OpenAnchor(dir string, o AnchorOptions) (*Anchor, error) {
	return newAnchor(anchor.Open(dir, o.options()))
}

// RestoreAnchor makes a new directory from a backup; the anchor then waits to be
// claimed again by its owner.
func RestoreAnchor(dir string, backup []byte, o AnchorOptions) (*Anchor, error) {
	return newAnchor(anchor.Restore(dir, backup, o.options()))
}

func newAnchor(in *anchor.Anchor, err error) (*Anchor, error) {
	if err != nil {
		return nil, err
	}
	return &Anchor{common{&in.Actor}, in}, nil
}

// ThingKey is the thing's public key: what the label and the QR pin.
func (an *Anchor) ThingKey() ed25519.PublicKey { return an.in.ThingKey() }

// Claimed tells who owns the edge.
func (an *Anchor) Claimed() (Claimed, bool) { return an.in.Claimed() }

// BeginClaim makes a new home circle and the claim for it. A claimed anchor
// accepts only its owner's identity key (claim n+1 after a restore). Nothing is
// in force before FinishClaim; a second BeginClaim replaces the first.
func (an *Anchor) BeginClaim(r ClaimRequest) (offer ClaimOffer, err error) {
	return an.in.BeginClaim(r)
}

// FinishClaim takes the countersignature of the client that began. From now on
// the claim is in force; circles of an earlier claim are erased.
func (an *Anchor) FinishClaim(countersignature string) (w HomeWelcome, err error) {
	return an.in.FinishClaim(countersignature)
}

// Reset destroys keys, circles and queues: a physical reset.
func (an *Anchor) Reset() error { return an.in.Reset() }

// SetThings replaces the descriptions that the owner sees.
func (an *Anchor) SetThings(things []Thing) error { return an.in.SetThings(things) }

// Feed takes a device's value. It is not persisted before the window that it
// belongs to is due: the edge's history keeps it.
func (an *Anchor) Feed(s Sample) error { return an.in.Feed(s) }

// Withdraw takes a closing by any path (LAN). The statement is made at the
// persist after which nothing more is sealed; a repetition gets a new one.
func (an *Anchor) Withdraw(w Withdrawal) (statement string, err error) { return an.in.Withdraw(w) }

// Identity takes an identity document by any path.
func (an *Anchor) Identity(compact string) error { return an.in.Identity(compact) }

// Hint tells that the other party of a circle may have a newer identity document:
// it is looked for soon, instead of within the hour. The word of a node is worth
// no more.
func (an *Anchor) Hint(c ID) error { return an.in.Hint(c) }

// Answer gives the outcome of a command (Event.Ref); problem nil for success.
func (an *Anchor) Answer(ref string, value json.RawMessage, problem *Problem) error {
	return an.in.Answer(ref, value, problem)
}

// Signer signs for a circle's leaf: requests with keyid "circle:HEX" and proofs
// on the socket. Nil for a circle that is not known or has ended.
func (an *Anchor) Signer(c ID) crypto.Signer { return an.in.Signer(c) }

// Backup is what a restored anchor starts from: no ratchet state, no leaf key.
// It holds the thing's key: keep it as safe as the thing.
func (an *Anchor) Backup() ([]byte, error) { return an.in.Backup() }
