package mls

import (
	"bytes"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/cost"
	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
)

// seeds are real messages of one group, and that group.
type seeds struct {
	receiver, sender, joiner *party
	kp                       *KeyPackage
	priv                     *KeyPackagePrivate
	msgs                     map[string][]byte
	state, sending, tracker  []byte
}

// newSeeds makes a message of each kind that b has not received yet.
func newSeeds(t testing.TB, suite Suite) *seeds {
	t.Helper()
	l := newLabOf(t, suite, 77, 3)
	a, b := l.at(0), l.at(1)
	s := &seeds{receiver: b, sender: a, joiner: l.party(), msgs: map[string][]byte{}}
	s.kp, s.priv = l.keyPackage(s.joiner)
	s.sending = stateOf(t, a.g)
	s.msgs["application"] = seal(t, a.g, "hello")
	update, err := a.g.ProposeUpdate([]byte("aad"))
	l.must(err)
	add, err := a.g.ProposeAdd(s.kp, nil)
	l.must(err)
	remove, err := a.g.ProposeRemove(2, nil)
	l.must(err)
	s.msgs["update"], s.msgs["add"], s.msgs["remove"] = update, add, remove
	staged, err := a.g.Commit(CommitOptions{Add: []*KeyPackage{s.kp}, AuthenticatedData: []byte("aad")})
	l.must(err)
	s.msgs["commit"], s.msgs["welcome"], s.msgs["groupinfo"] = staged.Commit, staged.Welcome, staged.GroupInfo
	s.msgs["keypackage"] = s.kp.Bytes()
	s.state = stateOf(t, b.g)
	s.tracker, err = l.public.MarshalBinary()
	l.must(err)
	return s
}

// eachSuite makes seeds of every suite and adds what pick takes of them.
func eachSuite(f *testing.F, add func(which byte, s *seeds)) []*seeds {
	f.Helper()
	inOneProcess(f)
	var out []*seeds
	for i, suite := range Suites() {
		out = append(out, newSeeds(f, suite))
		add(byte(i), out[i])
	}
	return out
}

// inOneProcess skips a target in the process of TestOnTheHybrid: it uses every
// suite anyway.
func inOneProcess(f *testing.F) {
	f.Helper()
	if labSuite() != X25519AES128GCMSHA256Ed25519 {
		f.Skip("the other process runs it on both suites")
	}
}

// glancing bounds what looking at bytes may cost that are not verified yet.
func glancing() cost.Bound {
	return cost.Bound{
		Always: cost.Work{Memory: 64 << 10, Signatures: 4, Keys: 8, Hashed: 64 << 10},
		PerKiB: cost.Work{Memory: 128 << 10, Hashed: 16 << 10},
	}
}

// FuzzPeek: what can be read without keys is what the message says, and what
// decodes encodes to the same bytes.
func FuzzPeek(f *testing.F) {
	eachSuite(f, func(_ byte, s *seeds) {
		for _, msg := range s.msgs {
			f.Add(msg)
		}
		secret, err := s.priv.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(secret)
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		glancing().Check(t, len(in), func() { peekAll(t, in) })
		if !bytes.Equal(before, in) {
			t.Fatal("looking at a message changed it")
		}
	})
}

func peekAll(t *testing.T, in []byte) {
	t.Helper()
	h, err := Peek(in)
	r := codec.NewReader(in)
	switch wire := message.ReadHeader(r); wire {
	case WirePublicMessage:
		if m, _, reading := message.ReadPublic(r); reading == nil {
			same := err == nil && h.WireFormat == wire && bytes.Equal(h.GroupID, m.GroupID) && h.Epoch == m.Epoch &&
				h.ContentType == m.Kind && bytes.Equal(h.AuthenticatedData, m.AAD) &&
				h.Member == (m.Sender.Kind == message.SenderMember) && h.Sender == m.Sender.Index
			if !same {
				t.Fatalf("a public message %+v looks like %+v (%v)", m.Content, h, err)
			}
		}
	case WirePrivateMessage:
		if m, reading := message.ReadPrivate(r); reading == nil {
			same := err == nil && h.WireFormat == wire && bytes.Equal(h.GroupID, m.GroupID) && h.Epoch == m.Epoch &&
				h.ContentType == m.Kind && bytes.Equal(h.AuthenticatedData, m.AAD) && !h.Member
			if !same {
				t.Fatalf("a private message looks like %+v (%v)", h, err)
			}
		}
	case WireGroupInfo:
		if g, reading := message.ParseGroupInfo(in); reading == nil &&
			(err != nil || !bytes.Equal(h.GroupID, g.Context.GroupID) || h.Epoch != g.Context.Epoch) {
			t.Fatalf("a group info looks like %+v (%v)", h, err)
		}
	}
	if kp, err := ParseKeyPackage(in); err == nil {
		if !bytes.Equal(kp.Bytes(), in) || len(kp.Ref()) != 32 || kp.NotAfter().Before(kp.NotBefore()) || len(kp.Suites()) == 0 {
			t.Fatalf("a key package of %q is read as another", kp.Identity())
		}
		_, _, _ = kp.SignatureKey(), kp.LastResort(), kp.Extensions()
	}
	if p, err := ParseKeyPackagePrivate(in); err == nil {
		if out, err := p.MarshalBinary(); err == nil && !bytes.Equal(in, out) {
			t.Fatal("the keys of a key package encode to other bytes")
		}
	}
	WelcomeFor(in, make([]byte, 32))
}

