package mls

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// Defects that a hostile reading of this package found, each with what an
// attacker gains by it.

// weakKeys are HPKE public keys that no honest client makes: X25519 points of
// small order, to which nobody can encrypt, and other spellings of a good key.
func weakKeys(t *testing.T, good []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, point := range map[string]string{
		"zero":              "0000000000000000000000000000000000000000000000000000000000000000",
		"one":               "0100000000000000000000000000000000000000000000000000000000000000",
		"order 8":           "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"the other order 8": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"minus one":         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":                 "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"zero, high bit":    "0000000000000000000000000000000000000000000000000000000000000080",
	} {
		b, err := hex.DecodeString(point)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = append(bytes.Clone(good[:len(good)-len(b)]), b...)
	}
	other := bytes.Clone(good)
	other[len(other)-1] ^= 0x80
	out["another spelling"] = other
	return out
}

// TestDefectWeakEncryptionKeys: a member can't bring a key in to which nobody
// can encrypt. Else every commit of all others would fail until it is removed,
// an honest committer that takes its Update in, for good.
func TestDefectWeakEncryptionKeys(t *testing.T) {
	t.Parallel()
	for _, suite := range Suites() {
		l := newLabOf(t, suite, 40, 4)
		by := l.at(1)
		for name, key := range weakKeys(t, by.g.st.Tree.Leaf(1).EncryptionKey) {
			spoil := func(d *tree.LeafNode) { d.EncryptionKey = key }
			msg, _ := l.proposeBy(by, message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, spoil)})
			l.refused(name+" in an Update", msg, ErrInvalid, by)
			l.refused(name+" as an added leaf's", l.commitBy(by, forge{list: value(l.addOf(l.party(), func(k *tree.KeyPackage) {
				k.Leaf.EncryptionKey = key
			}))}), ErrInvalid, by)
			l.refused(name+" as init key", l.commitBy(by, forge{list: value(l.addOf(l.party(), func(k *tree.KeyPackage) {
				k.InitKey = key
			}))}), ErrInvalid, by)
			l.refused(name+" in a path", l.commitBy(by, forge{path: func(p *tree.UpdatePath) { p.Nodes[0].EncryptionKey = key }}), ErrInvalid, by)
			kp := l.addOf(l.party(), func(k *tree.KeyPackage) { k.InitKey = key }).KeyPackage
			w := message.Header(WireKeyPackage)
			kp.Write(w)
			if _, err := ParseKeyPackage(w.Out()); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: a key package with it as init key: %v", name, err)
			}
		}
		l.commit(l.at(0), CommitOptions{})
		l.agree()
	}
}

// TestDefectCommitterBlocked: a member that sends proposals which contradict
// one another, or the honest ones, costs a committer a fixed number of tries and
// not one for each proposal, and keeps no honest proposal out.
func TestDefectCommitterBlocked(t *testing.T) {
	t.Parallel()
	l := newLab(t, 41, 12)
	committer, evil := l.at(0), l.at(11)
	old := l.addOf(l.at(5), nothing) // who is here already
	twice := l.addOf(l.party(), nothing)
	late := l.addOf(l.party(), func(k *tree.KeyPackage) { k.Leaf.Lifetime = tree.Lifetime{NotAfter: 1} })
	var honest [][]byte
	for leaf := uint32(1); leaf < 11; leaf++ {
		msg, err := l.at(leaf).g.ProposeUpdate(nil)
		l.must(err)
		l.deliver(l.at(leaf), msg)
		honest = append(honest, l.at(leaf).g.st.Proposals[leaf-1].Ref)
	}
	for _, p := range []message.Proposal{
		{Kind: ProposalGroupContextExtensions},
		{Kind: ProposalGroupContextExtensions},
		old, twice, twice, late,
		{Kind: ProposalRemove, Removed: committer.g.Me()},
		l.addOf(committer, nothing),
		{Kind: ProposalUpdate, Leaf: l.updateLeaf(evil, func(d *tree.LeafNode) {
			d.EncryptionKey = twice.KeyPackage.Leaf.EncryptionKey
		})},
	} {
		msg := l.proposeAnew(evil, p)
		l.deliver(evil, msg)
	}
	asked := 0
	committer.g.cfg.Now = func() time.Time { asked++; return labTime() }
	staged, err := committer.g.Commit(CommitOptions{Add: []*KeyPackage{l.checked(l.addOf(l.party(), nothing))}})
	l.must(err)
	if asked > 6 {
		t.Errorf("the commit was tried %d times", asked)
	}
	for _, ref := range honest {
		if !bytes.Contains(staged.Commit, ref) {
			t.Errorf("an honest Update is left out")
		}
	}
	delete(l.parties, evil.name) // it kept none of what it sent
	l.deliver(committer, staged.Commit)
	l.must(committer.g.Merge())
	l.agree()
}

