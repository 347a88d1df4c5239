package guest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"primum/identity"
	"primum/internal/wire"
)

// Owner is the side that made the link. It is a value: what it learns is kept
// by the caller.
type Owner struct {
	Link
	Self    Party
	Expires time.Time // of the link; whole seconds
}

// Offer is the owner's first step.
func (o Owner) Offer() (wire.NewLink, error) {
	if err := o.Self.check(); err != nil {
		return wire.NewLink{}, err
	}
	pass, err := o.Pass()
	if err != nil {
		return wire.NewLink{}, err
	}
	door := sha256.Sum256(pass)
	c := o.commitment(o.Self)
	m, err := o.offerMAC(o.Self.Account.String(), o.Expires, c)
	return wire.NewLink{Expires: o.Expires.UTC().Truncate(time.Second), Door: door[:], Commitment: c, MAC: m}, err
}

// Met is who came.
type Met struct {
	Document *identity.Verified
	Nonce    []byte
	Words    string
}

// Meet checks the guest's answer, and makes the words and what the owner
// reveals then. The caller must keep the first answer on disk before it reveals
// anything, and must meet nobody else by this link: a second guess needs a
// second link. Errors: ErrForged.
func (o Owner) Meet(s wire.LinkStatus) (Met, wire.LinkReveal, error) {
	_, account, err := o.sameStatus(s)
	if err != nil {
		return Met{}, wire.LinkReveal{}, err
	}
	if s.Answer == nil {
		return Met{}, wire.LinkReveal{}, fmt.Errorf("%w: there is no answer", ErrForged)
	}
	doc, err := guestDocument(s.Answer.Identity, account)
	if err != nil {
		return Met{}, wire.LinkReveal{}, err
	}
	guest := Party{Account: account, Key: doc.IdentityKey(), Nonce: s.Answer.Nonce}
	if err := guest.check(); err != nil {
		return Met{}, wire.LinkReveal{}, err
	}
	want, err := o.answerMAC(o.commitment(o.Self), guest)
	if err != nil {
		return Met{}, wire.LinkReveal{}, err
	}
	if !hmac.Equal(want, doc.Document().Link) {
		return Met{}, wire.LinkReveal{}, fmt.Errorf("%w: whoever answered has not got the link", ErrForged)
	}
	return o.met(doc, guest)
}

func (o Owner) met(doc *identity.Verified, guest Party) (m Met, r wire.LinkReveal, err error) {
	m = Met{Document: doc, Nonce: guest.Nonce}
	if m.Words, err = o.Words(o.Self, guest); err != nil {
		return m, r, err
	}
	r = wire.LinkReveal{Nonce: o.Self.Nonce, IdentityKey: o.Self.Key}
	r.MAC, err = o.revealMAC(o.Self, guest)
	return m, r, err
}

// guestDocument takes the first document of a link's guest.
func guestDocument(compact string, account identity.Address) (*identity.Verified, error) {
	doc, err := identity.First(compact)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if err := CheckDocument(doc, account); err != nil {
		return nil, err
	}
	if doc.Version() != 1 {
		return nil, fmt.Errorf("%w: its identity document is not the first one", ErrForged)
	}
	return doc, nil
}

// CheckDocument tells whether an identity document is one of a link's guest: a
// person of that account with one client and a MAC.
func CheckDocument(doc *identity.Verified, account identity.Address) error {
	d := doc.Document()
	if d.Address != account || d.Kind != identity.Person || len(d.Clients) != 1 || len(d.Link) == 0 {
		return fmt.Errorf("%w: its identity document is not that of a guest", ErrForged)
	}
	return nil
}

// Visitor is the guest's side. It is a value, too.
type Visitor struct {
	Link
	Self Party
	// Owner, Commitment: as first shown.
	Owner      identity.Address
	Commitment []byte
}

// Look checks the owner's offer, before the guest shows anything. Self is to be
// filled in then, with the account that Look returned. Errors: ErrForged.
func Look(l Link, s wire.LinkStatus) (Visitor, error) {
	owner, account, err := l.sameStatus(s)
	if err != nil {
		return Visitor{}, err
	}
	if len(s.Commitment) != sha256.Size {
		return Visitor{}, fmt.Errorf("%w: there is no commitment", ErrForged)
	}
	want, err := l.offerMAC(s.Owner, s.Expires, s.Commitment)
	if err != nil {
		return Visitor{}, err
	}
	if !hmac.Equal(want, s.MAC) {
		return Visitor{}, fmt.Errorf("%w: the link's secret does not fit to it", ErrForged)
	}
	return Visitor{Link: l, Self: Party{Account: account}, Owner: owner, Commitment: s.Commitment}, nil
}

// Mark is the MAC that goes into the guest's identity document.
func (v Visitor) Mark() ([]byte, error) {
	if err := v.Self.check(); err != nil {
		return nil, err
	}
	return v.answerMAC(v.Commitment, v.Self)
}

// Answer is the guest's step, with the identity document that carries Mark.
func (v Visitor) Answer(document string) (wire.LinkAnswer, error) {
	pass, err := v.Pass()
	return wire.LinkAnswer{Pass: pass, Identity: document, Nonce: v.Self.Nonce}, err
}

// Compare checks what the owner revealed and makes the words. key is the
// identity key that the owner's account must show, now and later. Errors:
// ErrForged, ErrChanged.
func (v Visitor) Compare(s wire.LinkStatus) (words string, key []byte, err error) {
	owner, _, err := v.sameStatus(s)
	if err != nil {
		return "", nil, err
	}
	if owner != v.Owner || !bytes.Equal(s.Commitment, v.Commitment) {
		return "", nil, ErrChanged
	}
	if s.Reveal == nil {
		return "", nil, fmt.Errorf("%w: nothing is revealed", ErrForged)
	}
	o := Party{Account: owner, Key: s.Reveal.IdentityKey, Nonce: s.Reveal.Nonce}
	if err := o.check(); err != nil {
		return "", nil, err
	}
	want, err := v.revealMAC(o, v.Self)
	if err != nil {
		return "", nil, err
	}
	if !hmac.Equal(want, s.Reveal.MAC) || !hmac.Equal(v.commitment(o), v.Commitment) {
		return "", nil, fmt.Errorf("%w: it opens another commitment", ErrForged)
	}
	words, err = v.Words(o, v.Self)
	return words, o.Key, err
}