// FuzzProcess: whatever comes is refused without a change or taken whole, by
// members and trackers alike.
func FuzzProcess(f *testing.F) {
	all := eachSuite(f, func(which byte, s *seeds) {
		for _, msg := range s.msgs {
			f.Add(which, msg)
		}
	})
	f.Fuzz(func(t *testing.T, which byte, msg []byte) {
		s := all[int(which)%len(all)]
		g, err := Load(s.receiver.cfg, s.state)
		if err != nil {
			t.Fatal(err)
		}
		p, err := LoadPublicGroup(Config{}, s.tracker)
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = g.Sender(msg)
		var got *Received
		handling().Check(t, len(msg), func() { got, err = g.Process(msg) })
		if err != nil && !bytes.Equal(s.state, stateOf(t, g)) {
			t.Fatal("a refused message changed the state")
		}
		next, seen, refusal := p.Stage(msg)
		if b, _ := p.MarshalBinary(); !bytes.Equal(b, s.tracker) {
			t.Fatal("staging a message changed the tracker")
		}
		if err != nil || got.Kind == Application {
			return
		}
		if refusal != nil || seen.Kind != got.Kind || seen.Sender != got.Sender || !bytes.Equal(next.TreeHash(), g.TreeHash()) {
			t.Fatalf("a member takes %+v and the tracker %+v (%v)", got, seen, refusal)
		}
	})
}

// FuzzJoin: no Welcome and no tree that comes apart makes a joiner panic, and
// nothing but the true ones lets it in.
func FuzzJoin(f *testing.F) {
	all := eachSuite(f, func(which byte, s *seeds) {
		for _, msg := range s.msgs {
			f.Add(which, msg, []byte{})
		}
		f.Add(which, s.msgs["welcome"], []byte{0xbf, 0xff, 0xff, 0xff})
	})
	apart := make([]*Staged, len(all))
	for i, s := range all {
		g, err := Load(s.sender.cfg, s.sending)
		if err != nil {
			f.Fatal(err)
		}
		if apart[i], err = g.Commit(CommitOptions{Add: []*KeyPackage{s.kp}, TreeApart: true}); err != nil {
			f.Fatal(err)
		}
		if err := g.Merge(); err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), apart[i].Welcome, g.Tree())
		s.msgs["tree"] = g.Tree()
	}
	f.Fuzz(func(t *testing.T, which byte, msg, nodes []byte) {
		i := int(which) % len(all)
		s := all[i]
		if len(nodes) == 0 {
			nodes = nil
		}
		var g *Group
		var err error
		handling().Check(t, len(msg)+len(nodes), func() { g, err = Join(s.joiner.cfg, msg, s.kp, s.priv, nodes) })
		if (g == nil) == (err == nil) {
			t.Fatalf("group %v with error %v", g, err)
		}
		WelcomeFor(msg, s.kp.Ref())
		if err == nil && !bytes.Equal(g.Tree(), s.msgs["tree"]) && g.Epoch() != s.epoch() {
			t.Fatal("joined another group")
		}
	})
}

// epoch is the one that the Welcome leads into.
func (s *seeds) epoch() uint64 {
	h, _ := Peek(s.msgs["commit"])
	return h.Epoch + 1
}

// FuzzLoad: stored bytes that load have one stored form, and whatever they
// hold does no harm in use.
func FuzzLoad(f *testing.F) {
	all := eachSuite(f, func(which byte, s *seeds) {
		f.Add(which, s.state)
		f.Add(which|2, s.state)
		g, err := Load(s.receiver.cfg, s.state)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range []string{"application", "update", "add", "remove"} {
			if _, err := g.Process(s.msgs[name]); err != nil {
				f.Fatal(err)
			}
		}
		if _, err := g.ProposeUpdate(nil); err != nil {
			f.Fatal(err)
		}
		f.Add(which|2, stateOf(f, g))
		if _, err := g.Commit(CommitOptions{}); err != nil {
			f.Fatal(err)
		}
		f.Add(which|2, stateOf(f, g))
		if _, err := g.Process(s.msgs["commit"]); err != nil {
			f.Fatal(err)
		}
		f.Add(which|2, stateOf(f, g))
	})
	bound := handling()
	bound.PerKiB.Keys = 128
	f.Fuzz(func(t *testing.T, which byte, state []byte) {
		s := all[int(which)&1%len(all)]
		var cfg Config
		if which&2 != 0 {
			cfg = s.receiver.cfg
		}
		var g *Group
		var err error
		bound.Check(t, len(state), func() { g, err = Load(cfg, state) })
		if err != nil {
			return
		}
		g = again(t, cfg, g)
		use(g, s)
	})
}

