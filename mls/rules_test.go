package mls

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// The tests of this file and of rules_outside_test.go break one rule of
// RFC 9420 each; the marks name it (docs/spec/mls-profile.md).

// allow changes the configuration of everybody and starts an epoch under it.
func (l *lab) allow(change func(*Config)) {
	l.t.Helper()
	for _, p := range l.parties {
		change(&p.cfg)
		change(&p.g.cfg)
	}
	change(&l.public.cfg)
	l.commit(l.at(0), CommitOptions{})
}

// TestRefusedOptionalLists: the lists of RFC 9420 §12.2 that need types which
// are off by default, refused where they are on.
func TestRefusedOptionalLists(t *testing.T) {
	t.Parallel()
	l, by, other, _ := pskLab(t)
	psk := func(change func(*schedule.PSKID)) message.Proposal {
		p := pskProposal(schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("known")})
		change(&p.PSK)
		return p
	}
	good := psk(func(*schedule.PSKID) {})
	usage := func(u uint8) message.Proposal {
		return psk(func(p *schedule.PSKID) {
			*p = schedule.PSKID{Type: schedule.PSKResumption, Usage: u, GroupID: []byte("old"), Nonce: p.Nonce}
		})
	}
	reInit := message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: []byte("new"), Version: 1, Suite: 1}}
	older := reInit
	older.ReInit.Version = 0
	for name, list := range map[string][]message.Proposal{
		// RFC 9420 §11.2 M4, M5, §12.1.4 R1
		"usage reinit inside a group": {usage(schedule.UsageReInit)},
		// RFC 9420 §11.3 M5, M6, §12.1.4 R2
		"usage branch inside a group": {usage(schedule.UsageBranch)},
		// RFC 9420 §12.1.4 R3
		"a short nonce": {psk(func(p *schedule.PSKID) { p.Nonce = p.Nonce[1:] })},
		"a long nonce":  {psk(func(p *schedule.PSKID) { p.Nonce = append(bytes.Clone(p.Nonce), 0) })},
		// RFC 9420 §12.2 R7
		"one key twice": {good, good},
		// RFC 9420 §12.2 R9
		"ReInit beside a Remove": {reInit, {Kind: ProposalRemove, Removed: 2}},
		"ReInit twice":           {reInit, reInit},
		// RFC 9420 §12.1.5 R1
		"ReInit to an older version": {older},
	} {
		var all []message.ProposalOrRef
		for _, p := range list {
			all = append(all, value(p)...)
		}
		l.refused(name, l.commitBy(by, forge{list: all}), ErrInvalid, by)
	}
	// RFC 9420 §12.4.2 R6
	missing := l.commitBy(by, forge{list: value(psk(func(p *schedule.PSKID) { p.ID = []byte("lost") }))})
	l.unmoved("a key that nobody has", func() {
		if _, err := other.g.Process(missing); err == nil || !strings.Contains(err.Error(), "no such key") {
			t.Errorf("a key that nobody has: %v", err)
		}
	})
}

// TestRefusedUpdateAndRemove: one leaf is updated and removed at once.
func TestRefusedUpdateAndRemove(t *testing.T) {
	t.Parallel()
	l := newLab(t, 40, 3)
	by, other := l.at(0), l.at(1)
	update := message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(other, func(*tree.LeafNode) {})}
	msg, ref := l.proposeBy(other, update)
	l.deliver(other, msg)
	remove := message.Proposal{Kind: ProposalRemove, Removed: 1}
	both := append([]message.ProposalOrRef{{Ref: ref}}, value(remove)...)
	bad := l.commitBy(by, forge{list: both, sent: []public.Sent{{Proposal: update, Sender: 1}}})
	// RFC 9420 §12.2 R4
	l.unmoved("Update and Remove of one leaf", func() {
		for _, process := range []func([]byte) (*Received, error){l.public.Process, l.at(2).g.Process} {
			if _, err := process(bad); !errors.Is(err, ErrInvalid) {
				t.Errorf("Update and Remove of one leaf: %v", err)
			}
		}
	})
	// RFC 9420 §12.4 S2
	if _, _, err := l.public.Stage(l.commitBy(by, forge{})); err != nil {
		t.Errorf("a commit that leaves a proposal out: %v", err)
	}
	twice := l.commitBy(by, forge{list: []message.ProposalOrRef{{Ref: ref}, {Ref: ref}}})
	if _, err := l.at(2).g.Process(twice); !errors.Is(err, ErrInvalid) {
		t.Errorf("one reference twice: %v", err)
	}
}

