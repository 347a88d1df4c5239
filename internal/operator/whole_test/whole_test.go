// Package whole_test looks at the operators' page of a whole node.
package whole_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/operator"
	"primum/internal/webtest"
)

func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }

func serve(t *testing.T) (n *node.Node, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "node")
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real(), Version: "1.4.0", Invite: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, dir
}

// An operator who was added in the terminal of a running node registers, sees
// what the node counts, and finds in the log what was done in the terminal.
func TestOperatorOfAWholeNode(t *testing.T) {
	t.Parallel()
	n, dir := serve(t)
	url, _, err := node.AddOperator(t.Context(), dir, "ada", operator.Admin, clock.Real().Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Invite(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	tab := webtest.NewTab(t)
	tab.Authenticator()
	tab.Open(url)
	if tab.Count("@register") == 0 && os.Getenv("PRIMUM_NEED_ALL") != "1" {
		t.Skip("the pages are not built: go generate ./internal/portal")
	}
	tab.MayLog("401")
	tab.Eval(`fetch("/v1/inbox").then(r => r.status)`, nil) // something to refuse
	tab.Click("@register")
	tab.WaitText("@domain", n.Authority())
	for _, want := range []string{"1.4.0", "by invitation", "databases answer", "268 MB", "state.db", "30 days"} {
		if got := tab.Text("@page"); !strings.Contains(got, want) {
			t.Errorf("the overview lacks %q:\n%s", want, got)
		}
	}
	if tab.Count(`section[aria-labelledby="refusals"] code`) == 0 {
		t.Error("what was refused is not counted")
	}
	if n.Reports() != 0 {
		t.Errorf("%d reports of a violated policy", n.Reports())
	}
	tab.Click("@tab-log")
	tab.WaitVisible(`[data-act="invite-made"]`)
	tab.WaitVisible(`[data-act="operator-added"]`)
	tab.WaitVisible(`[data-act="key-registered"]`)
	tab.Click("@tab-invitations")
	tab.WaitVisible("@invitation")
	if tab.Count("@invitation") != 1 {
		t.Errorf("invitations: %s", tab.Text("@page"))
	}
}
