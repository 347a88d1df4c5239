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

// Claim is opening number n of a home circle: the thing's word whose it is.
// Signed by the thing's key, which it names; effective with a Countersignature
// of a client of the owner.
type Claim struct {
	ID               string           `json:"id"`
	Number           uint64           `json:"number"` // from 1; n+1 after a restore
	ThingKey         jws.Bytes        `json:"thingKey"`
	Home             string           `json:"home"` // home circle, 32 hexadecimal digits
	Node             string           `json:"node"` // authority
	AnchorKey        jws.Bytes        `json:"anchorKey"`
	Suite            uint16           `json:"suite"`
	Suites           []uint16         `json:"suites,omitempty"` // of the thing, the strongest first; none: suite 1
	Owner            identity.Address `json:"owner"`
	OwnerIdentityKey jws.Bytes        `json:"ownerIdentityKey"`
	KeyPackage       string           `json:"keyPackage"` // hash of the first client's
	Nonce            jws.Bytes        `json:"nonce"`      // the client's
	At               time.Time        `json:"at"`
}

func (c Claim) check() error {
	r := &rules{}
	r.id(c.ID, "/id")
	r.need(c.Number > 0, "/number", "numbers begin at 1")
	r.key(c.ThingKey, "/thingKey")
	r.circle(c.Home, "/home")
	r.authority(c.Node, "/node")
	r.key(c.AnchorKey, "/anchorKey")
	r.need(c.Suite != 0, "/suite", "missing")
	r.suites(c.Suites, c.Suite, "/suites")
	r.account(c.Owner, "/owner")
	r.key(c.OwnerIdentityKey, "/ownerIdentityKey")
	r.hash(c.KeyPackage, "/keyPackage")
	r.nonce(c.Nonce, "/nonce")
	r.time(c.At, "/at")
	return r.err
}

// SignClaim is for the thing.
func SignClaim(c Claim, thingKey crypto.Signer) (string, error) { return sign(TypeClaim, c, thingKey) }

// VerifyClaim reads a claim signed by the thing key that it names. The caller
// compares ThingKey with the one it knows (the printed fingerprint, the claim
// before), Nonce and audience with its own.
func VerifyClaim(compact string) (Claim, error) {
	u, c, err := read[Claim](TypeClaim, compact)
	if err != nil {
		return Claim{}, err
	}
	if _, err := u.Verify(TypeClaim, ed25519.PublicKey(c.ThingKey)); err != nil {
		return Claim{}, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return c, nil
}

// VerifyClaimed is VerifyClaim with the owner's yes: what a node asks before
// it opens a home circle, and a thing before it acts.
func VerifyClaimed(claim, countersignature string, owner *identity.Verified) (Claim, error) {
	c, err := VerifyClaim(claim)
	if err != nil {
		return Claim{}, err
	}
	if c.Owner != owner.Address() || !bytes.Equal(c.OwnerIdentityKey, owner.IdentityKey()) {
		return Claim{}, fmt.Errorf("%w: the claim names another owner", ErrMismatch)
	}
	if _, err := VerifyCountersignature(countersignature, claim, owner); err != nil {
		return Claim{}, err
	}
	return c, nil
}

// Active is an anchor's list of the grants it lives, for a node that was
// restored. Signed by the anchor's leaf key of the home circle.
type Active struct {
	ID     string        `json:"id"`
	Home   string        `json:"home"`
	Grants []ActiveGrant `json:"grants"`
	At     time.Time     `json:"at"`
}

// ActiveGrant is one entry of an active set.
type ActiveGrant struct {
	Grant   string `json:"grant"`
	Opening string `json:"opening"` // hash
	Circle  string `json:"circle"`
}

// maxActive bounds an active set; it fits MaxSize.
const maxActive = 256

func (a Active) check() error {
	r := &rules{}
	r.id(a.ID, "/id")
	r.circle(a.Home, "/home")
	r.time(a.At, "/at")
	r.need(len(a.Grants) <= maxActive, "/grants", "more than %d", maxActive)
	for i, g := range a.Grants {
		at := fmt.Sprintf("/grants/%d", i)
		r.id(g.Grant, at+"/grant")
		r.hash(g.Opening, at+"/opening")
		r.circle(g.Circle, at+"/circle")
	}
	return r.err
}

// SignActive is for the anchor.
func SignActive(a Active, homeLeaf crypto.Signer) (string, error) {
	return sign(TypeActive, a, homeLeaf)
}

// VerifyActive reads an active set of this home, made at most a day ago, by
// its anchor's leaf key.
func VerifyActive(compact, home string, homeLeaf ed25519.PublicKey, now time.Time) (Active, error) {
	a, err := verify[Active](TypeActive, compact, homeLeaf)
	if err != nil {
		return Active{}, err
	}
	if a.Home != home {
		return Active{}, fmt.Errorf("%w: the active set is of another home circle", ErrMismatch)
	}
	if err := within(a.At, a.At.Add(FreshFor), now); err != nil {
		return Active{}, err
	}
	return a, nil
}
