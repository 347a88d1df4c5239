package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

const inboxKeySize = 32

// ErrSealed: what came is not sealed to this key, or was changed on its way.
var ErrSealed = errors.New("sealed document does not open")

// InboxKey is the private half of a client's inbox key: DHKEM(X25519,
// HKDF-SHA256), used with HKDF-SHA256 and AES-128-GCM (RFC 9180 base mode). It
// never shows itself in text.
type InboxKey struct{ raw [inboxKeySize]byte }

// NewInboxKey makes a key; a nil random is crypto/rand.
func NewInboxKey(random io.Reader) (*InboxKey, error) {
	if random == nil {
		random = rand.Reader
	}
	k := new(InboxKey)
	if _, err := io.ReadFull(random, k.raw[:]); err != nil {
		return nil, fmt.Errorf("make inbox key: %w", err)
	}
	return k, nil
}

// ParseInboxKey reads what Bytes gave.
func ParseInboxKey(b []byte) (*InboxKey, error) {
	if len(b) != inboxKeySize {
		return nil, errors.New("read inbox key: it must have 32 bytes")
	}
	return &InboxKey{raw: [inboxKeySize]byte(b)}, nil
}

// Bytes is the secret, for safekeeping.
func (k *InboxKey) Bytes() []byte { return bytes.Clone(k.raw[:]) }

// Public is what stands in the identity document.
func (k *InboxKey) Public() []byte {
	priv, err := ecdh.X25519().NewPrivateKey(k.raw[:])
	if err != nil {
		return nil // 32 bytes are always a key
	}
	return priv.PublicKey().Bytes()
}

// Format keeps the secret out of every %v.
func (k *InboxKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "inbox key (secret)") }

// Open opens what Seal sealed under the same info and aad. Refusals are
// ErrSealed.
func (k *InboxKey) Open(info, aad, enc, box []byte) ([]byte, error) {
	raw, err := ecdh.X25519().NewPrivateKey(k.raw[:])
	if err != nil {
		return nil, ErrSealed
	}
	priv, err := hpke.NewDHKEMPrivateKey(raw)
	if err != nil {
		return nil, ErrSealed
	}
	r, err := hpke.NewRecipient(enc, priv, hpke.HKDFSHA256(), hpke.AES128GCM(), info)
	if err != nil {
		return nil, ErrSealed
	}
	plain, err := r.Open(aad, box)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Seal seals plain to a client's inbox key. info names the use, aad what the
// box belongs to; neither is secret.
func Seal(inboxKey, info, aad, plain []byte) (enc, box []byte, err error) {
	raw, err := ecdh.X25519().NewPublicKey(inboxKey)
	if err != nil {
		return nil, nil, fmt.Errorf("seal to inbox key: %w", err)
	}
	pub, err := hpke.NewDHKEMPublicKey(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("seal to inbox key: %w", err)
	}
	enc, s, err := hpke.NewSender(pub, hpke.HKDFSHA256(), hpke.AES128GCM(), info)
	if err != nil {
		return nil, nil, fmt.Errorf("seal to inbox key: %w", err)
	}
	if box, err = s.Seal(aad, plain); err != nil {
		return nil, nil, fmt.Errorf("seal to inbox key: %w", err)
	}
	return enc, box, nil
}
