package mls

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Join enters a group by a Welcome (RFC 9420 §12.4.3.1). The tree may be nil
// where the Welcome carries it. The caller checks that it is in no group with
// this id, and erases priv once the group is stored, unless kp is a last
// resort.
func Join(cfg Config, msg []byte, kp *KeyPackage, priv *KeyPackagePrivate, nodes []byte) (*Group, error) {
	cfg = cfg.withDefaults()
	g, err := join(cfg, bytes.Clone(msg), kp, priv, bytes.Clone(nodes))
	if err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
	return g, nil
}

func join(cfg Config, msg []byte, kp *KeyPackage, priv *KeyPackagePrivate, nodes []byte) (*Group, error) {
	m, err := parseWelcome(msg)
	if err != nil {
		return nil, err
	}
	s, err := knownSuite(m.suite)
	if err != nil {
		return nil, err
	}
	if m.suite != kp.inner.Suite {
		return nil, fmt.Errorf("welcome of suite 0x%04x for a key package of 0x%04x: %w", m.suite, kp.inner.Suite, ErrSuite)
	}
	if err := checkOwnKeys(&cfg, kp, priv); err != nil {
		return nil, err
	}
	secrets, err := m.open(kp.Ref(), priv.init, s)
	if err != nil {
		return nil, err
	}
	defer secrets.erase()
	return m.enter(&cfg, s, secrets, kp, priv, nodes)
}

// checkOwnKeys checks that a joiner holds what its key package says.
func checkOwnKeys(cfg *Config, kp *KeyPackage, priv *KeyPackagePrivate) error {
	if err := priv.fits(kp); err != nil {
		return err
	}
	if cfg.Signer == nil {
		return nil
	}
	pub, err := kp.suite.SignatureKey(cfg.Signer)
	if err != nil {
		return err
	}
	if !bytes.Equal(pub, kp.inner.Leaf.SignatureKey) {
		return errors.New("the signer does not hold the signature key of the key package")
	}
	return nil
}

// open decrypts the group secrets for a key package.
func (m *welcome) open(ref, initKey []byte, s *suite.Suite) (*groupSecrets, error) {
	sealed, err := m.find(ref)
	if err != nil {
		return nil, err
	}
	plain, err := s.DecryptWithLabel(initKey, "Welcome", m.info, sealed.KEMOutput, sealed.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	secrets, err := readGroupSecrets(plain)
	if err != nil {
		clear(plain)
		return nil, err
	}
	if len(secrets.joiner) != s.HashLen() {
		clear(plain)
		return nil, malformed("group secrets", errors.New("joiner secret has a wrong length"))
	}
	return secrets, nil
}

func (g *groupSecrets) erase() { suite.Zero(g.joiner, g.pathSecret) }

// enter makes the group of the decrypted secrets.
func (m *welcome) enter(cfg *Config, s *suite.Suite, in *groupSecrets, kp *KeyPackage, priv *KeyPackagePrivate, nodes []byte) (*Group, error) {
	if err := checkJoinPSKs(cfg, s, in.psks); err != nil {
		return nil, err
	}
	psk, err := cfg.pskSecret(s, in.psks, nil)
	if err != nil {
		return nil, err
	}
	defer clear(psk)
	info, err := m.openInfo(s, in.joiner, psk)
	if err != nil {
		return nil, err
	}
	if info.context.Suite != s.ID() {
		return nil, fmt.Errorf("group info is of suite 0x%04x: %w", info.context.Suite, ErrSuite)
	}
	if newGroupPSK(in.psks) && info.context.Epoch != 1 {
		return nil, invalid("a new group made from another starts in epoch %d instead of 1", info.context.Epoch)
	}
	st, err := info.open(nodes)
	if err != nil {
		return nil, err
	}
	return enterEpoch(cfg, st, info, in, psk, kp, priv)
}

// openInfo decrypts the group info (RFC 9420 §12.4.3.1).
func (m *welcome) openInfo(s *suite.Suite, joiner, psk []byte) (*groupInfo, error) {
	secret := schedule.WelcomeSecret(s, joiner, psk)
	key, nonce := schedule.WelcomeKeys(s, secret)
	defer suite.Zero(secret, key, nonce)
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, m.info, nil)
	if err != nil {
		return nil, fmt.Errorf("open group info: %w", ErrAuthentication)
	}
	r := codec.NewReader(plain)
	info := readGroupInfo(r)
	if err := r.Close(); err != nil {
		return nil, malformed("group info", err)
	}
	return info, nil
}