// TestRefusedUpdates: a leaf that is not fit for an Update, by reference.
func TestRefusedUpdates(t *testing.T) {
	t.Parallel()
	l := newLab(t, 56, 3)
	by := l.at(1)
	st := by.g.st
	place := func(group string, leaf uint32) *tree.LeafNode {
		d := l.updateLeaf(by, func(*tree.LeafNode) {}).Draft()
		l.must(d.Sign(st.Suite, l.rnd, by.cfg.Signer, []byte(group), leaf))
		return d
	}
	for name, leaf := range map[string]*tree.LeafNode{
		"of a key package":  l.updateLeaf(by, func(d *tree.LeafNode) { d.Source = tree.SourceKeyPackage }), // RFC 9420 §7.3 R6
		"of a commit":       l.updateLeaf(by, func(d *tree.LeafNode) { d.Source = tree.SourceCommit }),
		"lacking the suite": l.updateLeaf(by, func(d *tree.LeafNode) { d.Capabilities.Suites = nil }), // RFC 9420 §12.1.2 R1
		"with a bad key":    l.updateLeaf(by, func(d *tree.LeafNode) { d.EncryptionKey = d.EncryptionKey[1:] }),
		"of another group":  place("another", 1), // RFC 9420 §7.3 R2
		"of another leaf":   place("lab", 2),
	} {
		msg, _ := l.proposeBy(by, message.Proposal{Kind: ProposalUpdate, Leaf: leaf})
		l.refused("an Update "+name, msg, ErrInvalid, by)
	}
}

// TestExtensionsThatOthersLack: who supports an extension can't force it on who
// does not.
func TestExtensionsThatOthersLack(t *testing.T) {
	t.Parallel()
	l := newLab(t, 57, 2)
	l.types = []uint16{0xF0A1}
	by := l.add(l.at(0), 1)[0]
	for name, list := range map[string]tree.Extensions{ // RFC 9420 §12.1.7 R1, §13.4 M10
		"an extension":  {{Type: 0xF0A1}},
		"a requirement": {RequiredCapabilities([]uint16{0xF0A1}, nil, nil)},
	} {
		p := message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: list}
		l.refused(name+" that others lack", l.commitBy(by, forge{list: value(p)}), ErrInvalid, by)
		if _, err := by.g.Commit(CommitOptions{Extensions: list}); !errors.Is(err, ErrInvalid) {
			t.Errorf("making %s that others lack: %v", name, err)
		}
	}
	l.commit(by, CommitOptions{Remove: []uint32{0, 1}, Extensions: []Extension{{Type: 0xF0A1}}}) // who lacks it is gone
}

// TestClientMayReturnAtOnce: a commit that removes a client's leaf may add the
// client anew, and not otherwise.
func TestClientMayReturnAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, 41, 3)
	kp, _ := l.keyPackage(l.at(1))
	// RFC 9420 §12.2 R6, §7.3 R8
	if _, err := l.at(0).g.Commit(CommitOptions{Add: []*KeyPackage{kp}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a second leaf of one client: %v", err)
	}
	staged := l.commit(l.at(0), CommitOptions{Add: []*KeyPackage{kp}, Remove: []uint32{1}})
	if len(staged.View.Adds) != 1 || staged.View.Adds[0].Leaf != 1 {
		t.Errorf("the client came back as %+v", staged.View.Adds)
	}
	// RFC 9420 §12.3 M1, M1c: applied in the RFC's order, not in the list's
	kp, _ = l.keyPackage(l.at(2))
	add := message.Proposal{Kind: ProposalAdd, KeyPackage: kp.inner}
	list := append(value(add), value(message.Proposal{Kind: ProposalRemove, Removed: 2})...)
	got, err := l.public.Process(l.commitBy(l.at(0), forge{list: list}))
	if err != nil || got.View.Adds[0].Leaf != 2 || len(got.View.Removes) != 1 {
		t.Errorf("an Add that stands before its Remove: %v", err)
	}
}

