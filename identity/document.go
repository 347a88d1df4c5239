// Package identity says who an account is: addresses, identity documents and
// their history, pins on first use, short codes, and sealing to a client's
// inbox key. It knows no network. Source: docs/spec/wire.md, design of circles.
package identity

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"primum/internal/jws"
)

// Types of signed documents of this package.
const (
	TypeDocument   = "primum-identity+jwt"
	TypeSuspension = "primum-suspension+jwt"
)

// Limits of identity documents.
const (
	MaxSize     = 64 << 10            // bytes of the compact form
	MaxClients  = 256                 // clients of one account
	MaxValidity = 30 * 24 * time.Hour // from issued to expires
	RemindAfter = 20 * 24 * time.Hour // clients remind from then on
	maxName     = 128                 // bytes of a display name
	maxClient   = 32                  // bytes of a client's name
	skew        = 5 * time.Minute     // how far ahead another clock may be
	linkSize    = 32                  // bytes of a link guest's MAC
)

// Kind is what an account stands for.
type Kind string

// The kinds.
const (
	Person       Kind = "person"
	Organisation Kind = "organisation"
	Edge         Kind = "edge"
)

// Refusals, told apart with errors.Is.
var (
	// ErrDocument: the document breaks a rule; the text says which.
	ErrDocument = errors.New("identity document refused")
	// ErrSigner: signed by neither the known identity key nor recovery key.
	ErrSigner = errors.New("identity document signed by another key")
	// ErrRollback: the version isn't the next one, or the history forks.
	ErrRollback = errors.New("identity document does not follow the known one")
	// ErrExpired and ErrNotYet: outside issued … expires.
	ErrExpired = errors.New("identity document has expired")
	ErrNotYet  = errors.New("identity document is not valid yet")
	// ErrNoClient: no such client in the document.
	ErrNoClient = errors.New("no such client in the identity document")
)

// Document is the payload of an identity document.
type Document struct {
	ID          string    `json:"id"`      // UUIDv7
	Address     Address   `json:"address"` // the account
	Kind        Kind      `json:"kind"`
	Name        string    `json:"name,omitempty"` // for people, as the account wrote it
	IdentityKey jws.Bytes `json:"identityKey"`    // Ed25519, 32 bytes
	RecoveryKey jws.Bytes `json:"recoveryKey"`    // Ed25519, 32 bytes
	Clients     []Client  `json:"clients"`        // in the order in which they matter
	Version     uint64    `json:"version"`        // from 1
	Previous    string    `json:"previous,omitempty"`
	Issued      time.Time `json:"issued"`
	Expires     time.Time `json:"expires"`
	// Link, of a guest by link, shows knowledge of the link's secret (32 bytes;
	// docs/spec/link.md).
	Link jws.Bytes `json:"link,omitempty"`
}

// Client is one device or program that acts for the account.
type Client struct {
	Name     string    `json:"name"`     // letters, digits, - and _
	Key      jws.Bytes `json:"key"`      // Ed25519, 32 bytes: requests, documents, leaves
	InboxKey jws.Bytes `json:"inboxKey"` // X25519, 32 bytes: HPKE
	Suites   []uint16  `json:"suites"`   // MLS cipher suites, best first
	Browser  bool      `json:"browser,omitempty"`
	Added    time.Time `json:"added"`
}

// Verified is an identity document whose signature, form and place in the
// history were checked. Expiry is judged where it is used. It is immutable
// and safe for concurrent use.
type Verified struct {
	doc     Document
	hash    string
	compact string
}

// Sign makes the compact form. key is the identity key, or the recovery key of
// the document before.
func Sign(d Document, key crypto.Signer) (string, error) {
	if err := d.check(); err != nil {
		return "", err
	}
	compact, err := jws.SignJSON(TypeDocument, "", d, key)
	if err != nil {
		return "", err
	}
	if len(compact) > MaxSize {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrDocument, len(compact), MaxSize)
	}
	return compact, nil
}

