package member

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// Kinds of documents in an inbox.
const (
	LetterRequest = "request"
	LetterOffer   = "offer"
	LetterRefusal = "refusal"
	LetterHome    = "home"
	LetterNotice  = "notice" // kind of inbox item for the last two
)

// Letter is what travels sealed to an inbox.
type Letter struct {
	T       string `json:"t"`
	Request string `json:"request,omitempty"` // JWS, or the id that an offer answers
	Refusal string `json:"refusal,omitempty"`
	Terms   string `json:"terms,omitempty"`
	Opening string `json:"opening,omitempty"`
	// Owner is the owner's word that the terms are its own; absent where it is
	// pseudonymous.
	Owner string `json:"owner,omitempty"`
	// Whose is the owner's account, in an offer that another client of the own
	// account passes on; empty where it is pseudonymous.
	Whose            string `json:"whose,omitempty"`
	Claim            string `json:"claim,omitempty"`
	Countersignature string `json:"countersignature,omitempty"`
}

const (
	maxRequests   = 200 // that wait for an answer
	maxOffers     = 200 // of circles that nobody has let this client into yet
	maxOffersFrom = 20  // of those, from one account
)

// ParseLetter reads a document of an inbox, strictly.
func ParseLetter(b []byte) (l Letter, err error) {
	if len(b) > 4*grant.MaxSize {
		return l, errors.New("document is too large")
	}
	if err := jws.DecodeStrict(b, &l); err != nil {
		return l, err
	}
	switch l.T {
	case LetterRequest, LetterOffer, LetterRefusal, LetterHome:
		return l, nil
	}
	return l, fmt.Errorf("document %q is not known", core.Clip(l.T))
}

// Inbox takes an item of the inbox that the driver has opened: who sent it, its
// kind and the document. A repetition is no error. senderIdentity is the
// sender's newest identity document.
func (m *Member) Inbox(from, senderIdentity, kind string, document []byte) error {
	l, err := ParseLetter(document)
	if err != nil {
		return fmt.Errorf("read inbox item of %s: %w: %w", core.Clip(from), core.ErrRefused, err)
	}
	return m.Do(func() error {
		v, err := m.TakeIdentity(senderIdentity)
		if err != nil {
			return fmt.Errorf("read inbox item: %w", err)
		}
		if v.Address().String() != from {
			return fmt.Errorf("read inbox item: the identity document is not of %s: %w", core.Clip(from), core.ErrRefused)
		}
		switch l.T {
		case LetterRequest:
			err = m.requested(v, l)
		case LetterOffer:
			err = m.offered(v, l)
		case LetterRefusal:
			err = m.refused(v, l)
		case LetterHome:
			err = m.homeOffered(v, l)
		}
		if err != nil {
			return fmt.Errorf("read inbox item of %s: %w", core.Clip(from), err)
		}
		return nil
	})
}

func (m *Member) requested(from *identity.Verified, l Letter) error {
	q, err := grant.VerifyRequest(l.Request, from, m.Own().Address(), m.Now())
	if err != nil {
		return err
	}
	if _, ok := m.Mem.Requests[q.ID]; ok {
		return nil
	}
	if len(m.Mem.Requests) >= maxRequests {
		return fmt.Errorf("too many requests wait for an answer: %w", core.ErrFull)
	}
	account := from.Address().String()
	m.Mem.Requests[q.ID] = RequestInfo{ID: q.ID, From: account, Identity: from.Compact(), Document: l.Request, Received: m.Now(), Request: q}
	m.Touch(PartMember)
	m.Emit(core.Event{Kind: core.EventRequested, Account: account, Ref: q.ID, Document: l.Request})
	return nil
}

func (m *Member) refused(from *identity.Verified, l Letter) error {
	f, err := grant.VerifyRefusal(l.Refusal, from, m.Own().Address())
	if err != nil {
		return err
	}
	account := from.Address().String()
	if m.Mem.Asked[f.Request] != account {
		return nil // not asked, or refused already
	}
	delete(m.Mem.Asked, f.Request)
	m.Touch(PartMember)
	m.Emit(core.Event{Kind: core.EventRefused, Account: account, Ref: f.Request, Until: f.At.Add(f.AskAgainAfter.D())})
	return nil
}

