package webdisk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"primum/internal/portal"
	"primum/internal/webtest"
)

// built serves the real pages, as they are in this program, without a node
// behind them.
func built(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	if m, err := portal.OwnManifest(""); err != nil || !m.Built() {
		skip(t, "made without the pages (make web): %v", err)
	}
	s := httptest.NewUnstartedServer(nil)
	p, err := portal.New(portal.Config{
		Authority: strings.Replace(s.Listener.Addr().String(), "127.0.0.1", "h.localhost", 1), Loopback: true,
		Next: http.NotFoundHandler(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	s.Config.Handler = p
	if wrap != nil {
		s.Config.Handler = wrap(p)
	}
	s.Start()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "h.localhost", 1)
}

// ready waits for the page and its engine and says how long that took.
func ready(tab *webtest.Tab) string {
	tab.WaitFor(`performance.getEntriesByName("primum.ready").length > 0 && document.querySelector("h1")`)
	var parts map[string]float64
	tab.Eval(`Object.fromEntries([["page", performance.getEntriesByName("primum.ready")[0].startTime],
		...performance.getEntriesByType("measure").filter((m) => m.name.startsWith("primum.")).map((m) => [m.name.slice(7), m.duration])])`, &parts)
	return fmt.Sprintf("ready %.0f ms after the page was opened; in the worker: disk %.0f, compiled %.0f, engine %.0f ms",
		parts["page"], parts["disk"], parts["compile"], parts["engine"])
}

// The page is shown at once, the engine is ready soon after; both also without
// a network, from what the service worker keeps.
func TestOfflineShell(t *testing.T) {
	t.Parallel()
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	url := built(t, nil)
	tab := webtest.NewTab(t)
	tab.MayLog("404") // there is no node here
	tab.Open(url + "/my")
	t.Logf("first visit, %s", ready(tab))
	tab.WaitFor(`navigator.serviceWorker.controller`)
	tab.Reload()
	t.Logf("second visit, %s", ready(tab))
	tab.Offline(true)
	tab.MayLog("ERR_")
	tab.Reload()
	t.Logf("offline, %s", ready(tab))
	tab.Offline(false)
}

// A new version is fetched beside the old one, said, and taken when the person
// wants it; then nothing of the old one is kept.
func TestUpdate(t *testing.T) {
	t.Parallel()
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	var fresh atomic.Bool
	url := built(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/sw.js" && fresh.Load() {
				w = &renamed{ResponseWriter: w}
				r.Header.Del("Accept-Encoding")
				r.Header.Del("If-None-Match") // the tag of the other one
			}
			next.ServeHTTP(w, r)
		})
	})
	tab := webtest.NewTab(t)
	tab.MayLog("404")
	tab.Open(url + "/my")
	tab.WaitFor(`navigator.serviceWorker.controller`)
	caches := func() (names []string) {
		tab.Eval(`caches.keys()`, &names)
		return names
	}
	before := caches()
	if len(before) != 1 {
		t.Fatalf("caches: %q", before)
	}
	if tab.Count("@update") != 0 {
		t.Error("an update is offered on the first visit")
	}
	fresh.Store(true)
	tab.Eval(`navigator.serviceWorker.getRegistration().then((r) => r.update()).then(() => null)`, nil)
	tab.WaitVisible("@update")
	tab.Eval(`void (window.old = true)`, nil)
	tab.Click("@update")
	tab.WaitFor(`!window.old && document.querySelector("h1")`)
	wait(tab, `(await caches.keys()).length === 1`, nil)
	if after := caches(); after[0] == before[0] {
		t.Errorf("the caches are %q as before", after)
	}
}

// wait evaluates an expression that may await until it holds, and decodes it.
func wait(tab *webtest.Tab, js string, out any) {
	tab.Eval(`(async () => { for (;;) { const v = `+js+`; if (v) return v; await new Promise((r) => setTimeout(r, 25)); } })()`, out)
}

// renamed gives the service worker's version another name.
type renamed struct{ http.ResponseWriter }

var versionName = regexp.MustCompile(`"[0-9a-f]{8}"`)

func (w *renamed) Write(b []byte) (int, error) {
	_, err := w.ResponseWriter.Write(versionName.ReplaceAll(b, []byte(`"00000000"`)))
	return len(b), err
}

// A push shows that something waits, once for many, and nothing of its content.
func TestPush(t *testing.T) {
	t.Parallel()
	if !webtest.Available() {
		skip(t, "no chromium here: tools/setup installs it")
	}
	tab := webtest.NewTab(t)
	tab.MayLog("404")
	tab.Grant("notifications")
	tab.Open(built(t, nil) + "/my")
	tab.WaitFor(`navigator.serviceWorker.controller?.state === "activated"`) // a push before that is nobody's
	tab.Eval(`void (window.list = () => navigator.serviceWorker.ready.then((r) => r.getNotifications()))`, nil)
	var first float64
	tab.Push("")
	wait(tab, `(await list())[0]?.timestamp`, &first)
	tab.Push("content of an enemy")
	var shown []struct{ Title, Body, Icon string }
	wait(tab, fmt.Sprintf(`(await list()).some((n) => n.timestamp > %f) && (await list()).map(({ title, body, icon }) => ({ title, body, icon }))`, first), &shown)
	if len(shown) != 1 || shown[0].Title == "" || shown[0].Body == "" || !strings.Contains(shown[0].Icon, "/assets/icon-192.") {
		t.Errorf("notifications: %+v", shown)
	}
	if strings.Contains(fmt.Sprint(shown), "enemy") {
		t.Errorf("a push's content is shown: %+v", shown)
	}
}