// TestAddsFillTheTreeInOrder: new members get the leftmost blank leaves in the
// order of the list.
func TestAddsFillTheTreeInOrder(t *testing.T) {
	t.Parallel()
	l := newLab(t, 42, 5)
	l.commit(l.at(0), CommitOptions{Remove: []uint32{3, 1}})
	var o CommitOptions
	for range 5 {
		kp, _ := l.keyPackage(l.party())
		o.Add = append(o.Add, kp)
	}
	staged := l.commit(l.at(2), o)
	for i, want := range []uint32{1, 3, 5, 6, 7} { // RFC 9420 §12.1.1 R2, §12.3 M1d
		got := staged.View.Adds[i]
		if got.Leaf != want || !bytes.Equal(got.Identity, o.Add[i].Identity()) {
			t.Errorf("key package %d became leaf %d, not %d", i, got.Leaf, want)
		}
		if !WelcomeFor(staged.Welcome, o.Add[i].Ref()) { // RFC 9420 §12.4.1 M3
			t.Errorf("the Welcome leaves key package %d out", i)
		}
	}
}

// TestNewExtensionsJudgeTheList: the extensions that a commit sets count for
// its other proposals.
func TestNewExtensionsJudgeTheList(t *testing.T) {
	t.Parallel()
	l := newLab(t, 43, 1)
	who, newcomer := l.party(), l.party()
	needs := []Extension{{Type: 0xF0A1}, RequiredCapabilities([]uint16{0xF0A1}, nil, nil)}
	g, err := Create(who.cfg, []byte("id"), l.public.Suite(), []byte(who.name), needs)
	l.must(err)
	lacking, _ := l.keyPackage(newcomer)
	// RFC 9420 §7.3 M1, §11.1 R1, §13.4 M6, M7
	if _, err := g.Commit(CommitOptions{Add: []*KeyPackage{lacking}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an Add that lacks what is required: %v", err)
	}
	if _, err := g.ProposeAdd(lacking, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("proposing it: %v", err)
	}
	// RFC 9420 §12.1.7 R2, §12.3 M1a, M2
	staged, err := g.Commit(CommitOptions{Add: []*KeyPackage{lacking}, Extensions: []Extension{}})
	if err != nil || len(staged.View.Extensions) != 0 || !staged.View.ExtensionsChanged {
		t.Fatalf("an Add beside extensions that demand nothing: %v", err)
	}
	g.Discard()
	l.must(g.commitAndMerge(CommitOptions{Extensions: []Extension{}}))
	// RFC 9420 §12.1.7 R1, §12.3 M2
	if _, err := g.Commit(CommitOptions{Add: []*KeyPackage{lacking}, Extensions: needs}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an Add that lacks what the same commit requires: %v", err)
	}
	l.must(g.commitAndMerge(CommitOptions{Extensions: needs}))
}

// commitAndMerge is a commit of a group that nobody else has to hear of.
func (g *Group) commitAndMerge(o CommitOptions) error {
	if _, err := g.Commit(o); err != nil {
		return err
	}
	return g.Merge()
}

// TestLifetimeOfOwnAdds: no key package is sent that has expired or is not
// valid yet; what others send is theirs to judge.
func TestLifetimeOfOwnAdds(t *testing.T) {
	t.Parallel()
	l := newLab(t, 44, 3)
	kp, _ := l.keyPackage(l.party())
	by := l.at(0)
	now := by.g.cfg.Now
	for name, at := range map[string]time.Time{"expired": kp.NotAfter().Add(time.Second), "early": kp.NotBefore().Add(-time.Second)} {
		by.g.cfg.Now = func() time.Time { return at }
		// RFC 9420 §7.3 M2
		if _, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s, committed: %v", name, err)
		}
		if _, err := by.g.ProposeAdd(kp, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s, proposed: %v", name, err)
		}
	}
	by.g.cfg.Now = now
	late := l.at(1)
	late.g.cfg.Now = func() time.Time { return kp.NotAfter().Add(time.Hour) }
	staged := l.commit(by, CommitOptions{Add: []*KeyPackage{kp}}) // RFC 9420 §5.3.2 S2
	if !staged.View.Adds[0].NotAfter.Equal(kp.NotAfter()) {
		t.Error("the view does not tell the lifetime")
	}
}

