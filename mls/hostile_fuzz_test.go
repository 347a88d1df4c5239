package mls

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
)

// scripts seeds a target with random scripts for each world.
func scripts(f *testing.F, n, length int) {
	f.Helper()
	f.Add([]byte{})
	for i := range n {
		in := make([]byte, length)
		_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(in)
		in[0] = byte(i)
		f.Add(in)
	}
	for i := range 4 { // all goes right
		f.Add([]byte{byte(i)})
		f.Add([]byte{byte(i), 1})
		f.Add([]byte{byte(i), 2, 4, 4})
	}
}

// hostile runs f on scripts in the worlds that the first byte chooses.
func hostile(f *testing.F, length int, run func(e *evil, s *script)) {
	f.Helper()
	inOneProcess(f)
	worlds := newEvils(f)
	scripts(f, 20, length)
	f.Fuzz(func(t *testing.T, in []byte) {
		e := worlds[0]
		if len(in) > 0 {
			e = worlds[int(in[0])%len(worlds)]
		}
		s := e.start(t, in)
		s.byte()
		run(e, s)
	})
}

// FuzzHostileCommit: a member commits what breaks rules, properly signed,
// sealed and tagged. Who takes it agrees, who does not has not moved, and the
// group goes on.
func FuzzHostileCommit(f *testing.F) {
	hostile(f, 64, func(e *evil, s *script) {
		d := e.commit(s)
		c := e.everybody()
		took := c.deliver(d.msg)
		c.share(d, took)
		if len(took) > 0 || s.one(4) {
			c.goOn(s, CommitOptions{})
		}
	})
}

// FuzzHostileProposer: a member proposes what breaks rules; an honest one
// commits afterwards, and everybody follows.
func FuzzHostileProposer(f *testing.F) {
	hostile(f, 96, func(e *evil, s *script) {
		c := e.everybody()
		for range 1 + s.pick(4) {
			msg := e.proposes(s)
			if took := c.deliver(msg); len(took) > 0 && s.one(3) && len(c.deliver(msg)) > 0 {
				e.t.Fatal("a proposal is taken twice")
			}
		}
		o := CommitOptions{Remove: e.honest[:s.pick(4)/3]}
		if s.one(3) {
			kp, err := checkedKeyPackage(e.good[0].KeyPackage) // perhaps proposed already
			e.must(err)
			o.Add = append(o.Add, kp)
		}
		c.goOn(s, o)
	})
}

// FuzzHostileOutside: clients that are no members propose and commit.
func FuzzHostileOutside(f *testing.F) {
	hostile(f, 96, func(e *evil, s *script) {
		c := e.everybody()
		for range 1 + s.pick(3) {
			if c.outside(s) {
				break // the next epoch has begun
			}
		}
		c.goOn(s, CommitOptions{})
	})
}

// outside delivers a message from outside, and tells whether it was a commit
// that somebody took.
func (c *crowd) outside(s *script) bool {
	e := c.e
	e.t.Helper()
	var d *deed
	var took []uint32
	if s.pick(2) == 1 {
		took = c.deliver(e.calls(s))
	} else {
		d = e.enter(s)
		took = c.deliver(d.msg)
		c.share(d, took)
	}
	if !e.open && len(took) > 0 {
		e.t.Fatal("a closed group takes a message from outside")
	}
	return d != nil && len(took) > 0
}

// FuzzHostileJoiner: a client publishes a key package that breaks rules. An
// honest member adds it in a way that all others follow, or not at all; if the
// client holds its keys, it is in.
func FuzzHostileJoiner(f *testing.F) {
	hostile(f, 48, func(e *evil, s *script) {
		k, p, priv := e.newPackage(s)
		w := message.Header(WireKeyPackage)
		k.Write(w)
		var kp *KeyPackage
		var err error
		handling().Check(e.t, w.Len(), func() { kp, err = ParseKeyPackage(w.Out()) })
		if err != nil {
			return
		}
		c := e.everybody()
		if g := c.admit(s, kp, p, priv); g != nil {
			c.groups[g.Me()] = g
			c.agree()
		}
		c.goOn(s, CommitOptions{})
	})
}

