package mls

import (
	"bytes"
	"crypto"
	"fmt"
	"io"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// groupInfo is GroupInfo (RFC 9420 §12.4.3): the public state of an epoch,
// signed by a member.
type groupInfo struct {
	context    *schedule.Context
	extensions tree.Extensions
	tag        []byte // confirmation tag
	signer     uint32 // leaf
	signature  []byte
	unsigned   []byte // GroupInfoTBS
}

// newGroupInfo describes an epoch; sign completes it.
func newGroupInfo(st *epochState, signer uint32, extensions tree.Extensions) *groupInfo {
	g := &groupInfo{context: st.context, extensions: extensions, tag: st.tag, signer: signer}
	var w codec.Writer
	w.Fixed(st.encoded)
	extensions.Write(&w)
	w.Bytes(st.tag)
	w.U32(signer)
	g.unsigned = w.Out()
	return g
}

func (g *groupInfo) sign(s *suite.Suite, rand io.Reader, signer crypto.Signer) error {
	sig, err := s.SignWithLabel(rand, signer, "GroupInfoTBS", g.unsigned)
	if err != nil {
		return fmt.Errorf("sign group info: %w", err)
	}
	g.signature = sig
	return nil
}

func (g *groupInfo) write(w *codec.Writer) {
	w.Fixed(g.unsigned)
	w.Bytes(g.signature)
}

// readGroupInfo reads a GroupInfo; but for the context it aliases the input.
func readGroupInfo(r *codec.Reader) *groupInfo {
	start := r.Offset()
	g := &groupInfo{
		context:    schedule.ReadContext(r),
		extensions: tree.ReadExtensions(r),
		tag:        r.Bytes(),
		signer:     r.U32(),
	}
	g.unsigned = r.Since(start)
	g.signature = r.Bytes()
	return g
}

// open checks a GroupInfo with its tree as a joiner must, but for what needs
// secrets, and makes the epoch's state of it (RFC 9420 §12.4.3.1). Apart is
// the tree when the GroupInfo carries none.
func (g *groupInfo) open(apart []byte) (*epochState, error) {
	s, err := knownSuite(g.context.Suite)
	if err != nil {
		return nil, fmt.Errorf("read group info: %w", err)
	}
	nodes, inside := g.extensions.Find(tree.ExtRatchetTree)
	if !inside {
		nodes = apart
	}
	if nodes == nil {
		return nil, invalid("read group info: it carries no ratchet tree and none was given")
	}
	t, err := tree.Parse(s, nodes)
	if err != nil {
		return nil, malformed("ratchet tree", err)
	}
	leaf := t.Leaf(g.signer)
	if leaf == nil {
		return nil, invalid("check group info: its signer, leaf %d, is blank", g.signer)
	}
	if err := s.VerifyWithLabel(leaf.SignatureKey, "GroupInfoTBS", g.unsigned, g.signature); err != nil {
		return nil, fmt.Errorf("check group info: %w: %w", ErrAuthentication, err)
	}
	if !bytes.Equal(t.Hash(), g.context.TreeHash) {
		return nil, invalid("check group info: the tree has another hash")
	}
	if n := len(g.context.Transcript); n != 0 && n != s.HashLen() || len(g.tag) != s.HashLen() {
		return nil, invalid("check group info: a hash or tag has a wrong length")
	}
	st := newEpochState(s, g.context, t, g.tag)
	if err := t.Validate(st.rules()); err != nil {
		return nil, invalid("check group info: %w", err)
	}
	return st, nil
}
