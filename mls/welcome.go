package mls

import (
	"bytes"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// groupSecrets is GroupSecrets (RFC 9420 §12.4.3.1). It holds secrets.
type groupSecrets struct {
	joiner     []byte
	pathSecret []byte // nil: none
	psks       []schedule.PSKID
}

func (g *groupSecrets) encode() []byte {
	w := codec.NewWriter(make([]byte, 0, 256))
	w.Bytes(g.joiner)
	w.Optional(g.pathSecret != nil)
	if g.pathSecret != nil {
		w.Bytes(g.pathSecret)
	}
	w.Vector(func(w *codec.Writer) {
		for _, id := range g.psks {
			id.Write(w)
		}
	})
	return w.Out()
}

// readGroupSecrets reads what encode wrote; it aliases the input.
func readGroupSecrets(b []byte) (*groupSecrets, error) {
	r := codec.NewReader(b)
	g := &groupSecrets{joiner: r.Bytes()}
	if r.Optional() {
		g.pathSecret = r.Bytes()
	}
	v := r.Vector()
	for !v.Empty() {
		g.psks = append(g.psks, schedule.ReadPSKID(v))
	}
	r.Join(v)
	if err := r.Close(); err != nil {
		return nil, malformed("group secrets", err)
	}
	return g, nil
}

// welcome is Welcome (RFC 9420 §12.4.3.1).
type welcome struct {
	suite   uint16
	secrets []welcomeSecret
	info    []byte // encrypted group info
}

type welcomeSecret struct {
	ref    []byte
	sealed tree.Ciphertext
}

func (m *welcome) write(w *codec.Writer) {
	w.U16(m.suite)
	w.Vector(func(w *codec.Writer) {
		for _, s := range m.secrets {
			w.Bytes(s.ref)
			s.sealed.Write(w)
		}
	})
	w.Bytes(m.info)
}

// readWelcome reads a Welcome; it aliases the input.
func readWelcome(r *codec.Reader) *welcome {
	m := &welcome{suite: r.U16()}
	v := r.Vector()
	for !v.Empty() {
		m.secrets = append(m.secrets, welcomeSecret{ref: v.Bytes(), sealed: tree.ReadCiphertext(v)})
	}
	r.Join(v)
	m.info = r.Bytes()
	return m
}

// parseWelcome reads an MLSMessage with a Welcome.
func parseWelcome(b []byte) (*welcome, error) {
	r := codec.NewReader(b)
	if wire := readHeader(r); r.Err() == nil && wire != WireWelcome {
		r.Fail(fmt.Errorf("wire format %d is no Welcome", wire))
	}
	m := readWelcome(r)
	if err := r.Close(); err != nil {
		return nil, malformed("welcome", err)
	}
	return m, nil
}

// find is the secret for a key package.
func (m *welcome) find(ref []byte) (tree.Ciphertext, error) {
	for _, s := range m.secrets {
		if bytes.Equal(s.ref, ref) {
			return s.sealed, nil
		}
	}
	return tree.Ciphertext{}, fmt.Errorf("find secret in Welcome: %w", ErrNotForMe)
}

// WelcomeFor tells whether a Welcome holds secrets for the key package with
// this reference.
func WelcomeFor(msg, ref []byte) bool {
	m, err := parseWelcome(msg)
	if err != nil {
		return false
	}
	_, err = m.find(ref)
	return err == nil
}
