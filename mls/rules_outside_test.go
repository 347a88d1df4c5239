package mls

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// outsideLab is a group in which everything from outside is switched on.
func outsideLab(t *testing.T, seed uint64) *lab {
	t.Helper()
	l := newLab(t, seed, 4)
	l.allow(func(c *Config) {
		c.AllowExternalCommits, c.AllowExternalSenders, c.AllowPSK = true, true, true
		c.AuthorizeProposal = func(*ProposalView) error { return nil }
	})
	return l
}

// outsideCommit says what is wrong with an external commit; without hooks it
// is right.
type outsideCommit struct {
	list   []message.ProposalOrRef // beside the ExternalInit
	sent   []message.Proposal      // what the references of the list are
	noInit bool
	bare   bool                   // without a path
	signer ed25519.PrivateKey     // of the message; nil: the joiner's
	leaf   func(d *tree.LeafNode) // on the draft of the joiner's leaf
	body   func(*message.Signed)  // before it is signed
}

// external builds an external commit of a client that holds the group's
// external key (RFC 9420 §12.4.3.2), and the key schedule that follows.
func (l *lab) external(who *party, o outsideCommit) (msg []byte, after *schedule.Secrets) {
	l.t.Helper()
	of := l.at(0).g
	st := of.st
	_, pub, err := st.Suite.DeriveKeyPair(of.secrets.External)
	l.must(err)
	kem, initSecret, err := st.Suite.ExternalInit(pub)
	l.must(err)
	list := o.list
	if !o.noInit {
		list = append(value(message.Proposal{Kind: ProposalExternalInit, KEMOutput: kem}), list...)
	}
	next := &schedule.Context{
		Suite: st.Context.Suite, GroupID: st.Context.GroupID, Epoch: st.Context.Epoch + 1,
		Transcript: st.Context.Transcript, Extensions: st.Context.Extensions,
	}
	t := st.Tree.Clone()
	sent := o.sent
	for _, p := range list {
		if p.Value != nil {
			sent = append(sent, *p.Value)
		}
	}
	for _, p := range sent {
		if p.Kind == ProposalRemove {
			_ = t.Remove(p.Removed)
		}
	}
	c := &message.Commit{Proposals: list}
	commitSecret := make([]byte, st.Suite.HashLen())
	if !o.bare {
		c.Path, commitSecret = l.externalPath(who, t, next, o)
	}
	next.TreeHash = t.Hash()
	m := &message.Signed{Wire: WirePublicMessage, Content: message.Content{
		GroupID: st.Context.GroupID, Epoch: st.Context.Epoch,
		Sender: message.Sender{Kind: message.SenderNewMemberCommit}, Kind: Commit, Commit: c,
	}}
	if o.body != nil {
		o.body(m)
	}
	m.Content.Encode()
	signer := o.signer
	if signer == nil {
		signer = who.cfg.Signer.(ed25519.PrivateKey)
	}
	m.Signature, err = st.Suite.SignWithLabel(l.rnd, signer, "FramedContentTBS", m.TBS(st.Encoded))
	l.must(err)
	next.Transcript = schedule.Confirmed(st.Suite, st.Interim, m.TranscriptInput())
	joiner := schedule.Joiner(st.Suite, initSecret, commitSecret, next.Bytes())
	_, after = schedule.FromJoiner(st.Suite, joiner, nil, next.Bytes())
	m.Tag = schedule.ConfirmationTag(st.Suite, after.Confirmation, next.Transcript)
	return m.PublicMessage(st.Suite, nil, st.Encoded), after
}

func (l *lab) externalPath(who *party, t *tree.Tree, next *schedule.Context, o outsideCommit) (*tree.UpdatePath, []byte) {
	l.t.Helper()
	kp, _ := l.keyPackage(who)
	draft := kp.inner.Leaf.Draft()
	if o.leaf != nil {
		o.leaf(draft)
	}
	at := t.FirstBlank()
	l.must(t.Reserve(at))
	fresh, err := t.Renew(tree.PathOptions{Sender: at, GroupID: next.GroupID, Signer: signerOf(who, draft), Rand: l.rnd, Leaf: draft})
	l.must(err)
	next.TreeHash = t.Hash()
	path, err := fresh.Seal(next.Bytes())
	l.must(err)
	return path, fresh.CommitSecret()
}

