package mls

import (
	"bytes"
	"sync"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// seeds are real messages of one group, and that group.
type seeds struct {
	receiver, joiner *party
	kp               *KeyPackage
	priv             *KeyPackagePrivate
	msgs             map[string][]byte
}

// newSeeds makes a message of each kind that b has not received yet.
func newSeeds(t testing.TB) *seeds {
	t.Helper()
	l := newLab(t, 77, 3)
	a, b := l.at(0), l.at(1)
	s := &seeds{receiver: b, joiner: l.party(), msgs: map[string][]byte{}}
	s.kp, s.priv = l.keyPackage(s.joiner)
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
	s.msgs["state"] = stateOf(t, b.g)
	s.msgs["tree"] = b.g.Tree()
	return s
}

func (s *seeds) add(f *testing.F) {
	for _, msg := range s.msgs {
		f.Add(msg)
	}
}

// FuzzProcess: whatever comes is refused without a change or taken whole.
func FuzzProcess(f *testing.F) {
	s := newSeeds(f)
	s.add(f)
	state := stateOf(f, s.receiver.g)
	f.Fuzz(func(t *testing.T, msg []byte) {
		g, err := Load(s.receiver.cfg, state)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Process(msg); err != nil && !bytes.Equal(state, stateOf(t, g)) {
			t.Fatal("a refused message changed the state")
		}
		_, _, _ = g.Sender(msg)
	})
}

// FuzzJoin: no Welcome makes a joiner panic.
func FuzzJoin(f *testing.F) {
	s := newSeeds(f)
	s.add(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		g, err := Join(s.joiner.cfg, msg, s.kp, s.priv, nil)
		if (g == nil) == (err == nil) {
			t.Fatalf("group %v with error %v", g, err)
		}
		WelcomeFor(msg, s.kp.Ref())
	})
}

// FuzzJoinTree: no tree that comes apart makes a joiner panic.
func FuzzJoinTree(f *testing.F) {
	l := newLab(f, 78, 3)
	by, who := l.at(0), l.party()
	kp, priv := l.keyPackage(who)
	staged, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}, TreeApart: true})
	l.must(err)
	l.must(by.g.Merge())
	good := by.g.Tree()
	f.Add(good)
	f.Fuzz(func(t *testing.T, nodes []byte) {
		_, err := Join(who.cfg, staged.Welcome, kp, priv, nodes)
		if err == nil && !bytes.Equal(nodes, good) {
			t.Fatal("another tree was taken")
		}
	})
}

// FuzzLoad: no stored bytes panic, neither on loading nor in use.
func FuzzLoad(f *testing.F) {
	s := newSeeds(f)
	s.add(f)
	f.Fuzz(func(t *testing.T, state []byte) {
		g, err := Load(Config{}, state)
		if err != nil {
			return
		}
		_, _ = g.MarshalBinary()
		_, _ = g.Process(s.msgs["application"])
		_, _ = g.Process(s.msgs["commit"])
	})
}

// FuzzDecoders: what decodes encodes to the same bytes.
func FuzzDecoders(f *testing.F) {
	s := newSeeds(f)
	s.add(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		if h, err := Peek(in); err == nil && h.WireFormat <= WireKeyPackage {
			if out, err := recodeMessage(in); err == nil && !bytes.Equal(in, out) {
				t.Fatalf("%x encodes to %x", in, out)
			}
		}
		if kp, err := ParseKeyPackage(in); err == nil && !bytes.Equal(kp.Bytes(), in) {
			t.Fatal("a key package encodes to other bytes")
		}
		if g, err := message.ReadGroupSecrets(in); err == nil && !bytes.Equal(g.Encode(), in) {
			t.Fatal("group secrets encode to other bytes")
		}
		if _, err := ParseKeyPackagePrivate(in); err == nil && len(in) < 3 {
			t.Fatal("private keys out of nothing")
		}
		recodeHandshake(t, in)
	})
}

func recodeHandshake(t *testing.T, in []byte) {
	t.Helper()
	for name, f := range map[string]func(*codec.Reader, *codec.Writer){
		"proposal": func(r *codec.Reader, w *codec.Writer) {
			if p := message.ReadProposal(r); r.Err() == nil {
				p.Write(w)
			}
		},
		"commit": func(r *codec.Reader, w *codec.Writer) {
			if c := message.ReadCommit(r); r.Err() == nil {
				c.Write(w)
			}
		},
		"path": func(r *codec.Reader, w *codec.Writer) {
			if p := tree.ReadUpdatePath(r); r.Err() == nil {
				p.Write(w)
			}
		},
	} {
		var w codec.Writer
		r := codec.NewReader(in)
		if f(r, &w); r.Close() == nil && !bytes.Equal(w.Out(), in) {
			t.Fatalf("%s %x encodes to %x", name, in, w.Out())
		}
	}
}

// FuzzContent: a member that holds real keys sends any content under them.
func FuzzContent(f *testing.F) {
	s := newSeeds(f)
	s.add(f)
	var once sync.Mutex // one sender makes all messages
	l := newLab(f, 79, 2)
	evil, victim := l.at(0), l.at(1)
	state, keys := stateOf(f, victim.g), stateOf(f, evil.g)
	f.Fuzz(func(t *testing.T, body []byte) {
		once.Lock()
		defer once.Unlock()
		from, err := Load(evil.cfg, keys)
		if err != nil {
			t.Fatal(err)
		}
		to, err := Load(victim.cfg, state)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []Kind{Application, Proposal, Commit} {
			before := stateOf(t, to)
			if _, err := to.Process(signedBody(t, from, kind, body)); err != nil && !bytes.Equal(before, stateOf(t, to)) {
				t.Fatalf("a message of kind %d was refused (%v) and changed the state", kind, err)
			}
		}
	})
}

// signedBody puts bytes where the content of a PublicMessage or, for
// application data, of a PrivateMessage stands, under true signature and tag.
func signedBody(t *testing.T, g *Group, kind Kind, body []byte) []byte {
	t.Helper()
	if kind == Application {
		return sealedBody(t, g, body)
	}
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

func sealedBody(t *testing.T, g *Group, body []byte) []byte {
	t.Helper()
	step, err := g.keys.Next(g.me, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer g.keys.Consume(step)
	p, err := message.Plan(len(g.st.Context.GroupID), 0, len(body), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.sealPrivate(nil, &step.Key, Application, nil, body, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
