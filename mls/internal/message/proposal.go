package message

import (
	"bytes"
	"errors"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// Proposal is Proposal (RFC 9420 §12.1); the field that fits kind is set.
type Proposal struct {
	Kind       uint16
	KeyPackage *tree.KeyPackage
	Leaf       *tree.LeafNode
	Removed    uint32
	PSK        schedule.PSKID
	ReInit     ReInit
	KEMOutput  []byte
	Extensions tree.Extensions
}

// ReInit is ReInit (RFC 9420 §12.1.5).
type ReInit struct {
	GroupID    []byte
	Version    uint16
	Suite      uint16
	Extensions tree.Extensions
}

// Write appends the proposal.
func (p *Proposal) Write(w *codec.Writer) {
	w.U16(p.Kind)
	switch p.Kind {
	case ProposalAdd:
		p.KeyPackage.Write(w)
	case ProposalUpdate:
		p.Leaf.Write(w)
	case ProposalRemove:
		w.U32(p.Removed)
	case ProposalPSK:
		p.PSK.Write(w)
	case ProposalReInit:
		w.Bytes(p.ReInit.GroupID)
		w.U16(p.ReInit.Version)
		w.U16(p.ReInit.Suite)
		p.ReInit.Extensions.Write(w)
	case ProposalExternalInit:
		w.Bytes(p.KEMOutput)
	case ProposalGroupContextExtensions:
		p.Extensions.Write(w)
	}
}

// ReadProposal reads a proposal into memory of its own (RFC 9420 §12.1). Types
// beyond RFC 9420 fail, because their length is unknown.
func ReadProposal(r *codec.Reader) Proposal {
	p := Proposal{Kind: r.U16()}
	switch p.Kind {
	case ProposalAdd:
		p.KeyPackage = tree.ReadKeyPackage(r)
	case ProposalUpdate:
		p.Leaf = tree.ReadLeafNode(r)
	case ProposalRemove:
		p.Removed = r.U32()
	case ProposalPSK:
		id := schedule.ReadPSKID(r)
		id.ID, id.GroupID, id.Nonce = bytes.Clone(id.ID), bytes.Clone(id.GroupID), bytes.Clone(id.Nonce)
		p.PSK = id
	case ProposalReInit:
		p.ReInit = readReInit(r)
	case ProposalExternalInit:
		p.KEMOutput = bytes.Clone(r.Bytes())
	case ProposalGroupContextExtensions:
		p.Extensions = tree.ReadExtensions(r).Clone()
	default:
		r.Fail(fmt.Errorf("proposal type 0x%04x is not known here", p.Kind)) // RFC 9420 §12.2 R11, §13.2 M1
	}
	return p
}

func readReInit(r *codec.Reader) ReInit {
	return ReInit{
		GroupID:    bytes.Clone(r.Bytes()),
		Version:    r.U16(),
		Suite:      r.U16(),
		Extensions: tree.ReadExtensions(r).Clone(),
	}
}

// Commit is Commit (RFC 9420 §12.4).
type Commit struct {
	Proposals []ProposalOrRef
	Path      *tree.UpdatePath
}

// ProposalOrRef is ProposalOrRef: by reference where value is nil.
type ProposalOrRef struct {
	Value *Proposal
	Ref   []byte
}

// Kinds of ProposalOrRef.
const (
	byValue     uint8 = 1
	byReference uint8 = 2
)

// Write appends the commit.
func (c *Commit) Write(w *codec.Writer) {
	w.Vector(func(w *codec.Writer) {
		for _, p := range c.Proposals {
			if p.Value == nil {
				w.U8(byReference)
				w.Bytes(p.Ref)
				continue
			}
			w.U8(byValue)
			p.Value.Write(w)
		}
	})
	w.Optional(c.Path != nil)
	if c.Path != nil {
		c.Path.Write(w)
	}
}

// ReadCommit reads a commit (RFC 9420 §12.4); references and ciphertexts alias
// the input.
func ReadCommit(r *codec.Reader) *Commit {
	c := new(Commit)
	v := r.Vector()
	for !v.Empty() {
		switch kind := v.U8(); kind {
		case byValue:
			p := ReadProposal(v)
			c.Proposals = append(c.Proposals, ProposalOrRef{Value: &p})
		case byReference:
			c.Proposals = append(c.Proposals, ProposalOrRef{Ref: v.Bytes()})
		default:
			v.Fail(errors.New("proposal in a commit is neither a value nor a reference"))
		}
	}
	r.Join(v)
	if r.Optional() {
		c.Path = tree.ReadUpdatePath(r)
	}
	return c
}