// TestExternalCommit: a client joins from outside, and comes back in place of
// its old leaf; Authorize sees who it is.
func TestExternalCommit(t *testing.T) {
	t.Parallel()
	l := outsideLab(t, 50)
	who := l.party()
	seen := 0
	for _, p := range l.parties {
		p.g.cfg.Authorize = func(v *CommitView) error { // RFC 9420 §5.3.1 M1
			if !v.External || string(v.Path.Identity) != who.name || v.Path.Leaf != v.Committer || len(v.Path.SignatureKey) == 0 {
				t.Errorf("Authorize saw %+v", v)
			}
			seen++
			return nil
		}
	}
	msg, after := l.external(who, outsideCommit{})
	for _, process := range []func([]byte) (*Received, error){l.public.Process, l.at(0).g.Process, l.at(1).g.Process, l.at(2).g.Process, l.at(3).g.Process} {
		got, err := process(msg)
		l.must(err)
		if !got.External || got.View.Committer != 4 { // RFC 9420 §12.4.2 R8
			t.Errorf("received %+v", got)
		}
	}
	l.agree()
	if seen != 4 || !bytes.Equal(l.at(0).g.EpochAuthenticator(), after.Authenticator) { // RFC 9420 §12.4.3.2 M5, §12.3 M1f
		t.Errorf("%d members asked, or the joiner is in another epoch", seen)
	}
	back, _ := l.external(who, outsideCommit{list: value(message.Proposal{Kind: ProposalRemove, Removed: 4})})
	l.deliver(nil, back)
	l.agree()
	if m := l.public.Members(); len(m) != 5 || string(m[4].Identity) != who.name {
		t.Errorf("after coming back the members are %v", m)
	}
}

// TestRefusedExternalCommits: what RFC 9420 §12.2 and §12.4.3.2 forbid.
func TestRefusedExternalCommits(t *testing.T) {
	t.Parallel()
	l := outsideLab(t, 51)
	who := l.party()
	of := func(p ...message.Proposal) outsideCommit {
		var o outsideCommit
		for _, p := range p {
			o.list = append(o.list, value(p)...)
		}
		return o
	}
	remove := func(leaf uint32) message.Proposal { return message.Proposal{Kind: ProposalRemove, Removed: leaf} }
	proposal, ref := l.proposeBy(l.at(1), remove(3))
	l.deliver(l.at(1), proposal)
	kem := message.Proposal{Kind: ProposalExternalInit, KEMOutput: make([]byte, 32)}
	for name, c := range map[string]struct {
		o    outsideCommit
		want error
	}{
		// RFC 9420 §12.2 R13
		"without ExternalInit":    {outsideCommit{noInit: true}, ErrInvalid},
		"with two ExternalInits":  {of(kem), ErrInvalid},
		"with an Add":             {of(l.addOf(l.party(), nothing)), ErrInvalid}, // RFC 9420 §12.2 R15
		"with extensions":         {of(message.Proposal{Kind: ProposalGroupContextExtensions}), ErrInvalid},
		"with an Update":          {of(message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(l.at(1), func(*tree.LeafNode) {})}), ErrInvalid},
		"that removes two":        {of(remove(1), remove(2)), ErrInvalid},                                 // RFC 9420 §12.2 R14
		"that removes another":    {of(remove(1)), ErrInvalid},                                            // RFC 9420 §12.2 M3, M4
		"by reference":            {outsideCommit{list: []message.ProposalOrRef{{Ref: ref}}}, ErrInvalid}, // RFC 9420 §12.4.3.2 M2
		"without a path":          {outsideCommit{bare: true}, ErrInvalid},                                // RFC 9420 §12.4.3.2 M1
		"signed by another":       {outsideCommit{signer: otherKey()}, ErrAuthentication},                 // RFC 9420 §12.4.3.2 M3, M4, §6.1 M1c
		"of a bad leaf":           {outsideCommit{leaf: func(d *tree.LeafNode) { d.Capabilities = tree.Capabilities{} }}, ErrInvalid},
		"sent as an external one": {outsideCommit{body: func(m *message.Signed) { m.Sender.Kind = message.SenderExternal }}, ErrInvalid}, // RFC 9420 §12.4.3.2 M6, §6.1 M2
		"sent as a proposer":      {outsideCommit{body: func(m *message.Signed) { m.Sender.Kind = message.SenderNewMemberProposal }}, ErrInvalid},
	} {
		msg, _ := l.external(who, c.o)
		l.refused("an external commit "+name, msg, c.want, nil)
	}
	// Whoever owns leaf 3 comes back by the very Remove that somebody proposed.
	back, _ := l.external(l.at(3), outsideCommit{list: []message.ProposalOrRef{{Ref: ref}}, sent: []message.Proposal{remove(3)}})
	l.refused("coming back by reference", back, ErrInvalid, nil) // RFC 9420 §12.4.3.2 M2
	m := &message.Signed{Wire: WirePublicMessage, Content: message.Content{
		GroupID: l.public.GroupID(), Epoch: l.public.Epoch(),
		Sender: message.Sender{Kind: message.SenderNewMemberCommit}, Kind: Proposal,
	}}
	p := remove(2)
	m.Proposal = &p
	l.signBy(l.at(1), m)
	l.refused("a proposal sent as an external commit", m.PublicMessage(l.public.st.Suite, nil, nil), ErrInvalid, nil) // RFC 9420 §6.1 M3
}

