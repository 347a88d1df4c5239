package tree

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// KeyPackage lets others add a client that is not online (RFC 9420 §10). Once
// read or signed it is immutable.
type KeyPackage struct {
	Version    uint16
	Suite      uint16
	InitKey    []byte
	Leaf       *LeafNode
	Extensions Extensions
	Signature  []byte

	raw []byte
	tbs int
	// verified is the package itself once Verify has accepted it, so that a
	// copy that somebody changes does not pass for it.
	verified *KeyPackage
}

// Bytes is the encoding; it must not be changed.
func (k *KeyPackage) Bytes() []byte { return k.raw }

// Write appends the encoding.
func (k *KeyPackage) Write(w *codec.Writer) { w.Fixed(k.raw) }

// LastResort tells whether the package may be used when all others are gone
// (draft-ietf-mls-extensions, extension 0x000a).
func (k *KeyPackage) LastResort() bool {
	_, ok := k.Extensions.Find(ExtLastResort)
	return ok
}

// Ref is the KeyPackageRef under the package's suite (RFC 9420 §5.2).
func (k *KeyPackage) Ref(s *suite.Suite) []byte {
	return s.RefHash("MLS 1.0 KeyPackage Reference", k.raw)
}

// ReadKeyPackage reads a key package into memory of its own (RFC 9420 §10).
func ReadKeyPackage(r *codec.Reader) *KeyPackage {
	start := r.Offset()
	if parseKeyPackage(r); r.Err() != nil {
		return nil
	}
	raw := bytes.Clone(r.Since(start))
	k := parseKeyPackage(codec.NewReader(raw))
	k.raw = raw
	return k
}

// ParseKeyPackage decodes a key package that fills b.
func ParseKeyPackage(b []byte) (*KeyPackage, error) {
	r := codec.NewReader(b)
	k := ReadKeyPackage(r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("read key package: %w", err)
	}
	return k, nil
}

func parseKeyPackage(r *codec.Reader) *KeyPackage {
	start := r.Offset()
	k := &KeyPackage{
		Version:    r.U16(),
		Suite:      r.U16(),
		InitKey:    r.Bytes(),
		Leaf:       ReadLeafNode(r),
		Extensions: ReadExtensions(r),
	}
	k.tbs = r.Offset() - start
	k.Signature = r.Bytes()
	return k
}

// Sign completes a key package whose leaf is signed already (RFC 9420 §10).
func (k *KeyPackage) Sign(s *suite.Suite, rand io.Reader, signer crypto.Signer) error {
	var w codec.Writer
	w.U16(k.Version)
	w.U16(k.Suite)
	w.Bytes(k.InitKey)
	k.Leaf.Write(&w)
	k.Extensions.Write(&w)
	unsigned := bytes.Clone(w.Out())
	sig, err := s.SignWithLabel(rand, signer, "KeyPackageTBS", unsigned)
	if err != nil {
		return fmt.Errorf("sign key package: %w", err)
	}
	w.Bytes(sig)
	read, err := ParseKeyPackage(w.Out())
	if err != nil {
		return fmt.Errorf("sign key package: %w", err)
	}
	*k = *read
	return nil
}

// CheckKeyPackage checks all that makes a key package fit for a group (RFC
// 9420 §10.1) but for the uniqueness of its keys.
func (r Rules) CheckKeyPackage(k *KeyPackage) error {
	if k.verified == k && k.Suite == r.Suite.ID() {
		// Signatures and keys hold whatever the group and the time.
		if err := r.Suits(k.Leaf); err != nil {
			return fmt.Errorf("check key package: %w", err)
		}
		return nil
	}
	if err := k.verifyFrame(r.Suite); err != nil {
		return fmt.Errorf("check key package: %w", err)
	}
	return r.CheckLeaf(k.Leaf, 0, SourceKeyPackage) // RFC 9420 §10 M2, §10.1 R2
}

// Verify is CheckKeyPackage in no particular group (RFC 9420 §10.1). It
// remembers success, so that a package's signatures are verified once; call it
// before others see the package.
func (k *KeyPackage) Verify(s *suite.Suite) error {
	if err := (Rules{Suite: s}).CheckKeyPackage(k); err != nil {
		return err
	}
	k.verified = k
	return nil
}

// verifyFrame checks all but the leaf.
func (k *KeyPackage) verifyFrame(s *suite.Suite) error {
	switch {
	case k.Version != Version: // RFC 9420 §10 M4, §10.1 R1
		return fmt.Errorf("protocol version %d is not supported", k.Version)
	case k.Suite != s.ID(): // RFC 9420 §10.1 R1
		return fmt.Errorf("it is for suite 0x%04x, not 0x%04x", k.Suite, s.ID())
	case k.Leaf.Source != SourceKeyPackage: // RFC 9420 §7.3 R5, §10 M5
		return errors.New("its leaf was not made for a key package")
	case bytes.Equal(k.InitKey, k.Leaf.EncryptionKey): // RFC 9420 §10.1 R4
		return errors.New("init key and encryption key are the same")
	}
	if err := s.CheckPublicKey(k.InitKey); err != nil { // RFC 9420 §10 M1
		return fmt.Errorf("init key: %w", err)
	}
	return s.VerifyWithLabel(k.Leaf.SignatureKey, "KeyPackageTBS", k.raw[:k.tbs], k.Signature) // RFC 9420 §10 M3, §10.1 R3
}
