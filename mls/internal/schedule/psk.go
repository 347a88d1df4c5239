package schedule

import (
	"bytes"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// PSK types and usages (RFC 9420 §8.4).
const (
	PSKExternal   uint8 = 1
	PSKResumption uint8 = 2

	UsageApplication uint8 = 1
	UsageReInit      uint8 = 2
	UsageBranch      uint8 = 3
)

// PSKID is PreSharedKeyID (RFC 9420 §8.4).
type PSKID struct {
	Type    uint8
	ID      []byte // external
	Usage   uint8  // resumption
	GroupID []byte // resumption
	Epoch   uint64 // resumption
	Nonce   []byte
}

// Write appends the id.
func (p PSKID) Write(w *codec.Writer) {
	w.U8(p.Type)
	if p.Type == PSKExternal {
		w.Bytes(p.ID)
	} else {
		w.U8(p.Usage)
		w.Bytes(p.GroupID)
		w.U64(p.Epoch)
	}
	w.Bytes(p.Nonce)
}

// ReadPSKID reads what Write wrote (RFC 9420 §8.4); the result aliases the
// input.
func ReadPSKID(r *codec.Reader) PSKID {
	p := PSKID{Type: r.U8()}
	switch p.Type {
	case PSKExternal:
		p.ID = r.Bytes()
	case PSKResumption:
		if p.Usage = r.U8(); p.Usage < UsageApplication || p.Usage > UsageBranch {
			r.Fail(fmt.Errorf("resumption usage %d is not known", p.Usage))
		}
		p.GroupID = r.Bytes()
		p.Epoch = r.U64()
	default:
		r.Fail(fmt.Errorf("pre-shared key type %d is not known", p.Type))
	}
	p.Nonce = r.Bytes()
	return p
}

// Same tells whether both name one key with one nonce.
func (p PSKID) Same(q PSKID) bool {
	return p.Type == q.Type && p.Usage == q.Usage && p.Epoch == q.Epoch &&
		bytes.Equal(p.ID, q.ID) && bytes.Equal(p.GroupID, q.GroupID) && bytes.Equal(p.Nonce, q.Nonce)
}

// PSKSecret chains pre-shared keys in their order (RFC 9420 §8.4); nil when
// there is none. It erases the keys.
func PSKSecret(s *suite.Suite, ids []PSKID, keys [][]byte) []byte {
	if len(ids) == 0 {
		return nil
	}
	secret := make([]byte, s.HashLen())
	zero := make([]byte, s.HashLen())
	for i, id := range ids { // RFC 9420 §8.4 R1, §12.3 M1e
		var label codec.Writer
		id.Write(&label)
		label.U16(uint16(i))
		label.U16(uint16(len(ids)))
		extracted := s.Extract(zero, keys[i])
		input := s.ExpandWithLabel(extracted, "derived psk", label.Out(), s.HashLen())
		next := s.Extract(input, secret)
		suite.Zero(extracted, input, secret, keys[i])
		secret = next
	}
	return secret
}

// Key is the encoding as a map key.
func (p PSKID) Key() string {
	var w codec.Writer
	p.Write(&w)
	return string(w.Out())
}