// offered takes terms and opening: a circle to join. A Welcome that came earlier
// waits in the log.
func (m *Member) offered(from *identity.Verified, l Letter) error {
	terms, opening, err := grant.VerifyOffer(l.Terms, l.Opening, m.Own().IdentityKey())
	if err != nil {
		return err
	}
	circle, err := core.ParseID(opening.Circle)
	if err != nil {
		return err
	}
	switch {
	case terms.Grantee.Account != m.Own().Address():
		return fmt.Errorf("the terms name another account: %w", grant.ErrAudience)
	case m.Taken[terms.ID] != nil:
		return nil
	case m.Rooms[circle] != nil || m.GrantOf(circle) != nil:
		return fmt.Errorf("the circle is in use already: %w", core.ErrRefused)
	case !m.Now().Before(terms.Valid.Until):
		return fmt.Errorf("the grant ended on %s: %w", terms.Valid.Until.Format(time.RFC3339), grant.ErrExpired)
	}
	if err := m.judgeSuite(opening.Suite, opening.AnchorSuites, terms.Created, terms.MaxClients); err != nil {
		return err
	}
	sender := from.Address().String()
	if err := m.mayJoin(sender, opening.Node); err != nil {
		return err
	}
	g := &memberGrant{
		ID: terms.ID, Circle: circle, Node: opening.Node, Terms: l.Terms, Opening: l.Opening, Suite: opening.Suite, Request: l.Request,
		Sender: sender, State: grant.Given, At: m.Now(), terms: terms,
	}
	if g.Owner, err = m.ownerNamed(from, l); err != nil {
		return err
	}
	delete(m.Mem.Asked, l.Request)
	m.Touch(PartMember)
	m.Taken[g.ID] = g
	m.Put(g.part(), core.StoreJSON(g))
	m.joinLater(circle, g.ID, opening.Node, &core.MemberRoom{
		AnchorKey: opening.AnchorKey, Opening: jws.Hash(l.Opening), Suite: opening.Suite,
	})
	m.unlisted(circle, g.ID, opening.Suite)
	m.Emit(core.Event{Kind: core.EventOffered, Circle: circle, Grant: g.ID, Account: g.Owner, Ref: l.Request, Document: l.Terms})
	return nil
}

// mayJoin refuses what a stranger's offer must not do: to have this client
// connect to its own machine, or to very many nodes.
func (m *Member) mayJoin(sender, node string) error {
	if identity.IsLoopback(node) && !identity.IsLoopback(m.Own().Address().Authority) {
		return fmt.Errorf("the offer names a node on this machine: %w", core.ErrRefused)
	}
	if sender == m.Own().Address().String() {
		return nil // no stranger's: another own client passes it on
	}
	all, theirs := 0, 0
	for _, g := range m.Taken {
		if g.Joined || g.State != grant.Given || !m.Now().Before(g.terms.Valid.Until) {
			continue
		}
		all++
		if g.Sender == sender {
			theirs++
		}
	}
	if all >= maxOffers || theirs >= maxOffersFrom {
		return fmt.Errorf("too many offers wait for their circles: %w", core.ErrRefused)
	}
	return nil
}

// ownerNamed checks the owner's word that the terms are its own.
func (m *Member) ownerNamed(from *identity.Verified, l Letter) (string, error) {
	if from.Address() == m.Own().Address() {
		return l.Whose, nil // another own client has checked it
	}
	if l.Owner == "" {
		return "", nil
	}
	if _, err := grant.VerifyCountersignature(l.Owner, l.Terms, from); err != nil {
		return "", err
	}
	return from.Address().String(), nil
}

// joinLater subscribes to a circle whose Welcome is to come.
func (m *Member) joinLater(c core.ID, grantID, node string, mr *core.MemberRoom) *core.Room {
	r := &core.Room{RoomState: core.RoomState{ID: c, Grant: grantID, Node: node, Opened: true, Member: mr}}
	r.Config = m.config(r)
	m.AddRoom(r)
	return r
}

// homeOffered takes a home circle that another client of the own account lives
// in.
func (m *Member) homeOffered(from *identity.Verified, l Letter) error {
	if !m.HasHomes {
		return ErrNoHome
	}
	if from.Address() != m.Own().Address() {
		return fmt.Errorf("a home of another account: %w", grant.ErrAudience)
	}
	return m.TakeHome(l.Claim, l.Countersignature)
}

