package mls

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// maxProposalsOutside bounds the proposals that an epoch keeps of all who are
// no members together.
const maxProposalsOutside = 64

// epochState is what everybody who follows the handshakes knows of an epoch.
// It holds no secret. All but proposals is fixed while the epoch lasts.
type epochState struct {
	suite     *suite.Suite
	context   *schedule.Context
	encoded   []byte // the context's encoding
	tree      *tree.Tree
	interim   []byte // interim transcript hash
	tag       []byte // confirmation tag of the epoch
	proposals []cachedProposal

	public []byte // encoding of all but the proposals, made when first needed
}

// cachedProposal is a proposal that a commit may refer to.
type cachedProposal struct {
	ref  []byte
	sent sentProposal
}

// newEpochState completes a state from its parts.
func newEpochState(s *suite.Suite, c *schedule.Context, t *tree.Tree, tag []byte) *epochState {
	return &epochState{
		suite:   s,
		context: c,
		encoded: c.Bytes(),
		tree:    t,
		interim: schedule.Interim(s, c.Transcript, tag),
		tag:     bytes.Clone(tag),
	}
}

// rules are what leaves must fulfil in this epoch.
func (st *epochState) rules() tree.Rules {
	return tree.Rules{Suite: st.suite, GroupID: st.context.GroupID, Extensions: st.context.Extensions}
}

func (st *epochState) members() []Member {
	out := make([]Member, 0, st.tree.Count())
	for i, l := range st.tree.Members() {
		out = append(out, memberOf(i, l))
	}
	return out
}

// checkPlace refuses a message of another group or epoch.
func (st *epochState) checkPlace(groupID []byte, epoch uint64) error {
	if !bytes.Equal(groupID, st.context.GroupID) {
		return fmt.Errorf("check message: %w", ErrWrongGroup)
	}
	if epoch != st.context.Epoch {
		return fmt.Errorf("check message: it is of epoch %d, the group is in %d: %w", epoch, st.context.Epoch, ErrEpoch)
	}
	return nil
}

// verify checks the signature of a message of this epoch with the key of its
// sender (RFC 9420 §6.1) and that such a sender may send such a thing.
func (st *epochState) verify(cfg *Config, m *signed) error {
	key, err := st.senderKey(cfg, m)
	if err != nil {
		return err
	}
	if err := st.suite.VerifyWithLabel(key, "FramedContentTBS", m.tbs(st.encoded), m.signature); err != nil {
		return fmt.Errorf("check message of leaf %d: %w: %w", m.sender.index, ErrAuthentication, err)
	}
	return nil
}

func (st *epochState) senderKey(cfg *Config, m *signed) ([]byte, error) {
	switch m.sender.kind {
	case senderMember:
		if leaf := st.tree.Leaf(m.sender.index); leaf != nil {
			return leaf.SignatureKey, nil
		}
		return nil, invalid("check message: leaf %d is blank", m.sender.index)
	case senderNewMemberCommit:
		if !cfg.AllowExternalCommits {
			return nil, fmt.Errorf("check message: external commit: %w", ErrNotAllowed)
		}
		if m.kind != Commit || m.commit.path == nil {
			return nil, invalid("check message: a new member sends no commit with a path")
		}
		return m.commit.path.Leaf.SignatureKey, nil
	}
	if !cfg.AllowExternalSenders {
		return nil, fmt.Errorf("check message: proposal from outside: %w", ErrNotAllowed)
	}
	if m.kind != Proposal {
		return nil, invalid("check message: a sender outside sends no proposal")
	}
	if m.sender.kind == senderNewMemberProposal {
		if m.proposal.kind != ProposalAdd {
			return nil, invalid("check message: a new member proposes type %d", m.proposal.kind)
		}
		return m.proposal.keyPackage.Leaf.SignatureKey, nil
	}
	return st.externalKey(m)
}

