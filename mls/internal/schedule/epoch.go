// Package schedule derives the secrets of an epoch and the keys of its messages
// (RFC 9420 §8, §9), and deletes them as §9.2 demands.
package schedule

import (
	"bytes"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Secrets are what an epoch keeps (RFC 9420 §8, Table 4) plus the init secret
// for the next one. The epoch secret itself is gone.
type Secrets struct {
	SenderData    []byte
	Encryption    []byte // root of the secret tree: hand it to NewTree
	Exporter      []byte
	External      []byte
	Confirmation  []byte
	Membership    []byte
	Resumption    []byte
	Authenticator []byte // not secret: members compare it
	Init          []byte
}

// Joiner derives the joiner secret from the init secret of the old epoch and
// the commit secret, and erases both (RFC 9420 §8).
func Joiner(s *suite.Suite, initSecret, commitSecret, context []byte) []byte {
	extracted := s.Extract(initSecret, commitSecret)
	joiner := s.ExpandWithLabel(extracted, "joiner", context, s.HashLen())
	suite.Zero(extracted, initSecret, commitSecret) // RFC 9420 §9.2 M2a
	return joiner
}

// FromJoiner derives the welcome secret and the epoch's secrets (RFC 9420 §8).
// A psk of nil is the all-zero vector. The joiner secret stays the caller's to
// erase: a Welcome may carry it.
func FromJoiner(s *suite.Suite, joiner, psk, context []byte) (welcome []byte, out *Secrets) {
	member := memberSecret(s, joiner, psk)
	welcome = s.DeriveSecret(member, "welcome")
	epoch := s.ExpandWithLabel(member, "epoch", context, s.HashLen())
	suite.Zero(member)
	return welcome, FromEpoch(s, epoch)
}

// FromEpoch derives the secrets of an epoch from its epoch secret, which it
// erases (RFC 9420 §8).
func FromEpoch(s *suite.Suite, epoch []byte) *Secrets {
	out := &Secrets{
		SenderData:    s.DeriveSecret(epoch, "sender data"),
		Encryption:    s.DeriveSecret(epoch, "encryption"),
		Exporter:      s.DeriveSecret(epoch, "exporter"),
		External:      s.DeriveSecret(epoch, "external"),
		Confirmation:  s.DeriveSecret(epoch, "confirm"),
		Membership:    s.DeriveSecret(epoch, "membership"),
		Resumption:    s.DeriveSecret(epoch, "resumption"),
		Authenticator: s.DeriveSecret(epoch, "authentication"),
		Init:          s.DeriveSecret(epoch, "init"),
	}
	suite.Zero(epoch) // RFC 9420 §9.2 M2a
	return out
}

// all lists the fields in the order of Write.
func (e *Secrets) all() []*[]byte {
	return []*[]byte{
		&e.SenderData, &e.Encryption, &e.Exporter, &e.External, &e.Confirmation,
		&e.Membership, &e.Resumption, &e.Authenticator, &e.Init,
	}
}

// Drop erases single secrets that nothing will need.
func Drop(secrets ...*[]byte) {
	for _, b := range secrets {
		clear(*b)
		*b = nil
	}
}

// Zero erases every secret.
func (e *Secrets) Zero() { Drop(e.all()...) }

// Write appends the secrets that are left.
func (e *Secrets) Write(w *codec.Writer) {
	for _, b := range e.all() {
		w.Bytes(*b)
	}
}

// ReadSecrets reads what Write wrote into memory of its own.
func ReadSecrets(r *codec.Reader, s *suite.Suite) *Secrets {
	e := new(Secrets)
	for _, b := range e.all() {
		v := r.Bytes()
		if len(v) != 0 && len(v) != s.HashLen() {
			r.Fail(errors.New("secret has a wrong length"))
		}
		if len(v) != 0 {
			*b = bytes.Clone(v)
		}
	}
	return e
}

// WelcomeKeys is the key and nonce that seal the GroupInfo of a Welcome (RFC
// 9420 §12.4.3.1).
func WelcomeKeys(s *suite.Suite, welcome []byte) (key, nonce []byte) {
	return s.ExpandWithLabel(welcome, "key", nil, s.KeyLen()), s.ExpandWithLabel(welcome, "nonce", nil, s.NonceLen())
}

// Export is MLS-Exporter (RFC 9420 §8.5).
func Export(s *suite.Suite, exporter []byte, label string, context []byte, n int) []byte {
	derived := s.DeriveSecret(exporter, label)
	defer clear(derived)
	return s.ExpandWithLabel(derived, "exported", s.Hash(context), n)
}

// ConfirmationTag is the MAC that confirms an epoch (RFC 9420 §6.1).
func ConfirmationTag(s *suite.Suite, confirmation, transcript []byte) []byte {
	return s.MAC(confirmation, transcript)
}

// CheckConfirmation compares the tag in constant time (RFC 9420 §6.1).
func CheckConfirmation(s *suite.Suite, confirmation, transcript, tag []byte) bool {
	return hmac.Equal(ConfirmationTag(s, confirmation, transcript), tag)
}

// Confirmed is the confirmed transcript hash after a commit (RFC 9420 §8.2);
// input is the encoded ConfirmedTranscriptHashInput.
func Confirmed(s *suite.Suite, interim, input []byte) []byte { return s.Hash(interim, input) }

// Interim is the interim transcript hash (RFC 9420 §8.2).
func Interim(s *suite.Suite, confirmed, tag []byte) []byte {
	var w codec.Writer
	w.Bytes(tag)
	return s.Hash(confirmed, w.Out())
}

// WelcomeSecret derives the welcome secret alone; FromJoiner, which needs the
// group context, derives the rest (RFC 9420 §8). A psk of nil is all-zero.
func WelcomeSecret(s *suite.Suite, joiner, psk []byte) []byte {
	member := memberSecret(s, joiner, psk)
	defer clear(member)
	return s.DeriveSecret(member, "welcome")
}

func memberSecret(s *suite.Suite, joiner, psk []byte) []byte {
	if psk == nil {
		psk = make([]byte, s.HashLen())
	}
	return s.Extract(joiner, psk)
}

// Format hides the secrets from every verb.
func (e Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "schedule.Secrets{…}") }

// LogValue is Format for slog.
func (e Secrets) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }
