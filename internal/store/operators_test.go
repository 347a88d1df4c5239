package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"primum/internal/store"

	_ "modernc.org/sqlite"
)

func moment() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }

func act(what string) store.Act { return store.Act{At: moment(), Who: "ada", Act: what} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addOperator(t *testing.T, s *store.Store, name, role, ticket string) {
	t.Helper()
	must(t, s.Operators.Add(t.Context(), store.Operator{Name: name, Role: role, Handle: []byte(name + role), Added: moment()},
		[]byte(ticket), moment().Add(time.Minute), act("operator.added")))
}

func TestOperatorsRegisterOnceWithATicket(t *testing.T) {
	t.Parallel()
	s, ctx := openStore(t, t.TempDir(), store.Options{}), t.Context()
	addOperator(t, s, "ada", "admin", "one")
	addOperator(t, s, "ada", "auditor", "two") // a new role, the same handle, a new ticket
	if _, err := s.Operators.ByTicket(ctx, []byte("one"), moment()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the earlier ticket: %v", err)
	}
	who, err := s.Operators.ByTicket(ctx, []byte("two"), moment())
	if err != nil || who.Role != "auditor" || string(who.Handle) != "adaadmin" {
		t.Fatalf("%+v, %v", who, err)
	}
	if _, err := s.Operators.ByTicket(ctx, []byte("two"), moment().Add(time.Hour)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a ticket that ran out: %v", err)
	}
	key := store.OperatorKey{ID: []byte("key"), Name: "ada", Added: moment(), Credential: []byte("{}")}
	must(t, s.Operators.Register(ctx, []byte("two"), key, act("key.registered")))
	if err := s.Operators.Register(ctx, []byte("two"), key, act("key.registered")); !errors.Is(err, store.ErrInvite) {
		t.Errorf("a ticket used twice: %v", err)
	}
	_, keys, err := s.Operators.ByHandle(ctx, who.Handle)
	if err != nil || len(keys) != 1 {
		t.Errorf("%d passkeys, %v", len(keys), err)
	}
}

func TestOperatorSessionsEnd(t *testing.T) {
	t.Parallel()
	s, ctx := openStore(t, t.TempDir(), store.Options{}), t.Context()
	addOperator(t, s, "ada", "admin", "one")
	open := func(hash string, earlier []byte) {
		session := store.OperatorSession{Hash: []byte(hash), Name: "ada", Opened: moment(), Until: moment().Add(time.Hour)}
		must(t, s.Operators.Open(ctx, session, earlier, store.OperatorKey{}, act("login")))
	}
	there := func(hash string, at time.Time) bool {
		_, err := s.Operators.Session(ctx, []byte(hash), at)
		return err == nil
	}
	open("first", nil)
	open("second", []byte("first"))
	if there("first", moment()) || !there("second", moment()) || there("second", moment().Add(time.Hour)) {
		t.Error("a session was not rotated, or lasts too long")
	}
	must(t, s.Operators.Close(ctx, []byte("second"), act("logout")))
	if there("second", moment()) {
		t.Error("a session outlives its end")
	}
	open("third", nil)
	must(t, s.Operators.Remove(ctx, "ada", act("operator.removed")))
	if there("third", moment()) {
		t.Error("a session outlives its operator")
	}
	if err := s.Operators.Remove(ctx, "ada", act("operator.removed")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestActsAreAppendOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, ctx := openStore(t, dir, store.Options{}), t.Context()
	addOperator(t, s, "ada", "admin", "one")
	must(t, s.Operators.Invite(ctx, []byte("hash"), moment(), moment().Add(time.Hour), act("invite.made")))
	must(t, s.Operators.Revoke(ctx, []byte("hash"), act("invite.revoked")))
	if err := s.Operators.Revoke(ctx, []byte("hash"), act("invite.revoked")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	acts, err := s.Operators.Acts(ctx, 0, 10)
	must(t, err)
	var names []string
	for _, a := range acts {
		names = append(names, a.Act)
	}
	if want := []string{"invite.revoked", "invite.made", "operator.added"}; !slices.Equal(names, want) {
		t.Errorf("acts %q, want %q: what failed is not logged", names, want)
	}
	if older, err := s.Operators.Acts(ctx, acts[1].N, 10); err != nil || len(older) != 1 {
		t.Errorf("older acts: %v, %v", older, err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, store.StateFile))
	must(t, err)
	defer func() { _ = db.Close() }()
	for _, query := range []string{`DELETE FROM acts`, `UPDATE acts SET who = 'eve'`} {
		if _, err := db.ExecContext(ctx, query); err == nil {
			t.Errorf("%s succeeded", query)
		}
	}
}

func TestTakenDownStaysDown(t *testing.T) {
	t.Parallel()
	s, ctx := openStore(t, t.TempDir(), store.Options{}), t.Context()
	n := store.Notice{ID: "notice-01", Account: "ada@h.example", Changed: moment(), Document: []byte("{}")}
	must(t, s.Notices.Put(ctx, n, 5))
	must(t, s.Operators.TakeDown(ctx, n.ID, act("notice.taken")))
	if err := s.Notices.Put(ctx, n, 5); !errors.Is(err, store.ErrExists) {
		t.Errorf("it was put up again: %v", err)
	}
	if list, err := s.Overview.Notices(ctx, "", 10); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if err := s.Operators.TakeDown(ctx, n.ID, act("notice.taken")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("taken down twice: %v", err)
	}
}

func TestOverview(t *testing.T) {
	t.Parallel()
	s, ctx := openStore(t, t.TempDir(), store.Options{}), t.Context()
	for _, name := range []string{"ada", "bob", "cem"} {
		address := name + "@h.example"
		doc := store.Identity{Account: address, Version: 1, Hash: name, IdentityKey: []byte(name), Expires: moment(), Received: moment(), Checked: moment(), Document: "{}"}
		must(t, s.Accounts.Create(ctx, store.Account{Address: address, Created: moment()}, doc, nil))
	}
	must(t, s.Identities.Suspend(ctx, store.Suspension{Account: "bob@h.example", Client: "main", At: moment(), Version: 1, Document: "{}"}))
	page, err := s.Overview.Accounts(ctx, "ada@h.example", 5)
	must(t, err)
	if len(page) != 2 || !page[0].Suspended || page[1].Suspended || !page[0].Expires.Equal(moment()) || page[0].Closed {
		t.Errorf("accounts %+v", page)
	}
	must(t, s.Outbox.Put(ctx, store.Outgoing{ID: "1", From: "a", To: "b", Authority: "s.example", Created: moment(), Due: moment(), Expires: moment(), Body: []byte("x")}, 0))
	d, err := s.Overview.Depths(ctx, moment())
	must(t, err)
	if d.Outbox != 1 || d.Failing != 0 || !d.Oldest.Equal(moment()) || d.Inbox != 0 {
		t.Errorf("depths %+v", d)
	}
	files := s.Overview.Files()
	if len(files) != 4 || files[0].Name != store.StateFile || files[0].Bytes == 0 || files[2].Bytes == 0 {
		t.Errorf("files %+v", files)
	}
}
