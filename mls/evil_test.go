package mls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/cost"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

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

// one tells, once in n, that something goes wrong; never at a script's end.
func (s *script) one(n int) bool { return s.pick(n) == 1 }

// bytes takes up to 40 bytes.
func (s *script) bytes() []byte {
	n := min(s.pick(41), len(s.b))
	v := s.b[:n]
	s.b = s.b[n:]
	return v
}

func (s *script) u64() (v uint64) {
	for _, b := range s.bytes() {
		v = v<<8 | uint64(b)
	}
	return v
}

// edits takes part of the script for spoil.
func (s *script) edits() *script { return &script{s.bytes()} }

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

// evil is a lab in which member 0 breaks rules with its real keys, and so do
// clients outside. Leaf 2 is unmerged, leaf 5 blank; member 4 has proposed to
// renew its leaf; member 3 to remove 4, and it has a commit under way.
type evil struct {
	*lab
	dice    *rand.ChaCha8
	open    bool // everything optional is switched on
	by      *party
	past    *Group // the evil member in the epoch before
	honest  []uint32
	service ed25519.PrivateKey // external sender 0 of an open group
	refs    []message.ProposalOrRef
	sent    []public.Sent // what the references are
	states  map[string][]byte
	tracker []byte
	good    []message.Proposal // Adds
	births  int
}

// newEvils makes a world for each suite, closed and open.
func newEvils(t testing.TB) []*evil {
	t.Helper()
	var out []*evil
	for _, suite := range Suites() {
		out = append(out, newEvil(t, suite, false), newEvil(t, suite, true))
	}
	return out
}

func newEvil(t testing.TB, suite Suite, open bool) *evil {
	t.Helper()
	l := newLabOf(t, suite, 99, 6)
	e := &evil{lab: l, dice: l.rnd.(*rand.ChaCha8), open: open, by: l.at(0), honest: []uint32{1, 2, 3, 4}, states: map[string][]byte{}}
	l.types = []uint16{0xf0a1}
	e.service = otherKey()
	if open {
		l.allow(func(c *Config) { openAll(c) })
	}
	l.commit(l.at(3), CommitOptions{Remove: []uint32{2, 5}})
	l.commit(l.at(1), CommitOptions{Extensions: e.groupExtensions()})
	fresh := l.add(l.at(4), 1)[0]
	if open {
		openAll(&fresh.cfg)
		openAll(&fresh.g.cfg)
	}
	e.past = again(t, e.by.cfg, e.by.g)
	l.commit(l.at(4), CommitOptions{})
	e.prepare()
	for range 3 {
		e.good = append(e.good, l.addOf(l.party(), nothing))
	}
	for name, p := range l.parties {
		e.states[name] = l.bytesOf(p)
	}
	_, err := l.at(3).g.Commit(CommitOptions{}) // member 3 has a commit under way
	l.must(err)
	e.states[l.at(3).name] = l.bytesOf(l.at(3))
	l.at(3).g.Discard()
	b, err := l.public.MarshalBinary()
	l.must(err)
	e.tracker, e.births = b, l.born
	return e
}

// openAll switches on what is optional.
func openAll(c *Config) {
	c.AllowExternalCommits, c.AllowExternalSenders, c.AllowPSK = true, true, true
	c.AllowReInit, c.AllowBranch, c.AllowIdentityChange = true, true, true
	c.AuthorizeProposal = func(*ProposalView) error { return nil }
	c.PastEpochs, c.ResumptionEpochs = 2, 2
	c.AuthorizeProposal = func(*ProposalView) error { return nil }
	c.PSK = func(id []byte) ([]byte, error) {
		if len(id) == 0 {
			return nil, errors.New("no such key")
		}
		return append([]byte("psk "), id...), nil
	}
}

func (e *evil) groupExtensions() []Extension {
	if !e.open {
		return nil
	}
	var w codec.Writer
	w.Vector(func(w *codec.Writer) {
		w.Bytes(e.service.Public().(ed25519.PublicKey))
		tree.BasicCredential([]byte("the service")).Write(w)
	})
	return []Extension{{Type: tree.ExtExternalSenders, Data: w.Out()}}
}

