package store

import (
	"strings"
	"testing"
)

// TestEveryTableOfPeopleIsHeld: a column that names an account stands in the
// answer to "what do you hold about me" and in the erasure, or here with the
// reason why not.
func TestEveryTableOfPeopleIsHeld(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	apart := map[string]string{
		"inbox_heads.account":   "a number, erased with the inbox",
		"inbox.sender":          "the recipient's post",
		"outbox.recipient":      "the sender's post",
		"refusals.sender":       "the owner's list; erased with who is in it",
		"seen_days.owner":       "the secrets of seen, which /v1/seen shows",
		"pins.account":          "another domain's account",
		"usage.domain":          "organisations only",
		"links.guest":           "a guest's account is one of its own",
		"case_steps.case_id":    "in the case",
		"invites.used_by":       "emptied with the account",
		"grant_events.grant_id": "in the grant",
	}
	var held strings.Builder
	for _, k := range kinds() {
		held.WriteString(k.from + ";")
	}
	for _, c := range columns(t, s) {
		table, column, _ := strings.Cut(c, ".")
		if apart[c] != "" || !strings.Contains(" account owner grantee sender recipient guest used_by address ", " "+column+" ") {
			continue
		}
		if !strings.Contains(held.String(), table+" WHERE "+column+" = ?1") {
			t.Errorf("%s names a person, and stands neither in kinds nor apart", c)
		}
	}
}

func columns(t *testing.T, s *Store) (all []string) {
	t.Helper()
	rows, err := s.state.reading.QueryContext(t.Context(),
		`SELECT m.name || '.' || p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c string
		if err := rows.Scan(&c); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil || len(all) < 50 {
		t.Fatalf("%d columns, %v", len(all), err)
	}
	return all
}
