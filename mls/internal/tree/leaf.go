package tree

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// Version is the only protocol version, mls10 (RFC 9420 §6).
const Version uint16 = 1

// Credential types (RFC 9420 §5.3).
const (
	CredentialBasic uint16 = 1
	CredentialX509  uint16 = 2
)

// Credential names a client. An X.509 chain is carried as bytes so that
// foreign messages decode; no rule accepts it.
type Credential struct {
	Type     uint16
	Identity []byte // basic
	Chain    []byte // x509: the content of Certificate<V>
}

// BasicCredential is the credential of an application-defined identity.
func BasicCredential(identity []byte) Credential {
	return Credential{Type: CredentialBasic, Identity: identity}
}

// Equal compares type and content.
func (c Credential) Equal(d Credential) bool {
	return c.Type == d.Type && bytes.Equal(c.Identity, d.Identity) && bytes.Equal(c.Chain, d.Chain)
}

// Write appends the credential.
func (c Credential) Write(w *codec.Writer) {
	w.U16(c.Type)
	if c.Type == CredentialX509 {
		w.Bytes(c.Chain)
		return
	}
	w.Bytes(c.Identity)
}

// ReadCredential reads a basic or X.509 credential (RFC 9420 §5.3); other types
// fail, because their length is unknown.
func ReadCredential(r *codec.Reader) Credential {
	c := Credential{Type: r.U16()}
	switch {
	case r.Err() != nil:
	case c.Type == CredentialBasic:
		c.Identity = r.Bytes()
	case c.Type == CredentialX509:
		c.Chain = r.Bytes()
		for v := codec.NewReader(c.Chain); !v.Empty(); {
			v.Bytes()
			if v.Err() != nil {
				r.Fail(v.Err())
			}
		}
	default:
		r.Fail(fmt.Errorf("credential type 0x%04x is not known here", c.Type))
	}
	return c
}

// Capabilities lists what a client supports beyond the defaults (RFC 9420
// §7.2).
type Capabilities struct {
	Versions, Suites, Extensions, Proposals, Credentials []uint16
}

// DefaultCapabilities are those of this implementation, with the non-default
// extension types that the application understands. They name every suite, so
// that a weaker choice shows (RFC 9420 §7.2).
func DefaultCapabilities(extensions ...uint16) Capabilities {
	types := slices.Clone(extensions)
	slices.Sort(types)
	// RFC 9420 §7.2 M1, M1a, M1b: default types are never listed.
	types = slices.DeleteFunc(slices.Compact(types), DefaultExtension)
	return Capabilities{ // RFC 9420 §7.2 M2, §13.4 M2
		Versions:    []uint16{Version},
		Suites:      suite.IDs(),
		Extensions:  types,
		Credentials: []uint16{CredentialBasic},
	}
}

// Write appends the capabilities.
func (c Capabilities) Write(w *codec.Writer) {
	for _, list := range [][]uint16{c.Versions, c.Suites, c.Extensions, c.Proposals, c.Credentials} {
		writeTypes(w, list)
	}
}

// ReadCapabilities reads what Write wrote (RFC 9420 §7.2).
func ReadCapabilities(r *codec.Reader) Capabilities {
	return Capabilities{readTypes(r), readTypes(r), readTypes(r), readTypes(r), readTypes(r)}
}

// Lifetime bounds the use of a key package, in seconds since 1970 (RFC 9420
// §7.2).
type Lifetime struct{ NotBefore, NotAfter uint64 }

// Source tells how a leaf came into the tree (RFC 9420 §7.2).
type Source uint8

// The sources.
const (
	SourceKeyPackage Source = 1
	SourceUpdate     Source = 2
	SourceCommit     Source = 3
)

// LeafNode describes a member (RFC 9420 §7.2). Once read or signed it is
// immutable and may be shared between trees: change a Draft instead.
type LeafNode struct {
	EncryptionKey []byte
	SignatureKey  []byte
	Credential    Credential
	Capabilities  Capabilities
	Source        Source
	Lifetime      Lifetime // SourceKeyPackage only
	ParentHash    []byte   // SourceCommit only
	Extensions    Extensions
	Signature     []byte

	raw []byte // the encoding
	tbs int    // length of the part of raw before the signature
}

// Draft is a copy without signature, to be changed and signed.
func (l *LeafNode) Draft() *LeafNode {
	d := *l
	d.raw, d.tbs, d.Signature = nil, 0, nil
	return &d
}

// Bytes is the encoding; it must not be changed.
func (l *LeafNode) Bytes() []byte { return l.raw }

// Write appends the encoding of a leaf that was read or signed.
func (l *LeafNode) Write(w *codec.Writer) { w.Fixed(l.raw) }

