package mls

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/tree"
)

// TestNoErrorShowsASecret drives every entry point into every kind of refusal
// that damaged and hostile bytes lead to, and searches each error, and each
// error inside it, for every secret of the member, in many spellings and as
// numbers.
func TestNoErrorShowsASecret(t *testing.T) {
	t.Parallel()
	for _, suite := range Suites() {
		s := newSecretive(t, suite)
		state := stateOf(t, s.ann.g)
		x := &errorSearch{t: t, find: newFinder(s.leaked), seen: map[string]bool{}}
		s.damage(x)
		s.hostile(x)
		s.refusedCalls(x)
		if !bytes.Equal(state, stateOf(t, s.ann.g)) {
			t.Errorf("%s: an error changed the state", suite)
		}
		if len(x.seen) < 100 || x.count < 3000 {
			t.Errorf("%s: only %d errors, %d different ones", suite, x.count, len(x.seen))
		}
		t.Logf("%s: %d errors, %d different ones, searched for %d secrets", suite, x.count, len(x.seen), len(s.leaked))
	}
}

// errorSearch looks at errors.
type errorSearch struct {
	t     *testing.T
	find  *finder
	seen  map[string]bool
	count int
}

func (x *errorSearch) see(what string, err error) {
	if err == nil {
		return
	}
	x.count++
	if x.seen[err.Error()] {
		return
	}
	x.seen[err.Error()] = true
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Error("refused", "err", err)
	slog.New(slog.NewTextHandler(&log, nil)).Error("refused", "err", err)
	texts := []string{log.String()}
	for _, e := range chain(err) {
		texts = append(texts, fmt.Sprintf("%v %+v %#v %q %x", e, e, e, e, []byte(e.Error())))
	}
	for _, text := range texts {
		if secret := x.find.find(text); secret != "" {
			x.t.Errorf("%s: the error %q shows %s", what, err, secret)
		}
	}
}

// chain is an error and all that it wraps.
func chain(err error) []error {
	out := []error{err}
	switch w := err.(type) {
	case interface{ Unwrap() error }:
		if e := w.Unwrap(); e != nil {
			out = append(out, chain(e)...)
		}
	case interface{ Unwrap() []error }:
		for _, e := range w.Unwrap() {
			out = append(out, chain(e)...)
		}
	}
	return out
}

// damage cuts and flips every kind of input, also the secret ones.
func (s *secretive) damage(x *errorSearch) {
	s.t.Helper()
	g := s.ann.g
	proposal, err := s.ben.g.ProposeUpdate([]byte("why"))
	s.must(err)
	by, err := s.ben.g.Commit(CommitOptions{AuthenticatedData: []byte("at")})
	s.must(err)
	priv, err := s.priv.MarshalBinary()
	s.must(err)
	public, err := s.public.MarshalBinary()
	s.must(err)
	process := func(b []byte) error { _, err := g.Process(b); return err }
	for name, in := range map[string]struct {
		b  []byte
		do func([]byte) error
	}{
		"message":     {seal(s.t, s.ben.g, "x"), process},
		"proposal":    {proposal, process},
		"commit":      {by.Commit, process},
		"tracker":     {by.Commit, func(b []byte) error { _, _, err := s.public.Stage(b); return err }},
		"own commit":  {s.staged.Commit, process},
		"welcome":     {s.staged.Welcome, s.join},
		"group info":  {s.staged.GroupInfo, func(b []byte) error { _, err := NewPublicGroup(Config{}, b); return err }},
		"package":     {s.kp.Bytes(), func(b []byte) error { _, err := ParseKeyPackage(b); return err }},
		"keys":        {priv, func(b []byte) error { _, err := ParseKeyPackagePrivate(b); return err }},
		"state":       {stateOf(s.t, g), func(b []byte) error { _, err := Load(s.ann.cfg, b); return err }},
		"known state": {public, func(b []byte) error { _, err := LoadPublicGroup(Config{}, b); return err }},
		"peek":        {by.Commit, func(b []byte) error { _, err := Peek(b); return err }},
		"sender":      {seal(s.t, s.ben.g, "y"), func(b []byte) error { _, _, err := g.Sender(b); return err }},
	} {
		step := len(in.b)/120 + 1
		for i := 0; i < len(in.b); i += step {
			x.see("cut "+name, in.do(in.b[:i]))
			for _, mask := range []byte{1, 0xc0} {
				bad := bytes.Clone(in.b)
				bad[i] ^= mask
				x.see("flipped "+name, in.do(bad))
			}
		}
		x.see("longer "+name, in.do(append(bytes.Clone(in.b), canary...)))
	}
	s.ben.g.Discard()
}

