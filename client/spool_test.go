package client

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/circle"
)

func valueEvent(id uint64, value string) circle.Event {
	return circle.Event{ID: id, Kind: circle.EventValue, Thing: "water", Name: "flow", Value: json.RawMessage(value)}
}

func reopen(t *testing.T, s *spool, path string) *spool {
	t.Helper()
	if s != nil {
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := openSpool(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

func TestSpoolKeepsWhatWasNotShown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "received", "g.log")
	s := reopen(t, nil, path)
	for id := uint64(1); id <= 3; id++ {
		if err := s.add("g", valueEvent(id, "1")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.show("g", 1); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, path)
	if err := s.add("g", valueEvent(3, "1")); err != nil { // repeated after a crash
		t.Fatal(err)
	}
	var ids []uint64
	for e, ok := s.next("g"); ok; e, ok = s.next("g") {
		ids = append(ids, e.ID)
		if err := s.show("g", e.ID); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 2 || ids[0] != 2 || ids[1] != 3 {
		t.Errorf("shown %v, want 2 and 3", ids)
	}
}

func TestSpoolForgetsWhatWasShown(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "g.log")
	s := reopen(t, nil, path)
	for id := uint64(1); id <= 4*rewriteAfter; id++ {
		if err := s.add("g", valueEvent(id, `"canary-of-a-value"`)); err != nil {
			t.Fatal(err)
		}
		if err := s.show("g", id); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "canary"); n > rewriteAfter {
		t.Errorf("%d shown values are still on disk", n)
	}
	if err := s.add("g", valueEvent(1, "1")); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.next("g"); ok {
		t.Error("an old event came again after the rewrite")
	}
	if e, ok := s.latest("g", "water", "flow"); !ok || e.ID != 4*rewriteAfter {
		t.Errorf("latest is %v, %v", e.ID, ok)
	}
}

// Two watchers of one stream each see every event.
func TestSpoolHasTwoWatchers(t *testing.T) {
	t.Parallel()
	s := reopen(t, nil, filepath.Join(t.TempDir(), "g.log"))
	for id := uint64(1); id <= 3; id++ {
		if err := s.add("g", valueEvent(id, "1")); err != nil {
			t.Fatal(err)
		}
	}
	var fast, slow uint64
	e, _ := s.nextAfter("g", slow) // the slow one has the first in its hands
	slow = e.ID
	for e, ok := s.nextAfter("g", fast); ok; e, ok = s.nextAfter("g", fast) {
		fast = e.ID
		if err := s.show("g", fast); err != nil {
			t.Fatal(err)
		}
	}
	for want := uint64(2); want <= 3; want++ {
		if e, ok := s.nextAfter("g", slow); !ok || e.ID != want {
			t.Fatalf("the slow one gets %d, want %d", e.ID, want)
		}
		slow++
	}
	if _, ok := s.next("g"); ok || fast != 3 {
		t.Error("a new watcher gets what was seen")
	}
}

func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	s := newSpool()
	for id := uint64(1); id <= maxSpooled+10; id++ {
		b, err := json.Marshal(spooled{Stream: "g", Event: &circle.Event{ID: id, Kind: circle.EventValue}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.replay(b); err != nil {
			t.Fatal(err)
		}
	}
	if e, _ := s.next("g"); s.waiting != maxSpooled || e.ID != 11 {
		t.Errorf("%d wait, from %d on", s.waiting, e.ID)
	}
}

func FuzzSpoolRecord(f *testing.F) {
	f.Add([]byte(`{"s":"g","e":{"id":1,"kind":"value"}}`))
	f.Add([]byte(`{"last":3,"s":"g","shown":2}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSpool()
		err := s.replay(b)
		if s.waiting > 1 || err != nil && s.records > 0 {
			t.Errorf("%d events of one record, %v", s.waiting, err)
		}
	})
}
