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
}

// TestEveryState opens each state in English, light and dark, large and small,
// and in Arabic, and lets axe judge each (also Clean does, at the end).
func TestEveryState(t *testing.T) {
	server := stage(t)
	for _, s := range states {
		t.Run(s.scene, func(t *testing.T) {
			tab := webtest.NewTab(t)
			tab.Open(scene(server, s.scene, "en"))
			tab.WaitVisible(s.ready)
			name := "things-" + strings.ReplaceAll(s.scene, "&lan=1", "-house")
			tab.Shot(name, looks...)
			for _, look := range looks {
				tab.View(look)
				tab.Axe()
			}
			tab.View(webtest.Phone390)
			tab.Open(scene(server, s.scene, "ar"))
			tab.WaitVisible(s.ready)
			tab.Axe()
			tab.Shot(name+"-ar", webtest.Phone390, webtest.Light)
		})
	}
}
