package mls

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/tree"
)

// Group is one member's state of one group. It is for one goroutine at a time.
// A copy of a Group is the same group.
type Group struct{ *inside }

// inside is what a Group holds. It stands behind a pointer of its own, because
// fmt follows the first one where it reports a wrong verb, and asks no Format.
type inside struct {
	cfg Config
	*core
	updates    []ownUpdate     // own Update proposals of this epoch
	pending    *pending        // own commit that waits for Merge
	past       []*core         // earlier epochs, the newest first
	resumption []resumptionPSK // of earlier epochs, the newest first
	reserve    []schedule.Key  // send keys in memory only
	reserving  bool
	reInit     bool // a ReInit was committed: nothing is sent any more
	evicted    bool // core holds no secret
	stored     int  // length of the last MarshalBinary, to make room at once
	welcomedBy uint32
}

// core is a member's state of one epoch. Of a past epoch only what opens
// messages is left.
type core struct {
	st      *public.State
	me      uint32
	secrets *schedule.Secrets
	keys    *schedule.Tree
	private *tree.Private
	scratch []byte // what is being signed or verified; empty between calls
	nonce   [12]byte
	sender  [message.SealedDataLen]byte // sender data, likewise
}

// ownUpdate is the key of a leaf that this member proposed.
type ownUpdate struct{ pub, priv []byte }

// resumptionPSK is the resumption secret of an earlier epoch (RFC 9420 §8.6).
type resumptionPSK struct {
	epoch  uint64
	secret []byte
}

// erase overwrites the secrets of an epoch.
func (c *core) erase() {
	c.secrets.Zero()
	c.keys.Zero()
	if c.private != nil {
		c.private.Wipe()
	}
	clear(c.scratch[:cap(c.scratch)])
}

// withDefaults fills what the zero value leaves open.
func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.MaxJump == 0 {
		c.MaxJump = DefaultMaxJump
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	c.Window = max(c.Window, 0)
	c.PastEpochs = max(c.PastEpochs, 0)
	c.ResumptionEpochs = max(c.ResumptionEpochs, 0)
	return c
}

func (c *Config) limits() schedule.Limits {
	return schedule.Limits{MaxJump: c.MaxJump, Window: c.Window}
}

// newCore makes the member's side of an epoch and drops every secret of it
// that nothing will need (RFC 9420 §9.2).
func newCore(cfg *Config, st *public.State, secrets *schedule.Secrets, private *tree.Private) *core {
	c := &core{st: st, me: private.Leaf(), secrets: secrets, private: private}
	c.keys = schedule.NewTree(st.Suite, secrets.Encryption, st.Tree.Width())
	// RFC 9420 §9.2 M2a
	secrets.Encryption = nil // the tree has it and erases it
	schedule.Drop(&secrets.Confirmation)
	if !cfg.AllowExternalCommits {
		schedule.Drop(&secrets.External)
	}
	if cfg.ResumptionEpochs == 0 && !cfg.AllowPSK {
		schedule.Drop(&secrets.Resumption)
	}
	return c
}

// Create starts a group with its creator as the only member (RFC 9420 §11).
// The id should be random and is never used again.
func Create(cfg Config, groupID []byte, id Suite, identity []byte, groupExtensions []Extension) (*Group, error) {
	cfg = cfg.withDefaults()
	s, err := public.KnownSuite(uint16(id))
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	types, err := supportedTypes(groupExtensions)
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	if len(groupID) > maxContent || len(identity) > maxContent {
		return nil, fmt.Errorf("create group: %w", ErrSize)
	}
	leaf, leafKey, err := newLeaf(s, cfg.Rand, cfg.Signer, identity, types)
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	leaf.Source = tree.SourceKeyPackage
	leaf.Lifetime = tree.Lifetime{NotAfter: 1<<63 - 1}
	if err := leaf.Sign(s, cfg.Rand, cfg.Signer, nil, 0); err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	t := tree.New(s, leaf)  // RFC 9420 §11 M2, M2a
	c := &schedule.Context{ // RFC 9420 §11 M2b, M2c, M2d, M2e, M2g: the zero values too
		Suite: s.ID(), GroupID: bytes.Clone(groupID), TreeHash: t.Hash(),
		Extensions: tree.Extensions(groupExtensions).Clone(),
	}
	if err := t.Supports(c.Extensions); err != nil {
		return nil, fmt.Errorf("create group: %w: %w", ErrInvalid, err)
	}
	epoch, err := s.Random(cfg.Rand) // RFC 9420 §11 M2f
	if err != nil {
		return nil, fmt.Errorf("create group: %w", err)
	}
	secrets := schedule.FromEpoch(s, epoch)
	tag := schedule.ConfirmationTag(s, secrets.Confirmation, c.Transcript) // RFC 9420 §11 M2h
	st := public.NewState(s, c, t, tag)
	return &Group{&inside{cfg: cfg, core: newCore(&cfg, st, secrets, tree.NewPrivate(0, leafKey))}}, nil
}

