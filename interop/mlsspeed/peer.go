package main

import (
	"errors"
	"fmt"

	"github.com/thomas-vilte/mls-go/ciphersuite"
	"github.com/thomas-vilte/mls-go/credentials"
	"github.com/thomas-vilte/mls-go/framing"
	"github.com/thomas-vilte/mls-go/group"
	"github.com/thomas-vilte/mls-go/keypackages"

	"primum/internal/mlsbench"
	"primum/mls"
)

// peer is mls-go by its package group. Its Client does the same calls and
// writes the whole state as JSON after each; that would be slower, and ours
// writes nothing here either. What is measured is from bytes to bytes, as ours.
type peer struct{}

func (peer) Name() string { return "mls-go" }

const suite = ciphersuite.MLS128DHKEMX25519

func known(s mls.Suite) error {
	if s != mls.X25519AES128GCMSHA256Ed25519 {
		return fmt.Errorf("mls-go lacks %v", s)
	}
	return nil
}

func (peer) Create(s mls.Suite) (mlsbench.Group, error) {
	if err := known(s); err != nil {
		return nil, err
	}
	c, err := newClient("committer")
	if err != nil {
		return nil, err
	}
	id, err := group.NewGroupIDRandom()
	if err != nil {
		return nil, err
	}
	g, err := group.NewGroup(id, suite, c.kp, c.priv)
	return &member{g: g, key: c.key}, err
}

func (peer) Invite(s mls.Suite, name string) (mlsbench.Client, error) {
	if err := known(s); err != nil {
		return nil, err
	}
	return newClient(name)
}

type client struct {
	kp   *keypackages.KeyPackage
	wire []byte
	priv *keypackages.KeyPackagePrivateKeys
	key  *ciphersuite.SignaturePrivateKey
}

func newClient(name string) (*client, error) {
	cred, key, err := credentials.GenerateCredentialWithKeyForCS([]byte(name), suite)
	if err != nil {
		return nil, err
	}
	kp, priv, err := keypackages.Generate(cred, suite)
	if err != nil {
		return nil, err
	}
	msg := framing.MLSMessage{KeyPackage: kp.Marshal()}
	return &client{kp: kp, wire: msg.Marshal(), priv: priv, key: key}, nil
}

func (c *client) KeyPackage() []byte { return c.wire }

func (c *client) Join(welcome []byte) (mlsbench.Group, error) {
	msg, err := framing.UnmarshalMLSMessage(welcome)
	if err != nil {
		return nil, err
	}
	w, err := group.UnmarshalWelcome(msg.Welcome)
	if err != nil {
		return nil, err
	}
	g, err := group.JoinFromWelcome(w, c.kp, c.priv, nil)
	return &member{g: g, key: c.key}, err
}

type member struct {
	g   *group.Group
	key *ciphersuite.SignaturePrivateKey
}

// commit commits the proposals kept and merges, as Client does.
func (m *member) commit() (*group.StagedCommit, []byte, error) {
	staged, err := m.g.Commit(m.key, m.key.PublicKey(), nil)
	if err != nil {
		return nil, nil, err
	}
	if err := m.g.MergeCommit(staged); err != nil {
		return nil, nil, err
	}
	ac := staged.AuthenticatedContent()
	msg := framing.NewMLSMessagePublic(&framing.PublicMessage{Content: ac.Content, Auth: ac.Auth, MembershipTag: staged.MembershipTag()})
	return staged, msg.Marshal(), nil
}

func (m *member) Add(clients []mlsbench.Client) (commit, welcome []byte, err error) {
	kps := make([]*keypackages.KeyPackage, len(clients))
	for i, c := range clients {
		msg, err := framing.UnmarshalMLSMessage(c.KeyPackage())
		if err != nil {
			return nil, nil, err
		}
		if kps[i], err = keypackages.UnmarshalKeyPackage(msg.KeyPackage); err != nil {
			return nil, nil, err
		}
		if _, err := m.g.AddMember(kps[i]); err != nil {
			return nil, nil, err
		}
	}
	staged, commit, err := m.commit()
	if err != nil {
		return nil, nil, err
	}
	w, err := m.g.CreateWelcomeWithOpts(kps, m.key,
		group.WithJoinerSecret(staged.JoinerSecret()), group.WithPSKIDs(staged.PskIDs()),
		group.WithPSKSecret(staged.RawPskSecret()), group.WithStagedCommit(staged))
	if err != nil {
		return nil, nil, err
	}
	msg := framing.MLSMessage{Welcome: w.Marshal()}
	return commit, msg.Marshal(), nil
}

func (m *member) Remove(leaf uint32) ([]byte, error) {
	if _, err := m.g.RemoveMember(group.LeafNodeIndex(leaf)); err != nil {
		return nil, err
	}
	_, commit, err := m.commit()
	return commit, err
}

func (m *member) Update() ([]byte, error) {
	_, commit, err := m.commit()
	return commit, err
}

func (m *member) Process(commit []byte) error {
	msg, err := framing.UnmarshalMLSMessage(commit)
	if err != nil {
		return err
	}
	public, ok := msg.AsPublic()
	if !ok {
		return errors.New("commit is no public message")
	}
	return m.g.ProcessPublicMessage(public)
}

func (m *member) Seal(plain []byte) ([]byte, error) {
	msg, err := m.g.SendMessage(plain, m.key)
	if err != nil {
		return nil, err
	}
	return framing.NewMLSMessagePrivate(msg).Marshal(), nil
}

func (m *member) Open(b []byte) ([]byte, error) {
	msg, err := framing.UnmarshalMLSMessage(b)
	if err != nil {
		return nil, err
	}
	private, ok := msg.AsPrivate()
	if !ok {
		return nil, errors.New("message is not private")
	}
	plain, _, _, err := m.g.ReceiveApplicationMessage(private)
	return plain, err
}

func (m *member) Save() ([]byte, error) { return m.g.MarshalState() }

func (m *member) Load(state []byte) (err error) {
	m.g, err = group.UnmarshalGroupState(state)
	return err
}