// proposeAnew is proposeBy with authenticated data of its own, so that one
// proposal can be sent twice.
func (l *lab) proposeAnew(p *party, v message.Proposal) []byte {
	l.t.Helper()
	st := p.g.st
	aad := make([]byte, 8)
	_, err := l.rnd.Read(aad)
	l.must(err)
	m := &message.Signed{Wire: WirePublicMessage, Content: p.g.content(Proposal, aad)}
	m.Proposal = &v
	l.signBy(p, m)
	return m.PublicMessage(st.Suite, p.g.secrets.Membership, st.Encoded)
}

// checked is the key package of an Add.
func (l *lab) checked(p message.Proposal) *KeyPackage {
	return &KeyPackage{suite: l.public.st.Suite, inner: p.KeyPackage}
}

// TestDefectForgedOwnMessage: that a message is this member's own is said of
// none that another made. Else whoever carries the messages (for a
// PublicMessage), or any member (for the head of a PrivateMessage), makes a
// member believe that its state was rolled back.
func TestDefectForgedOwnMessage(t *testing.T) {
	t.Parallel()
	l := newLab(t, 42, 3)
	evil, victim := l.at(1), l.at(2)
	as := message.Sender{Kind: message.SenderMember, Index: victim.g.Me()}
	forged := map[string][]byte{
		"a commit by a member":    l.commitBy(evil, forge{as: &as}),
		"a commit by nobody":      l.commitBy(evil, forge{as: &as, done: func(m *message.Signed) { m.Signature = nil }}),
		"an application message":  l.sealAs(evil, victim.g.Me(), 0, Application),
		"one ahead":               l.sealAs(evil, victim.g.Me(), 7, Application),
		"one far ahead":           l.sealAs(evil, victim.g.Me(), 1<<32-1, Application),
		"a handshake":             l.sealAs(evil, victim.g.Me(), 3, Commit),
		"a handshake of no bytes": l.sealAs(evil, victim.g.Me(), 0, Proposal),
	}
	l.unmoved("a forged own message", func() {
		for name, msg := range forged {
			if _, err := victim.g.Process(msg); err == nil || errors.Is(err, ErrOwnMessage) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	ahead := l.bytesOf(victim)
	staged, err := victim.g.Commit(CommitOptions{})
	l.must(err)
	var own [][]byte
	for range 3 {
		own = append(own, seal(t, victim.g, "x"))
	}
	if _, err := victim.g.Process(own[0]); !errors.Is(err, ErrOwnMessage) {
		t.Errorf("an own message: %v", err)
	}
	victim.g, err = Load(victim.cfg, ahead) // a backup
	l.must(err)
	l.unmoved("an own message of a later state", func() {
		for _, msg := range [][]byte{own[0], own[2], staged.Commit} {
			if _, err := victim.g.Process(msg); !errors.Is(err, ErrOwnMessage) {
				t.Errorf("an own message of a later state: %v", err)
			}
		}
	})
}

// sealAs makes a PrivateMessage whose head names another leaf, under the key
// of that leaf as the sender knows it, where it is not too far.
func (l *lab) sealAs(p *party, leaf, generation uint32, kind Kind) []byte {
	l.t.Helper()
	g := p.g
	body, sizes, err := g.signBody([]byte("x"), nil, 0)
	l.must(err)
	content := schedule.Handshake
	if kind == Application {
		content = schedule.Application
	}
	key := schedule.Key{Generation: generation}
	if step, err := g.keys.Find(leaf, content, generation, g.cfg.limits()); err == nil {
		defer step.Drop()
		key = step.Key
	}
	me := g.me
	defer func() { g.me = me }()
	g.me = leaf
	msg, err := g.sealPrivate(l.rnd, &key, kind, nil, body, sizes)
	l.must(err)
	return msg
}

// privately wraps a handshake that a member made as PublicMessage as a
// PrivateMessage under its real keys.
func (l *lab) privately(p *party, kind Kind, make func(forge) []byte) []byte {
	l.t.Helper()
	g := p.g
	m := reread(l.t, make(forge{body: func(m *message.Signed) { m.Wire = WirePrivateMessage }}))
	var body codec.Writer
	if kind == Commit {
		m.Commit.Write(&body)
	} else {
		m.Proposal.Write(&body)
	}
	m.WriteAuth(&body)
	sizes, err := message.Plan(len(g.st.Context.GroupID), 0, body.Len(), 0)
	l.must(err)
	step, err := g.keys.Next(g.me, schedule.Handshake)
	l.must(err)
	msg, err := g.sealPrivate(l.rnd, &step.Key, kind, nil, body.Out(), sizes)
	l.must(err)
	g.keys.Consume(step)
	return msg
}

// TestDefectPrivateCommitKeyKept: the key of a commit that came as a
// PrivateMessage is gone with it, also where its epoch is kept for late
// messages (RFC 9420 §9.2).
func TestDefectPrivateCommitKeyKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, 43, 3)
	by, p := l.at(0), l.at(1)
	p.g.cfg.PastEpochs = 2
	msg := l.privately(by, Commit, func(f forge) []byte { return l.commitBy(by, f) })
	got, err := p.g.Process(msg)
	l.must(err)
	if got.Kind != Commit || p.g.Epoch() != by.g.Epoch()+1 {
		t.Fatalf("received %+v", got)
	}
	for _, restarted := range []bool{false, true} {
		if restarted {
			l.restart(p)
		}
		if len(p.g.past) != 1 {
			t.Fatalf("%d past epochs", len(p.g.past))
		}
		step, err := p.g.past[0].keys.Find(0, schedule.Handshake, 0, p.g.cfg.limits())
		if !errors.Is(err, schedule.ErrGone) {
			t.Errorf("the commit's key can be derived again (%v)", err)
			step.Drop()
		}
	}
}

// TestDefectPoisonedReference: a member sends a proposal in private, to the
// members and past the tracker. An honest commit that refers to it would be
// refused by the tracker, again and again; so members of a group that is
// tracked refuse it.
func TestDefectPoisonedReference(t *testing.T) {
	t.Parallel()
	l := newLab(t, 44, 3)
	evil, honest := l.at(2), l.at(1)
	for _, p := range l.parties {
		p.g.cfg.PublicHandshakes = true
	}
	update := message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(evil, func(*tree.LeafNode) {})}
	proposal := l.privately(evil, Proposal, func(f forge) []byte {
		m := &message.Signed{Wire: WirePrivateMessage, Content: evil.g.content(Proposal, nil)}
		m.Proposal = &update
		l.signBy(evil, m)
		return m.PublicMessage(evil.g.st.Suite, evil.g.secrets.Membership, evil.g.st.Encoded)
	})
	commit := l.privately(evil, Commit, func(f forge) []byte { return l.commitBy(evil, f) })
	l.unmoved("a private handshake", func() {
		l.refusedByMembers("a private proposal", proposal, ErrNotAllowed, evil)
		l.refusedByMembers("a private commit", commit, ErrNotAllowed, evil)
	})
	l.commit(honest, CommitOptions{})
	l.agree()
}

