package scenario

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/node"
)

// TestRestoredNode: a backup is made of a running node, a grant is withdrawn
// after it, the node is lost and restored. Every circle is fenced until its
// anchor has presented the active set; then values flow again in the grant that
// runs, and never again in the one that was withdrawn after the backup.
func TestRestoredNode(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "h")
	h := runNode(t, node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: w.clock})
	home := startBroker(t)
	announceOwn(t, home)
	owner := w.person(t, h.node, "owner", identity.Person, "")
	friend := w.person(t, w.s, "friend", identity.Person, "")
	e := w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	w.settle(t, "describe water", func() bool { _, err := owner.Find("water/flow"); return err == nil })
	kept := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	ended := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "lamp/state")
	seen, _ := watch(t, friend, kept)
	w.minute(t, home, e, seen, 0)

	backup := filepath.Join(t.TempDir(), "backup")
	report, err := node.Backup(t.Context(), dir, backup, w.clock.Now())
	if err != nil || report.To != backup {
		t.Fatalf("backup: %v, says %+v", err, report)
	}
	lamp, _ := watch(t, friend, ended)
	withdraw(t, owner, friend, ended, lamp)
	again := node.Config{Authority: h.node.Authority(), Listen: h.node.Addr(), DataDir: filepath.Join(t.TempDir(), "h2"), Clock: w.clock}
	h.stop(t)
	report, err = node.Restore(t.Context(), node.Restoration{
		Backup: backup, DataDir: again.DataDir, Ledger: filepath.Join(dir, "ledger"), Now: w.clock.Now(),
	})
	if err != nil || !report.Restored || report.Circles == 0 || report.Compared == nil {
		t.Fatalf("restore: %v, says %+v", err, report)
	}
	runNode(t, again)

	// The meter speaks on; what flows again is the anchor's doing.
	w.flowsAgain(t, home, e, seen)
	for _, g := range owner.Owner.Given() {
		if g.ID == ended && g.State != grant.Withdrawn {
			t.Errorf("the grant withdrawn after the backup is %s", g.State)
		}
	}
	for _, g := range friend.Owner.Grants() {
		if g.ID == ended && g.State.Valid() {
			t.Errorf("the friend's grant lives again: %s", g.State)
		}
	}
}

// TestRestoredEdge: an edge comes back from a backup, which holds no ratchet
// state. It seals nothing before its owner has signed a new claim; then the same
// terms are given anew, and the friend goes on.
func TestRestoredEdge(t *testing.T) {
	w := newWorld(t)
	home := startBroker(t)
	announceOwn(t, home)
	owner := w.person(t, w.h, "owner", identity.Person, "")
	friend := w.person(t, w.s, "friend", identity.Person, "")
	first := edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond, Dir: filepath.Join(t.TempDir(), "edge")}
	e, stop := w.runEdgeUntil(t, first)
	w.settle(t, "find the things", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	w.settle(t, "describe water", func() bool { _, err := owner.Find("water/flow"); return err == nil })
	old := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	seen, _ := watch(t, friend, old)
	w.minute(t, home, e, seen, 0)

	var backup bytes.Buffer
	if err := e.Backup(&backup); err != nil {
		t.Fatal(err)
	}
	stop()
	second := first
	second.Dir = filepath.Join(t.TempDir(), "edge2")
	if err := edge.Restore(second.Dir, &backup); err != nil {
		t.Fatal(err)
	}
	e, _ = w.runEdgeUntil(t, second)
	w.settle(t, "find the things again", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	var renewed string
	w.settle(t, "give the same terms anew", func() bool {
		for _, g := range owner.Owner.Given() {
			if g.ID != old && g.State == grant.Given && g.Joined {
				renewed = g.ID
			}
		}
		return renewed != ""
	})
	seen, _ = watch(t, friend, renewed)
	w.minute(t, home, e, seen, 100)
}

// flowsAgain lets minutes pass until the friend sees the mean of one.
func (w *world) flowsAgain(t *testing.T, home *broker, e *edge.Edge, seen <-chan client.Value) {
	t.Helper()
	for range 30 {
		w.toNextMinute()
		w.speak(t, home, e, 1, func(int) float64 { return 7 })
		select {
		case v := <-seen:
			if n, ok := v.Number(); ok && n == 7 {
				return
			}
		case <-time.After(time.Second): // connections come back by the real clock
		}
	}
	t.Fatal("nothing flows after the restore")
}

// nodeRun is a node that a test can stop before its end.
type nodeRun struct {
	node *node.Node
	done chan error
	over bool
}

func runNode(t *testing.T, cfg node.Config) *nodeRun {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &nodeRun{node: n, done: make(chan error, 1)}
	go func() { r.done <- n.Serve(context.Background()) }()
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *nodeRun) stop(t *testing.T) {
	t.Helper()
	if r.over {
		return
	}
	r.over = true
	if err := r.node.Close(); err != nil {
		t.Errorf("close node: %v", err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("serve: %v", err)
	}
}
