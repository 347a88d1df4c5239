package webui_test

import (
	"testing"

	"primum/internal/webtest"
)

// rightsStates are the scenes of the person's rights, and what shows that each
// has come to its end.
var rightsStates = []struct{ scene, ready string }{
	{"rights", "@case"},
	{"rights-none", "@plea-send"},
	{"rights-failed", "@state-error"},
	{"rights-refused", "@case"},
	{"rights-strange", "@case"},
}

// TestEveryRightsState opens each state; see lookAt.
func TestEveryRightsState(t *testing.T) {
	server := stage(t)
	for _, s := range rightsStates {
		t.Run(s.scene, func(t *testing.T) { lookAt(t, server, "", s.scene, s.ready) })
	}
}

// TestRightsAreOneStep: what the node holds is shown unasked, a copy is one
// press, an objection is its words and one press; nothing asks for a reason.
func TestRightsAreOneStep(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(scene(stage(t), "rights", "en"))
	tab.WaitVisible("@rights-bar")
	says(tab, "@rights-bar", "sealed")
	tab.Click("@rights-all summary")
	says(tab, "@held-messages", "1,204")
	tab.Click("@plea-send")
	says(tab, "@plea-fault", "own words")
	tab.Type("@plea-text", "The lamp sees me.")
	tab.Click("@plea-send")
	says(tab, "@plea-done", "answered by")
	tab.Click("@appeal")
	tab.Type("@appeal-text", "It still sees me.")
	tab.Click("@appeal-send")
	tab.WaitGone("@appeal-text")
	noOverflow(t, tab)
	tab.Axe()
	if tab.Attr("@rights-grants", "href") != "#/grants" {
		t.Error("no way to stop a grant")
	}
}

// TestRightsRefused: what could not be sent is said, and the words stay.
func TestRightsRefused(t *testing.T) {
	tab := webtest.NewTab(t)
	tab.Open(scene(stage(t), "rights-refused", "de"))
	tab.WaitVisible("@plea-text")
	tab.Type("@plea-text", "Die Lampe sieht mich.")
	tab.Click("@plea-send")
	says(tab, "@plea-fault", "Keine Antwort")
	tab.WaitFor(`document.querySelector('[data-test="plea-text"]').value === "Die Lampe sieht mich."`)
}