// TestDefectJoinerWithoutPathSecret: a committer that keeps the path secret
// from a joiner would lock it out with the next commit. The joiner sees that it
// lacks the key of a node above it, which does not list it as unmerged.
func TestDefectJoinerWithoutPathSecret(t *testing.T) {
	t.Parallel()
	l := newLab(t, 45, 3)
	by, who := l.at(0), l.party()
	kp, priv := l.keyPackage(who)
	staged, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	l.must(err)
	w, err := message.ParseWelcome(bytes.Clone(staged.Welcome))
	l.must(err)
	s := by.g.st.Suite
	sealed, err := w.Find(kp.Ref())
	l.must(err)
	plain, err := s.DecryptWithLabel(priv.init, "Welcome", w.Info, sealed.KEMOutput, sealed.Ciphertext)
	l.must(err)
	secrets, err := message.ReadGroupSecrets(plain)
	l.must(err)
	secrets.PathSecret = nil
	kem, ct, err := s.EncryptWithLabel(kp.inner.InitKey, "Welcome", w.Info, secrets.Encode())
	l.must(err)
	w.Secrets = []message.WelcomeSecret{{Ref: kp.Ref(), Sealed: tree.Ciphertext{KEMOutput: kem, Ciphertext: ct}}}
	out := message.Header(WireWelcome)
	w.Write(out)
	if _, err := Join(who.cfg, out.Out(), kp, priv, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("a Welcome without the path secret: %v", err)
	}
	if _, err := Join(who.cfg, staged.Welcome, kp, priv, nil); err != nil {
		t.Errorf("the Welcome as it was made: %v", err)
	}
}

