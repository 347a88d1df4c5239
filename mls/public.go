package mls

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
)

// PublicGroup follows a group without any of its secrets: it verifies what a
// member would of every PublicMessage, but for the membership and confirmation
// tags, which need them. So a signature of a member is what it trusts; its
// tree hash equals the members' after every commit that they accept.
//
// It is for one goroutine; what Stage returns is independent.
type PublicGroup struct {
	cfg Config
	st  *public.State
	// signer signed the GroupInfo that p was made of; nil if it is made of none.
	signer *uint32
	closed bool // a ReInit was committed: members take no handshake any more
}

// NewPublicGroup starts from an MLSMessage(GroupInfo) that carries its tree
// (RFC 9420 §12.4.3). Any member can sign one, of a tree and epoch of its own
// making: whether its signer may speak for the group is the caller's to decide
// (see Signer).
func NewPublicGroup(cfg Config, groupInfo []byte) (*PublicGroup, error) {
	g, err := message.ParseGroupInfo(bytes.Clone(groupInfo))
	if err != nil {
		return nil, err
	}
	st, err := public.Open(g, nil)
	if err != nil {
		return nil, err
	}
	return newPublicGroup(cfg, st, &g.Signer), nil
}

// newPublicGroup forgets the signer of a configuration that serves members too:
// a tracker signs nothing.
func newPublicGroup(cfg Config, st *public.State, signer *uint32) *PublicGroup {
	cfg.Signer = nil
	return &PublicGroup{cfg: cfg, st: st, signer: signer}
}

// Signer is the leaf that signed the GroupInfo of which NewPublicGroup made p.
// A group that was loaded or staged has none, and ok is false.
func (p *PublicGroup) Signer() (leaf uint32, ok bool) {
	if p.signer == nil {
		return 0, false
	}
	return *p.signer, true
}

// The first octet of a stored PublicGroup: open, or closed by a ReInit.
const (
	publicVersion = 1
	publicClosed  = 2
)

// LoadPublicGroup reads what MarshalBinary wrote. It does not verify the
// signatures again: keep the bytes where only the caller writes.
func LoadPublicGroup(cfg Config, b []byte) (*PublicGroup, error) {
	r := codec.NewReader(b)
	v := r.U8()
	if v != publicVersion && v != publicClosed && r.Err() == nil {
		return nil, fmt.Errorf("load public group: format %d: %w", v, ErrState)
	}
	st, err := public.ReadState(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("load public group: %w: %w", ErrState, err)
	}
	p := newPublicGroup(cfg, st, nil)
	p.closed = v == publicClosed
	return p, nil
}

// MarshalBinary writes the state; it holds no secret.
func (p *PublicGroup) MarshalBinary() ([]byte, error) {
	var w codec.Writer
	if p.closed {
		w.U8(publicClosed)
	} else {
		w.U8(publicVersion)
	}
	p.st.Write(&w)
	return w.Out(), nil
}

// Process takes in a handshake, an MLSMessage(PublicMessage) (RFC 9420
// §12.4.2). After an error the state is as it was.
func (p *PublicGroup) Process(msg []byte) (*Received, error) {
	next, received, err := p.Stage(msg)
	if err != nil {
		return nil, err
	}
	p.st, p.signer, p.closed = next.st, nil, next.closed
	return received, nil
}

// Stage is Process on a copy: p stays as it is, and the group returned is
// after the message.
func (p *PublicGroup) Stage(msg []byte) (*PublicGroup, *Received, error) {
	m, err := readHandshake(msg)
	if err != nil {
		return nil, nil, err
	}
	if err := p.st.CheckPlace(m.GroupID, m.Epoch); err != nil {
		return nil, nil, err
	}
	if err := p.st.Verify(p.cfg.options(), m); err != nil {
		return nil, nil, err
	}
	if p.closed { // RFC 9420 §12.4.2 M2
		return nil, nil, public.Invalid("check message: the group was reinitialised")
	}
	received := &Received{
		Kind: m.Kind, Sender: m.Sender.Index, External: m.Sender.Kind != message.SenderMember,
		Epoch: m.Epoch, AuthenticatedData: bytes.Clone(m.AAD),
	}
	if received.External {
		received.Sender = 0
	}
	next := &PublicGroup{cfg: p.cfg}
	if m.Kind == Proposal {
		next.st, err = p.keepProposal(m, received)
	} else {
		next.st, err = p.stageCommit(m, received)
	}
	if err != nil {
		return nil, nil, err
	}
	next.closed = received.View != nil && received.View.ReInit
	return next, received, nil
}

// readHandshake reads a PublicMessage with a proposal or commit.
func readHandshake(msg []byte) (*message.Signed, error) {
	r := codec.NewReader(msg)
	wire := message.ReadHeader(r)
	if err := r.Err(); err != nil {
		return nil, message.Malformed("message", err)
	}
	switch wire {
	case WirePublicMessage:
	case WirePrivateMessage:
		return nil, public.Invalid("read message: a keyless group follows public messages only")
	default:
		return nil, message.Malformed("message", fmt.Errorf("wire format %d is none of a group", wire))
	}
	m, _, err := message.ReadPublic(r)
	if err != nil {
		return nil, err
	}
	if m.Kind != Proposal && m.Kind != Commit {
		return nil, public.Invalid("read message: application data is never public")
	}
	return m, nil
}

func (p *PublicGroup) keepProposal(m *message.Signed, received *Received) (*public.State, error) {
	view, err := p.st.CheckProposal(p.cfg.options(), m)
	if err != nil {
		return nil, err
	}
	if err := p.cfg.authorizeProposal(m, view); err != nil {
		return nil, err
	}
	next := *p.st
	next.Proposals = slices.Clone(p.st.Proposals)
	if err := next.Keep(p.cfg.options(), m); err != nil {
		return nil, err
	}
	received.Proposal = view
	return &next, nil
}

func (p *PublicGroup) stageCommit(m *message.Signed, received *Received) (*public.State, error) {
	staged, err := p.st.Stage(p.cfg.options(), m)
	if err != nil {
		return nil, err
	}
	if err := p.cfg.authorize(staged.View); err != nil {
		return nil, err
	}
	received.View = staged.View
	return staged.Next, nil
}

// Format prints id and epoch.
func (p PublicGroup) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "mls.PublicGroup{%x, epoch %d}", p.st.Context.GroupID, p.st.Context.Epoch)
}

// LogValue is Format for slog.
func (p PublicGroup) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// Epoch is the number of the epoch.
func (p *PublicGroup) Epoch() uint64 { return p.st.Context.Epoch }

// GroupID is the group's id.
func (p *PublicGroup) GroupID() []byte { return bytes.Clone(p.st.Context.GroupID) }

// Suite is the group's cipher suite.
func (p *PublicGroup) Suite() Suite { return Suite(p.st.Context.Suite) }

// Members lists the occupied leaves in their order.
func (p *PublicGroup) Members() []Member { return p.st.Members() }

// Extensions are those of the group context.
func (p *PublicGroup) Extensions() []Extension { return p.st.Context.Extensions.Clone() }

// TreeHash is the tree hash of the epoch (RFC 9420 §7.8).
func (p *PublicGroup) TreeHash() []byte { return bytes.Clone(p.st.Context.TreeHash) }

// ConfirmedTranscriptHash is that of the epoch (RFC 9420 §8.2).
func (p *PublicGroup) ConfirmedTranscriptHash() []byte { return bytes.Clone(p.st.Context.Transcript) }
