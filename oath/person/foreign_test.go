package person

import (
	"testing"

	"primum/internal/wire"
	"primum/oath/trace"
)

// FuzzForeign: whatever stands in a node's log, or comes out of a circle, is
// taken for what it is.
func FuzzForeign(f *testing.F) {
	f.Add([]byte(`{"t":"commit","circle":"00000000000000000000000000000000","commit":"AAEA"}`))
	f.Add([]byte(`[{"op":"readproperty","id":"more-0","problem":{"kind":"grant-required"}}]`))
	f.Add([]byte{0, 1, 0, 2, 16, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		form := formOf(wire.Frame{Number: 1, Message: b})
		if form.sealed && !form.known || form.what == "" {
			t.Errorf("%+v", form)
		}
		if a, ok := answerTo(b, "more-0"); ok && a.kind() == "" && a.Problem == nil {
			t.Errorf("%+v", a)
		}
		if c, ok := lastCommit([]trace.Crossing{{Way: trace.Sent, Bytes: b}}, wire.CircleID{}); ok && len(c) == 0 {
			t.Error("an empty commit")
		}
		if len(printable(b)) > 80 {
			t.Error("too much of a stranger's text")
		}
	})
}
