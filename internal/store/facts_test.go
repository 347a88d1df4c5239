package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"primum/internal/store"
)

// TestFactsAreShownOnlyWithTheirEntry follows documents of one type through the
// log, and tries to change them.
func TestFactsAreShownOnlyWithTheirEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, store.Options{})
	ctx, now := t.Context(), time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	add := func(body string, want bool) string {
		t.Helper()
		sha, added, err := s.Facts.Add(ctx, store.Fact{Type: "policy", Name: "node", Kind: "application/json", Body: []byte(body), At: now})
		if err != nil || added != want {
			t.Fatalf("added %v: %v", added, err)
		}
		return sha
	}
	first := add("one", true)
	add("one", false) // as it is
	if _, err := s.Facts.Newest(ctx, "policy", "node"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a document without entry is shown: %v", err)
	}
	if _, err := s.Facts.Get(ctx, first); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a document without entry is served: %v", err)
	}
	waiting, err := s.Facts.Pending(ctx, 10)
	if err != nil || len(waiting) != 1 || waiting[0].Placed || waiting[0].SHA256 != first {
		t.Fatalf("waiting: %+v, %v", waiting, err)
	}
	must(t, s.Facts.Placed(ctx, waiting[0].N, 7))
	if err := s.Facts.Placed(ctx, waiting[0].N, 8); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("placed twice: %v", err)
	}
	second := add("two", true)
	if f, err := s.Facts.Newest(ctx, "policy", "node"); err != nil || f.SHA256 != first || !f.Newest || f.Index != 7 || string(f.Body) != "one" {
		t.Fatalf("newest while another waits: %+v, %v", f, err)
	}
	waiting, _ = s.Facts.Pending(ctx, 10)
	must(t, s.Facts.Placed(ctx, waiting[0].N, 9))
	all, err := s.Facts.List(ctx, "", 0, 10)
	if err != nil || len(all) != 2 || all[0].SHA256 != second || !all[0].Newest || all[1].Newest || all[1].Body != nil {
		t.Fatalf("list: %+v, %v", all, err)
	}
	add("one", true) // back to the first words: a change all the same
	db, err := sql.Open("sqlite", filepath.Join(dir, store.StateFile))
	must(t, err)
	defer func() { _ = db.Close() }()
	for _, change := range []string{`DELETE FROM facts`, `UPDATE facts SET body = 'x'`, `UPDATE facts SET place = 1 WHERE place = 7`, `UPDATE facts SET at = 1 WHERE place IS NULL`} {
		if _, err := db.ExecContext(ctx, change); err == nil {
			t.Errorf("%s was possible", change)
		}
	}
}

func TestUsageIsSummed(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), store.Options{})
	ctx, hour := t.Context(), time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	sum := func(h time.Time, domain, meter string, n uint64) store.Usage {
		return store.Usage{Hour: h, Domain: domain, Meter: meter, N: n}
	}
	must(t, s.Usages.Add(ctx, []store.Usage{sum(hour, "a.example", "requests", 3), sum(hour, "b.example", "requests", 1)}))
	must(t, s.Usages.Add(ctx, []store.Usage{sum(hour.Add(59*time.Minute), "a.example", "requests", 4), sum(hour.Add(time.Hour), "a.example", "delivered", 5)}))
	all, err := s.Usages.List(ctx, hour, hour.Add(24*time.Hour), "", store.Usage{}, 10)
	if err != nil || len(all) != 3 || all[0] != sum(hour, "a.example", "requests", 7) {
		t.Fatalf("%+v, %v", all, err)
	}
	rest, err := s.Usages.List(ctx, hour, hour.Add(24*time.Hour), "", all[0], 10)
	if err != nil || len(rest) != 2 || rest[0].Domain != "b.example" {
		t.Fatalf("after the first: %+v, %v", rest, err)
	}
	must(t, s.Usages.Forget(ctx, hour.Add(time.Hour)))
	if all, err = s.Usages.List(ctx, hour, hour.Add(24*time.Hour), "a.example", store.Usage{}, 10); err != nil || len(all) != 1 || all[0].Meter != "delivered" {
		t.Fatalf("%+v, %v", all, err)
	}
}
