package mls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// party is one client of a lab.
type party struct {
	name string
	cfg  Config
	g    *Group
}

// lab is a group with all its members and a keyless tracker in one process.
// All randomness comes from the seed.
type lab struct {
	t       testing.TB
	suite   Suite
	types   []uint16 // extensions that its members' key packages support
	rnd     io.Reader
	pick    *rand.Rand
	born    int
	parties map[string]*party
	public  *PublicGroup
}

func labTime() time.Time { return time.Unix(1_800_000_000, 0) }

func newLab(t testing.TB, seed uint64, members int) *lab {
	t.Helper()
	return newLabOf(t, labSuite(), seed, members)
}

func newLabOf(t testing.TB, suite Suite, seed uint64, members int) *lab {
	t.Helper()
	rnd := rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed)))
	l := &lab{t: t, suite: suite, rnd: rnd, pick: rand.New(rnd), parties: map[string]*party{}}
	p := l.party()
	var err error
	p.g, err = Create(p.cfg, []byte("lab"), suite, []byte(p.name), nil)
	l.must(err)
	l.parties[p.name] = p
	l.track(p)
	for l.born < members {
		l.add(p, min(members-l.born, 4))
	}
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// party makes a client that is in no group yet.
func (l *lab) party() *party {
	l.t.Helper()
	_, key, err := ed25519.GenerateKey(l.rnd)
	l.must(err)
	l.born++
	return &party{
		name: fmt.Sprintf("client-%d", l.born),
		cfg:  Config{Signer: key, Rand: l.rnd, Now: labTime},
	}
}

// keyPackage makes a key package of a party.
func (l *lab) keyPackage(p *party) (*KeyPackage, *KeyPackagePrivate) {
	l.t.Helper()
	kp, priv, err := NewKeyPackage(KeyPackageOptions{
		Suite: l.suite, Identity: []byte(p.name), Signer: p.cfg.Signer, Extensions: l.types,
		NotBefore: labTime().Add(-time.Hour), NotAfter: labTime().Add(24 * time.Hour), Rand: l.rnd,
	})
	l.must(err)
	return kp, priv
}

// track starts the tracker anew from a member's group info.
func (l *lab) track(p *party) {
	l.t.Helper()
	info, err := p.g.GroupInfo()
	l.must(err)
	l.public, err = NewPublicGroup(Config{}, info)
	l.must(err)
}

// names lists the members, sorted.
func (l *lab) names() []string { return slices.Sorted(maps.Keys(l.parties)) }

// any picks a member.
func (l *lab) any() *party {
	names := l.names()
	return l.parties[names[l.pick.IntN(len(names))]]
}

// at is the member at a leaf.
func (l *lab) at(leaf uint32) *party {
	for _, p := range l.parties {
		if p.g.Me() == leaf {
			return p
		}
	}
	return nil
}

// add commits new parties in and returns them.
func (l *lab) add(by *party, n int) []*party {
	l.t.Helper()
	var o CommitOptions
	fresh := make([]*party, n)
	privs := make([]*KeyPackagePrivate, n)
	for i := range fresh {
		fresh[i] = l.party()
		var kp *KeyPackage
		kp, privs[i] = l.keyPackage(fresh[i])
		o.Add = append(o.Add, kp)
	}
	staged := l.commit(by, o)
	for i, p := range fresh {
		var err error
		p.g, err = Join(p.cfg, staged.Welcome, o.Add[i], privs[i], nil)
		l.must(err)
		l.parties[p.name] = p
	}
	l.agree()
	return fresh
}

// commit makes a commit that everybody takes in; parties it adds are not in.
func (l *lab) commit(by *party, o CommitOptions) *Staged {
	l.t.Helper()
	staged, err := by.g.Commit(o)
	l.must(err)
	l.deliver(by, staged.Commit)
	l.must(by.g.Merge())
	return staged
}

// deliver gives a handshake to the tracker and everybody but its sender.
func (l *lab) deliver(by *party, msg []byte) {
	l.t.Helper()
	_, err := l.public.Process(msg)
	l.must(err)
	for _, name := range l.names() {
		p := l.parties[name]
		if p == by {
			continue
		}
		got, err := p.g.Process(msg)
		if err != nil {
			l.t.Fatalf("%s refuses what %s sent: %v", name, by.name, err)
		}
		if got.Evicted {
			delete(l.parties, name)
		}
	}
}

// agree checks that all members and the tracker are in one state.
func (l *lab) agree() {
	l.t.Helper()
	var first *party
	for _, name := range l.names() {
		p := l.parties[name]
		if first == nil {
			first = p
		}
		l.agreeWith(first, p)
	}
	if l.public.Epoch() != first.g.Epoch() || !bytes.Equal(l.public.TreeHash(), first.g.TreeHash()) {
		l.t.Fatalf("the tracker is in epoch %d with another tree than %s in epoch %d", l.public.Epoch(), first.name, first.g.Epoch())
	}
	if !bytes.Equal(l.public.ConfirmedTranscriptHash(), first.g.ConfirmedTranscriptHash()) {
		l.t.Fatal("the tracker has another transcript")
	}
	if fmt.Sprint(l.public.Members()) != fmt.Sprint(first.g.Members()) {
		l.t.Fatal("the tracker has other members")
	}
}

