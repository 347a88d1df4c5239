package ledger

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"time"

	"primum/internal/jws"
)

// TypePromise is the typ of a promise's JWS.
const TypePromise = "primum-promise+jwt"

// MaxPromise is the longest promise that is read, in bytes.
const MaxPromise = 4 << 10

// Grace is how long after a promise's time a log may still be silent before
// that is an omission.
const Grace = 15 * time.Minute

// Promise is a node's signed word that a leaf will stand in its log.
type Promise struct {
	Origin string    `json:"origin"` // of the commitments log
	Leaf   jws.Bytes `json:"leaf"`   // 32 bytes
	By     time.Time `json:"by"`     // the tick by which it is in; UTC
}

// Sign makes the JWS of a promise with the node's key, kid its id there.
func (p Promise) Sign(kid string, key crypto.Signer) (string, error) {
	p.By = p.By.UTC().Truncate(time.Second)
	if err := p.check(); err != nil {
		return "", err
	}
	return jws.SignJSON(TypePromise, kid, p, key)
}

// ReadPromise reads a promise that must be signed by the node's key.
func ReadPromise(compact string, key ed25519.PublicKey) (Promise, error) {
	u, err := jws.Parse(compact, MaxPromise)
	if err != nil {
		return Promise{}, fmt.Errorf("%w promise: %w", ErrMalformed, err)
	}
	payload, err := u.Verify(TypePromise, key)
	if err != nil {
		return Promise{}, fmt.Errorf("promise: %w: %w", ErrSignature, err)
	}
	return parsePromise(payload)
}

// PeekPromise reads a promise whose signature nobody has checked, to find out
// whose key to check it with: that of the authority of its origin, named by kid.
func PeekPromise(compact string) (p Promise, kid string, err error) {
	u, err := jws.Parse(compact, MaxPromise)
	if err != nil {
		return p, "", fmt.Errorf("%w promise: %w", ErrMalformed, err)
	}
	p, err = parsePromise(u.UntrustedPayload())
	return p, u.KeyID, err
}

func parsePromise(payload []byte) (p Promise, err error) {
	if err := jws.DecodeStrict(payload, &p); err != nil {
		return p, fmt.Errorf("%w promise: %w", ErrMalformed, err)
	}
	return p, p.check()
}

func (p Promise) check() error {
	if len(p.Leaf) != LeafSize || !validName(p.Origin) || p.By.IsZero() {
		return fmt.Errorf("%w promise: origin, a leaf of 32 bytes and a time are needed", ErrMalformed)
	}
	return nil
}

// Overdue reports whether the leaf had to be provable by now.
func (p Promise) Overdue(now time.Time) bool { return now.After(p.By.Add(Grace)) }

// Kept checks the receipt with which a node keeps its promise.
func (p Promise) Kept(r Receipt, log Log, witnesses ...Witness) (Checkpoint, error) {
	if log.Origin != p.Origin {
		return Checkpoint{}, fmt.Errorf("%w: promised for %s, proved for %s", ErrProof, p.Origin, log.Origin)
	}
	return r.Verify(p.Leaf, log, witnesses...)
}
