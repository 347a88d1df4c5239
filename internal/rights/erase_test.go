package rights_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/rights"
	"primum/internal/store"
	"primum/internal/wire"
)

// TestErasureThatStopsHalfWay: when the node can't go on between what was sealed
// and the account, the account is there to ask again, and nothing sealed is left
// behind that nobody can ask for any more.
func TestErasureThatStopsHalfWay(t *testing.T) {
	t.Parallel()
	const owner = "owner@h.localhost"
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	st, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	err = st.Accounts.Create(t.Context(), store.Account{Address: owner, Created: now}, store.Identity{
		Account: owner, Version: 1, Hash: "one", IdentityKey: []byte("key"), Expires: now.Add(time.Hour), Received: now, Document: "one",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	home := store.Home{
		Circle: wire.CircleID{1}, ThingKey: []byte("thing"), Number: 1, Owner: owner, AnchorKey: make([]byte, 32),
		Claim: "claim", Countersignature: "countersignature", Opened: now,
	}
	if _, err := st.Homes.Put(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is full")
	stop := broken
	var forgotten []string
	d := rights.New(rights.Options{
		Store: st, Authority: "h.localhost", Key: ed25519.NewKeyFromSeed(make([]byte, 32)), KeyID: "key", Clock: clock.NewManual(now),
		Fence: func(context.Context, wire.CircleID, string) error { return stop },
		Forget: func(_ context.Context, account string) error {
			forgotten = append(forgotten, account)
			return nil
		},
	})
	if _, err := d.Erase(t.Context(), owner); !errors.Is(err, broken) {
		t.Fatalf("erasure on a full disk: %v", err)
	}
	if _, err := st.Accounts.Get(t.Context(), owner); err != nil {
		t.Fatalf("nobody can ask again: %v", err)
	}
	stop = nil
	if _, err := d.Erase(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Accounts.Get(t.Context(), owner); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the second time: %v", err)
	}
	if len(forgotten) == 0 || forgotten[0] != owner {
		t.Errorf("what lies outside the store: %v", forgotten)
	}
}
