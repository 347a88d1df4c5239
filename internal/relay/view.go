package relay

import (
	"context"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

// view is what the relay knows of a circle between two handshakes. It is
// immutable, but that the row's head, oldest and bytes aren't kept up.
type view struct {
	store.Circle
	tracker  Tracker // used under circle.mu only
	treeHash []byte
	seats    map[string]seat // by signature key
}

// seat is a caller's place in a circle.
type seat struct {
	has   bool // a leaf; else the caller only has the circle's account
	leaf  uint32
	since uint64 // first frame that its member may read, from 1
}

func newView(c store.Circle, t Tracker, since map[uint32]uint64) *view {
	members := t.Members()
	v := &view{Circle: c, tracker: t, treeHash: t.TreeHash(), seats: make(map[string]seat, len(members))}
	for _, m := range members {
		v.seats[string(m.SignatureKey)] = seat{has: true, leaf: m.Leaf, since: max(since[m.Leaf], 1)}
	}
	return v
}

// leaves lists the occupied leaves.
func (v *view) leaves() []uint32 {
	var all []uint32
	for _, m := range v.tracker.Members() {
		all = append(all, m.Leaf)
	}
	return all
}

// seat finds a caller's place: its leaf, or at least the circle's account.
func (v *view) seat(c Caller) (seat, error) {
	if s, ok := v.seats[string(c.Key)]; ok {
		return s, nil
	}
	if c.Account != "" && c.Account == v.Account {
		return seat{}, nil
	}
	return seat{}, noLeaf()
}

// isAnchor tells whether a caller is the circle's only committer.
func (v *view) isAnchor(c Caller) bool { return string(c.Key) == string(v.AnchorKey) }

// counts tells whether what passes between the circle and a caller is counted:
// in grant circles, of everybody but the anchor.
func (v *view) counts(c Caller) bool { return !v.Home && !v.isAnchor(c) }

// ended refuses what comes too late.
func (v *view) ended(now time.Time) error {
	if f := v.EndedAt(now); f != nil {
		return fencedAs(f)
	}
	return nil
}

// skew is how much an owner's clock may be ahead of the node's, as for signed
// requests (RFC 9421): who gives "from now on" isn't made to wait.
const skew = 5 * time.Minute

// begun refuses values that come too early. Handshakes may come before, so
// that values flow from the first moment on.
func (v *view) begun(now time.Time) error {
	if !now.Before(v.From.Add(-skew)) {
		return nil
	}
	return &wire.Refusal{
		Name: wire.ProbNotYet, Retry: v.From.Sub(now), At: v.From,
		Detail: "the grant begins at " + v.From.UTC().Format(time.RFC3339),
	}
}

// readable refuses reading of what has ended, then without a leaf.
func (v *view) readable(s seat, now time.Time) error {
	if f := v.EndedAt(now); f != nil {
		return fencedAs(f)
	}
	if !s.has {
		return noLeaf()
	}
	return nil
}

// after is the view that a handshake leads to; joined are the leaves that it
// filled, at a sequence number.
func (v *view) after(t Tracker, seq uint64, joined []uint32) *view {
	since := make(map[uint32]uint64, len(v.seats))
	for _, s := range v.seats {
		since[s.leaf] = s.since
	}
	for _, leaf := range joined {
		since[leaf] = seq
	}
	c := v.Circle
	c.Epoch = t.Epoch()
	return newView(c, t, since)
}

// fencedBy is the view behind a fence.
func (v *view) fencedBy(c store.Circle) *view {
	next := *v
	next.Fence, next.Fenced = c.Fence, c.Fenced
	return &next
}

// view reads a circle's present view.
func (r *Relay) view(ctx context.Context, id wire.CircleID) (*view, error) {
	c, release := r.cache.take(id)
	defer release()
	return r.viewOf(ctx, c)
}

// viewOf is view for who has taken the circle from the cache.
func (r *Relay) viewOf(ctx context.Context, c *circle) (*view, error) {
	if v := c.view.Load(); v != nil {
		return v, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.view.Load(); v != nil {
		return v, nil
	}
	return r.load(ctx, c)
}

// load reads a circle's view from the store. The caller holds c.mu.
func (r *Relay) load(ctx context.Context, c *circle) (*view, error) {
	kept, err := r.log.Tracker(ctx, c.id)
	if err != nil {
		return nil, refused(err)
	}
	t, err := r.trackers.Load(kept.Tracker)
	if err != nil {
		return nil, err
	}
	v := newView(kept.Circle, t, kept.Since)
	c.view.Store(v)
	return v, nil
}

// leavesOf lists the leaves of members.
func leavesOf(members []mls.Member) []uint32 {
	var all []uint32
	for _, m := range members {
		all = append(all, m.Leaf)
	}
	return all
}
