package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"primum/identity"
	httpdoor "primum/internal/door/http"
	"primum/internal/operator"
	"primum/internal/store"
)

// withStore opens the store of a node, running or not, for one thing.
func withStore(ctx context.Context, dataDir string, do func(*store.Store) error) error {
	if _, err := os.Stat(filepath.Join(dataDir, storeFolder, store.StateFile)); err != nil {
		return fmt.Errorf("%s holds no node: %w", dataDir, err)
	}
	st, err := store.Open(ctx, filepath.Join(dataDir, storeFolder), store.Options{})
	if err != nil {
		return err
	}
	return errors.Join(do(st), st.Close())
}

// AddOperator adds an operator of the node of dataDir, running or not, or gives
// one a new role. It answers the one-time address at which they register a
// passkey, and until when. Errors: operator.ErrName, fs.ErrNotExist.
func AddOperator(ctx context.Context, dataDir, name string, role operator.Role, now time.Time) (url string, until time.Time, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		me, err := loadSelf(dataDir)
		if err != nil {
			return err
		}
		url, until, err = operator.Add(ctx, st, identity.BaseURL(me.Authority), name, role, now)
		return err
	})
	return url, until, err
}

// RemoveOperator removes an operator with all they log in with. Errors:
// store.ErrNotFound, fs.ErrNotExist.
func RemoveOperator(ctx context.Context, dataDir, name string, now time.Time) error {
	return withStore(ctx, dataDir, func(st *store.Store) error { return operator.Remove(ctx, st, name, now) })
}

// Operators lists the operators by name. Errors: fs.ErrNotExist.
func Operators(ctx context.Context, dataDir string) (all []store.Operator, err error) {
	err = withStore(ctx, dataDir, func(st *store.Store) (err error) {
		all, err = st.Operators.List(ctx)
		return err
	})
	return all, err
}

// limitsShown are the bounds that operators see.
func (n *Node) limitsShown() []operator.Limit {
	l, r := n.cfg.Limits, n.relay.Limits()
	rate := func(id string, r httpdoor.Rate) operator.Limit {
		return operator.Limit{ID: id, PerSecond: r.PerSecond, Burst: r.Burst}
	}
	return []operator.Limit{
		rate("address", l.Address), rate("account", l.Account), rate("domain", l.Domain), rate("sign", l.Sign), rate("links", l.Links),
		{ID: "sender", PerSecond: max(r.PerSecond, 0), Burst: float64(r.Burst)},
		{ID: "circle", Bytes: r.CircleBytes},
		{ID: "retention", Span: r.Retention},
		{ID: "sockets", Most: int64(l.Sockets)},
		{ID: "per-address", Most: int64(l.PerAddress)},
	}
}
