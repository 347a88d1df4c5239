package webtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// wait bounds everything that a test waits for.
const wait = 30 * time.Second

// Tab is one tab of the browser, for one goroutine. Its methods fail the test
// when what they wait for does not come.
type Tab struct {
	t     testing.TB
	ctx   context.Context
	gate  *gate
	watch *watch
	look  look
}

// NewTab opens a tab with cookies, storage and permissions of its own. When the
// test ends Clean runs, unless the test failed before, and the tab closes. It
// skips the test without a browser.
func NewTab(t testing.TB) *Tab {
	t.Helper()
	tab := newTab(t)
	t.Cleanup(tab.end)
	return tab
}

func newTab(t testing.TB) *Tab {
	t.Helper()
	if !Available() {
		if os.Getenv("PRIMUM_NEED_ALL") == "1" {
			t.Fatal("no chromium here (and PRIMUM_NEED_ALL=1)")
		}
		t.Skip("no chromium here: tools/setup installs it")
	}
	parent, err := shared.context()
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	g, err := newGate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	own := func(p *target.CreateBrowserContextParams) {
		p.ProxyServer, p.ProxyBypassList = "http://"+g.addr, "<-loopback>"
	}
	tab := &Tab{t: t, gate: g, watch: &watch{}}
	tab.attach(parent, chromedp.WithNewBrowserContext(own))
	return tab
}

// Second opens a further tab of the same person: same cookies, storage and
// rules. It closes with the test.
func (tab *Tab) Second() *Tab {
	tab.t.Helper()
	second := &Tab{t: tab.t, gate: tab.gate, watch: tab.watch, look: tab.look}
	second.attach(tab.ctx)
	second.apply(second.look)
	return second
}

// attach makes the browser's side of the tab, and sets what every page has.
func (tab *Tab) attach(parent context.Context, opts ...chromedp.ContextOption) {
	tab.t.Helper()
	opts = append(opts, chromedp.WithListener(tab.see))
	ctx, cancel := chromedp.NewContext(parent, opts...)
	tab.ctx = ctx
	tab.t.Cleanup(cancel)
	// The tab lives as long as the context of this call, hence no time-out.
	if err := chromedp.Do(ctx); err != nil {
		tab.t.Fatalf("new tab: %v", err)
	}
	tab.do("audits", call(audits.Enable, cdp.Empty{}))
	tab.do("binding", call(runtime.AddBinding, runtime.AddBindingParams{Name: binding, ExecutionContextName: "webtest"}))
	tab.do("violations", call(page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: violations, WorldName: "webtest"}))
	tab.apply(look{})
}

// call makes an action of a command whose result is of no interest.
func call[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cmd, params)
		return err
	})
}

// see notes events, answers dialogs and follows workers.
func (tab *Tab) see(ev any) {
	tab.watch.see(ev)
	switch e := ev.(type) {
	case *page.EventJavascriptDialogOpening:
		go func() {
			ctx, cancel := context.WithTimeout(tab.ctx, wait)
			defer cancel()
			_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
		}()
	case *target.EventAttachedToTarget:
		if strings.Contains(e.TargetInfo.Type, "worker") {
			go tab.follow(e.TargetInfo.TargetID)
		}
	}
}

// follow listens to a worker as to the page. It ends with the tab.
func (tab *Tab) follow(id target.ID) {
	ctx, cancel := chromedp.NewContext(tab.ctx, chromedp.WithTargetID(id),
		chromedp.WithDetachOnCancel(), chromedp.WithListener(tab.watch.seeWorker))
	if err := chromedp.Do(ctx); err != nil {
		cancel() // it ended before it could be listened to
	}
}

// do runs an action within the time-out.
func (tab *Tab) do(what string, a chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	if err := chromedp.Do(ctx, a); err != nil {
		tab.t.Fatalf("%s: %v", what, err)
	}
}

// MayReach allows further authorities, host:port.
func (tab *Tab) MayReach(authorities ...string) {
	for _, a := range authorities {
		tab.gate.allow(a)
	}
}

// MayLog expects errors that contain the text: they are no problem.
func (tab *Tab) MayLog(text string) { tab.watch.expect(text) }

