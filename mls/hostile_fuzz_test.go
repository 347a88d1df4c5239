package mls

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// What one message may cost: a commit of a small group takes some 100 KB.
const (
	hostileMemoryAlways  = 2 << 20
	hostileMemoryPerByte = 2000
)

// within fails when f allocates beyond the bound for n bytes of input.
func within(t *testing.T, n int, f func()) {
	t.Helper()
	if used := allocated(f); used > hostileMemoryAlways+hostileMemoryPerByte*uint64(n) {
		t.Fatalf("%d bytes of input made %d bytes of memory", n, used)
	}
}

// script turns fuzz input into decisions.
type script struct{ b []byte }

func (s *script) byte() byte {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

func (s *script) pick(n int) int { return int(s.byte()) % n }

// bytes takes up to 40 bytes.
func (s *script) bytes() []byte {
	n := min(s.pick(41), len(s.b))
	v := s.b[:n]
	s.b = s.b[n:]
	return v
}

// spoil changes b by what is left of the script: bytes set, cut out, put in.
func (s *script) spoil(b []byte) []byte {
	b = bytes.Clone(b)
	for len(s.b) >= 4 && len(b) > 0 {
		op, at, v := s.byte(), int(s.byte())<<8|int(s.byte()), s.byte()
		at %= len(b)
		switch op % 4 {
		case 0:
			b[at] ^= v
		case 1:
			b[at] = v
		case 2:
			b = append(b[:at], b[min(len(b), at+int(v)):]...)
		case 3:
			b = append(b[:at], append(bytes.Repeat([]byte{v}, 1+int(v)%9), b[at:]...)...)
		}
	}
	return b
}

// evil is a lab in which member 0 breaks rules with its real keys.
type evil struct {
	*lab
	by     *party
	refs   []message.ProposalOrRef
	sent   []public.Sent
	states map[string][]byte // of the members and, under "", the tracker
	adds   []message.Proposal
}

func newEvil(t testing.TB) *evil {
	t.Helper()
	l := newLab(t, 99, 5)
	l.commit(l.at(3), CommitOptions{Remove: []uint32{2}})
	l.commit(l.at(1), CommitOptions{})
	e := &evil{lab: l, by: l.at(0), states: map[string][]byte{}}
	for _, p := range []message.Proposal{
		{Kind: ProposalRemove, Removed: 4},
		{Kind: ProposalUpdate, Leaf: l.updateLeaf(l.at(4), func(*tree.LeafNode) {})},
	} {
		by := l.at(4)
		msg, ref := l.proposeBy(by, p)
		l.deliver(by, msg)
		e.refs = append(e.refs, message.ProposalOrRef{Ref: ref})
		e.sent = append(e.sent, public.Sent{Proposal: p, Sender: 4})
	}
	for range 3 {
		e.adds = append(e.adds, l.addOf(l.party(), nothing))
	}
	for name, p := range l.parties {
		e.states[name] = l.bytesOf(p)
	}
	b, err := l.public.MarshalBinary()
	l.must(err)
	e.states[""] = b
	return e
}

// seed makes all randomness follow from the input.
func (e *evil) seed(t testing.TB, in []byte) *script {
	e.t = t // a fuzz target must not use the one outside
	e.rnd = rand.NewChaCha8(sha256.Sum256(in))
	return &script{b: in}
}

// proposal makes one of many kinds, good or bad.
func (e *evil) proposal(s *script) message.Proposal {
	switch s.pick(9) {
	case 0:
		return message.Proposal{Kind: ProposalRemove, Removed: uint32(s.pick(8))}
	case 1:
		return message.Proposal{Kind: ProposalRemove, Removed: uint32(s.byte()) << 24}
	case 2:
		return e.adds[s.pick(len(e.adds))]
	case 3:
		return message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: e.extensions(s)}
	case 4:
		leaf := e.updateLeaf(e.by, func(d *tree.LeafNode) { e.spoilLeaf(s, d) })
		return message.Proposal{Kind: ProposalUpdate, Leaf: leaf}
	case 5:
		return message.Proposal{Kind: ProposalPSK, PSK: schedule.PSKID{Type: schedule.PSKExternal, ID: s.bytes(), Nonce: s.bytes()}}
	case 6:
		return message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: s.bytes(), Version: uint16(s.byte()), Suite: uint16(s.byte())}}
	case 7:
		return message.Proposal{Kind: ProposalExternalInit, KEMOutput: s.bytes()}
	}
	return e.addOf(e.party(), func(k *tree.KeyPackage) {
		k.Extensions = e.extensions(s)
		k.Version += uint16(s.pick(2))
		e.spoilLeaf(s, k.Leaf)
		k.Leaf.Source = tree.Source(1 + s.pick(3))
	})
}