func (l *lab) agreeWith(a, b *party) {
	l.t.Helper()
	exportA, errA := a.g.Export("test", nil, 32)
	exportB, errB := b.g.Export("test", nil, 32)
	if errA != nil || errB != nil {
		l.t.Fatal(errA, errB)
	}
	switch {
	case a.g.Epoch() != b.g.Epoch():
		l.t.Fatalf("%s is in epoch %d, %s in %d", a.name, a.g.Epoch(), b.name, b.g.Epoch())
	case !bytes.Equal(a.g.TreeHash(), b.g.TreeHash()):
		l.t.Fatalf("%s and %s have other trees", a.name, b.name)
	case !bytes.Equal(a.g.EpochAuthenticator(), b.g.EpochAuthenticator()):
		l.t.Fatalf("%s and %s have other epoch authenticators", a.name, b.name)
	case !bytes.Equal(a.g.ConfirmedTranscriptHash(), b.g.ConfirmedTranscriptHash()):
		l.t.Fatalf("%s and %s have other transcripts", a.name, b.name)
	case !bytes.Equal(exportA, exportB):
		l.t.Fatalf("%s and %s export other secrets", a.name, b.name)
	}
}

// talk sends a message from one member to all others.
func (l *lab) talk(by *party) {
	l.t.Helper()
	msg, err := by.g.Seal([]byte("hello"), []byte("aad"), 0)
	l.must(err)
	for _, name := range l.names() {
		if p := l.parties[name]; p != by {
			got, err := p.g.Process(msg)
			l.must(err)
			if string(got.Data) != "hello" || got.Sender != by.g.Me() || string(got.AuthenticatedData) != "aad" {
				l.t.Fatalf("%s received %q from %d", name, got.Data, got.Sender)
			}
		}
	}
}

// restart writes a member's state and reads it back.
func (l *lab) restart(p *party) {
	l.t.Helper()
	state, err := p.g.MarshalBinary()
	l.must(err)
	p.g, err = Load(p.cfg, state)
	l.must(err)
}

// bytesOf is a member's stored state.
func (l *lab) bytesOf(p *party) []byte {
	l.t.Helper()
	b, err := p.g.MarshalBinary()
	l.must(err)
	return b
}

// unmoved runs f and checks that it changed no byte of the given states.
func (l *lab) unmoved(what string, f func()) {
	l.t.Helper()
	before := map[string][]byte{}
	for name, p := range l.parties {
		before[name] = l.bytesOf(p)
	}
	public, err := l.public.MarshalBinary()
	l.must(err)
	f()
	for name, p := range l.parties {
		if !bytes.Equal(before[name], l.bytesOf(p)) {
			l.t.Errorf("%s changed the state of %s", what, name)
		}
	}
	if after, err := l.public.MarshalBinary(); err != nil || !bytes.Equal(public, after) {
		l.t.Errorf("%s changed the tracker's state (%v)", what, err)
	}
}

// forge says what a member with real keys does against the rules. All hooks
// are optional.
type forge struct {
	list  []message.ProposalOrRef
	sent  []public.Sent               // what the references of the list are
	leaf  func(*tree.LeafNode)        // on the draft of the path's leaf
	path  func(*tree.UpdatePath)      // before it is framed
	body  func(*message.Signed)       // before it is signed
	done  func(*message.Signed)       // after it was signed, before the tag is made
	tag   func([]byte)                // on the confirmation tag
	learn func(name string, b []byte) // of secrets on the way
	raw   func([]byte) []byte         // on the encoded content, before it is signed
	bare  bool                        // without a path
	as    *message.Sender             // claimed sender
}

// commitBy builds a commit by hand with a member's real keys: everything that
// the hooks leave alone is right, so that a refusal is due to them.
func (l *lab) commitBy(p *party, f forge) []byte {
	l.t.Helper()
	g := p.g
	st := g.st
	next := &schedule.Context{
		Suite: st.Context.Suite, GroupID: st.Context.GroupID, Epoch: st.Context.Epoch + 1,
		Transcript: st.Context.Transcript, Extensions: st.Context.Extensions,
	}
	t, added := l.applyLoosely(g, next, f)
	c := &message.Commit{Proposals: f.list}
	commitSecret := make([]byte, st.Suite.HashLen())
	if !f.bare {
		draft := st.Tree.Leaf(g.Me()).Draft()
		if f.leaf != nil {
			f.leaf(draft)
		}
		fresh, err := t.Renew(tree.PathOptions{
			Sender: g.Me(), GroupID: next.GroupID, Signer: signerOf(p, draft), Rand: l.rnd, Leaf: draft, Added: added,
		})
		l.must(err)
		next.TreeHash = t.Hash()
		c.Path, err = fresh.Seal(next.Bytes())
		l.must(err)
		commitSecret = fresh.CommitSecret()
		if f.path != nil {
			f.path(c.Path)
		}
	}
	next.TreeHash = t.Hash()
	return l.frame(p, f, c, next, commitSecret)
}

