package mls

import (
	"bytes"
	"errors"
	"testing"

	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// addOf is an Add of a fresh client, changed before it is signed.
func (l *lab) addOf(p *party, change func(*tree.KeyPackage)) message.Proposal {
	l.t.Helper()
	kp, _ := l.keyPackage(p)
	k := &tree.KeyPackage{
		Version: kp.inner.Version, Suite: kp.inner.Suite, InitKey: kp.inner.InitKey,
		Leaf: kp.inner.Leaf.Draft(), Extensions: kp.inner.Extensions,
	}
	change(k)
	s := l.public.st.Suite
	l.must(k.Leaf.Sign(s, l.rnd, p.cfg.Signer, nil, 0))
	l.must(k.Sign(s, l.rnd, p.cfg.Signer))
	return message.Proposal{Kind: ProposalAdd, KeyPackage: k}
}

func nothing(*tree.KeyPackage) {}

// TestRefusedLists: proposal lists that RFC 9420 §12.2 forbids, each in a
// commit that is right in everything else, are refused by every member and the
// tracker, and move nothing.
// RFC 9420 §12.2 M1, M2, §12.4 M2, §12.4.2 R5
func TestRefusedLists(t *testing.T) {
	t.Parallel()
	l := newLab(t, 30, 4)
	by := l.at(0)
	remove := func(leaf uint32) message.Proposal { return message.Proposal{Kind: ProposalRemove, Removed: leaf} }
	extensions := func(e ...Extension) message.Proposal {
		return message.Proposal{Kind: ProposalGroupContextExtensions, Extensions: e}
	}
	add := l.addOf(l.party(), nothing)
	psk := func(change func(*schedule.PSKID)) message.Proposal {
		id := schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("x"), Nonce: make([]byte, 32)}
		change(&id)
		return message.Proposal{Kind: ProposalPSK, PSK: id}
	}
	renamed := l.party()
	renamed.cfg.Signer = l.at(1).cfg.Signer
	for name, c := range map[string]struct {
		want error
		list []message.Proposal
	}{
		"Remove of nobody":        {ErrInvalid, []message.Proposal{remove(77)}},                                                                                // RFC 9420 §12.1.3 R1, §12.2 R1
		"Remove twice":            {ErrInvalid, []message.Proposal{remove(1), remove(1)}},                                                                      // RFC 9420 §12.2 R4
		"own Update":              {ErrInvalid, []message.Proposal{{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, func(*tree.LeafNode) {})}}},                   // RFC 9420 §12.2 R2
		"one client twice":        {ErrInvalid, []message.Proposal{add, add}},                                                                                  // RFC 9420 §12.2 R5
		"a member's key":          {ErrInvalid, []message.Proposal{l.addOf(renamed, nothing)}},                                                                 // RFC 9420 §12.2 R6, §7.3 R8, §16.7 M1
		"extensions twice":        {ErrInvalid, []message.Proposal{extensions(), extensions()}},                                                                // RFC 9420 §12.2 R8
		"unsupported extension":   {ErrInvalid, []message.Proposal{extensions(Extension{Type: 0xf0a1})}},                                                       // RFC 9420 §13.4 M10
		"unsupported requirement": {ErrInvalid, []message.Proposal{extensions(Extension{Type: 3, Data: tree.Required{Extensions: []uint16{0xf0a1}}.Bytes()})}}, // RFC 9420 §12.1.7 R1
		"unreadable requirement":  {ErrInvalid, []message.Proposal{extensions(Extension{Type: 3, Data: []byte{9}})}},
		"PSK":                     {ErrNotAllowed, []message.Proposal{psk(func(*schedule.PSKID) {})}},
		"ReInit":                  {ErrNotAllowed, []message.Proposal{{Kind: ProposalReInit, ReInit: message.ReInit{Version: 1, Suite: 1}}}},
		"ExternalInit":            {ErrInvalid, []message.Proposal{{Kind: ProposalExternalInit, KEMOutput: make([]byte, 32)}}},      // RFC 9420 §12.1.6 R1, §12.2 R10
		"wrong version":           {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { k.Version = 2 })}}, // RFC 9420 §10 M4, §10.1 R1, §12.1.1 R1
		"wrong suite":             {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { k.Suite = 2 })}},   // RFC 9420 §10.1 R1
		"one key twice": {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { // RFC 9420 §10.1 R4
			k.InitKey = k.Leaf.EncryptionKey
		})}},
		"a member's encryption key": {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { // RFC 9420 §7.3 R9, §16.7 M1
			k.Leaf.EncryptionKey = by.g.st.Tree.Leaf(1).EncryptionKey
		})}},
		"no capabilities": {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { // RFC 9420 §7.2 M3, §10.1 R2
			k.Leaf.Capabilities = tree.Capabilities{}
		})}},
		"x509": {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { // RFC 9420 §7.3 R1, R3
			k.Leaf.Credential = tree.Credential{Type: tree.CredentialX509}
			k.Leaf.Capabilities.Credentials = []uint16{1, 2}
		})}},
		"Update as key package": {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { // RFC 9420 §7.3 R5, §10 M5
			k.Leaf.Source = tree.SourceUpdate
		})}},
		"lifetime backwards": {ErrInvalid, []message.Proposal{l.addOf(l.party(), func(k *tree.KeyPackage) { // RFC 9420 §12.2 R12
			k.Leaf.Lifetime = tree.Lifetime{NotBefore: 2, NotAfter: 1}
		})}},
	} {
		var list []message.ProposalOrRef
		for _, p := range c.list {
			list = append(list, value(p)...)
		}
		l.refused(name, l.commitBy(by, forge{list: list}), c.want, by)
	}
	l.commit(by, CommitOptions{})
	l.agree()
}

