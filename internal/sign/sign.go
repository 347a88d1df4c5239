// Package sign signs HTTP requests and checks such signatures (RFC 9421),
// over method, target URI and content digest, with Ed25519. It knows no
// net/http, so that a browser's engine uses it too. Source: docs/spec/wire.md.
package sign

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Header names, in the form net/http uses.
const (
	HeaderInput     = "Signature-Input"
	HeaderSignature = "Signature"
	HeaderDigest    = "Content-Digest"
)

// Window is how far a signature's time may be from the receiver's clock.
const Window = 5 * time.Minute

// Refusals, told apart with errors.Is.
var (
	// ErrNotSigned: no signature of the form we take.
	ErrNotSigned = errors.New("request is not signed")
	// ErrSignature: the signature does not belong to key, request or body.
	ErrSignature = errors.New("request signature does not verify")
	// ErrClockSkew: made more than Window from now.
	ErrClockSkew = errors.New("request was signed too far from this clock's time")
	// ErrReplayed: the nonce was seen before.
	ErrReplayed = errors.New("request was seen before")
	// ErrBusy: more signed requests than Nonces remembers, of all or of one signer.
	ErrBusy = errors.New("too many signed requests, come back in some minutes")
)

const (
	label      = "sig1"
	components = `("@method" "@target-uri" "content-digest")`
	maxHeader  = 2 << 10 // bytes of one header value
	maxKeyID   = 512
	maxNonce   = 128
)

// Request is what is signed of a request. TargetURI is absolute, as the
// client wrote it (RFC 9421 §2.2.2).
type Request struct {
	Method    string
	TargetURI string
	Body      []byte
}

// Headers signs req and returns the three headers to set. keyid is as in
// package identity; nonce is fresh for every request (see NewNonce).
func Headers(req Request, keyid string, key crypto.Signer, now time.Time, nonce string) (map[string]string, error) {
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return nil, errors.New("sign request: the key is not Ed25519")
	}
	if err := printable(keyid, maxKeyID); err != nil {
		return nil, fmt.Errorf("sign request: key id: %w", err)
	}
	if err := printable(nonce, maxNonce); err != nil {
		return nil, fmt.Errorf("sign request: nonce: %w", err)
	}
	params := fmt.Sprintf(`%s;created=%d;nonce=%s;keyid=%s;alg="ed25519"`,
		components, now.Unix(), quote(nonce), quote(keyid))
	digest := Digest(req.Body)
	sig, err := key.Sign(rand.Reader, base(req, digest, params), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return map[string]string{
		HeaderInput:     label + "=" + params,
		HeaderSignature: label + "=:" + base64.StdEncoding.EncodeToString(sig) + ":",
		HeaderDigest:    digest,
	}, nil
}

// Digest is the Content-Digest header of body (RFC 9530), also of an empty one.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// NewNonce is a fresh nonce of 16 random bytes.
func NewNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// base is the signature base (RFC 9421 §2.5).
func base(req Request, digest, params string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "\"@method\": %s\n", req.Method)
	fmt.Fprintf(&b, "\"@target-uri\": %s\n", req.TargetURI)
	fmt.Fprintf(&b, "\"content-digest\": %s\n", digest)
	fmt.Fprintf(&b, "\"@signature-params\": %s", params)
	return []byte(b.String())
}

// printable checks that s fits a structured-field string (RFC 8941 §3.3.3).
func printable(s string, max int) error {
	if s == "" || len(s) > max {
		return fmt.Errorf("must have 1 to %d characters", max)
	}
	for _, r := range s {
		if r < 0x20 || r > 0x7e {
			return errors.New("must be printable ASCII")
		}
	}
	return nil
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
