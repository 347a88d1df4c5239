// Package accounts clicks through the pages of accounts in a real browser at a
// real node: the first run, coming back by passkey, phrase and second device,
// and the account's own page.
package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/keys"
	"primum/client/nethttp"
	"primum/client/vault"
	"primum/identity"
	"primum/internal/node"
	"primum/internal/portal"
	"primum/internal/webtest"
	"primum/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }

func startNode(t *testing.T) *node.Node {
	t.Helper()
	if m, err := portal.OwnManifest(""); err != nil || !m.Built() {
		if os.Getenv("PRIMUM_NEED_ALL") == "1" {
			t.Fatalf("made without the pages (make web): %v", err)
		}
		t.Skipf("made without the pages (make web): %v", err)
	}
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

// look takes pictures of a state and asks axe about it.
func look(tab *webtest.Tab, name string, looks ...webtest.Look) {
	tab.Shot(name, looks...)
	tab.Axe()
}

// phrase reads the words that a page shows.
func phrase(tab *webtest.Tab) string {
	var words string
	tab.WaitVisible("@phrase-words")
	tab.Eval(`[...document.querySelectorAll("[data-test=phrase-words] li")].map(li => li.textContent).join(" ")`, &words)
	return words
}

// begin makes an account; the words are on the page then.
func begin(tab *webtest.Tab, n *node.Node, user string) {
	tab.Open(n.BaseURL() + "/my")
	tab.Type("@name", user)
	tab.Click("@create")
}

// checkWords answers the question for three words.
func checkWords(tab *webtest.Tab, words string) {
	tab.Click("@noted")
	tab.WaitVisible("@check-form")
	list := strings.Fields(words)
	var places []int
	tab.Eval(`[...document.querySelectorAll("[data-test=check-word]")].map(i => Number(i.dataset.place))`, &places)
	for _, place := range places {
		tab.Type(fmt.Sprintf("@check-word[data-place=%q]", strconv.Itoa(place)), list[place-1])
	}
	tab.Click("@check")
}

// TestFirstRun: from nothing to a thing with a passkey, in well under a minute;
// then out, and in again by the passkey alone.
func TestFirstRun(t *testing.T) {
	n := startNode(t)
	tab := webtest.NewTab(t)
	key := tab.Authenticator()
	started := time.Now()
	tab.Open(n.BaseURL() + "/my")
	tab.WaitVisible("@name-form")
	look(tab, "welcome", webtest.Light, webtest.Dark, webtest.Phone390, webtest.Phone390|webtest.Dark)
	tab.Type("@name", "Ada")
	tab.Type("@shown-name", "Ada Byron")
	tab.Click("@create")
	tab.WaitVisible("@make-passkey")
	look(tab, "welcome-passkey", webtest.Light, webtest.Phone390|webtest.Dark)
	tab.Click("@make-passkey")
	words := phrase(tab)
	if len(strings.Fields(words)) != keys.PhraseWords {
		t.Errorf("the page shows %q", words)
	}
	look(tab, "welcome-phrase", webtest.Light, webtest.Dark, webtest.Phone390)
	tab.Click("@noted")
	tab.WaitVisible("@check-form")
	tab.Click("@check") // nothing typed
	tab.WaitText("@check-fault", "Look at what you wrote")
	look(tab, "welcome-check", webtest.Light, webtest.Phone390|webtest.Dark)
	tab.Click("@look-again")
	checkWords(tab, words)
	tab.WaitVisible("@first-sandbox")
	look(tab, "welcome-first", webtest.Light, webtest.Phone390)
	tab.Click("@first-sandbox")
	tab.WaitVisible("@things-own")
	t.Logf("first run, with pictures: %v", time.Since(started).Round(time.Millisecond))
	if c := key.Credentials(); len(c) != 1 || !c[0].IsResidentCredential {
		t.Errorf("%d passkeys", len(c))
	}

	tab.Open(n.BaseURL() + "/my#/account")
	tab.WaitText("@who", "Ada Byron")
	forget(t, tab)
	tab.Click("@to-restore")
	tab.WaitVisible("@by-passkey")
	look(tab, "restore", webtest.Light, webtest.Phone390|webtest.Dark)
	tab.Click("@restore-passkey")
	tab.WaitVisible("@things")
	tab.Open(n.BaseURL() + "/my#/account")
	tab.WaitText("@who", "Ada Byron")
	other := tab.Second()
	other.Open(n.BaseURL() + "/my#/account")
	other.WaitText("@own-device", "this one")
}

// forget ends the account in this browser. The welcome that is shown is that of
// a page made anew: what is begun in it is not lost by a reload still to come.
func forget(t *testing.T, tab *webtest.Tab) {
	t.Helper()
	tab.Eval(`window.beforeForget = true`, nil)
	tab.Click("@forget")
	tab.Click("@forget-yes")
	tab.WaitVisible("@name-form")
	var old bool
	tab.Eval(`window.beforeForget === true`, &old)
	if old {
		t.Fatal("the welcome was shown in the page that is about to be made anew")
	}
}

// TestWithoutPasskeys: no PRF, then no WebAuthn at all: each a sentence, and the
// words do.
func TestWithoutPasskeys(t *testing.T) {
	n := startNode(t)
	t.Run("no PRF", func(t *testing.T) {
		tab := webtest.NewTab(t)
		tab.AuthenticatorWithoutPRF()
		begin(tab, n, "bea")
		tab.Click("@make-passkey")
		tab.WaitText("@passkey-fault", "can't keep a key")
		look(tab, "welcome-no-prf", webtest.Phone390)
		tab.Click("@without-passkey")
		checkWords(tab, phrase(tab))
		tab.WaitVisible("@first-later")
	})
	t.Run("no WebAuthn", func(t *testing.T) {
		tab := webtest.NewTab(t)
		tab.Open(n.BaseURL() + "/my")
		tab.WaitVisible("@name-form")
		tab.Eval(`delete window.PublicKeyCredential`, nil)
		tab.Type("@name", "cleo")
		tab.Click("@create")
		tab.WaitVisible("@phrase-note")
		words := phrase(tab)
		tab.Click("@noted")
		tab.Click("@skip-check")
		tab.WaitVisible("@first-later")
		tab.Open(n.BaseURL() + "/my#/account")
		forget(t, tab)
		tab.Open(n.BaseURL() + "/my#/restore")
		tab.Type("@restore-account", "cleo")
		tab.Type("@phrase", strings.Replace(words, strings.Fields(words)[3], "abandom", 1))
		tab.Click("@restore-go")
		tab.WaitText("@restore-fault", "abandon")
		tab.Set("@phrase", strings.Repeat("zoo ", 12))
		tab.Click("@restore-go")
		tab.WaitText("@restore-fault", "does not open")
		tab.Set("@phrase", strings.ToUpper(words))
		tab.Click("@restore-go")
		tab.WaitVisible("@things")
	})
}

// TestCrashBeforeTheWords: the tab goes after the account was made; new words
// are offered until some were noted.
func TestCrashBeforeTheWords(t *testing.T) {
	n := startNode(t)
	tab := webtest.NewTab(t)
	begin(tab, n, "ada")
	tab.WaitVisible("@make-passkey")
	tab.Reload()
	tab.Open(n.BaseURL() + "/my#/")
	tab.WaitVisible("@status-unshown")
	tab.Open(n.BaseURL() + "/my#/account")
	tab.WaitVisible("@note-phrase")
	look(tab, "account-unshown", webtest.Phone390)
	tab.Click("@note-words")
	tab.Click("@make-words")
	checkWords(tab, phrase(tab))
	tab.WaitVisible("@devices")
	tab.WaitGone("@note-phrase")
	tab.Open(n.BaseURL() + "/my#/")
	tab.WaitVisible("@things")
	tab.WaitGone("@status-unshown")
}

// TestSecondDevice: a new browser shows a code, the old one takes it, both show
// the same words; then the old one takes the new one off again.
func TestSecondDevice(t *testing.T) {
	n := startNode(t)
	old, fresh := webtest.NewTab(t), webtest.NewTab(t)
	old.Authenticator()
	begin(old, n, "ada")
	old.Click("@make-passkey")
	checkWords(old, phrase(old))
	old.WaitVisible("@first-later")

	fresh.View(webtest.Phone390)
	fresh.Open(n.BaseURL() + "/my")
	fresh.WaitVisible("@name-form")
	fresh.Click("@to-pairing")
	fresh.Type("@pair-account", "ada")
	fresh.Click("@pair-begin")
	fresh.WaitVisible("@qr")
	look(fresh, "pairing", webtest.Phone390, webtest.Dark)

	old.Open(n.BaseURL() + "/my#/account")
	old.Click("@add-device")
	old.Type("@scan-typed", "WIFI:T:WPA;S:home;P:secret;;")
	old.Click("@scan-go")
	old.WaitText("@scan-said", "not the code of a new device")
	show(old, picture(fresh))
	old.WaitVisible("@pair-yes")
	if a, b := old.Text("@pair-words"), fresh.Text("@pair-words"); a != b || a == "" {
		t.Errorf("the devices show %q and %q", a, b)
	}
	look(old, "pair-asked", webtest.Light, webtest.Phone390|webtest.Dark)
	old.Click("@pair-yes")
	old.Click("@secret-passkey")
	old.WaitVisible("@devices")
	fresh.WaitVisible("@things")
	old.WaitFor(`document.querySelectorAll("[data-test=device]").length === 2`)

	old.Eval(`[...document.querySelectorAll("[data-test=device]")].find(d => !d.querySelector("[data-test=own-device]")).querySelector("[data-test=drop]").click()`, nil)
	old.WaitVisible("@secret-form")
	look(old, "secret", webtest.Light, webtest.Phone390|webtest.Dark)
	fresh.MayLog("401")
	fresh.MayLog("403")
	old.Click("@secret-passkey")
	old.WaitFor(`document.querySelectorAll("[data-test=device]").length === 1`)
	fresh.WaitVisible("@gone")
	fresh.Click("@gone a")
	fresh.WaitVisible("@gone-note")
	look(fresh, "welcome-gone", webtest.Phone390)
}

// picture draws the QR code of a page as a scanner's camera would see it.
func picture(tab *webtest.Tab) (dataURL string) {
	tab.Eval(`(() => {
		const svg = document.querySelector("[data-test=qr]");
		const size = Number(svg.getAttribute("viewBox").split(" ")[2]), scale = 6;
		const canvas = document.createElement("canvas");
		canvas.width = canvas.height = size * scale;
		const c = canvas.getContext("2d");
		c.fillStyle = "#fff";
		c.fillRect(0, 0, canvas.width, canvas.height);
		c.scale(scale, scale);
		c.fillStyle = "#000";
		c.fill(new Path2D(svg.querySelector("path").getAttribute("d")));
		return canvas.toDataURL("image/png");
	})()`, &dataURL)
	return dataURL
}

// show puts a picture into the field for pictures of a scanner.
func show(tab *webtest.Tab, dataURL string) {
	tab.WaitFor(`document.querySelector("[data-test=scan-file]")`)
	tab.Eval(`(() => {
		const bytes = Uint8Array.from(atob("`+strings.TrimPrefix(dataURL, "data:image/png;base64,")+`"), c => c.charCodeAt(0));
		const files = new DataTransfer();
		files.items.add(new File([bytes], "code.png", {type: "image/png"}));
		const input = document.querySelector("[data-test=scan-file]");
		input.files = files.files;
		input.dispatchEvent(new Event("change", {bubbles: true}));
	})()`, nil)
}

// TestAccountPage looks at every part of the page, by keyboard, and ends the
// account.
func TestAccountPage(t *testing.T) {
	n := startNode(t)
	neighbour(t, n)
	tab := webtest.NewTab(t)
	key := tab.Authenticator()
	begin(tab, n, "ada")
	tab.Click("@make-passkey")
	words := phrase(tab)
	checkWords(tab, words)
	tab.WaitVisible("@first-later")
	tab.Open(n.BaseURL() + "/my#/account")
	tab.WaitVisible("@devices")
	tab.Type("@person-account", "bob")
	tab.Press("Enter")
	tab.WaitVisible("@person")
	tab.Click("@compare summary")
	tab.WaitVisible("@code-words")
	look(tab, "account", webtest.Light, webtest.Dark, webtest.Phone390, webtest.Phone390|webtest.Dark)
	tab.Click("@compare-same")
	tab.WaitVisible("@compared")

	tab.Click("@suspend")
	tab.Click("@suspend-yes")
	tab.WaitVisible("@note-suspended")
	tab.Click("@note-suspended button")
	tab.Type("@phrase", words)
	tab.Click("@secret-go")
	tab.WaitGone("@note-suspended")

	tab.Click("@export")
	tab.WaitVisible("@toast")

	tab.Deny("notifications")
	tab.Click("@push")
	tab.WaitText("@push-fault", "does not allow")

	tab.Open(n.BaseURL() + "/my?lang=ar#/account")
	tab.WaitVisible("@devices")
	tab.WaitVisible("@person")
	look(tab, "account-ar", webtest.Light, webtest.Phone390|webtest.Dark)
	tab.Open(n.BaseURL() + "/my?lang=de#/trust")
	tab.WaitVisible("@trust-app")
	look(tab, "trust-de", webtest.Light, webtest.Phone390)
	tab.Open(n.BaseURL() + "/my?lang=en#/account")
	tab.WaitVisible("@devices")
	tab.Click("@delete")
	tab.WaitVisible("@secret-form")
	key.Verified(false) // another finger
	tab.Click("@secret-passkey")
	tab.WaitText("@secret-fault", "No passkey was used")
	tab.Type("@phrase", words)
	tab.Click("@secret-go")
	tab.WaitVisible("@delete-leave")
	tab.Click("@delete-leave")
	tab.WaitVisible("@name-form")
}

// neighbour opens an account by the command line's way.
func neighbour(t *testing.T, n *node.Node) (*vault.Vault, client.Calls) {
	t.Helper()
	a, err := identity.ParseAddress("bob@" + n.Authority())
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := vault.Create(t.TempDir(), vault.New{Address: a, Name: "Bob", Passphrase: "a phrase", WorkFactor: 2, Now: time.Now(), Holder: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	calls := client.Calls{Transport: nethttp.New(nethttp.Options{LAN: true})}
	if err := (client.Node{Calls: calls, Authority: a.Authority}).NewAccount(t.Context(), wire.NewAccount{Identity: v.Document()}); err != nil {
		t.Fatal(err)
	}
	return v, calls
}

// TestPrefilled: the address that `primum local` prints opens an account of the
// command line's, and the words leave the address at once.
func TestPrefilled(t *testing.T) {
	n := startNode(t)
	v, calls := neighbour(t, n)
	words := strings.Repeat("zoo ", 11) + "zebra"
	k, err := v.Keep("a phrase", words, strings.NewReader(strings.Repeat("not random ", 9)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	by := client.Key{ID: identity.ClientKeyID(k.Account, v.ClientName()), Signer: v.ClientKey()}
	if err := (client.Node{Calls: calls, Authority: n.Authority(), By: by}).PutKeep(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	tab := webtest.NewTab(t)
	tab.Open(n.BaseURL() + "/my#/restore/" + url.PathEscape(v.Address()) + "/" + strings.ReplaceAll(words, " ", "-"))
	tab.WaitVisible("@restore-form")
	var where string
	tab.Eval(`location.href`, &where)
	if strings.Contains(where, "zoo") {
		t.Errorf("the words stay in the address: %s", where)
	}
	look(tab, "restore-prefilled", webtest.Light, webtest.Phone390)
	tab.Click("@restore-go")
	tab.WaitVisible("@things")
}

// TestArabicFirstRun: right to left, and the words stay left to right.
func TestArabicFirstRun(t *testing.T) {
	n := startNode(t)
	tab := webtest.NewTab(t)
	tab.Authenticator()
	tab.Language("ar")
	tab.Open(n.BaseURL() + "/my")
	tab.WaitVisible("@name-form")
	look(tab, "welcome-ar", webtest.Light, webtest.Phone390|webtest.Dark)
	tab.Type("@name", "ada")
	tab.Click("@create")
	tab.Click("@make-passkey")
	tab.WaitVisible("@phrase-words")
	look(tab, "welcome-phrase-ar", webtest.Phone390)
}

// TestByKeyboard: the whole first run without a mouse, the focus where one looks.
func TestByKeyboard(t *testing.T) {
	n := startNode(t)
	tab := webtest.NewTab(t)
	tab.Authenticator()
	tab.Open(n.BaseURL() + "/my")
	tab.WaitVisible("@name-form")
	tabTo(tab, t, "name")
	tab.Press("a")
	tab.Press("Enter")
	tab.WaitVisible("@make-passkey")
	tabTo(tab, t, "make-passkey")
	tab.Press("Enter")
	tab.WaitVisible("@phrase-words")
	tabTo(tab, t, "noted")
	tab.Press("Enter")
	tab.WaitVisible("@check-form")
	tabTo(tab, t, "skip-check")
	tab.Press("Space")
	tab.WaitVisible("@first-later")
	tabTo(tab, t, "first-later")
	tab.Press("Enter")
	tab.WaitVisible("@things")
	tab.Open(n.BaseURL() + "/my#/account")
	tab.WaitVisible("@row-valid")
	tabTo(tab, t, "renew")
	tab.Press("Enter")
	tab.WaitVisible("@secret-form")
	tabTo(tab, t, "phrase")
	tab.Press("Escape")
	tab.WaitGone("@secret-form")
	if f := tab.Focused(); f != "renew" {
		t.Errorf("after the dialog the focus is at %s", f)
	}
}

// tabTo presses Tab until a mark has the focus.
func tabTo(tab *webtest.Tab, t *testing.T, mark string) {
	t.Helper()
	var way []string
	for range 40 {
		if tab.Focused() == mark {
			return
		}
		tab.Press("Tab")
		way = append(way, tab.Focused())
	}
	t.Fatalf("no way to %s by Tab: %v", mark, way)
}

// TestOtherNodes: an account of another node is told where it is at home.
func TestOtherNodes(t *testing.T) {
	n := startNode(t)
	tab := webtest.NewTab(t)
	tab.Open(n.BaseURL() + "/my#/restore")
	tab.Type("@restore-account", "ada@Elsewhere.example")
	tab.Type("@phrase", "zoo zoo")
	tab.Click("@restore-go")
	tab.WaitText("@restore-fault", "elsewhere.example")
	tab.Set("@restore-account", "a b@"+n.Authority())
	tab.Click("@restore-go")
	tab.WaitText("@restore-fault", "can't be an account")
	tab.Set("@restore-account", "ada")
	tab.Click("@restore-go")
	tab.WaitText("@restore-fault", "has twelve words")
}
