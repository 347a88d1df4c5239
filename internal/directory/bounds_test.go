package directory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"primum/internal/directory"
)

// TestAccountsDescribeNobodyElsesNames checks that an account shows everybody
// only what has an id of its own, and keeps whatever it likes for itself.
func TestAccountsDescribeNobodyElsesNames(t *testing.T) {
	t.Parallel()
	r, ctx := open(t), t.Context()
	mallory := directory.Viewer{Account: "mallory@h.example"}
	for _, id := range []string{"https://id.gs1.org/01/09521234543213", "https://h.example/open/air/square", "did:web:h.example", "URN:dev:mac:0024befffe804ff1"} {
		_, _, err := r.Put(ctx, mallory, id, lamp(id, "Mine", ""), directory.Change{Visibility: directory.Public})
		if !errors.Is(err, directory.ErrName) {
			t.Errorf("%s: %v", id, err)
		}
		r.put(mallory, id, "Mine", "", directory.Private)
		if _, err := r.Patch(ctx, mallory, id, []byte(`{}`), directory.Change{Visibility: directory.Public}); !errors.Is(err, directory.ErrName) {
			t.Errorf("%s, by a patch: %v", id, err)
		}
		r.put(publisher, id, "The town's", "", directory.Public)
	}
	r.put(mallory, "urn:uuid:0b7bd1d6-9d0a-4c1b-8f0e-3a2e5d1c7f11", "Mine", "", directory.Public)
}

// TestOneAccountHasItsShareOfTheDisk fills it with large descriptions.
func TestOneAccountHasItsShareOfTheDisk(t *testing.T) {
	t.Parallel()
	r := open(t)
	alice, large := directory.Viewer{Account: "alice@h.example"}, `,"x":"`+strings.Repeat("a", 510_000)+`"`
	full := -1
	for i := range 80 {
		id := fmt.Sprint("urn:", i)
		if _, _, err := r.Put(t.Context(), alice, id, lamp(id, "T", large), directory.Change{}); errors.Is(err, directory.ErrFull) {
			full = i
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if full < 50 || full > 70 {
		t.Fatalf("full after %d", full)
	}
	r.put(alice, "urn:0", "T", large, "") // in place of what is there
}

// TestLargeChangesAreToldByTheirIDs checks that a difference is kept only where
// it is small: there are thousands of them.
func TestLargeChangesAreToldByTheirIDs(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.put(publisher, "urn:x", "One", "", "")
	s, err := r.Subscribe(t.Context(), stranger, "", true, "")
	if err != nil {
		t.Fatal(err)
	}
	r.put(publisher, "urn:x", "One", `,"x":"`+strings.Repeat("a", 100_000)+`"`, "")
	r.put(publisher, "urn:x", "Two", `,"x":"`+strings.Repeat("a", 100_000)+`"`, "")
	var data []string
	for len(data) < 2 {
		list, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			data = append(data, string(e.Data))
		}
	}
	if len(data[0]) > 1000 || !strings.Contains(data[0], `"id":"urn:x"`) || !strings.Contains(data[1], `"title":"Two"`) {
		t.Errorf("%.200s, %.200s", data[0], data[1])
	}
}

// TestLongFiltersAreNoMoreReads asks an index for hundreds of terms at once:
// the answer is the same, by a scan that is paid for.
func TestLongFiltersAreNoMoreReads(t *testing.T) {
	t.Parallel()
	r := open(t)
	for i := range 10 {
		r.put(publisher, fmt.Sprint("urn:", i), "T", `,"properties":{"a":{"type":"number","forms":[{"href":"https://a.example"}]}}`, "")
	}
	short, long := "$[?@.properties.a]", "$[?@.properties.a"+strings.Repeat("||@.properties.a", 110)+"]"
	if r.search(stranger, short) != r.search(stranger, long) {
		t.Error("a long filter finds something else")
	}
}

// TestWhatWasDeletedIsInNoEvent comes back from before a thing was deleted.
func TestWhatWasDeletedIsInNoEvent(t *testing.T) {
	t.Parallel()
	r := open(t)
	alice := directory.Viewer{Account: "alice@h.example"}
	s, err := r.Subscribe(t.Context(), stranger, "", true, "")
	if err != nil {
		t.Fatal(err)
	}
	r.put(alice, "urn:x", "One", "", directory.Public)
	r.put(alice, "urn:x", "One", `,"x":"regretted"`, "")
	if err := r.Delete(t.Context(), alice, "urn:x", directory.Change{}); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 3; {
		list, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if n++; strings.Contains(string(e.Data), "regretted") {
				t.Errorf("%s: %s", e.Type, e.Data)
			}
		}
	}
}
