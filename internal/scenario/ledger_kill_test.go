package scenario

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"primum/grant"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/wire"
	logbook "primum/ledger"
)

// handful are receipts that a node gave.
type handful struct {
	mu  sync.Mutex
	all []acknowledged
}

type acknowledged struct {
	g *handGrant
	r wire.Receipt
}

func (h *handful) take(g *handGrant, r wire.Receipt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, acknowledged{g, r})
}

// TestKillBetweenStateAndLedger: a node whose log ticks every second is killed
// again and again while grants are given and withdrawn. Whatever it
// acknowledged stands in the log, once.
func TestKillBetweenStateAndLedger(t *testing.T) {
	t.Parallel()
	rnd := chance(t)
	dir := filepath.Join(t.TempDir(), "node")
	run := func() (p *process, ready nodeReady) {
		p = start(t, "node", nodeRole{Authority: "h.localhost", Dir: dir, LedgerEvery: node.Duration(time.Second)}, nil, "ready")
		p.said("ready", &ready)
		return p, ready
	}
	p, ready := run()
	owner := newAccount(t, ready.Authority, "owner", clock.Real())
	friend := newAccount(t, ready.Authority, "friend", clock.Real())
	got := &handful{}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() { giveAndTake(ctx, t, owner, friend, got) })
	}
	for range kills() / 2 {
		time.AfterFunc(time.Duration(rnd.IntN(1500))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		p.gone()
		p, _ = run()
	}
	stop()
	work.Wait()
	for _, a := range got.all {
		proved(t, owner, a.g, a.r)
	}
	info, err := owner.node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.kill()
	onceEach(t, inLog(t, filepath.Join(dir, "ledger"), info.Ledger.Commitments), got.all)
	t.Logf("%d receipts", len(got.all))
	if len(got.all) < 2*kills() {
		t.Error("too little happened")
	}
}

func onceEach(t *testing.T, log map[[32]byte]int, all []acknowledged) {
	t.Helper()
	for _, a := range all {
		if n := log[a.g.leaf(grant.State(a.r.State))]; n != 1 {
			t.Errorf("a leaf of %s stands %d times in the log", a.r.State, n)
		}
	}
	for leaf, n := range log {
		if n != 1 {
			t.Errorf("entry %x stands %d times in the log", leaf[:4], n)
		}
	}
	if len(log)%logbook.TileWidth == 0 && len(log) == 0 {
		t.Error("the log is empty")
	}
}

// giveAndTake gives and withdraws until ctx ends, each until the node has
// answered, which may be another process of it by then.
func giveAndTake(ctx context.Context, t *testing.T, owner, friend *account, got *handful) {
	for ctx.Err() == nil {
		g := handGive(t, owner, friend, time.Now())
		given, ok := insist(ctx, func() (wire.Receipt, error) {
			return owner.node.FileEnvelope(ctx, wire.NewEnvelope{Envelope: g.Envelope})
		})
		if !ok {
			return
		}
		got.take(g, given)
		ended, ok := insist(ctx, func() (wire.Receipt, error) { return owner.node.FileClosing(ctx, g.closing) })
		if !ok {
			return
		}
		got.take(g, ended)
	}
}

// insist asks until there is an answer.
func insist(ctx context.Context, ask func() (wire.Receipt, error)) (wire.Receipt, bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := ask()
		if err == nil {
			return r, true
		}
		select {
		case <-ctx.Done():
			return r, false
		case <-tick.C:
		}
	}
}
