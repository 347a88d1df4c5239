package mls

import (
	"bytes"
	"fmt"
	"math"

	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// pending is an own commit with the epoch that it makes.
type pending struct {
	next   *core
	staged *Staged
}

// Commit makes a commit with a path over the options and the proposals
// received by reference. The group stays in its epoch until Merge; a second
// Commit before Merge or Discard is refused with ErrPending. Received
// proposals that can't go along are left out: those that contradict the
// options or one another, and own Updates, which the path makes needless.
func (g *Group) Commit(o CommitOptions) (*Staged, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	if g.pending != nil {
		return nil, fmt.Errorf("make commit: %w", ErrPending)
	}
	p, err := g.makeCommit(o)
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	g.pending = p
	return p.staged.clone(), nil
}

func (g *Group) makeCommit(o CommitOptions) (*pending, error) {
	if g.Epoch() == math.MaxUint64 {
		return nil, invalid("the last epoch has no next")
	}
	c, a, err := g.choose(o)
	if err != nil {
		return nil, err
	}
	fresh, err := a.tree.Renew(tree.PathOptions{
		Sender: g.me, GroupID: g.st.context.GroupID, Signer: g.cfg.Signer, Rand: g.cfg.Rand, Added: a.added,
	})
	if err != nil {
		return nil, err
	}
	defer fresh.Wipe()
	sc := &stagedCommit{applied: a, committer: g.me}
	provisional := g.st.provisional(sc)
	if sc.path, err = fresh.Seal(provisional); err != nil {
		return nil, err
	}
	c.path = sc.path
	m := &signed{wire: WirePublicMessage, content: g.content(Commit, o.AuthenticatedData)}
	m.commit = c
	if err := g.sign(m); err != nil {
		return nil, err
	}
	return g.finish(o, sc, m, fresh)
}

// finish derives the next epoch, and makes the messages (RFC 9420 §12.4.1).
func (g *Group) finish(o CommitOptions, sc *stagedCommit, m *signed, fresh *tree.FreshPath) (*pending, error) {
	s := g.st.suite
	psk, err := g.cfg.pskSecret(s, sc.psks, g.ownResumption)
	if err != nil {
		return nil, err
	}
	defer clear(psk)
	context := g.st.advance(sc, m)
	joiner := schedule.Joiner(s, bytes.Clone(g.secrets.Init), fresh.CommitSecret(), context.Bytes())
	welcomeSecret, secrets := schedule.FromJoiner(s, joiner, psk, context.Bytes())
	defer suite.Zero(joiner, welcomeSecret)
	m.tag = schedule.ConfirmationTag(s, secrets.Confirmation, context.Transcript)
	sc.next = newEpochState(s, context, sc.tree, m.tag)
	next := newCore(&g.cfg, sc.next, secrets, fresh.Private())
	staged := &Staged{Commit: m.publicMessage(s, g.secrets.Membership, g.st.encoded), View: sc.view}
	if err := g.cfg.authorize(sc.view); err != nil {
		next.erase()
		return nil, err
	}
	infos, err := next.infos(&g.cfg, o.TreeApart && len(sc.added) > 0)
	if err != nil {
		next.erase()
		return nil, err
	}
	staged.GroupInfo = infos.public
	if len(sc.added) > 0 {
		in := welcomeInput{joiner: joiner, secret: welcomeSecret, info: infos.welcome, psks: sc.psks}
		if staged.Welcome, err = sc.welcome(s, in, fresh); err != nil {
			next.erase()
			return nil, err
		}
	}
	return &pending{next: next, staged: staged}, nil
}

// infos are the group infos of a new epoch.
type infos struct {
	public  []byte // an MLSMessage, with the tree
	welcome []byte // what a Welcome seals
}

func (c *core) infos(cfg *Config, apart bool) (infos, error) {
	full, err := c.groupInfo(cfg, true)
	if err != nil {
		return infos{}, err
	}
	w := header(WireGroupInfo)
	head := w.Len()
	full.write(w)
	out := infos{public: w.Out(), welcome: w.Out()[head:]}
	if !apart {
		return out, nil
	}
	short, err := c.groupInfo(cfg, false)
	if err != nil {
		return infos{}, err
	}
	w = header(WireGroupInfo)
	short.write(w)
	out.welcome = w.Out()[head:]
	return out, nil
}

// welcomeInput is what a Welcome is made of. It holds secrets.
type welcomeInput struct {
	joiner, secret, info []byte
	psks                 []schedule.PSKID
}

// welcome makes one Welcome for all who were added (RFC 9420 §12.4.3.1).
func (sc *stagedCommit) welcome(s *suite.Suite, in welcomeInput, fresh *tree.FreshPath) ([]byte, error) {
	key, nonce := schedule.WelcomeKeys(s, in.secret)
	defer suite.Zero(key, nonce)
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, err
	}
	m := &welcome{suite: s.ID(), info: aead.Seal(nil, nonce, in.info, nil)}
	for _, joined := range sc.joined {
		pathSecret, err := fresh.SecretFor(joined.leaf)
		if err != nil {
			return nil, err
		}
		secrets := groupSecrets{joiner: in.joiner, pathSecret: pathSecret, psks: in.psks}
		plain := secrets.encode()
		kem, ct, err := s.EncryptWithLabel(joined.keyPackage.InitKey, "Welcome", m.info, plain)
		suite.Zero(pathSecret, plain)
		if err != nil {
			return nil, err
		}
		m.secrets = append(m.secrets, welcomeSecret{
			ref: joined.keyPackage.Ref(s), sealed: tree.Ciphertext{KEMOutput: kem, Ciphertext: ct},
		})
	}
	w := header(WireWelcome)
	m.write(w)
	return w.Out(), nil
}