// prepare lets member 4 propose an Update and member 3 a removal.
func (e *evil) prepare() {
	e.t.Helper()
	four, three := e.at(4), e.at(3)
	update, err := four.g.ProposeUpdate(nil)
	e.must(err)
	e.lab.deliver(four, update)
	remove, err := three.g.ProposeRemove(4, nil)
	e.must(err)
	e.lab.deliver(three, remove)
	for _, p := range e.public.st.Proposals {
		e.refs = append(e.refs, message.ProposalOrRef{Ref: p.Ref})
		e.sent = append(e.sent, p.Sent)
	}
}

// start makes all randomness of this package follow from the input.
func (e *evil) start(t testing.TB, in []byte) *script {
	e.t = t                                                      // a fuzz target must not use the one outside
	e.dice.Seed(sha256.Sum256(append([]byte("script "), in...))) // never as newLabOf does
	e.born = e.births
	return &script{b: in}
}

// handling bounds what one handshake may cost a member of so small a group.
func handling() cost.Bound {
	return cost.Bound{
		Always: cost.Work{Memory: 768 << 10, Signatures: 10, Keys: 48, Hashed: 128 << 10},
		PerKiB: cost.Work{Memory: 128 << 10, Signatures: 8, Keys: 40, Hashed: 128 << 10},
	}
}

// member is a fresh copy of a member.
func (e *evil) member(leaf uint32) *Group {
	e.t.Helper()
	p := e.at(leaf)
	g, err := Load(p.cfg, e.states[p.name])
	e.must(err)
	return g
}

// everybody is a fresh copy of the group but for the evil one.
func (e *evil) everybody() *crowd {
	e.t.Helper()
	c := &crowd{e: e, groups: map[uint32]*Group{}}
	for _, leaf := range e.honest {
		c.groups[leaf] = e.member(leaf)
	}
	var err error
	c.public, err = LoadPublicGroup(e.public.cfg, e.tracker)
	e.must(err)
	return c
}

// crowd is the honest members that are still in one epoch, and a tracker.
type crowd struct {
	e      *evil
	groups map[uint32]*Group
	public *PublicGroup // nil once it lost the way, as it does by private handshakes
}

// members lists the leaves in order.
func (c *crowd) members() (out []uint32) {
	for leaf := range uint32(16) {
		if c.groups[leaf] != nil {
			out = append(out, leaf)
		}
	}
	return out
}

// deliver gives a message to everybody. Whoever refuses it is as before and
// gives no secret away; who takes a commit agrees with all others who do and
// with the tracker, which refuses nothing that a member takes. Those whom the
// sender shut out leave the crowd, with an error that says so.
func (c *crowd) deliver(msg []byte) (took []uint32) {
	t := c.e.t
	t.Helper()
	kind, refusal := c.track(msg)
	var out []uint32
	for _, leaf := range c.members() {
		err := c.give(leaf, msg)
		switch {
		case err == nil && refusal != nil:
			t.Fatalf("member %d takes what the tracker refuses: %v", leaf, refusal)
		case err == nil:
			took = append(took, leaf)
		case refusal == nil && c.public != nil && !personal(err):
			t.Fatalf("member %d refuses what the tracker takes: %v", leaf, err)
		default:
			out = append(out, leaf)
		}
	}
	if len(took) == 0 {
		if refusal == nil && c.public != nil {
			c.restore()
		}
		return nil
	}
	if len(out) > 0 && kind == Proposal {
		t.Fatalf("members %v take a proposal and %v refuse it", took, out)
	}
	for _, leaf := range out {
		delete(c.groups, leaf)
	}
	c.agree()
	return took
}

// noPSKOf tells that a member lacks a pre-shared key of a commit.
func noPSKOf(err error) bool {
	return err != nil && strings.Contains(err.Error(), "find pre-shared key")
}

