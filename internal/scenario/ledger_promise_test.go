package scenario

import (
	"path/filepath"
	"testing"
	"time"

	"primum/client"
	"primum/grant"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/node"
)

// TestPromisesAreKept: an owner's client, as everybody has it, hears the node's
// promise for what it gives and what it withdraws, and has both proved after
// the tick.
func TestPromisesAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := runNode(t, node.Config{
		Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "h"), Clock: w.clock,
		LedgerEvery: node.Duration(10 * time.Minute),
	})
	home := startBroker(t)
	announceOwn(t, home)
	owner := w.person(t, h.node, "owner", "person", "")
	friend := w.person(t, w.s, "friend", "person", "")
	e := w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	w.settle(t, "describe water", func() bool { _, err := owner.Find("water/flow"); return err == nil })
	id := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	eventually(t, "the promise is checked", func() bool { return hasPledge(owner, id, grant.Given, false) })
	w.minutesUntil(t, "the grant is proved", func() bool { return hasPledge(owner, id, grant.Given, true) })
	seen, _ := watch(t, friend, id)
	withdraw(t, owner, friend, id, seen)
	w.minutesUntil(t, "the withdrawal is proved", func() bool { return hasPledge(owner, id, grant.Withdrawn, true) })
	for _, p := range owner.Pledges() {
		if p.Finding != "" {
			t.Errorf("an honest node was found out: %+v", p)
		}
	}
}

// minutesUntil lets minutes pass until something holds.
func (w *world) minutesUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	minutes := 0
	eventually(t, what, func() bool {
		if minutes++; minutes%100 == 0 { // a fifth of a second each: the node and its tick go by the real clock, too
			w.clock.Advance(time.Minute)
		}
		return holds()
	})
}

// hasPledge tells whether a promise was found good, or proved.
func hasPledge(c *client.Client, about string, s grant.State, proved bool) bool {
	for _, p := range c.Pledges() {
		if p.About == about && p.Event == string(s) {
			return !p.By.IsZero() && (!proved || p.Proof != "")
		}
	}
	return false
}