func (e *evil) extensions(s *script) (out tree.Extensions) {
	for i := range s.pick(3) {
		out = append(out, Extension{Type: uint16(i)<<15 + uint16(s.pick(12)), Data: s.bytes()})
	}
	return out
}

func (e *evil) spoilLeaf(s *script, d *tree.LeafNode) {
	switch s.pick(10) {
	case 0:
		d.EncryptionKey = s.bytes()
	case 1:
		d.Credential = tree.BasicCredential(s.bytes())
	case 2:
		d.Capabilities.Credentials = nil
	case 3:
		d.Capabilities.Extensions = []uint16{uint16(s.byte()) << 8, 0xf0a1}
	case 4:
		d.Extensions = e.extensions(s)
	case 5:
		d.Lifetime = tree.Lifetime{NotBefore: uint64(s.byte()) << 56, NotAfter: uint64(s.byte()) << 56}
	case 6:
		d.EncryptionKey = e.by.g.st.Tree.Leaf(1).EncryptionKey
	}
}

func (e *evil) spoilPath(s *script, p *tree.UpdatePath) {
	if len(p.Nodes) == 0 {
		return
	}
	n := &p.Nodes[s.pick(len(p.Nodes))]
	switch s.pick(8) {
	case 0:
		n.EncryptionKey = s.bytes()
	case 1:
		n.Secrets = append(n.Secrets, tree.Ciphertext{KEMOutput: s.bytes(), Ciphertext: s.bytes()})
	case 2:
		n.Secrets = nil
	case 3:
		p.Nodes = p.Nodes[:s.pick(len(p.Nodes))]
	case 4:
		p.Nodes = append(p.Nodes, *n)
	case 5:
		for i := range n.Secrets {
			n.Secrets[i].Ciphertext = s.spoil(n.Secrets[i].Ciphertext)
		}
	case 6:
		for i := range n.Secrets {
			n.Secrets[i].KEMOutput = s.bytes()
		}
	}
}

// message makes a handshake by the script, signed and tagged with real keys.
func (e *evil) message(s *script) []byte {
	if s.pick(4) == 0 {
		msg, _ := e.proposeBy(e.by, e.proposal(s))
		return msg
	}
	f := e.list(s)
	f.bare = s.pick(8) == 1
	f.leaf = func(d *tree.LeafNode) {
		if s.pick(4) == 1 {
			e.spoilLeaf(s, d)
		}
	}
	f.path = func(p *tree.UpdatePath) {
		if s.pick(3) == 1 {
			e.spoilPath(s, p)
		}
	}
	switch s.pick(12) {
	case 1:
		f.body = func(m *message.Signed) { m.Epoch += uint64(s.byte()) }
	case 2:
		f.as = &message.Sender{Kind: uint8(1 + s.pick(4)), Index: uint32(s.byte())}
	case 3:
		f.tag = func(tag []byte) { tag[s.pick(len(tag))] ^= s.byte() }
	case 4, 5, 6:
		f.raw = s.spoil
	}
	return e.commitBy(e.by, f)
}

// list makes up to three proposals, by value or by reference.
func (e *evil) list(s *script) (f forge) {
	for range s.pick(4) {
		if i := s.pick(len(e.refs) + 3); i < len(e.refs) {
			f.list, f.sent = append(f.list, e.refs[i]), append(f.sent, e.sent[i])
			continue
		}
		f.list = append(f.list, value(e.proposal(s))...)
	}
	return f
}

