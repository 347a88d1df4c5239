package webdisk_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"primum/internal/webtest"
)

// Three tabs share one engine; when the tab that runs it goes, another one goes
// on where it was. Every call is done once.
func TestTabs(t *testing.T) {
	t.Parallel()
	base := bench(t, "counter").serve(t).URL
	url := base + "/counter"
	first := webtest.NewTab(t)
	begin(t, first, url)
	if got := ask(first, "send", ""); got != "1" {
		t.Fatalf("first call: %s", got)
	}
	second, third := first.Second(), first.Second()
	begin(t, second, url)
	begin(t, third, url)
	if got := ask(second, "send", "") + ask(third, "send", "") + ask(first, "status", ""); got != "233" {
		t.Fatalf("calls of three tabs: %s", got)
	}
	// All tabs hear what the engine tells.
	for _, tab := range []*webtest.Tab{first, second, third} {
		tab.WaitFor(`heard.some((e) => e.kind === "note" && e.data.N === "3")`)
	}
	// The first one goes while a call of the second runs: it has counted, but
	// did not answer.
	second.Eval(`void (window.slow = ask("send", "slow"))`, nil)
	second.WaitFor(`heard.some((e) => e.kind === "note" && e.data.N === "4")`)
	first.Open(base + "/none")
	var slow string
	second.Eval("slow", &slow)
	if slow != "refused interrupted" {
		t.Errorf("a call whose end nobody saw: %s", slow)
	}
	if got := ask(third, "status", ""); got != "4" {
		t.Errorf("after the leader went: %s, want 4: nothing is done twice", got)
	}
	if got := ask(third, "send", ""); got != "5" {
		t.Errorf("the new leader counts %s", got)
	}
}

// An engine that ends by itself is started again; what it had acknowledged is
// there, and what it may have done is not done again.
func TestCrash(t *testing.T) {
	t.Parallel()
	base := bench(t, "counter").serve(t).URL
	url := base + "/counter"
	tab := webtest.NewTab(t)
	begin(t, tab, url)
	if got := ask(tab, "send", "die-after"); got != "refused interrupted" {
		t.Errorf("a call in which the engine died: %s", got)
	}
	if got := ask(tab, "status", ""); got != "1" {
		t.Errorf("after the crash: %s", got)
	}
	if got := ask(tab, "send", "die-before"); got != "refused interrupted" {
		t.Errorf("second death: %s", got)
	}
	// The third within a minute is a fault that is told.
	tab.Eval(`void ask("send", "die-before")`, nil)
	tab.WaitFor(`tab.state.failed === "engine-crashed"`)
	if got := ask(tab, "status", ""); got != "refused engine-crashed" {
		t.Errorf("after three deaths: %s", got)
	}
	tab.Eval("tab.retry()", nil)
	tab.WaitFor(`tab.state === "ready"`)
	if got := ask(tab, "status", ""); got != "1" {
		t.Errorf("after a retry: %s", got)
	}
}

// A tab that takes over stops the other one's engine, whatever that is doing.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	base := bench(t, "counter").serve(t).URL
	url := base + "/counter"
	first := webtest.NewTab(t)
	begin(t, first, url)
	ask(first, "send", "")
	second := first.Second()
	begin(t, second, url)
	var wg sync.WaitGroup
	wg.Go(func() { second.Eval("tab.takeOver()", nil) })
	wg.Wait()
	if got := ask(second, "send", "") + ask(first, "send", ""); got != "23" {
		t.Errorf("after taking over: %s", got)
	}
}

// Many calls from several tabs while the leading tab changes again and again:
// each answer is a number that nobody else got, and the count is their number.
func TestTabsComeAndGo(t *testing.T) {
	t.Parallel()
	base := bench(t, "counter").serve(t).URL
	url := base + "/counter"
	stays := webtest.NewTab(t)
	begin(t, stays, url)
	const rounds = 5
	stays.Eval(`void (window.all = [], window.work = (async () => {
		while (!window.enough) all.push(await ask("send", ""));
	})())`, nil)
	for range rounds {
		guest := stays.Second()
		begin(t, guest, url)
		guest.Eval("tab.takeOver()", nil)
		guest.WaitFor(`tab.state === "ready"`)
		stays.WaitFor(`all.length > (window.seen ?? 0) + 3 && (window.seen = all.length)`)
		guest.Open(base + "/none")
	}
	var all []string
	stays.Eval("window.enough = true, work.then(() => all)", &all)
	done := map[string]bool{}
	lost := 0
	for _, a := range all {
		switch {
		case a == "refused interrupted":
			lost++ // may have counted
		case strings.HasPrefix(a, "refused") || done[a]:
			t.Errorf("answer %q", a)
		}
		done[a] = true
	}
	var count int
	if _, err := fmt.Sscan(ask(stays, "status", ""), &count); err != nil {
		t.Fatal(err)
	}
	if sure := len(all) - lost; count < sure || count > len(all) {
		t.Errorf("the count is %d after %d answers and %d interrupted calls", count, sure, lost)
	}
	t.Logf("%d calls over %d changes of the leading tab, %d interrupted", len(all), 2*rounds, lost)
}
