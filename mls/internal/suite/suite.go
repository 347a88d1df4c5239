// Package suite is the cryptography that RFC 9420 builds on: one Suite value
// holds the algorithms of a cipher suite and the labelled functions over them.
// A further suite is one more entry in the table of ByID.
package suite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"primum/mls/internal/codec"
)

// X25519AES128GCM is MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519, the suite
// that every implementation has (RFC 9420 §17.1).
const X25519AES128GCM uint16 = 0x0001

// MLKEM768X25519AES128GCM is MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
// the first suite of draft-ietf-mls-pq-ciphersuites-06: HPKE with the hybrid
// KEM 0x647a (ML-KEM-768 and X25519, also called X-Wing), all else as suite 1.
// The draft has no code point yet; until it has, this one of the private range
// stands for it, here and nowhere else (docs/decisions/007).
const MLKEM768X25519AES128GCM uint16 = 0xF001

// ErrUnknown means that a cipher suite is not in the table.
var ErrUnknown = errors.New("cipher suite is not known here")

// protocol is the prefix of every label (RFC 9420 §5.1.2, §8).
const protocol = "MLS 1.0 "

// Suite is one cipher suite (RFC 9420 §5.1). It holds no secret and may be
// used by any number of goroutines.
type Suite struct {
	id      uint16
	name    string
	kem     hpke.KEM
	kdf     hpke.KDF
	aead    hpke.AEAD
	newHash func() hash.Hash
	hashLen int
	keyLen  int
	nonce   int
}

// ByID looks a cipher suite up (RFC 9420 §17.1); the error wraps ErrUnknown.
func ByID(id uint16) (*Suite, error) {
	switch id {
	case X25519AES128GCM:
		return sha256AES128(id, "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", hpke.DHKEM(ecdh.X25519())), nil
	case MLKEM768X25519AES128GCM:
		return sha256AES128(id, "MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519", hpke.MLKEM768X25519()), nil
	}
	return nil, fmt.Errorf("look up suite 0x%04x: %w", id, ErrUnknown)
}

// sha256AES128 is a suite that differs from 0x0001 in its KEM only.
func sha256AES128(id uint16, name string, kem hpke.KEM) *Suite {
	return &Suite{
		id:      id,
		name:    name,
		kem:     kem,
		kdf:     hpke.HKDFSHA256(),
		aead:    hpke.AES128GCM(),
		newHash: sha256.New,
		hashLen: sha256.Size,
		keyLen:  16,
		nonce:   12,
	}
}

// IDs lists the suites of the table, the preferred one first.
func IDs() []uint16 { return []uint16{MLKEM768X25519AES128GCM, X25519AES128GCM} }

// ID is the code point.
func (s *Suite) ID() uint16 { return s.id }

// String is the registered name.
func (s *Suite) String() string { return s.name }

// HashLen is Nh, the length in bytes of hashes, secrets and MAC tags.
func (s *Suite) HashLen() int { return s.hashLen }

// KeyLen is Nk, the length in bytes of an AEAD key.
func (s *Suite) KeyLen() int { return s.keyLen }

// NonceLen is Nn, the length in bytes of an AEAD nonce.
func (s *Suite) NonceLen() int { return s.nonce }

// Hash is the suite's hash over the concatenation of parts.
func (s *Suite) Hash(parts ...[]byte) []byte {
	h := s.newHash()
	for _, p := range parts {
		count(workHashed, len(p))
		h.Write(p)
	}
	return h.Sum(make([]byte, 0, s.hashLen))
}

// RefHash names a value by its hash (RFC 9420 §5.2). The label is complete,
// for example "MLS 1.0 KeyPackage Reference".
func (s *Suite) RefHash(label string, value []byte) []byte {
	var w codec.Writer
	w.Bytes([]byte(label))
	w.Bytes(value)
	return s.Hash(w.Out())
}

// hmacPads is what HMAC-SHA-256 hashes beyond its message, for the meter.
const hmacPads = 2*sha256.BlockSize + sha256.Size

// MAC is the message authentication code of the suite (RFC 9420 §5.1).
func (s *Suite) MAC(key, data []byte) []byte {
	count(workHashed, len(data)+hmacPads)
	m := hmac.New(s.newHash, key)
	m.Write(data)
	return m.Sum(make([]byte, 0, s.hashLen))
}

// VerifyMAC compares in constant time (RFC 9420 §6.1).
func (s *Suite) VerifyMAC(key, data, tag []byte) bool {
	return hmac.Equal(s.MAC(key, data), tag)
}

