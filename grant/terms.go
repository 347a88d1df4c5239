package grant

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

// W3C WoT operations that a grant can allow.
const (
	OpRead      = "readproperty"
	OpWrite     = "writeproperty"
	OpObserve   = "observeproperty"
	OpInvoke    = "invokeaction"
	OpSubscribe = "subscribeevent"
)

// Limits and defaults of terms.
const (
	MaxClientsLimit      = 63
	DefaultMaxClients    = 8
	DefaultBucket        = 256
	DefaultAskAgainAfter = 90 * Day
	DefaultLease         = 30 * Day // silence of an owner client that pauses its grants
	ShortLease           = 7 * Day  // where locks, cameras or health are touched
	DefaultRetention     = 30 * Day
	EffectWithin         = Duration(time.Second)
	LegalBasisConsent    = "eu-gdpr:A6-1-a"
	DetailType           = "primum-thing"
	// OwnerNamed and OwnerPseudonymous say whether the grantee learns the
	// owner's name, inside the circle.
	OwnerNamed        = "named"
	OwnerPseudonymous = "pseudonymous"

	maxDetails = 64
	maxMonths  = 24
	maxNotice  = 8 << 10
	recordType = "ConsentRecord"
	urnUUID    = "urn:uuid:"
	subjectURN = "urn:primum:subject:"
	thingURN   = "urn:primum:thing:"
	acct       = "acct:"
)

// Context is the fixed JSON-LD context of terms, written out so that it is
// signed too and nobody has to fetch it.
type Context struct{}

const contextJSON = `{"@vocab":"https://w3id.org/dpv#","dpv":"https://w3id.org/dpv#",` +
	`"dct":"http://purl.org/dc/terms/","eu-gdpr":"https://w3id.org/dpv/legal/eu/gdpr#","loc":"https://w3id.org/loc#",` +
	`"dct:replaces":{"@type":"@id"},"hasDataSubject":{"@type":"@id"},"hasJurisdiction":{"@type":"@id"},` +
	`"hasLegalBasis":{"@type":"@id"},"hasProcessing":{"@type":"@id"},"label":"http://www.w3.org/2004/02/skos/core#prefLabel",` +
	`"primum":"urn:primum:terms:","grantee":"primum:grantee","account":"primum:account","identityKey":"primum:identityKey",` +
	`"kind":"primum:kind","digest":"primum:digest","text":"primum:text","language":"dct:language",` +
	`"authorization_details":{"@id":"primum:authorizationDetails","@type":"@json"},"opening":"primum:opening",` +
	`"owner":"primum:owner","maxClients":"primum:maxClients","bucket":"primum:bucket","lease":"primum:lease",` +
	`"conditionality":{"@id":"primum:conditionality","@type":"@json"},` +
	`"onWithdrawal":{"@id":"primum:onWithdrawal","@type":"@json"},"askAgainAfter":"primum:askAgainAfter"}`

// MarshalJSON writes the context.
func (Context) MarshalJSON() ([]byte, error) { return []byte(contextJSON), nil }

// UnmarshalJSON takes exactly the context.
func (*Context) UnmarshalJSON(b []byte) error {
	var flat bytes.Buffer
	if err := json.Compact(&flat, b); err != nil || flat.String() != contextJSON {
		return errors.New("not the context of these terms")
	}
	return nil
}

