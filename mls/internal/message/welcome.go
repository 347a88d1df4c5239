package message

import (
	"bytes"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// GroupSecrets is GroupSecrets (RFC 9420 §12.4.3.1). It holds secrets.
type GroupSecrets struct {
	Joiner     []byte
	PathSecret []byte // nil: none
	PSKs       []schedule.PSKID
}

// Encode is the encoding; it is secret.
func (g *GroupSecrets) Encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 256))
	w.Bytes(g.Joiner)
	w.Optional(g.PathSecret != nil)
	if g.PathSecret != nil {
		w.Bytes(g.PathSecret)
	}
	w.Vector(func(w *codec.Writer) {
		for _, id := range g.PSKs {
			id.Write(w)
		}
	})
	return w.Out()
}

// ReadGroupSecrets reads what encode wrote (RFC 9420 §12.4.3.1); it aliases the
// input.
func ReadGroupSecrets(b []byte) (*GroupSecrets, error) {
	r := codec.NewReader(b)
	g := &GroupSecrets{Joiner: r.Bytes()}
	if r.Optional() {
		g.PathSecret = r.Bytes()
	}
	v := r.Vector()
	for !v.Empty() {
		g.PSKs = append(g.PSKs, schedule.ReadPSKID(v))
	}
	r.Join(v)
	if err := r.Close(); err != nil {
		return nil, Malformed("group secrets", err)
	}
	return g, nil
}

// Welcome is Welcome (RFC 9420 §12.4.3.1).
type Welcome struct {
	Suite   uint16
	Secrets []WelcomeSecret
	Info    []byte // encrypted group info
}

// WelcomeSecret is EncryptedGroupSecrets: the secrets for one key package.
type WelcomeSecret struct {
	Ref    []byte
	Sealed tree.Ciphertext
}

// Write appends the Welcome.
func (m *Welcome) Write(w *codec.Writer) {
	w.U16(m.Suite)
	w.Vector(func(w *codec.Writer) {
		for _, s := range m.Secrets {
			w.Bytes(s.Ref)
			s.Sealed.Write(w)
		}
	})
	w.Bytes(m.Info)
}

// ReadWelcome reads a Welcome (RFC 9420 §12.4.3.1); it aliases the input.
func ReadWelcome(r *codec.Reader) *Welcome {
	m := &Welcome{Suite: r.U16()}
	v := r.Vector()
	for !v.Empty() {
		m.Secrets = append(m.Secrets, WelcomeSecret{Ref: v.Bytes(), Sealed: tree.ReadCiphertext(v)})
	}
	r.Join(v)
	m.Info = r.Bytes()
	return m
}

// ParseWelcome reads an MLSMessage with a Welcome (RFC 9420 §12.4.3.1).
func ParseWelcome(b []byte) (*Welcome, error) {
	r := codec.NewReader(b)
	if wire := ReadHeader(r); r.Err() == nil && wire != WireWelcome {
		r.Fail(fmt.Errorf("wire format %d is no Welcome", wire))
	}
	m := ReadWelcome(r)
	if err := r.Close(); err != nil {
		return nil, Malformed("welcome", err)
	}
	return m, nil
}

// Find is the secret for a key package (RFC 9420 §12.4.3.1).
func (m *Welcome) Find(ref []byte) (tree.Ciphertext, error) {
	for _, s := range m.Secrets {
		if bytes.Equal(s.Ref, ref) {
			return s.Sealed, nil
		}
	}
	return tree.Ciphertext{}, fmt.Errorf("find secret in Welcome: %w", ErrNotForMe)
}

// Erase overwrites the secrets.
func (g *GroupSecrets) Erase() { suite.Zero(g.Joiner, g.PathSecret) }
