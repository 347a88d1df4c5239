package mls

import (
	"bytes"
	"math"

	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// stagedCommit is what a commit makes of an epoch, as far as everybody can see
// it. Nothing of the old state has changed.
type stagedCommit struct {
	*applied
	path        *tree.UpdatePath
	committer   uint32
	provisional []byte      // encoded context that seals the path secrets
	next        *epochState // the new epoch
	view        *CommitView
}

// stage checks a commit whose signature was verified and makes the next epoch
// of it (RFC 9420 §12.4.2). What needs secrets is left to the caller: path
// secrets and the confirmation tag, and Config.Authorize after them.
func (st *epochState) stage(cfg *Config, m *signed) (*stagedCommit, error) {
	if st.context.Epoch == math.MaxUint64 {
		return nil, invalid("check commit: the last epoch has no next")
	}
	list, err := st.resolve(m)
	if err != nil {
		return nil, err
	}
	external := m.sender.kind == senderNewMemberCommit
	a, err := applyProposals(cfg, st.tree, st.rules(), m.sender.index, external, list)
	if err != nil {
		return nil, err
	}
	sc := &stagedCommit{applied: a, path: m.commit.path, committer: m.sender.index}
	switch {
	case sc.path != nil:
		if sc.committer, err = a.mergePath(m.sender.index, sc.path); err != nil {
			return nil, err
		}
	case a.needsPath:
		return nil, invalid("check commit: it has no path though its proposals need one")
	}
	sc.provisional = st.provisional(sc)
	sc.next = newEpochState(st.suite, st.advance(sc, m), sc.tree, m.tag)
	return sc, nil
}

// resolve collects a commit's proposals with their senders.
func (st *epochState) resolve(m *signed) ([]sentProposal, error) {
	list := make([]sentProposal, 0, len(m.commit.proposals))
	refs := 0
	for i, p := range m.commit.proposals {
		if p.value != nil {
			list = append(list, sentProposal{proposal: *p.value, sender: m.sender.index})
			continue
		}
		if m.sender.kind == senderNewMemberCommit {
			return nil, invalid("check commit: an external commit refers to a proposal")
		}
		if refs++; refs > len(st.proposals) { // bounds the search below
			return nil, invalid("check commit: it refers to a proposal twice")
		}
		sent, ok := st.find(p.ref)
		if !ok {
			return nil, invalid("check commit: proposal %d was not received", i)
		}
		list = append(list, *sent)
	}
	return list, nil
}

// contextAfter is the group context of the next epoch with the transcript of
// this one.
func (st *epochState) contextAfter(sc *stagedCommit) *schedule.Context {
	return &schedule.Context{
		Suite:      st.context.Suite,
		GroupID:    st.context.GroupID,
		Epoch:      st.context.Epoch + 1,
		TreeHash:   sc.tree.Hash(),
		Transcript: st.context.Transcript,
		Extensions: sc.rules.Extensions,
	}
}

// provisional is the encoded context that seals the path secrets (RFC 9420
// §12.4.1).
func (st *epochState) provisional(sc *stagedCommit) []byte { return st.contextAfter(sc).Bytes() }

// advance makes the next epoch's context and the view.
func (st *epochState) advance(sc *stagedCommit, m *signed) *schedule.Context {
	c := st.contextAfter(sc)
	c.Transcript = schedule.Confirmed(st.suite, st.interim, m.transcriptInput())
	sc.view = &CommitView{
		GroupID:           bytes.Clone(c.GroupID),
		Epoch:             st.context.Epoch,
		Committer:         sc.committer,
		External:          sc.external,
		Adds:              sc.adds,
		Removes:           sc.removes,
		Updates:           sc.updates,
		ExtensionsChanged: sc.changed,
		Extensions:        c.Extensions.Clone(),
		AuthenticatedData: bytes.Clone(m.aad),
		PSK:               len(sc.psks) > 0,
		ReInit:            sc.reInit != nil,
		HasPath:           sc.path != nil,
	}
	return c
}

// removesLeaf tells whether the commit removes a member.
func (sc *stagedCommit) removesLeaf(leaf uint32) bool {
	for _, m := range sc.removes {
		if m.Leaf == leaf {
			return true
		}
	}
	return false
}

// authorize asks the application.
func (c *Config) authorize(view *CommitView) error {
	if c.Authorize == nil {
		return nil
	}
	if err := c.Authorize(view); err != nil {
		return unauthorized("commit", err)
	}
	return nil
}

func (c *Config) authorizeProposal(view *ProposalView) error {
	if c.AuthorizeProposal == nil {
		return nil
	}
	if err := c.AuthorizeProposal(view); err != nil {
		return unauthorized("proposal", err)
	}
	return nil
}
