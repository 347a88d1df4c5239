package mls

import (
	"bytes"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Process takes in a message of the group (RFC 9420 §12.4.2). After an error
// the state is as it was. A commit that is accepted drops a pending commit and
// all proposals of the old epoch. Own messages come back as ErrOwnMessage: what
// they do is done by Merge, or was done when they were made. That is said of no
// message that another has made, but of a PrivateMessage whose key was used
// already, which can't be opened again.
func (g *Group) Process(msg []byte) (*Received, error) {
	if err := g.usable(); err != nil {
		return nil, fmt.Errorf("process message: %w", err)
	}
	r := codec.NewReader(msg)
	wire := message.ReadHeader(r)
	if err := r.Err(); err != nil {
		return nil, message.Malformed("message", err)
	}
	switch wire {
	case WirePublicMessage:
		return g.processPublic(bytes.Clone(msg))
	case WirePrivateMessage:
		return g.processPrivate(r)
	}
	return nil, message.Malformed("message", fmt.Errorf("wire format %d is none of a group", wire))
}

func (g *Group) processPublic(msg []byte) (*Received, error) {
	r := codec.NewReader(msg)
	message.ReadHeader(r)
	m, tag, err := message.ReadPublic(r)
	if err != nil {
		return nil, err
	}
	if err := g.st.CheckPlace(m.GroupID, m.Epoch); err != nil {
		return nil, err
	}
	if m.Kind == Application { // RFC 9420 §6 M1
		return nil, public.Invalid("check message: application data in a public message")
	}
	if m.Sender.Kind == message.SenderMember {
		// RFC 9420 §6.2 M2, §12.4.2 R2
		if !g.st.Suite.VerifyMAC(g.secrets.Membership, m.MembershipInput(g.st.Encoded), tag) {
			return nil, fmt.Errorf("check membership tag: %w", ErrAuthentication)
		}
	}
	if err := g.st.Verify(g.cfg.options(), m); err != nil {
		return nil, err
	}
	if m.Sender.Kind == message.SenderMember && m.Sender.Index == g.me {
		return nil, fmt.Errorf("check message: %w", ErrOwnMessage)
	}
	return g.handle(m)
}

func (g *Group) processPrivate(r *codec.Reader) (*Received, error) {
	h, err := message.ReadPrivate(r)
	if err != nil {
		return nil, err
	}
	if g.cfg.PublicHandshakes && h.Kind != Application {
		return nil, fmt.Errorf("check message: handshake in private: %w", ErrNotAllowed)
	}
	c, err := g.epochOf(&h)
	if err != nil {
		return nil, err
	}
	m, step, err := c.openPrivate(&h, g.cfg.limits())
	if err != nil {
		return nil, err
	}
	if h.Kind == Application {
		c.keys.Consume(step)
		return &Received{
			Kind: Application, Sender: m.Sender.Index, Epoch: m.Epoch,
			Data: m.Data, AuthenticatedData: bytes.Clone(m.AAD),
		}, nil
	}
	keys := c.keys
	received, err := g.handle(m)
	if err != nil {
		step.Drop()
		return nil, err
	}
	if kept := len(g.past) > 0 && g.past[0].keys == keys; received.Kind == Proposal || kept {
		keys.Consume(step)
	} else {
		step.Drop() // the epoch has ended and its keys with it
	}
	return received, nil
}

// epochOf picks the epoch whose keys open a PrivateMessage: the present one, or
// for application data one of the past that are kept.
func (g *Group) epochOf(h *message.PrivateHead) (*core, error) {
	if h.Kind == Application {
		for _, c := range g.past {
			if c.st.Context.Epoch == h.Epoch && bytes.Equal(h.GroupID, c.st.Context.GroupID) {
				return c, nil
			}
		}
	}
	return g.core, g.st.CheckPlace(h.GroupID, h.Epoch)
}

// handle takes in a verified handshake message of the present epoch.
func (g *Group) handle(m *message.Signed) (*Received, error) {
	if g.reInit { // RFC 9420 §12.4.2 M2: who sent it broke the rule
		return nil, public.Invalid("check message: the group was reinitialised")
	}
	received := &Received{
		Kind: m.Kind, Sender: m.Sender.Index, External: m.Sender.Kind != message.SenderMember,
		Epoch: m.Epoch, AuthenticatedData: bytes.Clone(m.AAD),
	}
	if received.External {
		received.Sender = 0
	}
	var err error
	if m.Kind == Proposal {
		received.Proposal, err = g.handleProposal(m)
	} else {
		err = g.handleCommit(m, received)
	}
	if err != nil {
		return nil, err
	}
	return received, nil
}

func (g *Group) handleProposal(m *message.Signed) (*ProposalView, error) {
	view, err := g.st.CheckProposal(g.cfg.options(), m)
	if err != nil {
		return nil, err
	}
	if err := g.cfg.authorizeProposal(m, view); err != nil { // RFC 9420 §5.3.1 M1, §12.1.8 R2
		return nil, err
	}
	return view, g.st.Keep(g.cfg.options(), m)
}

func (g *Group) handleCommit(m *message.Signed, received *Received) error {
	sc, err := g.st.Stage(g.cfg.options(), m)
	if err != nil {
		return err
	}
	received.View = sc.View
	if sc.RemovesLeaf(g.me) {
		if err := g.cfg.authorize(sc.View); err != nil {
			return err
		}
		received.Evicted = true
		g.evict(sc.Next)
		return nil
	}
	next, err := g.nextCore(sc, m)
	if err != nil {
		return err
	}
	if err := g.cfg.authorize(sc.View); err != nil { // RFC 9420 §5.3.1 M1
		next.erase()
		return err
	}
	g.enter(next, sc.ReInit != nil)
	return nil
}

// nextCore derives the member's side of the epoch that a received commit
// makes, and checks the confirmation tag (RFC 9420 §12.4.2).
func (g *Group) nextCore(sc *public.Staged, m *message.Signed) (*core, error) {
	private := g.private.Clone()
	next, err := g.derive(sc, m, private)
	if err != nil {
		private.Wipe()
		return nil, err
	}
	return next, nil
}

func (g *Group) derive(sc *public.Staged, m *message.Signed, private *tree.Private) (*core, error) {
	s := g.st.Suite
	if err := g.adoptUpdate(sc.Tree, private); err != nil {
		return nil, err
	}
	commitSecret := make([]byte, s.HashLen())
	defer func() { clear(commitSecret) }()
	if sc.Path != nil {
		var err error
		// RFC 9420 §12.4.2 R12
		if commitSecret, err = private.Open(sc.Tree, sc.Committer, sc.Path, sc.Provisional, sc.Added); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
		}
	}
	private.Prune(sc.Tree)
	psk, err := g.cfg.pskSecret(s, sc.PSKs, g.ownResumption) // RFC 9420 §12.4.2 R6
	if err != nil {
		return nil, err
	}
	initSecret, err := g.initSecret(sc) // RFC 9420 §12.3 M1f, §12.4.3.2 M5
	if err != nil {
		return nil, err
	}
	joiner := schedule.Joiner(s, initSecret, commitSecret, sc.Next.Encoded)
	welcomeSecret, secrets := schedule.FromJoiner(s, joiner, psk, sc.Next.Encoded)
	suite.Zero(joiner, welcomeSecret, psk)
	// RFC 9420 §12.4.2 R13
	if !schedule.CheckConfirmation(s, secrets.Confirmation, sc.Next.Context.Transcript, m.Tag) {
		secrets.Zero()
		return nil, fmt.Errorf("check confirmation tag: %w", ErrAuthentication)
	}
	return newCore(&g.cfg, sc.Next, secrets, private), nil
}