// Extract is KDF.Extract (RFC 9420 §5.1): one HMAC under the salt (RFC 5869
// §2.2).
func (s *Suite) Extract(salt, ikm []byte) []byte { return s.MAC(salt, ikm) }

// ExpandWithLabel derives n bytes (RFC 9420 §8). The label is without the
// prefix "MLS 1.0 ".
func (s *Suite) ExpandWithLabel(secret []byte, label string, context []byte, n int) []byte {
	out := make([]byte, n)
	s.ExpandInto(out, secret, label, context)
	return out
}

// ExpandInto is ExpandWithLabel into dst, at most MaxExpand bytes (RFC 9420
// §8).
func (s *Suite) ExpandInto(dst, secret []byte, label string, context []byte) {
	count(workHashed, len(dst)+len(context)+hmacPads)
	if len(dst) > s.MaxExpand() { // bounded by every caller
		panic("mls: HKDF-Expand of too many bytes")
	}
	var room [192]byte
	info := appendKDFLabel(room[:0], label, context, len(dst))
	if len(dst) <= s.hashLen {
		s.expandOne(dst, secret, append(info, 1))
		clear(room[:])
		return
	}
	s.expandMany(dst, secret, bytes.Clone(info)) // so that room stays on the stack
}

// expandOne is the first block of HKDF-Expand (RFC 5869 §2.3).
func (s *Suite) expandOne(dst, secret, info []byte) {
	if s.hashLen == sha256.Size && len(secret) <= sha256.BlockSize && len(info) <= maxShort {
		block := shortHMAC(secret, info)
		copy(dst, block[:])
		clear(block[:])
		return
	}
	copy(dst, s.MAC(secret, bytes.Clone(info)))
}

func (s *Suite) expandMany(dst, secret, info []byte) {
	m := hmac.New(s.newHash, secret)
	var prev []byte
	for i := byte(1); len(dst) > 0; i++ {
		m.Reset()
		m.Write(prev)
		m.Write(info)
		m.Write([]byte{i})
		prev = m.Sum(prev[:0])
		dst = dst[copy(dst, prev):]
	}
	clear(prev)
}

// maxShort is the longest message of shortHMAC.
const maxShort = 192

// shortHMAC is HMAC-SHA-256 (RFC 2104) without allocation, for the five
// derivations that each application message needs.
func shortHMAC(key, msg []byte) [sha256.Size]byte {
	var inner [sha256.BlockSize + maxShort]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner[:], key)
	copy(outer[:], key)
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	n := sha256.BlockSize + copy(inner[sha256.BlockSize:], msg)
	sum := sha256.Sum256(inner[:n])
	copy(outer[sha256.BlockSize:], sum[:])
	sum = sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	return sum
}

// MaxExpand is the longest output of ExpandWithLabel in bytes.
func (s *Suite) MaxExpand() int { return 255 * s.hashLen }

// appendKDFLabel is KDFLabel (RFC 9420 §8).
func appendKDFLabel(b []byte, label string, context []byte, n int) []byte {
	b = append(b, byte(n>>8), byte(n))
	b = codec.AppendVarint(b, len(protocol)+len(label))
	b = append(b, protocol...)
	b = append(b, label...)
	b = codec.AppendVarint(b, len(context))
	return append(b, context...)
}

// DeriveSecret is ExpandWithLabel with an empty context and the hash's length
// (RFC 9420 §8).
func (s *Suite) DeriveSecret(secret []byte, label string) []byte {
	return s.ExpandWithLabel(secret, label, nil, s.hashLen)
}

// DeriveTreeSecret derives n bytes for one generation (RFC 9420 §9.1).
func (s *Suite) DeriveTreeSecret(secret []byte, label string, generation uint32, n int) []byte {
	out := make([]byte, n)
	s.TreeSecretInto(out, secret, label, generation)
	return out
}

// TreeSecretInto is DeriveTreeSecret into dst (RFC 9420 §9.1).
func (s *Suite) TreeSecretInto(dst, secret []byte, label string, generation uint32) {
	context := [4]byte{byte(generation >> 24), byte(generation >> 16), byte(generation >> 8), byte(generation)}
	s.ExpandInto(dst, secret, label, context[:])
}

// AEAD makes the suite's cipher for one key of KeyLen bytes.
func (s *Suite) AEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != s.keyLen {
		return nil, errors.New("AEAD key has a wrong length")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make AEAD: %w", err)
	}
	return cipher.NewGCM(block)
}

// Zero overwrites a secret. Copies that the runtime or a library made are out
// of its reach.
func Zero(secrets ...[]byte) {
	for _, b := range secrets {
		clear(b)
	}
}
