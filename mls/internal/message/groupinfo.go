package message

import (
	"crypto"
	"errors"
	"fmt"
	"io"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// GroupInfo is GroupInfo (RFC 9420 §12.4.3): the public state of an epoch,
// signed by a member.
type GroupInfo struct {
	Context    *schedule.Context
	Extensions tree.Extensions
	Tag        []byte // confirmation tag
	Signer     uint32 // leaf
	Signature  []byte
	Unsigned   []byte // GroupInfoTBS
}

// NewGroupInfo describes an epoch (RFC 9420 §12.4.3); sign completes it.
func NewGroupInfo(c *schedule.Context, tag []byte, signer uint32, extensions tree.Extensions) *GroupInfo {
	g := &GroupInfo{Context: c, Extensions: extensions, Tag: tag, Signer: signer}
	var w codec.Writer
	for _, x := range extensions { // one of them may be the whole tree
		w.Grow(256 + len(x.Data))
	}
	w.Fixed(c.Bytes())
	extensions.Write(&w)
	w.Bytes(tag)
	w.U32(signer)
	g.Unsigned = w.Out()
	return g
}

// Sign completes the group info (RFC 9420 §12.4.3).
func (g *GroupInfo) Sign(s *suite.Suite, rand io.Reader, signer crypto.Signer) error {
	sig, err := s.SignWithLabel(rand, signer, "GroupInfoTBS", g.Unsigned)
	if err != nil {
		return fmt.Errorf("sign group info: %w", err)
	}
	g.Signature = sig
	return nil
}

// Write appends the signed group info.
func (g *GroupInfo) Write(w *codec.Writer) {
	w.Grow(len(g.Unsigned) + 4 + len(g.Signature))
	w.Fixed(g.Unsigned)
	w.Bytes(g.Signature)
}

// ReadGroupInfo reads a GroupInfo (RFC 9420 §12.4.3); but for the context it
// aliases the input.
func ReadGroupInfo(r *codec.Reader) *GroupInfo {
	start := r.Offset()
	g := &GroupInfo{
		Context:    schedule.ReadContext(r),
		Extensions: tree.ReadExtensions(r),
		Tag:        r.Bytes(),
		Signer:     r.U32(),
	}
	g.Unsigned = r.Since(start)
	g.Signature = r.Bytes()
	return g
}

// ParseGroupInfo reads an MLSMessage(GroupInfo) (RFC 9420 §12.4.3).
func ParseGroupInfo(msg []byte) (*GroupInfo, error) {
	r := codec.NewReader(msg)
	if wire := ReadHeader(r); r.Err() == nil && wire != WireGroupInfo {
		r.Fail(errors.New("it is no group info"))
	}
	g := ReadGroupInfo(r)
	if err := r.Close(); err != nil {
		return nil, Malformed("group info", err)
	}
	return g, nil
}
