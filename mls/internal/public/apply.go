package public

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// Sent is a proposal with the one who made it.
type Sent struct {
	message.Proposal
	external bool   // the sender is no member
	Sender   uint32 // leaf
}

// Applied is what a valid list of proposals makes of an epoch, before the
// commit's path.
type Applied struct {
	Tree       *tree.Tree // a clone
	rules      tree.Rules // with the extensions after
	changed    bool       // the extensions
	Added      []uint32   // leaves, sorted
	Joined     []joiner   // who is to get a Welcome
	adds       []Member
	removes    []Member
	updates    []Member
	replaced   *tree.LeafNode   // removed by an external commit's joiner
	PSKs       []schedule.PSKID // in the commit's order
	ReInit     *message.ReInit
	KEMOutput  []byte // of an ExternalInit
	needsPath  bool
	External   bool
	allowOther bool // a leaf may change its identity
}

// joiner is a member that a commit adds.
type joiner struct {
	Leaf       uint32
	KeyPackage *tree.KeyPackage
}

// Apply checks a commit's proposals and applies them to a clone of t
// (RFC 9420 §12.2, §12.3). Rules hold the extensions before. The committer is
// a leaf of t unless external.
func Apply(o Options, t *tree.Tree, rules tree.Rules, committer uint32, external bool, list []Sent) (*Applied, error) {
	if err := checkAllowed(o, external, list); err != nil {
		return nil, err
	}
	if err := checkList(t, committer, external, list); err != nil { // RFC 9420 §12.2 M1
		return nil, err
	}
	a := &Applied{Tree: t.Clone(), rules: rules, External: external, allowOther: o.AllowIdentityChange}
	a.needsPath = len(list) == 0
	// RFC 9420 §12.3 M1, M1a, M1b, M1c, M1d, M1e, M1f, M1g: in this order
	for _, kind := range []uint16{
		message.ProposalGroupContextExtensions, message.ProposalUpdate, message.ProposalRemove, message.ProposalAdd,
		message.ProposalPSK, message.ProposalExternalInit, message.ProposalReInit,
	} {
		for i := range list {
			if list[i].Kind != kind {
				continue
			}
			if err := a.apply(t, &list[i]); err != nil {
				return nil, err
			}
		}
	}
	return a, a.checkTree(t) // RFC 9420 §12.2 R12
}

// checkAllowed refuses what Config leaves off (RFC 9420 §12.1.4–§12.1.8).
func checkAllowed(o Options, external bool, list []Sent) error {
	if external && !o.AllowExternalCommits {
		return fmt.Errorf("check commit: external commit: %w", ErrNotAllowed)
	}
	for i := range list {
		p := &list[i]
		switch {
		case p.Kind == message.ProposalPSK && !o.AllowPSK:
			return fmt.Errorf("check proposal %d: pre-shared key: %w", i, ErrNotAllowed)
		case p.Kind == message.ProposalReInit && !o.AllowReInit:
			return fmt.Errorf("check proposal %d: reinitialisation: %w", i, ErrNotAllowed)
		case p.external && !o.AllowExternalSenders:
			return fmt.Errorf("check proposal %d: external sender: %w", i, ErrNotAllowed)
		}
	}
	return nil
}

