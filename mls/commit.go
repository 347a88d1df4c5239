package mls

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
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
// options or one another, and own Updates, which the path makes needless; all
// of them where Config.Authorize refuses the commit that they make.
func (g *Group) Commit(o CommitOptions) (*Staged, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	if g.pending != nil {
		return nil, fmt.Errorf("make commit: %w", ErrPending)
	}
	p, err := g.makeCommit(o) // RFC 9420 §14 M3: g stays as it is
	if errors.Is(err, ErrUnauthorized) && len(g.st.Proposals) > 0 {
		p, err = g.commitWith(o, nil) // nobody's proposal keeps others from committing
	}
	if err != nil {
		return nil, fmt.Errorf("make commit: %w", err)
	}
	g.pending = p
	return p.staged.clone(), nil
}

func (g *Group) makeCommit(o CommitOptions) (*pending, error) {
	return g.commitWith(o, g.newestFirst())
}

// commitWith makes a commit over the options and what goes along of some
// proposals received.
func (g *Group) commitWith(o CommitOptions, received []public.Cached) (*pending, error) {
	if g.Epoch() == math.MaxUint64 {
		return nil, public.Invalid("the last epoch has no next")
	}
	c, a, err := g.choose(o, received)
	if err != nil {
		return nil, err
	}
	fresh, err := a.Tree.Renew(tree.PathOptions{ // RFC 9420 §12.4 M3, §12.4.1 M1
		Sender: g.me, GroupID: g.st.Context.GroupID, Signer: g.cfg.Signer, Rand: g.cfg.Rand, Added: a.Added,
	})
	if err != nil {
		return nil, err
	}
	defer fresh.Wipe()
	sc := &public.Staged{Applied: a, Committer: g.me}
	provisional := g.st.Provisional(sc)
	if sc.Path, err = fresh.Seal(provisional); err != nil {
		return nil, err
	}
	c.Path = sc.Path
	m := &message.Signed{Wire: WirePublicMessage, Content: g.content(Commit, o.AuthenticatedData)}
	m.Commit = c
	if err := g.sign(m); err != nil {
		return nil, err
	}
	return g.finish(o, sc, m, fresh)
}