// ReadLeafNode reads a leaf into memory of its own, so that a leaf kept does
// not keep the message it came in (RFC 9420 §7.2).
func ReadLeafNode(r *codec.Reader) *LeafNode {
	start := r.Offset()
	if parseLeaf(r); r.Err() != nil {
		return nil
	}
	raw := bytes.Clone(r.Since(start))
	l := parseLeaf(codec.NewReader(raw))
	l.raw = raw
	return l
}

// ParseLeafNode decodes a leaf that fills b.
func ParseLeafNode(b []byte) (*LeafNode, error) {
	r := codec.NewReader(b)
	l := ReadLeafNode(r)
	if err := r.Close(); err != nil {
		return nil, fmt.Errorf("read leaf node: %w", err)
	}
	return l, nil
}

func parseLeaf(r *codec.Reader) *LeafNode {
	start := r.Offset()
	l := &LeafNode{
		EncryptionKey: r.Bytes(),
		SignatureKey:  r.Bytes(),
		Credential:    ReadCredential(r),
		Capabilities:  ReadCapabilities(r),
		Source:        Source(r.U8()),
	}
	switch {
	case r.Err() != nil:
		return nil
	case l.Source == SourceKeyPackage:
		l.Lifetime = Lifetime{r.U64(), r.U64()}
	case l.Source == SourceCommit:
		l.ParentHash = r.Bytes()
	case l.Source != SourceUpdate:
		r.Fail(fmt.Errorf("leaf node source %d is not known", l.Source))
	}
	l.Extensions = ReadExtensions(r)
	l.tbs = r.Offset() - start
	l.Signature = r.Bytes()
	return l
}

func (l *LeafNode) writeUnsigned(w *codec.Writer) {
	w.Bytes(l.EncryptionKey)
	w.Bytes(l.SignatureKey)
	l.Credential.Write(w)
	l.Capabilities.Write(w)
	w.U8(uint8(l.Source))
	switch l.Source {
	case SourceKeyPackage:
		w.U64(l.Lifetime.NotBefore)
		w.U64(l.Lifetime.NotAfter)
	case SourceCommit:
		w.Bytes(l.ParentHash)
	}
	l.Extensions.Write(w)
}

// leafTBS is LeafNodeTBS: unsigned, and the place in the group for leaves that
// were made inside one (RFC 9420 §7.2).
func leafTBS(unsigned []byte, source Source, groupID []byte, index uint32) []byte {
	var w codec.Writer
	w.Fixed(unsigned)
	if source != SourceKeyPackage {
		w.Bytes(groupID)
		w.U32(index)
	}
	return w.Out()
}

// Sign completes a draft (RFC 9420 §7.2). The group id and leaf index count for
// SourceUpdate and SourceCommit only. The leaf's signature key must be the
// signer's.
func (l *LeafNode) Sign(s *suite.Suite, rand io.Reader, signer crypto.Signer, groupID []byte, index uint32) error {
	pub, err := s.SignatureKey(signer)
	if err != nil {
		return fmt.Errorf("sign leaf node: %w", err)
	}
	if !bytes.Equal(pub, l.SignatureKey) {
		return errors.New("sign leaf node: the signer does not hold the leaf's signature key")
	}
	var w codec.Writer
	l.writeUnsigned(&w)
	unsigned := w.Out()
	// RFC 9420 §7.2 M6
	sig, err := s.SignWithLabel(rand, signer, "LeafNodeTBS", leafTBS(unsigned, l.Source, groupID, index))
	if err != nil {
		return fmt.Errorf("sign leaf node: %w", err)
	}
	out := codec.Writer{}
	out.Fixed(unsigned)
	out.Bytes(sig)
	read, err := ParseLeafNode(out.Out())
	if err != nil {
		return fmt.Errorf("sign leaf node: %w", err)
	}
	*l = *read
	return nil
}

// Verify checks the signature (RFC 9420 §7.2); the error wraps
// suite.ErrSignature.
func (l *LeafNode) Verify(s *suite.Suite, groupID []byte, index uint32) error {
	tbs := leafTBS(l.raw[:l.tbs], l.Source, groupID, index)
	return s.VerifyWithLabel(l.SignatureKey, "LeafNodeTBS", tbs, l.Signature)
}

// SameClient tells whether both leaves have one credential and one signature
// key.
func (l *LeafNode) SameClient(m *LeafNode) bool {
	return l.Credential.Equal(m.Credential) && bytes.Equal(l.SignatureKey, m.SignatureKey)
}

// supports tells whether the capabilities cover a non-default extension type.
func (c Capabilities) supports(ext uint16) bool {
	return DefaultExtension(ext) || slices.Contains(c.Extensions, ext)
}