// process gives a message to a fresh copy of a member and checks what holds
// whatever comes.
func (e *evil) process(t *testing.T, leaf uint32, msg []byte) (*Group, error) {
	t.Helper()
	p := e.at(leaf)
	before := e.states[p.name]
	g, err := Load(p.cfg, before)
	if err != nil {
		t.Fatal(err)
	}
	within(t, len(msg), func() { _, err = g.Process(msg) })
	if err == nil {
		return g, nil
	}
	if after, _ := g.MarshalBinary(); !bytes.Equal(after, before) {
		t.Fatalf("a refused message (%v) changed the state", err)
	}
	if which, found := mentions(err.Error(), secretsOf(&party{g: g})); found {
		t.Fatalf("the error %q holds the %s", err, which)
	}
	return g, err
}

// FuzzHostileHandshake: a member with real keys sends handshakes that break
// rules to a tracker and two members. Nobody panics, allocates beyond bounds
// or changes state by a refused message; who accepts is in one state; the
// tracker refuses nothing that a member accepts.
func FuzzHostileHandshake(f *testing.F) {
	e := newEvil(f)
	for i := range 64 {
		in := make([]byte, 64)
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(in)
		in[0] = byte(i)
		f.Add(in)
	}
	f.Add([]byte{1})
	f.Add([]byte{1, 1, 0})
	f.Add([]byte{1, 1, 1})
	f.Add([]byte{1, 1, 4, 2})
	f.Fuzz(func(t *testing.T, in []byte) {
		e.handshake(t, e.message(e.seed(t, in)))
	})
}

func (e *evil) handshake(t *testing.T, msg []byte) (accepted int) {
	t.Helper()
	public, err := LoadPublicGroup(Config{}, e.states[""])
	if err != nil {
		t.Fatal(err)
	}
	var refusal error
	within(t, len(msg), func() { _, refusal = public.Process(msg) })
	if b, _ := public.MarshalBinary(); refusal != nil && !bytes.Equal(b, e.states[""]) {
		t.Fatal("a refused message changed the tracker")
	}
	one, err1 := e.process(t, 1, msg)
	two, err2 := e.process(t, 3, msg)
	for _, err := range []error{err1, err2} {
		if err == nil {
			accepted++
		}
		if err == nil && refusal != nil {
			t.Fatalf("a member accepts what the tracker refuses: %v", refusal)
		}
	}
	if accepted == 2 && !one.Evicted() && !two.Evicted() {
		same := bytes.Equal(one.TreeHash(), two.TreeHash()) && bytes.Equal(one.TreeHash(), public.TreeHash()) &&
			bytes.Equal(one.EpochAuthenticator(), two.EpochAuthenticator())
		if !same {
			t.Fatal("members accept one commit and disagree")
		}
	}
	return accepted
}

// TestHostileScriptsReachBothSides guards the target above: of its scripts some
// are accepted and some refused.
func TestHostileScriptsReachBothSides(t *testing.T) {
	e := newEvil(t)
	good, bad := 0, 0
	for i := range 200 {
		in := make([]byte, 64)
		_, _ = rand.NewChaCha8([32]byte{byte(i), 1}).Read(in)
		if e.handshake(t, e.message(e.seed(t, in))) > 0 {
			good++
		} else {
			bad++
		}
	}
	if good < 20 || bad < 80 {
		t.Errorf("of 200 hostile scripts %d were accepted and %d refused", good, bad)
	}
}

