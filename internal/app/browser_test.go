package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"primum/internal/node"
	"primum/internal/portal"
	"primum/internal/webtest"
)

func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }

// atNode runs the node that the person's account is at.
func atNode(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: t.TempDir(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), <-done); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return n
}

// TestAppNeedsNoAssetFromAServer: a person makes an account at a node, and a
// first thing, with the page of their own machine. Every request of the browser
// goes to that machine's program; the node gives no page, script or style.
func TestAppNeedsNoAssetFromAServer(t *testing.T) {
	if m, err := portal.OwnManifest(""); err != nil || !m.Built() {
		if os.Getenv("PRIMUM_NEED_ALL") == "1" {
			t.Fatalf("made without the pages (make web): %v", err)
		}
		t.Skipf("made without the pages (make web): %v", err)
	}
	n := atNode(t)
	a, _ := start(t)
	tab := webtest.NewTab(t)
	passkeys := tab.Authenticator()
	tab.Open(a.URL())
	tab.Type("@name", "ada@"+n.Authority())
	tab.Click("@create")
	tab.Click("@make-passkey")
	checkWords(tab)
	tab.Click("@first-sandbox")
	tab.WaitVisible("@things-own")
	tab.Shot("app", webtest.Light, webtest.Phone390)
	if c := passkeys.Credentials(); len(c) != 1 {
		t.Errorf("%d passkeys under app.localhost", len(c))
	}
	tab.Reload()
	tab.WaitVisible("@things-own")
	carried, own := 0, strings.TrimSuffix(strings.TrimPrefix(a.URL(), "http://"), "/my")
	for _, r := range tab.Requests() {
		if strings.Contains(r, "/via/"+n.Authority()) {
			carried++
		}
		if _, where, _ := strings.Cut(r, " "); where != own && !strings.HasPrefix(where, "http://"+own+"/") {
			t.Errorf("the browser asked somebody else: %s", r)
		}
	}
	if carried == 0 {
		t.Errorf("nothing was carried to the node: %s", tab.Requests())
	}
	if a.Reports() != 0 {
		t.Errorf("%d reports of a violated policy", a.Reports())
	}
}

// checkWords notes the recovery phrase and answers the question for three words.
func checkWords(tab *webtest.Tab) {
	var list []string
	tab.WaitVisible("@phrase-words")
	tab.Eval(`[...document.querySelectorAll("[data-test=phrase-words] li")].map(li => li.textContent)`, &list)
	tab.Click("@noted")
	tab.WaitVisible("@check-form")
	var places []int
	tab.Eval(`[...document.querySelectorAll("[data-test=check-word]")].map(i => Number(i.dataset.place))`, &places)
	for _, place := range places {
		tab.Type(fmt.Sprintf("@check-word[data-place=%q]", strconv.Itoa(place)), list[place-1])
	}
	tab.Click("@check")
}
