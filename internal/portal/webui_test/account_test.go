package webui_test

import (
	"strings"
	"testing"

	"primum/internal/webtest"
)

// accountStates are the scenes of accounts, and what shows that each has come to
// its end.
var accountStates = []struct{ scene, ready string }{
	{"account", "@person"},
	{"account-renew", "@note-renew"},
	{"account-suspended", "@note-suspended"},
	{"account-unshown", "@note-phrase"},
	{"account-alone", "@device"},
	{"account-loading", "@loading"},
	{"account-failed", "@state-error"},
	{"new-words", "@make-words"},
	{"trust", "@trust-app"},
	{"welcome", "@name-form"},
	{"welcome-open", "@already"},
	{"welcome-gone", "@gone-note"},
	{"welcome-first", "@first-sandbox"},
	{"restore", "@restore-form"},
	{"restore-old", "@restore-form"},
	{"pairing", "@pair-begin"},
	{"pair", "@scan-typed"},
	{"pair-asked", "@pair-yes"},
	{"pair-other", "@pair-refused"},
}

func TestAccountStates(t *testing.T) {
	server := stage(t)
	for _, s := range accountStates {
		t.Run(s.scene, func(t *testing.T) { lookAt(t, server, "accounts-", s.scene, s.ready) })
	}
}

// What is refused is a sentence where one looks, and the way on is still there.
func TestAccountRefusals(t *testing.T) {
	server := stage(t)
	for _, c := range []struct {
		scene string
		do    func(*webtest.Tab)
		fault string
		says  string
	}{
		{"account-wrong", func(tab *webtest.Tab) { tab.Click("@renew"); tab.Type("@phrase", "x"); tab.Click("@secret-go") }, "@secret-fault", "abandon"},
		{"account-kept", func(tab *webtest.Tab) { tab.Click("@delete"); tab.Type("@phrase", "x"); tab.Click("@secret-go") }, "@secret-fault", "Nothing was deleted"},
		{"welcome-taken", func(tab *webtest.Tab) { tab.Type("@name", "ada"); tab.Click("@create") }, "@welcome-fault", "taken"},
		{"welcome-invite", func(tab *webtest.Tab) { tab.Type("@name", "ada"); tab.Click("@create"); tab.WaitVisible("@invite") }, "@welcome-fault", "invitation"},
		{"restore-old", func(tab *webtest.Tab) { tab.Click("@restore-go") }, "@restore-fault", "older copy"},
		{"pairing-expired", func(tab *webtest.Tab) { tab.Type("@pair-account", "ada"); tab.Click("@pair-begin") }, "@pair-over", "too old"},
	} {
		t.Run(c.scene, func(t *testing.T) {
			tab := webtest.NewTab(t)
			tab.View(webtest.Phone390)
			tab.Open(scene(server, c.scene, "en"))
			c.do(tab)
			tab.WaitText(c.fault, c.says)
			tab.Shot("accounts-"+c.scene, webtest.Phone390, webtest.Dark)
			tab.Axe()
		})
	}
}

// The end of an account tells of each grant which locks hold.
func TestDeletedTellsTheLocks(t *testing.T) {
	server := stage(t)
	tab := webtest.NewTab(t)
	tab.Open(scene(server, "account-deleted", "en"))
	tab.Click("@delete")
	tab.Type("@phrase", "x")
	tab.Click("@secret-go")
	tab.WaitText("@delete-stops", "both locks")
	tab.WaitText("@delete-stops", "not confirmed by your thing")
	tab.Shot("accounts-deleted", webtest.Light, webtest.Phone390|webtest.Dark)
	tab.Axe()
}

// TestRestoreTrap: a link of somebody else's does not fill in the account and
// words of theirs, and its words don't stay in the address.
func TestRestoreTrap(t *testing.T) {
	server := stage(t)
	for name, want := range map[string]string{"restore-trap": "", "restore-old": "whisper soccer"} {
		tab := webtest.NewTab(t)
		tab.Open(scene(server, name, "en"))
		tab.WaitVisible("@restore-form")
		var filled, where string
		tab.Eval(`document.querySelector("[data-test=restore-form] textarea").value`, &filled)
		tab.Eval(`location.href`, &where)
		if !strings.HasPrefix(filled, want) || want == "" && filled != "" || strings.Contains(where, "whisper") {
			t.Errorf("%s: filled in %q, at %s", name, filled, where)
		}
	}
}
