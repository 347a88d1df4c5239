package mls

import (
	"errors"
	"time"
)

// KeyPackage is a verified key package (RFC 9420 §10): its signatures and key
// encodings hold. Its lifetime is judged where it is used.
type KeyPackage struct{ raw []byte }

// KeyPackagePrivate holds the private keys of a key package. It is to be
// stored before the key package is published and erased once it was used.
type KeyPackagePrivate struct{}

// NewKeyPackage makes and signs a key package.
func NewKeyPackage(o KeyPackageOptions) (*KeyPackage, *KeyPackagePrivate, error) {
	return nil, nil, errors.ErrUnsupported
}

// ParseKeyPackage reads a KeyPackage or an MLSMessage with one and verifies
// it (RFC 9420 §10.1) but for its lifetime.
func ParseKeyPackage(b []byte) (*KeyPackage, error) { return nil, errors.ErrUnsupported }

// Bytes is the MLSMessage with the key package.
func (k *KeyPackage) Bytes() []byte { return nil }

// Ref is the KeyPackageRef (RFC 9420 §5.2).
func (k *KeyPackage) Ref() []byte { return nil }

// Suite is the cipher suite.
func (k *KeyPackage) Suite() Suite { return 0 }

// Identity is the identity of the basic credential.
func (k *KeyPackage) Identity() []byte { return nil }

// SignatureKey is the public signature key.
func (k *KeyPackage) SignatureKey() []byte { return nil }

// NotBefore is the start of the lifetime.
func (k *KeyPackage) NotBefore() time.Time { return time.Time{} }

// NotAfter is the end of the lifetime.
func (k *KeyPackage) NotAfter() time.Time { return time.Time{} }

// LastResort tells that the package may be used more than once.
func (k *KeyPackage) LastResort() bool { return false }

// Extensions are those of the key package (not of its leaf).
func (k *KeyPackage) Extensions() []Extension { return nil }

// MarshalBinary writes the private keys; the bytes are secret.
func (p *KeyPackagePrivate) MarshalBinary() ([]byte, error) { return nil, errors.ErrUnsupported }

// ParseKeyPackagePrivate reads what MarshalBinary wrote.
func ParseKeyPackagePrivate(b []byte) (*KeyPackagePrivate, error) { return nil, errors.ErrUnsupported }

// Erase overwrites the private keys.
func (p *KeyPackagePrivate) Erase() {}
