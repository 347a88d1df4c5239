package mls

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// KeyPackage is a verified key package (RFC 9420 §10): its signatures and key
// encodings hold. Its lifetime is judged where it is used. It is immutable.
type KeyPackage struct {
	suite *suite.Suite
	inner *tree.KeyPackage
}

// KeyPackagePrivate holds the private keys of a key package. It is to be
// stored before the key package is published and erased once it was used.
type KeyPackagePrivate struct{ *packageKeys }

// packageKeys stand behind a pointer of their own, as those of a Group do.
type packageKeys struct {
	init []byte // HPKE private key of the init key
	leaf []byte // HPKE private key of the leaf
}

// NewKeyPackage makes and signs a key package.
func NewKeyPackage(o KeyPackageOptions) (*KeyPackage, *KeyPackagePrivate, error) {
	s, err := public.KnownSuite(uint16(o.Suite))
	if err != nil {
		return nil, nil, fmt.Errorf("make key package: %w", err)
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.NotAfter.Before(o.NotBefore) || o.NotBefore.Unix() < 0 {
		return nil, nil, errors.New("make key package: its lifetime ends before it begins")
	}
	priv := &KeyPackagePrivate{new(packageKeys)}
	inner := &tree.KeyPackage{Version: tree.Version, Suite: s.ID(), Extensions: tree.Extensions(o.KeyPackageExtensions).Clone()}
	if o.LastResort && !inner.LastResort() {
		inner.Extensions = append(inner.Extensions, Extension{Type: tree.ExtLastResort})
	}
	if priv.init, inner.InitKey, err = s.GenerateKeyPair(o.Rand); err != nil { // RFC 9420 §10 M1
		return nil, nil, fmt.Errorf("make key package: %w", err)
	}
	types := append(inner.Extensions.Types(), o.Extensions...) // RFC 9420 §10 M6
	leaf, leafKey, err := newLeaf(s, o.Rand, o.Signer, o.Identity, types)
	if err != nil {
		return nil, nil, fmt.Errorf("make key package: %w", err)
	}
	priv.leaf, inner.Leaf = leafKey, leaf
	leaf.Source = tree.SourceKeyPackage
	leaf.Lifetime = tree.Lifetime{NotBefore: uint64(o.NotBefore.Unix()), NotAfter: uint64(o.NotAfter.Unix())}
	if err := leaf.Sign(s, o.Rand, o.Signer, nil, 0); err != nil {
		return nil, nil, fmt.Errorf("make key package: %w", err)
	}
	if err := inner.Sign(s, o.Rand, o.Signer); err != nil {
		return nil, nil, fmt.Errorf("make key package: %w", err)
	}
	kp, err := checkedKeyPackage(inner)
	if err != nil {
		return nil, nil, fmt.Errorf("make key package: %w", err)
	}
	return kp, priv, nil
}

// newLeaf drafts a leaf with a fresh encryption key.
func newLeaf(s *suite.Suite, random io.Reader, signer crypto.Signer, identity []byte, extensions []uint16) (*tree.LeafNode, []byte, error) {
	pub, err := s.SignatureKey(signer)
	if err != nil {
		return nil, nil, err
	}
	priv, enc, err := s.GenerateKeyPair(random)
	if err != nil {
		return nil, nil, err
	}
	return &tree.LeafNode{
		EncryptionKey: enc,
		SignatureKey:  bytes.Clone(pub),
		Credential:    tree.BasicCredential(bytes.Clone(identity)),
		Capabilities:  tree.DefaultCapabilities(extensions...),
	}, priv, nil
}

// ParseKeyPackage reads an MLSMessage with a key package and verifies it (RFC
// 9420 §10.1) but for its lifetime.
func ParseKeyPackage(b []byte) (*KeyPackage, error) {
	r := codec.NewReader(b)
	if wire := message.ReadHeader(r); r.Err() == nil && wire != WireKeyPackage {
		r.Fail(fmt.Errorf("wire format %d is no key package", wire))
	}
	inner := tree.ReadKeyPackage(r)
	if err := r.Close(); err != nil {
		return nil, message.Malformed("key package", err)
	}
	return checkedKeyPackage(inner)
}

func checkedKeyPackage(inner *tree.KeyPackage) (*KeyPackage, error) {
	s, err := public.KnownSuite(inner.Suite)
	if err != nil {
		return nil, fmt.Errorf("read key package: %w", err)
	}
	if err := inner.Verify(s); err != nil {
		return nil, fmt.Errorf("read key package: %w: %w", ErrInvalid, err)
	}
	return &KeyPackage{suite: s, inner: inner}, nil
}

// Bytes is the MLSMessage with the key package.
func (k *KeyPackage) Bytes() []byte {
	w := message.Header(WireKeyPackage)
	k.inner.Write(w)
	return w.Out()
}

// Ref is the KeyPackageRef (RFC 9420 §5.2).
func (k *KeyPackage) Ref() []byte { return k.inner.Ref(k.suite) }

// Suite is the cipher suite.
func (k *KeyPackage) Suite() Suite { return Suite(k.inner.Suite) }

// Suites lists all suites that the client supports, so that a weaker choice
// shows (RFC 9420 §11).
func (k *KeyPackage) Suites() []Suite {
	out := make([]Suite, 0, len(k.inner.Leaf.Capabilities.Suites))
	for _, id := range k.inner.Leaf.Capabilities.Suites {
		out = append(out, Suite(id))
	}
	return out
}

// Identity is the identity of the basic credential.
func (k *KeyPackage) Identity() []byte { return bytes.Clone(k.inner.Leaf.Credential.Identity) }

// SignatureKey is the public signature key.
func (k *KeyPackage) SignatureKey() []byte { return bytes.Clone(k.inner.Leaf.SignatureKey) }

// NotBefore is the start of the lifetime.
func (k *KeyPackage) NotBefore() time.Time { return unix(k.inner.Leaf.Lifetime.NotBefore) }

// NotAfter is the end of the lifetime.
func (k *KeyPackage) NotAfter() time.Time { return unix(k.inner.Leaf.Lifetime.NotAfter) }

// unix is a time of a lifetime, cut to what time.Time can hold.
func unix(s uint64) time.Time { return time.Unix(int64(min(s, 1<<48)), 0).UTC() }

// LastResort tells that the package may be used more than once.
func (k *KeyPackage) LastResort() bool { return k.inner.LastResort() }

// Extensions are those of the key package (not of its leaf).
func (k *KeyPackage) Extensions() []Extension { return k.inner.Extensions.Clone() }

// MarshalBinary writes the private keys; the bytes are secret.
func (p *KeyPackagePrivate) MarshalBinary() ([]byte, error) {
	if p.packageKeys == nil || len(p.init) == 0 {
		return nil, errors.New("write key package keys: they were erased")
	}
	w := codec.NewWriter(make([]byte, 0, 8+len(p.init)+len(p.leaf)))
	w.U8(privateVersion)
	w.Bytes(p.init)
	w.Bytes(p.leaf)
	return w.Out(), nil
}

const privateVersion = 1

// ParseKeyPackagePrivate reads what MarshalBinary wrote.
func ParseKeyPackagePrivate(b []byte) (*KeyPackagePrivate, error) {
	r := codec.NewReader(b)
	if v := r.U8(); r.Err() == nil && v != privateVersion {
		r.Fail(errors.New("format is not known"))
	}
	p := &KeyPackagePrivate{&packageKeys{init: bytes.Clone(r.Bytes()), leaf: bytes.Clone(r.Bytes())}}
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("read key package keys: %w: %w", ErrState, err)
	}
	return p, nil
}