// finish derives the next epoch, and makes the messages (RFC 9420 §12.4.1).
func (g *Group) finish(o CommitOptions, sc *public.Staged, m *message.Signed, fresh *tree.FreshPath) (*pending, error) {
	s := g.st.Suite
	psk, err := g.cfg.pskSecret(s, sc.PSKs, g.ownResumption)
	if err != nil {
		return nil, err
	}
	defer clear(psk)
	context := g.st.Advance(sc, m)
	joiner := schedule.Joiner(s, bytes.Clone(g.secrets.Init), fresh.CommitSecret(), context.Bytes())
	welcomeSecret, secrets := schedule.FromJoiner(s, joiner, psk, context.Bytes())
	defer suite.Zero(joiner, welcomeSecret)
	m.Tag = schedule.ConfirmationTag(s, secrets.Confirmation, context.Transcript)
	sc.Next = public.NewState(s, context, sc.Tree, m.Tag)
	next := newCore(&g.cfg, sc.Next, secrets, fresh.Private())
	staged := &Staged{Commit: m.PublicMessage(s, g.secrets.Membership, g.st.Encoded), View: sc.View}
	if err := g.cfg.authorize(sc.View); err != nil {
		next.erase()
		return nil, err
	}
	infos, err := next.infos(&g.cfg, o.TreeApart && len(sc.Added) > 0)
	if err != nil {
		next.erase()
		return nil, err
	}
	staged.GroupInfo = infos.public
	if len(sc.Added) > 0 {
		in := welcomeInput{joiner: joiner, secret: welcomeSecret, info: infos.welcome, psks: sc.PSKs}
		if staged.Welcome, err = makeWelcome(s, sc, in, fresh); err != nil {
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
	w := message.Header(WireGroupInfo)
	head := w.Len()
	full.Write(w)
	out := infos{public: w.Out(), welcome: w.Out()[head:]}
	if !apart {
		return out, nil
	}
	short, err := c.groupInfo(cfg, false)
	if err != nil {
		return infos{}, err
	}
	w = message.Header(WireGroupInfo)
	short.Write(w)
	out.welcome = w.Out()[head:]
	return out, nil
}

// welcomeInput is what a Welcome is made of. It holds secrets.
type welcomeInput struct {
	joiner, secret, info []byte
	psks                 []schedule.PSKID
}

// makeWelcome makes one Welcome for all who were added (RFC 9420 §12.4.3.1).
func makeWelcome(s *suite.Suite, sc *public.Staged, in welcomeInput, fresh *tree.FreshPath) ([]byte, error) {
	key, nonce := schedule.WelcomeKeys(s, in.secret)
	defer suite.Zero(key, nonce)
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, err
	}
	m := &message.Welcome{Suite: s.ID(), Info: aead.Seal(nil, nonce, in.info, nil)}
	for _, joined := range sc.Joined { // RFC 9420 §12.4.1 M3
		pathSecret, err := fresh.SecretFor(joined.Leaf)
		if err != nil {
			return nil, err
		}
		// RFC 9420 §8.4 M1, §12.4.1 M2
		secrets := message.GroupSecrets{Joiner: in.joiner, PathSecret: pathSecret, PSKs: in.psks}
		plain := secrets.Encode()
		kem, ct, err := s.EncryptWithLabel(joined.KeyPackage.InitKey, "Welcome", m.Info, plain)
		suite.Zero(pathSecret, plain)
		if err != nil {
			return nil, err
		}
		m.Secrets = append(m.Secrets, message.WelcomeSecret{
			Ref: joined.KeyPackage.Ref(s), Sealed: tree.Ciphertext{KEMOutput: kem, Ciphertext: ct},
		})
	}
	w := message.Header(WireWelcome)
	m.Write(w)
	return w.Out(), nil
}

// content starts a message of the present epoch by this member.
func (g *Group) content(kind Kind, aad []byte) message.Content {
	return message.Content{
		GroupID: g.st.Context.GroupID, Epoch: g.st.Context.Epoch,
		Sender: message.Sender{Kind: message.SenderMember, Index: g.me}, AAD: aad, Kind: kind,
	}
}

// sign encodes a message and signs it.
func (g *Group) sign(m *message.Signed) (err error) {
	if m.Content.Encode(); len(m.Raw) > maxContent {
		return fmt.Errorf("encode message: %d bytes: %w", len(m.Raw), ErrSize)
	}
	// RFC 9420 §6.1 M1
	m.Signature, err = g.st.Suite.SignWithLabel(g.cfg.Rand, g.cfg.Signer, "FramedContentTBS", m.TBS(g.st.Encoded))
	return err
}

// Merge enters the epoch of the pending commit (RFC 9420 §14).
func (g *Group) Merge() error {
	if g.pending == nil {
		return fmt.Errorf("merge commit: %w", ErrPending)
	}
	next, reInit := g.pending.next, g.pending.staged.View.ReInit
	g.pending = nil
	g.enter(next, reInit)
	return nil
}

// Discard drops the pending commit (RFC 9420 §14).
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

// ProposeUpdate makes a proposal to renew the own leaf, as a PublicMessage (RFC
// 9420 §12.1.2). The new private key is kept in the state until a commit takes
// the proposal in or the epoch ends.
func (g *Group) ProposeUpdate(aad []byte) ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	draft := g.st.Tree.Leaf(g.me).Draft()
	priv, pub, err := g.st.Suite.GenerateKeyPair(g.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	draft.Source, draft.EncryptionKey = tree.SourceUpdate, pub
	draft.Lifetime, draft.ParentHash = tree.Lifetime{}, nil
	if err := draft.Sign(g.st.Suite, g.cfg.Rand, g.cfg.Signer, g.st.Context.GroupID, g.me); err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	msg, err := g.propose(message.Proposal{Kind: ProposalUpdate, Leaf: draft}, aad)
	if err != nil {
		return nil, fmt.Errorf("propose update: %w", err)
	}
	g.updates = append(g.updates, ownUpdate{pub: bytes.Clone(pub), priv: priv})
	return msg, nil
}

// ProposeAdd makes a proposal to add a member, as a PublicMessage (RFC 9420
// §12.1.1).
func (g *Group) ProposeAdd(kp *KeyPackage, aad []byte) ([]byte, error) {
	msg, err := g.propose(message.Proposal{Kind: ProposalAdd, KeyPackage: kp.inner}, aad)
	if err != nil {
		return nil, fmt.Errorf("propose add: %w", err)
	}
	return msg, nil
}

// ProposeRemove makes a proposal to remove a member, as a PublicMessage (RFC
// 9420 §12.1.3).
func (g *Group) ProposeRemove(leaf uint32, aad []byte) ([]byte, error) {
	msg, err := g.propose(message.Proposal{Kind: ProposalRemove, Removed: leaf}, aad)
	if err != nil {
		return nil, fmt.Errorf("propose remove: %w", err)
	}
	return msg, nil
}

// propose signs a proposal and keeps it as its receivers do.
func (g *Group) propose(p message.Proposal, aad []byte) ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, err
	}
	m := &message.Signed{Wire: WirePublicMessage, Content: g.content(Proposal, aad)}
	m.Proposal = &p
	if err := g.sign(m); err != nil {
		return nil, err
	}
	o := g.cfg.options()
	o.At = g.cfg.Now() // RFC 9420 §7.3 M2
	if _, err := g.st.CheckProposal(o, m); err != nil {
		return nil, err
	}
	if err := g.st.Keep(o, m); err != nil {
		return nil, err
	}
	return m.PublicMessage(g.st.Suite, g.secrets.Membership, g.st.Encoded), nil
}