// TestRefusedAddSignature: every bit of a key package counts.
// RFC 9420 §10 M3, §10.1 R3
func TestRefusedAddSignature(t *testing.T) {
	t.Parallel()
	l := newLab(t, 31, 2)
	by := l.at(0)
	add := l.addOf(l.party(), nothing)
	raw := add.KeyPackage.Bytes()
	for i := 0; i < len(raw); i += 5 {
		b := bytes.Clone(raw)
		b[i] ^= 0x10
		k, err := tree.ParseKeyPackage(b)
		if err != nil {
			continue
		}
		msg := l.commitBy(by, forge{list: value(message.Proposal{Kind: ProposalAdd, KeyPackage: k})})
		if _, _, err := l.public.Stage(msg); !errors.Is(err, ErrInvalid) {
			t.Errorf("bit of byte %d: %v", i, err)
		}
	}
}

// TestRefusedShapes: commits whose frame is wrong.
func TestRefusedShapes(t *testing.T) {
	t.Parallel()
	l := newLab(t, 32, 3)
	by := l.at(0)
	l.refused("an unknown reference", l.commitBy(by, forge{list: []message.ProposalOrRef{{Ref: make([]byte, 32)}}}), ErrInvalid, by) // RFC 9420 §12.4.2 R5
	l.refused("no path and no proposal", l.commitBy(by, forge{bare: true}), ErrInvalid, by)                                          // RFC 9420 §12.4 R1, §12.4.2 R7
	l.refused("a Remove without path", l.commitBy(by, forge{bare: true, list: value(message.Proposal{Kind: ProposalRemove, Removed: 1})}), ErrInvalid, by)
	l.refused("extensions without path", l.commitBy(by, forge{bare: true, list: value(message.Proposal{Kind: ProposalGroupContextExtensions})}), ErrInvalid, by)
	as := message.Sender{Kind: message.SenderMember, Index: 1}
	l.unmoved("another's name", func() { // RFC 9420 §6.1 M1a, M5
		if _, err := l.public.Process(l.commitBy(by, forge{as: &as})); !errors.Is(err, ErrAuthentication) {
			t.Errorf("another's name: %v", err)
		}
	})
	as = message.Sender{Kind: message.SenderMember, Index: 99}
	l.refused("nobody's name", l.commitBy(by, forge{as: &as}), ErrInvalid, by)
	l.refused("application data in clear", l.applicationInClear(by), ErrInvalid, by)                                                       // RFC 9420 §6 M1
	l.refused("a path shorter", l.commitBy(by, forge{path: func(p *tree.UpdatePath) { p.Nodes = p.Nodes[:1] }}), ErrInvalid, by)           // RFC 9420 §7.6 M2
	l.refused("a path of others", l.commitBy(by, forge{path: func(p *tree.UpdatePath) { p.Leaf = by.g.st.Tree.Leaf(1) }}), ErrInvalid, by) // RFC 9420 §7.3 R7, §12.4.2 M1
	for name, msg := range map[string][]byte{
		"nothing": nil, "one byte": {0}, "another version": {0, 2, 0, 1}, "another format": {0, 1, 0, 9},
	} {
		l.refused(name, msg, ErrMalformed, by)
	}
	private, err := by.g.Seal([]byte("x"), nil, 0)
	l.must(err)
	if _, err := l.public.Process(private); !errors.Is(err, ErrInvalid) {
		t.Errorf("the tracker about a private message: %v", err)
	}
}