// First takes the first document that is known of an account, whatever its
// version: it must be signed by its own identity key. Trust in that key is the
// caller's matter (Pins).
func First(compact string) (*Verified, error) {
	u, d, err := parse(compact)
	if err != nil {
		return nil, err
	}
	if _, err := u.Verify(TypeDocument, ed25519.PublicKey(d.IdentityKey)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return verified(compact, d), nil
}

// Verify takes the document that follows previous directly: same address and
// kind, version exactly one higher, previous' hash; signed by the same
// identity key with the recovery key unchanged, or by the recovery key, which
// may change both. The document that is previous itself is taken again.
func Verify(compact string, previous *Verified) (*Verified, error) {
	v, err := follow(compact, previous)
	if err != nil || v == previous {
		return v, err
	}
	if v.doc.Version != previous.doc.Version+1 {
		return nil, fmt.Errorf("%w: version %d after %d", ErrRollback, v.doc.Version, previous.doc.Version)
	}
	return v, nil
}

// Follow is Verify for a reader that may have missed versions: any higher
// version is taken under the same keys; that of the next version must name
// previous' hash. A lower version, or another document of the same version,
// is ErrRollback.
func Follow(compact string, previous *Verified) (*Verified, error) {
	return follow(compact, previous)
}

func follow(compact string, previous *Verified) (*Verified, error) {
	if previous == nil {
		return nil, fmt.Errorf("%w: no document to follow", ErrDocument)
	}
	if compact == previous.compact {
		return previous, nil
	}
	u, d, err := parse(compact)
	if err != nil {
		return nil, err
	}
	if err := signedOn(u, d, previous.doc); err != nil {
		return nil, err
	}
	p := previous.doc
	switch {
	case d.Address != p.Address || d.Kind != p.Kind:
		return nil, fmt.Errorf("%w: it is of another account", ErrDocument)
	case d.Version <= p.Version:
		return nil, fmt.Errorf("%w: version %d after %d", ErrRollback, d.Version, p.Version)
	case d.Version == p.Version+1 && d.Previous != previous.hash:
		return nil, fmt.Errorf("%w: it names another document before it", ErrRollback)
	case d.Issued.Before(p.Issued):
		return nil, fmt.Errorf("%w: issued before the one it follows", ErrRollback)
	}
	return verified(compact, d), nil
}

// signedOn checks the signature by the keys of the document before.
func signedOn(u jws.Unverified, d, p Document) error {
	if _, err := u.Verify(TypeDocument, ed25519.PublicKey(p.RecoveryKey)); err == nil {
		return nil
	}
	if _, err := u.Verify(TypeDocument, ed25519.PublicKey(p.IdentityKey)); err != nil {
		return fmt.Errorf("%w: %w", ErrSigner, err)
	}
	if string(d.IdentityKey) != string(p.IdentityKey) || string(d.RecoveryKey) != string(p.RecoveryKey) {
		return fmt.Errorf("%w: only the recovery key may change identity key or recovery key", ErrSigner)
	}
	return nil
}

func parse(compact string) (jws.Unverified, Document, error) {
	var d Document
	u, err := jws.Parse(compact, MaxSize)
	if err != nil {
		return u, d, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if u.Typ != TypeDocument {
		return u, d, fmt.Errorf("%w: %w: %q", ErrDocument, jws.ErrType, clip(u.Typ))
	}
	if err := jws.DecodeStrict(u.UntrustedPayload(), &d); err != nil {
		return u, d, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return u, d, d.check()
}

func verified(compact string, d Document) *Verified {
	return &Verified{doc: d, hash: jws.Hash(compact), compact: compact}
}

// check enforces the rules that need no other document.
func (d Document) check() error {
	if err := d.checkHead(); err != nil {
		return fmt.Errorf("%w: %w", ErrDocument, err)
	}
	names, keys := map[string]bool{}, map[string]bool{}
	for i, c := range d.Clients {
		at := fmt.Sprintf("/clients/%d", i)
		if err := c.check(at); err != nil {
			return fmt.Errorf("%w: %w", ErrDocument, err)
		}
		if names[c.Name] || keys[string(c.Key)] {
			return fmt.Errorf("%w: %w", ErrDocument, jws.Place(at, "client stands twice"))
		}
		names[c.Name], keys[string(c.Key)] = true, true
	}
	return nil
}

func (d Document) checkHead() error {
	switch {
	case CheckID(d.ID) != nil:
		return jws.Place("/id", "not a UUID of version 7")
	case d.Address == Address{}:
		return jws.Place("/address", "missing")
	case d.Kind != Person && d.Kind != Organisation && d.Kind != Edge:
		return jws.Place("/kind", "not person, organisation or edge")
	case !PlainText(d.Name, maxName):
		return jws.Place("/name", "not plain text of at most %d bytes", maxName)
	case len(d.IdentityKey) != ed25519.PublicKeySize:
		return jws.Place("/identityKey", "not 32 bytes")
	case len(d.RecoveryKey) != ed25519.PublicKeySize:
		return jws.Place("/recoveryKey", "not 32 bytes")
	case string(d.IdentityKey) == string(d.RecoveryKey):
		return jws.Place("/recoveryKey", "the same as the identity key")
	case d.Version == 0:
		return jws.Place("/version", "versions begin at 1")
	case (d.Version == 1) != (d.Previous == ""):
		return jws.Place("/previous", "must stand from version 2 on, and only then")
	case len(d.Clients) > MaxClients:
		return jws.Place("/clients", "more than %d", MaxClients)
	case !d.Expires.After(d.Issued):
		return jws.Place("/expires", "not after issued")
	case d.Expires.Sub(d.Issued) > MaxValidity:
		return jws.Place("/expires", "more than 30 days after issued")
	case len(d.Link) != 0 && len(d.Link) != linkSize:
		return jws.Place("/link", "not %d bytes", linkSize)
	}
	return nil
}

func (c Client) check(at string) error {
	switch {
	case CheckClientName(c.Name) != nil:
		return jws.Place(at+"/name", "not 1 to %d letters, digits, - or _", maxClient)
	case len(c.Key) != ed25519.PublicKeySize:
		return jws.Place(at+"/key", "not 32 bytes")
	case len(c.InboxKey) != inboxKeySize:
		return jws.Place(at+"/inboxKey", "not 32 bytes")
	case len(c.Suites) == 0 || len(c.Suites) > 16:
		return jws.Place(at+"/suites", "not 1 to 16 suites")
	case c.Added.IsZero():
		return jws.Place(at+"/added", "missing")
	}
	return nil
}

// CheckClientName tells whether s can name a client or a node's key.
func CheckClientName(s string) error {
	if s == "" || len(s) > maxClient {
		return fmt.Errorf("a client's name has 1 to %d characters", maxClient)
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return errors.New("a client's name has only letters, digits, - and _")
		}
	}
	return nil
}

// PlainText tells whether s is valid UTF-8 of at most max bytes without
// control or direction-changing characters: it will be shown beside names.
func PlainText(s string, max int) bool {
	if len(s) > max || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
