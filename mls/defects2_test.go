package mls

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
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
