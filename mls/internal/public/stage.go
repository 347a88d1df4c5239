package public

import (
	"bytes"
	"math"

	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// Staged is what a commit makes of an epoch, as far as everybody can see
// it. Nothing of the old state has changed.
type Staged struct {
	*Applied
	Path        *tree.UpdatePath
	Committer   uint32
	Provisional []byte // encoded context that seals the path secrets
	Next        *State // the new epoch
	View        *CommitView
}

// Stage checks a commit whose signature was verified and makes the next epoch
// of it (RFC 9420 §12.4.2). What needs secrets is left to the caller: path
// secrets and the confirmation tag, and Config.Authorize after them.
func (st *State) Stage(o Options, m *message.Signed) (*Staged, error) {
	if st.Context.Epoch == math.MaxUint64 {
		return nil, Invalid("check commit: the last epoch has no next")
	}
	if len(m.Tag) != st.Suite.HashLen() { // who is removed can't check more of it
		return nil, Invalid("check commit: its confirmation tag has %d bytes", len(m.Tag))
	}
	list, err := st.resolve(m)
	if err != nil {
		return nil, err
	}
	external := m.Sender.Kind == message.SenderNewMemberCommit              // RFC 9420 §12.4.3.2 M6
	a, err := Apply(o, st.Tree, st.Rules(), m.Sender.Index, external, list) // RFC 9420 §12.2 M1, M2, §12.4 M2, §12.4.2 R5
	if err != nil {
		return nil, err
	}
	sc := &Staged{Applied: a, Path: m.Commit.Path, Committer: m.Sender.Index}
	switch {
	case sc.Path != nil:
		if sc.Committer, err = a.mergePath(m.Sender.Index, sc.Path); err != nil {
			return nil, err
		}
	case a.needsPath: // RFC 9420 §12.4 R1, §12.4.2 R7
		return nil, Invalid("check commit: it has no path though its proposals need one")
	}
	sc.Provisional = st.Provisional(sc)
	sc.Next = NewState(st.Suite, st.Advance(sc, m), sc.Tree, m.Tag)
	return sc, nil
}

// resolve collects a commit's proposals with their senders (RFC 9420 §12.4).
// RFC 9420 §12.4 S2: what is not referred to is not asked for
func (st *State) resolve(m *message.Signed) ([]Sent, error) {
	list := make([]Sent, 0, len(m.Commit.Proposals))
	var received map[string]*Sent
	for i, p := range m.Commit.Proposals {
		if p.Value != nil {
			list = append(list, Sent{Proposal: *p.Value, Sender: m.Sender.Index})
			continue
		}
		if m.Sender.Kind == message.SenderNewMemberCommit {
			return nil, Invalid("check commit: an external commit refers to a proposal") // RFC 9420 §12.4.3.2 M2
		}
		if received == nil {
			received = st.byRef()
		}
		sent := received[string(p.Ref)]
		if sent == nil {
			return nil, Invalid("check commit: proposal %d was not received, or is there twice", i)
		}
		delete(received, string(p.Ref))
		list = append(list, *sent)
	}
	return list, nil
}

// byRef is the proposals received by their references.
func (st *State) byRef() map[string]*Sent {
	m := make(map[string]*Sent, len(st.Proposals))
	for i := range st.Proposals {
		m[string(st.Proposals[i].Ref)] = &st.Proposals[i].Sent
	}
	return m
}

// contextAfter is the group context of the next epoch with the transcript of
// this one.
func (st *State) contextAfter(sc *Staged) *schedule.Context {
	return &schedule.Context{
		Suite:      st.Context.Suite,
		GroupID:    st.Context.GroupID,
		Epoch:      st.Context.Epoch + 1,
		TreeHash:   sc.Tree.Hash(),
		Transcript: st.Context.Transcript,
		Extensions: sc.rules.Extensions,
	}
}

// Provisional is the encoded context that seals the path secrets (RFC 9420
// §12.4.1).
func (st *State) Provisional(sc *Staged) []byte { return st.contextAfter(sc).Bytes() }

// Advance makes the next epoch's context and the view.
func (st *State) Advance(sc *Staged, m *message.Signed) *schedule.Context {
	c := st.contextAfter(sc)
	c.Transcript = schedule.Confirmed(st.Suite, st.Interim, m.TranscriptInput())
	sc.View = &CommitView{
		GroupID:           bytes.Clone(c.GroupID),
		Epoch:             st.Context.Epoch,
		Committer:         sc.Committer,
		External:          sc.External,
		Adds:              sc.adds,
		Removes:           sc.removes,
		Updates:           sc.updates,
		ExtensionsChanged: sc.changed,
		Extensions:        c.Extensions.Clone(),
		AuthenticatedData: bytes.Clone(m.AAD),
		PSK:               len(sc.PSKs) > 0,
		ReInit:            sc.ReInit != nil,
		HasPath:           sc.Path != nil,
		Successor:         sc.successor(),
	}
	if sc.Path != nil {
		sc.View.Path = memberOf(sc.Committer, sc.Tree.Leaf(sc.Committer)) // RFC 9420 §5.3.1 M1
	}
	return c
}

// successor is the view of a ReInit.
func (a *Applied) successor() *Successor {
	r := a.ReInit
	if r == nil {
		return nil
	}
	return &Successor{GroupID: bytes.Clone(r.GroupID), Version: r.Version, Suite: r.Suite, Extensions: r.Extensions.Clone()}
}

// RemovesLeaf tells whether the commit removes a member.
func (sc *Staged) RemovesLeaf(leaf uint32) bool {
	for _, m := range sc.removes {
		if m.Leaf == leaf {
			return true
		}
	}
	return false
}
