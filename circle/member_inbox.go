package circle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// Kinds of documents in an inbox.
const (
	letterRequest = "request"
	letterOffer   = "offer"
	letterRefusal = "refusal"
	letterHome    = "home"
)

// letter is what travels sealed to an inbox.
type letter struct {
	T       string `json:"t"`
	Request string `json:"request,omitempty"` // JWS, or the id that an offer answers
	Refusal string `json:"refusal,omitempty"`
	Terms   string `json:"terms,omitempty"`
	Opening string `json:"opening,omitempty"`
	// Owner is the owner's word that the terms are its own; absent where it is
	// pseudonymous.
	Owner            string `json:"owner,omitempty"`
	Claim            string `json:"claim,omitempty"`
	Countersignature string `json:"countersignature,omitempty"`
}

const maxRequests = 200 // that wait for an answer

// parseLetter reads a document of an inbox, strictly.
func parseLetter(b []byte) (l letter, err error) {
	if len(b) > 4*grant.MaxSize {
		return l, errors.New("document is too large")
	}
	if err := jws.DecodeStrict(b, &l); err != nil {
		return l, err
	}
	switch l.T {
	case letterRequest, letterOffer, letterRefusal, letterHome:
		return l, nil
	}
	return l, fmt.Errorf("document %q is not known", clip(l.T))
}

// Inbox takes an item of the inbox that the driver has opened: who sent it, its
// kind and the document. A repetition is no error. senderIdentity is the
// sender's newest identity document.
func (m *Member) Inbox(from, senderIdentity, kind string, document []byte) error {
	l, err := parseLetter(document)
	if err != nil {
		return fmt.Errorf("read inbox item of %s: %w: %w", clip(from), ErrRefused, err)
	}
	return m.do(func() error {
		v, err := m.takeIdentity(senderIdentity)
		if err != nil {
			return fmt.Errorf("read inbox item: %w", err)
		}
		if v.Address().String() != from {
			return fmt.Errorf("read inbox item: the identity document is not of %s: %w", clip(from), ErrRefused)
		}
		switch l.T {
		case letterRequest:
			err = m.requested(v, l)
		case letterOffer:
			err = m.offered(v, l)
		case letterRefusal:
			err = m.refused(v, l)
		case letterHome:
			err = m.homeOffered(v, l)
		}
		if err != nil {
			return fmt.Errorf("read inbox item of %s: %w", clip(from), err)
		}
		return nil
	})
}

func (m *Member) requested(from *identity.Verified, l letter) error {
	q, err := grant.VerifyRequest(l.Request, from, m.own().Address(), m.now())
	if err != nil {
		return err
	}
	if _, ok := m.ms.Requests[q.ID]; ok {
		return nil
	}
	if len(m.ms.Requests) >= maxRequests {
		return fmt.Errorf("too many requests wait for an answer: %w", ErrFull)
	}
	account := from.Address().String()
	m.ms.Requests[q.ID] = RequestInfo{ID: q.ID, From: account, Identity: from.Compact(), Document: l.Request, Received: m.now(), Request: q}
	m.touch(partMember)
	m.emit(Event{Kind: EventRequested, Account: account, Ref: q.ID, Document: l.Request})
	return nil
}

func (m *Member) refused(from *identity.Verified, l letter) error {
	f, err := grant.VerifyRefusal(l.Refusal, from, m.own().Address())
	if err != nil {
		return err
	}
	account := from.Address().String()
	if m.ms.Asked[f.Request] != account {
		return nil // not asked, or refused already
	}
	delete(m.ms.Asked, f.Request)
	m.touch(partMember)
	m.emit(Event{Kind: EventRefused, Account: account, Ref: f.Request, Until: f.At.Add(f.AskAgainAfter.D())})
	return nil
}

// offered takes terms and opening: a circle to join. A Welcome that came earlier
// waits in the log.
func (m *Member) offered(from *identity.Verified, l letter) error {
	terms, opening, err := grant.VerifyOffer(l.Terms, l.Opening, m.own().IdentityKey())
	if err != nil {
		return err
	}
	circle, err := ParseID(opening.Circle)
	if err != nil {
		return err
	}
	switch {
	case terms.Grantee.Account != m.own().Address():
		return fmt.Errorf("the terms name another account: %w", grant.ErrAudience)
	case opening.Suite != uint16(suite):
		return fmt.Errorf("the opening names cipher suite %d: %w", opening.Suite, ErrRefused)
	case m.taken[terms.ID] != nil:
		return nil
	case m.rooms[circle] != nil || m.grantOf(circle) != nil:
		return fmt.Errorf("the circle is in use already: %w", ErrRefused)
	case !m.now().Before(terms.Valid.Until):
		return fmt.Errorf("the grant ended on %s: %w", terms.Valid.Until.Format(time.RFC3339), grant.ErrExpired)
	}
	g := &memberGrant{
		ID: terms.ID, Circle: circle, Node: opening.Node, Terms: l.Terms, Opening: l.Opening, Request: l.Request,
		State: grant.Given, At: m.now(), terms: terms,
	}
	if g.Owner, err = m.ownerNamed(from, l); err != nil {
		return err
	}
	delete(m.ms.Asked, l.Request)
	m.touch(partMember)
	m.taken[g.ID] = g
	m.put(g.part(), jsonPart{g})
	m.joinLater(circle, g.ID, opening.Node, &memberRoom{AnchorKey: opening.AnchorKey, Opening: jws.Hash(l.Opening)})
	m.emit(Event{Kind: EventOffered, Circle: circle, Grant: g.ID, Account: g.Owner, Ref: l.Request, Document: l.Terms})
	return nil
}

