package tree

import (
	"testing"
	"time"
)

// TestVerifiedPackageIsStillJudged: a key package whose signatures were
// verified before is refused for all that depends on group and time, and a
// changed copy of it altogether, as one that was not.
func TestVerifiedPackageIsStillJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	before := w.keyPackage()
	after, err := ParseKeyPackage(before.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Verify(w.s); err != nil {
		t.Fatal(err)
	}
	copied := *after
	copied.Signature = append([]byte(nil), copied.Signature...)
	copied.Signature[0] ^= 1
	cases := map[string]struct {
		rules Rules
		ok    bool
	}{
		"plain":               {w.rules(), true},
		"in time":             {Rules{Suite: w.s, At: time.Unix(150, 0)}, true},
		"too late":            {Rules{Suite: w.s, At: time.Unix(1<<40, 0)}, false},
		"a lifetime too long": {Rules{Suite: w.s, MaxLifetime: time.Second}, false},
		"a foreign extension": {Rules{Suite: w.s, Extensions: Extensions{{Type: 0xF123}}}, false},
	}
	for name, c := range cases {
		first, second := c.rules.CheckKeyPackage(before), c.rules.CheckKeyPackage(after)
		if (first == nil) != c.ok || (second == nil) != c.ok {
			t.Errorf("%s: %v before, %v after it was verified", name, first, second)
		}
		if c.rules.CheckKeyPackage(&copied) == nil {
			t.Errorf("%s: a changed copy is taken", name)
		}
	}
}

// keyPackage makes a key package of a new client.
func (w *world) keyPackage() *KeyPackage {
	w.t.Helper()
	leaf, signer, _ := w.client()
	_, init, err := w.s.GenerateKeyPair(w.rnd)
	if err != nil {
		w.t.Fatal(err)
	}
	k := &KeyPackage{Version: Version, Suite: w.s.ID(), InitKey: init, Leaf: leaf}
	if err := k.Sign(w.s, w.rnd, signer); err != nil {
		w.t.Fatal(err)
	}
	return k
}
