package tree

import (
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/codec"
)

// Extension types of RFC 9420 §17.3.
const (
	ExtApplicationID        uint16 = 0x0001
	ExtRatchetTree          uint16 = 0x0002
	ExtRequiredCapabilities uint16 = 0x0003
	ExtExternalPub          uint16 = 0x0004
	ExtExternalSenders      uint16 = 0x0005
	ExtLastResort           uint16 = 0x000a
)

// DefaultExtension tells whether every client supports the type, so that
// capabilities must not list it (RFC 9420 §7.2).
func DefaultExtension(t uint16) bool { return t >= ExtApplicationID && t <= ExtExternalSenders }

// DefaultProposal tells the same of a proposal type.
func DefaultProposal(t uint16) bool { return t >= 1 && t <= 7 }

// Extension is a typed, opaque value (RFC 9420 §7.2).
type Extension struct {
	Type uint16
	Data []byte
}

// Extensions is a list with at most one extension of a type (RFC 9420 §13.4).
type Extensions []Extension

// Find returns the data of the extension of type t.
func (e Extensions) Find(t uint16) ([]byte, bool) {
	for _, x := range e {
		if x.Type == t {
			return x.Data, true
		}
	}
	return nil, false
}

// Types lists the types of the extensions.
func (e Extensions) Types() []uint16 {
	out := make([]uint16, len(e))
	for i, x := range e {
		out[i] = x.Type
	}
	return out
}

// Clone copies the list and its data.
func (e Extensions) Clone() Extensions {
	out := slices.Clone(e)
	for i := range out {
		out[i].Data = slices.Clone(out[i].Data)
	}
	return out
}

// Write appends the list as Extension<V>.
func (e Extensions) Write(w *codec.Writer) {
	w.Vector(func(w *codec.Writer) {
		for _, x := range e {
			w.U16(x.Type)
			w.Bytes(x.Data)
		}
	})
}

// ReadExtensions reads Extension<V>; two of one type fail. The data alias the
// input.
func ReadExtensions(r *codec.Reader) Extensions {
	v := r.Vector()
	var out Extensions
	for !v.Empty() {
		x := Extension{Type: v.U16(), Data: v.Bytes()}
		out = append(out, x)
	}
	r.Join(v)
	if dup, ok := duplicateType(out); ok && r.Err() == nil {
		r.Fail(fmt.Errorf("extension type 0x%04x appears twice", dup)) // RFC 9420 §13.4 M5
	}
	return out
}

func duplicateType(e Extensions) (uint16, bool) {
	if len(e) < 2 {
		return 0, false
	}
	types := e.Types()
	slices.Sort(types)
	for i := 1; i < len(types); i++ {
		if types[i] == types[i-1] {
			return types[i], true
		}
	}
	return 0, false
}

// Required is the content of a required_capabilities extension (RFC 9420
// §11.1).
type Required struct {
	Extensions, Proposals, Credentials []uint16
}

// Bytes encodes the extension's data.
func (q Required) Bytes() []byte {
	var w codec.Writer
	writeTypes(&w, q.Extensions)
	writeTypes(&w, q.Proposals)
	writeTypes(&w, q.Credentials)
	return w.Out()
}

// RequiredOf reads the required_capabilities extension of a group context (RFC
// 9420 §11.1); the zero value when there is none.
func RequiredOf(e Extensions) (Required, error) {
	data, ok := e.Find(ExtRequiredCapabilities)
	if !ok {
		return Required{}, nil
	}
	r := codec.NewReader(data)
	q := Required{readTypes(r), readTypes(r), readTypes(r)}
	if err := r.Close(); err != nil {
		return Required{}, fmt.Errorf("read required capabilities: %w", err)
	}
	return q, nil
}

func writeTypes(w *codec.Writer, types []uint16) {
	w.Varint(2 * len(types))
	for _, t := range types {
		w.U16(t)
	}
}

func readTypes(r *codec.Reader) []uint16 {
	b := r.Bytes()
	if len(b)%2 != 0 {
		r.Fail(errors.New("list of types has an odd number of bytes"))
		return nil
	}
	out := make([]uint16, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		out = append(out, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return out
}