// TestResumptionSecretsAreBounded: past ones are kept as far as the
// configuration says, and the rest is gone.
func TestResumptionSecretsAreBounded(t *testing.T) {
	t.Parallel()
	l, a, _, _ := pskLab(t) // ResumptionEpochs is 2
	for range 4 {
		l.commit(a, CommitOptions{})
	}
	id, now := a.g.GroupID(), a.g.Epoch()
	for back := range uint64(4) { // RFC 9420 §8.6 S1
		if kept := len(a.g.ownResumption(id, now-back)) > 0; kept != (back <= 2) {
			t.Errorf("the resumption secret of %d epochs ago is kept: %t", back, kept)
		}
	}
}

// TestReInitComesLast: a committer prefers everything else to a ReInit, and the
// view of the commit over the ReInit alone names the group to come.
func TestReInitComesLast(t *testing.T) {
	t.Parallel()
	l, a, b, _ := pskLab(t)
	next := message.ReInit{GroupID: []byte("next"), Version: 1, Suite: 1, Extensions: tree.Extensions{{Type: 0xF0A1}}}
	propose := func(p message.Proposal) {
		msg, _ := l.proposeBy(b, p)
		l.deliver(b, msg)
		l.must(b.g.st.Keep(b.cfg.options(), reread(t, msg)))
	}
	kp, _ := l.keyPackage(l.party())
	propose(message.Proposal{Kind: ProposalAdd, KeyPackage: kp.inner})
	propose(message.Proposal{Kind: ProposalReInit, ReInit: next})
	// RFC 9420 §12.2 S2, §12.4 S1
	if v := l.commit(a, CommitOptions{}).View; v.ReInit || v.Successor != nil || len(v.Adds) != 1 {
		t.Fatalf("the ReInit went before an Add: %+v", v)
	}
	propose(message.Proposal{Kind: ProposalReInit, ReInit: next})
	v := l.commit(a, CommitOptions{}).View
	if s := v.Successor; !v.ReInit || s == nil || string(s.GroupID) != "next" || s.Version != 1 || s.Suite != 1 || len(s.Extensions) != 1 {
		t.Errorf("the successor is %+v", v.Successor)
	}
}

// otherSuite is a suite that a group of the given one does not have.
func otherSuite(id Suite) Suite {
	for _, other := range Suites() {
		if other != id {
			return other
		}
	}
	return 0
}

// TestOtherSuitesStayOut: neither key package nor Welcome of another suite that
// is known here gets into a group.
func TestOtherSuitesStayOut(t *testing.T) {
	t.Parallel()
	l := newLab(t, 54, 2)
	by, who := l.at(0), l.party()
	kp, priv := l.keyPackage(who)
	staged, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
	l.must(err)
	other := otherSuite(by.g.Suite())
	msg := bytes.Clone(staged.Welcome)
	msg[4], msg[5] = byte(other>>8), byte(other) // behind version and wire format
	// RFC 9420 §12.4.3.1 R1
	if g, err := Join(who.cfg, msg, kp, priv, nil); !errors.Is(err, ErrSuite) || g != nil {
		t.Errorf("a Welcome of %v: %v", other, err)
	}
	by.g.Discard()
	foreign, _, err := NewKeyPackage(KeyPackageOptions{
		Suite: other, Identity: []byte(who.name), Signer: who.cfg.Signer,
		NotBefore: labTime().Add(-time.Hour), NotAfter: labTime().Add(time.Hour), Rand: l.rnd,
	})
	l.must(err)
	// RFC 9420 §10.1 R1
	if _, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{foreign}}); !errors.Is(err, ErrSuite) {
		t.Errorf("committing a key package of %v: %v", other, err)
	}
	add := message.Proposal{Kind: ProposalAdd, KeyPackage: foreign.inner}
	proposal, _ := l.proposeBy(by, add)
	l.refused("a key package of another suite", proposal, ErrInvalid, by)
}

