package node

import (
	"context"
	"time"

	"primum/internal/operator"
	"primum/internal/store"
)

// AddToken makes a publisher's token for the node of dataDir, running or not;
// an earlier one of that name ends. Errors: operator.ErrName, fs.ErrNotExist.
func AddToken(ctx context.Context, dataDir, name string, now time.Time) (token string, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		token, err = operator.AddToken(ctx, st, name, now)
		return err
	})
	return token, err
}

// RemoveToken ends a publisher's token at once. Errors: store.ErrNotFound,
// fs.ErrNotExist.
func RemoveToken(ctx context.Context, dataDir, name string, now time.Time) error {
	return withStore(ctx, dataDir, func(st *store.Store) error { return operator.RemoveToken(ctx, st, name, now) })
}

// Tokens lists the publishers' tokens by name. Errors: fs.ErrNotExist.
func Tokens(ctx context.Context, dataDir string) (all []store.Token, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		all, err = st.Tokens.List(ctx)
		return err
	})
	return all, err
}

// Authority is the domain of the node of dataDir; empty if none ever ran there.
func Authority(dataDir string) (string, error) {
	me, err := loadSelf(dataDir)
	return me.Authority, err
}
