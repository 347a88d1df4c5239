// Package grant is the signed yes: what was shown, agreed and is enforced, so
// signed that these can't drift apart. It holds the documents, what they allow,
// the states of a grant, and the words for people. Pure: no network, no files,
// time as an argument. Source: design of grants and circles.
//
// Every document is a compact JWS with a type of its own; VerifyX checks form
// (closed schema, refusals name the place), type, signature and audience, and
// returns the payload. What depends on time is said at each function.
package grant

import (
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"primum/identity"
	"primum/internal/jws"
)

// Types of signed documents.
const (
	TypeTerms            = "primum-terms+jwt"
	TypeOpening          = "primum-opening+jwt"
	TypeClosing          = "primum-closing+jwt"
	TypeEnvelope         = "primum-envelope+jwt"
	TypeCountersignature = "primum-countersign+jwt"
	TypeStatement        = "primum-statement+jwt"
	TypeReceipt          = "primum-receipt+jwt"
	TypeRequest          = "primum-request+jwt"
	TypeRefusal          = "primum-refusal+jwt"
	TypeClaim            = "primum-claim+jwt"
	TypeActive           = "primum-active+jwt"
	TypeRelease          = "primum-release+jwt"
)

// MaxSize is the largest document of this package, in bytes as sent.
const MaxSize = 64 << 10

// maxSuites bounds a list of cipher suites.
const maxSuites = 16

// skew is how far ahead of ours another party's clock may be.
const skew = 5 * time.Minute

// Refusals, told apart with errors.Is. A *jws.PlaceError inside names the
// offending place (errors.As).
var (
	// ErrDocument: malformed, or against the document's rules.
	ErrDocument = errors.New("document refused")
	// ErrSigner: signed by nobody who may.
	ErrSigner = errors.New("document signed by nobody who may")
	// ErrExpired and ErrNotYet: outside the document's validity.
	ErrExpired = errors.New("document has expired")
	ErrNotYet  = errors.New("document is not valid yet")
	// ErrAudience: meant for somebody else.
	ErrAudience = errors.New("document is meant for somebody else")
	// ErrMismatch: documents that don't belong together.
	ErrMismatch = errors.New("documents do not belong together")
	// ErrStale: an envelope older than a day; a current client signs it anew.
	ErrStale = errors.New("envelope must be signed again by a current client")
)

// document is what every payload of this package can do.
type document interface{ check() error }

func sign(typ string, d document, key crypto.Signer) (string, error) {
	if err := d.check(); err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrDocument, typ, err)
	}
	compact, err := jws.SignJSON(typ, "", d, key)
	if err != nil {
		return "", err
	}
	if len(compact) > MaxSize {
		return "", fmt.Errorf("%w: %s has %d bytes, at most %d are taken", ErrDocument, typ, len(compact), MaxSize)
	}
	return compact, nil
}

// read parses and checks form and type; the signature is still open.
func read[T document](typ, compact string) (u jws.Unverified, d T, err error) {
	if u, err = jws.Parse(compact, MaxSize); err != nil {
		return u, d, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if u.Typ != typ {
		return u, d, fmt.Errorf("%w: %w, wanted %s", ErrDocument, jws.ErrType, typ)
	}
	if err = jws.DecodeStrict(u.UntrustedPayload(), &d); err == nil {
		err = d.check()
	}
	if err != nil {
		var none T
		return u, none, fmt.Errorf("%w: %s: %w", ErrDocument, typ, err)
	}
	return u, d, nil
}

// verify is read with a key that is known beforehand.
func verify[T document](typ, compact string, key ed25519.PublicKey) (T, error) {
	var none T
	u, d, err := read[T](typ, compact)
	if err != nil {
		return none, err
	}
	if _, err := u.Verify(typ, key); err != nil {
		return none, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return d, nil
}

// verifyClient is read for a document that a client of an account signed.
func verifyClient[T document](typ, compact string, who *identity.Verified, by func(T) (identity.Address, string)) (T, error) {
	var none T
	u, d, err := read[T](typ, compact)
	if err != nil {
		return none, err
	}
	account, name := by(d)
	if account != who.Address() {
		return none, fmt.Errorf("%w: %s is of %s, not of %s", ErrSigner, typ, account, who.Address())
	}
	client, ok := who.Client(name)
	if !ok {
		return none, fmt.Errorf("%w: %w: %q", ErrSigner, identity.ErrNoClient, name)
	}
	if _, err := u.Verify(typ, ed25519.PublicKey(client.Key)); err != nil {
		return none, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return d, nil
}

// Hash names a document, as other documents name it.
func Hash(compact string) string { return jws.Hash(compact) }

// rules collects the checks of one payload; the first that fails is kept.
type rules struct{ err error }

func (r *rules) need(ok bool, pointer, reason string, args ...any) {
	if r.err == nil && !ok {
		r.err = jws.Place(pointer, reason, args...)
	}
}

func (r *rules) id(s, at string) {
	r.need(identity.CheckID(s) == nil, at, "not a UUID of version 7")
}

func (r *rules) key(b []byte, at string) { r.need(len(b) == ed25519.PublicKeySize, at, "not 32 bytes") }

func (r *rules) circle(s, at string) {
	b, err := hex.DecodeString(s)
	r.need(err == nil && len(b) == 16 && strings.ToLower(s) == s, at, "not 32 hexadecimal digits")
}

func (r *rules) hash(s, at string) {
	var b jws.Bytes
	r.need(b.UnmarshalText([]byte(s)) == nil && len(b) == 32, at, "not the hash of a document")
}

func (r *rules) account(a identity.Address, at string) {
	r.need(a != identity.Address{}, at, "missing")
}

func (r *rules) client(s, at string) {
	r.need(identity.CheckClientName(s) == nil, at, "not the name of a client")
}

func (r *rules) authority(s, at string) {
	a, err := identity.ParseAuthority(s)
	r.need(err == nil && a == s, at, "not a domain in its compared form")
}

// suites: what a side lists, with the one that was chosen.
func (r *rules) suites(list []uint16, chosen uint16, at string) {
	r.need(len(list) <= maxSuites, at, "more than %d suites", maxSuites)
	r.need(len(list) == 0 || slices.Contains(list, chosen), at, "the suite is none of these")
}

func (r *rules) time(t time.Time, at string) { r.need(!t.IsZero(), at, "missing") }

func (r *rules) text(s, at string, max int) {
	r.need(identity.PlainText(s, max), at, "not plain text of at most %d bytes", max)
}

func (r *rules) needText(s, at string, max int) {
	r.need(s != "", at, "missing")
	r.text(s, at, max)
}