// externalKey finds the key of an external sender (RFC 9420 §12.1.8).
func (st *epochState) externalKey(m *signed) ([]byte, error) {
	if m.proposal.kind == ProposalUpdate || m.proposal.kind == ProposalExternalInit {
		return nil, fmt.Errorf("check message: an external sender proposes type %d: %w", m.proposal.kind, ErrMalformed)
	}
	data, _ := st.context.Extensions.Find(tree.ExtExternalSenders)
	r := codec.NewReader(data)
	v := r.Vector()
	for i := uint32(0); !v.Empty(); i++ {
		key := v.Bytes()
		tree.ReadCredential(v)
		if v.Err() == nil && i == m.sender.index {
			return key, nil
		}
	}
	return nil, invalid("check message: there is no external sender %d", m.sender.index)
}

// keep caches a verified proposal (RFC 9420 §12.1).
func (st *epochState) keep(cfg *Config, m *signed) error {
	ref := m.ref(st.suite)
	external := m.sender.kind != senderMember
	limit, n := cmp.Or(cfg.MaxProposals, DefaultMaxProposals), 0
	if external {
		limit = maxProposalsOutside
	}
	for _, p := range st.proposals {
		if bytes.Equal(p.ref, ref) {
			return fmt.Errorf("keep proposal: %w", ErrReplay)
		}
		if p.sent.external == external && (external || p.sent.sender == m.sender.index) {
			n++
		}
	}
	if n >= limit {
		return invalid("keep proposal: leaf %d has proposed %d times in this epoch", m.sender.index, n)
	}
	sent := sentProposal{proposal: *m.proposal, external: external, sender: m.sender.index}
	st.proposals = append(slices.Clip(st.proposals), cachedProposal{ref: ref, sent: sent})
	return nil
}

// checkProposal verifies a proposal on its own, so that none is kept that would
// spoil a commit (RFC 9420 §12.1).
func (st *epochState) checkProposal(cfg *Config, m *signed) (*ProposalView, error) {
	sent := sentProposal{proposal: *m.proposal, external: m.sender.kind != senderMember, sender: m.sender.index}
	list := []sentProposal{sent}
	if old, there := st.sameClient(m.proposal); there {
		// A commit may remove the client's old leaf along with this Add.
		list = append(list, sentProposal{proposal: proposal{kind: ProposalRemove, removed: old}})
	}
	const nobody = 1<<32 - 1 // a committer that no proposal concerns
	a, err := applyProposals(cfg, st.tree, st.rules(), nobody, false, list)
	if err != nil {
		return nil, err
	}
	view := &ProposalView{
		Type: m.proposal.kind, Sender: sent.sender, External: sent.external,
		AuthenticatedData: bytes.Clone(m.aad),
	}
	for _, members := range [][]Member{a.removes, a.updates, a.adds} {
		for _, member := range members {
			view.Member = member
		}
	}
	return view, nil
}

// sameClient finds the leaf that has the signature key of an Add.
func (st *epochState) sameClient(p *proposal) (leaf uint32, there bool) {
	if p.kind != ProposalAdd {
		return 0, false
	}
	for i, l := range st.tree.Members() {
		if bytes.Equal(l.SignatureKey, p.keyPackage.Leaf.SignatureKey) {
			return i, true
		}
	}
	return 0, false
}

func (st *epochState) find(ref []byte) (*sentProposal, bool) {
	for i := range st.proposals {
		if bytes.Equal(st.proposals[i].ref, ref) {
			return &st.proposals[i].sent, true
		}
	}
	return nil, false
}

// write appends the state.
func (st *epochState) write(w *codec.Writer) {
	if st.public == nil {
		var p codec.Writer
		p.Bytes(st.encoded)
		p.Bytes(st.tag)
		p.Bytes(st.tree.Bytes())
		st.public = p.Out()
	}
	w.Fixed(st.public)
	w.Vector(func(w *codec.Writer) {
		for i := range st.proposals {
			p := &st.proposals[i]
			w.Bytes(p.ref)
			w.Optional(p.sent.external)
			w.U32(p.sent.sender)
			p.sent.write(w)
		}
	})
}

// readEpochState reads what write wrote into memory of its own.
func readEpochState(r *codec.Reader) (*epochState, error) {
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
	st := newEpochState(s, c, t, tag)
	for !v.Empty() {
		p := cachedProposal{ref: bytes.Clone(v.Bytes())}
		p.sent.external, p.sent.sender = v.Optional(), v.U32()
		p.sent.proposal = readProposal(v)
		st.proposals = append(st.proposals, p)
	}
	r.Join(v)
	return st, r.Err()
}