// use does to a group all that a member does.
func use(g *Group, s *seeds) {
	_, _ = g.Process(s.msgs["application"])
	_, _ = g.Process(s.msgs["update"])
	_, _ = g.Export("label", nil, 32)
	_ = g.Members()
	_ = g.PendingCommit()
	if g.Reserve(2) == nil {
		_, _ = g.Seal([]byte("x"), nil, 0)
		_ = g.Generation()
		_ = g.Reserve(0)
		_, _ = g.Seal([]byte("x"), nil, 0)
		_, _ = g.ProposeUpdate(nil)
		_, _ = g.GroupInfo()
		g.Discard()
		_, _ = g.Commit(CommitOptions{})
	}
	if g.Pending() {
		_ = g.Merge()
	}
	_, _ = g.Process(s.msgs["commit"])
	_, _ = g.MarshalBinary()
}

// FuzzLoadPublic: the same of a tracker.
func FuzzLoadPublic(f *testing.F) {
	all := eachSuite(f, func(which byte, s *seeds) {
		f.Add(which, s.tracker)
		p, err := LoadPublicGroup(Config{}, s.tracker)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range []string{"update", "add", "remove", "commit"} {
			if _, err := p.Process(s.msgs[name]); err != nil {
				f.Fatal(err)
			}
			b, err := p.MarshalBinary()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(which, b)
		}
	})
	f.Fuzz(func(t *testing.T, which byte, state []byte) {
		s := all[int(which)%len(all)]
		var p *PublicGroup
		var err error
		handling().Check(t, len(state), func() { p, err = LoadPublicGroup(Config{}, state) })
		if err != nil {
			return
		}
		once, _ := p.MarshalBinary()
		q, err := LoadPublicGroup(Config{}, once)
		if err != nil {
			t.Fatalf("a tracker can't be restarted: %v", err)
		}
		if twice, _ := q.MarshalBinary(); !bytes.Equal(once, twice) {
			t.Fatal("a tracker is another after a restart")
		}
		_, _ = p.Members(), p.Extensions()
		for _, name := range []string{"update", "add", "remove", "commit"} {
			_, _ = p.Process(s.msgs[name])
		}
		_, _ = p.MarshalBinary()
	})
}

// FuzzContent: a member that holds real keys sends any content under them, in
// public and in private.
func FuzzContent(f *testing.F) {
	all := eachSuite(f, func(which byte, s *seeds) {
		for _, name := range []string{"update", "add", "remove", "commit"} {
			m := reread(f, s.msgs[name])
			var head codec.Writer
			m.WriteHead(&head)
			body := m.Raw[head.Len():]
			f.Add(which, false, uint8(m.Kind), body)
			w := codec.NewWriter(bytes.Clone(body))
			m.WriteAuth(w)
			f.Add(which, true, uint8(m.Kind), w.Out())
		}
		f.Add(which, true, uint8(Application), []byte{5, 'h', 'e', 'l', 'l', 'o', 0, 0, 0})
	})
	f.Fuzz(func(t *testing.T, which byte, private bool, kind uint8, body []byte) {
		s := all[int(which)%len(all)]
		from, err := Load(s.sender.cfg, s.sending)
		if err != nil {
			t.Fatal(err)
		}
		to, err := Load(s.receiver.cfg, s.state)
		if err != nil {
			t.Fatal(err)
		}
		make := signedBody
		if private {
			make = sealedBody
		}
		msg := make(t, from, Kind(kind%5), body)
		handling().Check(t, len(msg), func() { _, err = to.Process(msg) })
		if err != nil && !bytes.Equal(s.state, stateOf(t, to)) {
			t.Fatalf("a message of kind %d was refused (%v) and changed the state", kind%5, err)
		}
		if err == nil {
			again(t, s.receiver.cfg, to)
		}
	})
}

// signedBody puts bytes where the content of a PublicMessage stands, under
// true signature and tag.
func signedBody(t *testing.T, g *Group, kind Kind, body []byte) []byte {
	t.Helper()
	m := &message.Signed{Wire: WirePublicMessage, Content: g.content(kind, nil), Tag: make([]byte, 32)}
	var w codec.Writer
	m.WriteHead(&w)
	w.Fixed(body)
	m.Raw = w.Out()
	sig, err := g.st.Suite.SignWithLabel(nil, g.cfg.Signer, "FramedContentTBS", m.TBS(g.st.Encoded))
	if err != nil {
		t.Fatal(err)
	}
	m.Signature = sig
	return m.PublicMessage(g.st.Suite, g.secrets.Membership, g.st.Encoded)
}

// sealedBody encrypts bytes as the content of a PrivateMessage.
func sealedBody(t *testing.T, g *Group, kind Kind, body []byte) []byte {
	t.Helper()
	content := schedule.Handshake
	if kind == Application {
		content = schedule.Application
	}
	step, err := g.keys.Next(g.me, content)
	if err != nil {
		t.Fatal(err)
	}
	defer g.keys.Consume(step)
	p, err := message.Plan(len(g.st.Context.GroupID), 0, len(body), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.sealPrivate(nil, &step.Key, kind, nil, body, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
