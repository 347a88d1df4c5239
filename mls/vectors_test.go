package mls

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
	"primum/mls/internal/vectors"
)

func sameBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

// TestMessageVectors runs messages.json of the working group: every structure
// decodes and encodes to the same bytes.
func TestMessageVectors(t *testing.T) {
	t.Parallel()
	vectors.Each(t, "messages", func(t *testing.T, _ int, row map[string]vectors.Hex) bool {
		for name, value := range row {
			got, err := recode(name, value)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			sameBytes(t, name, got, value)
		}
		return true
	})
}

// recode decodes a structure of messages.json and encodes it again.
func recode(name string, in []byte) ([]byte, error) {
	r := codec.NewReader(in)
	var w codec.Writer
	switch name {
	case "mls_welcome", "mls_group_info", "mls_key_package", "public_message_application",
		"public_message_proposal", "public_message_commit", "private_message":
		return recodeMessage(in)
	case "ratchet_tree":
		s, _ := suite.ByID(suite.X25519AES128GCM)
		t, err := tree.Parse(s, in)
		if err != nil {
			return nil, err
		}
		return t.Bytes(), nil
	case "group_secrets":
		g, err := message.ReadGroupSecrets(in)
		if err != nil {
			return nil, err
		}
		return g.Encode(), nil
	case "commit":
		message.ReadCommit(r).Write(&w)
	default:
		p, err := readProposalBody(name, in)
		if err != nil {
			return nil, err
		}
		p.Write(&w)
		return w.Out()[2:], nil
	}
	return w.Out(), r.Close()
}

// readProposalBody reads one kind of proposal, which the file has without its
// type.
func readProposalBody(name string, in []byte) (message.Proposal, error) {
	kinds := map[string]uint16{
		"add_proposal": ProposalAdd, "update_proposal": ProposalUpdate, "remove_proposal": ProposalRemove,
		"pre_shared_key_proposal": ProposalPSK, "re_init_proposal": ProposalReInit,
		"external_init_proposal":            ProposalExternalInit,
		"group_context_extensions_proposal": ProposalGroupContextExtensions,
	}
	kind, ok := kinds[name]
	if !ok {
		return message.Proposal{}, errors.New("no structure of this name is known")
	}
	r := codec.NewReader(append([]byte{byte(kind >> 8), byte(kind)}, in...))
	p := message.ReadProposal(r)
	return p, r.Close()
}

func recodeMessage(in []byte) ([]byte, error) {
	r := codec.NewReader(in)
	wire := message.ReadHeader(r)
	w := message.Header(wire)
	switch wire {
	case WirePublicMessage:
		m, tag, err := message.ReadPublic(r)
		if err != nil {
			return nil, err
		}
		m.Encode() // instead of the bytes that were read
		w.Fixed(m.Raw)
		m.WriteAuth(w)
		if m.Sender.Kind == message.SenderMember {
			w.Bytes(tag)
		}
	case WirePrivateMessage:
		h, err := message.ReadPrivate(r)
		if err != nil {
			return nil, err
		}
		w.Bytes(h.GroupID)
		w.U64(h.Epoch)
		w.U8(uint8(h.Kind))
		w.Bytes(h.AAD)
		w.Bytes(h.SenderData)
		w.Bytes(h.Ciphertext)
	case WireWelcome:
		message.ReadWelcome(r).Write(w)
	case WireGroupInfo:
		g := message.ReadGroupInfo(r)
		w.Fixed(g.Context.Bytes())
		g.Extensions.Write(w)
		w.Bytes(g.Tag)
		w.U32(g.Signer)
		w.Bytes(g.Signature)
	case WireKeyPackage:
		if kp := tree.ReadKeyPackage(r); r.Err() == nil {
			kp.Write(w)
		}
	}
	if _, err := Peek(in); err != nil {
		return nil, err
	}
	return w.Out(), r.Close()
}

type protectionRow struct {
	CipherSuite     uint16      `json:"cipher_suite"`
	GroupID         vectors.Hex `json:"group_id"`
	Epoch           uint64
	TreeHash        vectors.Hex `json:"tree_hash"`
	Transcript      vectors.Hex `json:"confirmed_transcript_hash"`
	SignaturePriv   vectors.Hex `json:"signature_priv"`
	SignaturePub    vectors.Hex `json:"signature_pub"`
	Encryption      vectors.Hex `json:"encryption_secret"`
	SenderData      vectors.Hex `json:"sender_data_secret"`
	Membership      vectors.Hex `json:"membership_key"`
	Proposal        vectors.Hex
	ProposalPub     vectors.Hex `json:"proposal_pub"`
	ProposalPriv    vectors.Hex `json:"proposal_priv"`
	Commit          vectors.Hex
	CommitPub       vectors.Hex `json:"commit_pub"`
	CommitPriv      vectors.Hex `json:"commit_priv"`
	Application     vectors.Hex
	ApplicationPriv vectors.Hex `json:"application_priv"`
}

