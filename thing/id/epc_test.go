package id

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// vector is a line of the shared SGTIN-96 vectors, made by another library (epc-tds 1.4.1).
type vector struct{ Tag, Hex, EPC, AI, DL string }

func vectors(t testing.TB) (out []vector) {
	t.Helper()
	f, err := os.Open("../../../shared/data/sgtin96-100.jsonl")
	if err != nil {
		t.Skip("no shared data beside this clone: ", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var v vector
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestSGTIN96Vectors reads every form of the 100 vectors and finds every other
// in what it became (must-show 2).
func TestSGTIN96Vectors(t *testing.T) {
	t.Parallel()
	all := vectors(t)
	if len(all) != 100 {
		t.Fatalf("%d vectors, not 100", len(all))
	}
	for _, v := range all {
		fromLink(t, v)
		for _, from := range []string{v.Hex, v.Tag, v.EPC} {
			id, err := Parse(from)
			if err != nil {
				t.Errorf("%s: %v", from, err)
				continue
			}
			want := []Form{{"epc", v.EPC}, {"element-string", v.AI}, {"digital-link", v.DL}}
			if from != v.EPC { // a pure identity has no filter
				want = append(want, Form{"epc-hex", v.Hex}, Form{"epc-tag", v.Tag})
			}
			for _, w := range want {
				if !slices.Contains(id.Forms(), w) {
					t.Errorf("%s has no %s %s but %v", from, w.Name, w.Text, id.Forms())
				}
			}
		}
	}
}

// fromLink goes the other way: the link and the prefix's length make the EPC.
func fromLink(t *testing.T, v vector) {
	t.Helper()
	prefix, _, _ := strings.Cut(strings.TrimPrefix(v.EPC, "urn:epc:id:sgtin:"), ".")
	for _, from := range []string{v.DL, v.AI} {
		id, err := Parse(from)
		if err == nil {
			id, err = id.WithPrefix(len(prefix))
		}
		if err != nil || !slices.Contains(id.Forms(), Form{"epc", v.EPC}) {
			t.Errorf("%s with a prefix of %d: %v, %v", from, len(prefix), id.Forms(), err)
		}
	}
}