// TestDefectUnauthorizedReference: a member proposes what Config.Authorize
// refuses in a commit. An honest committer leaves it out instead of failing
// with every commit of the epoch.
func TestDefectUnauthorizedReference(t *testing.T) {
	t.Parallel()
	l := newLab(t, 46, 4)
	evil, honest := l.at(3), l.at(1)
	for _, p := range l.parties {
		p.g.cfg.Authorize = func(v *CommitView) error {
			if len(v.Removes) > 0 && v.Removes[0].Leaf == 0 {
				return errors.New("leaf 0 stays")
			}
			return nil
		}
	}
	update, err := l.at(2).g.ProposeUpdate(nil)
	l.must(err)
	l.deliver(l.at(2), update)
	msg, err := evil.g.ProposeRemove(0, nil)
	l.must(err)
	l.deliver(evil, msg)
	staged := l.commit(honest, CommitOptions{AuthenticatedData: []byte("honest")})
	if len(staged.View.Removes) != 0 {
		t.Error("leaf 0 was removed")
	}
	l.agree()
	if _, err := honest.g.Commit(CommitOptions{Remove: []uint32{0}}); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("an own commit that is not authorized: %v", err)
	}
}

// TestDefectProposalUnseen: who decides on a proposal sees all that it asks for.
func TestDefectProposalUnseen(t *testing.T) {
	t.Parallel()
	l := newLab(t, 47, 2)
	by, p := l.at(0), l.at(1)
	p.g.cfg.AllowPSK, p.g.cfg.AllowReInit = true, true
	var saw *ProposalView
	p.g.cfg.AuthorizeProposal = func(v *ProposalView) error { saw = v; return nil }
	propose := func(v message.Proposal) {
		msg, _ := l.proposeBy(by, v)
		_, err := p.g.Process(msg)
		l.must(err)
	}
	propose(message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: tree.Extensions{{Type: tree.ExtExternalSenders, Data: []byte{0}}}})
	if len(saw.Extensions) != 1 || saw.Extensions[0].Type != tree.ExtExternalSenders {
		t.Errorf("extensions: %+v", saw)
	}
	propose(message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: []byte("next"), Version: 1, Suite: 7}})
	if saw.Successor == nil || string(saw.Successor.GroupID) != "next" || saw.Successor.Suite != 7 {
		t.Errorf("a ReInit: %+v", saw)
	}
	propose(message.Proposal{Kind: ProposalPSK, PSK: schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("id"), Nonce: make([]byte, 32)}})
	if saw.PSK == nil || string(saw.PSK.ID) != "id" || saw.PSK.Resumption {
		t.Errorf("an external key: %+v", saw)
	}
	propose(message.Proposal{Kind: ProposalPSK, PSK: schedule.PSKID{
		Type: schedule.PSKResumption, Usage: schedule.UsageApplication, GroupID: []byte("lab"), Epoch: 1, Nonce: make([]byte, 32),
	}})
	if saw.PSK == nil || !saw.PSK.Resumption || string(saw.PSK.GroupID) != "lab" || saw.PSK.Epoch != 1 {
		t.Errorf("a resumption key: %+v", saw)
	}
}