// admit adds a client by an honest commit and lets it join.
func (c *crowd) admit(s *script, kp *KeyPackage, p *party, priv *KeyPackagePrivate) *Group {
	t := c.e.t
	t.Helper()
	by := c.groups[c.e.honest[s.pick(4)]]
	by.Discard()
	before := stateOf(t, by)
	o := CommitOptions{Add: []*KeyPackage{kp}}
	switch s.pick(6) {
	case 1:
		o.Add = append(o.Add, kp)
	case 2:
		o.Remove = []uint32{0}
	}
	staged, err := by.Commit(o)
	if err != nil {
		if !bytes.Equal(before, stateOf(t, by)) {
			t.Fatal("a commit that was not made changed the state")
		}
		return nil
	}
	c.follow(by, staged.Commit)
	if err := by.Merge(); err != nil {
		t.Fatal(err)
	}
	c.agree()
	if c.e.open {
		openAll(&p.cfg)
	}
	g, err := Join(p.cfg, staged.Welcome, kp, priv, nil)
	leafKey, _ := kp.suite.PublicOf(priv.leaf)
	_, lacks := checkOwnKeys(&p.cfg, kp, priv)
	holds := lacks == nil && bytes.Equal(leafKey, kp.inner.Leaf.EncryptionKey)
	if (err == nil) != holds {
		t.Fatalf("a client that holds its keys (%t) joins with %v", holds, err)
	}
	return g
}

// FuzzHostileGroupInfo: a member invites into an epoch with a poisoned tree or
// context, properly signed, tagged and sealed. Joiner and tracker judge alike,
// and whoever gets in can live there.
func FuzzHostileGroupInfo(f *testing.F) {
	hostile(f, 64, func(e *evil, s *script) {
		kp, p, priv := e.guest()
		d, leaf := e.invite(s, kp)
		info := e.info(s, d)
		w := message.Header(WireGroupInfo)
		info.Write(w)
		var tracker *PublicGroup
		var refusal error
		handling().Check(e.t, w.Len(), func() { tracker, refusal = NewPublicGroup(p.cfg, w.Out()) })
		secrets := message.GroupSecrets{Joiner: d.joiner, PathSecret: d.secretFor(leaf)}
		msg := e.welcome(s, d.greet, info, kp, secrets.Encode())
		var apart []byte
		if s.one(4) {
			apart = d.tree.Bytes()
		}
		g := e.join(p, msg, kp, priv, apart)
		if refusal == nil {
			e.reload(tracker)
			if leaf := tracker.st.Tree.Leaf(info.Signer); !bytes.Equal(leaf.SignatureKey, e.by.g.st.Tree.Leaf(0).SignatureKey) {
				e.t.Fatalf("a group info of leaf %d is taken that leaf 0 signed", info.Signer)
			}
		}
		if g == nil {
			return
		}
		if _, inside := info.Extensions.Find(2); inside && refusal != nil {
			e.t.Fatalf("a member joins what the tracker refuses: %v", refusal)
		}
		e.live(g, tracker)
	})
}

// guest is an honest client that is to be added.
func (e *evil) guest() (*KeyPackage, *party, *KeyPackagePrivate) {
	e.t.Helper()
	p := e.party()
	if e.open {
		openAll(&p.cfg)
	}
	kp, priv := e.lab.keyPackage(p)
	return kp, p, priv
}

func (e *evil) join(p *party, msg []byte, kp *KeyPackage, priv *KeyPackagePrivate, apart []byte) (g *Group) {
	e.t.Helper()
	var err error
	before := bytes.Clone(msg)
	handling().Check(e.t, len(msg)+len(apart), func() { g, err = Join(p.cfg, msg, kp, priv, apart) })
	if (g == nil) != (err != nil) || !bytes.Equal(before, msg) {
		e.t.Fatalf("joining gives %v, %v", g, err)
	}
	if !WelcomeFor(msg, kp.Ref()) && err == nil {
		e.t.Fatal("joined by a Welcome for somebody else")
	}
	return g
}

// reload checks that a tracker survives being stored.
func (e *evil) reload(p *PublicGroup) {
	e.t.Helper()
	b, err := p.MarshalBinary()
	e.must(err)
	again, err := LoadPublicGroup(p.cfg, b)
	if err != nil {
		e.t.Fatalf("a tracker can't be restarted: %v", err)
	}
	if c, err := again.MarshalBinary(); err != nil || !bytes.Equal(b, c) || !bytes.Equal(p.TreeHash(), p.st.Tree.Hash()) {
		e.t.Fatal("a tracker is another after a restart")
	}
}

