package public

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// maxProposalsOutside bounds the proposals that an epoch keeps of all clients
// together that propose to join.
const maxProposalsOutside = 64

// State is what everybody who follows the handshakes knows of an epoch.
// It holds no secret. All but proposals is fixed while the epoch lasts.
type State struct {
	Suite     *suite.Suite
	Context   *schedule.Context
	Encoded   []byte // the context's encoding
	Tree      *tree.Tree
	Interim   []byte // interim transcript hash
	Tag       []byte // confirmation tag of the epoch
	Proposals []Cached

	public []byte // encoding of all but the proposals, made when first needed
}

// Cached is a proposal that a commit may refer to.
type Cached struct {
	Ref  []byte
	Sent Sent
}

// NewState completes a state from its parts.
func NewState(s *suite.Suite, c *schedule.Context, t *tree.Tree, tag []byte) *State {
	return &State{
		Suite:   s,
		Context: c,
		Encoded: c.Bytes(),
		Tree:    t,
		Interim: schedule.Interim(s, c.Transcript, tag),
		Tag:     bytes.Clone(tag),
	}
}

// Rules are what leaves must fulfil in this epoch (RFC 9420 §7.3).
func (st *State) Rules() tree.Rules {
	return tree.Rules{Suite: st.Suite, GroupID: st.Context.GroupID, Extensions: st.Context.Extensions}
}

// Members lists the occupied leaves in their order.
func (st *State) Members() []Member {
	out := make([]Member, 0, st.Tree.Count())
	for i, l := range st.Tree.Members() {
		out = append(out, memberOf(i, l))
	}
	return out
}

// CheckPlace refuses a message of another group or epoch.
func (st *State) CheckPlace(groupID []byte, epoch uint64) error {
	if !bytes.Equal(groupID, st.Context.GroupID) {
		return fmt.Errorf("check message: %w", ErrWrongGroup)
	}
	if epoch != st.Context.Epoch { // RFC 9420 §12.1 M1, §12.4.2 R1
		return fmt.Errorf("check message: it is of epoch %d, the group is in %d: %w", epoch, st.Context.Epoch, ErrEpoch)
	}
	return nil
}

// Verify checks the signature of a message of this epoch with the key of its
// sender (RFC 9420 §6.1) and that such a sender may send such a thing.
func (st *State) Verify(o Options, m *message.Signed) error {
	key, err := st.senderKey(o, m) // RFC 9420 §6.1 M5, §12.4.2 R4
	if err != nil {
		return err
	}
	if err := st.Suite.VerifyWithLabel(key, "FramedContentTBS", m.TBS(st.Encoded), m.Signature); err != nil {
		return fmt.Errorf("check message of leaf %d: %w: %w", m.Sender.Index, ErrAuthentication, err)
	}
	return nil
}

func (st *State) senderKey(o Options, m *message.Signed) ([]byte, error) {
	switch m.Sender.Kind {
	case message.SenderMember:
		if leaf := st.Tree.Leaf(m.Sender.Index); leaf != nil {
			return leaf.SignatureKey, nil // RFC 9420 §6.1 M1a
		}
		return nil, Invalid("check message: leaf %d is blank", m.Sender.Index)
	case message.SenderNewMemberCommit:
		if !o.AllowExternalCommits {
			return nil, fmt.Errorf("check message: external commit: %w", ErrNotAllowed)
		}
		if m.Kind != message.KindCommit || m.Commit.Path == nil { // RFC 9420 §6.1 M3, §12.4.3.2 M1
			return nil, Invalid("check message: a new member sends no commit with a path")
		}
		return m.Commit.Path.Leaf.SignatureKey, nil // RFC 9420 §6.1 M1c, §12.4.3.2 M3, M4
	}
	if !o.AllowExternalSenders {
		return nil, fmt.Errorf("check message: proposal from outside: %w", ErrNotAllowed)
	}
	if m.Kind != message.KindProposal { // RFC 9420 §6.1 M2
		return nil, Invalid("check message: a sender outside sends no proposal")
	}
	if m.Sender.Kind == message.SenderNewMemberProposal {
		if m.Proposal.Kind != message.ProposalAdd { // RFC 9420 §6.1 M4
			return nil, Invalid("check message: a new member proposes type %d", m.Proposal.Kind)
		}
		return m.Proposal.KeyPackage.Leaf.SignatureKey, nil // RFC 9420 §6.1 M1d
	}
	return st.externalKey(m)
}

// externalKey finds the key of an external sender (RFC 9420 §12.1.8).
func (st *State) externalKey(m *message.Signed) ([]byte, error) {
	if m.Proposal.Kind == message.ProposalUpdate || m.Proposal.Kind == message.ProposalExternalInit { // RFC 9420 §6.1 M2, §12.1.8 M2
		return nil, fmt.Errorf("check message: an external sender proposes type %d: %w", m.Proposal.Kind, message.ErrMalformed)
	}
	data, _ := st.Context.Extensions.Find(tree.ExtExternalSenders)
	r := codec.NewReader(data)
	v := r.Vector()
	for i := uint32(0); !v.Empty(); i++ {
		key := v.Bytes()
		tree.ReadCredential(v)
		if v.Err() == nil && i == m.Sender.Index { // RFC 9420 §6.1 M1b
			return key, nil
		}
	}
	return nil, Invalid("check message: there is no external sender %d", m.Sender.Index) // RFC 9420 §12.1.8 R1
}

