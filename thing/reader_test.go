package thing

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzReader: a document without a member twice is what encoding/json makes of
// it; what that refuses is refused.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,true,false,null,"x\u00e9\ud83d\ude00\n\\\"",{}],"":{"b":[]}}`, ` [ 1 , 2 ] `, `"a"`, `0`, `{"a":1,"a":2}`, `[1,`, `{"a" : {"b\u0000":[[[]]]}} x`,
		`"\ud800"`, `{"\u0061":1,"a":2}`, `1e400`, `[1e-999999999]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeTree(b)
		var want any
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if !json.Valid(b) || dec.Decode(&want) != nil {
			if err == nil {
				t.Fatalf("%q is taken", b)
			}
			return
		}
		var p *Problem
		switch {
		case err == nil && !reflect.DeepEqual(got, want):
			t.Fatalf("%q: %v, want %v", b, got, want)
		case err != nil && !errors.As(err, &p):
			t.Fatalf("%q: %v", b, err)
		case err != nil && strings.Contains(p.Reason, "not JSON"):
			t.Fatalf("%q is JSON", b)
		}
	})
}