// Terms are what is agreed, for owner, anchor and grantee only: a consent
// record (ISO/IEC TS 27560) in DPV 2.3 JSON-LD. They name no owner account.
type Terms struct {
	Context        Context         `json:"@context"`
	URN            string          `json:"@id"`            // urn:uuid: and the grant id
	Type           string          `json:"@type"`          // ConsentRecord
	ID             string          `json:"dct:identifier"` // the grant id, UUIDv7
	Created        time.Time       `json:"dct:created"`
	Valid          Interval        `json:"dct:valid"`              // at most 24 months
	Replaces       string          `json:"dct:replaces,omitempty"` // urn:uuid: of the grant superseded
	DataSubject    string          `json:"hasDataSubject"`         // pseudonym of this relation
	Controller     Party           `json:"hasDataController"`
	Jurisdiction   string          `json:"hasJurisdiction,omitempty"` // loc:DE; absent when unknown
	LegalBasis     string          `json:"hasLegalBasis"`
	Process        Process         `json:"hasProcess"`
	Notice         Notice          `json:"hasNotice"`
	Grantee        Grantee         `json:"grantee"`
	Details        []Detail        `json:"authorization_details"`
	Opening        string          `json:"opening"`    // hash
	Owner          string          `json:"owner"`      // named or pseudonymous
	MaxClients     int             `json:"maxClients"` // of the grantee, in the circle
	Bucket         int             `json:"bucket"`     // bytes of every message: 64, 256, 1024 or 4096
	Lease          Duration        `json:"lease"`      // P30D, or P7D for locks, cameras, health
	Conditionality *Conditionality `json:"conditionality,omitempty"`
	OnWithdrawal   OnWithdrawal    `json:"onWithdrawal"`
	AskAgainAfter  Duration        `json:"askAgainAfter"`
}

// Party is somebody by account.
type Party struct {
	ID   string `json:"@id"` // acct:user@authority
	Name string `json:"label,omitempty"`
}

// Grantee is the party that the grant names. Its clients follow from the
// identity documents under IdentityKey.
type Grantee struct {
	Account     identity.Address `json:"account"`
	IdentityKey jws.Bytes        `json:"identityKey"`
	Kind        identity.Kind    `json:"kind"`
	Name        string           `json:"label,omitempty"`
}

// Process says what for, with what, by whom and how long.
type Process struct {
	Service      string   `json:"hasService"`
	Purpose      Purpose  `json:"hasPurpose"`
	Processing   []string `json:"hasProcessing"`   // DPV classes
	PersonalData []string `json:"hasPersonalData"` // words, as shown
	Recipients   []Party  `json:"hasRecipient"`
	Storage      Storage  `json:"hasStorageCondition"`
}

// Purpose is a DPV class and the words it was asked in.
type Purpose struct {
	Class string `json:"@id"`             // dpv:OptimisationForConsumer
	Label string `json:"label,omitempty"` // energy advice
}

// Storage is how long the grantee keeps values, and nodes ciphertext.
type Storage struct {
	Retention Duration `json:"hasDuration"`
}

// Notice is the text as shown, and its SHA-256.
type Notice struct {
	Digest   jws.Bytes `json:"digest"`
	Language string    `json:"language"` // BCP 47
	Text     string    `json:"text"`
}

// NewNotice is the notice with its digest.
func NewNotice(language, text string) Notice {
	sum := sha256.Sum256([]byte(text))
	return Notice{Digest: sum[:], Language: language, Text: text}
}

// Detail is one RFC 9396 authorization detail: what is enforced.
type Detail struct {
	Type       string   `json:"type"`            // primum-thing
	Identifier string   `json:"identifier"`      // thing's pseudonym of this circle, never a serial
	Title      string   `json:"title,omitempty"` // what the owner calls it towards this grantee
	Actions    []string `json:"actions"`         // WoT operations
	Datatypes  []string `json:"datatypes"`       // affordances
	// Precision must stand where values are read, and only there.
	Precision Precision `json:"precision,omitzero"`
	// Input is what the one affordance takes, where it can be written or invoked.
	Input *Input `json:"input,omitempty"`
}

// Conditionality is what hangs on the yes.
type Conditionality struct {
	CoreFunctionWithoutGrant bool   `json:"coreFunctionWithoutGrant"`
	Price                    string `json:"price,omitempty"`
	Benefit                  string `json:"benefit,omitempty"`
}

// OnWithdrawal is what happens after Stop.
type OnWithdrawal struct {
	EffectWithin         Duration `json:"effectWithin"` // PT1S
	GranteeDeletesWithin Duration `json:"granteeDeletesWithin"`
}

// SignTerms is for the moment of giving only; see New.
func SignTerms(t Terms, key ed25519.PrivateKey) (string, error) { return sign(TypeTerms, t, key) }

// VerifyTerms reads terms that the grant key signed. Validity in time is asked
// with ValidAt.
func VerifyTerms(compact string, grantKey ed25519.PublicKey) (Terms, error) {
	return verify[Terms](TypeTerms, compact, grantKey)
}

