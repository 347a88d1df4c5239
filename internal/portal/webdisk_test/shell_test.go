package webdisk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"primum/internal/portal"
	"primum/internal/webtest"
)

// built serves the real pages, as they are in this program, without a node
// behind them.
func built(t *testing.T) string {
	t.Helper()
	if m, err := portal.OwnManifest(""); err != nil || !m.Built() {
		skip(t, "made without the pages (make web): %v", err)
	}
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	p, err := portal.New(portal.Config{
		Authority: strings.Replace(s.Listener.Addr().String(), "127.0.0.1", "h.localhost", 1), Loopback: true,
		Next: http.NotFoundHandler(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	handler = p
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
	url := built(t)
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
