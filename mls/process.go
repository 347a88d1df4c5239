package mls

import (
	"bytes"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Process takes in a message of the group. After an error the state is as it
// was. A commit that is accepted drops a pending commit and all proposals of
// the old epoch. Own messages come back as ErrOwnMessage: what they do is done
// by Merge, or was done when they were made.
func (g *Group) Process(msg []byte) (*Received, error) {
	if err := g.usable(); err != nil {
		return nil, fmt.Errorf("process message: %w", err)
	}
	r := codec.NewReader(msg)
	wire := readHeader(r)
	if err := r.Err(); err != nil {
		return nil, malformed("message", err)
	}
	switch wire {
	case WirePublicMessage:
		return g.processPublic(bytes.Clone(msg))
	case WirePrivateMessage:
		return g.processPrivate(r)
	}
	return nil, malformed("message", fmt.Errorf("wire format %d is none of a group", wire))
}

func (g *Group) processPublic(msg []byte) (*Received, error) {
	r := codec.NewReader(msg)
	readHeader(r)
	m, tag, err := readPublic(r)
	if err != nil {
		return nil, err
	}
	if err := g.st.checkPlace(m.groupID, m.epoch); err != nil {
		return nil, err
	}
	if m.kind == Application {
		return nil, invalid("check message: application data in a public message")
	}
	if m.sender.kind == senderMember {
		if m.sender.index == g.me {
			return nil, fmt.Errorf("check message: %w", ErrOwnMessage)
		}
		if !g.st.suite.VerifyMAC(g.secrets.Membership, m.membershipInput(g.st.encoded), tag) {
			return nil, fmt.Errorf("check membership tag: %w", ErrAuthentication)
		}
	}
	if err := g.st.verify(&g.cfg, m); err != nil {
		return nil, err
	}
	return g.handle(m)
}

func (g *Group) processPrivate(r *codec.Reader) (*Received, error) {
	h, err := readPrivate(r)
	if err != nil {
		return nil, err
	}
	c, err := g.epochOf(&h)
	if err != nil {
		return nil, err
	}
	m, step, err := c.openPrivate(&h, g.cfg.limits())
	if err != nil {
		return nil, err
	}
	if h.kind == Application {
		c.keys.Consume(step)
		return &Received{
			Kind: Application, Sender: m.sender.index, Epoch: m.epoch,
			Data: m.data, AuthenticatedData: bytes.Clone(m.aad),
		}, nil
	}
	received, err := g.handle(m)
	if err != nil {
		step.Drop()
		return nil, err
	}
	if received.Kind == Proposal {
		c.keys.Consume(step)
	} else {
		step.Drop() // the epoch has ended and its keys with it
	}
	return received, nil
}

// epochOf picks the epoch whose keys open a PrivateMessage: the present one, or
// for application data one of the past that are kept.
func (g *Group) epochOf(h *head) (*core, error) {
	if h.kind == Application {
		for _, c := range g.past {
			if c.st.context.Epoch == h.epoch && bytes.Equal(h.groupID, c.st.context.GroupID) {
				return c, nil
			}
		}
	}
	return g.core, g.st.checkPlace(h.groupID, h.epoch)
}

// handle takes in a verified handshake message of the present epoch.
func (g *Group) handle(m *signed) (*Received, error) {
	received := &Received{
		Kind: m.kind, Sender: m.sender.index, External: m.sender.kind != senderMember,
		Epoch: m.epoch, AuthenticatedData: bytes.Clone(m.aad),
	}
	if received.External {
		received.Sender = 0
	}
	var err error
	if m.kind == Proposal {
		received.Proposal, err = g.handleProposal(m)
	} else {
		err = g.handleCommit(m, received)
	}
	if err != nil {
		return nil, err
	}
	return received, nil
}

func (g *Group) handleProposal(m *signed) (*ProposalView, error) {
	view, err := g.st.checkProposal(&g.cfg, m)
	if err != nil {
		return nil, err
	}
	if err := g.cfg.authorizeProposal(view); err != nil {
		return nil, err
	}
	return view, g.st.keep(&g.cfg, m)
}

func (g *Group) handleCommit(m *signed, received *Received) error {
	sc, err := g.st.stage(&g.cfg, m)
	if err != nil {
		return err
	}
	received.View = sc.view
	if sc.removesLeaf(g.me) {
		if err := g.cfg.authorize(sc.view); err != nil {
			return err
		}
		received.Evicted = true
		g.evict(sc.next)
		return nil
	}
	next, err := g.nextCore(sc, m)
	if err != nil {
		return err
	}
	if err := g.cfg.authorize(sc.view); err != nil {
		next.erase()
		return err
	}
	g.enter(next, sc.reInit != nil)
	return nil
}

// nextCore derives the member's side of the epoch that a received commit
// makes, and checks the confirmation tag (RFC 9420 §12.4.2).
func (g *Group) nextCore(sc *stagedCommit, m *signed) (*core, error) {
	private := g.private.Clone()
	next, err := g.derive(sc, m, private)
	if err != nil {
		private.Wipe()
		return nil, err
	}
	return next, nil
}

func (g *Group) derive(sc *stagedCommit, m *signed, private *tree.Private) (*core, error) {
	s := g.st.suite
	if err := g.adoptUpdate(sc.tree, private); err != nil {
		return nil, err
	}
	commitSecret := make([]byte, s.HashLen())
	defer func() { clear(commitSecret) }()
	if sc.path != nil {
		var err error
		if commitSecret, err = private.Open(sc.tree, sc.committer, sc.path, sc.provisional, sc.added); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
		}
	}
	private.Prune(sc.tree)
	psk, err := g.cfg.pskSecret(s, sc.psks, g.ownResumption)
	if err != nil {
		return nil, err
	}
	initSecret, err := g.initSecret(sc)
	if err != nil {
		return nil, err
	}
	joiner := schedule.Joiner(s, initSecret, commitSecret, sc.next.encoded)
	welcomeSecret, secrets := schedule.FromJoiner(s, joiner, psk, sc.next.encoded)
	suite.Zero(joiner, welcomeSecret, psk)
	if !schedule.CheckConfirmation(s, secrets.Confirmation, sc.next.context.Transcript, m.tag) {
		secrets.Zero()
		return nil, fmt.Errorf("check confirmation tag: %w", ErrAuthentication)
	}
	return newCore(&g.cfg, sc.next, secrets, private), nil
}

