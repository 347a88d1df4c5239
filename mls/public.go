package mls

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/codec"
)

// PublicGroup follows a group without any of its secrets: it verifies what a
// member would of every PublicMessage, but for the membership and confirmation
// tags, which need them. So a signature of a member is what it trusts; its
// tree hash equals the members' after every commit that they accept.
//
// It is for one goroutine; what Stage returns is independent.
type PublicGroup struct {
	cfg Config
	st  *epochState
}

// NewPublicGroup starts from an MLSMessage(GroupInfo) that carries its tree.
// Whether its signer may speak for the group is the caller's to decide.
func NewPublicGroup(cfg Config, groupInfo []byte) (*PublicGroup, error) {
	g, err := parseGroupInfo(bytes.Clone(groupInfo))
	if err != nil {
		return nil, err
	}
	st, err := g.open(nil)
	if err != nil {
		return nil, err
	}
	return &PublicGroup{cfg: cfg, st: st}, nil
}

// parseGroupInfo reads an MLSMessage(GroupInfo).
func parseGroupInfo(msg []byte) (*groupInfo, error) {
	r := codec.NewReader(msg)
	if wire := readHeader(r); r.Err() == nil && wire != WireGroupInfo {
		r.Fail(errors.New("it is no group info"))
	}
	g := readGroupInfo(r)
	if err := r.Close(); err != nil {
		return nil, malformed("group info", err)
	}
	return g, nil
}

// publicVersion is the first octet of a stored PublicGroup.
const publicVersion = 1

// LoadPublicGroup reads what MarshalBinary wrote. It does not verify the
// signatures again: keep the bytes where only the caller writes.
func LoadPublicGroup(cfg Config, b []byte) (*PublicGroup, error) {
	r := codec.NewReader(b)
	if v := r.U8(); v != publicVersion && r.Err() == nil {
		return nil, fmt.Errorf("load public group: format %d: %w", v, ErrState)
	}
	st, err := readEpochState(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("load public group: %w: %w", ErrState, err)
	}
	return &PublicGroup{cfg: cfg, st: st}, nil
}

// MarshalBinary writes the state; it holds no secret.
func (p *PublicGroup) MarshalBinary() ([]byte, error) {
	var w codec.Writer
	w.U8(publicVersion)
	p.st.write(&w)
	return w.Out(), nil
}

// Process takes in a handshake, an MLSMessage(PublicMessage). After an error
// the state is as it was.
func (p *PublicGroup) Process(msg []byte) (*Received, error) {
	next, received, err := p.Stage(msg)
	if err != nil {
		return nil, err
	}
	p.st = next.st
	return received, nil
}

// Stage is Process on a copy: p stays as it is, and the group returned is
// after the message.
func (p *PublicGroup) Stage(msg []byte) (*PublicGroup, *Received, error) {
	m, err := readHandshake(msg)
	if err != nil {
		return nil, nil, err
	}
	if err := p.st.checkPlace(m.groupID, m.epoch); err != nil {
		return nil, nil, err
	}
	if err := p.st.verify(&p.cfg, m); err != nil {
		return nil, nil, err
	}
	received := &Received{
		Kind: m.kind, Sender: m.sender.index, External: m.sender.kind != senderMember,
		Epoch: m.epoch, AuthenticatedData: bytes.Clone(m.aad),
	}
	if received.External {
		received.Sender = 0
	}
	next := &PublicGroup{cfg: p.cfg}
	if m.kind == Proposal {
		next.st, err = p.keepProposal(m, received)
	} else {
		next.st, err = p.stageCommit(m, received)
	}
	if err != nil {
		return nil, nil, err
	}
	return next, received, nil
}

// readHandshake reads a PublicMessage with a proposal or commit.
func readHandshake(msg []byte) (*signed, error) {
	r := codec.NewReader(msg)
	wire := readHeader(r)
	if err := r.Err(); err != nil {
		return nil, malformed("message", err)
	}
	switch wire {
	case WirePublicMessage:
	case WirePrivateMessage:
		return nil, invalid("read message: a keyless group follows public messages only")
	default:
		return nil, malformed("message", fmt.Errorf("wire format %d is none of a group", wire))
	}
	m, _, err := readPublic(r)
	if err != nil {
		return nil, err
	}
	if m.kind != Proposal && m.kind != Commit {
		return nil, invalid("read message: application data is never public")
	}
	return m, nil
}

func (p *PublicGroup) keepProposal(m *signed, received *Received) (*epochState, error) {
	view, err := p.st.checkProposal(&p.cfg, m)
	if err != nil {
		return nil, err
	}
	if err := p.cfg.authorizeProposal(view); err != nil {
		return nil, err
	}
	next := *p.st
	next.proposals = slices.Clone(p.st.proposals)
	if err := next.keep(&p.cfg, m); err != nil {
		return nil, err
	}
	received.Proposal = view
	return &next, nil
}

func (p *PublicGroup) stageCommit(m *signed, received *Received) (*epochState, error) {
	if len(m.tag) != p.st.suite.HashLen() {
		return nil, invalid("check commit: its confirmation tag has %d bytes", len(m.tag))
	}
	staged, err := p.st.stage(&p.cfg, m)
	if err != nil {
		return nil, err
	}
	if err := p.cfg.authorize(staged.view); err != nil {
		return nil, err
	}
	received.View = staged.view
	return staged.next, nil
}

// Epoch is the number of the epoch.
func (p *PublicGroup) Epoch() uint64 { return p.st.context.Epoch }

// GroupID is the group's id.
func (p *PublicGroup) GroupID() []byte { return bytes.Clone(p.st.context.GroupID) }

// Suite is the group's cipher suite.
func (p *PublicGroup) Suite() Suite { return Suite(p.st.context.Suite) }

// Members lists the occupied leaves in their order.
func (p *PublicGroup) Members() []Member { return p.st.members() }

// Extensions are those of the group context.
func (p *PublicGroup) Extensions() []Extension { return p.st.context.Extensions.Clone() }

// TreeHash is the tree hash of the epoch (RFC 9420 §7.8).
func (p *PublicGroup) TreeHash() []byte { return bytes.Clone(p.st.context.TreeHash) }

// ConfirmedTranscriptHash is that of the epoch (RFC 9420 §8.2).
func (p *PublicGroup) ConfirmedTranscriptHash() []byte { return bytes.Clone(p.st.context.Transcript) }