// TestExternalCommitOfAnybody: where identities may change, a joiner may take
// any one leaf's place, so that Authorize has to look at both.
func TestExternalCommitOfAnybody(t *testing.T) {
	t.Parallel()
	l := outsideLab(t, 55)
	l.allow(func(c *Config) { c.AllowIdentityChange = true })
	who := l.party()
	remove := func(leaf uint32) message.ProposalOrRef {
		return value(message.Proposal{Kind: ProposalRemove, Removed: leaf})[0]
	}
	two, _ := l.external(who, outsideCommit{list: []message.ProposalOrRef{remove(1), remove(2)}})
	l.refused("an external commit that removes two", two, ErrInvalid, nil) // RFC 9420 §12.2 R14
	one, _ := l.external(who, outsideCommit{list: []message.ProposalOrRef{remove(2)}})
	old := l.at(2).name
	no := errors.New("that is another")
	for _, p := range l.parties {
		p.g.cfg.Authorize = func(v *CommitView) error { // RFC 9420 §5.3.1 M2, §12.2 M4
			if len(v.Removes) != 1 || string(v.Removes[0].Identity) != old || string(v.Path.Identity) != who.name {
				t.Errorf("Authorize saw %+v", v)
			}
			return no
		}
	}
	l.refusedByMembers("a joiner in the place of another", one, ErrUnauthorized, l.at(2))
}

// fromOutside frames a proposal of one who is no member.
func (l *lab) fromOutside(sender message.Sender, key ed25519.PrivateKey, p message.Proposal) []byte {
	l.t.Helper()
	st := l.public.st
	m := &message.Signed{Wire: WirePublicMessage, Content: message.Content{
		GroupID: st.Context.GroupID, Epoch: st.Context.Epoch, Sender: sender, Kind: Proposal, Proposal: &p,
	}}
	m.Content.Encode()
	var err error
	m.Signature, err = st.Suite.SignWithLabel(l.rnd, key, "FramedContentTBS", m.TBS(st.Encoded))
	l.must(err)
	return m.PublicMessage(st.Suite, nil, st.Encoded)
}

// TestProposalsFromOutside: who may propose what (RFC 9420 §12.1.8).
func TestProposalsFromOutside(t *testing.T) {
	t.Parallel()
	l := outsideLab(t, 52)
	remove := message.Proposal{Kind: ProposalRemove, Removed: 3}
	key := otherKey()
	sender := message.Sender{Kind: message.SenderExternal}
	early := l.fromOutside(sender, key, remove)
	l.refused("an external sender in a group without any", early, ErrInvalid, nil) // RFC 9420 §12.1.8 R1
	var w codec.Writer
	w.Vector(func(w *codec.Writer) {
		w.Bytes(key.Public().(ed25519.PublicKey))
		tree.BasicCredential([]byte("the service")).Write(w)
	})
	l.commit(l.at(0), CommitOptions{Extensions: []Extension{{Type: tree.ExtExternalSenders, Data: w.Out()}}})

	update := message.Proposal{Kind: ProposalUpdate, Leaf: l.updateLeaf(l.at(1), func(*tree.LeafNode) {})}
	init := message.Proposal{Kind: ProposalExternalInit, KEMOutput: make([]byte, 32)}
	who := l.party()
	own := who.cfg.Signer.(ed25519.PrivateKey)
	add := l.addOf(who, nothing)
	newcomer := message.Sender{Kind: message.SenderNewMemberProposal}
	for name, c := range map[string]struct {
		msg  []byte
		want error
	}{
		"an Update":                  {l.fromOutside(sender, key, update), ErrMalformed}, // RFC 9420 §12.1.8 M2, §6.1 M2
		"an ExternalInit":            {l.fromOutside(sender, key, init), ErrMalformed},
		"by the second of one":       {l.fromOutside(message.Sender{Kind: message.SenderExternal, Index: 1}, key, remove), ErrInvalid},
		"by another key":             {l.fromOutside(sender, own, remove), ErrAuthentication}, // RFC 9420 §6.1 M1b
		"a Remove by a newcomer":     {l.fromOutside(newcomer, own, remove), ErrInvalid},      // RFC 9420 §6.1 M4
		"an Add by another newcomer": {l.fromOutside(newcomer, key, add), ErrAuthentication},  // RFC 9420 §6.1 M1d
	} {
		l.refused(name, c.msg, c.want, nil)
	}
	for _, p := range l.parties {
		p.g.cfg.AuthorizeProposal = func(v *ProposalView) error {
			if v.External && v.Type == ProposalAdd {
				return errors.New("nobody asked for you")
			}
			return nil
		}
	}
	// RFC 9420 §12.1.8 R2
	l.refusedByMembers("an Add that is not authorized", l.fromOutside(newcomer, own, add), ErrUnauthorized, nil)
	l.deliver(nil, l.fromOutside(sender, key, remove))
	if v := l.commit(l.at(1), CommitOptions{}).View; len(v.Removes) != 1 {
		t.Errorf("the service's Remove was left out: %+v", v)
	}
}