func (s *secretive) join(welcome []byte) error {
	_, err := Join(Config{Now: labTime, AllowPSK: true}, welcome, s.kp, s.priv, nil)
	return err
}

// hostile lets a member with real keys break one rule after the other.
func (s *secretive) hostile(x *errorSearch) {
	s.t.Helper()
	flip := func(b []byte) { b[len(b)-1] ^= 1 }
	update := message.Proposal{Kind: ProposalUpdate, Leaf: s.ben.g.st.Tree.Leaf(s.ben.g.Me())}
	for i, f := range []forge{
		{tag: flip},
		{path: func(p *tree.UpdatePath) { flip(p.Nodes[0].Secrets[0].Ciphertext) }},
		{path: func(p *tree.UpdatePath) { flip(p.Nodes[0].EncryptionKey) }},
		{path: func(p *tree.UpdatePath) { p.Nodes = p.Nodes[1:] }},
		{done: func(m *message.Signed) { flip(m.Signature) }},
		{body: func(m *message.Signed) { m.Epoch++ }},
		{body: func(m *message.Signed) { m.GroupID = canary }},
		{list: value(message.Proposal{Kind: ProposalRemove, Removed: s.ben.g.Me()})},
		{list: value(message.Proposal{Kind: ProposalRemove, Removed: 4_000_000_000})},
		{list: value(update)},
		{list: value(message.Proposal{Kind: ProposalRemove, Removed: 3}), bare: true},
		{raw: func(b []byte) []byte { return append(b, canary...) }},
		{leaf: func(l *tree.LeafNode) { l.Credential = tree.BasicCredential(canary) }},
	} {
		msg := s.commitBy(s.ben, f)
		_, err := s.ann.g.Process(msg)
		if x.see(fmt.Sprint("hostile commit ", i), err); err == nil {
			s.t.Fatalf("hostile commit %d was taken", i)
		}
	}
}

// refusedCalls makes calls that the member itself can't do.
func (s *secretive) refusedCalls(x *errorSearch) {
	s.t.Helper()
	g := s.ann.g
	_, other, err := ed25519.GenerateKey(s.rnd)
	s.must(err)
	wrong := Config{Signer: other, Now: labTime}
	state := stateOf(s.t, g)
	for name, call := range map[string]func() error{
		"commit twice":  func() error { _, err := g.Commit(CommitOptions{}); return err },
		"another key":   func() error { _, err := Load(wrong, state); return err },
		"join as other": func() error { _, err := Join(wrong, s.staged.Welcome, s.kp, s.priv, nil); return err },
		"join unasked": func() error {
			_, err := Join(Config{}, s.staged.Welcome, s.kp, new(KeyPackagePrivate), nil)
			return err
		},
		"too large":   func() error { _, err := g.Seal(canary, nil, 10); return err },
		"export":      func() error { _, err := g.Export("x", canary, 1<<20); return err },
		"reserve":     func() error { return g.Reserve(MaxReserve + 1) },
		"remove":      func() error { _, err := g.ProposeRemove(99, canary); return err },
		"add twice":   func() error { _, err := s.ben.g.Commit(CommitOptions{Add: []*KeyPackage{s.kp, s.kp}}); return err },
		"erased keys": func() error { _, err := new(KeyPackagePrivate).MarshalBinary(); return err },
	} {
		err := call()
		if x.see(name, err); err == nil {
			s.t.Errorf("%s was not refused", name)
		}
	}
	x.see("authorize", unauthorized("commit", errors.New("not today")))
}
