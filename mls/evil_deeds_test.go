package mls

import (
	"bytes"
	"crypto/ed25519"
	"math"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// deed is a commit made against the rules, with the epoch that it makes.
type deed struct {
	msg     []byte
	next    *schedule.Context
	tree    *tree.Tree
	hand    *handPath // nil: without a path
	psks    []schedule.PSKID
	joiner  []byte
	greet   []byte // welcome secret
	secrets *schedule.Secrets
	tag     []byte
	sent    []byte // the tag that the message has
}

// role is who signs: the evil member, or somebody outside.
type role struct {
	as   message.Sender
	key  ed25519.PrivateKey
	init []byte // init secret of the next epoch's key schedule
}

func (e *evil) self() role {
	return role{message.Sender{Kind: message.SenderMember}, e.by.cfg.Signer.(ed25519.PrivateKey), e.by.g.secrets.Init}
}

// commit makes a commit of the evil member by the script.
func (e *evil) commit(s *script) *deed {
	e.t.Helper()
	list, sent := e.list(s)
	d := &deed{next: e.context()}
	t, added := e.applyLoosely(e.by.g, d.next, forge{sent: sent})
	var draft *tree.LeafNode
	if !s.one(8) {
		draft = e.by.g.st.Tree.Leaf(0).Draft()
	}
	e.conclude(s, d, t, list, sent, e.self(), 0, draft, added)
	return d
}

// enter makes an external commit by the script (RFC 9420 §12.4.3.2).
func (e *evil) enter(s *script) *deed {
	e.t.Helper()
	st := e.by.g.st
	init := message.Proposal{Kind: ProposalExternalInit, KEMOutput: s.bytes()}
	who := role{as: message.Sender{Kind: message.SenderNewMemberCommit}, init: make([]byte, 32)}
	if secret := e.by.g.secrets.External; len(secret) > 0 && !s.one(6) {
		_, pub, err := st.Suite.DeriveKeyPair(secret)
		e.must(err)
		init.KEMOutput, who.init, err = st.Suite.ExternalInit(pub)
		e.must(err)
	}
	var list []message.ProposalOrRef
	var sent []public.Sent
	if s.pick(2) == 1 {
		list, sent = e.list(s)
	}
	list, sent = append(list, message.ProposalOrRef{Value: &init}), append(sent, public.Sent{Proposal: init})
	d := &deed{next: e.context()}
	t, added := e.applyLoosely(e.by.g, d.next, forge{sent: sent})
	k, p, _ := e.newPackage(s)
	who.key = p.cfg.Signer.(ed25519.PrivateKey)
	at := t.FirstBlank()
	e.must(t.Reserve(at))
	var draft *tree.LeafNode
	if !s.one(12) {
		draft = k.Leaf.Draft()
	}
	e.conclude(s, d, t, list, sent, who, at, draft, added)
	return d
}

// conclude gives a commit its path, unless draft is nil, and frames it.
func (e *evil) conclude(s *script, d *deed, t *tree.Tree, list []message.ProposalOrRef, sent []public.Sent, who role, leaf uint32, draft *tree.LeafNode, added []uint32) {
	e.t.Helper()
	c := &message.Commit{Proposals: list}
	d.tree = t
	commitSecret := zeros(t.Suite())
	if draft != nil {
		d.hand = e.makePath(s, t, leaf, draft, who.key, added, d.next)
	}
	if h := d.hand; h != nil {
		c.Path, d.tree, commitSecret = h.path, h.tree, h.secrets[len(h.secrets)-1]
	}
	d.next.TreeHash = d.tree.Hash()
	for _, p := range sent {
		if p.Kind == ProposalPSK {
			d.psks = append(d.psks, p.PSK)
		}
	}
	m := &message.Signed{Wire: WirePublicMessage, Content: e.content(who.as, Commit)}
	m.Commit = c
	d.msg = e.send(s, m, who.key, func() {
		d.derive(e, m, who.init, commitSecret)
		m.Tag = d.tag
		if s.one(12) {
			m.Tag = s.edits().spoil(d.tag)
		}
		d.sent = m.Tag
	})
}

func (e *evil) content(as message.Sender, kind Kind) message.Content {
	c := e.by.g.st.Context
	return message.Content{GroupID: c.GroupID, Epoch: c.Epoch, Sender: as, Kind: kind}
}

// derive makes the key schedule of the next epoch of a signed commit.
func (d *deed) derive(e *evil, m *message.Signed, init, commitSecret []byte) {
	st := e.by.g.st
	d.next.Transcript = schedule.Confirmed(st.Suite, st.Interim, m.TranscriptInput())
	d.joiner = schedule.Joiner(st.Suite, bytes.Clone(init), bytes.Clone(commitSecret), d.next.Bytes())
	d.expand(e)
}

// expand makes what follows from the joiner secret and the context.
func (d *deed) expand(e *evil) {
	s := e.by.g.st.Suite
	psk, err := e.by.g.cfg.pskSecret(s, d.psks, e.by.g.ownResumption)
	if err != nil {
		psk = nil
	}
	d.greet, d.secrets = schedule.FromJoiner(s, d.joiner, psk, d.next.Bytes())
	d.tag = schedule.ConfirmationTag(s, d.secrets.Confirmation, d.next.Transcript)
}

// send spoils the frame of a handshake by the script and signs, tags and, now
// and then, encrypts it. Signed is called between signature and tag.
func (e *evil) send(s *script, m *message.Signed, key ed25519.PrivateKey, signed func()) []byte {
	e.t.Helper()
	private := m.Sender.Kind == message.SenderMember && s.one(6)
	switch how := s.pick(16); {
	case how == 1:
		m.AAD = s.bytes()
	case private:
		m.Wire = WirePrivateMessage
	case how == 2:
		m.Epoch += uint64(s.byte())
	case how == 3:
		m.Sender = message.Sender{Kind: uint8(1 + s.pick(4)), Index: uint32(s.byte())}
	case how == 4:
		m.GroupID = s.bytes()
	}
	m.Wire = WirePublicMessage
	if private {
		m.Wire = WirePrivateMessage
	}
	m.Content.Encode()
	var head codec.Writer
	m.WriteHead(&head)
	body := m.Raw[head.Len():]
	if s.one(6) {
		body = s.edits().spoil(body)
		m.Raw = append(head.Out(), body...)
	}
	st := e.by.g.st
	var err error
	m.Signature, err = st.Suite.SignWithLabel(e.rnd, key, "FramedContentTBS", m.TBS(st.Encoded))
	e.must(err)
	signed()
	if private {
		return e.encrypt(s, m, body)
	}
	return m.PublicMessage(st.Suite, e.by.g.secrets.Membership, st.Encoded)
}

// encrypt makes a PrivateMessage of a signed handshake.
func (e *evil) encrypt(s *script, m *message.Signed, body []byte) []byte {
	e.t.Helper()
	g := e.by.g
	w := codec.NewWriter(bytes.Clone(body))
	m.WriteAuth(w)
	padded := append(w.Out(), make([]byte, s.pick(3))...)
	sizes, err := message.Plan(len(g.st.Context.GroupID), len(m.AAD), len(padded), 0)
	e.must(err)
	step, err := g.keys.Find(g.me, schedule.Handshake, uint32(s.pick(4)), schedule.Limits{MaxJump: 9})
	e.must(err)
	defer step.Drop()
	msg, err := g.sealPrivate(e.rnd, &step.Key, m.Kind, m.AAD, padded, sizes)
	e.must(err)
	return msg
}

// proposes makes a proposal message of the evil member.
func (e *evil) proposes(s *script) []byte {
	e.t.Helper()
	p := e.proposal(s)
	m := &message.Signed{Content: e.content(e.self().as, Proposal)}
	m.Proposal = &p
	return e.send(s, m, e.self().key, func() {})
}

// calls makes a proposal of somebody outside.
func (e *evil) calls(s *script) []byte {
	e.t.Helper()
	p := e.proposal(s)
	as, key := message.Sender{Kind: message.SenderExternal, Index: uint32(s.pick(8) / 7)}, e.service
	if s.pick(2) == 1 {
		k, who, _ := e.newPackage(s)
		p = message.Proposal{Kind: ProposalAdd, KeyPackage: k}
		as, key = message.Sender{Kind: message.SenderNewMemberProposal}, who.cfg.Signer.(ed25519.PrivateKey)
	}
	m := &message.Signed{Content: e.content(as, Proposal)}
	m.Proposal = &p
	return e.send(s, m, key, func() {})
}

// invite makes the epoch of a commit that adds a client, in which tree and
// context may be of the evil member's making from end to end.
func (e *evil) invite(s *script, kp *KeyPackage) (d *deed, leaf uint32) {
	e.t.Helper()
	d = &deed{next: e.context()}
	t := e.by.g.st.Tree.Clone()
	leaf, err := t.Add(kp.inner.Leaf)
	e.must(err)
	for range s.pick(4) {
		if fresh := e.poison(s, t); fresh != nil {
			t = fresh
		}
	}
	d.tree = t
	if !s.one(8) && t.Leaf(0) != nil {
		d.hand = e.makePath(s, t, 0, e.by.g.st.Tree.Leaf(0).Draft(), e.self().key, []uint32{leaf}, d.next)
	}
	d.joiner = bytes.Repeat([]byte{9}, 32)
	if d.hand != nil {
		d.tree = d.hand.tree
	}
	d.next.TreeHash, d.next.Transcript = d.tree.Hash(), make([]byte, 32)
	e.bend(s, d.next)
	d.expand(e)
	return d, leaf
}

// bend changes fields of a context.
func (e *evil) bend(s *script, c *schedule.Context) {
	switch s.pick(12) {
	case 1:
		c.Epoch = s.u64()
	case 2:
		c.Epoch = math.MaxUint64
	case 3:
		c.GroupID = s.bytes()
	case 4:
		c.Transcript = s.bytes()
	case 5:
		c.TreeHash = s.bytes()
	case 6:
		c.Extensions = e.extensions(s)
	case 7:
		c.Suite = uint16(s.byte())
	}
}

// poison changes a tree in one place; nil where the result has no encoding.
func (e *evil) poison(s *script, t *tree.Tree) *tree.Tree {
	e.t.Helper()
	places := readPlaces(t.Bytes())
	at, other := s.pick(len(places)+4), s.pick(len(places))
	for at >= len(places) {
		places = append(places, place{})
	}
	switch s.pick(8) {
	case 0:
		places[at] = place{}
	case 1:
		places[at] = places[other]
	case 2:
		places[at], places[other] = places[other], places[at]
	case 3:
		e.poisonParent(s, &places[(at|1)%len(places)])
	case 4, 5:
		places[at&^1] = place{leaf: e.stranger(s, uint32(at/2))}
	case 6:
		return e.strangerPath(s, t, uint32(at/2))
	case 7:
		out, err := tree.Parse(t.Suite(), s.edits().spoil(writePlaces(places)))
		if err != nil {
			return nil
		}
		return out
	}
	out, err := tree.Parse(t.Suite(), writePlaces(places))
	if err != nil {
		return nil
	}
	return out
}

func (e *evil) poisonParent(s *script, p *place) {
	if p.parent == nil {
		p.leaf, p.parent = nil, &tree.ParentNode{EncryptionKey: e.freshKey()}
	}
	changed := *p.parent
	switch s.pick(4) {
	case 0:
		changed.EncryptionKey = e.encryptionKey(s)
	case 1:
		changed.ParentHash = s.bytes()
	default:
		changed.Unmerged = nil
		for range s.pick(4) {
			changed.Unmerged = append(changed.Unmerged, uint32(s.pick(10)))
		}
	}
	p.parent = &changed
}

// stranger is a leaf of a client that does not exist, with good signatures.
func (e *evil) stranger(s *script, index uint32) *tree.LeafNode {
	e.t.Helper()
	p := e.party()
	kp, _ := e.lab.keyPackage(p)
	draft := kp.inner.Leaf.Draft()
	draft.Source = tree.Source(1 + s.pick(3))
	e.leaf(s, draft)
	if l := e.signLeaf(s, draft, p.cfg.Signer.(ed25519.PrivateKey), index); l != nil {
		return l
	}
	return kp.inner.Leaf
}

// strangerPath lets a client that does not exist commit.
func (e *evil) strangerPath(s *script, t *tree.Tree, leaf uint32) *tree.Tree {
	e.t.Helper()
	p := e.party()
	kp, _ := e.lab.keyPackage(p)
	t = t.Clone()
	if t.Reserve(leaf) != nil {
		return nil
	}
	h := e.makePath(&script{s.bytes()}, t, leaf, kp.inner.Leaf.Draft(), p.cfg.Signer.(ed25519.PrivateKey), nil, e.context())
	if h == nil {
		return nil
	}
	return h.tree
}

// info signs a group info of a deed (RFC 9420 §12.4.3).
func (e *evil) info(s *script, d *deed) *message.GroupInfo {
	e.t.Helper()
	signer, tag := uint32(0), d.tag
	var extensions tree.Extensions
	switch s.pick(12) {
	case 1:
		signer = uint32(s.byte())
	case 2:
		tag = s.bytes()
	case 3:
		extensions = e.extensions(s)
	}
	if !s.one(12) {
		extensions = append(extensions, Extension{Type: tree.ExtRatchetTree, Data: d.tree.Bytes()})
	}
	g := message.NewGroupInfo(d.next, tag, signer, extensions)
	e.must(g.Sign(e.by.g.st.Suite, e.rnd, e.self().key))
	return g
}

// welcome seals group secrets and a group info to a key package.
func (e *evil) welcome(s *script, greet []byte, info *message.GroupInfo, to *KeyPackage, secrets []byte) []byte {
	e.t.Helper()
	suite := e.by.g.st.Suite
	w := codec.NewWriter(nil)
	info.Write(w)
	plain := w.Out()
	if s.one(8) {
		plain = s.edits().spoil(plain)
	}
	key, nonce := schedule.WelcomeKeys(suite, greet)
	aead, err := suite.AEAD(key)
	e.must(err)
	m := &message.Welcome{Suite: suite.ID(), Info: aead.Seal(nil, nonce, plain, nil)}
	kem, ct, err := suite.EncryptWithLabel(to.inner.InitKey, "Welcome", m.Info, secrets)
	e.must(err)
	good := message.WelcomeSecret{Ref: to.Ref(), Sealed: tree.Ciphertext{KEMOutput: kem, Ciphertext: ct}}
	for range s.pick(3) {
		m.Secrets = append(m.Secrets, message.WelcomeSecret{Ref: s.bytes(), Sealed: tree.Ciphertext{KEMOutput: s.bytes(), Ciphertext: s.bytes()}})
	}
	m.Secrets = append(m.Secrets, good)
	switch s.pick(16) {
	case 1:
		m.Suite = uint16(s.byte())
	case 2:
		m.Secrets = append(m.Secrets, good)
	case 3:
		m.Secrets[0].Ref = to.Ref()
	}
	out := message.Header(WireWelcome)
	m.Write(out)
	return out.Out()
}

// secretFor is the path secret that a new member gets; nil without a path.
func (d *deed) secretFor(leaf uint32) []byte {
	if d.hand == nil {
		return nil
	}
	for i, step := range d.hand.steps {
		if tree.Covers(step.copath, leaf) {
			return bytes.Clone(d.hand.secrets[i])
		}
	}
	return nil
}
