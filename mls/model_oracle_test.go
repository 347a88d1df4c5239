package mls

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// fact is what all who are in an epoch must agree on. The tracker knows the
// first two.
type fact struct{ tree, context, transcript, exporter, authenticator []byte }

// agreeAt holds a member's epoch against what is known of it.
func (m *model) agreeAt(a *actor) {
	m.t.Helper()
	exporter, err := a.g.Export("model", []byte("x"), 32)
	m.must(err)
	have := fact{a.g.TreeHash(), a.g.st.Encoded, a.g.ConfirmedTranscriptHash(), exporter, a.g.EpochAuthenticator()}
	want, known := m.facts[a.g.Epoch()]
	if !known {
		m.t.Fatalf("%s is in epoch %d, where the node has never been", a.name, a.g.Epoch())
	}
	if want.exporter == nil {
		want.exporter, want.authenticator = have.exporter, have.authenticator
	}
	if !bytes.Equal(have.tree, want.tree) || !bytes.Equal(have.context, want.context) || !bytes.Equal(have.transcript, want.transcript) ||
		!bytes.Equal(have.exporter, want.exporter) || !bytes.Equal(have.authenticator, want.authenticator) {
		m.t.Fatalf("%s is in another epoch %d than the others", a.name, a.g.Epoch())
	}
}

// noteNode notes what the tracker knows of its epoch.
func (m *model) noteNode() {
	m.facts[m.public.Epoch()] = &fact{tree: m.public.TreeHash(), context: m.public.st.Encoded, transcript: m.public.ConfirmedTranscriptHash()}
}

// window is what a receiver can open of one sender in one epoch, by
// generation.
type window struct {
	next uint32
	kept []uint32 // skipped, ascending
}

// take judges a generation, and moves on when it opens.
func (w *window) take(generation uint32, c *Config) error {
	if generation < w.next {
		i := slices.Index(w.kept, generation)
		if i < 0 {
			return ErrReplay
		}
		w.kept = slices.Delete(w.kept, i, i+1)
		return nil
	}
	if generation-w.next > c.MaxJump {
		return ErrJump
	}
	for ; w.next < generation; w.next++ {
		w.kept = append(w.kept, w.next)
	}
	w.kept = w.kept[max(0, len(w.kept)-c.Window):]
	w.next++
	return nil
}

// epochView is what a member can open in one epoch.
type epochView struct {
	epoch  uint64
	sender map[uint32]*window
}

// expect is what the oracle expects of a member; it is kept beside each stored
// state, for a crash takes both back.
type expect struct {
	epochs []epochView     // the present one, then the past ones that are kept
	got    map[uint64]bool // proposals of the present epoch, own ones too
}

func newExpect(epoch uint64) *expect {
	return &expect{epochs: []epochView{{epoch, map[uint32]*window{}}}, got: map[uint64]bool{}}
}

// enter moves into the next epoch.
func (e *expect) enter(past int) {
	next := epochView{e.epochs[0].epoch + 1, map[uint32]*window{}}
	e.epochs = append([]epochView{next}, e.epochs...)
	e.epochs = e.epochs[:min(len(e.epochs), 1+past)]
	e.got = map[uint64]bool{}
}

func (e *expect) clone() *expect {
	out := &expect{got: maps.Clone(e.got)}
	for _, v := range e.epochs {
		n := epochView{v.epoch, map[uint32]*window{}}
		for leaf, w := range v.sender {
			n.sender[leaf] = &window{w.next, slices.Clone(w.kept)}
		}
		out.epochs = append(out.epochs, n)
	}
	return out
}

