package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"primum/identity"
	"primum/internal/wire"
	"primum/ledger"
)

// seenNode is a node that proves its days, as a test wants it.
type seenNode struct {
	t   *testing.T
	now time.Time
	key ed25519.PrivateKey
	log ledger.Log
	// signer signs the log's checkpoints.
	signer note.Signer
}

func newSeenNode(t *testing.T) *seenNode {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := &seenNode{t: t, key: key, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	n.rekey(key)
	return n
}

func (n *seenNode) rekey(key ed25519.PrivateKey) {
	n.t.Helper()
	origin := ledger.CommitmentsOrigin("h.example")
	signer, err := ledger.NewSigner(origin, key)
	if err != nil {
		n.t.Fatal(err)
	}
	n.signer = signer
	n.log = ledger.Log{Origin: origin, URL: "https://h.example/ledger/commitments", Key: ledger.LogKey(origin, key.Public().(ed25519.PublicKey))}
}

func (n *seenNode) judge(known seenMemory) *seenJudge {
	log := n.log
	if known.Days == nil {
		known.Days = map[string]seenKept{}
	}
	return &seenJudge{now: n.now, known: known, log: &log, keys: []wire.NodeKey{{ID: "k1", X: n.key.Public().(ed25519.PublicKey)}}}
}

// day is a day with one row.
func (n *seenNode) day(deliveries uint64) wire.SeenDay {
	return wire.SeenDay{Day: "2026-11-22", Rows: []wire.SeenRow{{
		Grant: "g", Client: "c", Deliveries: deliveries, First: "2026-11-22T10:00Z", Last: "2026-11-22T11:00Z",
	}}}
}

// closed is that day when it is over, promised.
func (n *seenNode) closed(deliveries uint64) wire.SeenDay {
	n.t.Helper()
	d := n.day(deliveries)
	d.Secret = make([]byte, 32)
	_, _ = rand.Read(d.Secret)
	root, err := wire.SeenRoot(d.Secret, d.Rows)
	if err != nil {
		n.t.Fatal(err)
	}
	d.Root, d.Due = root, n.now.Add(time.Hour)
	leaf := wire.SeenLeaf(d.Secret, d.Day, root)
	d.Promise, err = ledger.Promise{Origin: n.log.Origin, Leaf: leaf[:], By: d.Due}.Sign(identity.NodeKeyID("h.example", "k1"), n.key)
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

// proved is that day with its leaf as the second of a log of three.
func (n *seenNode) proved(d wire.SeenDay) wire.SeenDay {
	n.t.Helper()
	leaf := wire.SeenLeaf(d.Secret, d.Day, d.Root)
	leaves := [][32]byte{ledger.LeafHash([]byte("before")), ledger.LeafHash(leaf[:]), ledger.LeafHash([]byte("after"))}
	text, err := note.Sign(&note.Note{Text: ledger.Body(n.log.Origin, 3, ledger.TreeRoot(leaves))}, n.signer)
	if err != nil {
		n.t.Fatal(err)
	}
	d.Proof = string(ledger.Receipt{Index: 1, Hashes: ledger.TreePath(leaves, 1), Checkpoint: string(text)}.Text())
	return d
}

func (n *seenNode) wants(d SeenDay, state SeenState, why string) {
	n.t.Helper()
	if d.State != state || d.Why != why {
		n.t.Fatalf("%s is %s (%q), want %s (%q)", d.Day, d.State, d.Why, state, why)
	}
}

// TestSeenDayIsJudged follows a day from its first delivery to its proof.
func TestSeenDayIsJudged(t *testing.T) {
	t.Parallel()
	n := newSeenNode(t)
	j := n.judge(seenMemory{})
	n.wants(j.judge(n.day(3)), SeenOpen, "")
	n.wants(j.judge(n.day(5)), SeenOpen, "")
	closed := n.closed(5)
	n.wants(j.judge(closed), SeenWaiting, "")
	got := j.judge(n.proved(closed))
	n.wants(got, SeenProved, "")
	if got.Index != 1 || got.Size != 3 || j.known.Key != n.log.Key {
		t.Fatalf("proved at %d of %d, key %q", got.Index, got.Size, j.known.Key)
	}
}

// TestSeenNodeLies: whatever a node changes afterwards is found, and stays so.
func TestSeenNodeLies(t *testing.T) {
	t.Parallel()
	n := newSeenNode(t)
	for why, lie := range map[string]func(*seenJudge) wire.SeenDay{
		SeenRows: func(*seenJudge) wire.SeenDay {
			d := n.closed(5)
			d.Rows[0].Deliveries = 4
			return d
		},
		SeenChanged: func(j *seenJudge) wire.SeenDay {
			j.judge(n.closed(5))
			return n.closed(4)
		},
		SeenFewer: func(j *seenJudge) wire.SeenDay {
			j.judge(n.day(5))
			return n.closed(4)
		},
		SeenPromise: func(*seenJudge) wire.SeenDay {
			d := n.closed(5)
			d.Promise = n.closed(5).Promise // of another leaf
			return d
		},
		SeenLate: func(j *seenJudge) wire.SeenDay {
			d := n.closed(5)
			j.now = d.Due.Add(ledger.Grace + time.Second)
			return d
		},
		SeenProof: func(*seenJudge) wire.SeenDay {
			d := n.closed(5)
			d.Proof = n.proved(n.closed(5)).Proof
			return d
		},
		SeenKey: func(j *seenJudge) wire.SeenDay {
			j.known.Key = "another"
			return n.proved(n.closed(5))
		},
	} {
		j := n.judge(seenMemory{})
		d := lie(j)
		for range 2 {
			n.wants(j.judge(d), SeenBroken, why)
		}
	}
}

// TestSeenProofOfAnotherLog: a proof is worth what its log's key is worth.
func TestSeenProofOfAnotherLog(t *testing.T) {
	t.Parallel()
	n := newSeenNode(t)
	j := n.judge(seenMemory{})
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n.rekey(key)
	n.wants(j.judge(n.proved(n.closed(5))), SeenBroken, SeenProof)
}

func TestSeenDayIsGone(t *testing.T) {
	t.Parallel()
	n := newSeenNode(t)
	j := n.judge(seenMemory{})
	j.judge(n.closed(5))
	if all := j.gone(wire.Seen{Days: []wire.SeenDay{n.day(5)}}, "", 7); len(all) != 0 {
		t.Fatalf("gone: %+v", all)
	}
	all := j.gone(wire.Seen{}, "", 7)
	if len(all) != 1 {
		t.Fatalf("gone: %+v", all)
	}
	n.wants(all[0], SeenBroken, SeenGone)
	j.now = j.now.Add(401 * 24 * time.Hour)
	if all := j.gone(wire.Seen{}, "2026-11-22", 1); len(all) != 0 {
		t.Fatalf("an old day is missed: %+v", all)
	}
}

// TestSeenWithoutALog: the root is remembered, and nothing else can be said.
func TestSeenWithoutALog(t *testing.T) {
	t.Parallel()
	n := newSeenNode(t)
	j := n.judge(seenMemory{})
	j.log = nil
	d := n.closed(5)
	d.Promise, d.Due = "", time.Time{}
	n.wants(j.judge(d), SeenUnlogged, "")
	n.wants(j.judge(n.closed(5)), SeenBroken, SeenChanged)
}
