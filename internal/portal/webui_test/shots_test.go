package webui_test

import (
	"strings"
	"testing"

	"primum/internal/webtest"
)

// looks are how every state is looked at.
var looks = []webtest.Look{webtest.Light, webtest.Dark, webtest.Phone390, webtest.Phone390 | webtest.Dark}

// states are the scenes and what shows that each has come to its end.
var states = []struct{ scene, ready string }{
	{"things", "@card"},
	{"empty", "@state-empty"},
	{"loading", "@loading"},
	{"error", "@state-error"},
	{"offline", "@status-node"},
	{"clock", "@status-clock"},
	{"renew", "@status-renew"},
	{"suspended", "@status-suspended"},
	{"gone", "@gone"},
	{"silent", "@home-banner"},
	{"other-tab", "@status-other-tab"},
	{"storage-full", "@engine-failed"},
	{"storage-denied", "@engine-failed"},
	{"private", "@engine-failed"},
	{"unreachable", "@engine-failed"},
	{"hostile", "@card"},
	{"waiting", "@badge"},
	{"thing", "@readout"},
	{"one-value", "@readout"},
	{"lamp", "@readout"},
	{"dimmer", "@readout"},
	{"effect", "@state-empty"},
	{"blink", "@send"},
	{"unknown", "@send"},
	{"no-history", "@state-empty"},
	{"history-failed", "@state-error"},
	{"paused", "@thing-state"},
	{"ended", "@thing-state"},
	{"nowhere", "@lost"},
	{"alerts", "@alert"},
	{"no-alerts", "@state-empty"},
	{"notices", "@notice"},
	{"no-notices", "@state-empty"},
	{"notice", "@notice-item"},
	{"add", "@no-lan"},
	{"add&lan=1", "@claim"},
	{"ask", "@ask-go"},
}

// TestEveryState opens each state; see lookAt.
func TestEveryState(t *testing.T) {
	server := stage(t)
	for _, s := range states {
		t.Run(s.scene, func(t *testing.T) { lookAt(t, server, "things-", s.scene, s.ready) })
	}
}

// lookAt opens a state on a phone and lets axe judge it, in light and dark.
// With the tag shots it is opened on a desk and in Arabic, too, the phone's
// processor is four times slower, and pictures are taken of all that.
func lookAt(t *testing.T, server, part, state, ready string) {
	t.Helper()
	tab := webtest.NewTab(t) // asks axe at the end
	name := part + strings.ReplaceAll(state, "&lan=1", "-house")
	if full {
		tab.Open(scene(server, state, "en"))
		tab.WaitVisible(ready)
		tab.Shot(name, looks...)
		tab.Axe()
		tab.View(webtest.Phone390)
		tab.Open(scene(server, state, "ar"))
		tab.WaitVisible(ready)
		noOverflow(t, tab)
		tab.Shot(name+"-ar", webtest.Phone390, webtest.Light)
		tab.Axe()
		tab.Throttle(4)
		defer tab.Throttle(1)
	}
	tab.View(webtest.Phone390)
	tab.Open(scene(server, state, "en"))
	tab.WaitVisible(ready)
	noOverflow(t, tab)
	if full {
		tab.Shot(name+"-slow", webtest.Phone390)
	}
}