// judge says how a member must answer to a letter: nil is acceptance, of which
// e takes note.
func (e *expect) judge(a *actor, l *letter) error {
	now := e.epochs[0].epoch
	if l.kind == Application {
		i := slices.IndexFunc(e.epochs, func(v epochView) bool { return v.epoch == l.epoch })
		switch {
		case i < 0:
			return ErrEpoch
		case l.leaf == a.g.Me():
			return ErrOwnMessage
		}
		v := e.epochs[i]
		if v.sender[l.leaf] == nil {
			v.sender[l.leaf] = new(window)
		}
		return v.sender[l.leaf].take(l.generation, &a.g.cfg)
	}
	switch {
	case l.epoch != now:
		return ErrEpoch
	case l.leaf == a.g.Me():
		return ErrOwnMessage
	case l.kind == Proposal && e.got[l.id]:
		return ErrReplay
	case l.kind == Proposal:
		e.got[l.id] = true
		return nil
	}
	for _, ref := range l.refs {
		if !e.got[ref] {
			return ErrInvalid // refers to what was not received
		}
	}
	e.enter(a.g.cfg.PastEpochs)
	return nil
}

// refuse demands an error, and that nothing of the stored state moved.
func (m *model) refuse(a *actor, what string, err, want error) {
	m.t.Helper()
	if !errors.Is(err, want) {
		m.t.Fatalf("%s answers %s with %v instead of %v", a.name, what, err, want)
	}
	m.still(a, what)
	m.count.Refused++
}

// still demands that a member's serialised state is the one it stored last.
func (m *model) still(a *actor, what string) {
	m.t.Helper()
	if m.fault != faultForgetBlock && !bytes.Equal(m.bytesOf(a.party), a.rec.state) {
		m.t.Fatalf("%s moved the state of %s", what, a.name)
	}
}

// nextKey is the key that the next Seal takes.
func nextKey(g *Group) (key schedule.Key, err error) {
	if g.reserving {
		if len(g.reserve) == 0 {
			return key, ErrReserve
		}
		return g.reserve[0], nil
	}
	st, err := g.keys.Next(g.me, schedule.Application)
	if err != nil {
		return key, err
	}
	defer st.Drop()
	return st.Key, nil
}

// noteSealing judges a message just sealed, sent or not: its key and nonce are
// new, and of a member that reserves the key is too.
func (m *model) noteSealing(a *actor, key *schedule.Key, msg []byte) {
	m.t.Helper()
	s := a.g.st.Suite
	h := privateHead(m.t, msg)
	leaf, generation, guard, err := a.g.senderOf(&h)
	m.must(err)
	if leaf != a.g.Me() || generation != key.Generation {
		m.t.Fatalf("%s seals as leaf %d with generation %d", a.name, leaf, generation)
	}
	nonce := key.Nonce(s, guard)
	once := digestOf(key.Key(s), nonce[:])
	if m.nonces[once] {
		m.t.Fatalf("%s seals twice under one key and nonce", a.name)
	}
	m.nonces[once] = true
	if a.block > 0 {
		if m.blocks[digestOf(key.Key(s))] {
			m.t.Fatalf("%s takes a reserved key twice", a.name)
		}
		m.blocks[digestOf(key.Key(s))] = true
	}
	m.keyOf[digestOf(msg)] = digestOf(key.Key(s))
}

// noteRelease judges a message that leaves its sender: no other left under its
// key.
func (m *model) noteRelease(a *actor, msg []byte) {
	m.t.Helper()
	key, sealed := m.keyOf[digestOf(msg)]
	if other, ok := m.released[key]; !sealed || ok && other != digestOf(msg) {
		m.t.Fatalf("%s sends two messages under one key", a.name)
	}
	m.released[key] = digestOf(msg)
}

