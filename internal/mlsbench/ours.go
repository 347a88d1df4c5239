package mlsbench

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"primum/mls"
)

// Ours is package mls.
type Ours struct{}

// Name is the heading of the column.
func (Ours) Name() string { return "primum/mls" }

// Create starts a group.
func (Ours) Create(suite mls.Suite) (Group, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	cfg := mls.Config{Signer: key}
	g, err := mls.Create(cfg, []byte(rand.Text()), suite, []byte("committer"), nil)
	return &group{g: g, cfg: cfg}, err
}

// Invite makes a client.
func (Ours) Invite(suite mls.Suite, name string) (Client, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	kp, priv, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: suite, Identity: []byte(name), Signer: key,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &client{kp: kp, wire: kp.Bytes(), priv: priv, key: key}, nil
}

// client keeps its key package as bytes too, as a committer gets it.
type client struct {
	kp   *mls.KeyPackage
	wire []byte
	priv *mls.KeyPackagePrivate
	key  crypto.Signer
}

func (c *client) KeyPackage() []byte { return c.wire }

func (c *client) Join(welcome []byte) (Group, error) {
	cfg := mls.Config{Signer: c.key}
	g, err := mls.Join(cfg, welcome, c.kp, c.priv, nil)
	return &group{g: g, cfg: cfg}, err
}

type group struct {
	g   *mls.Group
	cfg mls.Config
}

func (g *group) commit(o mls.CommitOptions) (*mls.Staged, error) {
	staged, err := g.g.Commit(o)
	if err != nil {
		return nil, err
	}
	return staged, g.g.Merge()
}

func (g *group) Add(clients []Client) (commit, welcome []byte, err error) {
	var o mls.CommitOptions
	for _, c := range clients {
		kp, err := mls.ParseKeyPackage(c.KeyPackage())
		if err != nil {
			return nil, nil, err
		}
		o.Add = append(o.Add, kp)
	}
	staged, err := g.commit(o)
	if err != nil {
		return nil, nil, err
	}
	return staged.Commit, staged.Welcome, nil
}

func (g *group) Remove(leaf uint32) ([]byte, error) {
	staged, err := g.commit(mls.CommitOptions{Remove: []uint32{leaf}})
	if err != nil {
		return nil, err
	}
	return staged.Commit, nil
}

func (g *group) Update() ([]byte, error) {
	staged, err := g.commit(mls.CommitOptions{})
	if err != nil {
		return nil, err
	}
	return staged.Commit, nil
}

func (g *group) Process(commit []byte) error {
	_, err := g.g.Process(commit)
	return err
}

func (g *group) Seal(plain []byte) ([]byte, error) { return g.g.Seal(plain, nil, 0) }

func (g *group) Open(msg []byte) ([]byte, error) {
	got, err := g.g.Process(msg)
	if err != nil {
		return nil, err
	}
	return got.Data, nil
}

func (g *group) Save() ([]byte, error) { return g.g.MarshalBinary() }

func (g *group) Load(state []byte) (err error) {
	g.g, err = mls.Load(g.cfg, state)
	return err
}