// TestMessageProtection runs message-protection.json of the working group.
// RFC 9420 §6.2 M1, §6.3.1 M6, §12.4.2 R3
func TestMessageProtection(t *testing.T) {
	t.Parallel()
	vectors.Each(t, "message-protection", func(t *testing.T, _ int, row protectionRow) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		row.checkPublic(t, s, row.Proposal, row.ProposalPub)
		row.checkPublic(t, s, row.Commit, row.CommitPub)
		row.checkPrivate(t, s, Proposal, row.Proposal, row.ProposalPriv)
		row.checkPrivate(t, s, Commit, row.Commit, row.CommitPriv)
		row.checkPrivate(t, s, Application, row.Application, row.ApplicationPriv)
		row.checkNoPublicApplication(t, s)
		return true
	})
}

// group is member me of the two of the row.
func (row *protectionRow) group(t *testing.T, s *suite.Suite, me uint32) *Group {
	t.Helper()
	c := &schedule.Context{Suite: row.CipherSuite, GroupID: row.GroupID, Epoch: row.Epoch, TreeHash: row.TreeHash, Transcript: row.Transcript}
	key := ed25519.NewKeyFromSeed(row.SignaturePriv)
	leaf, _, err := newLeaf(s, rand.Reader, key, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf.Source = tree.SourceUpdate
	if err := leaf.Sign(s, rand.Reader, key, row.GroupID, 1); err != nil {
		t.Fatal(err)
	}
	nodes := tree.New(s, leaf)
	if _, err := nodes.Add(leaf); err != nil {
		t.Fatal(err)
	}
	st := public.NewState(s, c, nodes, nil)
	secrets := &schedule.Secrets{SenderData: bytes.Clone(row.SenderData), Membership: bytes.Clone(row.Membership)}
	return &Group{&inside{
		cfg: Config{Signer: key}.withDefaults(),
		core: &core{
			st: st, me: me, secrets: secrets, keys: schedule.NewTree(s, bytes.Clone(row.Encryption), 2),
			private: tree.NewPrivate(me, nil),
		},
	}}
}

func (row *protectionRow) checkPublic(t *testing.T, s *suite.Suite, want, msg []byte) {
	t.Helper()
	receiver := row.group(t, s, 0)
	sameBytes(t, "public content", row.openPublic(t, receiver, msg), want)
	sender := row.group(t, s, 1)
	m := &message.Signed{Wire: WirePublicMessage, Content: sender.content(Commit, []byte("aad"))}
	m.Tag = make([]byte, s.HashLen())
	r := codec.NewReader(want)
	if bytes.Equal(want, row.Proposal) {
		m.Kind = Proposal
	}
	m.ReadBody(r)
	if err := errors.Join(r.Close(), sender.sign(m)); err != nil {
		t.Fatal(err)
	}
	out := m.PublicMessage(s, row.Membership, sender.st.Encoded)
	sameBytes(t, "public content made here", row.openPublic(t, receiver, out), want)
}

// openPublic verifies a PublicMessage as Process does, and gives its content.
func (row *protectionRow) openPublic(t *testing.T, g *Group, msg []byte) []byte {
	t.Helper()
	r := codec.NewReader(msg)
	message.ReadHeader(r)
	m, tag, err := message.ReadPublic(r)
	if err != nil {
		t.Fatal(err)
	}
	if !g.st.Suite.VerifyMAC(row.Membership, m.MembershipInput(g.st.Encoded), tag) {
		t.Error("membership tag does not verify")
	}
	if err := g.st.Verify(g.cfg.options(), m); err != nil {
		t.Error(err)
	}
	return body(m)
}

func body(m *message.Signed) []byte {
	var w codec.Writer
	switch m.Kind {
	case Application:
		return m.Data
	case Proposal:
		m.Proposal.Write(&w)
	case Commit:
		m.Commit.Write(&w)
	}
	return w.Out()
}

func (row *protectionRow) checkPrivate(t *testing.T, s *suite.Suite, kind Kind, want, msg []byte) {
	t.Helper()
	sameBytes(t, "private content", row.openPrivate(t, row.group(t, s, 0), msg), want)

	sender := row.group(t, s, 1)
	m := &message.Signed{Wire: WirePrivateMessage, Content: sender.content(kind, []byte("aad"))}
	if m.Kind == Commit {
		m.Tag = make([]byte, s.HashLen())
	}
	var w codec.Writer
	if kind == Application {
		m.Data = want
		w.Bytes(want)
	} else {
		m.ReadBody(codec.NewReader(want))
		w.Fixed(want)
	}
	if err := sender.sign(m); err != nil {
		t.Fatal(err)
	}
	m.WriteAuth(&w)
	out := row.protect(t, sender, m, w.Out())
	sameBytes(t, "private content made here", row.openPrivate(t, row.group(t, s, 0), out), want)
}

func (row *protectionRow) protect(t *testing.T, g *Group, m *message.Signed, body []byte) []byte {
	t.Helper()
	ratchet := schedule.Handshake
	if m.Kind == Application {
		ratchet = schedule.Application
	}
	step, err := g.keys.Next(g.me, ratchet)
	if err != nil {
		t.Fatal(err)
	}
	p, err := message.Plan(len(row.GroupID), len(m.AAD), len(body), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.sealPrivate(nil, &step.Key, m.Kind, m.AAD, body, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (row *protectionRow) openPrivate(t *testing.T, g *Group, msg []byte) []byte {
	t.Helper()
	r := codec.NewReader(msg)
	message.ReadHeader(r)
	h, err := message.ReadPrivate(r)
	if err != nil {
		t.Fatal(err)
	}
	m, step, err := g.openPrivate(&h, g.cfg.limits())
	if err != nil {
		t.Fatal(err)
	}
	g.keys.Consume(step)
	return body(m)
}

// checkNoPublicApplication: application data never leaves as, nor is taken
// from, a PublicMessage.
func (row *protectionRow) checkNoPublicApplication(t *testing.T, s *suite.Suite) {
	t.Helper()
	sender, receiver := row.group(t, s, 1), row.group(t, s, 0)
	m := &message.Signed{Wire: WirePublicMessage, Content: sender.content(Application, nil)}
	m.Data = row.Application
	if err := sender.sign(m); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Process(m.PublicMessage(s, row.Membership, sender.st.Encoded)); !errors.Is(err, ErrInvalid) {
		t.Errorf("application data in a public message: %v", err)
	}
}

// TestWelcomeVectors runs welcome.json of the working group.
func TestWelcomeVectors(t *testing.T) {
	t.Parallel()
	type row struct {
		CipherSuite uint16      `json:"cipher_suite"`
		InitPriv    vectors.Hex `json:"init_priv"`
		SignerPub   vectors.Hex `json:"signer_pub"`
		KeyPackage  vectors.Hex `json:"key_package"`
		Welcome     vectors.Hex
	}
	vectors.Each(t, "welcome", func(t *testing.T, _ int, row row) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		kp, err := ParseKeyPackage(row.KeyPackage)
		if err != nil {
			t.Fatal(err)
		}
		if !WelcomeFor(row.Welcome, kp.Ref()) {
			t.Error("the Welcome is not for the key package")
		}
		m, err := message.ParseWelcome(row.Welcome)
		if err != nil {
			t.Fatal(err)
		}
		initKey, err := s.PrivateKey(row.InitPriv)
		if err != nil {
			t.Fatal(err)
		}
		in, err := openSecrets(m, kp.Ref(), initKey, s)
		if err != nil {
			t.Fatal(err)
		}
		info, err := openInfo(m, s, in.Joiner, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.VerifyWithLabel(row.SignerPub, "GroupInfoTBS", info.Unsigned, info.Signature); err != nil {
			t.Error(err)
		}
		_, secrets := schedule.FromJoiner(s, in.Joiner, nil, info.Context.Bytes())
		if !schedule.CheckConfirmation(s, secrets.Confirmation, info.Context.Transcript, info.Tag) {
			t.Error("confirmation tag does not verify")
		}
		return true
	})
}

type passiveRow struct {
	CipherSuite uint16 `json:"cipher_suite"`
	PSKs        []struct {
		ID  vectors.Hex `json:"psk_id"`
		PSK vectors.Hex `json:"psk"`
	} `json:"external_psks"`
	KeyPackage     vectors.Hex  `json:"key_package"`
	SignaturePriv  vectors.Hex  `json:"signature_priv"`
	EncryptionPriv vectors.Hex  `json:"encryption_priv"`
	InitPriv       vectors.Hex  `json:"init_priv"`
	Welcome        vectors.Hex  `json:"welcome"`
	RatchetTree    *vectors.Hex `json:"ratchet_tree"`
	Initial        vectors.Hex  `json:"initial_epoch_authenticator"`
	Epochs         []struct {
		Proposals     []vectors.Hex
		Commit        vectors.Hex
		Authenticator vectors.Hex `json:"epoch_authenticator"`
	}
}

// TestPassiveClients runs the passive-client files of the working group and the
// recordings of interoperability runs. After each step the state is written
// and loaded again.
// RFC 9420 §6.1 M1, §12.3 M1b, §12.4.2 R14
func TestPassiveClients(t *testing.T) {
	for _, name := range []string{
		"passive-client-welcome", "passive-client-handling-commit", "passive-client-random",
		"passive/application", "passive/branch", "passive/commit", "passive/external_join",
		"passive/external_proposals", "passive/reinit", "passive/welcome_join",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vectors.Each(t, name, func(t *testing.T, i int, row passiveRow) bool {
				if _, err := suite.ByID(row.CipherSuite); err != nil {
					return false
				}
				row.follow(t, i)
				return true
			})
		})
	}
}

func (row *passiveRow) config() Config {
	return Config{
		Signer: ed25519.NewKeyFromSeed(row.SignaturePriv),
		PSK: func(id []byte) ([]byte, error) {
			for _, p := range row.PSKs {
				if bytes.Equal(p.ID, id) {
					return p.PSK, nil
				}
			}
			return nil, errors.New("no such pre-shared key")
		},
		ResumptionEpochs:     64,
		MaxProposals:         1024,
		AuthorizeProposal:    func(*ProposalView) error { return nil },
		AllowExternalCommits: true, AllowExternalSenders: true, AllowPSK: true,
		AllowReInit: true, AllowBranch: true, AllowIdentityChange: true,
	}
}

func (row *passiveRow) follow(t *testing.T, i int) {
	t.Helper()
	kp, err := ParseKeyPackage(row.KeyPackage)
	if err != nil {
		t.Fatalf("row %d: %v", i, err)
	}
	priv := &KeyPackagePrivate{&packageKeys{init: row.InitPriv, leaf: row.EncryptionPriv}}
	var nodes []byte
	if row.RatchetTree != nil {
		nodes = *row.RatchetTree
	}
	cfg := row.config()
	g, err := Join(cfg, row.Welcome, kp, priv, nodes)
	if err != nil {
		t.Fatalf("row %d: %v", i, err)
	}
	sameBytes(t, "initial authenticator", g.EpochAuthenticator(), row.Initial)
	for n, e := range row.Epochs {
		for k, p := range e.Proposals {
			if _, err := g.Process(p); err != nil {
				t.Fatalf("row %d, epoch %d, proposal %d: %v", i, n, k, err)
			}
		}
		g = again(t, cfg, g)
		if _, err := g.Process(e.Commit); err != nil {
			t.Fatalf("row %d, epoch %d, commit: %v", i, n, err)
		}
		sameBytes(t, "authenticator", g.EpochAuthenticator(), e.Authenticator)
		g = again(t, cfg, g)
	}
}

// again writes a group and loads it.
func again(t testing.TB, cfg Config, g *Group) *Group {
	t.Helper()
	b, err := g.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(cfg, b)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := loaded.MarshalBinary()
	if err != nil || !bytes.Equal(b, twice) {
		t.Fatalf("state changes by loading it: %v", err)
	}
	return loaded
}

// TestOffByDefault follows the same recordings with everything optional
// switched off: what needs it is refused without a change, and nothing else.
func TestOffByDefault(t *testing.T) {
	for name, wants := range map[string]bool{
		"passive/external_join": true, "passive/external_proposals": true,
		"passive/welcome_join": true, // its last rows have pre-shared keys
		"passive/application":  false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused := false
			vectors.Again(t, name, func(t *testing.T, i int, row passiveRow) bool {
				if _, err := suite.ByID(row.CipherSuite); err != nil {
					return false
				}
				refused = row.isRefused(t, i) || refused
				return true
			})
			if refused != wants {
				t.Errorf("something was refused: %t, want %t", refused, wants)
			}
		})
	}
}

// isRefused follows a row until its first refusal.
func (row *passiveRow) isRefused(t *testing.T, i int) bool {
	t.Helper()
	kp, err := ParseKeyPackage(row.KeyPackage)
	if err != nil {
		t.Fatalf("row %d: %v", i, err)
	}
	var nodes []byte
	if row.RatchetTree != nil {
		nodes = *row.RatchetTree
	}
	g, err := Join(Config{}, row.Welcome, kp, &KeyPackagePrivate{&packageKeys{init: row.InitPriv, leaf: row.EncryptionPriv}}, nodes)
	if err != nil {
		if !errors.Is(err, ErrNotAllowed) {
			t.Errorf("row %d: %v", i, err)
		}
		return true
	}
	for _, e := range row.Epochs {
		for _, msg := range append(e.Proposals[:len(e.Proposals):len(e.Proposals)], e.Commit) {
			before := stateOf(t, g)
			_, err := g.Process(msg)
			if err == nil {
				continue
			}
			if !errors.Is(err, ErrNotAllowed) || !bytes.Equal(before, stateOf(t, g)) {
				t.Errorf("row %d: refused with %v, state changed: %t", i, err, !bytes.Equal(before, stateOf(t, g)))
			}
			return true
		}
	}
	return false
}
