package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/mls/internal/suite"
)

// Rules are what a leaf must fulfil in one group (RFC 9420 §7.3).
type Rules struct {
	Suite      *suite.Suite
	GroupID    []byte
	Extensions Extensions // of the group context

	// MaxLifetime bounds a key package's lifetime; zero means no bound.
	MaxLifetime time.Duration
	// At is the time that lifetimes must cover; the zero time leaves them
	// unchecked, as a receiver may (RFC 9420 §7.3).
	At time.Time
}

// CheckLeaf checks all of §7.3 that needs no other leaf: signature, source,
// capabilities, lifetime, keys. Uniqueness is the tree's affair.
func (r Rules) CheckLeaf(l *LeafNode, index uint32, want ...Source) error {
	required, err := RequiredOf(r.Extensions)
	if err != nil {
		return err
	}
	return r.checkLeaf(l, index, required, want)
}

// Suits checks of a leaf that was checked before what may be otherwise in
// another context or at another time (RFC 9420 §7.3): capabilities and
// lifetime.
func (r Rules) Suits(l *LeafNode) error {
	required, err := RequiredOf(r.Extensions)
	if err != nil {
		return err
	}
	if err := r.checkCapabilities(l, required); err != nil {
		return err
	}
	return r.checkLifetime(l)
}

func (r Rules) checkLeaf(l *LeafNode, index uint32, required Required, want []Source) error {
	if len(want) > 0 && !slices.Contains(want, l.Source) {
		return fmt.Errorf("check leaf %d: source %d is not allowed here", index, l.Source)
	}
	if err := r.checkKeys(l); err != nil {
		return fmt.Errorf("check leaf %d: %w", index, err)
	}
	if err := r.checkCapabilities(l, required); err != nil {
		return fmt.Errorf("check leaf %d: %w", index, err)
	}
	if err := r.checkLifetime(l); err != nil {
		return fmt.Errorf("check leaf %d: %w", index, err)
	}
	if err := l.Verify(r.Suite, r.GroupID, index); err != nil { // RFC 9420 §7.3 R2
		return fmt.Errorf("check leaf %d: %w", index, err)
	}
	return nil
}

func (r Rules) checkKeys(l *LeafNode) error {
	if l.Credential.Type != CredentialBasic { // RFC 9420 §7.3 R1
		return fmt.Errorf("credential type 0x%04x is not accepted", l.Credential.Type)
	}
	if err := r.Suite.CheckSignatureKey(l.SignatureKey); err != nil {
		return err
	}
	if bytes.Equal(l.SignatureKey, l.EncryptionKey) { // RFC 9420 §16.7 M1
		return errors.New("signature key and encryption key are the same")
	}
	return r.Suite.CheckPublicKey(l.EncryptionKey)
}

// checkCapabilities is RFC 9420 §7.2, §7.3 and §13.4 about what a leaf lists.
func (r Rules) checkCapabilities(l *LeafNode, q Required) error {
	c := l.Capabilities
	if !slices.Contains(c.Versions, Version) {
		return errors.New("capabilities lack protocol version mls10")
	}
	if !slices.Contains(c.Suites, r.Suite.ID()) {
		return fmt.Errorf("capabilities lack the group's suite 0x%04x", r.Suite.ID())
	}
	if !slices.Contains(c.Credentials, l.Credential.Type) { // RFC 9420 §7.2 M3, §7.3 R3
		return errors.New("capabilities lack the leaf's own credential type")
	}
	for _, x := range l.Extensions { // RFC 9420 §7.2 M3, §7.3 R4
		if !c.supports(x.Type) {
			return fmt.Errorf("capabilities lack the leaf's own extension 0x%04x", x.Type)
		}
	}
	for _, x := range r.Extensions { // RFC 9420 §13.4 M6, M7
		if !c.supports(x.Type) {
			return fmt.Errorf("capabilities lack the group's extension 0x%04x", x.Type)
		}
	}
	return c.cover(q) // RFC 9420 §7.3 M1, §11.1 R1
}