// welcomeForge says what is wrong with a Welcome that is signed, tagged and
// sealed with real keys; without hooks it is right.
type welcomeForge struct {
	context func(*schedule.Context)
	tag     func([]byte)
	info    func(*message.GroupInfo) // before it is signed
	secrets func(*message.GroupSecrets)
	psk     []byte
	signer  *party
}

// welcome adds the owner of a key package by a commit that nobody else sees.
func (l *lab) welcome(by *party, added, to *KeyPackage, priv *KeyPackagePrivate, f welcomeForge) []byte {
	l.t.Helper()
	pending, err := by.g.makeCommit(CommitOptions{Add: []*KeyPackage{added}})
	l.must(err)
	next := pending.next.st
	s, context := next.Suite, *next.Context
	if f.context != nil {
		f.context(&context)
	}
	in := message.GroupSecrets{Joiner: bytes.Repeat([]byte{9}, s.HashLen())}
	if added == to {
		m, err := message.ParseWelcome(bytes.Clone(pending.staged.Welcome))
		l.must(err)
		initKey, err := priv.initKey(to)
		l.must(err)
		real, err := openSecrets(m, to.Ref(), initKey, s)
		l.must(err)
		in.PathSecret = real.PathSecret
	}
	if f.secrets != nil {
		f.secrets(&in)
	}
	var psk []byte
	if len(in.PSKs) > 0 {
		psk = schedule.PSKSecret(s, in.PSKs, [][]byte{bytes.Clone(f.psk)})
	}
	welcomeSecret, secrets := schedule.FromJoiner(s, in.Joiner, psk, context.Bytes())
	tag := schedule.ConfirmationTag(s, secrets.Confirmation, context.Transcript)
	if f.tag != nil {
		f.tag(tag)
	}
	info := message.NewGroupInfo(&context, tag, by.g.Me(), tree.Extensions{{Type: tree.ExtRatchetTree, Data: next.Tree.Bytes()}})
	if f.info != nil {
		f.info(info)
		info = message.NewGroupInfo(&context, info.Tag, info.Signer, info.Extensions)
	}
	signer := by
	if f.signer != nil {
		signer = f.signer
	}
	l.must(info.Sign(s, l.rnd, signer.cfg.Signer))
	w := codec.NewWriter(nil)
	info.Write(w)
	key, nonce := schedule.WelcomeKeys(s, welcomeSecret)
	aead, err := s.AEAD(key)
	l.must(err)
	m := &message.Welcome{Suite: s.ID(), Info: aead.Seal(nil, nonce, w.Out(), nil)}
	kem, ct, err := s.EncryptWithLabel(to.inner.InitKey, "Welcome", m.Info, in.Encode())
	l.must(err)
	m.Secrets = []message.WelcomeSecret{{Ref: to.Ref(), Sealed: tree.Ciphertext{KEMOutput: kem, Ciphertext: ct}}}
	out := message.Header(WireWelcome)
	m.Write(out)
	return out.Out()
}

