package vectors

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"primum/mls"
)

// refusalGroup is a group and what a member of it, and a tracker, refuse.
type refusalGroup struct {
	Suite      mls.Suite `json:"suite"`
	At         int64     `json:"at"`
	Seed       octets    `json:"signatureSeed"`
	KeyPackage octets    `json:"keyPackage"`
	StoredKeys octets    `json:"storedKeys"`
	Welcome    octets    `json:"welcome"`
	GroupInfo  octets    `json:"groupInfo"`
	TreeHash   octets    `json:"treeHash"`
	Refusals   []struct {
		About   string `json:"about"`
		Message octets `json:"message"`
		Error   string `json:"error"`
		Tracker string `json:"tracker"`
	} `json:"refusals"`
}

// TestMLSRefusals gives a member and a tracker the messages of a member that
// holds real keys and breaks one rule each: both refuse them for the recorded
// reason, and nothing of their state changes.
func TestMLSRefusals(t *testing.T) {
	t.Parallel()
	var groups []refusalGroup
	load(t, "mls-refusals.json", &groups)
	if len(groups) != len(mls.Suites()) {
		t.Fatalf("%d groups", len(groups))
	}
	for _, g := range groups {
		member, tracker := g.enter(t)
		for _, bad := range g.Refusals {
			want := errorKinds()[bad.Error]
			if want == nil {
				t.Fatalf("%s: no error %q", bad.About, bad.Error)
			}
			before := must[[]byte](t)(member.MarshalBinary())
			if _, err := member.Process(bad.Message); !errors.Is(err, want) {
				t.Errorf("%s, %s: %v, want %s", g.Suite, bad.About, err, bad.Error)
			}
			if !bytes.Equal(before, must[[]byte](t)(member.MarshalBinary())) {
				t.Errorf("%s, %s changed the member", g.Suite, bad.About)
			}
			if bad.Tracker == "" {
				continue
			}
			if _, _, err := tracker.Stage(bad.Message); !errors.Is(err, errorKinds()[bad.Tracker]) {
				t.Errorf("%s, %s: the tracker says %v, want %s", g.Suite, bad.About, err, bad.Tracker)
			}
		}
		t.Logf("%s: %d hostile messages refused", g.Suite, len(g.Refusals))
	}
}

func (g *refusalGroup) enter(t *testing.T) (*mls.Group, *mls.PublicGroup) {
	t.Helper()
	cfg := mls.Config{Signer: ed25519.NewKeyFromSeed(g.Seed), Now: func() time.Time { return time.Unix(g.At, 0) }}
	kp := must[*mls.KeyPackage](t)(mls.ParseKeyPackage(g.KeyPackage))
	priv := must[*mls.KeyPackagePrivate](t)(mls.ParseKeyPackagePrivate(g.StoredKeys))
	member := must[*mls.Group](t)(mls.Join(cfg, g.Welcome, kp, priv, nil))
	tracker := must[*mls.PublicGroup](t)(mls.NewPublicGroup(mls.Config{}, g.GroupInfo))
	if !bytes.Equal(member.TreeHash(), g.TreeHash) || !bytes.Equal(tracker.TreeHash(), g.TreeHash) {
		t.Errorf("%s: the tree has another hash", g.Suite)
	}
	return member, tracker
}