// TakeHome takes a claim that a present client of the own account countersigned,
// from whoever has it: this client waits to be let into that home circle.
func (m *Member) TakeHome(claim, countersignature string) error {
	c, err := grant.VerifyClaimed(claim, countersignature, m.Own())
	if err != nil {
		return err
	}
	circle, err := core.ParseID(c.Home)
	if err != nil {
		return err
	}
	if m.Rooms[circle] != nil {
		return nil
	}
	if err := m.judgeSuite(c.Suite, c.Suites, c.At, core.MaxRoster); err != nil {
		return err
	}
	if m.AddHome(circle, c, claim, countersignature) {
		m.unlisted(circle, "", c.Suite)
		m.Emit(core.Event{Kind: core.EventHome, Circle: circle, Thing: base64.RawURLEncoding.EncodeToString(c.ThingKey)})
	}
	return nil
}

// AddHome lives in a home unless a later claim of the same thing is known.
func (m *Member) AddHome(circle core.ID, c grant.Claim, claim, countersignature string) bool {
	for _, h := range m.Mem.Homes {
		if bytes.Equal(h.ThingKey, c.ThingKey) && h.Number >= c.Number {
			return false
		}
	}
	m.Mem.Homes[circle.String()] = &OwnedHome{
		Circle: circle, Number: c.Number, Node: c.Node, ThingKey: c.ThingKey, AnchorKey: c.AnchorKey,
		Claim: claim, Countersignature: countersignature,
	}
	m.Touch(PartMember)
	r := m.joinLater(circle, "", c.Node, &core.MemberRoom{
		AnchorKey: c.AnchorKey, Opening: jws.Hash(claim), Suite: c.Suite,
	})
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
	err = m.Do(func() error {
		v, err := m.TakeIdentity(p.Recipient)
		if err != nil {
			return fmt.Errorf("ask for a grant: %w", err)
		}
		q := p.Request
		if q.ID, err = identity.NewID(m.Rand, m.Now()); err != nil {
			return err
		}
		now := m.Now().Truncate(time.Second)
		q.From, q.Client, q.To, q.Issued = m.Own().Address(), m.Mem.Client, v.Address(), now
		if q.Expires.IsZero() {
			q.Expires = now.Add(InboxExpires)
		}
		doc, err := grant.SignRequest(q, m.Signer)
		if err != nil {
			return fmt.Errorf("ask for a grant: %w", err)
		}
		m.Mem.Asked[q.ID] = v.Address().String()
		m.Touch(PartMember)
		m.post(v, LetterRequest, Letter{T: LetterRequest, Request: doc}, q.Expires, q.ID)
		request = q.ID
		return nil
	})
	return request, err
}

// Post sends a letter to an inbox.
func (m *Member) Post(to *identity.Verified, kind string, l Letter, expires time.Time) {
	m.post(to, kind, l, expires, "")
}

// post sends a letter; request is its id where it is a request.
func (m *Member) post(to *identity.Verified, kind string, l Letter, expires time.Time, request string) {
	b, err := json.Marshal(l)
	if err != nil {
		m.Log.Error("write letter", "error", err)
		return
	}
	m.Send(core.Effect{
		Kind: core.EffectSendInbox, Account: to.Address().String(), InboxKind: kind, Request: request,
		Document: b, Identity: to.Compact(), Expires: expires,
	})
}

// Countersign signs under a document, with a fresh nonce.
func (m *Member) Countersign(document string) (compact string, nonce []byte, err error) {
	if nonce, err = m.Random(16); err != nil {
		return "", nil, err
	}
	id, err := identity.NewID(m.Rand, m.Now())
	if err != nil {
		return "", nil, err
	}
	compact, err = grant.SignCountersignature(grant.Countersignature{
		ID: id, Account: m.Own().Address(), Client: m.Mem.Client, Hash: grant.Hash(document), At: m.Now().Truncate(time.Second), Nonce: nonce,
	}, m.Signer)
	return compact, nonce, err
}

// OpenRequests are requests that wait, oldest first.
func (m *Member) OpenRequests() []RequestInfo {
	out := make([]RequestInfo, 0, len(m.Mem.Requests))
	for _, id := range core.SortedKeys(m.Mem.Requests) {
		if q := m.Mem.Requests[id]; m.Now().Before(q.Request.Expires) {
			out = append(out, q)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Received.Before(out[j].Received) })
	return out
}

func SameKey(a, b []byte) bool { return ed25519.PublicKey(a).Equal(ed25519.PublicKey(b)) }
