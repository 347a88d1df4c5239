package cost_test

import (
	"testing"

	"primum/mls/internal/cost"
	"primum/mls/internal/suite"
)

// recorder is a test that notes failures instead of failing.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var sink []byte

// TestBoundBites: a call within its bound passes, one beyond it fails.
func TestBoundBites(t *testing.T) {
	s, err := suite.ByID(suite.X25519AES128GCM)
	if err != nil {
		t.Fatal(err)
	}
	plenty := cost.Work{Memory: 1 << 30, Signatures: 9, Keys: 9, Hashed: 1 << 30}
	for _, c := range []struct {
		name    string
		tight   func(*cost.Work)
		f       func()
		metered bool
	}{
		{"memory", func(w *cost.Work) { w.Memory = 1 << 10 }, func() { sink = make([]byte, 1<<16) }, false},
		{"signatures", func(w *cost.Work) { w.Signatures = 0 }, func() { _ = s.Verify(nil, nil, nil) }, true},
		{"keys", func(w *cost.Work) { w.Keys = 0 }, func() { _ = s.CheckPublicKey(nil) }, true},
		{"hashes", func(w *cost.Work) { w.Hashed = 100 }, func() { s.Hash(make([]byte, 1000)) }, true},
	} {
		if c.metered && !cost.Metered {
			continue
		}
		bound := cost.Bound{Always: plenty}
		r := &recorder{TB: t}
		bound.Check(r, 100, c.f)
		if r.failed {
			t.Errorf("%s: refused within the bound", c.name)
		}
		c.tight(&bound.Always)
		r = &recorder{TB: t}
		bound.Check(r, 100, c.f)
		if !r.failed {
			t.Errorf("%s: let through beyond the bound", c.name)
		}
	}
}