// adoptUpdate takes up the key of the own leaf where a commit has renewed it.
func (g *Group) adoptUpdate(t *tree.Tree, private *tree.Private) error {
	fresh, old := t.Leaf(g.me), g.st.Tree.Leaf(g.me)
	if fresh == nil {
		return public.Invalid("check commit: the own leaf is gone")
	}
	if bytes.Equal(fresh.EncryptionKey, old.EncryptionKey) {
		return nil
	}
	for _, u := range g.updates {
		if bytes.Equal(u.pub, fresh.EncryptionKey) {
			private.SetLeafKey(u.priv)
			return nil
		}
	}
	return public.Invalid("check commit: it renews the own leaf with a key that is not known here")
}

// initSecret is that of the epoch, or what an external commit replaces it by.
func (g *Group) initSecret(sc *public.Staged) ([]byte, error) {
	if !sc.External {
		return bytes.Clone(g.secrets.Init), nil
	}
	if len(g.secrets.External) == 0 {
		return nil, fmt.Errorf("open external commit: the external key of this epoch was not kept: %w", ErrNotAllowed)
	}
	priv, _, err := g.st.Suite.DeriveKeyPair(g.secrets.External)
	if err != nil {
		return nil, err
	}
	defer clear(priv)
	secret, err := g.st.Suite.OpenExternalInit(priv, sc.KEMOutput)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	return secret, nil
}

