package relay

import (
	"time"

	"primum/internal/wire"
	"primum/mls"
)

// checkProposal allows an Update of the caller's own leaf and nothing else
// (design of circles, "Handshakes"): everything else is proposed by the anchor,
// by value, in its commit.
func checkProposal(v *view, p *mls.Received, c Caller) error {
	switch {
	case p.External, p.Proposal == nil, p.Proposal.Type != mls.ProposalUpdate:
		return refusal(wire.ProbForbidden, "members propose Updates of their own leaf only")
	case v.seats[string(c.Key)].leaf != p.Sender:
		return refusal(wire.ProbForbidden, "the proposal is of another leaf than the caller's")
	case string(p.Proposal.Member.SignatureKey) != string(c.Key):
		return refusal(wire.ProbForbidden, "an Update never changes a leaf's signature key")
	}
	return nil
}

// checkCommit allows a commit of the anchor alone that leaves it on the roster
// and brings nobody in from outside; behind a fence, only the removal of all
// others. It notes what the store has to know.
func (s *staged) checkCommit(v *view, p *mls.Received, now time.Time) error {
	view := p.View
	switch {
	case p.Kind != mls.Commit || view == nil:
		return refusal(wire.ProbMalformed, "this handshake is neither commit nor proposal")
	case view.External, view.PSK, view.ReInit:
		return refusal(wire.ProbForbidden, "external commits, pre-shared keys and reinitialisation are not used in circles")
	case v.seats[string(v.AnchorKey)].leaf != p.Sender:
		return refusal(wire.ProbForbidden, "only the anchor commits")
	case !view.HasPath:
		return refusal(wire.ProbForbidden, "every commit of a circle has a path")
	}
	members := s.tracker.Members()
	if !holds(members, v.AnchorKey, p.Sender) {
		return refusal(wire.ProbForbidden, "the anchor keeps its leaf and its key")
	}
	if len(members) > wire.MaxClients+1 {
		return refusal(wire.ProbCircleFull, "a circle has 64 members at most")
	}
	s.append.Left, s.append.Joined = leavesOf(view.Removes), leavesOf(view.Adds)
	s.append.Last = len(members) == 1 && len(view.Adds) == 0
	if err := s.checkWelcome(view); err != nil {
		return err
	}
	if s.append.Last && v.EndedAt(now) != nil {
		return nil
	}
	return v.ended(now)
}

// holds tells whether a leaf still has its key.
func holds(members []mls.Member, key []byte, leaf uint32) bool {
	for _, m := range members {
		if m.Leaf == leaf {
			return string(m.SignatureKey) == string(key)
		}
	}
	return false
}

// checkWelcome looks at the outside of a Welcome; what is in it is sealed.
func (s *staged) checkWelcome(view *mls.CommitView) error {
	switch w := s.append.Welcome; {
	case len(w) > wire.MaxHandshake:
		return tooLarge("a Welcome", wire.MaxHandshake)
	case w != nil && len(view.Adds) == 0:
		return refusal(wire.ProbMalformed, "a Welcome comes with a commit that adds somebody")
	case w != nil:
		if head, err := mls.Peek(w); err != nil || head.WireFormat != mls.WireWelcome {
			return malformed("the Welcome can't be read", err)
		}
	}
	return nil
}