// content starts a message of the present epoch by this member.
func (g *Group) content(kind Kind, aad []byte) content {
	return content{
		groupID: g.st.context.GroupID, epoch: g.st.context.Epoch,
		sender: sender{kind: senderMember, index: g.me}, aad: aad, kind: kind,
	}
}

// sign encodes a message and signs it.
func (g *Group) sign(m *signed) (err error) {
	m.content.encode()
	m.signature, err = g.st.suite.SignWithLabel(g.cfg.Rand, g.cfg.Signer, "FramedContentTBS", m.tbs(g.st.encoded))
	return err
}

// choose collects what a commit is to do: the options by value, and of the
// proposals received as many as go with them.
func (g *Group) choose(o CommitOptions) (*commit, *applied, error) {
	fixed, err := o.proposals(g.st.suite)
	if err != nil {
		return nil, nil, err
	}
	refs := g.candidates(fixed)
	if c, a, err := g.try(fixed, refs); err == nil {
		return c, a, nil
	}
	// Something contradicts: keep what fits with the options, one by one.
	var fitting []cachedProposal
	for _, p := range refs {
		if _, _, err := g.try(fixed, append(fitting[:len(fitting):len(fitting)], p)); err == nil {
			fitting = append(fitting, p)
		}
	}
	return g.try(fixed, fitting)
}

// proposals are the options as proposals by value.
func (o *CommitOptions) proposals(s *suite.Suite) ([]proposal, error) {
	var out []proposal
	if o.Extensions != nil {
		out = append(out, proposal{kind: ProposalGroupContextExtensions, extensions: tree.Extensions(o.Extensions).Clone()})
	}
	for _, leaf := range o.Remove {
		out = append(out, proposal{kind: ProposalRemove, removed: leaf})
	}
	for _, kp := range o.Add {
		if kp.inner.Suite != s.ID() {
			return nil, fmt.Errorf("key package of suite 0x%04x: %w", kp.inner.Suite, ErrSuite)
		}
		out = append(out, proposal{kind: ProposalAdd, keyPackage: kp.inner})
	}
	return out, nil
}

// candidates are the received proposals that a commit by this member may take
// in: of several Updates of one leaf the last, none of leaves that are removed,
// and no pre-shared key that it lacks (RFC 9420 §12.2).
func (g *Group) candidates(fixed []proposal) []cachedProposal {
	removed := map[uint32]bool{g.me: true}
	for _, p := range fixed {
		if p.kind == ProposalRemove {
			removed[p.removed] = true
		}
	}
	var out []cachedProposal
	for _, p := range g.st.proposals {
		if p.sent.kind == ProposalRemove && !removed[p.sent.removed] {
			removed[p.sent.removed] = true
			out = append(out, p)
		}
	}
	for i := len(g.st.proposals) - 1; i >= 0; i-- {
		p := g.st.proposals[i]
		switch p.sent.kind {
		case ProposalRemove:
		case ProposalUpdate:
			if !removed[p.sent.sender] {
				removed[p.sent.sender] = true
				out = append(out, p)
			}
		case ProposalPSK:
			if _, err := g.cfg.psk(p.sent.psk, g.ownResumption); err == nil {
				out = append(out, p)
			}
		default:
			out = append(out, p)
		}
	}
	return out
}