// live checks that a group that was joined can be stored, and gone on with by
// a commit that a tracker of it takes.
func (e *evil) live(g *Group, tracker *PublicGroup) {
	e.t.Helper()
	sound(e.t, g.st)
	g = again(e.t, g.cfg, g)
	if g.Epoch() == math.MaxUint64 {
		return
	}
	staged, err := g.Commit(CommitOptions{})
	if err != nil {
		e.t.Fatalf("who joined can't commit: %v", err)
	}
	if tracker != nil {
		if _, err := tracker.Process(staged.Commit); err != nil {
			e.t.Fatalf("a tracker refuses who joined: %v", err)
		}
	}
	if err := g.Merge(); err != nil {
		e.t.Fatal(err)
	}
	seal(e.t, g, "text")
}

// FuzzHostileWelcome: a member adds a client by a good commit and sends it
// group secrets, a group info or a tree that are not what the others have.
// Unless it made up another epoch, the client is with the others or nowhere.
func FuzzHostileWelcome(f *testing.F) {
	hostile(f, 64, func(e *evil, s *script) {
		kp, p, priv := e.guest()
		made, err := e.member(0).makeCommit(CommitOptions{Add: []*KeyPackage{kp}, TreeApart: s.one(4)})
		e.must(err)
		next := made.next.st
		d := &deed{next: next.Context, tree: next.Tree, joiner: bytes.Repeat([]byte{5}, 32)}
		secrets := message.GroupSecrets{Joiner: d.joiner}
		if opened := e.opened(made.staged.Welcome, kp, priv); opened != nil && !s.one(4) {
			secrets = *opened
			d.joiner = bytes.Clone(secrets.Joiner)
		}
		joiner := bytes.Clone(secrets.Joiner)
		e.spoilSecrets(s, d, &secrets)
		d.expand(e)
		info := e.info(s, d)
		plain := secrets.Encode()
		if s.one(8) {
			plain = s.edits().spoil(plain)
		}
		msg := e.welcome(s, d.greet, info, kp, plain)
		apart := d.tree.Bytes()
		if s.one(4) {
			apart = s.edits().spoil(apart)
		}
		g := e.join(p, msg, kp, priv, apart)
		if g == nil {
			return
		}
		if !bytes.Equal(g.TreeHash(), next.Context.TreeHash) {
			e.t.Fatal("joined with another tree than the group info's")
		}
		same := bytes.Equal(joiner, d.joiner) && len(secrets.PSKs) == 0
		if same != bytes.Equal(g.EpochAuthenticator(), made.next.secrets.Authenticator) && !s.pretends(joiner) {
			e.t.Fatal("a joiner is in another epoch than those who added it")
		}
		e.live(g, nil)
	})
}

// pretends tells that the joiner secret is not that of the commit.
func (s *script) pretends(joiner []byte) bool {
	return bytes.Equal(joiner, bytes.Repeat([]byte{5}, 32))
}

// opened decrypts the group secrets of a Welcome.
func (e *evil) opened(msg []byte, kp *KeyPackage, priv *KeyPackagePrivate) *message.GroupSecrets {
	e.t.Helper()
	w, err := message.ParseWelcome(bytes.Clone(msg))
	e.must(err)
	initKey, err := priv.initKey(kp)
	e.must(err)
	secrets, err := openSecrets(w, kp.Ref(), initKey, e.by.g.st.Suite)
	e.must(err)
	return secrets
}

// spoilSecrets changes fields of group secrets, the key schedule along.
func (e *evil) spoilSecrets(s *script, d *deed, g *message.GroupSecrets) {
	switch s.pick(8) {
	case 1:
		g.Joiner = s.edits().spoil(g.Joiner)
		d.joiner = bytes.Clone(g.Joiner)
	case 2:
		g.PathSecret = nil
	case 3:
		g.PathSecret = s.bytes()
	case 4:
		g.PathSecret = s.edits().spoil(g.PathSecret)
	case 5, 6:
		for range 1 + s.pick(3) {
			id := e.psk(s)
			g.PSKs, d.psks = append(g.PSKs, id), append(d.psks, id)
		}
	}
}

// FuzzHostilePrivate: a member sends private messages under any generation,
// in any order, twice, with bodies that break rules and in the name of others.
// Each opens once at most, and within the limits.
func FuzzHostilePrivate(f *testing.F) {
	hostile(f, 64, func(e *evil, s *script) {
		g := e.member(e.honest[s.pick(4)])
		opened := map[string]bool{}
		var sent [][]byte
		for range 1 + s.pick(8) {
			msg := e.sealed(s)
			if len(sent) > 0 && s.one(4) {
				msg = sent[s.pick(len(sent))]
			}
			sent = append(sent, msg)
			e.receive(g, msg, opened)
		}
		if n := len(stateOf(e.t, g)) - len(e.states[e.at(g.Me()).name]); n > (DefaultWindow+4)*8*64 {
			e.t.Fatalf("the state grew by %d bytes", n)
		}
		if g.Evicted() {
			return
		}
		again(e.t, g.cfg, g)
	})
}

