package operator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"primum/internal/operator"
	"primum/internal/webtest"
)

// An operator registers at the one-time address, logs out and in again, and
// every session has a cookie of its own that no script reads.
func TestRegisterLogOutLogIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tab, keys := w.enter("ada", operator.Admin)
	if n := len(keys.Credentials()); n != 1 {
		t.Fatalf("%d passkeys", n)
	}
	first := cookie(tab, "primum-operator")
	if first == nil || !first.HttpOnly || first.SameSite != http.SameSiteStrictMode || first.Path != "/operator" {
		t.Fatalf("the session's cookie: %+v", first)
	}
	tab.Click("@logout")
	tab.WaitVisible("@login")
	if res, _ := w.ask("GET", "/operator", first, nil); res.StatusCode != http.StatusSeeOther {
		t.Error("the session outlives its end")
	}
	tab.Clean()
	tab.Click("@login")
	tab.WaitVisible("@tab-overview")
	second := cookie(tab, "primum-operator")
	if second == nil || second.Value == first.Value {
		t.Error("the session is not a new one")
	}
	tab.Open(w.base + "/operator/login")
	tab.Click("@login")
	tab.WaitVisible("@tab-overview")
	if res, _ := w.ask("GET", "/operator", second, nil); res.StatusCode != http.StatusSeeOther {
		t.Error("an earlier session of the same browser goes on")
	}
	tab.Click("@tab-log")
	tab.WaitVisible(`[data-act="key-registered"]`)
	if tab.Count(`[data-act="login"]`) != 3 || tab.Count(`[data-act="logout"]`) != 1 {
		t.Errorf("the log: %s", tab.Text("@page"))
	}
}

func TestOneTimeAddressWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.built()
	address := w.invite("ada", operator.Admin)
	for i, want := range []string{"@tab-overview", `[data-says="refused"]`} {
		tab := webtest.NewTab(t)
		tab.MayLog("403")
		tab.Authenticator()
		tab.Open(address)
		tab.Click("@register")
		tab.WaitVisible(want)
		if i == 1 {
			tab.WaitVisible("@register")
		}
	}
}

func TestStrangersAndRemovedOperatorsStayOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tab, keys := w.enter("ada", operator.Admin)
	tab.MayLog("403")
	must(t, operator.Remove(t.Context(), w.store, "ada", w.clock.Now()))
	tab.Open(w.base + "/operator")
	tab.Click("@login")
	tab.WaitVisible(`[data-says="refused"]`)
	keys.Verified(false)
	tab.Click("@login")
	tab.WaitVisible(`[data-says="refused"]`)
	if c := cookie(tab, "primum-operator"); c != nil {
		if res, _ := w.ask("GET", "/operator", c, nil); res.StatusCode != http.StatusSeeOther {
			t.Error("a removed operator is inside")
		}
	}
}

// A browser without passkeys, or a program without its script, says so.
func TestLoginWithoutPasskeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.built()
	tab := webtest.NewTab(t)
	tab.Before(`delete window.PublicKeyCredential`)
	tab.Open(w.base + "/operator/login")
	tab.WaitVisible(`[data-says="old"]`)
}

func TestEveryPageInEveryLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	_ = w.invite("ben", operator.Auditor)
	tab, _ := w.enter("ada", operator.Admin)
	tab.Click("@tab-invitations")
	tab.Click("@make")
	tab.WaitVisible("@made")
	tab.Shot("operator-made", webtest.Light)
	tab.Clean()
	w.clock.Advance(time.Minute)
	for _, page := range pages() {
		name := "operator-" + strings.TrimPrefix(page, "/")
		if page == "" {
			name = "operator-overview"
		}
		tab.Open(w.base + "/operator" + page + "?lang=en")
		tab.Clean()
		tab.Shot(name, webtest.Light, webtest.Dark, webtest.Phone390, webtest.Phone390|webtest.Dark)
		tab.View(webtest.Phone390)
		tab.WaitFor("document.documentElement.scrollWidth <= 390")
		tab.View(webtest.Light)
		tab.Open(w.base + "/operator" + page + "?lang=ar")
		tab.WaitFor(`document.documentElement.dir === "rtl"`)
		tab.Clean()
		tab.Shot(name+"-ar", webtest.Light, webtest.Phone390)
	}
	tab.Open(w.base + "/operator/login?lang=en")
	tab.Shot("operator-login")
}

func TestTakeDownAndRevokeByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	tab, _ := w.enter("ada", operator.Admin)
	tab.MayReach(strings.TrimPrefix(w.base, "http://"))
	tab.Click("@tab-notices")
	tab.Click("@ask-take-down")
	tab.Type("@reason", "it shows a person's routine")
	tab.Shot("operator-take-down", webtest.Phone390)
	tab.Click("@take-down")
	tab.WaitVisible("@done")
	tab.WaitVisible("@none")
	tab.Click("@tab-invitations")
	tab.Set("@days", "30")
	tab.Click("@make")
	code := tab.Text("@code")
	tab.Click("@revoke")
	tab.WaitVisible("@done")
	if tab.Count("@invitation") != 0 || len(code) != 24 {
		t.Errorf("after revoking %q: %s", code, tab.Text("@page"))
	}
	tab.Click("@tab-log")
	tab.WaitVisible(`[data-act="invite-revoked"]`)
	tab.WaitText(`[data-act="notice-taken"]`, "it shows a person's routine")
}

// The keyboard alone is enough: to log in, and to reach every page.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.built()
	tab := webtest.NewTab(t)
	tab.Authenticator()
	tab.Open(w.invite("ada", operator.Auditor))
	tab.WaitFor(`!document.querySelector("[data-test=register]").disabled`)
	for range 10 {
		if tab.Focused() == "register" {
			break
		}
		tab.Press("Tab")
	}
	tab.Press("Enter")
	tab.WaitVisible("@tab-overview")
	tab.Press("Tab") // to the content
	tab.Press("Tab") // log out
	for _, want := range []string{"tab-overview", "tab-accounts", "tab-invitations", "tab-notices", "tab-operators", "tab-log"} {
		tab.Press("Tab")
		if got := tab.Focused(); got != want {
			t.Errorf("the focus is on %s, want %s", got, want)
		}
	}
	tab.Press("Enter")
	tab.WaitVisible("@act")
}
