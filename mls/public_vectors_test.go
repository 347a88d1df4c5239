package mls

import (
	"bytes"
	"testing"

	"primum/mls/internal/suite"
	"primum/mls/internal/vectors"
)

// TestTrackerFollowsVectors lets a tracker follow the passive-client files
// beside the member: external joins, external senders, PSKs and changed
// credentials included. Where a handshake is private it starts anew.
func TestTrackerFollowsVectors(t *testing.T) {
	followed, joins := 0, 0
	for _, name := range []string{
		"passive-client-handling-commit", "passive-client-random", "passive/commit",
		"passive/external_join", "passive/external_proposals",
	} {
		t.Run(name, func(t *testing.T) {
			vectors.Again(t, name, func(t *testing.T, i int, row passiveRow) bool {
				if _, err := suite.ByID(row.CipherSuite); err != nil {
					return false
				}
				f, j := row.track(t, i)
				followed, joins = followed+f, joins+j
				return true
			})
			if followed == 0 {
				t.Error("no commit was public")
			}
		})
	}
	t.Logf("the tracker followed %d commits, %d of them external", followed, joins)
}

func (row *passiveRow) track(t *testing.T, i int) (followed, joins int) {
	t.Helper()
	kp, err := ParseKeyPackage(row.KeyPackage)
	if err != nil {
		t.Fatal(err)
	}
	priv := &KeyPackagePrivate{&packageKeys{init: row.InitPriv, leaf: row.EncryptionPriv}}
	var nodes []byte
	if row.RatchetTree != nil {
		nodes = *row.RatchetTree
	}
	cfg := row.config()
	g, err := Join(cfg, row.Welcome, kp, priv, nodes)
	if err != nil {
		t.Fatal(err)
	}
	for n, e := range row.Epochs {
		p := trackerOf(t, cfg, g)
		for _, msg := range append(e.Proposals, e.Commit) {
			if _, err := g.Process(msg); err != nil {
				t.Fatalf("row %d, epoch %d: %v", i, n, err)
			}
			if p == nil {
				continue
			}
			if head, err := Peek(msg); err != nil || head.WireFormat != WirePublicMessage {
				p = nil
				continue
			}
			got, err := p.Process(msg)
			if err != nil {
				t.Fatalf("row %d, epoch %d: the tracker says %v", i, n, err)
			}
			if got.Kind == Commit && got.External {
				joins++
			}
		}
		if p == nil {
			continue
		}
		followed++
		if !bytes.Equal(p.TreeHash(), g.TreeHash()) || !bytes.Equal(p.ConfirmedTranscriptHash(), g.ConfirmedTranscriptHash()) {
			t.Fatalf("row %d, epoch %d: the tracker is in another state", i, n)
		}
	}
	return followed, joins
}

// trackerOf is a tracker in the state of a member.
func trackerOf(t *testing.T, cfg Config, g *Group) *PublicGroup {
	t.Helper()
	b, err := (&PublicGroup{st: g.st}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	p, err := LoadPublicGroup(cfg, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
