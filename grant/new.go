package grant

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

// Params is what an owner's client decides when it gives.
type Params struct {
	Rand io.Reader // nil: crypto/rand
	Now  time.Time

	Owner  identity.Address
	Client string        // the owner's client that signs the envelope
	Signer crypto.Signer // its key

	Grantee Grantee
	Node    string // authority of the circle's node
	// Home, Circle and AnchorKey come from the home circle: the anchor's stock.
	Home      string
	Circle    string
	AnchorKey ed25519.PublicKey
	Suite     uint16
	// AnchorSuites likewise; none: suite 1.
	AnchorSuites []uint16

	Valid    Interval // From zero: Now
	Replaces string   // grant id, or ""
	Shares   []Share
	Purpose  Purpose
	Service  string // "": a share between people
	Country  string // two letters, or "" when unknown
	// Controller is the grantee unless set.
	Controller     Party
	Notice         Notice // no text: made from the terms, in English
	PersonalData   []string
	Pseudonymous   bool     // the grantee doesn't learn the owner's name
	MaxClients     int      // 0: 8
	Bucket         int      // 0: 256
	Lease          Duration // 0: 30 days
	Retention      Duration // 0: 30 days
	DeletesWithin  Duration // 0: 30 days
	AskAgainAfter  Duration // 0: 90 days
	Conditionality *Conditionality
}

// Share is one thing to share, named as the home circle names it.
type Share struct {
	Thing       string // id of the thing; never leaves the home circle
	Title       string // what the grantee shall call it
	Actions     []string
	Affordances []string
	Precision   Precision
	Input       *Input // what the one affordance takes; may be nil
}

// Signed is a grant ready to be sent: Envelope to the node, all four through
// the home circle to the anchor, Terms and Opening to the grantee. Closing
// stays in the home circle until it is needed.
type Signed struct {
	Grant    string // id
	Terms    string
	Opening  string
	Closing  string
	Envelope string
}

// New signs a grant: it makes the grant key, signs opening, terms and closing
// with it, and erases it; the owner's client signs the envelope. Every
// identifier in it is fresh, so that two grants share none (P7).
func New(p Params) (Signed, error) {
	if p.Rand == nil {
		p.Rand = rand.Reader
	}
	m := &maker{Params: p, random: p.Rand}
	m.prepare()
	defer clear(m.key) // the seed: nobody can forge this grant later
	t, e := m.terms(), m.envelope()
	if m.err != nil {
		return Signed{}, fmt.Errorf("make grant: %w", m.err)
	}
	s, err := m.sign(t, e)
	if err != nil {
		return Signed{}, fmt.Errorf("make grant: %w", err)
	}
	return s, nil
}

// maker gathers what New needs; the first error is kept.
type maker struct {
	Params
	random io.Reader
	grant  string
	key    ed25519.PrivateKey
	public ed25519.PublicKey
	kGrant []byte
	err    error
}

func (m *maker) prepare() {
	m.Now = m.Now.UTC().Truncate(time.Second)
	if m.Valid.From.IsZero() {
		m.Valid.From = m.Now
	}
	m.Valid = Interval{m.Valid.From.UTC().Truncate(time.Second), m.Valid.Until.UTC().Truncate(time.Second)}
	m.grant = m.id()
	m.kGrant = m.bytes(32)
	seed := m.bytes(ed25519.SeedSize)
	m.key = ed25519.NewKeyFromSeed(seed)
	clear(seed)
	m.public = m.key.Public().(ed25519.PublicKey)
	m.MaxClients = orElse(m.MaxClients, DefaultMaxClients)
	m.Bucket = orElse(m.Bucket, DefaultBucket)
	m.Lease = orElse(m.Lease, DefaultLease)
	m.Retention = orElse(m.Retention, DefaultRetention)
	m.DeletesWithin = orElse(m.DeletesWithin, DefaultRetention)
	m.AskAgainAfter = orElse(m.AskAgainAfter, DefaultAskAgainAfter)
	m.Service = orElse(m.Service, "sharing between people")
	m.Controller = orElse(m.Controller, Party{ID: acct + m.Grantee.Account.String(), Name: m.Grantee.Name})
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(m.random, b); err != nil && m.err == nil {
		m.err = err
	}
	return b
}

func (m *maker) id() string {
	id, err := identity.NewID(m.random, m.Now)
	if err != nil && m.err == nil {
		m.err = err
	}
	return id
}

