// Package jws signs and reads compact JSON Web Signatures (RFC 7515) with one
// algorithm, Ed25519 (RFC 9864), an explicit type and a closed header, and
// decodes payloads strictly.
package jws

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrMalformed: not a compact JWS of the kind this package reads.
	ErrMalformed = errors.New("malformed signed document")
	// ErrTooLarge: longer than the caller allows.
	ErrTooLarge = errors.New("signed document too large")
	// ErrType: another typ than the caller asked for.
	ErrType = errors.New("signed document of another type")
	// ErrSignature: the signature does not belong to the key and the bytes.
	ErrSignature = errors.New("signature does not verify")
)

const (
	algorithm = "Ed25519"
	maxHeader = 1 << 10 // bytes of a decoded header
)

type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid,omitempty"`
	Type      string `json:"typ"`
}

// Unverified is a document that was parsed and not yet verified.
type Unverified struct {
	Typ       string // as claimed
	KeyID     string // as claimed; may be empty
	signed    string // header.payload, the bytes that were signed
	payload   []byte
	signature []byte
}

// Sign makes a compact JWS over payload. kid may be empty. The key must hold
// an Ed25519 key; it may live outside the process.
func Sign(typ, kid string, payload []byte, key crypto.Signer) (string, error) {
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return "", fmt.Errorf("sign %s: the key is not Ed25519", typ)
	}
	if typ == "" {
		return "", errors.New("sign document: a type is needed")
	}
	h, err := json.Marshal(header{Algorithm: algorithm, KeyID: kid, Type: typ})
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	signed := encode(h) + "." + encode(payload)
	sig, err := key.Sign(rand.Reader, []byte(signed), crypto.Hash(0))
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	return signed + "." + encode(sig), nil
}

// SignJSON marshals v and signs it.
func SignJSON(typ, kid string, v any, key crypto.Signer) (string, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	return Sign(typ, kid, payload, key)
}

// Parse reads a compact JWS of at most max bytes without verifying it. The
// header has exactly alg (Ed25519), typ and, if wanted, kid.
func Parse(compact string, max int) (Unverified, error) {
	if len(compact) > max {
		return Unverified{}, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, len(compact), max)
	}
	if strings.Count(compact, ".") != 2 {
		return Unverified{}, fmt.Errorf("%w: it must have three parts", ErrMalformed)
	}
	last := strings.LastIndexByte(compact, '.')
	first := strings.IndexByte(compact, '.')
	h, err := parseHeader(compact[:first])
	if err != nil {
		return Unverified{}, err
	}
	payload, err := decode(compact[first+1 : last])
	if err != nil {
		return Unverified{}, fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	sig, err := decode(compact[last+1:])
	if err != nil || len(sig) != ed25519.SignatureSize {
		return Unverified{}, fmt.Errorf("%w: the signature must be 64 bytes in base64url", ErrMalformed)
	}
	return Unverified{Typ: h.Type, KeyID: h.KeyID, signed: compact[:last], payload: payload, signature: sig}, nil
}

func parseHeader(part string) (h header, err error) {
	if len(part) > base64.RawURLEncoding.EncodedLen(maxHeader) {
		return h, fmt.Errorf("%w: header longer than %d bytes", ErrTooLarge, maxHeader)
	}
	raw, err := decode(part)
	if err != nil {
		return h, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	if err := DecodeStrict(raw, &h); err != nil {
		return h, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	if h.Algorithm != algorithm {
		return h, fmt.Errorf("%w: header: alg must be %s", ErrMalformed, algorithm)
	}
	if h.Type == "" {
		return h, fmt.Errorf("%w: header: typ is missing", ErrMalformed)
	}
	return h, nil
}

// Verify returns the payload if the document is of type typ and key signed it.
func (u Unverified) Verify(typ string, key ed25519.PublicKey) ([]byte, error) {
	if u.Typ != typ {
		return nil, fmt.Errorf("%w: %q, wanted %q", ErrType, u.Typ, typ)
	}
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, []byte(u.signed), u.signature) {
		return nil, fmt.Errorf("%w (%s)", ErrSignature, typ)
	}
	return bytes.Clone(u.payload), nil
}

// UntrustedPayload is the payload of a document that nobody has verified yet;
// it serves to find out whose key to verify with.
func (u Unverified) UntrustedPayload() []byte { return bytes.Clone(u.payload) }

// Hash names a document: base64url of the SHA-256 of its compact form.
func Hash(compact string) string {
	sum := sha256.Sum256([]byte(compact))
	return encode(sum[:])
}

// Bytes are bytes that JSON shows in base64url without padding.
type Bytes []byte

// MarshalText writes base64url.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(encode(b)), nil }

// UnmarshalText reads base64url, canonical and without padding.
func (b *Bytes) UnmarshalText(text []byte) error {
	raw, err := decode(string(text))
	if err != nil {
		return err
	}
	*b = raw
	return nil
}

// String is the base64url form.
func (b Bytes) String() string { return encode(b) }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode refuses what the standard decoder tolerates: line ends inside the
// text and stray bits in the last character, so that one value has one form.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64url: it contains a line end")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64url without padding")
	}
	return b, nil
}