// receive gives a private message to a member and checks what holds always.
func (e *evil) receive(g *Group, msg []byte, opened map[string]bool) {
	t := e.t
	t.Helper()
	before := stateOf(t, g)
	leaf, generation, _ := g.Sender(msg)
	if !bytes.Equal(before, stateOf(t, g)) {
		t.Fatal("looking for the sender changed the state")
	}
	var err error
	bound := handling()
	bound.Always.Hashed += DefaultMaxJump * 1024 // three derivations a step
	bound.Check(t, len(msg), func() { _, err = g.Process(msg) })
	after := stateOf(t, g)
	switch key := string(msg); {
	case err != nil && !bytes.Equal(before, after):
		t.Fatalf("a refused message (%v) changed the state", err)
	case err == nil && opened[key]:
		t.Fatalf("generation %d of leaf %d opens twice", generation, leaf)
	case err == nil && generation > 9*DefaultMaxJump:
		t.Fatalf("generation %d opens", generation)
	case err == nil && leaf != 0:
		t.Fatalf("a message that leaf 0 signed comes from %d", leaf)
	case err == nil:
		opened[key] = true
	}
}

// sealed makes a private message by the script.
func (e *evil) sealed(s *script) []byte {
	e.t.Helper()
	g := e.by.g
	if s.one(6) {
		g = e.past
	}
	kind := []Kind{Application, Application, Application, Proposal, Commit, 0, 9}[s.pick(7)]
	aad := s.bytes()
	body, _, err := g.signBody(s.bytes(), aad, 0)
	e.must(err)
	if s.one(3) {
		body = s.edits().spoil(body)
	}
	if kind == Proposal && s.pick(2) == 0 {
		return e.proposes(&script{append([]byte{byte(s.pick(10))}, s.bytes()...)})
	}
	body = append(body, make([]byte, s.pick(4))...)
	if s.one(12) {
		body = append(body, s.byte())
	}
	sizes, err := message.Plan(len(g.st.Context.GroupID), len(aad), len(body), 0)
	e.must(err)
	key, leaf := e.messageKey(s, g, kind)
	own := g.me
	g.me = leaf
	defer func() { g.me = own }()
	msg, err := g.sealPrivate(e.rnd, key, kind, aad, body, sizes)
	e.must(err)
	return msg
}

// messageKey is the key of some generation, mostly of the evil member's own.
func (e *evil) messageKey(s *script, g *Group, kind Kind) (*schedule.Key, uint32) {
	e.t.Helper()
	content := schedule.Handshake
	if kind == Application {
		content = schedule.Application
	}
	leaf := uint32(0)
	if s.one(8) {
		leaf = uint32(s.pick(6))
	}
	generation := uint32(s.pick(8))
	switch s.pick(8) {
	case 1:
		generation = uint32(s.byte())<<8 | uint32(s.byte())
	case 2:
		generation = DefaultMaxJump - 4 + uint32(s.pick(12))
	}
	step, err := g.keys.Find(leaf, content, min(generation, 2*DefaultMaxJump), schedule.Limits{MaxJump: math.MaxUint32})
	e.must(err)
	key := step.Key
	step.Drop()
	key.Generation = generation
	if s.one(12) {
		key.Generation = math.MaxUint32 - uint32(s.pick(3))
	}
	return &key, leaf
}

// TestHostileScriptsReachBothSides guards the targets above: of their scripts
// some are taken and some refused.
func TestHostileScriptsReachBothSides(t *testing.T) {
	for i, e := range newEvils(t) {
		good, bad := 0, 0
		for n := range 40 {
			in := make([]byte, 64)
			_, _ = rand.NewChaCha8([32]byte{byte(n), byte(i)}).Read(in)
			if len(e.everybody().deliver(e.commit(e.start(t, in)).msg)) > 0 {
				good++
			} else {
				bad++
			}
		}
		t.Logf("world %d: %d taken, %d refused", i, good, bad)
		if good < 2 || bad < 12 {
			t.Errorf("world %d: of 40 hostile commits %d were taken and %d refused", i, good, bad)
		}
	}
}
