package mls

import (
	"fmt"
	"slices"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// choose collects what a commit is to do: the options by value, and of the
// proposals received as many as go with them (RFC 9420 §12.2). What contradicts
// is left out by a single look at each proposal, so that nobody who proposes
// nonsense makes a commit expensive or keeps others' proposals out of it.
// RFC 9420 §12.4 S1
func (g *Group) choose(o CommitOptions, received []public.Cached) (*message.Commit, *public.Applied, error) {
	fixed, err := o.proposals(g.st.Suite)
	if err != nil {
		return nil, nil, err
	}
	if len(g.st.Proposals) == 0 {
		return g.try(fixed, nil)
	}
	c := g.newChoice(fixed)
	for _, p := range received {
		c.consider(p)
	}
	for _, refs := range c.lists() {
		var m *message.Commit
		var a *public.Applied
		if m, a, err = g.try(fixed, refs); err == nil {
			return m, a, nil
		}
	}
	return nil, nil, err
}

// proposals are the options as proposals by value.
func (o *CommitOptions) proposals(s *suite.Suite) ([]message.Proposal, error) {
	var out []message.Proposal
	if _, err := supportedTypes(o.Extensions); err != nil {
		return nil, err
	}
	if o.Extensions != nil {
		out = append(out, message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: tree.Extensions(o.Extensions).Clone()})
	}
	for _, leaf := range o.Remove {
		out = append(out, message.Proposal{Kind: ProposalRemove, Removed: leaf})
	}
	for _, kp := range o.Add {
		if kp.inner.Suite != s.ID() {
			return nil, fmt.Errorf("key package of suite 0x%04x: %w", kp.inner.Suite, ErrSuite)
		}
		out = append(out, message.Proposal{Kind: ProposalAdd, KeyPackage: kp.inner})
	}
	return out, nil
}

// newestFirst lists the proposals received so that a later Update of a leaf
// comes before an earlier one, and Removes before all (RFC 9420 §12.2).
// RFC 9420 §12.2 S1
func (g *Group) newestFirst() []public.Cached {
	var removes, others []public.Cached
	for i := len(g.st.Proposals) - 1; i >= 0; i-- {
		if p := g.st.Proposals[i]; p.Sent.Kind == ProposalRemove {
			removes = append(removes, p)
		} else {
			others = append(others, p)
		}
	}
	return append(removes, others...)
}

// choice gathers the proposals received that go along with one another and with
// a commit's own. That each is valid by itself was checked when it came.
type choice struct {
	g       *Group
	rules   tree.Rules        // with the commit's own extensions
	holders map[string]uint32 // leaves by signature key
	removed map[uint32]bool
	updated map[uint32]bool
	keys    map[string]bool // of leaves that were chosen
	psks    map[string]bool
	refs    []public.Cached // what was chosen
	context []public.Cached // a GroupContextExtensions
	reInit  []public.Cached
	fixed   bool // the commit does something by itself
	extends bool // by GroupContextExtensions
}

func (g *Group) newChoice(fixed []message.Proposal) *choice {
	c := &choice{
		g: g, rules: g.st.Rules(), holders: map[string]uint32{}, removed: map[uint32]bool{},
		updated: map[uint32]bool{}, keys: map[string]bool{}, psks: map[string]bool{}, fixed: len(fixed) > 0,
	}
	c.rules.At = g.cfg.Now()
	for i, l := range g.st.Tree.Members() {
		c.holders[string(l.SignatureKey)] = i
	}
	for i := range fixed {
		switch p := &fixed[i]; p.Kind {
		case ProposalGroupContextExtensions:
			c.rules.Extensions, c.extends = p.Extensions, true
		case ProposalRemove:
			c.removed[p.Removed] = true
		case ProposalAdd:
			c.take(p.KeyPackage.Leaf)
		}
	}
	return c
}

// lists are the references to try, the fullest list first; the last has none.
func (c *choice) lists() [][]public.Cached {
	var out [][]public.Cached
	if len(c.context) > 0 {
		out = append(out, append(slices.Clip(c.refs), c.context...))
	}
	if len(c.refs) > 0 {
		out = append(out, c.refs)
	}
	if len(out) == 0 && !c.fixed && len(c.reInit) > 0 {
		out = append(out, c.reInit) // only where nothing else is to be done
	}
	return append(out, nil)
}

// consider takes a proposal in if it goes along with what was chosen before.
func (c *choice) consider(p public.Cached) {
	fits := false
	switch s := &p.Sent; s.Kind {
	case ProposalRemove:
		fits = s.Removed != c.g.me && !c.removed[s.Removed]
		c.removed[s.Removed] = fits || c.removed[s.Removed]
	case ProposalUpdate:
		fits = c.update(s.Sender, s.Leaf)
	case ProposalAdd:
		holder, there := c.holders[string(s.KeyPackage.Leaf.SignatureKey)]
		fits = (!there || c.removed[holder]) && c.take(s.KeyPackage.Leaf)
	case ProposalPSK:
		_, err := c.g.cfg.psk(s.PSK, c.g.ownResumption)
		fits = err == nil && !c.psks[s.PSK.Key()]
		c.psks[s.PSK.Key()] = true
	case ProposalGroupContextExtensions:
		if !c.extends && c.context == nil {
			c.context = []public.Cached{p}
		}
	case ProposalReInit:
		c.reInit = []public.Cached{p}
	}
	if fits {
		c.refs = append(c.refs, p)
	}
}

// update takes the newest Update of a leaf in, unless the commit renews or
// removes the leaf itself.
func (c *choice) update(leaf uint32, l *tree.LeafNode) bool {
	if leaf == c.g.me || c.removed[leaf] || c.updated[leaf] || !c.take(l) {
		return false
	}
	c.updated[leaf] = true
	return true
}

// take books the keys of a leaf that comes in; false where one was booked, or
// the leaf does not suit the group as the commit leaves it.
func (c *choice) take(l *tree.LeafNode) bool {
	enc, sig := string(l.EncryptionKey), string(l.SignatureKey)
	if c.keys[enc] || c.keys[sig] || c.rules.Suits(l) != nil {
		return false
	}
	c.keys[enc], c.keys[sig] = true, true
	return true
}

// try applies the options and references.
func (g *Group) try(fixed []message.Proposal, refs []public.Cached) (*message.Commit, *public.Applied, error) {
	c := new(message.Commit)
	var list []public.Sent
	for i := range fixed {
		c.Proposals = append(c.Proposals, message.ProposalOrRef{Value: &fixed[i]})
		list = append(list, public.Sent{Proposal: fixed[i], Sender: g.me})
	}
	for _, p := range refs {
		c.Proposals = append(c.Proposals, message.ProposalOrRef{Ref: p.Ref})
		list = append(list, p.Sent)
	}
	rules := g.st.Rules()
	rules.At = g.cfg.Now() // RFC 9420 §7.3 M2
	a, err := public.Apply(g.cfg.options(), g.st.Tree, rules, g.me, false, list)
	return c, a, err
}
