package scenario

import (
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/engine"
	"primum/internal/webtest"
)

// TestLinkPage: a guest with a real browser and no account; the owner's engine
// runs here. The page is reloaded in every state; a second browser comes too
// late; and nothing is left when the grant has ended.
func TestLinkPage(t *testing.T) {
	t.Parallel()
	n := startNode(t, "h.localhost", t.TempDir(), clock.Real())
	ada, ref := linkOwner(t, n.Authority())
	k := ada.makeLink(ref)
	began := time.Now()
	bea := webtest.NewTab(t)
	bea.Open(k.URL)
	words := bea.Text("@guest-words")
	t.Logf("link opened to words: %v", time.Since(began).Round(time.Millisecond))
	if ours := ada.linkState(k.ID, "arrived").Words; strings.Join(strings.Fields(words), " ") != ours {
		t.Fatalf("the words are %q here and %q there", ours, words)
	}
	secret := openParams(t, k.URL).Secret
	for _, r := range bea.Requests() {
		if strings.Contains(r, secret) {
			t.Errorf("the secret left the browser: %s", r)
		}
	}
	reload(bea)
	bea.WaitVisible("@guest-words")
	if again := bea.Text("@guest-words"); again != words {
		t.Errorf("after a reload the words are %q", again)
	}
	t.Logf("reloaded: %v", time.Since(began).Round(time.Millisecond))
	given := ask[engine.LinkInfo](ada, "link.confirm", engine.LinkIDParams{ID: k.ID})
	t.Logf("confirmed: %v", time.Since(began).Round(time.Millisecond))
	number := "/[0-9]/.test(document.querySelector('primum-value')?.textContent ?? '')"
	bea.WaitFor(number)
	t.Logf("link opened to first value: %v", time.Since(began).Round(time.Millisecond))
	reload(bea)
	bea.WaitFor(number)

	late := webtest.NewTab(t)
	late.Open(k.URL)
	late.WaitVisible("@guest-used")

	ask[engine.Stop](ada, "withdraw", engine.WithdrawParams{Grant: given.Grant, Patience: "10s"})
	bea.WaitVisible("@guest-ended")
	reload(bea)
	bea.WaitVisible("@guest-ended")
}

// reload loads a page anew and waits until the old one is gone.
func reload(tab *webtest.Tab) {
	tab.Eval("window.before = true; location.reload()", nil)
	tab.WaitFor("!window.before")
}