// sound checks, by itself, what holds in the tree of every group that somebody
// is in: parent hashes hold, each leaf is signed, for its place, and no key
// occurs twice.
func sound(t testing.TB, st *public.State) {
	t.Helper()
	if err := st.Tree.CheckParentHashes(); err != nil {
		t.Fatalf("the tree of a group that was entered: %v", err)
	}
	keys := map[string]int{}
	for x, p := range readPlaces(st.Tree.Bytes()) {
		switch {
		case p.parent != nil:
			keys[string(p.parent.EncryptionKey)]++
		case p.leaf != nil:
			keys[string(p.leaf.EncryptionKey)]++
			keys["signature "+string(p.leaf.SignatureKey)]++
			if err := p.leaf.Verify(st.Suite, st.Context.GroupID, uint32(x/2)); err != nil {
				t.Fatalf("leaf %d of a group that was entered: %v", x/2, err)
			}
		}
	}
	for key, n := range keys {
		if n > 1 {
			t.Fatalf("the key %x occurs %d times in a tree", key, n)
		}
	}
}

// personal tells that a refusal is about what only this member knows: a tag, a
// ciphertext, a pre-shared key.
func personal(err error) bool {
	return errors.Is(err, ErrAuthentication) || noPSKOf(err)
}

// share checks that who took a commit has the secrets of its sender: that is
// what the confirmation tag is for.
func (c *crowd) share(d *deed, took []uint32) {
	c.e.t.Helper()
	for _, leaf := range took {
		g := c.groups[leaf]
		if g == nil {
			continue // removed by it
		}
		if !bytes.Equal(g.EpochAuthenticator(), d.secrets.Authenticator) || !bytes.Equal(d.sent, d.tag) {
			c.e.t.Fatalf("member %d takes a commit with another tag or other secrets than its sender has", leaf)
		}
	}
}

// track lets the tracker follow.
func (c *crowd) track(msg []byte) (kind Kind, refusal error) {
	t := c.e.t
	t.Helper()
	if h, err := Peek(msg); err == nil {
		kind = h.ContentType
		if h.WireFormat == WirePrivateMessage {
			c.public = nil
		}
	}
	if c.public == nil {
		return kind, nil
	}
	before, err := c.public.MarshalBinary()
	c.e.must(err)
	handling().Check(t, len(msg), func() { _, refusal = c.public.Process(msg) })
	if after, _ := c.public.MarshalBinary(); refusal != nil && !bytes.Equal(before, after) {
		t.Fatal("a refused message changed the tracker")
	}
	return kind, refusal
}

// restore takes the tracker back to where the members are: it can't see tags.
func (c *crowd) restore() {
	c.e.t.Helper()
	for _, g := range c.groups {
		w := codec.NewWriter([]byte{publicVersion})
		g.st.Write(w)
		var err error
		c.public, err = LoadPublicGroup(c.e.public.cfg, w.Out())
		c.e.must(err)
		return
	}
}

// give lets one member process a message.
func (c *crowd) give(leaf uint32, msg []byte) (err error) {
	t, g := c.e.t, c.groups[leaf]
	t.Helper()
	before := stateOf(t, g)
	handling().Check(t, len(msg), func() { _, err = g.Process(msg) })
	after := stateOf(t, g)
	if err == nil {
		if g, loading := Load(g.cfg, after); loading != nil || !bytes.Equal(stateOf(t, g), after) {
			t.Fatalf("member %d can't be restarted: %v", leaf, loading)
		}
		if g.Evicted() {
			delete(c.groups, leaf)
		}
		return nil
	}
	if !bytes.Equal(before, after) {
		t.Fatalf("a refused message (%v) changed member %d", err, leaf)
	}
	if which, found := mentions(err.Error(), secretsOf(&party{g: g})); found {
		t.Fatalf("the error %q holds the %s", err, which)
	}
	return err
}

