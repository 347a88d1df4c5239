package webtest

import (
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"require-trusted-types-for 'script'; trusted-types; base-uri 'none'; form-action 'self'"

// good is a page that keeps every rule.
const good = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A good page</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"><script type="module" src="/page.js"></script></head>
<body><main><h1>A good page</h1><label for="name">Name</label> <input id="name" data-test="name">
<button data-test="go" type="button">Go</button><p data-test="out" role="status"></p>
<button data-test="later" type="button" hidden>Later</button></main></body></html>`

const style = `:root{color-scheme:light dark;background:light-dark(#fff,#111);color:light-dark(#111,#eee);font:1rem system-ui}
button{position:relative;min-block-size:44px;color:light-dark(#fff,#111);background:light-dark(#1f6650,#7cc7ad);border:0}`

const script = `const out = document.querySelector("[data-test=out]");
document.querySelector("[data-test=go]").addEventListener("click", async () => {
	const r = await fetch("/answer"); out.textContent = document.querySelector("#name").value + " " + await r.text();
	document.querySelector("[data-test=later]").hidden = false;
});
addEventListener("keydown", e => { document.documentElement.dataset.key = (e.shiftKey ? "Shift+" : "") + e.key; });`

// bad are bodies that break one rule each, and a part of what is said of it.
func bad() map[string]string {
	return map[string]string{
		`<h1>x</h1><img alt="x" src="http://elsewhere.example/x.png">`: "policy: img-src",
		`<h1>x</h1><script>1</script>`:                                 "policy: script-src",
		`<h1 style="color:red">x</h1>`:                                 "policy: style-src",
		`<h1>x</h1><script src="/html.js"></script>`:                   "policy: require-trusted-types-for",
		`<h1>x</h1><script src="/error.js"></script>`:                  "console: it broke 7",
		`<h1>x</h1><script src="/throw.js"></script>`:                  "thrown here",
		`<h1>x</h1><script src="/none.js"></script>`:                   "404",
		`<h1>x</h1><script src="/alert.js"></script>`:                  "dialog: hello",
	}
}

func serve(t *testing.T) *httptest.Server {
	t.Helper()
	text := map[string]string{
		"/page.js": script, "/answer": "forty-two", "/html.js": `document.body.innerHTML = "<i>x</i>"`,
		"/error.js": `console.error("it broke", 7)`, "/throw.js": `throw new Error("thrown here")`, "/alert.js": `alert("hello")`,
		"/worker.js": `new Worker("/inner.js").onmessage = () => { document.title = "done"; }`,
		"/inner.js":  `console.error("from the worker"); fetch("http://elsewhere.example/w").catch(() => postMessage(1))`,
	}
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Security-Policy", policy+"; worker-src 'self'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { page(w, good) })
	mux.HandleFunc("GET /bad", func(w http.ResponseWriter, r *http.Request) {
		page(w, `<!doctype html><html lang="en"><title>Bad</title><body>`+r.FormValue("body"))
	})
	mux.HandleFunc("GET /loose", func(w http.ResponseWriter, r *http.Request) { // without a policy
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Loose</title><body><main><h1>x</h1>` + r.FormValue("body")))
	})
	mux.HandleFunc("GET /language", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Header.Get("Accept-Language")))
	})
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		_, _ = w.Write([]byte(style))
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /echo", echo)
	for path, body := range text {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte(body))
		})
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, b) != nil {
			return
		}
	}
}

// quiet is a tab that asserts nothing at the end.
func quiet(t *testing.T) *Tab { t.Helper(); return newTab(t) }

func TestGoodPage(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := NewTab(t)
	if status := tab.Open(s.URL); status != 200 {
		t.Fatalf("status %d", status)
	}
	if tab.Count("@later") != 0 {
		t.Error("a hidden element counts as shown")
	}
	tab.Type("@name", "Ada")
	tab.Type("@name", "Lin")
	tab.Click("@go")
	tab.WaitText("@out", "Lin forty-two")
	tab.WaitVisible("@later")
	tab.Press("Tab")
	if got := tab.Focused(); got != "later" {
		t.Errorf("focus on %q", got)
	}
	tab.Press("Shift+Tab")
	var key string
	if tab.Eval("document.documentElement.dataset.key", &key); key != "Shift+Tab" || tab.Focused() != "go" {
		t.Errorf("key %q, focus %q", key, tab.Focused())
	}
	if !slices.ContainsFunc(tab.Requests(), func(r string) bool { return strings.HasSuffix(r, "/answer") }) {
		t.Errorf("requests: %q", tab.Requests())
	}
}

func TestEachRuleIsChecked(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := quiet(t)
	for body, want := range bad() {
		tab.watch.clear()
		tab.Open(s.URL + "/bad?body=" + escape(body))
		tab.poll(want, func() (bool, string) {
			all := strings.Join(tab.Problems(), "\n")
			return strings.Contains(all, want), all
		})
	}
}

func TestElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := quiet(t)
	tab.Open(s.URL + "/loose?body=" + escape(`<img alt="x" src="http://elsewhere.example/x.png"><script src="/worker.js"></script>`))
	tab.WaitFor(`document.title === "done"`)
	all := strings.Join(tab.Problems(), "\n")
	for _, want := range []string{"request to elsewhere: http://elsewhere.example/x.png", "request to elsewhere: http://elsewhere.example/w", "console: from the worker"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	tab.MayLog("ERR_")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	tab.Eval(`fetch("`+other.URL+`/there", {mode: "no-cors"}).then(() => 1, () => 0)`, nil)
	if !strings.Contains(strings.Join(tab.Problems(), "\n"), other.URL+"/there") {
		t.Error("another server of this machine is reached")
	}
}

func TestAxeFinds(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := quiet(t)
	tab.Open(s.URL + "/loose?body=" + escape(`<style>@media (prefers-color-scheme:dark){p{color:#333;background:#222}}</style><p>hard to read</p><input></main>`))
	var ids []string
	for _, f := range tab.Findings() {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	if want := []string{"color-contrast-dark", "label-dark", "label-light"}; !slices.Equal(ids, want) {
		t.Errorf("axe-core finds %q, want %q", ids, want)
	}
}

func TestLooks(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := NewTab(t)
	tab.Open(s.URL)
	paths := tab.Shot("webtest", Light, Dark, Phone390|Dark, RTL)
	for i, width := range []int{1280, 1280, 780, 1280} {
		f, err := os.Open(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		c, err := png.DecodeConfig(f)
		if err != nil || c.Width != width {
			t.Errorf("%s is %d wide (%v), want %d", paths[i], c.Width, err, width)
		}
		_ = f.Close()
	}
	if tab.Attr("html", "dir") != "" {
		t.Error("the page still runs from right to left")
	}
	tab.View(Phone390 | Dark)
	tab.WaitFor(`innerWidth === 390 && matchMedia("(prefers-color-scheme: dark)").matches`)
	tab.Language("ar")
	tab.WaitFor(`navigator.language === "ar"`)
	answer := quiet(t)
	answer.Language("ar")
	answer.Open(s.URL + "/language")
	answer.WaitText("body", "ar")
}

func TestTabsAreApart(t *testing.T) {
	t.Parallel()
	s := serve(t)
	one, two := NewTab(t), NewTab(t)
	one.Open(s.URL)
	two.Open(s.URL)
	second := one.Second()
	second.Open(s.URL)
	one.Eval(`localStorage.setItem("who", "one")`, nil)
	second.WaitFor(`localStorage.getItem("who") === "one"`)
	two.WaitFor(`localStorage.getItem("who") === null`)
}

func TestOfflineAndSockets(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := NewTab(t)
	tab.MayLog("ERR_")
	tab.Open(s.URL)
	tab.Eval(`new Promise(r => { window.ws = new WebSocket("/echo"); ws.onopen = () => ws.send("x"); ws.onmessage = e => r(e.data); ws.onclose = () => { window.closed_ = true; } })`, nil)
	tab.Offline(true)
	tab.WaitFor(`!navigator.onLine && window.closed_`)
	tab.WaitFor(`fetch("/answer").then(() => false, () => true)`)
	tab.Offline(false)
	tab.WaitFor(`fetch("/answer").then(() => true, () => false)`)
	tab.Throttle(4)
	tab.Throttle(1)
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tab := NewTab(t)
	tab.Open(s.URL)
	const state = `navigator.permissions.query({name: "notifications"}).then(p => p.state)`
	tab.Grant("notifications")
	tab.WaitFor(state + `.then(s => s === "granted")`)
	tab.Deny("notifications")
	tab.WaitFor(state + `.then(s => s === "denied")`)
}

// passkey makes one and answers whether PRF gave a secret when logging in.
const passkey = `(async () => {
	const bytes = n => crypto.getRandomValues(new Uint8Array(n));
	const made = await navigator.credentials.create({publicKey: {challenge: bytes(32), rp: {name: "x"},
		user: {id: bytes(8), name: "ada", displayName: "Ada"}, pubKeyCredParams: [{type: "public-key", alg: -7}],
		authenticatorSelection: {residentKey: "required", userVerification: "required"}, extensions: {prf: {}}}});
	const got = await navigator.credentials.get({publicKey: {challenge: bytes(32), userVerification: "required",
		extensions: {prf: {eval: {first: new Uint8Array(32)}}}}});
	return {enabled: made.getClientExtensionResults().prf?.enabled ?? false, length: got.getClientExtensionResults().prf?.results?.first?.byteLength ?? 0};
})()`

func TestAuthenticator(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, prf := range []bool{true, false} {
		tab := NewTab(t)
		tab.Open(strings.Replace(s.URL, "127.0.0.1", "h.localhost", 1))
		a := tab.authenticator(prf)
		var got struct {
			Enabled bool
			Length  int
		}
		tab.Eval(passkey, &got)
		if got.Enabled != prf || (got.Length == 32) != prf {
			t.Errorf("with PRF %v: %+v", prf, got)
		}
		if n := len(a.Credentials()); n != 1 {
			t.Errorf("%d passkeys", n)
		}
		a.Forget()
		if n := len(a.Credentials()); n != 0 {
			t.Errorf("%d passkeys after forgetting", n)
		}
	}
}

func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString("%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15])))
	}
	return b.String()
}