// TestDefectStrangersFillTheCache: clients that nobody knows can't keep an
// external sender's proposals out.
func TestDefectStrangersFillTheCache(t *testing.T) {
	t.Parallel()
	l := newLab(t, 48, 2)
	p := l.at(0)
	key := otherKey()
	var senders codec.Writer
	senders.Vector(func(w *codec.Writer) {
		w.Bytes(key.Public().(ed25519.PublicKey))
		tree.BasicCredential([]byte("service")).Write(w)
	})
	l.commit(p, CommitOptions{Extensions: []Extension{{Type: tree.ExtExternalSenders, Data: senders.Out()}}})
	p.g.cfg.AllowExternalSenders = true
	p.g.cfg.AuthorizeProposal = func(*ProposalView) error { return nil }
	outside := func(kind uint8, v message.Proposal, signer ed25519.PrivateKey) []byte {
		m := &message.Signed{Wire: WirePublicMessage, Content: p.g.content(Proposal, nil)}
		m.Sender, m.Proposal = message.Sender{Kind: kind}, &v
		m.Content.Encode()
		var err error
		m.Signature, err = p.g.st.Suite.SignWithLabel(l.rnd, signer, "FramedContentTBS", m.TBS(p.g.st.Encoded))
		l.must(err)
		return m.PublicMessage(p.g.st.Suite, nil, nil)
	}
	kept := 0
	for range 100 {
		stranger := l.party()
		add := l.addOf(stranger, nothing)
		if _, err := p.g.Process(outside(message.SenderNewMemberProposal, add, stranger.cfg.Signer.(ed25519.PrivateKey))); err == nil {
			kept++
		}
	}
	if kept == 0 || kept > 64 {
		t.Errorf("%d proposals of strangers were kept", kept)
	}
	got, err := p.g.Process(outside(message.SenderExternal, message.Proposal{Kind: ProposalRemove, Removed: 1}, key))
	if err != nil || !got.External || got.Proposal.Sender != 0 {
		t.Errorf("the external sender's proposal: %+v, %v", got, err)
	}
	l.restart(p)
	if n := len(p.g.st.Proposals); n != kept+1 {
		t.Errorf("%d proposals after a restart", n)
	}
}

// TestDefectStoredTree: a stored state whose tree lists unmerged leaves that it
// does not have, or whose keys are another leaf's, is refused and not used.
func TestDefectStoredTree(t *testing.T) {
	t.Parallel()
	l := newLab(t, 49, 5)
	p := l.at(4)
	spoilt := l.strangeUnmerged(p.g.st.Tree)
	c := *p.g.st.Context
	c.TreeHash = spoilt.Hash()
	good := p.g.st
	p.g.st = public.NewState(good.Suite, &c, spoilt, good.Tag)
	if _, err := Load(p.cfg, l.bytesOf(p)); !errors.Is(err, ErrState) {
		t.Errorf("unmerged leaves outside the tree: %v", err)
	}
	tracker, err := (&PublicGroup{st: p.g.st}).MarshalBinary()
	l.must(err)
	if _, err := LoadPublicGroup(Config{}, tracker); !errors.Is(err, ErrState) {
		t.Errorf("a tracker with unmerged leaves outside the tree: %v", err)
	}
	p.g.st, p.g.me = good, 3
	cfg := p.cfg
	cfg.Signer = nil
	if _, err := Load(cfg, l.bytesOf(p)); !errors.Is(err, ErrState) {
		t.Errorf("keys of another leaf: %v", err)
	}
}

// strangeUnmerged is a tree with a leaf far outside unmerged in node 3.
func (l *lab) strangeUnmerged(t *tree.Tree) *tree.Tree {
	l.t.Helper()
	v := codec.NewReader(t.Bytes()).Vector()
	var w codec.Writer
	w.Vector(func(w *codec.Writer) {
		for i := 0; !v.Empty(); i++ {
			there := v.Optional()
			w.Optional(there)
			if !there {
				continue
			}
			kind := v.U8()
			w.U8(kind)
			if kind == 1 {
				tree.ReadLeafNode(v).Write(w)
				continue
			}
			n := tree.ParentNode{EncryptionKey: v.Bytes(), ParentHash: v.Bytes()}
			v.Bytes()
			if i == 3 {
				n.Unmerged = []uint32{1 << 20}
			}
			n.Write(w)
		}
	})
	out, err := tree.Parse(l.public.st.Suite, w.Out())
	l.must(err)
	return out
}
