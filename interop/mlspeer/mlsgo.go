package mlspeer

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/thomas-vilte/mls-go/ciphersuite"
	"github.com/thomas-vilte/mls-go/credentials"
	"github.com/thomas-vilte/mls-go/extensions"
	"github.com/thomas-vilte/mls-go/framing"
	"github.com/thomas-vilte/mls-go/group"
	"github.com/thomas-vilte/mls-go/keypackages"
)

// GoName is github.com/thomas-vilte/mls-go, driven by its package group: its
// Client makes the same calls, but has no Update proposal and no GroupInfo with
// a choice of wire format.
const GoName = "mls-go"

// GoVersion is what go.mod pins.
const GoVersion = "v1.6.0"

func mlsGo() implementation {
	return implementation{version: GoVersion, open: openGo, restore: restoreGo}
}

// goMember is a client of mls-go.
type goMember struct {
	suite ciphersuite.CipherSuite
	cred  *credentials.CredentialWithKey
	key   *ciphersuite.SignaturePrivateKey
	seed  []byte
	kp    *keypackages.KeyPackage
	priv  *keypackages.KeyPackagePrivateKeys
	g     *group.Group
	out   bool // a commit removed it
	psks  map[string][]byte
}

func openGo(suite uint16, identity []byte) (member, error) {
	cs := ciphersuite.CipherSuite(suite)
	if cs != ciphersuite.MLS128DHKEMX25519 {
		return nil, fmt.Errorf("mls-go is driven in suite 1 only, not 0x%04x", suite)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newGo(cs, identity, key, map[string][]byte{}), nil
}

func newGo(cs ciphersuite.CipherSuite, identity []byte, key ed25519.PrivateKey, psks map[string][]byte) *goMember {
	return &goMember{
		suite: cs, seed: key.Seed(), psks: psks, key: ciphersuite.NewEd25519SignaturePrivateKey(key),
		cred: &credentials.CredentialWithKey{
			Credential: credentials.NewBasicCredential(identity), Ed25519PrivateKey: key, SignatureKeyBytes: key[ed25519.SeedSize:],
		},
	}
}

func (m *goMember) do(q *Request) (r *Reply, err error) {
	r = new(Reply)
	switch q.Op {
	case OpKeyPackage:
		r.Message, err = m.keyPackage()
		return r, err
	case OpCreate:
		if _, err := m.keyPackage(); err != nil {
			return nil, err
		}
		m.g, err = group.NewGroup(group.NewGroupID(q.Group), m.suite, m.kp, m.priv, group.WithExtensions(goExtensions(q.Extensions)))
		return r, err
	case OpJoin:
		return r, m.join(q.Message)
	case OpExternal:
		r.Message, err = m.external(q.Message)
		return r, err
	case OpPSK:
		m.psks[string(q.Context)] = q.Data
		return r, nil
	}
	if m.g == nil {
		return nil, errors.New("in no group")
	}
	switch q.Op {
	case OpPropose:
		r.Message, err = m.propose(q)
	case OpCommit:
		return m.commit(q)
	case OpProcess:
		return m.process(q.Message)
	case OpSeal:
		r.Message, err = m.seal(q)
	case OpExport:
		r.Data, err = m.g.Export(q.Label, q.Context, q.Length)
	case OpGroupInfo:
		r.Message, err = m.groupInfo()
	default:
		err = fmt.Errorf("operation %q is not known", q.Op)
	}
	return r, err
}

func goExtensions(list []Extension) (out []group.Extension) {
	for _, x := range list {
		out = append(out, group.Extension{Type: extensions.ExtensionType(x.Type), Data: x.Data})
	}
	return out
}

// keyPackage claims what mls-go claims of itself: it has no option for more.
func (m *goMember) keyPackage() (_ []byte, err error) {
	if m.kp, m.priv, err = keypackages.Generate(m.cred, m.suite); err != nil {
		return nil, err
	}
	msg := framing.MLSMessage{KeyPackage: m.kp.Marshal()}
	return msg.Marshal(), nil
}

func (m *goMember) join(b []byte) error {
	msg, err := framing.UnmarshalMLSMessage(b)
	if err != nil {
		return err
	}
	w, err := group.UnmarshalWelcome(msg.Welcome)
	if err != nil {
		return err
	}
	m.out = false
	m.g, err = group.JoinFromWelcome(w, m.kp, m.priv, m.psks)
	return err
}

func (m *goMember) external(b []byte) ([]byte, error) {
	msg, err := framing.UnmarshalMLSMessage(b)
	if err != nil {
		return nil, err
	}
	info, err := group.UnmarshalGroupInfo(msg.GroupInfo)
	if err != nil {
		return nil, err
	}
	g, staged, err := group.ExternalCommit(info, m.suite, m.key, m.key.PublicKey(), nil, m.cred.Credential)
	if err != nil {
		return nil, err
	}
	m.g, m.out = g, false
	ac := staged.AuthenticatedContent()
	return framing.NewMLSMessagePublic(&framing.PublicMessage{Content: ac.Content, Auth: ac.Auth}).Marshal(), nil
}

func parseGoKeyPackage(b []byte) (*keypackages.KeyPackage, error) {
	msg, err := framing.UnmarshalMLSMessage(b)
	if err != nil {
		return nil, err
	}
	return keypackages.UnmarshalKeyPackage(msg.KeyPackage)
}

func (m *goMember) propose(q *Request) (_ []byte, err error) {
	if q.Private {
		return nil, errors.New("mls-go sends proposals as PublicMessage only")
	}
	var p *group.Proposal
	switch q.Kind {
	case KindUpdate:
		p, err = m.g.SelfUpdate(m.key)
	case KindRemove:
		p, err = m.g.RemoveMember(group.NewLeafNodeIndex(q.Leaf))
	case KindAdd:
		kp, err := parseGoKeyPackage(q.Message)
		if err != nil {
			return nil, err
		}
		if p, err = m.g.AddMember(kp); err != nil {
			return nil, err
		}
	case KindPSK:
		p = m.keep(group.NewPreSharedKeyProposal(1, q.Context))
		p.PreSharedKey.PskID.Nonce = make([]byte, m.suite.HashLength())
		_, err = rand.Read(p.PreSharedKey.PskID.Nonce)
	default:
		return nil, fmt.Errorf("proposal %q is not known", q.Kind)
	}
	if err != nil {
		return nil, err
	}
	return m.g.SignProposalAsPublicMessage(p, m.key)
}

func (m *goMember) commit(q *Request) (*Reply, error) {
	m.loadPSKs()
	if q.Extensions != nil {
		m.keep(group.NewGroupContextExtensionsProposal(goExtensions(q.Extensions)))
	}
	for _, leaf := range q.Remove {
		if _, err := m.g.RemoveMember(group.NewLeafNodeIndex(leaf)); err != nil {
			return nil, err
		}
	}
	for _, b := range q.Add {
		kp, err := parseGoKeyPackage(b)
		if err != nil {
			return nil, err
		}
		if _, err := m.g.AddMember(kp); err != nil {
			return nil, err
		}
	}
	staged, msg, err := m.stage(q.Private)
	if err != nil {
		return nil, err
	}
	if err := m.g.MergeCommit(staged); err != nil {
		return nil, err
	}
	r := &Reply{Message: msg}
	r.Welcome, err = m.welcome(staged)
	return r, err
}

// keep notes a proposal of this member's own, for its next commit.
func (m *goMember) keep(p *group.Proposal) *group.Proposal {
	m.g.Proposals().AddProposal(p, m.g.OwnLeafIndex())
	return p
}

// stage makes the commit and its message.
func (m *goMember) stage(private bool) (*group.StagedCommit, []byte, error) {
	if !private {
		staged, err := m.g.Commit(m.key, m.key.PublicKey(), nil)
		if err != nil {
			return nil, nil, err
		}
		ac := staged.AuthenticatedContent()
		public := &framing.PublicMessage{Content: ac.Content, Auth: ac.Auth, MembershipTag: staged.MembershipTag()}
		return staged, framing.NewMLSMessagePublic(public).Marshal(), nil
	}
	staged, err := m.g.CommitWithFormat(m.key, m.key.PublicKey(), nil, framing.WireFormatPrivateMessage)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := framing.Encrypt(framing.EncryptParams{
		AuthContent: staged.AuthenticatedContent(), SenderLeafIndex: uint32(m.g.OwnLeafIndex()), CipherSuite: m.suite,
		SenderDataSecret: m.g.EpochSecrets().SenderDataSecret, SecretTree: m.g.SecretTree(),
	})
	if err != nil {
		return nil, nil, err
	}
	return staged, framing.NewMLSMessagePrivate(sealed).Marshal(), nil
}

func (m *goMember) welcome(staged *group.StagedCommit) ([]byte, error) {
	var added []*keypackages.KeyPackage
	for _, p := range staged.Proposals() {
		if p.Type == group.ProposalTypeAdd {
			added = append(added, p.Add.KeyPackage)
		}
	}
	if len(added) == 0 {
		return nil, nil
	}
	w, err := m.g.CreateWelcomeWithOpts(added, m.key,
		group.WithJoinerSecret(staged.JoinerSecret()), group.WithPSKIDs(staged.PskIDs()),
		group.WithPSKSecret(staged.RawPskSecret()), group.WithStagedCommit(staged))
	if err != nil {
		return nil, err
	}
	msg := framing.MLSMessage{Welcome: w.Marshal()}
	return msg.Marshal(), nil
}

// loadPSKs gives the group the pre-shared keys of its client.
func (m *goMember) loadPSKs() {
	for id, key := range m.psks {
		m.g.LoadPsk([]byte(id), key)
	}
}

func (m *goMember) process(b []byte) (*Reply, error) {
	m.loadPSKs()
	msg, err := framing.UnmarshalMLSMessage(b)
	if err != nil {
		return nil, err
	}
	if public, ok := msg.AsPublic(); ok {
		return m.handshake(m.g.ProcessPublicMessage(public))
	}
	private, ok := msg.AsPrivate()
	if !ok {
		return nil, errors.New("message is none of a group")
	}
	if private.ContentType != framing.ContentTypeApplication {
		return m.handshake(m.g.ProcessPrivateMessage(private))
	}
	data, aad, _, err := m.g.ReceiveApplicationMessage(private)
	return &Reply{Kind: KindApplication, Data: data, AAD: aad}, err
}

// handshake notes that a commit removed this member. mls-go has no word for
// that: it fails, with an error that it also gives for lost path keys; a member
// that is not out and says so is found when the views are compared.
func (m *goMember) handshake(err error) (*Reply, error) {
	m.out = errors.Is(err, group.ErrOwnLeafNotFound)
	if err != nil && !m.out {
		return nil, err
	}
	return &Reply{Kind: KindHandshake}, nil
}

func (m *goMember) seal(q *Request) ([]byte, error) {
	msg, err := m.g.SendMessage(q.Data, m.key, group.WithAAD(q.AAD))
	if err != nil {
		return nil, err
	}
	return framing.NewMLSMessagePrivate(msg).Marshal(), nil
}

func (m *goMember) groupInfo() ([]byte, error) {
	info, err := m.g.GetGroupInfo(m.key)
	if err != nil {
		return nil, err
	}
	msg := framing.MLSMessage{GroupInfo: info.Marshal()}
	return msg.Marshal(), nil
}

func (m *goMember) view() (*View, error) {
	if m.g == nil {
		return nil, nil
	}
	if m.out {
		return &View{Evicted: true}, nil
	}
	context := m.g.GroupContext()
	exported, err := m.g.Export(ViewLabel, nil, 32)
	return &View{
		Leaf: uint32(m.g.OwnLeafIndex()), Epoch: m.g.Epoch().AsUint64(), Members: m.g.MemberCount(),
		TreeHash: context.TreeHash, Transcript: context.ConfirmedTranscriptHash,
		Authenticator: m.g.EpochAuthenticator(), Exporter: exported,
	}, err
}

// goState is a stored member.
type goState struct {
	Seed, Identity, Group []byte
	PSKs                  map[string][]byte
}

func (m *goMember) save() ([]byte, error) {
	if m.g == nil {
		return nil, errors.New("in no group")
	}
	state, err := m.g.MarshalState()
	if err != nil {
		return nil, err
	}
	return json.Marshal(goState{Seed: m.seed, Identity: m.cred.Credential.Identity, Group: state, PSKs: m.psks})
}

func restoreGo(state []byte) (member, error) {
	var s goState
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, err
	}
	if len(s.Seed) != ed25519.SeedSize {
		return nil, errors.New("seed of the wrong length")
	}
	g, err := group.UnmarshalGroupState(s.Group)
	if err != nil {
		return nil, err
	}
	m := newGo(g.CipherSuite(), s.Identity, ed25519.NewKeyFromSeed(s.Seed), s.PSKs)
	m.g = g
	return m, nil
}