// agree checks that all who are left are in one state.
func (c *crowd) agree() {
	t := c.e.t
	t.Helper()
	var first *Group
	for _, leaf := range c.members() {
		g := c.groups[leaf]
		if first == nil {
			first = g
		}
		if g.Epoch() != first.Epoch() || !bytes.Equal(g.TreeHash(), first.TreeHash()) ||
			!bytes.Equal(g.EpochAuthenticator(), first.EpochAuthenticator()) ||
			!bytes.Equal(g.ConfirmedTranscriptHash(), first.ConfirmedTranscriptHash()) {
			t.Fatalf("members %d and %d take one message and disagree", first.Me(), leaf)
		}
	}
	if first != nil {
		sound(t, first.st)
	}
	if first == nil || c.public == nil {
		return
	}
	if c.public.Epoch() != first.Epoch() || !bytes.Equal(c.public.TreeHash(), first.TreeHash()) ||
		!bytes.Equal(c.public.ConfirmedTranscriptHash(), first.ConfirmedTranscriptHash()) ||
		fmt.Sprint(c.public.Members()) != fmt.Sprint(first.Members()) {
		t.Fatal("the tracker and the members disagree")
	}
}

// goOn lets an honest member commit and mostly add a guest: whatever came
// before, the others follow, and the guest finds the whole tree in order.
func (c *crowd) goOn(s *script, o CommitOptions) {
	t := c.e.t
	t.Helper()
	members := c.members()
	if len(members) == 0 {
		return
	}
	// By itself the last: its path leaves what an evil one at leaf 0 made.
	by := c.groups[members[len(members)-1-s.pick(len(members))]]
	if by.reInit {
		return
	}
	by.Discard()
	o.Remove = c.others(by.Me(), o.Remove)
	kp, guest, priv := c.e.guest()
	if !s.one(4) {
		o.Add = append(o.Add, kp)
	}
	staged, err := by.Commit(o)
	if err != nil {
		t.Fatalf("member %d can't commit any more: %v", by.Me(), err)
	}
	c.follow(by, staged.Commit)
	if err := by.Merge(); err != nil {
		t.Fatal(err)
	}
	if WelcomeFor(staged.Welcome, kp.Ref()) {
		g, err := Join(guest.cfg, staged.Welcome, kp, priv, nil)
		switch {
		case noPSKOf(err):
			return
		case err != nil:
			t.Fatalf("a guest can't join any more: %v", err)
		}
		c.groups[g.Me()] = g
		c.talk(g)
	}
	c.agree()
	c.talk(by)
}

// follow lets everybody else take an honest commit.
func (c *crowd) follow(by *Group, commit []byte) {
	t := c.e.t
	t.Helper()
	if c.public != nil {
		if _, err := c.public.Process(commit); err != nil {
			t.Fatalf("the tracker refuses an honest commit: %v", err)
		}
	}
	for _, leaf := range c.members() {
		g := c.groups[leaf]
		if g == by {
			continue
		}
		got, err := g.Process(commit)
		if err != nil && !noPSKOf(err) {
			t.Fatalf("member %d refuses an honest commit of %d: %v", leaf, by.Me(), err)
		}
		if err != nil || got.Evicted { // who lacks a pre-shared key can't follow (RFC 9420 §8.4)
			delete(c.groups, leaf)
		}
	}
}

// others keeps the leaves that are members and not the committer.
func (c *crowd) others(by uint32, leaves []uint32) (out []uint32) {
	for _, leaf := range leaves {
		if c.groups[by].st.Tree.Leaf(leaf) != nil && leaf != by {
			out = append(out, leaf)
		}
	}
	return out
}

// talk checks that a message reaches everybody.
func (c *crowd) talk(by *Group) {
	t := c.e.t
	t.Helper()
	if by.reInit {
		return
	}
	msg := seal(t, by, "honest")
	for _, leaf := range c.members() {
		if g := c.groups[leaf]; g != by {
			opens(t, g, msg, "honest")
		}
	}
}

// context is that of the next epoch but for tree hash and transcript.
func (e *evil) context() *schedule.Context {
	c := e.by.g.st.Context
	return &schedule.Context{
		Suite: c.Suite, GroupID: c.GroupID, Epoch: c.Epoch + 1, Transcript: c.Transcript, Extensions: c.Extensions.Clone(),
	}
}
