package mls

import (
	"errors"
	"testing"
)

// TestJoinChecksBothPrivateKeys: a joiner whose stored keys are another key
// package's, one or both, enters nothing.
func TestJoinChecksBothPrivateKeys(t *testing.T) {
	t.Parallel()
	for _, s := range Suites() {
		l := newLabOf(t, s, 11, 2)
		kp, priv := l.keyPackage(l.party())
		_, other := l.keyPackage(l.party())
		by := l.any()
		staged, err := by.g.Commit(CommitOptions{Add: []*KeyPackage{kp}})
		l.must(err)
		mixed := func(init, leaf *KeyPackagePrivate) *KeyPackagePrivate {
			return &KeyPackagePrivate{&packageKeys{init: init.init, leaf: leaf.leaf}}
		}
		for name, c := range map[string]struct {
			priv *KeyPackagePrivate
			ok   bool
		}{
			"both right":      {priv, true},
			"another init":    {mixed(other, priv), false},
			"another leaf":    {mixed(priv, other), false},
			"another package": {other, false},
			"erased":          {new(KeyPackagePrivate), false},
		} {
			g, err := Join(Config{Now: labTime}, staged.Welcome, kp, c.priv, nil)
			if (err == nil) != c.ok || (g != nil) != c.ok || errors.Is(err, ErrAuthentication) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
