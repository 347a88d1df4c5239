package mlspeer

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/mls"
)

// OursName is the implementation of this repository.
const OursName = "ours"

func ours() implementation {
	return implementation{version: "this commit", open: openOurs, restore: restoreOurs}
}

// ourMember is a client of primum/mls.
type ourMember struct {
	suite    mls.Suite
	identity []byte
	key      ed25519.PrivateKey
	kp       *mls.KeyPackage
	kpKeys   *mls.KeyPackagePrivate
	g        *mls.Group
	psks     map[string][]byte
}

func openOurs(suite uint16, identity []byte) (member, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return &ourMember{suite: mls.Suite(suite), identity: identity, key: key, psks: map[string][]byte{}}, err
}

// config keeps one past epoch, as the peers keep some, and allows what they use.
func (m *ourMember) config() mls.Config {
	return mls.Config{Signer: m.key, PastEpochs: 1, AllowExternalCommits: true, AllowPSK: true, PSK: m.psk}
}

func (m *ourMember) psk(id []byte) ([]byte, error) {
	if key, ok := m.psks[string(id)]; ok {
		return key, nil
	}
	return nil, errors.New("no such pre-shared key")
}

func (m *ourMember) do(q *Request) (r *Reply, err error) {
	r = new(Reply)
	switch q.Op {
	case OpKeyPackage:
		r.Message, err = m.keyPackage(q.Understands)
		return r, err
	case OpCreate:
		m.g, err = mls.Create(m.config(), q.Group, m.suite, m.identity, ourExtensions(q.Extensions))
		return r, err
	case OpJoin:
		return r, m.join(q.Message)
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
		r.Message, err = m.g.Seal(q.Data, q.AAD, q.Length)
	case OpExport:
		r.Data, err = m.g.Export(q.Label, q.Context, q.Length)
	case OpGroupInfo:
		r.Message, err = m.g.GroupInfo()
	default:
		err = fmt.Errorf("operation %q is not known", q.Op)
	}
	return r, err
}

// ourExtensions keeps the difference between nil and empty.
func ourExtensions(list []Extension) (out []mls.Extension) {
	if list != nil {
		out = []mls.Extension{}
	}
	for _, x := range list {
		out = append(out, mls.Extension{Type: x.Type, Data: x.Data})
	}
	return out
}

func (m *ourMember) keyPackage(understands []uint16) (_ []byte, err error) {
	now := time.Now()
	m.kp, m.kpKeys, err = mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: m.suite, Identity: m.identity, Signer: m.key,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		Extensions: understands,
	})
	if err != nil {
		return nil, err
	}
	return m.kp.Bytes(), nil
}

func (m *ourMember) join(welcome []byte) (err error) {
	if m.kp == nil {
		return errors.New("no key package")
	}
	m.g, err = mls.Join(m.config(), welcome, m.kp, m.kpKeys, nil)
	return err
}

func (m *ourMember) propose(q *Request) ([]byte, error) {
	if q.Private {
		return nil, errors.New("ours sends handshakes as PublicMessage only")
	}
	switch q.Kind {
	case KindUpdate:
		return m.g.ProposeUpdate(nil)
	case KindRemove:
		return m.g.ProposeRemove(q.Leaf, nil)
	case KindAdd:
		kp, err := mls.ParseKeyPackage(q.Message)
		if err != nil {
			return nil, err
		}
		return m.g.ProposeAdd(kp, nil)
	}
	return nil, fmt.Errorf("proposal %q is not known", q.Kind)
}

func (m *ourMember) commit(q *Request) (*Reply, error) {
	if q.Private {
		return nil, errors.New("ours sends handshakes as PublicMessage only")
	}
	o := mls.CommitOptions{Remove: q.Remove, AuthenticatedData: q.AAD}
	o.Extensions = ourExtensions(q.Extensions)
	for _, b := range q.Add {
		kp, err := mls.ParseKeyPackage(b)
		if err != nil {
			return nil, err
		}
		o.Add = append(o.Add, kp)
	}
	staged, err := m.g.Commit(o)
	if err != nil {
		return nil, err
	}
	return &Reply{Message: staged.Commit, Welcome: staged.Welcome}, m.g.Merge()
}

func (m *ourMember) process(msg []byte) (*Reply, error) {
	got, err := m.g.Process(msg)
	if err != nil {
		return nil, err
	}
	if got.Kind == mls.Application {
		return &Reply{Kind: KindApplication, Data: got.Data, AAD: got.AuthenticatedData}, nil
	}
	return &Reply{Kind: KindHandshake, AAD: got.AuthenticatedData}, nil
}

func (m *ourMember) view() (*View, error) {
	if m.g == nil {
		return nil, nil
	}
	if m.g.Evicted() {
		return &View{Evicted: true}, nil
	}
	exported, err := m.g.Export(ViewLabel, nil, 32)
	return &View{
		Leaf: m.g.Me(), Epoch: m.g.Epoch(), Members: len(m.g.Members()), TreeHash: m.g.TreeHash(),
		Transcript: m.g.ConfirmedTranscriptHash(), Authenticator: m.g.EpochAuthenticator(), Exporter: exported,
	}, err
}

// ourState is a stored member.
type ourState struct {
	Seed, Group []byte
	PSKs        map[string][]byte
}

func (m *ourMember) save() ([]byte, error) {
	if m.g == nil {
		return nil, errors.New("in no group")
	}
	state, err := m.g.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return json.Marshal(ourState{Seed: m.key.Seed(), Group: state, PSKs: m.psks})
}

func restoreOurs(state []byte) (member, error) {
	var s ourState
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, err
	}
	if len(s.Seed) != ed25519.SeedSize {
		return nil, errors.New("seed of the wrong length")
	}
	m := &ourMember{key: ed25519.NewKeyFromSeed(s.Seed), psks: s.PSKs}
	var err error
	m.g, err = mls.Load(m.config(), s.Group)
	if err != nil {
		return nil, err
	}
	m.suite = m.g.Suite()
	for _, who := range m.g.Members() {
		if who.Leaf == m.g.Me() {
			m.identity = who.Identity
		}
	}
	return m, nil
}
