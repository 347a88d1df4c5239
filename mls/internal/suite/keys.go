package suite

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"
	"io"

	"primum/mls/internal/codec"
)

// ErrSignature means that a signature does not fit its key and content.
var ErrSignature = errors.New("signature does not verify")

// ErrDecrypt means that a ciphertext does not fit its key and context.
var ErrDecrypt = errors.New("ciphertext does not open")

// AppendLabel starts SignContent for content of n bytes, which the caller
// appends (RFC 9420 §5.1.2): for Sign and Verify without a further copy.
func AppendLabel(b []byte, label string, n int) []byte {
	b = codec.AppendVarint(b, len(protocol)+len(label))
	b = append(b, protocol...)
	b = append(b, label...)
	return codec.AppendVarint(b, n)
}

// Sign signs what AppendLabel began (RFC 9420 §5.1.2).
func (s *Suite) Sign(rand io.Reader, signer crypto.Signer, tbs []byte) ([]byte, error) {
	count(workSignature, 1)
	sig, err := signer.Sign(rand, tbs, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sig, nil
}

// Verify checks what Sign signed (RFC 9420 §5.1.2); the error wraps
// ErrSignature.
func (s *Suite) Verify(pub, tbs, sig []byte) error {
	count(workSignature, 1)
	if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, tbs, sig) {
		return fmt.Errorf("verify: %w", ErrSignature)
	}
	return nil
}

// labelled is SignContent and EncryptContext: the prefixed label, then the
// content (RFC 9420 §5.1.2, §5.1.3).
func labelled(label string, content []byte) []byte {
	b := make([]byte, 0, 1+len(protocol)+len(label)+4+len(content))
	return append(AppendLabel(b, label, len(content)), content...)
}

// SignatureKey is the public key of signer in the suite's encoding; it refuses
// a signer of another algorithm.
func (s *Suite) SignatureKey(signer crypto.Signer) ([]byte, error) {
	if signer == nil {
		return nil, errors.New("read signature key: no signer was given")
	}
	pub, ok := signer.Public().(ed25519.PublicKey) // RFC 9420 §5.1.2 M1
	if !ok {
		return nil, fmt.Errorf("read signature key: suite %s needs an Ed25519 signer, not %T", s.name, signer.Public())
	}
	return pub, nil
}

// SignatureLen is the length in bytes of a signature.
func (s *Suite) SignatureLen() int { return ed25519.SignatureSize }

// CheckSignatureKey refuses bytes that can't be a signature key of the suite
// (RFC 9420 §5.1.1).
func (s *Suite) CheckSignatureKey(pub []byte) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("signature key has %d bytes instead of %d", len(pub), ed25519.PublicKeySize)
	}
	return checkEdwards(pub)
}

// SignWithLabel signs (RFC 9420 §5.1.2). Rand may be nil for crypto/rand; most
// signers ignore it.
func (s *Suite) SignWithLabel(rand io.Reader, signer crypto.Signer, label string, content []byte) ([]byte, error) {
	count(workSignature, 1)
	sig, err := signer.Sign(rand, labelled(label, content), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", label, err)
	}
	return sig, nil
}

// VerifyWithLabel checks a signature (RFC 9420 §5.1.2); the error wraps
// ErrSignature.
func (s *Suite) VerifyWithLabel(pub []byte, label string, content, sig []byte) error {
	count(workSignature, 1)
	if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, labelled(label, content), sig) {
		return fmt.Errorf("verify %s: %w", label, ErrSignature)
	}
	return nil
}

// EncryptWithLabel seals plain to an HPKE public key (RFC 9420 §5.1.3).
func (s *Suite) EncryptWithLabel(pub []byte, label string, context, plain []byte) (kemOutput, ciphertext []byte, err error) {
	count(workKey, 1)
	pk, err := s.kem.NewPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt %s: read public key: %w", label, err)
	}
	enc, sender, err := hpke.NewSender(pk, s.kdf, s.aead, labelled(label, context))
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt %s: %w", label, err)
	}
	ct, err := sender.Seal(nil, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("encrypt %s: %w", label, err)
	}
	return enc, ct, nil
}

// DecryptWithLabel opens what EncryptWithLabel sealed (RFC 9420 §5.1.3); the
// error wraps ErrDecrypt.
func (s *Suite) DecryptWithLabel(priv []byte, label string, context, kemOutput, ciphertext []byte) ([]byte, error) {
	k, err := s.PrivateKey(priv)
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: private key is unusable: %w", label, ErrDecrypt)
	}
	return k.DecryptWithLabel(label, context, kemOutput, ciphertext)
}