// TestReInitStays: a member that goes on after a ReInit takes nobody along.
func TestReInitStays(t *testing.T) {
	t.Parallel()
	l, a, b, c := pskLab(t)
	msg, _ := l.proposeBy(b, message.Proposal{Kind: ProposalReInit, ReInit: message.ReInit{GroupID: []byte("next"), Version: 1, Suite: 1}})
	l.deliver(b, msg)
	l.must(b.g.st.Keep(b.cfg.options(), reread(t, msg)))
	l.commit(a, CommitOptions{})
	proposal, _ := l.proposeBy(c, message.Proposal{Kind: ProposalRemove, Removed: 1})
	l.unmoved("what was sent after a ReInit", func() { // RFC 9420 §12.4.2 M2
		l.refusedByMembers("a commit after a ReInit", l.commitBy(c, forge{}), ErrInvalid, c)
		l.refusedByMembers("a proposal after a ReInit", proposal, ErrInvalid, c)
	})
	if _, err := b.g.Seal(nil, nil, 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("Seal after all that: %v", err)
	}
}

// TestCommitAloneChangesNothing: making a commit leaves everything as it was
// until Merge.
func TestCommitAloneChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, 45, 3)
	by := l.at(0)
	before, epoch := l.bytesOf(by), by.g.EpochAuthenticator()
	_, err := by.g.Commit(CommitOptions{Remove: []uint32{2}}) // RFC 9420 §14 M3
	l.must(err)
	if !bytes.Equal(by.g.EpochAuthenticator(), epoch) || len(by.g.Members()) != 3 {
		t.Error("a commit that was not merged changed the epoch")
	}
	by.g.Discard()
	if !bytes.Equal(before, l.bytesOf(by)) {
		t.Error("a commit that was discarded left something behind")
	}
	l.commit(l.at(1), CommitOptions{})
	l.agree()
}

// TestRefusedFrames: what stands around a handshake.
func TestRefusedFrames(t *testing.T) {
	t.Parallel()
	l := newLab(t, 46, 3)
	by := l.at(0)
	members := func(what string, msg []byte, want error) {
		t.Helper()
		l.unmoved(what, func() { l.refusedByMembers(what, msg, want, by) })
	}
	good := l.commitBy(by, forge{})
	// RFC 9420 §6.2 M2, §12.4.2 R2: the membership tag is the last thing
	members("another membership tag", flipped(good, len(good)-1), ErrAuthentication)
	members("no membership tag", append(bytes.Clone(good[:len(good)-33]), 0), ErrAuthentication)
	// RFC 9420 §12.4.2 R13
	members("another confirmation tag", l.commitBy(by, forge{tag: func(b []byte) { b[0] ^= 1 }}), ErrAuthentication)
	// RFC 9420 §6.1 M5, §12.4.2 R4
	members("another signature", l.commitBy(by, forge{done: func(m *message.Signed) { m.Signature[0] ^= 1 }}), ErrAuthentication)
	for _, epoch := range []uint64{by.g.Epoch() - 1, by.g.Epoch() + 1, 1<<64 - 1} {
		// RFC 9420 §12.4.2 R1
		l.refused("a commit of another epoch", l.commitBy(by, forge{body: func(m *message.Signed) { m.Epoch = epoch }}), ErrEpoch, by)
	}
	l.refused("a commit of another group", l.commitBy(by, forge{body: func(m *message.Signed) { m.GroupID = []byte("x") }}), ErrWrongGroup, by)
	// RFC 9420 §12.1 M1
	proposal, _ := l.proposeBy(by, message.Proposal{Kind: ProposalRemove, Removed: 2})
	l.commit(by, CommitOptions{})
	l.refused("a proposal of the epoch before", proposal, ErrEpoch, by)
	proposal, _ = l.proposeBy(by, message.Proposal{Kind: ProposalRemove, Removed: 2})
	m := reread(t, proposal)
	m.Signature[5] ^= 1
	st := by.g.st
	l.refused("an unsigned proposal", m.PublicMessage(st.Suite, by.g.secrets.Membership, st.Encoded), ErrAuthentication, by)
}