// Erase overwrites the private keys.
func (p *KeyPackagePrivate) Erase() {
	if p.packageKeys != nil {
		suite.Zero(p.init, p.leaf)
		p.init, p.leaf = nil, nil
	}
}

// Format hides the keys from every verb.
func (p KeyPackagePrivate) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "mls.KeyPackagePrivate{…}")
}

// LogValue hides the keys.
func (p KeyPackagePrivate) LogValue() slog.Value { return slog.StringValue("…") }

// initKey is the private init key where it belongs to the package. That the
// leaf's does is checked by tree.Join, in the tree where the very leaf stands.
func (p *KeyPackagePrivate) initKey(k *KeyPackage) (*suite.PrivateKey, error) {
	if p.packageKeys == nil {
		return nil, errors.New("the private keys of the key package are missing")
	}
	key, err := k.suite.PrivateKey(p.init)
	if err != nil || !bytes.Equal(key.Public(), k.inner.InitKey) {
		return nil, errors.New("the private keys are of another key package")
	}
	return key, nil
}

// Format prints identity and lifetime and never the signer.
func (o KeyPackageOptions) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "mls.KeyPackageOptions{%q, until %s}", o.Identity, o.NotAfter.UTC().Format(time.RFC3339))
}

// LogValue is Format for slog.
func (o KeyPackageOptions) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(o)) }
