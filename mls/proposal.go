package mls

import (
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// proposal is a Proposal (RFC 9420 §12.1); the field that counts depends on
// kind.
type proposal struct {
	kind       uint16
	keyPackage *tree.KeyPackage // Add
	leaf       *tree.LeafNode   // Update
	removed    uint32           // Remove
	psk        schedule.PSKID   // PreSharedKey
	reInit     reInit           // ReInit
	kemOutput  []byte           // ExternalInit
	extensions tree.Extensions  // GroupContextExtensions
}

// reInit is the content of a ReInit (RFC 9420 §12.1.5).
type reInit struct {
	groupID        []byte
	version, suite uint16
	extensions     tree.Extensions
}

// sentProposal is a proposal with its sender, as a commit covers it.
type sentProposal struct {
	proposal
	sender   uint32 // leaf
	external bool   // the sender is no member
}

// readProposal reads a proposal; an unknown type fails, because its length is
// unknown.
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
		p.psk = schedule.ReadPSKID(r)
	case ProposalReInit:
		p.reInit = reInit{r.Bytes(), r.U16(), r.U16(), tree.ReadExtensions(r)}
	case ProposalExternalInit:
		p.kemOutput = r.Bytes()
	case ProposalGroupContextExtensions:
		p.extensions = tree.ReadExtensions(r)
	default:
		r.Fail(fmt.Errorf("proposal type %d is not known", p.kind))
	}
	return p
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