// PrivateKey is an HPKE private key that was decoded, which takes as long as a
// decryption. It is for the calls at hand: it can't be erased.
type PrivateKey struct {
	s  *Suite
	sk hpke.PrivateKey
}

// PrivateKey decodes a private key.
func (s *Suite) PrivateKey(priv []byte) (*PrivateKey, error) {
	count(workKey, 1)
	sk, err := s.kem.NewPrivateKey(priv)
	if err != nil {
		return nil, errors.New("read private key: its encoding is invalid")
	}
	return &PrivateKey{s: s, sk: sk}, nil
}

// Public is its public key.
func (k *PrivateKey) Public() []byte { return k.sk.PublicKey().Bytes() }

// Format hides the key from every verb.
func (k PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "suite.PrivateKey{…}") }

// DecryptWithLabel is that of Suite.
func (k *PrivateKey) DecryptWithLabel(label string, context, kemOutput, ciphertext []byte) ([]byte, error) {
	count(workKey, 1)
	r, err := hpke.NewRecipient(kemOutput, k.sk, k.s.kdf, k.s.aead, labelled(label, context))
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: %w", label, ErrDecrypt)
	}
	plain, err := r.Open(nil, ciphertext)
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: %w", label, ErrDecrypt)
	}
	return plain, nil
}

// DeriveKeyPair derives an HPKE key pair (RFC 9180 §4) in its serialized form.
func (s *Suite) DeriveKeyPair(ikm []byte) (priv, pub []byte, err error) {
	count(workKey, 1)
	sk, err := s.kem.DeriveKeyPair(ikm)
	if err != nil {
		return nil, nil, fmt.Errorf("derive key pair: %w", err)
	}
	priv, err = sk.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("derive key pair: %w", err)
	}
	return priv, sk.PublicKey().Bytes(), nil
}

// GenerateKeyPair makes a fresh HPKE key pair from HashLen bytes of rand.
func (s *Suite) GenerateKeyPair(rand io.Reader) (priv, pub []byte, err error) {
	seed, err := s.Random(rand)
	if err != nil {
		return nil, nil, err
	}
	defer Zero(seed)
	return s.DeriveKeyPair(seed)
}

// Random reads HashLen bytes from rand.
func (s *Suite) Random(rand io.Reader) ([]byte, error) {
	b := make([]byte, s.hashLen)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return b, nil
}

// PublicOf is the public key of a serialized HPKE private key.
func (s *Suite) PublicOf(priv []byte) ([]byte, error) {
	k, err := s.PrivateKey(priv)
	if err != nil {
		return nil, err
	}
	return k.Public(), nil
}

// CheckPublicKey refuses bytes that are no HPKE public key of the suite (RFC
// 9420 §5.1.1).
func (s *Suite) CheckPublicKey(pub []byte) error {
	count(workKey, 1)
	if _, err := s.kem.NewPublicKey(pub); err != nil {
		return fmt.Errorf("read HPKE public key: %w", err)
	}
	return checkMontgomery(pub)
}

// ExternalInit makes a fresh secret for the holder of an external key: the HPKE
// exporter with the label of RFC 9420 §8.3.
func (s *Suite) ExternalInit(externalPub []byte) (kemOutput, initSecret []byte, err error) {
	count(workKey, 1)
	pk, err := s.kem.NewPublicKey(externalPub)
	if err != nil {
		return nil, nil, fmt.Errorf("make external init secret: %w", err)
	}
	enc, sender, err := hpke.NewSender(pk, s.kdf, s.aead, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("make external init secret: %w", err)
	}
	initSecret, err = sender.Export(externalLabel, s.hashLen)
	return enc, initSecret, err
}

// externalLabel is the exporter context of RFC 9420 §8.3.
const externalLabel = protocol + "external init secret"

// OpenExternalInit recovers the secret of ExternalInit (RFC 9420 §8.3).
func (s *Suite) OpenExternalInit(externalPriv, kemOutput []byte) ([]byte, error) {
	count(workKey, 1)
	sk, err := s.kem.NewPrivateKey(externalPriv)
	if err != nil {
		return nil, fmt.Errorf("open external init secret: %w", ErrDecrypt)
	}
	r, err := hpke.NewRecipient(kemOutput, sk, s.kdf, s.aead, nil)
	if err != nil {
		return nil, fmt.Errorf("open external init secret: %w", ErrDecrypt)
	}
	return r.Export(externalLabel, s.hashLen)
}