// checkList is RFC 9420 §12.2 as far as it concerns the list alone.
func checkList(t *tree.Tree, committer uint32, external bool, list []Sent) error {
	seen := newListState(external)
	for i := range list {
		if err := seen.take(t, committer, &list[i], len(list)); err != nil {
			return fmt.Errorf("check proposal %d: %w", i, err)
		}
	}
	if external && seen.count[message.ProposalExternalInit] != 1 { // RFC 9420 §12.2 R13
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

func (s *listState) take(t *tree.Tree, committer uint32, p *Sent, total int) error {
	s.count[p.Kind]++
	if s.external && p.Kind != message.ProposalExternalInit && p.Kind != message.ProposalRemove && p.Kind != message.ProposalPSK {
		return Invalid("an external commit can't carry proposal type %d", p.Kind) // RFC 9420 §12.2 R15
	}
	if p.external && (p.Kind == message.ProposalUpdate || p.Kind == message.ProposalExternalInit) {
		return Invalid("an external sender can't propose type %d", p.Kind) // RFC 9420 §12.1.8 M2
	}
	switch p.Kind {
	case message.ProposalAdd:
	case message.ProposalUpdate:
		return s.takeUpdate(t, committer, p)
	case message.ProposalRemove:
		return s.takeRemove(t, committer, p)
	case message.ProposalPSK:
		return s.takePSK(p)
	case message.ProposalReInit:
		if total != 1 {
			return Invalid("ReInit stands beside other proposals") // RFC 9420 §12.2 R9
		}
	case message.ProposalExternalInit:
		if !s.external || s.count[p.Kind] > 1 { // RFC 9420 §12.1.6 R1, §12.2 R10, R13
			return Invalid("ExternalInit outside an external commit")
		}
	case message.ProposalGroupContextExtensions:
		if s.count[p.Kind] > 1 {
			return Invalid("a second GroupContextExtensions") // RFC 9420 §12.2 R8
		}
	default:
		return Invalid("proposal type %d is not known", p.Kind)
	}
	return nil
}

func (s *listState) takeLeaf(leaf uint32) error {
	if _, twice := s.leaves[leaf]; twice {
		return Invalid("a second Update or Remove of leaf %d", leaf) // RFC 9420 §12.2 R4
	}
	s.leaves[leaf] = struct{}{}
	return nil
}

func (s *listState) takeUpdate(t *tree.Tree, committer uint32, p *Sent) error {
	if p.Sender == committer { // RFC 9420 §12.2 R2
		return Invalid("Update by the committer itself")
	}
	if t.Leaf(p.Sender) == nil {
		return Invalid("Update of leaf %d, which is blank", p.Sender)
	}
	return s.takeLeaf(p.Sender)
}

func (s *listState) takeRemove(t *tree.Tree, committer uint32, p *Sent) error {
	if !s.external && p.Removed == committer { // RFC 9420 §12.2 R3
		return Invalid("the commit removes its own sender")
	}
	if s.external && s.count[message.ProposalRemove] > 1 { // RFC 9420 §12.2 R14
		return Invalid("an external commit removes more than one leaf")
	}
	if t.Leaf(p.Removed) == nil { // RFC 9420 §12.1.3 R1
		return Invalid("Remove of leaf %d, which is blank", p.Removed)
	}
	return s.takeLeaf(p.Removed)
}

func (s *listState) takePSK(p *Sent) error {
	// RFC 9420 §11.2 M4, M5, §11.3 M5, M6, §12.1.4 R1, R2
	if p.PSK.Type == schedule.PSKResumption && p.PSK.Usage != schedule.UsageApplication {
		return Invalid("a pre-shared key for a new group is used inside this one")
	}
	if len(s.psks) == math.MaxUint16 { // RFC 9420 §8.4: their number is a uint16
		return Invalid("more than %d pre-shared keys", math.MaxUint16)
	}
	key := p.PSK.Key()
	if _, twice := s.psks[key]; twice {
		return Invalid("a pre-shared key occurs twice") // RFC 9420 §12.2 R7
	}
	s.psks[key] = struct{}{}
	return nil
}

// apply takes one proposal in; the caller keeps the order of RFC 9420 §12.3.
func (a *Applied) apply(before *tree.Tree, p *Sent) error {
	switch p.Kind {
	case message.ProposalGroupContextExtensions:
		a.changed, a.rules.Extensions = true, p.Extensions.Clone() // RFC 9420 §12.1.7 R2, §12.3 M2
	case message.ProposalUpdate:
		return a.update(p)
	case message.ProposalRemove:
		leaf := before.Leaf(p.Removed)
		a.removes = append(a.removes, memberOf(p.Removed, leaf))
		if a.External {
			a.replaced = leaf
		}
		a.needsPath = true
		if err := a.Tree.Remove(p.Removed); err != nil {
			return Invalid("%w", err)
		}
	case message.ProposalAdd:
		return a.add(p)
	case message.ProposalPSK:
		if len(p.PSK.Nonce) != a.rules.Suite.HashLen() { // RFC 9420 §12.1.4 R3
			return Invalid("the nonce of a pre-shared key has %d bytes", len(p.PSK.Nonce))
		}
		a.PSKs = append(a.PSKs, p.PSK)
	case message.ProposalExternalInit:
		a.KEMOutput = p.KEMOutput
	case message.ProposalReInit:
		if p.ReInit.Version < tree.Version { // RFC 9420 §12.1.5 R1
			return Invalid("ReInit to protocol version %d", p.ReInit.Version)
		}
		a.ReInit = &p.ReInit
	}
	if p.Kind == message.ProposalGroupContextExtensions || p.Kind == message.ProposalExternalInit {
		a.needsPath = true
	}
	return nil
}

func (a *Applied) update(p *Sent) error {
	a.needsPath = true
	old := a.Tree.Leaf(p.Sender)
	if err := a.checkSuccessor(old, p.Leaf); err != nil {
		return fmt.Errorf("check Update of leaf %d: %w", p.Sender, err)
	}
	if err := a.rules.CheckLeaf(p.Leaf, p.Sender, tree.SourceUpdate); err != nil { // RFC 9420 §7.3 R6, §12.1.2 R1, §12.2 R1
		return Invalid("check Update: %w", err)
	}
	if err := a.Tree.Update(p.Sender, p.Leaf); err != nil {
		return Invalid("%w", err)
	}
	a.updates = append(a.updates, memberOf(p.Sender, p.Leaf))
	return nil
}

// checkSuccessor compares a member's new leaf with its old one (RFC 9420 §7.3,
// §7.5): a fresh key, and the same client unless Config allows others.
func (a *Applied) checkSuccessor(old, fresh *tree.LeafNode) error {
	if bytes.Equal(old.EncryptionKey, fresh.EncryptionKey) { // RFC 9420 §7.3 R6, §12.4.2 R10
		return Invalid("the new leaf keeps the encryption key")
	}
	if !a.allowOther && !old.SameClient(fresh) { // RFC 9420 §5.3.1 M2, §12.2 M4
		return Invalid("the new leaf has another identity or signature key")
	}
	return nil
}

func (a *Applied) add(p *Sent) error {
	if err := a.rules.CheckKeyPackage(p.KeyPackage); err != nil { // RFC 9420 §12.1.1 R1, §12.2 R1
		return Invalid("check Add: %w", err)
	}
	leaf, err := a.Tree.Add(p.KeyPackage.Leaf)
	if err != nil {
		return Invalid("%w", err)
	}
	a.Added = append(a.Added, leaf)
	a.Joined = append(a.Joined, joiner{Leaf: leaf, KeyPackage: p.KeyPackage})
	a.adds = append(a.adds, memberOf(leaf, p.KeyPackage.Leaf))
	return nil
}

// checkTree checks the tree that the proposals made: no key twice, nobody who
// lacks what the extensions demand (RFC 9420 §7.3, §12.1.7, §12.2).
func (a *Applied) checkTree(before *tree.Tree) error {
	slices.Sort(a.Added)
	var touched []uint32
	for _, list := range [][]Member{a.adds, a.updates} {
		for _, m := range list {
			touched = append(touched, m.Leaf)
		}
	}
	if err := a.Tree.CheckFresh(touched); err != nil { // RFC 9420 §12.2 R5, R6
		return Invalid("%w", err)
	}
	if !a.changed {
		return nil
	}
	if err := a.Tree.Supports(a.rules.Extensions); err != nil { // RFC 9420 §12.1.7 R1
		return Invalid("check group extensions: %w", err)
	}
	return nil
}

// mergePath checks and merges the commit's path, and returns the committer's
// leaf, which an external commit learns here (RFC 9420 §12.4.2).
func (a *Applied) mergePath(committer uint32, path *tree.UpdatePath) (uint32, error) {
	if a.External {
		committer = a.Tree.FirstBlank() // RFC 9420 §12.4.2 R8
		if err := a.Tree.Reserve(committer); err != nil {
			return 0, Invalid("%w", err)
		}
		if a.replaced != nil { // RFC 9420 §12.2 M3
			if err := a.checkSuccessor(a.replaced, path.Leaf); err != nil {
				return 0, fmt.Errorf("check path: %w", err)
			}
		}
	} else {
		old := a.Tree.Leaf(committer)
		if old == nil {
			return 0, Invalid("check path: committer %d is not in the tree", committer)
		}
		if err := a.checkSuccessor(old, path.Leaf); err != nil { // RFC 9420 §7.5 M1, §12.4.2 R10
			return 0, fmt.Errorf("check path: %w", err)
		}
	}
	if err := a.Tree.Merge(a.rules, committer, path, a.Added); err != nil {
		return 0, Invalid("%w", err)
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
