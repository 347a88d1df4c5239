package node

import (
	"testing"
	"time"

	"primum/internal/directory"
	"primum/internal/store"
)

// TestErasedAccountsDescribeNothing checks that what an account had in the
// directory goes with it.
func TestErasedAccountsDescribeNothing(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	ada := "ada@" + n.Authority()
	if err := n.store.Accounts.Create(t.Context(), store.Account{Address: ada, Created: begin()}, store.Identity{
		Account: ada, Version: 1, Hash: "one", IdentityKey: []byte("key"), Expires: begin().Add(time.Hour), Received: begin(), Document: "one",
	}, nil); err != nil {
		t.Fatal(err)
	}
	describeThing(t, n, directory.Viewer{Account: ada}, lampKey+"/21/erased77")
	if had, err := n.names.things.Of(t.Context(), ada); err != nil || len(had) != 1 {
		t.Fatalf("before: %d, %v", len(had), err)
	}
	if _, err := n.rights.Erase(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if has, err := n.names.things.Of(t.Context(), ada); err != nil || len(has) != 0 {
		t.Errorf("after: %d, %v", len(has), err)
	}
}
