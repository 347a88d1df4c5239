package directory

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzMembers: an object that is taken apart and put together is the same.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, ` { "a" : [ 1 , { "b" : "}" } ] , "c\\\"" : null } `, `{"a":1,"b":"x,y:z","":{},"d":-1e5}`, `{"a":"\\"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want map[string]json.RawMessage
		if json.Unmarshal(b, &want) != nil || want == nil {
			return
		}
		list, err := members(b)
		if err != nil {
			t.Fatal(err)
		}
		var got, whole any
		if err := json.Unmarshal(join(list), &got); err != nil {
			t.Fatalf("%q: %v", join(list), err)
		}
		if err := json.Unmarshal(b, &whole); err != nil || !reflect.DeepEqual(got, whole) {
			t.Errorf("%q became %q", b, join(list))
		}
	})
}