// TestRefusedPrivateFrames: what stands around application data.
func TestRefusedPrivateFrames(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	from := p.a.g
	send := func(spoil func(body []byte) []byte) []byte {
		t.Helper()
		body, _, err := from.signBody([]byte("x"), nil, 0)
		p.lab.must(err)
		body = spoil(body)
		sizes, err := message.Plan(len(from.st.Context.GroupID), 0, len(body), 0)
		p.lab.must(err)
		step, err := from.keys.Next(from.me, schedule.Application)
		p.lab.must(err)
		msg, err := from.sealPrivate(p.lab.rnd, &step.Key, Application, nil, body, sizes)
		p.lab.must(err)
		return msg
	}
	same := func(b []byte) []byte { return b }
	// RFC 9420 §6.3.1 M2
	refuses(t, "padding that is not zero", p.b.g, send(func(b []byte) []byte { return append(b, 0, 0, 1) }), ErrMalformed)
	refuses(t, "no auth data", p.b.g, send(func(b []byte) []byte { return b[:2] }), ErrMalformed)
	// RFC 9420 §6.3.1 M6
	refuses(t, "another signature", p.b.g, send(func(b []byte) []byte { return flipped(b, len(b)-1) }), ErrAuthentication)
	own := from.me
	for _, leaf := range []uint32{2, 77, 1<<32 - 1} { // RFC 9420 §6.3.2 M2
		from.sender, from.me = [message.SealedDataLen]byte{}, own
		body, sizes, err := from.signBody([]byte("x"), nil, 0)
		p.lab.must(err)
		from.me = leaf
		msg, err := from.sealPrivate(p.lab.rnd, &schedule.Key{}, Application, nil, body, sizes)
		p.lab.must(err)
		refuses(t, "a sender that is nobody", p.b.g, msg, ErrInvalid)
	}
	from.me = own
	opens(t, p.b.g, send(same), "x")
}

// TestReuseGuardIsFresh: a member whose state was set back seals under another
// nonce all the same.
func TestReuseGuardIsFresh(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	state := stateOf(t, p.a.g)
	nonces := map[string]bool{}
	for range 20 { // RFC 9420 §6.3.1 M4, M5
		g, err := Load(p.a.cfg, state)
		p.lab.must(err)
		msg := seal(t, g, "the same")
		r := codec.NewReader(msg)
		message.ReadHeader(r)
		h, err := message.ReadPrivate(r)
		p.lab.must(err)
		_, generation, guard, err := p.b.g.senderOf(&h)
		if err != nil || generation != 0 {
			t.Fatalf("generation %d, %v", generation, err)
		}
		nonces[string(guard[:])] = true
	}
	if len(nonces) != 20 {
		t.Errorf("20 messages of one generation have %d reuse guards", len(nonces))
	}
}

// TestCreatedGroup: what a group starts with (RFC 9420 §11).
func TestCreatedGroup(t *testing.T) {
	t.Parallel()
	who := newLab(t, 47, 1).party()
	g, err := Create(who.cfg, []byte("id"), X25519AES128GCMSHA256Ed25519, []byte("me"), []Extension{{Type: 0xF0A1}})
	if err != nil {
		t.Fatal(err)
	}
	s, tag := g.st.Suite, g.st.Tag
	for what, right := range map[string]bool{ // RFC 9420 §11 M2, M2a, M2b, M2c, M2g
		"one leaf":         g.st.Tree.Width() == 1 && string(g.Members()[0].Identity) == "me" && len(g.Extensions()) == 1,
		"its id":           string(g.GroupID()) == "id",
		"epoch 0":          g.Epoch() == 0,
		"the tree's hash":  bytes.Equal(g.TreeHash(), g.st.Tree.Hash()), // RFC 9420 §11 M2d
		"no transcript":    len(g.ConfirmedTranscriptHash()) == 0,       // RFC 9420 §11 M2e
		"a tag over it":    len(tag) == s.HashLen(),
		"the interim hash": bytes.Equal(g.st.Interim, schedule.Interim(s, nil, tag)), // RFC 9420 §11 M2h
	} {
		if !right {
			t.Errorf("a new group lacks %s", what)
		}
	}
	h, err := Create(who.cfg, []byte("id"), X25519AES128GCMSHA256Ed25519, []byte("me"), nil)
	if err != nil || bytes.Equal(g.EpochAuthenticator(), h.EpochAuthenticator()) { // RFC 9420 §11 M2f
		t.Errorf("two groups have one epoch secret: %v", err)
	}
}

