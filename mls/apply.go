package mls

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// applied is what a valid list of proposals makes of an epoch, before the
// commit's path.
type applied struct {
	tree       *tree.Tree // a clone
	rules      tree.Rules // with the extensions after
	changed    bool       // the extensions
	added      []uint32   // leaves, sorted
	joined     []joiner   // who is to get a Welcome
	adds       []Member
	removes    []Member
	updates    []Member
	replaced   *tree.LeafNode   // removed by an external commit's joiner
	psks       []schedule.PSKID // in the commit's order
	reInit     *reInit
	kemOutput  []byte // of an ExternalInit
	needsPath  bool
	external   bool
	allowOther bool // a leaf may change its identity
}

// joiner is a member that a commit adds.
type joiner struct {
	leaf       uint32
	keyPackage *tree.KeyPackage
}

// applyProposals checks a commit's proposals and applies them to a clone of t
// (RFC 9420 §12.2, §12.3). Rules hold the extensions before. The committer is
// a leaf of t unless external.
func applyProposals(cfg *Config, t *tree.Tree, rules tree.Rules, committer uint32, external bool, list []sentProposal) (*applied, error) {
	if err := checkAllowed(cfg, external, list); err != nil {
		return nil, err
	}
	if err := checkList(t, committer, external, list); err != nil {
		return nil, err
	}
	a := &applied{tree: t.Clone(), rules: rules, external: external, allowOther: cfg.AllowIdentityChange}
	a.needsPath = len(list) == 0
	for _, kind := range []uint16{
		ProposalGroupContextExtensions, ProposalUpdate, ProposalRemove, ProposalAdd,
		ProposalPSK, ProposalExternalInit, ProposalReInit,
	} {
		for i := range list {
			if list[i].kind != kind {
				continue
			}
			if err := a.apply(t, &list[i]); err != nil {
				return nil, err
			}
		}
	}
	return a, a.checkTree(t)
}

// checkAllowed refuses what Config leaves off (RFC 9420 §12.1.4–§12.1.8).
func checkAllowed(cfg *Config, external bool, list []sentProposal) error {
	if external && !cfg.AllowExternalCommits {
		return fmt.Errorf("check commit: external commit: %w", ErrNotAllowed)
	}
	for i := range list {
		p := &list[i]
		switch {
		case p.kind == ProposalPSK && !cfg.AllowPSK:
			return fmt.Errorf("check proposal %d: pre-shared key: %w", i, ErrNotAllowed)
		case p.kind == ProposalReInit && !cfg.AllowReInit:
			return fmt.Errorf("check proposal %d: reinitialisation: %w", i, ErrNotAllowed)
		case p.external && !cfg.AllowExternalSenders:
			return fmt.Errorf("check proposal %d: external sender: %w", i, ErrNotAllowed)
		}
	}
	return nil
}

// checkList is RFC 9420 §12.2 as far as it concerns the list alone.
func checkList(t *tree.Tree, committer uint32, external bool, list []sentProposal) error {
	seen := newListState(external)
	for i := range list {
		if err := seen.take(t, committer, &list[i], len(list)); err != nil {
			return fmt.Errorf("check proposal %d: %w", i, err)
		}
	}
	if external && seen.count[ProposalExternalInit] != 1 {
		return fmt.Errorf("check commit: external commit without exactly one ExternalInit: %w", ErrInvalid)
	}
	return nil
}

// listState remembers what a list of proposals has had so far.
type listState struct {
	external bool
	count    map[uint16]int
	leaves   map[uint32]struct{}
	psks     map[string]struct{}
}

func newListState(external bool) *listState {
	return &listState{
		external: external, count: map[uint16]int{},
		leaves: map[uint32]struct{}{}, psks: map[string]struct{}{},
	}
}

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrInvalid)...)
}