func (g *Group) ownResumption(groupID []byte, epoch uint64) []byte {
	if !bytes.Equal(groupID, g.st.Context.GroupID) {
		return nil
	}
	if epoch == g.st.Context.Epoch {
		return g.secrets.Resumption
	}
	for _, r := range g.resumption {
		if r.epoch == epoch {
			return r.secret
		}
	}
	return nil
}

// enter makes the next epoch the present one and erases what the old one leaves
// behind (RFC 9420 §9.2).
func (g *Group) enter(next *core, reInit bool) {
	old := g.core
	g.dropOwn()
	if len(old.secrets.Resumption) > 0 {
		g.resumption = keepNewest(g.resumption, g.cfg.ResumptionEpochs, func(r resumptionPSK) { clear(r.secret) },
			resumptionPSK{epoch: old.st.Context.Epoch, secret: bytes.Clone(old.secrets.Resumption)})
	}
	if g.cfg.PastEpochs > 0 {
		g.past = keepNewest(g.past, g.cfg.PastEpochs, (*core).erase, old.forReading())
	}
	old.erase()   // RFC 9420 §14 M2, §15.2 M2
	g.core = next // RFC 9420 §12.4.2 R14
	g.reInit = reInit
}

// keepNewest puts x before list and drops what is beyond n.
func keepNewest[T any](list []T, n int, drop func(T), x T) []T {
	list = append([]T{x}, list...)
	for len(list) > n {
		drop(list[len(list)-1])
		list = list[:len(list)-1]
	}
	return list
}

// forReading moves out of an epoch what opens its late messages.
func (c *core) forReading() *core {
	out := &core{st: c.st, me: c.me, keys: c.keys, secrets: &schedule.Secrets{SenderData: bytes.Clone(c.secrets.SenderData)}}
	out.st.Proposals = nil
	c.keys = schedule.NewTree(c.st.Suite, nil, 1)
	return out
}

// dropOwn erases what this member prepared in the epoch.
func (g *Group) dropOwn() {
	g.Discard()
	for _, u := range g.updates {
		clear(u.priv)
	}
	g.updates = nil
	clear(g.reserve)
	g.reserve = nil
}

// evict closes the group: every secret is gone, the public state stays for
// whoever asks what happened.
// RFC 9420 §12.4.2 S1
func (g *Group) evict(next *public.State) {
	g.dropOwn()
	for _, c := range g.past {
		c.erase()
	}
	for _, r := range g.resumption {
		clear(r.secret)
	}
	g.past, g.resumption = nil, nil
	g.erase()
	next.Proposals = nil
	g.core = closedCore(next, g.me)
	g.evicted = true
}
