package jsonpath_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"primum/internal/jsonpath"
)

type suite struct {
	Tests []struct {
		Name     string  `json:"name"`
		Selector string  `json:"selector"`
		Document any     `json:"document"`
		Result   []any   `json:"result"`
		Results  [][]any `json:"results"`
		Invalid  bool    `json:"invalid_selector"`
	} `json:"tests"`
}

// TestComplianceSuite: all cases of the JSONPath Compliance Test Suite (RFC 9535).
func TestComplianceSuite(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "jsonpath-cts.json.gz"))
	if err != nil {
		t.Skip("no ../shared beside this clone: the compliance suite is not run")
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var s suite
	if err := json.NewDecoder(z).Decode(&s); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Tests {
		q, err := jsonpath.Parse(c.Selector)
		if c.Invalid {
			if err == nil {
				t.Errorf("%s: %q is taken", c.Name, c.Selector)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %q: %v", c.Name, c.Selector, err)
			continue
		}
		steps := 100000
		got, err := q.Select(context.Background(), c.Document, &steps)
		if err != nil || !oneOf(got, append(c.Results, c.Result)) {
			t.Errorf("%s: %q: %v %v, want %v %v", c.Name, c.Selector, got, err, c.Result, c.Results)
		}
	}
	if len(s.Tests) != 703 {
		t.Errorf("%d cases, expected 703", len(s.Tests))
	}
}

func oneOf(got []any, wanted [][]any) bool {
	for _, w := range wanted {
		if len(got) == 0 && w != nil && len(w) == 0 || reflect.DeepEqual(got, w) {
			return true
		}
	}
	return false
}