// cover checks the required capabilities of a group (RFC 9420 §11.1).
func (c Capabilities) cover(q Required) error {
	for _, t := range q.Extensions {
		if !c.supports(t) {
			return fmt.Errorf("capabilities lack the required extension 0x%04x", t)
		}
	}
	for _, t := range q.Proposals {
		if !DefaultProposal(t) && !slices.Contains(c.Proposals, t) {
			return fmt.Errorf("capabilities lack the required proposal 0x%04x", t)
		}
	}
	for _, t := range q.Credentials {
		if !slices.Contains(c.Credentials, t) {
			return fmt.Errorf("capabilities lack the required credential type 0x%04x", t)
		}
	}
	return nil
}

func (r Rules) checkLifetime(l *LeafNode) error {
	if l.Source != SourceKeyPackage {
		return nil
	}
	from, to := l.Lifetime.NotBefore, l.Lifetime.NotAfter
	if to < from {
		return errors.New("lifetime ends before it begins")
	}
	if r.MaxLifetime > 0 && to-from > uint64(r.MaxLifetime/time.Second) {
		return fmt.Errorf("lifetime is longer than %s", r.MaxLifetime)
	}
	if r.At.IsZero() {
		return nil
	}
	if at := r.At.Unix(); at < 0 || uint64(at) < from || uint64(at) > to {
		return fmt.Errorf("lifetime does not cover %s", r.At.UTC().Format(time.RFC3339))
	}
	return nil
}

// Supports checks that every member supports the group context extensions and
// required capabilities (RFC 9420 §12.1.7).
func (t *Tree) Supports(ext Extensions) error {
	q, err := RequiredOf(ext)
	if err != nil {
		return err
	}
	for i, l := range t.Members() {
		for _, x := range ext {
			if !l.Capabilities.supports(x.Type) {
				return fmt.Errorf("check leaf %d: capabilities lack the group's extension 0x%04x", i, x.Type)
			}
		}
		if err := l.Capabilities.cover(q); err != nil {
			return fmt.Errorf("check leaf %d: %w", i, err)
		}
	}
	return nil
}

// CheckUnique checks that every signature key belongs to one leaf and every
// encryption key to one node (RFC 9420 §7.3, §12.4.3.1).
func (t *Tree) CheckUnique() error {
	encryption := make(map[string]struct{}, len(t.nodes))
	signature := make(map[string]struct{}, t.Width())
	for x, n := range t.nodes {
		if n.blank() {
			continue
		}
		if _, twice := encryption[string(n.key())]; twice {
			return fmt.Errorf("check tree: the encryption key of node %d occurs twice", x) // RFC 9420 §7.3 R9, §16.7 M1
		}
		encryption[string(n.key())] = struct{}{}
		if n.leaf == nil {
			continue
		}
		if _, twice := signature[string(n.leaf.SignatureKey)]; twice {
			return fmt.Errorf("check tree: the signature key of leaf %d occurs twice", LeafOf(uint32(x))) // RFC 9420 §7.3 R8, §16.7 M1
		}
		signature[string(n.leaf.SignatureKey)] = struct{}{}
	}
	return nil
}

// CheckFresh checks that the given members' keys occur once in the tree, which
// was free of doubles before they came.
func (t *Tree) CheckFresh(leaves []uint32) error {
	if len(leaves) > 8 {
		return t.CheckUnique()
	}
	for _, i := range leaves {
		l := t.Leaf(i)
		if l == nil {
			return fmt.Errorf("check leaf %d: %w", i, ErrNoMember)
		}
		for x, n := range t.nodes {
			if n.blank() || uint32(x) == NodeOf(i) {
				continue
			}
			if bytes.Equal(n.key(), l.EncryptionKey) { // RFC 9420 §7.3 R9
				return fmt.Errorf("check leaf %d: node %d has its encryption key already", i, x)
			}
			if n.leaf != nil && bytes.Equal(n.leaf.SignatureKey, l.SignatureKey) { // RFC 9420 §7.3 R8, §12.2 R5, R6
				return fmt.Errorf("check leaf %d: leaf %d has its signature key already", i, LeafOf(uint32(x)))
			}
		}
	}
	return nil
}
