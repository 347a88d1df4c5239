package directory_test

import (
	"testing"

	"primum/internal/directory"
)

// TestWithdraw hides what accounts showed, in lists, searches and events.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	r := open(t)
	alice := r.as("alice@h.example")
	r.put(alice, "urn:x:public", "Public", "", directory.Public)
	r.put(alice, "urn:x:granted", "Granted", "", directory.Grantees)
	r.put(alice, "urn:x:own", "Own", "", "")
	r.put(publisher, "urn:y", "Town", "", "")
	seen := func(v directory.Viewer) string {
		return r.titles(v) + r.search(v, "$[?@.title=='Public' || @.title=='Granted'].title")
	}
	if got := seen(r.as("bob@h.example")); got != `Granted Public Town["Granted","Public"]` {
		t.Fatal(got)
	}
	before, err := r.Tag(t.Context(), stranger)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	for v, want := range map[string]string{
		"":                `Town[]`,
		"bob@h.example":   `Town[]`,
		"alice@h.example": `Granted Own Public Town["Granted","Public"]`,
	} {
		if got := seen(r.as(v)); got != want {
			t.Errorf("%q sees %s, not %s", v, got, want)
		}
	}
	if after, err := r.Tag(t.Context(), stranger); err != nil || after == before {
		t.Errorf("the list's tag stays: %v", err)
	}
}