// Requests are all requests of the tab and its workers so far, "GET URL", or
// "CONNECT host:port" for WebSockets and HTTPS. A service worker's own cache
// answers without one.
func (tab *Tab) Requests() []string {
	asked, _ := tab.gate.requests()
	return asked
}

// Open goes to a URL, whose authority may be reached from now on, and waits
// until it is loaded. It answers the status.
func (tab *Tab) Open(url string) int {
	tab.t.Helper()
	authority, err := authorityOf(url)
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.gate.allow(authority)
	return tab.load(url, chromedp.Navigate(url))
}

// Before runs a script in every page from now on, before its own: to take away
// what another browser does not have.
func (tab *Tab) Before(js string) {
	tab.t.Helper()
	tab.do("before", call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: js}))
}

// Reload loads the page again and waits until it is loaded.
func (tab *Tab) Reload() {
	tab.t.Helper()
	tab.load("reload", chromedp.Reload())
}

func (tab *Tab) load(what string, a chromedp.Action[chromedp.Void]) int {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	res, err := chromedp.RunResponse(ctx, a)
	if err != nil {
		tab.t.Fatalf("open %s: %v", what, err)
	}
	if res == nil {
		return http.StatusOK // the same document, or one of a worker
	}
	return int(res.Status)
}

// Eval runs an expression in the page, waits for its promise, and decodes its
// value into out; nil drops it.
func (tab *Tab) Eval(js string, out any) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](js, chromedp.EvalAwaitPromise))
	if err == nil && out != nil {
		err = json.Unmarshal(raw, out)
	}
	if err != nil {
		tab.t.Fatalf("eval %.120s: %v", js, err)
	}
}

// WaitFor evaluates an expression, and awaits it, until it is true.
func (tab *Tab) WaitFor(js string) {
	tab.t.Helper()
	tab.poll(js, func() (bool, string) {
		ok, err := tryEval[bool](tab, "(async () => Boolean(await ("+js+")))()")
		return ok, fmt.Sprint("false, ", err)
	})
}

// poll repeats ask until it is true; seen says in the failure what was there.
func (tab *Tab) poll(what string, ask func() (ok bool, seen string)) {
	tab.t.Helper()
	end := time.After(wait)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := ask()
		if ok {
			return
		}
		select {
		case <-end:
			tab.t.Fatalf("waited %s for %s: %s", wait, what, seen)
		case <-tab.ctx.Done():
			tab.t.Fatalf("waiting for %s: the tab is gone", what)
		case <-tick.C:
		}
	}
}

// tryEval evaluates once; a page that is just changing is an error.
func tryEval[T any](tab *Tab, js string) (T, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
}

// Clean asserts what must hold on every page: no request to elsewhere, no
// report of the policy, no error in the console, nothing that axe-core finds on
// the page now shown, in light and dark.
func (tab *Tab) Clean() {
	tab.t.Helper()
	for _, p := range tab.Problems() {
		tab.t.Error(p)
	}
	tab.Axe()
}

// Problems are what Clean asserts, without axe-core, as texts.
func (tab *Tab) Problems() []string {
	problems := tab.watch.list()
	_, refused := tab.gate.requests()
	for _, r := range refused {
		problems = append(problems, "request to elsewhere: "+r)
	}
	return problems
}

// end runs when the test ends.
func (tab *Tab) end() {
	tab.t.Helper()
	switch {
	case tab.t.Skipped():
	case tab.t.Failed():
		for _, p := range tab.Problems() {
			tab.t.Log("besides: " + p)
		}
		tab.keepFailed()
	default:
		tab.Clean()
		if tab.t.Failed() {
			tab.keepFailed()
		}
	}
}

// keepFailed keeps a picture of the page as it is.
func (tab *Tab) keepFailed() {
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	dir, err := local("shots")
	if err != nil {
		return
	}
	_, port, _ := strings.Cut(tab.gate.addr, ":") // tells the tabs of a test apart
	name := filepath.Join(dir, "failed-"+strings.ReplaceAll(tab.t.Name(), "/", "-")+"-"+port+".png")
	if png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot()); err == nil && os.WriteFile(name, png, 0o644) == nil {
		tab.t.Log("the page as it was: " + name)
	}
}
