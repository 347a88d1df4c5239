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

// FreshFor is how old an envelope may be when an anchor takes its grant.
const FreshFor = 24 * time.Hour

// Envelope is the part of a grant that node and anchor know, and nobody else.
type Envelope struct {
	ID                 string           `json:"id"`
	Grant              string           `json:"grant"`
	Circle             string           `json:"circle"` // 32 hexadecimal digits
	Home               string           `json:"home"`   // home circle of the anchor, likewise
	Owner              identity.Address `json:"owner"`
	Client             string           `json:"client"` // of the owner; who signed
	Grantee            identity.Address `json:"grantee"`
	GranteeIdentityKey jws.Bytes        `json:"granteeIdentityKey"`
	GrantKey           jws.Bytes        `json:"grantKey"`
	OpeningHash        string           `json:"openingHash"`
	AnchorKey          jws.Bytes        `json:"anchorKey"`
	TermsHash          string           `json:"termsHash"`
	ValidFrom          time.Time        `json:"validFrom"`
	ValidUntil         time.Time        `json:"validUntil"`
	PurposeClass       string           `json:"purposeClass"` // top DPV class
	KGrant             jws.Bytes        `json:"kGrant"`       // 32 random bytes
	AskAgainAfter      Duration         `json:"askAgainAfter"`
	Retention          Duration         `json:"retention"`          // of ciphertext at the node
	Replaces           string           `json:"replaces,omitempty"` // grant id
	Issued             time.Time        `json:"issued"`
}

func (e Envelope) check() error {
	r := &rules{}
	r.id(e.ID, "/id")
	r.id(e.Grant, "/grant")
	r.circle(e.Circle, "/circle")
	r.circle(e.Home, "/home")
	r.account(e.Owner, "/owner")
	r.client(e.Client, "/client")
	r.account(e.Grantee, "/grantee")
	r.need(e.Grantee != e.Owner, "/grantee", "the owner")
	r.key(e.GranteeIdentityKey, "/granteeIdentityKey")
	r.key(e.GrantKey, "/grantKey")
	r.hash(e.OpeningHash, "/openingHash")
	r.key(e.AnchorKey, "/anchorKey")
	r.hash(e.TermsHash, "/termsHash")
	checkValid(r, Interval{e.ValidFrom, e.ValidUntil}, "/validUntil")
	r.need(IsPurpose(e.PurposeClass) && TopPurpose(e.PurposeClass) == e.PurposeClass, "/purposeClass", "not a top purpose of DPV 2.3")
	r.need(len(e.KGrant) == 32, "/kGrant", "not 32 bytes")
	r.need(e.AskAgainAfter >= 0, "/askAgainAfter", "negative")
	r.need(e.Retention >= 0, "/retention", "negative")
	if e.Replaces != "" {
		r.id(e.Replaces, "/replaces")
		r.need(e.Replaces != e.Grant, "/replaces", "the grant itself")
	}
	r.time(e.Issued, "/issued")
	return r.err
}

// SignEnvelope is for the owner's client that the envelope names; also for
// signing an older one again (set ID, Client and Issued).
func SignEnvelope(e Envelope, key crypto.Signer) (string, error) { return sign(TypeEnvelope, e, key) }

// UnverifiedEnvelope tells whose identity document VerifyEnvelope will need.
func UnverifiedEnvelope(compact string) (owner identity.Address, err error) {
	_, e, err := read[Envelope](TypeEnvelope, compact)
	return e.Owner, err
}

// VerifyEnvelope reads an envelope that a client of owner, the newest known
// identity document, signed. Time is not judged: see CheckFresh and ValidAt.
func VerifyEnvelope(compact string, owner *identity.Verified) (Envelope, error) {
	return verifyClient(TypeEnvelope, compact, owner, func(e Envelope) (identity.Address, string) {
		return e.Owner, e.Client
	})
}

// CheckFresh is the rule by which an anchor takes a new grant: the envelope was
// signed within the last 24 hours by a client of the identity document that is
// current at now, and that document is valid. ErrStale means: wait until a
// current client signs the envelope again.
func CheckFresh(e Envelope, owner *identity.Verified, now time.Time) error {
	if err := owner.ValidAt(now); err != nil {
		return fmt.Errorf("take grant: %w", err)
	}
	c, ok := owner.Client(e.Client)
	switch {
	case e.Owner != owner.Address() || !ok:
		return fmt.Errorf("%w: signed by %q, which is no client of %s now", ErrStale, e.Client, owner.Address())
	case e.Issued.After(now.Add(skew)):
		return fmt.Errorf("%w: the envelope was signed at %s, here it is %s", ErrNotYet,
			e.Issued.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case now.Sub(e.Issued) > FreshFor:
		return fmt.Errorf("%w: it was signed on %s", ErrStale, e.Issued.UTC().Format(time.RFC3339))
	case e.Issued.Add(skew).Before(c.Added):
		return fmt.Errorf("%w: signed before %q was a client", ErrStale, e.Client)
	}
	return nil
}

// ValidAt is nil inside the envelope's validity, else ErrNotYet or ErrExpired.
func (e Envelope) ValidAt(now time.Time) error {
	return Terms{Valid: Interval{e.ValidFrom, e.ValidUntil}}.ValidAt(now)
}

// VerifyGrant is what an anchor does: terms and opening are signed by the
// envelope's grant key, and the three say the same. e was verified before.
func VerifyGrant(e Envelope, terms, opening string) (Terms, Opening, error) {
	o, err := VerifyOpening(opening, ed25519.PublicKey(e.GrantKey))
	if err != nil {
		return Terms{}, Opening{}, err
	}
	t, err := VerifyTerms(terms, ed25519.PublicKey(e.GrantKey))
	if err != nil {
		return Terms{}, Opening{}, err
	}
	if what := e.differs(t, o, Hash(terms), Hash(opening)); what != "" {
		return Terms{}, Opening{}, fmt.Errorf("%w: %s differs from the envelope's", ErrMismatch, what)
	}
	return t, o, nil
}

// differs names the first thing that terms or opening say otherwise.
func (e Envelope) differs(t Terms, o Opening, termsHash, openingHash string) string {
	switch {
	case termsHash != e.TermsHash:
		return "hash of the terms"
	case openingHash != e.OpeningHash || t.Opening != openingHash:
		return "hash of the opening"
	case t.ID != e.Grant || o.Grant != e.Grant:
		return "grant id"
	case o.Circle != e.Circle:
		return "circle"
	case !bytes.Equal(o.AnchorKey, e.AnchorKey):
		return "anchor's key"
	case t.Grantee.Account != e.Grantee || !bytes.Equal(t.Grantee.IdentityKey, e.GranteeIdentityKey):
		return "grantee"
	case !t.Valid.From.Equal(e.ValidFrom) || !t.Valid.Until.Equal(e.ValidUntil):
		return "validity"
	case TopPurpose(t.Process.Purpose.Class) != e.PurposeClass:
		return "purpose class"
	case t.AskAgainAfter != e.AskAgainAfter:
		return "askAgainAfter"
	case t.Process.Storage.Retention != e.Retention:
		return "retention"
	case t.ReplacesGrant() != e.Replaces:
		return "grant it replaces"
	}
	return ""
}