// supportedTypes lists the non-default types that a leaf must support to be in
// a group with these extensions.
func supportedTypes(ext tree.Extensions) ([]uint16, error) {
	var w codec.Writer
	ext.Write(&w)
	if w.Len() > maxContent {
		return nil, fmt.Errorf("check extensions: %d bytes: %w", w.Len(), ErrSize)
	}
	r := codec.NewReader(w.Out())
	if tree.ReadExtensions(r); r.Close() != nil {
		return nil, public.Invalid("check extensions: %w", r.Err())
	}
	required, err := tree.RequiredOf(ext)
	if err != nil {
		return nil, public.Invalid("check extensions: %w", err)
	}
	types := slices.Clone(required.Extensions)
	for _, x := range ext {
		types = append(types, x.Type)
	}
	slices.Sort(types)
	return slices.DeleteFunc(slices.Compact(types), tree.DefaultExtension), nil
}

// usable refuses a group that this member was removed from.
func (g *Group) usable() error {
	if g.evicted {
		return ErrEvicted
	}
	return nil
}

// canSend refuses to send where the group is closed.
func (g *Group) canSend() error {
	if err := g.usable(); err != nil {
		return err
	}
	if g.reInit { // RFC 9420 §12.4.2 M2
		return public.Invalid("the group was reinitialised")
	}
	if g.cfg.Signer == nil {
		return public.Invalid("no signer was given")
	}
	return nil
}

// Epoch is the number of the epoch.
func (g *Group) Epoch() uint64 { return g.st.Context.Epoch }

// GroupID is the group's id.
func (g *Group) GroupID() []byte { return bytes.Clone(g.st.Context.GroupID) }

// Suite is the group's cipher suite.
func (g *Group) Suite() Suite { return Suite(g.st.Suite.ID()) }

// Members lists the occupied leaves in their order.
func (g *Group) Members() []Member { return g.st.Members() }

// Me is the own leaf.
func (g *Group) Me() uint32 { return g.me }

// Evicted tells that this member was removed.
func (g *Group) Evicted() bool { return g.evicted }

// Extensions are those of the group context (RFC 9420 §8.1).
func (g *Group) Extensions() []Extension { return g.st.Context.Extensions.Clone() }

// TreeHash is the tree hash of the epoch (RFC 9420 §7.8).
func (g *Group) TreeHash() []byte { return bytes.Clone(g.st.Context.TreeHash) }

// Tree is the ratchet tree as Join takes it (RFC 9420 §12.4.3.3).
func (g *Group) Tree() []byte { return g.st.Tree.Bytes() }

// ConfirmedTranscriptHash is that of the epoch (RFC 9420 §8.2).
func (g *Group) ConfirmedTranscriptHash() []byte { return bytes.Clone(g.st.Context.Transcript) }

// EpochAuthenticator is a value that members can compare (RFC 9420 §8.7).
func (g *Group) EpochAuthenticator() []byte { return bytes.Clone(g.secrets.Authenticator) }

// Export derives n bytes for the application (RFC 9420 §8.5); n is at most
// 8160 in both suites.
func (g *Group) Export(label string, context []byte, n int) ([]byte, error) {
	if err := g.usable(); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if n < 0 || n > g.st.Suite.MaxExpand() {
		return nil, fmt.Errorf("export: %d bytes of at most %d", n, g.st.Suite.MaxExpand())
	}
	return schedule.Export(g.st.Suite, g.secrets.Exporter, label, context, n), nil
}

// WelcomeSigner is the leaf that signed the GroupInfo by which this member
// joined; it is meaningful after Join and until Load.
func (g *Group) WelcomeSigner() uint32 { return g.welcomedBy }

// Generation is the generation of the next application message sealed here, as
// stored: with a reserved block the first one behind it.
func (g *Group) Generation() uint32 {
	if g.evicted {
		return 0
	}
	return uint32(min(g.keys.Generation(g.me, schedule.Application), 1<<32-1))
}

// Format prints id and epoch and never a secret; a Group by value too.
func (g Group) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "mls.Group{%x, epoch %d}", g.st.Context.GroupID, g.st.Context.Epoch)
}

// LogValue is Format for slog.
func (g Group) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(g)) }

// groupInfo signs the public state of an epoch with the tree where wanted.
func (c *core) groupInfo(cfg *Config, withTree bool) (*message.GroupInfo, error) {
	var extensions tree.Extensions
	if withTree {
		extensions = append(extensions, Extension{Type: tree.ExtRatchetTree, Data: c.st.Tree.Bytes()})
	}
	if cfg.AllowExternalCommits && len(c.secrets.External) > 0 {
		priv, pub, err := c.st.Suite.DeriveKeyPair(c.secrets.External)
		if err != nil {
			return nil, err
		}
		suite.Zero(priv)
		var w codec.Writer
		w.Bytes(pub)
		extensions = append(extensions, Extension{Type: tree.ExtExternalPub, Data: w.Out()})
	}
	info := message.NewGroupInfo(c.st.Context, c.st.Tag, c.me, extensions)
	return info, info.Sign(c.st.Suite, cfg.Rand, cfg.Signer)
}

// GroupInfo signs the public state of the epoch, with the tree, as an
// MLSMessage (RFC 9420 §12.4.3).
func (g *Group) GroupInfo() ([]byte, error) {
	if err := g.canSend(); err != nil {
		return nil, fmt.Errorf("make group info: %w", err)
	}
	info, err := g.groupInfo(&g.cfg, true)
	if err != nil {
		return nil, fmt.Errorf("make group info: %w", err)
	}
	w := message.Header(WireGroupInfo)
	info.Write(w)
	return w.Out(), nil
}