func signerOf(p *party, draft *tree.LeafNode) ed25519.PrivateKey {
	own := p.cfg.Signer.(ed25519.PrivateKey)
	if bytes.Equal(draft.SignatureKey, own.Public().(ed25519.PublicKey)) {
		return own
	}
	return otherKey()
}

// otherKey is a key that no member has.
func otherKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

// applyLoosely applies what can be applied of a list, valid or not.
func (l *lab) applyLoosely(g *Group, next *schedule.Context, f forge) (*tree.Tree, []uint32) {
	l.t.Helper()
	own := g.Me()
	t := g.st.Tree.Clone()
	sent := f.sent
	for _, p := range f.list {
		if p.Value != nil {
			sent = append(sent, public.Sent{Proposal: *p.Value})
		}
	}
	var added []uint32
	for _, p := range sent {
		switch p.Kind {
		case ProposalGroupContextExtensions:
			next.Extensions = p.Extensions
		case ProposalUpdate:
			_ = t.Update(p.Sender, p.Leaf)
		}
	}
	for _, p := range sent {
		if p.Kind == ProposalRemove && p.Removed != own {
			_ = t.Remove(p.Removed)
		}
	}
	for _, p := range sent {
		if p.Kind == ProposalAdd {
			i, err := t.Add(p.KeyPackage.Leaf)
			l.must(err)
			added = append(added, i)
		}
	}
	slices.Sort(added)
	return t, added
}

// frame signs a commit and tags it as a member can.
func (l *lab) frame(p *party, f forge, c *message.Commit, next *schedule.Context, commitSecret []byte) []byte {
	l.t.Helper()
	g := p.g
	st := g.st
	m := &message.Signed{Wire: WirePublicMessage, Content: message.Content{
		GroupID: st.Context.GroupID, Epoch: st.Context.Epoch,
		Sender: message.Sender{Kind: message.SenderMember, Index: g.Me()}, Kind: Commit, Commit: c,
	}}
	if f.as != nil {
		m.Sender = *f.as
	}
	if f.body != nil {
		f.body(m)
	}
	l.signBy(p, m)
	if f.raw != nil {
		m.Raw = f.raw(m.Raw)
		l.resign(p, m)
	}
	if f.done != nil {
		f.done(m)
	}
	next.Transcript = schedule.Confirmed(st.Suite, st.Interim, m.TranscriptInput())
	if f.learn != nil {
		f.learn("commit secret", commitSecret)
		f.learn("init secret", g.secrets.Init)
	}
	joiner := schedule.Joiner(st.Suite, bytes.Clone(g.secrets.Init), commitSecret, next.Bytes())
	welcomeSecret, secrets := schedule.FromJoiner(st.Suite, joiner, nil, next.Bytes())
	if f.learn != nil {
		f.learn("joiner secret", joiner)
		f.learn("welcome secret", welcomeSecret)
		f.learn("encryption secret", secrets.Encryption)
		f.learn("confirmation key", secrets.Confirmation)
		f.learn("next init secret", secrets.Init)
	}
	m.Tag = schedule.ConfirmationTag(st.Suite, secrets.Confirmation, next.Transcript)
	if f.tag != nil {
		f.tag(m.Tag)
	}
	return m.PublicMessage(st.Suite, g.secrets.Membership, st.Encoded)
}

// signBy encodes a message and signs it with a member's key.
func (l *lab) signBy(p *party, m *message.Signed) {
	l.t.Helper()
	m.Content.Encode()
	l.resign(p, m)
}

// resign signs a message as it is encoded.
func (l *lab) resign(p *party, m *message.Signed) {
	l.t.Helper()
	st := p.g.st
	sig, err := st.Suite.SignWithLabel(l.rnd, p.cfg.Signer, "FramedContentTBS", m.TBS(st.Encoded))
	l.must(err)
	m.Signature = sig
}

// proposeBy frames any proposal with a member's real keys and returns its
// reference too.
func (l *lab) proposeBy(p *party, v message.Proposal) (msg, ref []byte) {
	l.t.Helper()
	st := p.g.st
	m := &message.Signed{Wire: WirePublicMessage, Content: message.Content{
		GroupID: st.Context.GroupID, Epoch: st.Context.Epoch,
		Sender: message.Sender{Kind: message.SenderMember, Index: p.g.Me()}, Kind: Proposal, Proposal: &v,
	}}
	l.signBy(p, m)
	return m.PublicMessage(st.Suite, p.g.secrets.Membership, st.Encoded), m.Ref(st.Suite)
}

// value is a proposal by value.
func value(p message.Proposal) []message.ProposalOrRef { return []message.ProposalOrRef{{Value: &p}} }

// reread reads a public message again, for tests that change it.
func reread(t testing.TB, msg []byte) *message.Signed {
	t.Helper()
	r := codec.NewReader(msg)
	message.ReadHeader(r)
	m, _, err := message.ReadPublic(r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