// adoptUpdate takes up the key of the own leaf where a commit has renewed it.
func (g *Group) adoptUpdate(t *tree.Tree, private *tree.Private) error {
	fresh, old := t.Leaf(g.me), g.st.tree.Leaf(g.me)
	if fresh == nil {
		return invalid("check commit: the own leaf is gone")
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
	return invalid("check commit: it renews the own leaf with a key that is not known here")
}

// initSecret is that of the epoch, or what an external commit replaces it by.
func (g *Group) initSecret(sc *stagedCommit) ([]byte, error) {
	if !sc.external {
		return bytes.Clone(g.secrets.Init), nil
	}
	if len(g.secrets.External) == 0 {
		return nil, fmt.Errorf("open external commit: the external key of this epoch was not kept: %w", ErrNotAllowed)
	}
	priv, _, err := g.st.suite.DeriveKeyPair(g.secrets.External)
	if err != nil {
		return nil, err
	}
	defer clear(priv)
	secret, err := g.st.suite.OpenExternalInit(priv, sc.kemOutput)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	return secret, nil
}

func (g *Group) ownResumption(groupID []byte, epoch uint64) []byte {
	if !bytes.Equal(groupID, g.st.context.GroupID) {
		return nil
	}
	if epoch == g.st.context.Epoch {
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
			resumptionPSK{epoch: old.st.context.Epoch, secret: bytes.Clone(old.secrets.Resumption)})
	}
	if g.cfg.PastEpochs > 0 {
		g.past = keepNewest(g.past, g.cfg.PastEpochs, (*core).erase, old.forReading())
	}
	old.erase()
	g.core = next
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
	out.st.proposals = nil
	c.keys = schedule.NewTree(c.st.suite, nil, 1)
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
func (g *Group) evict(next *epochState) {
	g.dropOwn()
	for _, c := range g.past {
		c.erase()
	}
	for _, r := range g.resumption {
		clear(r.secret)
	}
	g.past, g.resumption = nil, nil
	g.erase()
	next.proposals = nil
	g.core = closedCore(next, g.me)
	g.evicted = true
}