// TestRefusedWelcomes: each check of a joiner (RFC 9420 §12.4.3.1) against a
// member who forges with real keys.
func TestRefusedWelcomes(t *testing.T) {
	t.Parallel()
	l := newLab(t, 53, 3)
	by, who, stranger := l.at(0), l.party(), l.party()
	kp, priv := l.keyPackage(who)
	elsewhere, _ := l.keyPackage(stranger)
	cfg := who.cfg
	cfg.AllowPSK, cfg.AllowReInit, cfg.AllowBranch = true, true, true
	cfg.ResumptionPSK = func([]byte, uint64) ([]byte, error) { return []byte("old"), nil }
	psk := func(id schedule.PSKID) func(*message.GroupSecrets) {
		id.Nonce = make([]byte, 32)
		return func(g *message.GroupSecrets) { g.PSKs = []schedule.PSKID{id} }
	}
	reInit := psk(schedule.PSKID{Type: schedule.PSKResumption, Usage: schedule.UsageReInit, GroupID: []byte("old"), Epoch: 7})
	branch := psk(schedule.PSKID{Type: schedule.PSKResumption, Usage: schedule.UsageBranch, GroupID: []byte("old"), Epoch: 7})
	for name, c := range map[string]struct {
		added *KeyPackage
		f     welcomeForge
		want  error
	}{
		"as it should be": {kp, welcomeForge{}, nil},
		// RFC 9420 §12.4.3 M1, §13.4 M4
		"an extension that nobody knows": {kp, welcomeForge{info: func(g *message.GroupInfo) {
			g.Extensions = append(g.Extensions, Extension{Type: 0x6A6A, Data: []byte("x")})
		}}, nil},
		"an extension twice": {kp, welcomeForge{info: func(g *message.GroupInfo) { // RFC 9420 §13.4 M5
			g.Extensions = append(g.Extensions, Extension{Type: 0x6A6A}, Extension{Type: 0x6A6A})
		}}, ErrMalformed},
		// RFC 9420 §12.4.3 M2, §13.4 M8, M9, M10
		"a group extension that the joiner lacks": {kp, welcomeForge{context: func(c *schedule.Context) {
			c.Extensions = append(c.Extensions, Extension{Type: 0xF0A1})
		}}, ErrInvalid},
		"another tag":       {kp, welcomeForge{tag: func(b []byte) { b[0] ^= 1 }}, ErrAuthentication},                             // RFC 9420 §12.4.3.1 R14
		"a blank signer":    {kp, welcomeForge{info: func(g *message.GroupInfo) { g.Signer = 6 }}, ErrInvalid},                    // RFC 9420 §12.4.3.1 R4
		"another signer":    {kp, welcomeForge{info: func(g *message.GroupInfo) { g.Signer = 1 }}, ErrAuthentication},             // RFC 9420 §12.4.3 M4
		"another signature": {kp, welcomeForge{signer: l.at(1)}, ErrAuthentication},                                               // RFC 9420 §12.4.3.1 R4
		"another tree hash": {kp, welcomeForge{context: func(c *schedule.Context) { c.TreeHash = make([]byte, 32) }}, ErrInvalid}, // RFC 9420 §12.4.3.1 R7, §12.4.3.3 M3
		"another suite":     {kp, welcomeForge{context: func(c *schedule.Context) { c.Suite = 0x7777 }}, ErrSuite},                // RFC 9420 §12.4.3.1 R6
		"another group":     {kp, welcomeForge{context: func(c *schedule.Context) { c.GroupID = []byte("x") }}, ErrInvalid},
		"for one not added": {elsewhere, welcomeForge{}, ErrInvalid}, // RFC 9420 §12.4.3.1 R13
		"a path secret of nothing": {kp, welcomeForge{secrets: func(g *message.GroupSecrets) { // RFC 9420 §12.4.3.1 M2
			g.PathSecret = make([]byte, 32)
		}}, ErrInvalid},
		// RFC 9420 §12.4.3.1 R15, §11.2 M2
		"a successor that does not start": {kp, welcomeForge{secrets: reInit, psk: []byte("old")}, ErrInvalid},
		// RFC 9420 §12.4.3.1 R15, §11.3 M3
		"a subgroup that does not start": {kp, welcomeForge{secrets: branch, psk: []byte("old")}, ErrInvalid},
		"a key that the joiner lacks": {kp, welcomeForge{ // RFC 9420 §12.4.3.1 R2
			secrets: psk(schedule.PSKID{Type: schedule.PSKExternal, ID: []byte("x")}), psk: []byte("x"),
		}, ErrInvalid},
		"a key that the joiner has otherwise": {kp, welcomeForge{
			secrets: psk(schedule.PSKID{Type: schedule.PSKResumption, Usage: schedule.UsageApplication, GroupID: []byte("old")}), psk: []byte("new"),
		}, ErrAuthentication},
	} {
		g, err := Join(cfg, l.welcome(by, c.added, kp, priv, c.f), kp, priv, nil)
		if !errors.Is(err, c.want) || (g != nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