func (s *listState) take(t *tree.Tree, committer uint32, p *sentProposal, total int) error {
	s.count[p.kind]++
	if s.external && p.kind != ProposalExternalInit && p.kind != ProposalRemove && p.kind != ProposalPSK {
		return invalid("an external commit can't carry proposal type %d", p.kind)
	}
	if p.external && (p.kind == ProposalUpdate || p.kind == ProposalExternalInit) {
		return invalid("an external sender can't propose type %d", p.kind)
	}
	switch p.kind {
	case ProposalAdd:
	case ProposalUpdate:
		return s.takeUpdate(t, committer, p)
	case ProposalRemove:
		return s.takeRemove(t, committer, p)
	case ProposalPSK:
		return s.takePSK(p)
	case ProposalReInit:
		if total != 1 {
			return invalid("ReInit stands beside other proposals")
		}
	case ProposalExternalInit:
		if !s.external || s.count[p.kind] > 1 {
			return invalid("ExternalInit outside an external commit")
		}
	case ProposalGroupContextExtensions:
		if s.count[p.kind] > 1 {
			return invalid("a second GroupContextExtensions")
		}
	default:
		return invalid("proposal type %d is not known", p.kind)
	}
	return nil
}

func (s *listState) takeLeaf(leaf uint32) error {
	if _, twice := s.leaves[leaf]; twice {
		return invalid("a second Update or Remove of leaf %d", leaf)
	}
	s.leaves[leaf] = struct{}{}
	return nil
}

func (s *listState) takeUpdate(t *tree.Tree, committer uint32, p *sentProposal) error {
	if p.sender == committer {
		return invalid("Update by the committer itself")
	}
	if t.Leaf(p.sender) == nil {
		return invalid("Update of leaf %d, which is blank", p.sender)
	}
	return s.takeLeaf(p.sender)
}

func (s *listState) takeRemove(t *tree.Tree, committer uint32, p *sentProposal) error {
	if !s.external && p.removed == committer {
		return invalid("the commit removes its own sender")
	}
	if s.external && s.count[ProposalRemove] > 1 {
		return invalid("an external commit removes more than one leaf")
	}
	if t.Leaf(p.removed) == nil {
		return invalid("Remove of leaf %d, which is blank", p.removed)
	}
	return s.takeLeaf(p.removed)
}

func (s *listState) takePSK(p *sentProposal) error {
	if p.psk.Type == schedule.PSKResumption && p.psk.Usage != schedule.UsageApplication {
		return invalid("a pre-shared key for a new group is used inside this one")
	}
	var w codec.Writer
	p.psk.Write(&w)
	if _, twice := s.psks[string(w.Out())]; twice {
		return invalid("a pre-shared key occurs twice")
	}
	s.psks[string(w.Out())] = struct{}{}
	return nil
}

// apply takes one proposal in; the caller keeps the order of RFC 9420 §12.3.
func (a *applied) apply(before *tree.Tree, p *sentProposal) error {
	switch p.kind {
	case ProposalGroupContextExtensions:
		a.changed, a.rules.Extensions = true, p.extensions.Clone()
	case ProposalUpdate:
		return a.update(p)
	case ProposalRemove:
		leaf := before.Leaf(p.removed)
		a.removes = append(a.removes, memberOf(p.removed, leaf))
		if a.external {
			a.replaced = leaf
		}
		a.needsPath = true
		if err := a.tree.Remove(p.removed); err != nil {
			return invalid("%w", err)
		}
	case ProposalAdd:
		return a.add(p)
	case ProposalPSK:
		if len(p.psk.Nonce) != a.rules.Suite.HashLen() {
			return invalid("the nonce of a pre-shared key has %d bytes", len(p.psk.Nonce))
		}
		a.psks = append(a.psks, p.psk)
	case ProposalExternalInit:
		a.kemOutput = p.kemOutput
	case ProposalReInit:
		if p.reInit.version < tree.Version {
			return invalid("ReInit to protocol version %d", p.reInit.version)
		}
		a.reInit = &p.reInit
	}
	if p.kind == ProposalGroupContextExtensions || p.kind == ProposalExternalInit {
		a.needsPath = true
	}
	return nil
}

