package oath

import (
	"strings"
	"testing"
)

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"authority":"h","keys":[{"kid":"k1","x":"AAAA"}]}`))
	f.Add([]byte(strings.Repeat("[", 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		if err := readJSON(b, &v); err == nil && depth(b) > maxDepth {
			t.Error("too deep")
		}
	})
}