// nobody is the sender of a proposal by a client that is not in the group yet,
// and a committer that no proposal concerns.
const nobody = 1<<32 - 1

// sentBy is a message's proposal with its sender.
func sentBy(m *message.Signed) Sent {
	s := Sent{Proposal: *m.Proposal, external: m.Sender.Kind != message.SenderMember, Sender: m.Sender.Index}
	if m.Sender.Kind == message.SenderNewMemberProposal {
		s.Sender = nobody
	}
	return s
}

// Keep caches a verified proposal (RFC 9420 §12.1). Every member and every
// external sender has a share of its own; clients outside have one together.
func (st *State) Keep(o Options, m *message.Signed) error {
	ref, sent := m.Ref(st.Suite), sentBy(m)
	limit, n := cmp.Or(o.MaxProposals, DefaultMaxProposals), 0
	if sent.Sender == nobody {
		limit = maxProposalsOutside
	}
	for i := range st.Proposals {
		p := &st.Proposals[i]
		if bytes.Equal(p.Ref, ref) {
			return fmt.Errorf("keep proposal: %w", ErrReplay)
		}
		if p.Sent.external == sent.external && p.Sent.Sender == sent.Sender {
			n++
		}
	}
	if n >= limit {
		return Invalid("keep proposal: leaf %d has proposed %d times in this epoch", m.Sender.Index, n)
	}
	st.Proposals = append(slices.Clip(st.Proposals), Cached{Ref: ref, Sent: sent})
	return nil
}

// CheckProposal verifies a proposal on its own, so that none is kept that would
// spoil a commit (RFC 9420 §12.1).
func (st *State) CheckProposal(o Options, m *message.Signed) (*ProposalView, error) {
	list := []Sent{sentBy(m)}
	if old, there := st.sameClient(m.Proposal); there {
		// A commit may remove the client's old leaf along with this Add.
		list = append(list, Sent{Proposal: message.Proposal{Kind: message.ProposalRemove, Removed: old}})
	}
	rules := st.Rules()
	rules.At = o.At
	a, err := Apply(o, st.Tree, rules, nobody, false, list)
	if err != nil {
		return nil, err
	}
	view := &ProposalView{
		Type: m.Proposal.Kind, Sender: m.Sender.Index, External: m.Sender.Kind != message.SenderMember,
		AuthenticatedData: bytes.Clone(m.AAD), Successor: a.successor(),
	}
	if a.changed {
		view.Extensions = a.rules.Extensions
	}
	for _, id := range a.PSKs {
		view.PSK = &PSK{ID: id.ID, Resumption: id.Type == schedule.PSKResumption, GroupID: id.GroupID, Epoch: id.Epoch}
	}
	for _, members := range [][]Member{a.removes, a.updates, a.adds} {
		for _, member := range members {
			view.Member = member
		}
	}
	return view, nil
}

// sameClient finds the leaf that has the signature key of an Add.
func (st *State) sameClient(p *message.Proposal) (leaf uint32, there bool) {
	if p.Kind != message.ProposalAdd {
		return 0, false
	}
	for i, l := range st.Tree.Members() {
		if bytes.Equal(l.SignatureKey, p.KeyPackage.Leaf.SignatureKey) {
			return i, true
		}
	}
	return 0, false
}

// Write appends the state.
func (st *State) Write(w *codec.Writer) {
	if st.public == nil {
		var p codec.Writer
		nodes := st.Tree.Bytes()
		p.Grow(3*4 + len(st.Encoded) + len(st.Tag) + len(nodes))
		p.Bytes(st.Encoded)
		p.Bytes(st.Tag)
		p.Bytes(nodes)
		st.public = p.Out()
	}
	w.Fixed(st.public)
	w.Vector(func(w *codec.Writer) {
		for i := range st.Proposals {
			p := &st.Proposals[i]
			w.Bytes(p.Ref)
			w.Optional(p.Sent.external)
			w.U32(p.Sent.Sender)
			p.Sent.Write(w)
		}
	})
}

// ReadState reads what write wrote into memory of its own.
func ReadState(r *codec.Reader) (*State, error) {
	cr := codec.NewReader(r.Bytes())
	c := schedule.ReadContext(cr)
	tag, nodes := r.Bytes(), r.Bytes()
	v := r.Vector()
	if err := errors.Join(cr.Close(), r.Err()); err != nil {
		return nil, err
	}
	s, err := suite.ByID(c.Suite)
	if err != nil {
		return nil, err
	}
	t, err := tree.Parse(s, bytes.Clone(nodes))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(t.Hash(), c.TreeHash) {
		return nil, errors.New("tree does not fit its hash")
	}
	if err := t.CheckUnmerged(); err != nil {
		return nil, err
	}
	st := NewState(s, c, t, tag)
	for !v.Empty() {
		p := Cached{Ref: bytes.Clone(v.Bytes())}
		p.Sent.external, p.Sent.Sender = v.Optional(), v.U32()
		p.Sent.Proposal = message.ReadProposal(v)
		st.Proposals = append(st.Proposals, p)
	}
	r.Join(v)
	return st, r.Err()
}
