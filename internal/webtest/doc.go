// Package webtest drives a real browser in tests: one browser for a package,
// one tab for a test, and on every page what must hold on every page: no
// request to elsewhere, no report of the content security policy, no finding of
// axe-core, no error in the console.
//
//	func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }
//
//	func TestThings(t *testing.T) {
//		tab := webtest.NewTab(t)        // own cookies, storage, caches
//		passkeys := tab.Authenticator() // virtual, with PRF
//		tab.Open(server.URL + "/my")    // its authority may be reached from now on
//		tab.Type("@name", "Ada")        // @name is [data-test="name"]
//		tab.Click("@create")
//		tab.WaitText("@value", "21.5")
//		tab.Shot("things", webtest.Light, webtest.Dark, webtest.Phone390|webtest.Dark)
//		var n int
//		tab.Eval(`document.querySelectorAll("li").length`, &n)
//	}                                       // Clean runs at the end by itself
//
// Every wait ends after 30 s and fails the test with what was seen; a picture
// of the page that failed lies in .local/shots/failed-TEST-TAB.png. Without a
// browser tests skip, and fail with PRIMUM_NEED_ALL=1.
//
// A tab reaches the authorities that Open named and those of MayReach; the rest
// of the world is refused by a proxy of the tab's own, through which also
// workers and service workers go, and is a problem at the end. Names below
// .localhost lead to this machine.
//
// What is expected to go wrong is said before: MayLog("401") for a console error
// with that text. A second tab of the same person is tab.Second(); another
// person is another NewTab.
package webtest
