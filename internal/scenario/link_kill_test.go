package scenario

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"primum/client"
	"primum/client/nethttp"
	"primum/internal/engine"
)

// felling kills the node once, at one request of a kind: before it has left, or
// before its answer is seen; and starts the node again.
type felling struct {
	client.Transport
	kill func()

	mu    sync.Mutex
	match string // "PUT /v1/links/"; empty: nothing is planned
	after bool
	felt  bool
}

func (f *felling) plan(match string, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.match, f.after, f.felt = match, after, false
}

func (f *felling) happened() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.felt
}

// due tells whether this is the request, once.
func (f *felling) due(r client.Request) (now, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	method, part, _ := strings.Cut(f.match, " ")
	if f.match == "" || r.Method != method || !strings.Contains(r.URL, part) {
		return false, false
	}
	f.match, f.felt = "", true
	return true, f.after
}

// Do carries a request, or what is left of it.
func (f *felling) Do(ctx context.Context, r client.Request) (client.Response, error) {
	now, after := f.due(r)
	if now && !after {
		f.kill()
		return client.Response{}, client.ErrUnreachable
	}
	resp, err := f.Transport.Do(ctx, r)
	if now {
		f.kill()
		return client.Response{}, client.ErrUnreachable
	}
	return resp, err
}

// TestKillNodeInLink (P6): the node is killed with kill -9 before and after
// every step of a share by link. Both sides agree on the words, the grant is
// given once, and at the end the guest is gone.
func TestKillNodeInLink(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "node")
	run := func() (*process, string) {
		p := start(t, "node", nodeRole{Authority: "h.localhost", Dir: dir}, nil, "ready")
		var ready nodeReady
		p.said("ready", &ready)
		return p, ready.Authority
	}
	p, authority := run()
	f := &felling{Transport: nethttp.New(nethttp.Options{}), kill: func() {
		p.kill()
		p, _ = run()
	}}
	ada, ref := linkOwnerBy(t, authority, f)
	for _, at := range []string{"PUT /v1/links/", "POST /answer", "POST /reveal", "POST /v1/envelopes", "POST /v1/closings"} {
		for _, after := range []bool{false, true} {
			linkWithKill(t, f, ada, ref, at, after)
		}
	}
}

func linkWithKill(t *testing.T, f *felling, ada *browser, ref engine.Ref, at string, after bool) {
	t.Helper()
	t.Logf("killed at %s, after it: %v", at, after)
	f.plan(at, after)
	var k engine.LinkInfo
	eventually(t, "a link is made", func() bool {
		var err error
		k, err = tryAsk[engine.LinkInfo](ada, "link.create", ada.linkParams(ref))
		return err == nil
	})
	bea := newBrowser(t, t.TempDir(), f)
	bea.visit(k.URL)
	arrived := ada.linkState(k.ID, "arrived")
	if g := bea.guestState("words"); g.Words != arrived.Words {
		t.Fatalf("%s: guest sees %q, owner %q", at, g.Words, arrived.Words)
	}
	eventually(t, "it is given", func() bool {
		given, err := tryAsk[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID})
		if err != nil {
			t.Logf("confirm: %v", err)
			return false
		}
		k = given
		return true
	})
	bea.guestState("given")
	n := 0
	for _, g := range ask[[]engine.GrantInfo](ada, "grants", nil) {
		if g.Other == k.Guest {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%s, after %v: %d grants", at, after, n)
	}
	ask[engine.Stop](ada, "withdraw", engine.WithdrawParams{Grant: k.Grant, Patience: "5s"})
	bea.guestState("ended")
	if _, err := client.FetchIdentity(t.Context(), realCalls(), k.Guest); err == nil {
		t.Errorf("%s, after %v: the guest's account lives on", at, after)
	}
	if !f.happened() {
		t.Errorf("%s: nothing was killed", at)
	}
	_ = bea.Close()
}
