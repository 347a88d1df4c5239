package webui_test

import (
	"context"
	"errors"
	"path"
	"testing"
	"time"

	"primum/internal/node"
	"primum/internal/portal"
	"primum/internal/webtest"
)

// TestThermometer is a person's first look at a real engine and a real node: the
// sandbox thermometer, its page and past, a bell, a public notice that
// anybody reads.
func TestThermometer(t *testing.T) {
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	if m, err := portal.OwnManifest(""); err != nil || !m.Built() {
		skip(t, "the pages are not built: go generate ./internal/portal")
	}
	n := realNode(t)
	tab := webtest.NewTab(t)
	tab.Open(n.BaseURL() + "/my")
	tab.WaitVisible("@name-form")
	tab.Eval(`delete window.PublicKeyCredential`, nil)
	tab.Type("@name", "ada")
	tab.Click("@create")
	tab.Click("@noted")
	tab.Click("@skip-check")
	tab.WaitVisible("@first-sandbox")
	started := time.Now()
	tab.Click("@first-sandbox")
	tab.WaitVisible("@things-own")
	tab.WaitFor(`/\d/.test(document.querySelector("[data-path='thermometer/temperature'] .figure")?.textContent)`)
	t.Logf("from the press to the first value: %v", time.Since(started).Round(time.Millisecond))
	tab.Shot("real-things")
	tab.Reload()
	tab.WaitFor(`/\d/.test(document.querySelector("[data-path='thermometer/temperature'] .figure")?.textContent)`)
	var shift, ready float64
	tab.Eval(`new Promise(done => {
		let sum = 0;
		new PerformanceObserver(l => { for (const e of l.getEntries()) sum += e.value }).observe({type: "layout-shift", buffered: true});
		setTimeout(() => done(sum), 100);
	})`, &shift)
	tab.Eval(`performance.now()`, &ready)
	t.Logf("opened again: values within %.0f ms of the navigation, layout shift %.3f", ready, shift)
	if shift > 0.1 { // what is called good (Core Web Vitals)
		t.Errorf("layout shift of %.3f while opening", shift)
	}
	tab.Click("[data-path='thermometer/temperature'] [data-test=open]")
	tab.WaitVisible("@readout")
	tab.WaitFor(`document.querySelectorAll("tbody tr").length === 50`) // its past
	tab.Shot("real-thing")
	tab.Eval(`Notification.requestPermission = async () => "denied"`, nil)
	tab.Click("@bell")
	tab.Type("@alert-value", "-50")
	tab.Click("@alert-save")
	tab.WaitGone("@dialog")
	tab.Open(n.BaseURL() + "/my#/alerts")
	tab.WaitVisible("@alert")
	tab.Click("@alert-remove")
	tab.WaitVisible("@state-empty")
	tab.Open(n.BaseURL() + "/my#/notices/new")
	tab.Type("@notice-title", "Thermometer at the gate")
	tab.Click("@notice-add")
	tab.Click("@notice-save")
	tab.WaitVisible("@notice-url")
	address := tab.Attr("@notice-url", "href")
	if status := tab.Open(address); status != 200 {
		t.Fatalf("%s answers %d", address, status)
	}
	tab.WaitText("main", "Thermometer at the gate")
	tab.Open(n.BaseURL() + "/my")
	tab.WaitVisible("@card")
	ben := strangersNotice(t, n, address)
	ben.Open(n.BaseURL() + "/my#/ask")
	ben.Type("@address", "ada@"+n.Authority())
	ben.Type("@ask-want", "temperature")
	ben.Click("@ask-go")
	ben.WaitText("@toasts", "has your request")
	tab.WaitText("@badge", "1")
}

func realNode(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: t.TempDir()})
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

// strangersNotice comes from that page to a portal of somebody else.
func strangersNotice(t *testing.T, n *node.Node, address string) *webtest.Tab {
	t.Helper()
	tab := webtest.NewTab(t)
	tab.Open(n.BaseURL() + "/my")
	tab.WaitVisible("@name-form")
	tab.Eval(`delete window.PublicKeyCredential`, nil)
	tab.Type("@name", "ben")
	tab.Click("@create")
	tab.Click("@noted")
	tab.Click("@skip-check")
	tab.WaitVisible("@first-later")
	tab.Open(n.BaseURL() + "/my#/notices/" + path.Base(address))
	tab.WaitText("@state-empty", "Thermometer at the gate")
	if href := tab.Attr("@notice-read", "href"); href != "/thing/"+path.Base(address) {
		t.Errorf("leads to %q", href)
	}
	return tab
}