// ValidAt is nil inside dct:valid, else ErrNotYet or ErrExpired.
func (t Terms) ValidAt(now time.Time) error {
	switch {
	case now.Before(t.Valid.From):
		return fmt.Errorf("%w: the grant begins on %s", ErrNotYet, t.Valid.From.Format(time.RFC3339))
	case !now.Before(t.Valid.Until):
		return fmt.Errorf("%w: the grant ended on %s", ErrExpired, t.Valid.Until.Format(time.RFC3339))
	}
	return nil
}

// ReplacesGrant is the id of the grant that this one supersedes, or "".
func (t Terms) ReplacesGrant() string { return strings.TrimPrefix(t.Replaces, urnUUID) }

func (t Terms) check() error {
	r := &rules{}
	r.id(t.ID, "/dct:identifier")
	r.need(t.URN == urnUUID+t.ID, "/@id", "not urn:uuid: and dct:identifier")
	r.need(t.Type == recordType, "/@type", "not %s", recordType)
	r.time(t.Created, "/dct:created")
	checkValid(r, t.Valid, "/dct:valid")
	if t.Replaces != "" {
		r.id(t.ReplacesGrant(), "/dct:replaces")
		r.need(t.Replaces == urnUUID+t.ReplacesGrant() && t.Replaces != t.URN, "/dct:replaces", "not urn:uuid: of another grant")
	}
	t.ruleDetails(r)
	checkHex(r, t.DataSubject, subjectURN, "/hasDataSubject")
	checkParty(r, t.Controller, "/hasDataController")
	r.need(t.Jurisdiction == "" || isCountry(t.Jurisdiction), "/hasJurisdiction", "not loc: and two capital letters")
	r.needText(t.LegalBasis, "/hasLegalBasis", 64)
	t.Process.rules(r)
	t.Notice.rules(r, "/hasNotice")
	t.Grantee.rules(r)
	r.hash(t.Opening, "/opening")
	t.ruleLimits(r)
	return r.err
}

func (t Terms) ruleLimits(r *rules) {
	r.need(t.Owner == OwnerNamed || t.Owner == OwnerPseudonymous, "/owner", "not named or pseudonymous")
	r.need(t.MaxClients >= 1 && t.MaxClients <= MaxClientsLimit, "/maxClients", "not 1 to %d", MaxClientsLimit)
	r.need(isBucket(t.Bucket), "/bucket", "not 64, 256, 1024 or 4096")
	r.need(t.Lease >= Day && t.Lease <= DefaultLease, "/lease", "not one to 30 days")
	if c := t.Conditionality; c != nil {
		r.text(c.Price, "/conditionality/price", 256)
		r.text(c.Benefit, "/conditionality/benefit", 256)
	}
	r.need(t.OnWithdrawal.EffectWithin == EffectWithin, "/onWithdrawal/effectWithin", "not PT1S")
	r.need(t.OnWithdrawal.GranteeDeletesWithin >= 0, "/onWithdrawal/granteeDeletesWithin", "negative")
	r.need(t.AskAgainAfter >= 0, "/askAgainAfter", "negative")
}

func (t Terms) ruleDetails(r *rules) {
	r.need(len(t.Details) > 0 && len(t.Details) <= maxDetails, "/authorization_details", "not 1 to %d details", maxDetails)
	for i, d := range t.Details {
		d.rules(r, fmt.Sprintf("/authorization_details/%d", i))
	}
}

func (d Detail) rules(r *rules, at string) {
	r.need(d.Type == DetailType, at+"/type", "not %s", DetailType)
	checkHex(r, d.Identifier, thingURN, at+"/identifier")
	r.text(d.Title, at+"/title", 128)
	checkActions(r, d.Actions, at+"/actions")
	r.need(len(d.Datatypes) > 0 && len(d.Datatypes) <= maxDetails, at+"/datatypes", "not 1 to %d affordances", maxDetails)
	for i, a := range d.Datatypes {
		r.needText(a, fmt.Sprintf("%s/datatypes/%d", at, i), 128)
	}
	d.ruleInput(r, at)
	if d.Reads() {
		d.Precision.rules(r, at+"/precision")
		return
	}
	r.need(d.Precision.isZero(), at+"/precision", "only where values are read")
}