// TestPackageCapabilities: a key package lists the types of its extensions,
// each once, and never a default type.
func TestPackageCapabilities(t *testing.T) {
	t.Parallel()
	l := newLab(t, 48, 1)
	who := l.party()
	kp, _, err := NewKeyPackage(KeyPackageOptions{
		Suite: X25519AES128GCMSHA256Ed25519, Identity: []byte(who.name), Signer: who.cfg.Signer,
		NotBefore: labTime(), NotAfter: labTime().Add(time.Hour), LastResort: true,
		Extensions: []uint16{0xF0A1, 1, 2, 3, 4, 5, 0xF0A1}, KeyPackageExtensions: []Extension{{Type: 0xF0A2}, {Type: 1}},
	})
	l.must(err)
	got := kp.inner.Leaf.Capabilities
	want := []uint16{tree.ExtLastResort, 0xF0A1, 0xF0A2} // RFC 9420 §7.2 M1, M1a, M1b, §10 M6
	if len(got.Extensions) != len(want) || len(got.Proposals) != 0 {
		t.Fatalf("capabilities list extensions %x and proposals %x", got.Extensions, got.Proposals)
	}
	for i, x := range want {
		if got.Extensions[i] != x {
			t.Errorf("capabilities list %x, not %x", got.Extensions, want)
		}
	}
	if len(kp.Suites()) != len(Suites()) || len(got.Versions) != 1 || len(got.Credentials) != 1 { // RFC 9420 §7.2 M2
		t.Errorf("capabilities are %+v", got)
	}
	other, _ := l.keyPackage(who)
	if bytes.Equal(other.inner.InitKey, kp.inner.InitKey) || bytes.Equal(other.inner.Leaf.EncryptionKey, kp.inner.Leaf.EncryptionKey) {
		t.Error("two key packages share a key") // RFC 9420 §10 M1
	}
}

// TestUnknownValuesAreIgnored: GREASE and other unknown values in a key package
// (RFC 9420 §13.5).
func TestUnknownValuesAreIgnored(t *testing.T) {
	t.Parallel()
	l := newLab(t, 49, 2)
	who := l.party()
	greased := l.addOf(who, func(k *tree.KeyPackage) {
		c := &k.Leaf.Capabilities
		c.Versions = append(c.Versions, 0x0A0A)
		c.Suites = append(c.Suites, 0x1A1A, 0x7777)
		c.Extensions = append(c.Extensions, 0x2A2A, 0x7778)
		c.Proposals = append(c.Proposals, 0x3A3A, 0x7779)
		c.Credentials = append(c.Credentials, 0x4A4A, 0x777A)
		k.Leaf.Extensions = append(k.Leaf.Extensions, Extension{Type: 0x2A2A, Data: []byte("grease")}, Extension{Type: 0x7778})
		k.Extensions = append(k.Extensions, Extension{Type: 0x5A5A, Data: []byte("more")}, Extension{Type: 0x777B})
	})
	w := message.Header(WireKeyPackage)
	greased.KeyPackage.Write(w)
	kp, err := ParseKeyPackage(w.Out())
	l.must(err)
	// RFC 9420 §7.2 M4, §10 M7, §13.4 M3, §13.5 M3, M4
	staged := l.commit(l.at(0), CommitOptions{Add: []*KeyPackage{kp}})
	l.agree()
	if len(staged.View.Adds) != 1 {
		t.Error("the key package was left out")
	}
	// RFC 9420 §13.2 M1, §12.2 R11: no member can make others take in a type they do not know
	forged := l.commitBy(l.at(0), forge{raw: func(b []byte) []byte {
		i := len("lab") + 1 + 8 + 5 + 1 + 1 // the list of proposals, empty
		return append(append(bytes.Clone(b[:i]), 4, 1, 0x0A, 0x0A, 0), b[i+1:]...)
	}})
	l.refused("an unknown proposal type", forged, ErrMalformed, l.at(0))
	if _, err := l.public.Process(forged); err == nil || !strings.Contains(err.Error(), "proposal type 0x0a0a") {
		t.Errorf("an unknown proposal type: %v", err)
	}
}
