package mls

import (
	"bytes"
	"errors"
	"fmt"

	"primum/mls/internal/codec"
	"primum/mls/internal/message"
	"primum/mls/internal/public"
	"primum/mls/internal/schedule"
	"primum/mls/internal/tree"
)

// stateVersion is the first octet of a stored Group.
const stateVersion = 1

// Flags of a stored Group.
const (
	flagEvicted uint8 = 1 << iota
	flagReInit
	flagReserving
)

// MarshalBinary writes the state with its secrets, a pending commit and
// proposals included, and none that was consumed. The same state gives the same
// bytes. Keys of Reserve are not in it.
func (g *Group) MarshalBinary() ([]byte, error) {
	w := codec.NewWriter(make([]byte, 0, g.stored+g.stored/8+1024))
	w.U8(stateVersion)
	w.U8(g.flags())
	g.st.Write(w)
	w.U32(g.me)
	if !g.evicted {
		g.core.write(w)
		g.writeOwn(w)
	}
	g.stored = w.Len()
	return w.Out(), nil
}

func (g *Group) flags() (f uint8) {
	if g.evicted {
		f |= flagEvicted
	}
	if g.reInit {
		f |= flagReInit
	}
	if g.reserving {
		f |= flagReserving
	}
	return f
}

// write appends the member's side of an epoch.
func (c *core) write(w *codec.Writer) {
	c.secrets.Write(w)
	c.keys.Write(w) // RFC 9420 §6.3.1 M3
	c.private.Write(w)
}

// writeOwn appends what reaches beyond the present epoch.
func (g *Group) writeOwn(w *codec.Writer) {
	w.U32(uint32(len(g.updates)))
	for _, u := range g.updates {
		w.Bytes(u.pub)
		w.Bytes(u.priv)
	}
	w.U32(uint32(len(g.resumption)))
	for _, r := range g.resumption {
		w.U64(r.epoch)
		w.Bytes(r.secret)
	}
	w.U32(uint32(len(g.past)))
	for _, c := range g.past {
		c.st.Write(w)
		w.Bytes(c.secrets.SenderData)
		c.keys.Write(w)
	}
	w.Optional(g.pending != nil)
	if g.pending != nil {
		w.Bytes(g.pending.staged.Commit)
		w.Bytes(g.pending.staged.Welcome)
		w.Bytes(g.pending.staged.GroupInfo)
		g.pending.next.write(w)
	}
}

// Load reads what MarshalBinary wrote. The bytes are trusted: keep them where
// only the caller writes.
func Load(cfg Config, state []byte) (*Group, error) {
	cfg = cfg.withDefaults()
	r := codec.NewReader(state)
	g, err := readGroup(cfg, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("load group: %w: %w", ErrState, err)
	}
	g.stored = len(state)
	return g, nil
}

func readGroup(cfg Config, r *codec.Reader) (*Group, error) {
	if v := r.U8(); v != stateVersion && r.Err() == nil {
		return nil, fmt.Errorf("format %d is not known", v)
	}
	flags := r.U8()
	st, err := public.ReadState(r)
	if err != nil {
		return nil, err
	}
	g := &Group{&inside{
		cfg: cfg, core: closedCore(st, r.U32()),
		evicted: flags&flagEvicted != 0, reInit: flags&flagReInit != 0, reserving: flags&flagReserving != 0,
	}}
	if g.evicted || r.Err() != nil {
		return g, r.Err()
	}
	if err := checkLoaded(&cfg, st, g.me); err != nil {
		return nil, err
	}
	g.core = readCore(r, st, g.me)
	if err := g.private.Check(st.Tree); err != nil && r.Err() == nil {
		return nil, err
	}
	if g.private.Leaf() != g.me {
		return nil, errors.New("the private keys are another leaf's")
	}
	return g, g.readOwn(r)
}

// checkLoaded checks that the member is there and that the signer is its.
func checkLoaded(cfg *Config, st *public.State, me uint32) error {
	leaf := st.Tree.Leaf(me)
	if leaf == nil {
		return errors.New("the own leaf is blank")
	}
	if cfg.Signer == nil {
		return nil
	}
	pub, err := st.Suite.SignatureKey(cfg.Signer)
	if err != nil {
		return err
	}
	if !bytes.Equal(pub, leaf.SignatureKey) {
		return errors.New("the signer does not hold the own leaf's signature key")
	}
	return nil
}

// closedCore is an epoch without secrets.
func closedCore(st *public.State, me uint32) *core {
	return &core{st: st, me: me, secrets: new(schedule.Secrets), keys: schedule.NewTree(st.Suite, nil, 1)}
}

func readCore(r *codec.Reader, st *public.State, me uint32) *core {
	return &core{
		st: st, me: me,
		secrets: schedule.ReadSecrets(r, st.Suite),
		keys:    schedule.ReadTree(r, st.Suite),
		private: tree.ReadPrivate(r),
	}
}

func (g *Group) readOwn(r *codec.Reader) error {
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		g.updates = append(g.updates, ownUpdate{pub: bytes.Clone(r.Bytes()), priv: bytes.Clone(r.Bytes())})
	}
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		g.resumption = append(g.resumption, resumptionPSK{epoch: r.U64(), secret: bytes.Clone(r.Bytes())})
	}
	for n := r.U32(); n > 0 && r.Err() == nil; n-- {
		c, err := readPast(r, g.me)
		if err != nil {
			return err
		}
		g.past = append(g.past, c)
	}
	if r.Optional() {
		return g.readPending(r)
	}
	return r.Err()
}

func readPast(r *codec.Reader, me uint32) (*core, error) {
	st, err := public.ReadState(r)
	if err != nil {
		return nil, err
	}
	return &core{
		st: st, me: me,
		secrets: &schedule.Secrets{SenderData: bytes.Clone(r.Bytes())},
		keys:    schedule.ReadTree(r, st.Suite),
	}, r.Err()
}

// readPending reads the pending commit and makes its epoch's public state
// again, by staging it as any member does.
func (g *Group) readPending(r *codec.Reader) error {
	staged := &Staged{Commit: bytes.Clone(r.Bytes()), Welcome: bytes.Clone(r.Bytes()), GroupInfo: bytes.Clone(r.Bytes())}
	if len(staged.Welcome) == 0 {
		staged.Welcome = nil
	}
	if r.Err() != nil {
		return r.Err()
	}
	cr := codec.NewReader(staged.Commit)
	message.ReadHeader(cr)
	m, _, err := message.ReadPublic(cr)
	if err != nil {
		return err
	}
	if m.Kind != Commit {
		return errors.New("the pending message is no commit")
	}
	all := public.Options{AllowPSK: true, AllowReInit: true, AllowExternalSenders: true, AllowIdentityChange: true}
	sc, err := g.st.Stage(all, m)
	if err != nil {
		return err
	}
	staged.View = sc.View
	g.pending = &pending{next: readCore(r, sc.Next, g.me), staged: staged}
	return r.Err()
}
