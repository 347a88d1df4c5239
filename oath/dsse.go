package oath

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"primum/internal/jws"
)

// Payload types of envelopes.
const (
	PayloadOath   = "application/vnd.primum.oath+json"
	PayloadInToto = "application/vnd.in-toto+json"
	// MediaType is that of an envelope itself.
	MediaType = "application/vnd.dsse.envelope+json"
)

const (
	// MaxEnvelope is the longest envelope that is read, in bytes.
	MaxEnvelope   = 256 << 10
	maxSignatures = 8
)

// Errors of envelopes, to be told apart with errors.Is.
var (
	ErrEnvelope  = errors.New("malformed envelope")
	ErrSignature = errors.New("the signature does not verify")
)

// Envelope is a DSSE envelope (DSSE v1.0, "Data structure").
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"` // base64, standard alphabet
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signature of an envelope. KeyID is a hint and nothing more.
type Signature struct {
	KeyID string `json:"keyid,omitempty"`
	Sig   []byte `json:"sig"`
}

// seal signs payload with an Ed25519 key and returns the envelope's JSON.
func seal(payloadType, keyID string, payload []byte, key crypto.Signer) ([]byte, error) {
	if _, ok := key.Public().(ed25519.PublicKey); !ok {
		return nil, errors.New("sign envelope: the key is not Ed25519")
	}
	sig, err := key.Sign(rand.Reader, pae(payloadType, payload), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign envelope: %w", err)
	}
	b, err := json.Marshal(Envelope{PayloadType: payloadType, Payload: payload, Signatures: []Signature{{KeyID: keyID, Sig: sig}}})
	if err != nil {
		return nil, fmt.Errorf("write envelope: %w", err)
	}
	return append(b, '\n'), nil
}

// pae is the pre-authentication encoding (DSSE v1.0, "Signature definition").
func pae(payloadType string, payload []byte) []byte {
	b := append([]byte("DSSEv1 "), strconv.Itoa(len(payloadType))...)
	b = append(append(b, ' '), payloadType...)
	b = append(append(b, ' '), strconv.Itoa(len(payload))...)
	return append(append(b, ' '), payload...)
}

// readEnvelope reads an envelope of a type without verifying it.
func readEnvelope(b []byte, payloadType string) (e Envelope, err error) {
	if len(b) > MaxEnvelope {
		return e, fmt.Errorf("%w: %d bytes, at most %d are read", ErrEnvelope, len(b), MaxEnvelope)
	}
	if err := jws.DecodeStrict(b, &e); err != nil {
		return Envelope{}, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if e.PayloadType != payloadType {
		return Envelope{}, fmt.Errorf("%w: it holds %q, not %s", ErrEnvelope, Plain(e.PayloadType, maxFact), payloadType)
	}
	if n := len(e.Signatures); n == 0 || n > maxSignatures {
		return Envelope{}, fmt.Errorf("%w: %d signatures; want 1 to %d", ErrEnvelope, n, maxSignatures)
	}
	return e, nil
}

// verify tells whether one of the signatures is by one of the keys.
func (e Envelope) verify(keys ...ed25519.PublicKey) error {
	signed := pae(e.PayloadType, e.Payload)
	for _, s := range e.Signatures {
		for _, k := range keys {
			if len(k) == ed25519.PublicKeySize && ed25519.Verify(k, signed, s.Sig) {
				return nil
			}
		}
	}
	return ErrSignature
}
