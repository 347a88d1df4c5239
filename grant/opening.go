package grant

import (
	"crypto/ed25519"
	"fmt"

	"primum/internal/jws"
)

// Opening says which circle a grant is lived in. Signed by the grant key,
// which it names: the grantee knows the owner by that key alone.
type Opening struct {
	ID        string    `json:"id"`
	Grant     string    `json:"grant"`
	Circle    string    `json:"circle"`    // 32 hexadecimal digits
	Node      string    `json:"node"`      // authority
	AnchorKey jws.Bytes `json:"anchorKey"` // the anchor's leaf key in the circle
	Suite     uint16    `json:"suite"`     // MLS cipher suite
	// AnchorSuites are those of the anchor, the strongest first; none: suite 1.
	// With its own identity document a client judges by them whether Suite is
	// the strongest that both sides have.
	AnchorSuites []uint16  `json:"anchorSuites,omitempty"`
	GrantKey     jws.Bytes `json:"grantKey"`
}

func (o Opening) check() error {
	r := &rules{}
	r.id(o.ID, "/id")
	r.id(o.Grant, "/grant")
	r.circle(o.Circle, "/circle")
	r.authority(o.Node, "/node")
	r.key(o.AnchorKey, "/anchorKey")
	r.need(o.Suite != 0, "/suite", "missing")
	r.suites(o.AnchorSuites, o.Suite, "/anchorSuites")
	r.key(o.GrantKey, "/grantKey")
	return r.err
}

// SignOpening is for the moment of giving only; see New.
func SignOpening(o Opening, key ed25519.PrivateKey) (string, error) {
	return sign(TypeOpening, o, key)
}

// VerifyOpening reads an opening that the grant key signed.
func VerifyOpening(compact string, grantKey ed25519.PublicKey) (Opening, error) {
	o, err := verify[Opening](TypeOpening, compact, grantKey)
	if err == nil && !grantKey.Equal(ed25519.PublicKey(o.GrantKey)) {
		return Opening{}, fmt.Errorf("%w: the opening names another grant key", ErrMismatch)
	}
	return o, err
}

// Closing withdraws a grant. Signed by the grant key when the grant is given,
// kept in the home circle, used with a Countersignature. It never expires.
type Closing struct {
	ID      string `json:"id"`
	Grant   string `json:"grant"`
	Opening string `json:"opening"` // hash
}

func (c Closing) check() error {
	r := &rules{}
	r.id(c.ID, "/id")
	r.id(c.Grant, "/grant")
	r.hash(c.Opening, "/opening")
	return r.err
}

// SignClosing is for the moment of giving only; see New.
func SignClosing(c Closing, key ed25519.PrivateKey) (string, error) {
	return sign(TypeClosing, c, key)
}

// VerifyClosing reads a closing that the grant key signed.
func VerifyClosing(compact string, grantKey ed25519.PublicKey) (Closing, error) {
	return verify[Closing](TypeClosing, compact, grantKey)
}

// VerifyOffer is what a grantee's client does with terms and opening from its
// inbox: both signed by the grant key that the opening names, the terms naming
// this opening and this grantee (identity key me). Time is not judged.
func VerifyOffer(terms, opening string, me ed25519.PublicKey) (Terms, Opening, error) {
	_, unsure, err := read[Opening](TypeOpening, opening)
	if err != nil {
		return Terms{}, Opening{}, err
	}
	o, err := VerifyOpening(opening, ed25519.PublicKey(unsure.GrantKey))
	if err != nil {
		return Terms{}, Opening{}, err
	}
	t, err := VerifyTerms(terms, ed25519.PublicKey(o.GrantKey))
	if err != nil {
		return Terms{}, Opening{}, err
	}
	if t.ID != o.Grant || t.Opening != Hash(opening) {
		return Terms{}, Opening{}, fmt.Errorf("%w: the terms name another opening", ErrMismatch)
	}
	if !me.Equal(ed25519.PublicKey(t.Grantee.IdentityKey)) {
		return Terms{}, Opening{}, fmt.Errorf("%w: the terms name another grantee", ErrAudience)
	}
	return t, o, nil
}