func (l *lab) applicationInClear(p *party) []byte {
	st := p.g.st
	m := &message.Signed{Wire: WirePublicMessage, Content: message.Content{
		GroupID: st.Context.GroupID, Epoch: st.Context.Epoch,
		Sender: message.Sender{Kind: message.SenderMember, Index: p.g.Me()}, Kind: Application, Data: []byte("x"),
	}}
	l.signBy(p, m)
	return m.PublicMessage(st.Suite, p.g.secrets.Membership, st.Encoded)
}

// TestRefusedProposals: proposals sent by reference are checked when they come.
func TestRefusedProposals(t *testing.T) {
	t.Parallel()
	l := newLab(t, 33, 3)
	by := l.at(0)
	propose := func(p message.Proposal) []byte {
		msg, _ := l.proposeBy(by, p)
		return msg
	}
	l.refused("Remove of nobody", propose(message.Proposal{Kind: ProposalRemove, Removed: 50}), ErrInvalid, by)
	l.refused("ExternalInit", propose(message.Proposal{Kind: ProposalExternalInit}), ErrInvalid, by)
	l.refused("PSK", propose(message.Proposal{Kind: ProposalPSK, PSK: schedule.PSKID{Type: schedule.PSKExternal, Nonce: make([]byte, 32)}}), ErrNotAllowed, by)
	l.refused("an Update that keeps the key", propose(message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, func(d *tree.LeafNode) { // RFC 9420 §7.3 R6, §12.1.2 R1
		d.EncryptionKey = by.g.st.Tree.Leaf(0).EncryptionKey
	})}), ErrInvalid, by)
	l.refused("an Update with another's key", propose(message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(by, func(d *tree.LeafNode) { // RFC 9420 §7.3 R9
		d.EncryptionKey = by.g.st.Tree.Leaf(2).EncryptionKey
	})}), ErrInvalid, by)
	good := propose(message.Proposal{Kind: ProposalRemove, Removed: 2})
	l.deliver(by, good)
	l.refused("a proposal again", good, ErrReplay, by)
}

// TestTrackerBoundsProposals: no member fills the memory of the others.
func TestTrackerBoundsProposals(t *testing.T) {
	t.Parallel()
	l := newLab(t, 34, 3)
	by := l.at(0)
	kept := 0
	for range 40 {
		leaf := l.updateLeaf(by, func(*tree.LeafNode) {})
		msg, _ := l.proposeBy(by, message.Proposal{Kind: ProposalUpdate, Leaf: leaf})
		_, err := l.public.Process(msg)
		for _, leaf := range []uint32{1, 2} {
			if _, also := l.at(leaf).g.Process(msg); (err == nil) != (also == nil) {
				t.Fatalf("the tracker says %v, a member %v", err, also)
			}
		}
		if err == nil {
			kept++
		}
	}
	if kept == 0 || kept > 16 {
		t.Errorf("%d proposals of one member were kept", kept)
	}
	staged, err := l.at(1).g.Commit(CommitOptions{})
	l.must(err)
	_, err = l.public.Process(staged.Commit)
	l.must(err)
	b, err := l.public.MarshalBinary()
	l.must(err)
	if len(b) > 3000+longerKeys(5) {
		t.Errorf("after the commit the tracker has %d bytes", len(b))
	}
}

// TestAuthorizeRefuses: the application's refusal stops a commit and a
// proposal, and moves nothing.
// RFC 9420 §5.3.1 M1
func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t, 35, 3)
	by := l.at(0)
	no := errors.New("not at night")
	commits := func(v *CommitView) error {
		if v.Committer != 0 || !v.HasPath || len(v.Removes) != 1 || v.Removes[0].Leaf != 2 {
			t.Errorf("Authorize saw %+v", v)
		}
		return no
	}
	l.public.cfg.Authorize = commits
	for _, p := range l.parties {
		p.g.cfg.Authorize = commits
		p.g.cfg.AuthorizeProposal = func(*ProposalView) error { return no }
	}
	l.public.cfg.AuthorizeProposal = func(*ProposalView) error { return no }
	msg := l.commitBy(by, forge{list: value(message.Proposal{Kind: ProposalRemove, Removed: 2})})
	l.refused("an unauthorized commit", msg, ErrUnauthorized, by)
	proposed, _ := l.proposeBy(by, message.Proposal{Kind: ProposalRemove, Removed: 2})
	l.refused("an unauthorized proposal", proposed, ErrUnauthorized, by)
	if _, err := by.g.Commit(CommitOptions{Remove: []uint32{2}}); !errors.Is(err, ErrUnauthorized) || by.g.Pending() {
		t.Errorf("making an unauthorized commit: %v", err)
	}
}
