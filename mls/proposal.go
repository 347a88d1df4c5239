package mls

import (
	"bytes"
	"errors"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// proposal is Proposal (RFC 9420 §12.1); the field that fits kind is set.
type proposal struct {
	kind       uint16
	keyPackage *tree.KeyPackage
	leaf       *tree.LeafNode
	removed    uint32
	psk        schedule.PSKID
	reInit     reInit
	kemOutput  []byte
	extensions tree.Extensions
}

// reInit is ReInit (RFC 9420 §12.1.5).
type reInit struct {
	groupID    []byte
	version    uint16
	suite      uint16
	extensions tree.Extensions
}

// sentProposal is a proposal with the one who made it.
type sentProposal struct {
	proposal
	external bool   // the sender is no member
	sender   uint32 // leaf
}

func (p *proposal) write(w *codec.Writer) {
	w.U16(p.kind)
	switch p.kind {
	case ProposalAdd:
		p.keyPackage.Write(w)
	case ProposalUpdate:
		p.leaf.Write(w)
	case ProposalRemove:
		w.U32(p.removed)
	case ProposalPSK:
		p.psk.Write(w)
	case ProposalReInit:
		w.Bytes(p.reInit.groupID)
		w.U16(p.reInit.version)
		w.U16(p.reInit.suite)
		p.reInit.extensions.Write(w)
	case ProposalExternalInit:
		w.Bytes(p.kemOutput)
	case ProposalGroupContextExtensions:
		p.extensions.Write(w)
	}
}

// readProposal reads a proposal into memory of its own. Types beyond RFC 9420
// fail, because their length is unknown.
func readProposal(r *codec.Reader) proposal {
	p := proposal{kind: r.U16()}
	switch p.kind {
	case ProposalAdd:
		p.keyPackage = tree.ReadKeyPackage(r)
	case ProposalUpdate:
		p.leaf = tree.ReadLeafNode(r)
	case ProposalRemove:
		p.removed = r.U32()
	case ProposalPSK:
		id := schedule.ReadPSKID(r)
		id.ID, id.GroupID, id.Nonce = bytes.Clone(id.ID), bytes.Clone(id.GroupID), bytes.Clone(id.Nonce)
		p.psk = id
	case ProposalReInit:
		p.reInit = readReInit(r)
	case ProposalExternalInit:
		p.kemOutput = bytes.Clone(r.Bytes())
	case ProposalGroupContextExtensions:
		p.extensions = tree.ReadExtensions(r).Clone()
	default:
		r.Fail(fmt.Errorf("proposal type 0x%04x is not known here", p.kind))
	}
	return p
}

func readReInit(r *codec.Reader) reInit {
	return reInit{
		groupID:    bytes.Clone(r.Bytes()),
		version:    r.U16(),
		suite:      r.U16(),
		extensions: tree.ReadExtensions(r).Clone(),
	}
}

// commit is Commit (RFC 9420 §12.4).
type commit struct {
	proposals []proposalOrRef
	path      *tree.UpdatePath
}

// proposalOrRef is ProposalOrRef: by reference where value is nil.
type proposalOrRef struct {
	value *proposal
	ref   []byte
}

// Kinds of ProposalOrRef.
const (
	byValue     uint8 = 1
	byReference uint8 = 2
)

func (c *commit) write(w *codec.Writer) {
	w.Vector(func(w *codec.Writer) {
		for _, p := range c.proposals {
			if p.value == nil {
				w.U8(byReference)
				w.Bytes(p.ref)
				continue
			}
			w.U8(byValue)
			p.value.write(w)
		}
	})
	w.Optional(c.path != nil)
	if c.path != nil {
		c.path.Write(w)
	}
}

// readCommit reads a commit; references and ciphertexts alias the input.
func readCommit(r *codec.Reader) *commit {
	c := new(commit)
	v := r.Vector()
	for !v.Empty() {
		switch kind := v.U8(); kind {
		case byValue:
			p := readProposal(v)
			c.proposals = append(c.proposals, proposalOrRef{value: &p})
		case byReference:
			c.proposals = append(c.proposals, proposalOrRef{ref: v.Bytes()})
		default:
			v.Fail(errors.New("proposal in a commit is neither a value nor a reference"))
		}
	}
	r.Join(v)
	if r.Optional() {
		c.path = tree.ReadUpdatePath(r)
	}
	return c
}
