package mls

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
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
	m, err := message.ParseWelcome(msg)
	if err != nil {
		return nil, err
	}
	s, err := public.KnownSuite(m.Suite)
	if err != nil {
		return nil, err
	}
	if m.Suite != kp.inner.Suite { // RFC 9420 §12.4.3.1 R1
		return nil, fmt.Errorf("welcome of suite 0x%04x for a key package of 0x%04x: %w", m.Suite, kp.inner.Suite, ErrSuite)
	}
	initKey, err := checkOwnKeys(&cfg, kp, priv)
	if err != nil {
		return nil, err
	}
	secrets, err := openSecrets(m, kp.Ref(), initKey, s)
	if err != nil {
		return nil, err
	}
	defer secrets.Erase()
	return enterGroup(m, &cfg, s, secrets, kp, priv, nodes)
}

// checkOwnKeys checks that a joiner holds what its key package says, and gives
// the init key. The leaf key is checked in the tree.
func checkOwnKeys(cfg *Config, kp *KeyPackage, priv *KeyPackagePrivate) (*suite.PrivateKey, error) {
	initKey, err := priv.initKey(kp)
	if err != nil || cfg.Signer == nil {
		return initKey, err
	}
	pub, err := kp.suite.SignatureKey(cfg.Signer)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(pub, kp.inner.Leaf.SignatureKey) {
		return nil, errors.New("the signer does not hold the signature key of the key package")
	}
	return initKey, nil
}

// openSecrets decrypts the group secrets for a key package.
func openSecrets(m *message.Welcome, ref []byte, initKey *suite.PrivateKey, s *suite.Suite) (*message.GroupSecrets, error) {
	sealed, err := m.Find(ref) // RFC 9420 §12.4.3.1 R1
	if err != nil {
		return nil, err
	}
	plain, err := initKey.DecryptWithLabel("Welcome", m.Info, sealed.KEMOutput, sealed.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	secrets, err := message.ReadGroupSecrets(plain)
	if err != nil {
		clear(plain)
		return nil, err
	}
	if len(secrets.Joiner) != s.HashLen() {
		clear(plain)
		return nil, message.Malformed("group secrets", errors.New("joiner secret has a wrong length"))
	}
	return secrets, nil
}

// enterGroup makes the group of the decrypted secrets.
func enterGroup(m *message.Welcome, cfg *Config, s *suite.Suite, in *message.GroupSecrets, kp *KeyPackage, priv *KeyPackagePrivate, nodes []byte) (*Group, error) {
	if err := checkJoinPSKs(cfg, s, in.PSKs); err != nil {
		return nil, err
	}
	psk, err := cfg.pskSecret(s, in.PSKs, nil) // RFC 9420 §12.4.3.1 R2
	if err != nil {
		return nil, err
	}
	defer clear(psk)
	info, err := openInfo(m, s, in.Joiner, psk)
	if err != nil {
		return nil, err
	}
	if info.Context.Suite != s.ID() { // RFC 9420 §12.4.3.1 R6
		return nil, fmt.Errorf("group info is of suite 0x%04x: %w", info.Context.Suite, ErrSuite)
	}
	if newGroupPSK(in.PSKs) && info.Context.Epoch != 1 { // RFC 9420 §11.2 M2, §11.3 M3, §12.4.3.1 R15
		return nil, public.Invalid("a new group made from another starts in epoch %d instead of 1", info.Context.Epoch)
	}
	st, err := public.Open(info, nodes)
	if err != nil {
		return nil, err
	}
	return enterEpoch(cfg, st, info, in, psk, kp, priv)
}

// openInfo decrypts the group info (RFC 9420 §12.4.3.1).
func openInfo(m *message.Welcome, s *suite.Suite, joiner, psk []byte) (*message.GroupInfo, error) {
	secret := schedule.WelcomeSecret(s, joiner, psk)
	key, nonce := schedule.WelcomeKeys(s, secret)
	defer suite.Zero(secret, key, nonce)
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, m.Info, nil)
	if err != nil {
		return nil, fmt.Errorf("open group info: %w", ErrAuthentication)
	}
	r := codec.NewReader(plain)
	info := message.ReadGroupInfo(r)
	if err := r.Close(); err != nil {
		return nil, message.Malformed("group info", err)
	}
	return info, nil
}

// enterEpoch derives the member's side of the epoch and checks its
// confirmation tag.
func enterEpoch(cfg *Config, st *public.State, info *message.GroupInfo, in *message.GroupSecrets, psk []byte, kp *KeyPackage, priv *KeyPackagePrivate) (*Group, error) {
	me, ok := findLeaf(st.Tree, kp.inner.Leaf) // RFC 9420 §12.4.3.1 R13
	if !ok {
		return nil, public.Invalid("the tree does not hold the leaf of the key package")
	}
	if me == info.Signer {
		return nil, public.Invalid("the group info is signed by the joiner itself")
	}
	private, err := tree.Join(st.Tree, me, priv.leaf, info.Signer, in.PathSecret)
	if err != nil {
		return nil, public.Invalid("%w", err)
	}
	welcomeSecret, secrets := schedule.FromJoiner(st.Suite, in.Joiner, psk, st.Encoded)
	clear(welcomeSecret)
	if !schedule.CheckConfirmation(st.Suite, secrets.Confirmation, st.Context.Transcript, st.Tag) { // RFC 9420 §12.4.3.1 R14
		secrets.Zero()
		private.Wipe()
		return nil, fmt.Errorf("check confirmation tag: %w", ErrAuthentication)
	}
	return &Group{&inside{cfg: *cfg, core: newCore(cfg, st, secrets, private), welcomedBy: info.Signer}}, nil
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
			return public.Invalid("the nonce of a pre-shared key has %d bytes", len(id.Nonce))
		}
		if reInit || branch {
			fromOther++
		}
		if _, twice := seen[id.Key()]; twice || fromOther > 1 { // RFC 9420 §12.4.3.1 R3
			return public.Invalid("a pre-shared key occurs twice")
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
		return nil, public.Invalid("find pre-shared keys: there are %d of them", len(ids))
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
			return nil, public.Invalid("Config.PSK is not set")
		}
		return c.PSK(id.ID)
	}
	if own != nil {
		if key := own(id.GroupID, id.Epoch); key != nil {
			return key, nil
		}
	}
	if c.ResumptionPSK == nil {
		return nil, public.Invalid("the resumption secret of epoch %d is not kept", id.Epoch)
	}
	return c.ResumptionPSK(id.GroupID, id.Epoch)
}

// WelcomeFor tells whether a Welcome holds secrets for the key package with
// this reference (RFC 9420 §12.4.3.1).
func WelcomeFor(msg, ref []byte) bool {
	m, err := message.ParseWelcome(msg)
	if err != nil {
		return false
	}
	_, err = m.Find(ref)
	return err == nil
}