// ownerNamed checks the owner's word that the terms are its own.
func (m *Member) ownerNamed(from *identity.Verified, l letter) (string, error) {
	if l.Owner == "" {
		return "", nil
	}
	if _, err := grant.VerifyCountersignature(l.Owner, l.Terms, from); err != nil {
		return "", err
	}
	return from.Address().String(), nil
}

// joinLater subscribes to a circle whose Welcome is to come.
func (m *Member) joinLater(c ID, grantID, node string, mr *memberRoom) *room {
	r := &room{roomState: roomState{ID: c, Grant: grantID, Node: node, Opened: true, Member: mr}}
	r.config = m.config(r)
	m.addRoom(r)
	return r
}

// homeOffered takes a home circle that another client of the own account lives
// in.
func (m *Member) homeOffered(from *identity.Verified, l letter) error {
	own := m.own()
	if _, ok := m.role.(*Owner); !ok {
		return errNoHome
	}
	if from.Address() != own.Address() {
		return fmt.Errorf("a home of another account: %w", grant.ErrAudience)
	}
	c, err := grant.VerifyClaimed(l.Claim, l.Countersignature, own)
	if err != nil {
		return err
	}
	circle, err := ParseID(c.Home)
	if err != nil {
		return err
	}
	if m.rooms[circle] != nil {
		return nil
	}
	if m.addHome(circle, c, l.Claim, l.Countersignature) {
		m.emit(Event{Kind: EventHome, Circle: circle, Thing: base64.RawURLEncoding.EncodeToString(c.ThingKey)})
	}
	return nil
}

// addHome lives in a home unless a later claim of the same thing is known.
func (m *Member) addHome(circle ID, c grant.Claim, claim, countersignature string) bool {
	for _, h := range m.ms.Homes {
		if bytes.Equal(h.ThingKey, c.ThingKey) && h.Number >= c.Number {
			return false
		}
	}
	m.ms.Homes[circle.String()] = &ownedHome{
		Circle: circle, Number: c.Number, Node: c.Node, ThingKey: c.ThingKey, AnchorKey: c.AnchorKey,
		Claim: claim, Countersignature: countersignature,
	}
	m.touch(partMember)
	r := m.joinLater(circle, "", c.Node, &memberRoom{AnchorKey: c.AnchorKey, Opening: jws.Hash(claim)})
	r.Home = true
	return true
}

// AskParams is what a grantee asks for.
type AskParams struct {
	Recipient string // identity document of who is asked
	// Request says what; ID, From, Client, To and Issued are filled in, and
	// Expires (7 days) when it is zero.
	Request grant.Request
}

// Ask sends a request to an owner's inbox; the id comes back in EventRefused,
// and the offer that answers it names it.
func (m *Member) Ask(p AskParams) (request string, err error) {
	err = m.do(func() error {
		v, err := m.takeIdentity(p.Recipient)
		if err != nil {
			return fmt.Errorf("ask for a grant: %w", err)
		}
		q := p.Request
		if q.ID, err = identity.NewID(m.rand, m.now()); err != nil {
			return err
		}
		now := m.now().Truncate(time.Second)
		q.From, q.Client, q.To, q.Issued = m.own().Address(), m.ms.Client, v.Address(), now
		if q.Expires.IsZero() {
			q.Expires = now.Add(inboxExpires)
		}
		doc, err := grant.SignRequest(q, m.signer)
		if err != nil {
			return fmt.Errorf("ask for a grant: %w", err)
		}
		m.ms.Asked[q.ID] = v.Address().String()
		m.touch(partMember)
		m.post(v, letterRequest, letter{T: letterRequest, Request: doc}, q.Expires)
		request = q.ID
		return nil
	})
	return request, err
}

// post sends a letter to an inbox.
func (m *Member) post(to *identity.Verified, kind string, l letter, expires time.Time) {
	b, err := json.Marshal(l)
	if err != nil {
		m.log.Error("write letter", "error", err)
		return
	}
	m.send(Effect{
		Kind: EffectSendInbox, Account: to.Address().String(), InboxKind: kind, Document: b, Identity: to.Compact(), Expires: expires,
	})
}

// countersign signs under a document, with a fresh nonce.
func (m *Member) countersign(document string) (compact string, nonce []byte, err error) {
	if nonce, err = m.random(16); err != nil {
		return "", nil, err
	}
	id, err := identity.NewID(m.rand, m.now())
	if err != nil {
		return "", nil, err
	}
	compact, err = grant.SignCountersignature(grant.Countersignature{
		ID: id, Account: m.own().Address(), Client: m.ms.Client, Hash: grant.Hash(document), At: m.now().Truncate(time.Second), Nonce: nonce,
	}, m.signer)
	return compact, nonce, err
}

// openRequests are requests that wait, oldest first.
func (m *Member) openRequests() []RequestInfo {
	out := make([]RequestInfo, 0, len(m.ms.Requests))
	for _, id := range sortedKeys(m.ms.Requests) {
		if q := m.ms.Requests[id]; m.now().Before(q.Request.Expires) {
			out = append(out, q)
		}
	}
	slices.SortStableFunc(out, func(a, b RequestInfo) int { return a.Received.Compare(b.Received) })
	return out
}

func sameKey(a, b []byte) bool { return ed25519.PublicKey(a).Equal(ed25519.PublicKey(b)) }