// enterEpoch derives the member's side of the epoch and checks its
// confirmation tag.
func enterEpoch(cfg *Config, st *epochState, info *groupInfo, in *groupSecrets, psk []byte, kp *KeyPackage, priv *KeyPackagePrivate) (*Group, error) {
	me, ok := findLeaf(st.tree, kp.inner.Leaf)
	if !ok {
		return nil, invalid("the tree does not hold the leaf of the key package")
	}
	if me == info.signer {
		return nil, invalid("the group info is signed by the joiner itself")
	}
	private, err := tree.Join(st.tree, me, priv.leaf, info.signer, in.pathSecret)
	if err != nil {
		return nil, invalid("%w", err)
	}
	welcomeSecret, secrets := schedule.FromJoiner(st.suite, in.joiner, psk, st.encoded)
	clear(welcomeSecret)
	if !schedule.CheckConfirmation(st.suite, secrets.Confirmation, st.context.Transcript, st.tag) {
		secrets.Zero()
		private.Wipe()
		return nil, fmt.Errorf("check confirmation tag: %w", ErrAuthentication)
	}
	return &Group{cfg: *cfg, core: newCore(cfg, st, secrets, private), welcomedBy: info.signer}, nil
}

func findLeaf(t *tree.Tree, leaf *tree.LeafNode) (uint32, bool) {
	for i, l := range t.Members() {
		if bytes.Equal(l.Bytes(), leaf.Bytes()) {
			return i, true
		}
	}
	return 0, false
}

// checkJoinPSKs checks which pre-shared keys a Welcome may ask for (RFC 9420
// §11.2, §11.3, §12.4.3.1).
func checkJoinPSKs(cfg *Config, s *suite.Suite, ids []schedule.PSKID) error {
	seen := make(map[string]struct{}, len(ids))
	fromOther := 0
	for _, id := range ids {
		reInit := id.Type == schedule.PSKResumption && id.Usage == schedule.UsageReInit
		branch := id.Type == schedule.PSKResumption && id.Usage == schedule.UsageBranch
		switch {
		case reInit && !cfg.AllowReInit, branch && !cfg.AllowBranch, !reInit && !branch && !cfg.AllowPSK:
			return fmt.Errorf("welcome asks for a pre-shared key: %w", ErrNotAllowed)
		case len(id.Nonce) != s.HashLen():
			return invalid("the nonce of a pre-shared key has %d bytes", len(id.Nonce))
		}
		if reInit || branch {
			fromOther++
		}
		if _, twice := seen[id.Key()]; twice || fromOther > 1 {
			return invalid("a pre-shared key occurs twice")
		}
		seen[id.Key()] = struct{}{}
	}
	return nil
}

// newGroupPSK tells that a group was made from another one.
func newGroupPSK(ids []schedule.PSKID) bool {
	for _, id := range ids {
		if id.Type == schedule.PSKResumption && id.Usage != schedule.UsageApplication {
			return true
		}
	}
	return false
}

// pskSecret looks pre-shared keys up and chains them (RFC 9420 §8.4). Own holds
// resumption secrets of the very group, nil for a joiner.
func (c *Config) pskSecret(s *suite.Suite, ids []schedule.PSKID, own func(groupID []byte, epoch uint64) []byte) ([]byte, error) {
	if len(ids) > math.MaxUint16 {
		return nil, invalid("find pre-shared keys: there are %d of them", len(ids))
	}
	keys := make([][]byte, 0, len(ids))
	for i, id := range ids {
		key, err := c.psk(id, own)
		if err != nil {
			suite.Zero(keys...)
			return nil, fmt.Errorf("find pre-shared key %d: %w", i, err)
		}
		keys = append(keys, bytes.Clone(key))
	}
	return schedule.PSKSecret(s, ids, keys), nil
}

func (c *Config) psk(id schedule.PSKID, own func([]byte, uint64) []byte) ([]byte, error) {
	if id.Type == schedule.PSKExternal {
		if c.PSK == nil {
			return nil, invalid("Config.PSK is not set")
		}
		return c.PSK(id.ID)
	}
	if own != nil {
		if key := own(id.GroupID, id.Epoch); key != nil {
			return key, nil
		}
	}
	if c.ResumptionPSK == nil {
		return nil, invalid("the resumption secret of epoch %d is not kept", id.Epoch)
	}
	return c.ResumptionPSK(id.GroupID, id.Epoch)
}
