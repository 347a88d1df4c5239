package grant

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"fmt"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

// maxRelease is the longest that a release may be used.
const maxRelease = 90 * 24 * time.Hour

// HistoryStays: the thing keeps what it measured for the old owner. It is the
// only choice so far: a person moves. A thing that is sold is reset.
const HistoryStays = "stays"

// Release hands a claimed thing over to one other account: with it the thing
// takes that account's claim. Signed by the owner's identity key.
type Release struct {
	ID            string           `json:"id"`
	ThingKey      jws.Bytes        `json:"thingKey"`
	Number        uint64           `json:"number"` // of the claim that it releases from; a later claim voids it
	Owner         identity.Address `json:"owner"`
	To            identity.Address `json:"to"`
	ToIdentityKey jws.Bytes        `json:"toIdentityKey"`
	History       string           `json:"history"` // HistoryStays
	At            time.Time        `json:"at"`
	Expires       time.Time        `json:"expires"` // 90 days at most
}

func (r Release) check() error {
	c := &rules{}
	c.id(r.ID, "/id")
	c.key(r.ThingKey, "/thingKey")
	c.need(r.Number > 0, "/number", "numbers begin at 1")
	c.account(r.Owner, "/owner")
	c.account(r.To, "/to")
	c.need(r.Owner != r.To, "/to", "the owner has the thing already")
	c.key(r.ToIdentityKey, "/toIdentityKey")
	c.need(r.History == HistoryStays, "/history", "only %q is known", HistoryStays)
	c.time(r.At, "/at")
	c.time(r.Expires, "/expires")
	c.need(r.Expires.After(r.At) && r.Expires.Sub(r.At) <= maxRelease, "/expires", "after at, by 90 days at most")
	return c.err
}

// SignRelease is for the owner, with the identity key.
func SignRelease(r Release, identityKey crypto.Signer) (string, error) {
	return sign(TypeRelease, r, identityKey)
}

// VerifyRelease is for the thing: it is claimed by owner, with a claim of a
// number, and to asks for it.
func VerifyRelease(compact string, thingKey ed25519.PublicKey, number uint64, owner, to *identity.Verified, now time.Time) error {
	u, r, err := read[Release](TypeRelease, compact)
	if err != nil {
		return err
	}
	if _, err := u.Verify(TypeRelease, owner.IdentityKey()); err != nil {
		return fmt.Errorf("%w: %w", ErrSigner, err)
	}
	switch {
	case r.Owner != owner.Address() || !bytes.Equal(r.ThingKey, thingKey) || r.Number != number:
		return fmt.Errorf("%w: the release is of another thing, owner or claim", ErrMismatch)
	case r.To != to.Address() || !bytes.Equal(r.ToIdentityKey, to.IdentityKey()):
		return fmt.Errorf("%w: the release is for another account", ErrAudience)
	case now.Before(r.At.Add(-skew)):
		return ErrNotYet
	case !now.Before(r.Expires):
		return ErrExpired
	}
	return nil
}