func (m *maker) terms() Terms {
	t := Terms{
		URN: urnUUID + m.grant, Type: recordType, ID: m.grant, Created: m.Now, Valid: m.Valid,
		DataSubject: subjectURN + hex.EncodeToString(m.bytes(16)),
		Controller:  m.Controller, LegalBasis: LegalBasisConsent,
		Grantee: m.Grantee, Owner: OwnerNamed,
		MaxClients: m.MaxClients, Bucket: m.Bucket, Lease: m.Lease, Conditionality: m.Conditionality,
		OnWithdrawal:  OnWithdrawal{EffectWithin: EffectWithin, GranteeDeletesWithin: m.DeletesWithin},
		AskAgainAfter: m.AskAgainAfter,
	}
	if m.Replaces != "" {
		t.Replaces = urnUUID + m.Replaces
	}
	if m.Country != "" {
		t.Jurisdiction = "loc:" + m.Country
	}
	if m.Pseudonymous {
		t.Owner = OwnerPseudonymous
	}
	t.Details, t.Process = m.details(), m.process()
	if t.Notice = m.Notice; t.Notice.Text == "" {
		t.Notice = NewNotice("en", noticeText(t))
	}
	return t
}

func (m *maker) details() []Detail {
	var all []Detail
	for _, s := range m.Shares {
		all = append(all, Detail{
			Type: DetailType, Identifier: ThingPseudonym(m.kGrant, s.Thing), Title: s.Title,
			Actions: slices.Clone(s.Actions), Datatypes: slices.Clone(s.Affordances), Precision: s.Precision, Input: s.Input,
		})
	}
	return all
}

func (m *maker) process() Process {
	data := slices.Clone(m.PersonalData)
	if len(data) == 0 {
		for _, s := range m.Shares {
			data = append(data, s.Affordances...)
		}
		slices.Sort(data)
		data = slices.Compact(data)
	}
	return Process{
		Service: m.Service, Purpose: m.Purpose, Processing: []string{"dpv:Collect", "dpv:Use"},
		PersonalData: data, Recipients: []Party{{ID: acct + m.Grantee.Account.String(), Name: m.Grantee.Name}},
		Storage: Storage{Retention: m.Retention},
	}
}

func (m *maker) envelope() Envelope {
	return Envelope{
		ID: m.id(), Grant: m.grant, Circle: m.Circle, Home: m.Home, Owner: m.Owner, Client: m.Client,
		Grantee: m.Grantee.Account, GranteeIdentityKey: m.Grantee.IdentityKey, GrantKey: jws.Bytes(m.public),
		AnchorKey: jws.Bytes(m.AnchorKey), ValidFrom: m.Valid.From, ValidUntil: m.Valid.Until,
		PurposeClass: TopPurpose(m.Purpose.Class), KGrant: m.kGrant, AskAgainAfter: m.AskAgainAfter,
		Retention: m.Retention, Replaces: m.Replaces, Issued: m.Now,
	}
}

func (m *maker) sign(t Terms, e Envelope) (s Signed, err error) {
	s.Grant = m.grant
	s.Opening, err = SignOpening(Opening{
		ID: m.id(), Grant: m.grant, Circle: m.Circle, Node: m.Node,
		AnchorKey: jws.Bytes(m.AnchorKey), Suite: m.Suite, AnchorSuites: m.AnchorSuites, GrantKey: jws.Bytes(m.public),
	}, m.key)
	if err != nil {
		return Signed{}, err
	}
	e.OpeningHash = Hash(s.Opening)
	t.Opening = e.OpeningHash
	if s.Terms, err = SignTerms(t, m.key); err != nil {
		return Signed{}, err
	}
	e.TermsHash = Hash(s.Terms)
	if s.Closing, err = SignClosing(Closing{ID: m.id(), Grant: m.grant, Opening: e.OpeningHash}, m.key); err != nil {
		return Signed{}, err
	}
	if m.err != nil {
		return Signed{}, m.err
	}
	s.Envelope, err = SignEnvelope(e, m.Signer)
	return s, err
}

// noticeText is the English notice of terms: the lines that were shown.
func noticeText(t Terms) string {
	text := ""
	for i, line := range Lines(t, time.UTC) {
		if i > 0 {
			text += "\n"
		}
		text += line
	}
	return text
}

// ThingPseudonym is a thing's name in one grant's terms: HMAC-SHA-256 under
// the grant's k_grant, which owner, anchor and node know and the grantee does
// not. The anchor finds the thing by trying its own; a grantee can't join two.
func ThingPseudonym(kGrant []byte, thing string) string {
	mac := hmac.New(sha256.New, kGrant)
	mac.Write([]byte("primum thing\x00" + thing))
	return thingURN + hex.EncodeToString(mac.Sum(nil)[:16])
}
