package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/directory"
	"primum/internal/rights"
	"primum/internal/store"
	"primum/internal/wire"
)

// TestErasedAccountsDescribeNothing checks that what an account had in the
// directory goes with it, and that it is told and handed over before.
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
	access, err := n.rights.Access(t.Context(), ada)
	if err != nil || !slices.ContainsFunc(access.Holds, func(h wire.Holding) bool { return h.What == rights.KindThings && h.Count == 1 && h.Bytes > 0 }) {
		t.Errorf("what is held: %+v, %v", access.Holds, err)
	}
	exported := ""
	for after, more := "", true; more; {
		page, err := n.rights.Export(t.Context(), ada, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Holds[rights.KindThings] {
			exported += string(row)
		}
		after, more = page.More, page.More != ""
	}
	if strings.Count(exported, `"visibility"`) != 1 || !strings.Contains(exported, "erased77") {
		t.Errorf("exported: %s", exported)
	}
	if _, err := n.rights.Erase(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if has, err := n.names.things.Of(t.Context(), ada); err != nil || len(has) != 0 {
		t.Errorf("after: %d, %v", len(has), err)
	}
}
