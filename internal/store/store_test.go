package store_test

import (
	"context"
	"testing"

	"primum/internal/store"
	"primum/internal/store/storetest"
)

func engine(ctx context.Context, dir string) (*storetest.Engine, error) {
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return nil, err
	}
	return &storetest.Engine{
		Accounts: s.Accounts, Identities: s.Identities, KeyPackages: s.KeyPackages, Inbox: s.Inbox, Outbox: s.Outbox,
		Homes: s.Homes, Grants: s.Grants, Refusals: s.Refusals, Links: s.Links, Peers: s.Peers, Keeps: s.Keeps, Sessions: s.Sessions, Notices: s.Notices, Labels: s.Labels, Pushes: s.Pushes, Circles: s.Circles,
		Backup: s.Backup, Close: s.Close,
	}, nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Opener{Open: engine, Restore: store.Restore})
}