func privateHead(t testing.TB, msg []byte) message.PrivateHead {
	t.Helper()
	r := codec.NewReader(msg)
	message.ReadHeader(r)
	h, err := message.ReadPrivate(r)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// relic is a removed member, or one whose disk was stolen and then replaced,
// with the last state in which it was a member.
type relic struct {
	name string
	g    *Group
	out  uint64 // the epoch whose commit removed it
}

// cores are all epochs that it has keys of, also of a commit that never won.
func (r *relic) cores() []*core {
	out := append([]*core{r.g.core}, r.g.past...)
	if r.g.pending != nil {
		out = append(out, r.g.pending.next)
	}
	return out
}

// shut demands that no removed member opens a message sealed after its
// removal, not even when it is told who sent it under which generation.
func (m *model) shut(l *letter) {
	m.t.Helper()
	h := privateHead(m.t, l.msg)
	for _, r := range m.relics {
		if l.epoch <= r.out {
			continue
		}
		if _, err := r.g.Process(l.msg); err == nil {
			m.t.Fatalf("%s opens a message sealed after its removal", r.name)
		}
		for _, c := range r.cores() {
			if _, _, err := c.openPrivate(&h, r.g.cfg.limits()); err == nil {
				m.t.Fatalf("%s opens a message sealed after its removal with the keys of epoch %d", r.name, c.st.Context.Epoch)
			}
			st, err := c.keys.Find(l.leaf, schedule.Application, l.generation, r.g.cfg.limits())
			if err != nil {
				continue
			}
			_, err = c.openContent(&h, st, l.leaf, l.guard)
			if st.Drop(); err == nil {
				m.t.Fatalf("%s holds the key of a message sealed after its removal", r.name)
			}
		}
		m.count.Shut++
	}
}

// shutPath demands that no removed member opens a path secret of a commit,
// the one that removes it included.
func (m *model) shutPath(l *letter) {
	m.t.Helper()
	for _, r := range m.relics {
		if l.epoch < r.out {
			continue
		}
		if r.g.Epoch() != l.epoch {
			if _, err := r.g.Process(l.msg); !errors.Is(err, ErrEpoch) {
				m.t.Fatalf("%s answers a commit after its removal with %v", r.name, err)
			}
		}
		for _, c := range r.cores() {
			if c.private == nil {
				continue
			}
			for x, key := range keysOf(c.private) {
				if opensPath(c.st.Suite, key, l) {
					m.t.Fatalf("%s, last in epoch %d, opens a path secret of the commit of epoch %d with the key of node %d", r.name, c.st.Context.Epoch, l.epoch, x)
				}
			}
		}
	}
}

func opensPath(s *suite.Suite, key []byte, l *letter) bool {
	for _, n := range l.path.Nodes {
		for _, c := range n.Secrets {
			if _, err := s.DecryptWithLabel(key, "UpdatePathNode", l.provisional, c.KEMOutput, c.Ciphertext); err == nil {
				return true
			}
		}
	}
	return false
}

// keysOf lists the private keys that a member knows, by node.
func keysOf(p *tree.Private) map[uint32][]byte {
	var w codec.Writer
	p.Write(&w)
	r := codec.NewReader(w.Out())
	r.U32()
	out := map[uint32][]byte{}
	for v := r.Vector(); !v.Empty(); {
		x := v.U32()
		out[x] = v.Bytes()
	}
	return out
}

// tally counts what a run has seen.
type tally struct {
	Commits, Raced, Proposals, Sealed, Opened, Late, Refused, Doubled, Lost, Garbled, Evil int
	Struck, PowerLost, Restarted, Joined, Removed, Wiped, Reserved, Shut                   int
	Smallest, Largest                                                                      int
}

func (c *tally) add(d *tally) {
	to, from := reflect.ValueOf(c).Elem(), reflect.ValueOf(d).Elem()
	for i := range to.NumField() {
		to.Field(i).SetInt(to.Field(i).Int() + from.Field(i).Int())
	}
}

// complete demands that the runs have seen everything.
func (c *tally) complete(t *testing.T) {
	t.Helper()
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		if v.Field(i).Int() == 0 {
			t.Errorf("the schedules leave out %s", v.Type().Field(i).Name)
		}
	}
}

func (m *model) String() string {
	return fmt.Sprintf("%d epochs, %+v", m.public.Epoch(), m.count)
}