// FuzzHostilePrivate: a member seals bodies that break rules under its real
// keys.
func FuzzHostilePrivate(f *testing.F) {
	e := newEvil(f)
	f.Add([]byte{0}, uint32(0), byte(1))
	f.Add([]byte{0, 1, 0, 0, 5}, uint32(7), byte(1))
	f.Add([]byte{1, 0, 0, 0, 5}, uint32(0), byte(2))
	f.Add([]byte{2, 0, 3, 0, 9}, uint32(1<<31), byte(3))
	f.Fuzz(func(t *testing.T, in []byte, generation uint32, kind byte) {
		s := e.seed(t, in)
		g := e.by.g
		body, _, err := g.signBody(s.bytes(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		body = s.spoil(body)
		sizes, err := message.Plan(len(g.st.Context.GroupID), 0, len(body), 0)
		if err != nil {
			return
		}
		content := schedule.Handshake
		if Kind(kind) == Application {
			content = schedule.Application
		}
		step, err := g.keys.Find(g.me, content, generation%1100, schedule.Limits{MaxJump: 1100})
		if err != nil {
			t.Fatal(err)
		}
		step.Key.Generation = generation
		msg, err := g.sealPrivate(e.rnd, &step.Key, Kind(kind), nil, body, sizes)
		step.Drop()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.process(t, 1, msg); err == nil && generation > DefaultMaxJump {
			t.Fatalf("generation %d was accepted", generation)
		}
	})
}

// FuzzHostileGroupInfo: a member signs group infos that are none.
func FuzzHostileGroupInfo(f *testing.F) {
	e := newEvil(f)
	for _, in := range [][]byte{{}, {1, 0, 3, 9}, {2, 1, 200, 7}, {3, 0, 90, 2, 0, 2, 2, 2}} {
		f.Add(in, true)
		f.Add(in, false)
	}
	info, err := e.by.g.GroupInfo()
	e.must(err)
	f.Fuzz(func(t *testing.T, in []byte, resign bool) {
		msg := e.seed(t, in).spoil(info)
		if g, err := message.ParseGroupInfo(bytes.Clone(msg)); resign && err == nil {
			e.must(g.Sign(e.by.g.st.Suite, e.rnd, e.by.cfg.Signer))
			w := message.Header(WireGroupInfo)
			g.Write(w)
			msg = w.Out()
		}
		within(t, len(msg), func() {
			if p, err := NewPublicGroup(Config{}, msg); err == nil && !bytes.Equal(p.TreeHash(), p.st.Tree.Hash()) {
				t.Error("a group info was accepted with another tree hash")
			}
		})
	})
}

// FuzzHostileWelcome: a committer seals group secrets that are none, or sends
// another tree apart.
func FuzzHostileWelcome(f *testing.F) {
	e := newEvil(f)
	joiner := e.party()
	kp, priv := e.keyPackage(joiner)
	staged, err := e.by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	e.must(err)
	nodes := e.by.g.pending.next.st.Tree.Bytes()
	f.Add([]byte{}, []byte{}, []byte{})
	f.Add([]byte{0, 0, 9, 1}, []byte{}, nodes)
	f.Add([]byte{}, []byte{0, 0, 1, 1}, []byte{0xbf, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, outer, inner, apart []byte) {
		msg := e.seed(t, outer).spoil(staged.Welcome)
		if len(inner) > 0 {
			msg = e.reseal(staged.Welcome, kp, priv, &script{b: inner})
		}
		if len(apart) == 0 {
			apart = nil
		}
		within(t, len(msg)+len(apart), func() {
			g, err := Join(joiner.cfg, msg, kp, priv, apart)
			if err == nil && g.Epoch() != e.by.g.Epoch()+1 {
				t.Errorf("joined epoch %d", g.Epoch())
			}
		})
	})
}

// reseal opens a Welcome's group secrets, spoils them and seals them again.
func (e *evil) reseal(msg []byte, kp *KeyPackage, priv *KeyPackagePrivate, s *script) []byte {
	e.t.Helper()
	w, err := message.ParseWelcome(bytes.Clone(msg))
	e.must(err)
	suite := e.by.g.st.Suite
	old, err := w.Find(kp.Ref())
	e.must(err)
	plain, err := suite.DecryptWithLabel(priv.init, "Welcome", w.Info, old.KEMOutput, old.Ciphertext)
	e.must(err)
	kem, ct, err := suite.EncryptWithLabel(kp.inner.InitKey, "Welcome", w.Info, s.spoil(plain))
	e.must(err)
	w.Secrets = []message.WelcomeSecret{{Ref: kp.Ref(), Sealed: tree.Ciphertext{KEMOutput: kem, Ciphertext: ct}}}
	out := message.Header(WireWelcome)
	w.Write(out)
	return out.Out()
}
