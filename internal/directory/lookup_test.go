package directory

import (
	"strings"
	"testing"

	"primum/internal/jsonpath"
)

// TestTheIndexIsAskedForSomeTermsOnly checks that one query does not make
// hundreds of reads ahead of what bounds its steps.
func TestTheIndexIsAskedForSomeTermsOnly(t *testing.T) {
	t.Parallel()
	d, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for parts, want := range map[int]bool{1: true, maxTerms: true, maxTerms + 1: false, 120: false} {
		q, err := jsonpath.Parse("$[?" + strings.Repeat("@.properties.a||", parts-1) + "@.properties.a]")
		if err != nil {
			t.Fatal(err)
		}
		c, _, _ := q.Elements()
		if _, _, indexed, err := d.lookUp(t.Context(), Viewer{}, c); err != nil || indexed != want {
			t.Errorf("%d terms: %v, %v", parts, indexed, err)
		}
	}
}
