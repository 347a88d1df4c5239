package oath

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/internal/jws"
	"primum/internal/wire"
)

// Document is what an operator swears: which clauses, in which words, and what
// it does not swear. It is served at Path inside a DSSE envelope signed by the
// node's key. Source: L15, docs/spec/oath.md.
type Document struct {
	V         int        `json:"v"` // 1
	Domain    string     `json:"domain"`
	At        time.Time  `json:"at"`
	Until     time.Time  `json:"until"` // reviewed before; at most 24 months after At
	Contact   string     `json:"contact,omitempty"`
	Clauses   []Sworn    `json:"clauses"`
	NotSworn  []NotSworn `json:"not_sworn"`
	Supported *time.Time `json:"supported_until,omitempty"` // end of security updates
	Replaces  string     `json:"replaces,omitempty"`        // sha256 of the signed document before, hex
}

// Sworn is one clause as the operator swears it.
type Sworn struct {
	ID         string            `json:"id"`
	Title      string            `json:"title"`
	Text       string            `json:"text"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Remedy     string            `json:"remedy"`
	Check      string            `json:"check"` // sha256 of the clause file, hex
}

// NotSworn is a clause that the operator leaves out, with the reason.
type NotSworn struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Limits of a document.
const (
	version       = 1
	maxOathClause = 64
	maxOathText   = 8 << 10 // bytes of one text
	maxReview     = 731 * 24 * time.Hour
)

// ErrDocument: a document that says what it can't, or not about this domain.
var ErrDocument = errors.New("not a good oath")

// Swear makes the clause that a clause file holds.
func (c Clause) Swear() Sworn {
	s := Sworn{ID: c.ID, Title: c.Title, Text: c.Text, Remedy: c.Remedy, Check: c.SHA256}
	for name, v := range c.With {
		if s.Parameters == nil {
			s.Parameters = map[string]string{}
		}
		s.Parameters[name] = v.String()
	}
	return s
}

// SignDocument signs an oath with the node's key; keyID is
// identity.NodeKeyID of it. It returns the envelope to serve.
func SignDocument(d Document, keyID string, key crypto.Signer) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write oath: %w", err)
	}
	return seal(PayloadOath, keyID, payload, key)
}

// OpenDocument reads a served oath, which one of the node's keys must have
// signed for domain.
func OpenDocument(b []byte, domain string, keys ...ed25519.PublicKey) (Document, error) {
	e, err := readEnvelope(b, PayloadOath)
	if err != nil {
		return Document{}, err
	}
	if err := e.verify(keys...); err != nil {
		return Document{}, fmt.Errorf("the oath is not signed by the node's key: %w", err)
	}
	d, err := parseDocument(e.Payload)
	if err == nil && d.Domain != domain {
		return Document{}, fmt.Errorf("%w: it is the oath of %q", ErrDocument, Plain(d.Domain, 80))
	}
	return d, err
}

// ReadDocument reads an oath without looking at its signature: for a node that
// shows its own.
func ReadDocument(b []byte) (Document, error) {
	e, err := readEnvelope(b, PayloadOath)
	if err != nil {
		return Document{}, err
	}
	return parseDocument(e.Payload)
}

func parseDocument(payload []byte) (d Document, err error) {
	if err := jws.DecodeStrict(payload, &d); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return d, d.check()
}

func (d Document) check() error {
	switch {
	case d.V != version:
		return fmt.Errorf("%w: version %d, this program reads %d", ErrDocument, d.V, version)
	case d.Domain == "" || len(d.Domain) > 260:
		return fmt.Errorf("%w: it names no domain", ErrDocument)
	case !d.Until.After(d.At) || d.Until.Sub(d.At) > maxReview:
		return fmt.Errorf("%w: it holds for at most 24 months", ErrDocument)
	case len(d.Clauses)+len(d.NotSworn) > maxOathClause || len(d.Contact) > 320:
		return fmt.Errorf("%w: too long", ErrDocument)
	}
	return d.checkClauses()
}

func (d Document) checkClauses() error {
	var ids []string
	for _, c := range d.Clauses {
		if c.Text == "" || c.Remedy == "" || len(c.Title) > maxOathText || len(c.Text) > maxOathText || len(c.Remedy) > maxOathText || len(c.Parameters) > maxArgs {
			return fmt.Errorf("%w: clause %s has no text, no remedy, or too much of them", ErrDocument, Plain(c.ID, 8))
		}
		ids = append(ids, c.ID)
	}
	for _, n := range d.NotSworn {
		if n.Reason == "" || len(n.Reason) > maxOathText {
			return fmt.Errorf("%w: clause %s is not sworn without a reason", ErrDocument, Plain(n.ID, 8))
		}
		ids = append(ids, n.ID)
	}
	slices.Sort(ids)
	for i, id := range ids {
		if !clauseID.MatchString(id) || i > 0 && ids[i-1] == id {
			return fmt.Errorf("%w: clause %q is no clause, or stands twice", ErrDocument, Plain(id, 8))
		}
	}
	return nil
}

// sworn tells how a clause of this program stands in the target's oath.
func (t Target) sworn(c Clause) string {
	if t.Oath == nil {
		return SwornUnknown
	}
	for _, s := range t.Oath.Clauses {
		switch {
		case s.ID != c.ID:
		case s.Check == c.SHA256 && s.Text == c.Text:
			return SwornYes
		default:
			return SwornOtherwise
		}
	}
	return SwornNo
}

// How a clause stands in a domain's oath.
const (
	SwornYes       = "yes"
	SwornNo        = "no"        // left out, or not sworn with a reason
	SwornOtherwise = "otherwise" // in other words, or with another check
	SwornUnknown   = "unknown"   // no oath could be read
)

func nodeKeys(n *wire.NodeInfo) (keys []ed25519.PublicKey) {
	for _, k := range n.Keys {
		keys = append(keys, ed25519.PublicKey(k.X))
	}
	return keys
}

// SHA256 is the hash of b in hexadecimal.
func SHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
