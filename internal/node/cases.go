package node

import (
	"context"
	"time"

	"primum/identity"
	"primum/internal/rights"
	"primum/internal/store"
	"primum/internal/wire"
)

// maxCases is how many cases an operator is shown at once.
const maxCases = 200

// Cases lists the objections and complaints that wait for an answer at the node
// of dataDir, running or not, the most urgent first. Errors: fs.ErrNotExist.
func Cases(ctx context.Context, dataDir string) (all []wire.Case, err error) {
	me, err := loadSelf(dataDir)
	if err != nil {
		return nil, err
	}
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		all, err = rights.New(rights.Options{Store: st, Base: identity.BaseURL(me.Authority)}).Waiting(ctx, maxCases)
		return err
	})
	return all, err
}

// Answer answers a case at the node of dataDir, running or not. Errors:
// store.ErrNotFound, store.ErrConflict, fs.ErrNotExist.
func Answer(ctx context.Context, dataDir, id, text string, now time.Time) error {
	return withStore(ctx, dataDir, func(st *store.Store) error { return rights.Answer(ctx, st.Cases, id, text, now) })
}