func (a *applied) update(p *sentProposal) error {
	a.needsPath = true
	old := a.tree.Leaf(p.sender)
	if err := a.checkSuccessor(old, p.leaf); err != nil {
		return fmt.Errorf("check Update of leaf %d: %w", p.sender, err)
	}
	if err := a.rules.CheckLeaf(p.leaf, p.sender, tree.SourceUpdate); err != nil {
		return invalid("check Update: %w", err)
	}
	if err := a.tree.Update(p.sender, p.leaf); err != nil {
		return invalid("%w", err)
	}
	a.updates = append(a.updates, memberOf(p.sender, p.leaf))
	return nil
}

// checkSuccessor compares a member's new leaf with its old one (RFC 9420 §7.3,
// §7.5): a fresh key, and the same client unless Config allows others.
func (a *applied) checkSuccessor(old, fresh *tree.LeafNode) error {
	if bytes.Equal(old.EncryptionKey, fresh.EncryptionKey) {
		return invalid("the new leaf keeps the encryption key")
	}
	if !a.allowOther && !old.SameClient(fresh) {
		return invalid("the new leaf has another identity or signature key")
	}
	return nil
}

func (a *applied) add(p *sentProposal) error {
	if err := a.rules.CheckKeyPackage(p.keyPackage); err != nil {
		return invalid("check Add: %w", err)
	}
	leaf, err := a.tree.Add(p.keyPackage.Leaf)
	if err != nil {
		return invalid("%w", err)
	}
	a.added = append(a.added, leaf)
	a.joined = append(a.joined, joiner{leaf: leaf, keyPackage: p.keyPackage})
	a.adds = append(a.adds, memberOf(leaf, p.keyPackage.Leaf))
	return nil
}

// checkTree checks the tree that the proposals made: no key twice, nobody who
// lacks what the extensions demand (RFC 9420 §7.3, §12.1.7, §12.2).
func (a *applied) checkTree(before *tree.Tree) error {
	slices.Sort(a.added)
	var touched []uint32
	for _, list := range [][]Member{a.adds, a.updates} {
		for _, m := range list {
			touched = append(touched, m.Leaf)
		}
	}
	if err := a.tree.CheckFresh(touched); err != nil {
		return invalid("%w", err)
	}
	if !a.changed {
		return nil
	}
	if err := a.tree.Supports(a.rules.Extensions); err != nil {
		return invalid("check group extensions: %w", err)
	}
	return nil
}

// mergePath checks and merges the commit's path, and returns the committer's
// leaf, which an external commit learns here (RFC 9420 §12.4.2).
func (a *applied) mergePath(committer uint32, path *tree.UpdatePath) (uint32, error) {
	if a.external {
		committer = a.tree.FirstBlank()
		if err := a.tree.Reserve(committer); err != nil {
			return 0, invalid("%w", err)
		}
		if a.replaced != nil {
			if err := a.checkSuccessor(a.replaced, path.Leaf); err != nil {
				return 0, fmt.Errorf("check path: %w", err)
			}
		}
	} else {
		old := a.tree.Leaf(committer)
		if old == nil {
			return 0, invalid("check path: committer %d is not in the tree", committer)
		}
		if err := a.checkSuccessor(old, path.Leaf); err != nil {
			return 0, fmt.Errorf("check path: %w", err)
		}
	}
	if err := a.tree.Merge(a.rules, committer, path, a.added); err != nil {
		return 0, invalid("%w", err)
	}
	return committer, nil
}

// memberOf describes a leaf. Its slices are the leaf's, which never change.
func memberOf(leaf uint32, l *tree.LeafNode) Member {
	m := Member{Leaf: leaf, Identity: l.Credential.Identity, SignatureKey: l.SignatureKey}
	if l.Source == tree.SourceKeyPackage {
		m.NotBefore, m.NotAfter = lifetimeOf(l.Lifetime.NotBefore), lifetimeOf(l.Lifetime.NotAfter)
	}
	return m
}

// lifetimeOf is a bound of a lifetime, cut at the end of the year 9999.
func lifetimeOf(seconds uint64) time.Time {
	const last = 253402300799
	return time.Unix(int64(min(seconds, last)), 0).UTC()
}
