package webui_test

import (
	"testing"

	"primum/internal/webtest"
)

// seenStates are the scenes of who saw what, and what shows that each has come
// to its end.
var seenStates = []struct{ scene, ready string }{
	{"seen", "@dots"},
	{"seen-broken", "@seen-broken"},
	{"seen-unlogged", "@dots"},
	{"seen-none", "@state-empty"},
	{"seen-quiet", "@dots"},
	{"seen-strange", "@dots"},
	{"seen-failed", "@state-error"},
}

// TestEverySeenState opens each state; see lookAt.
func TestEverySeenState(t *testing.T) {
	server := stage(t)
	for _, s := range seenStates {
		t.Run(s.scene, func(t *testing.T) { lookAt(t, server, "", s.scene, s.ready) })
	}
}

// TestDotTells: a dot says who and how often, opens what stands behind it, and
// the chain says how far a day is proved.
func TestDotTells(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(scene(stage(t), "seen", "en"))
	tab.WaitVisible("@dots")
	if got := tab.Attr("@dot", "aria-label"); got == "" {
		t.Error("a dot says nothing")
	}
	tab.Click("@dot")
	says(tab, "@seen-detail", "Bea")
	says(tab, "@seen-detail", "one average every 15 minutes")
	tab.WaitVisible("@seen-row")
	noOverflow(t, tab)
	tab.Shot("seen-dot", webtest.Phone390, webtest.Phone390|webtest.Dark, webtest.Light)
	tab.Axe()
	tab.Click("@chain-proved")
	says(tab, "@seen-proof", "public log")
	tab.WaitVisible(`@chain-proved[aria-pressed="true"]`)
	tab.Click("@chain-waiting")
	says(tab, "@seen-proof", "promised")
	tab.Click("@chain-open")
	says(tab, "@seen-proof", "not over")
	noOverflow(t, tab)
}

// TestBrokenChain: what a node changed is said first, and why.
func TestBrokenChain(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(scene(stage(t), "seen-broken", "en"))
	says(tab, "@seen-broken", "another seal")
	says(tab, "@seen-broken", "shows none")
	tab.Click("@chain-broken")
	says(tab, "@seen-proof", "shows none")
	tab.Shot("seen-broken-open", webtest.Phone390, webtest.Light)
}

// TestWeeks: earlier weeks have their own address, and the way back.
func TestWeeks(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "seen", "en"))
	tab.WaitVisible("@dots")
	tab.Click("@seen-earlier")
	tab.WaitVisible("@seen-later")
	got := asked[struct {
		Day  string
		Days int
	}](t, tab, "seen")
	if last := got[len(got)-1]; last.Day == "" || last.Days != 7 {
		t.Errorf("asked for %+v", last)
	}
	tab.Click("@seen-later")
	tab.WaitFor(`location.hash === "#/seen"`)
}

// TestSaveWhatWasSeen asks for the longest time there is.
func TestSaveWhatWasSeen(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "seen", "en"))
	tab.Click("@seen-export")
	tab.WaitFor(`engine.asked.some(a => a.method === "seen.export" && a.params.days === 31)`)
	tab.WaitVisible("@toast")
}
