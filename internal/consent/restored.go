package consent

import (
	"context"
	"errors"
	"time"

	"primum/grant"
	"primum/internal/store"
	"primum/internal/wire"
)

// Ending is how a grant of a restored store would have ended, if its leaf stands
// in the commitments log.
type Ending struct {
	Grant store.Grant
	State grant.State
	Leaf  [32]byte
}

// Endings are all possible ends of the grants of a store that are not over, by
// leaf, and the number of those grants.
func Endings(ctx context.Context, st *store.Store) (all map[[32]byte]Ending, grants int, err error) {
	all = map[[32]byte]Ending{}
	for _, state := range []grant.State{grant.Given, grant.Paused} {
		for after := ""; ; {
			page, err := st.Grants.In(ctx, string(state), after, 500)
			if err != nil || len(page) == 0 {
				if err != nil {
					return nil, 0, err
				}
				break
			}
			for _, g := range page {
				if err := addEndings(all, g); err != nil {
					return nil, 0, err
				}
			}
			grants, after = grants+len(page), page[len(page)-1].ID
		}
	}
	return all, grants, nil
}

func addEndings(all map[[32]byte]Ending, g store.Grant) error {
	env, err := filed(g)
	if err != nil {
		return err
	}
	for _, end := range []grant.State{grant.Withdrawn, grant.Revoked, grant.Superseded, grant.Expired} {
		leaf := wire.GrantCommitment(env.KGrant, string(end))
		all[leaf] = Ending{Grant: g, State: end, Leaf: leaf}
	}
	return nil
}

// Apply ends the grant in a store that no node uses: fence first, as always.
// index is where the leaf stands in the log. Who withdrew, and by which
// document, was lost; that it was done is proved.
func (e Ending) Apply(ctx context.Context, st *store.Store, index uint64, now time.Time) error {
	now = now.UTC().Truncate(time.Millisecond)
	_, err := st.Circles.Fence(ctx, e.Grant.Circle, reasonOf(e.State), now)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	c := store.Change{
		ID: e.Grant.ID, Expect: e.Grant.State, Over: true, Leaves: [][32]byte{e.Leaf}, LeavesDue: now,
		Event: store.GrantEvent{State: string(e.State), At: now, By: string(grant.ByNode)},
	}
	if e.State == grant.Withdrawn && e.Grant.AskAgain > 0 {
		c.AskAgain = now.Add(e.Grant.AskAgain)
	}
	if err := st.Grants.Apply(ctx, c); err != nil {
		return err
	}
	queued, err := st.Leaves.Seq(ctx, e.Leaf)
	if err != nil {
		return err
	}
	return st.Leaves.Placed(ctx, map[int64]uint64{queued: index})
}

// reasonOf is why the circle of a grant in a state is fenced.
func reasonOf(s grant.State) string {
	switch s {
	case grant.Withdrawn:
		return ReasonWithdrawn
	case grant.Superseded:
		return ReasonSuperseded
	case grant.Expired:
		return store.FenceExpired
	}
	return ReasonRevoked
}