// Reads tells whether the detail lets values be seen.
func (d Detail) Reads() bool {
	return slices.ContainsFunc(d.Actions, func(op string) bool { return op != OpWrite && op != OpInvoke })
}

func checkActions(r *rules, actions []string, at string) {
	r.need(len(actions) > 0, at, "missing")
	for i, op := range actions {
		place := fmt.Sprintf("%s/%d", at, i)
		switch op {
		case OpRead, OpWrite, OpObserve, OpInvoke, OpSubscribe:
			r.need(!slices.Contains(actions[:i], op), place, "stands twice")
		default:
			r.need(false, place, "not a WoT operation that can be granted")
		}
	}
}

func (p Process) rules(r *rules) {
	r.needText(p.Service, "/hasProcess/hasService", 256)
	r.need(IsPurpose(p.Purpose.Class), "/hasProcess/hasPurpose/@id", "not a purpose of DPV 2.3")
	r.text(p.Purpose.Label, "/hasProcess/hasPurpose/label", 256)
	checkWords(r, p.Processing, "/hasProcess/hasProcessing")
	checkWords(r, p.PersonalData, "/hasProcess/hasPersonalData")
	r.need(len(p.Recipients) > 0 && len(p.Recipients) <= maxDetails, "/hasProcess/hasRecipient", "not 1 to %d", maxDetails)
	for i, party := range p.Recipients {
		checkParty(r, party, fmt.Sprintf("/hasProcess/hasRecipient/%d", i))
	}
	r.need(p.Storage.Retention >= 0, "/hasProcess/hasStorageCondition/hasDuration", "negative")
}

func (n Notice) rules(r *rules, at string) {
	sum := sha256.Sum256([]byte(n.Text))
	r.need(bytes.Equal(n.Digest, sum[:]), at+"/digest", "not the SHA-256 of the text")
	r.need(isLanguage(n.Language), at+"/language", "not a language tag")
	r.need(n.Text != "" && len(n.Text) <= maxNotice, at+"/text", "not 1 to %d bytes", maxNotice)
	for _, line := range strings.Split(n.Text, "\n") {
		r.text(line, at+"/text", maxNotice)
	}
}

func (g Grantee) rules(r *rules) {
	r.account(g.Account, "/grantee/account")
	r.key(g.IdentityKey, "/grantee/identityKey")
	r.need(g.Kind == identity.Person || g.Kind == identity.Organisation || g.Kind == identity.Edge,
		"/grantee/kind", "not person, organisation or edge")
	r.text(g.Name, "/grantee/label", 128)
}

func checkValid(r *rules, v Interval, at string) {
	r.need(!v.From.IsZero() && v.Until.After(v.From), at, "must end after it begins")
	r.need(!v.Until.After(v.From.AddDate(0, maxMonths, 0)), at, "longer than %d months", maxMonths)
}

func checkHex(r *rules, s, prefix, at string) {
	rest, ok := strings.CutPrefix(s, prefix)
	r.need(ok, at, "must begin with %s", prefix)
	r.circle(rest, at)
}

func checkParty(r *rules, p Party, at string) {
	rest, ok := strings.CutPrefix(p.ID, acct)
	a, err := identity.ParseAddress(rest)
	r.need(ok && err == nil && a.String() == rest, at+"/@id", "not acct: and an address")
	r.text(p.Name, at+"/label", 128)
}

func checkWords(r *rules, words []string, at string) {
	r.need(len(words) > 0 && len(words) <= maxDetails, at, "not 1 to %d", maxDetails)
	for i, w := range words {
		r.needText(w, fmt.Sprintf("%s/%d", at, i), 128)
	}
}

func isCountry(s string) bool {
	c, ok := strings.CutPrefix(s, "loc:")
	return ok && len(c) == 2 && strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func isLanguage(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	return len(s) >= 2 && len(s) <= 35 && strings.Trim(s, letters) == ""
}

func isBucket(n int) bool { return n == 64 || n == 256 || n == 1024 || n == 4096 }