// try applies the options and references.
func (g *Group) try(fixed []proposal, refs []cachedProposal) (*commit, *applied, error) {
	c := new(commit)
	var list []sentProposal
	for i := range fixed {
		c.proposals = append(c.proposals, proposalOrRef{value: &fixed[i]})
		list = append(list, sentProposal{proposal: fixed[i], sender: g.me})
	}
	for _, p := range refs {
		c.proposals = append(c.proposals, proposalOrRef{ref: p.ref})
		list = append(list, p.sent)
	}
	rules := g.st.rules()
	rules.At = g.cfg.Now()
	a, err := applyProposals(&g.cfg, g.st.tree, rules, g.me, false, list)
	return c, a, err
}

// Merge enters the epoch of the pending commit.
func (g *Group) Merge() error {
	if g.pending == nil {
		return fmt.Errorf("merge commit: %w", ErrPending)
	}
	next, reInit := g.pending.next, g.pending.staged.View.ReInit
	g.pending = nil
	g.enter(next, reInit)
	return nil
}

// Discard drops the pending commit.
func (g *Group) Discard() {
	if g.pending != nil {
		g.pending.next.erase()
		g.pending = nil
	}
}

// Pending tells whether a commit waits for Merge or Discard.
func (g *Group) Pending() bool { return g.pending != nil }

// PendingCommit is the pending commit again, to be sent after a restart; nil
// when there is none.
func (g *Group) PendingCommit() *Staged {
	if g.pending == nil {
		return nil
	}
	return g.pending.staged.clone()
}

func (s *Staged) clone() *Staged {
	return &Staged{
		Commit: bytes.Clone(s.Commit), Welcome: bytes.Clone(s.Welcome),
		GroupInfo: bytes.Clone(s.GroupInfo), View: s.View,
	}
}

// ProposeUpdate makes a proposal to renew the own leaf, as a PublicMessage. The
// new private key is kept in the state until a commit takes the proposal in or
// the epoch ends.
func (g *Group) ProposeUpdate(aad []byte) ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	draft := g.st.tree.Leaf(g.me).Draft()
	priv, pub, err := g.st.suite.GenerateKeyPair(g.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	draft.Source, draft.EncryptionKey = tree.SourceUpdate, pub
	draft.Lifetime, draft.ParentHash = tree.Lifetime{}, nil
	if err := draft.Sign(g.st.suite, g.cfg.Rand, g.cfg.Signer, g.st.context.GroupID, g.me); err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	msg, err := g.propose(proposal{kind: ProposalUpdate, leaf: draft}, aad)
	if err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	g.updates = append(g.updates, ownUpdate{pub: bytes.Clone(pub), priv: priv})
	return msg, nil
}

// ProposeAdd makes a proposal to add a member, as a PublicMessage.
func (g *Group) ProposeAdd(kp *KeyPackage, aad []byte) ([]byte, error) {
	msg, err := g.propose(proposal{kind: ProposalAdd, keyPackage: kp.inner}, aad)
	if err != nil {
		return nil, fmt.Errorf("propose add: %w", err)
	}
	return msg, nil
}

// ProposeRemove makes a proposal to remove a member, as a PublicMessage.
func (g *Group) ProposeRemove(leaf uint32, aad []byte) ([]byte, error) {
	msg, err := g.propose(proposal{kind: ProposalRemove, removed: leaf}, aad)
	if err != nil {
		return nil, fmt.Errorf("propose remove: %w", err)
	}
	return msg, nil
}

// propose signs a proposal and keeps it as its receivers do.
func (g *Group) propose(p proposal, aad []byte) ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, err
	}
	m := &signed{wire: WirePublicMessage, content: g.content(Proposal, aad)}
	m.proposal = &p
	if err := g.sign(m); err != nil {
		return nil, err
	}
	if _, err := g.st.checkProposal(&g.cfg, m); err != nil {
		return nil, err
	}
	if err := g.st.keep(&g.cfg, m); err != nil {
		return nil, err
	}
	return m.publicMessage(g.st.suite, g.secrets.Membership, g.st.encoded), nil
}
