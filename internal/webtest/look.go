package webtest

import (
	"context"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Look says how a page is looked at. Looks combine: Phone390|Dark.
type Look uint

// Looks. Without Dark it is light, without Phone390 a window of 1280 × 900.
const (
	Light    Look = 0
	Dark     Look = 1 << iota // prefers-color-scheme: dark
	Phone390                  // a phone of 390 × 844 with two pixels to one, and touch
	RTL                       // dir=rtl whatever the language; for Arabic see Language
)

// name is the end of a picture's file name.
func (l Look) name() string {
	s := "-light"
	if l&Dark != 0 {
		s = "-dark"
	}
	if l&Phone390 != 0 {
		s += "-390"
	}
	if l&RTL != 0 {
		s += "-rtl"
	}
	return s
}

// look is how the tab is looked at now.
type look struct {
	Look
	language string
}

// View looks at the page in this way from now on.
func (tab *Tab) View(l Look) {
	tab.t.Helper()
	tab.look.Look = l
	tab.apply(tab.look)
}

// Language asks for pages in a language ("de", "ar") from the next Open on.
func (tab *Tab) Language(lang string) {
	tab.t.Helper()
	tab.look.language = lang
	tab.apply(tab.look)
	var agent string
	tab.Eval("navigator.userAgent", &agent)
	tab.do("language", call(emulation.SetUserAgentOverride,
		emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: lang}))
}

func (tab *Tab) apply(l look) {
	tab.t.Helper()
	metrics := emulation.SetDeviceMetricsOverrideParams{Width: 1280, Height: 900, DeviceScaleFactor: 1}
	if l.Look&Phone390 != 0 {
		metrics = emulation.SetDeviceMetricsOverrideParams{Width: 390, Height: 844, DeviceScaleFactor: 2, Mobile: true}
	}
	tab.do("look", chromedp.Steps(scheme(l.Look),
		call(emulation.SetDeviceMetricsOverride, metrics),
		call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: metrics.Mobile})))
}

// scheme sets light or dark. Motion is always reduced: a picture and a check are
// of a page at rest.
func scheme(l Look) chromedp.Action[chromedp.Void] {
	value := "light"
	if l&Dark != 0 {
		value = "dark"
	}
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Shot takes pictures of the whole page, .local/shots/NAME-light.png and so on,
// one for each look; without looks Light, Dark and Phone390. It answers their
// paths.
func (tab *Tab) Shot(name string, looks ...Look) []string {
	tab.t.Helper()
	if len(looks) == 0 {
		looks = []Look{Light, Dark, Phone390}
	}
	dir, err := local("shots")
	if err != nil {
		tab.t.Fatal(err)
	}
	before := tab.look
	defer func() { tab.apply(before) }()
	var paths []string
	for _, l := range looks {
		path := filepath.Join(dir, name+l.name()+".png")
		tab.apply(look{Look: l})
		tab.turn(l)
		tab.picture(path)
		tab.turn(0)
		paths = append(paths, path)
	}
	return paths
}

// turn makes the page run from right to left, or as it was.
func (tab *Tab) turn(l Look) {
	tab.t.Helper()
	js := `(e => { if (e.dataset.webtestDir !== undefined) { e.dir = e.dataset.webtestDir; delete e.dataset.webtestDir; } })(document.documentElement)`
	if l&RTL != 0 {
		js = `(e => { e.dataset.webtestDir = e.dir; e.dir = "rtl"; })(document.documentElement)`
	}
	tab.Eval(js, nil)
}

func (tab *Tab) picture(path string) {
	tab.t.Helper()
	tab.Eval(`document.fonts.ready.then(() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true)))))`, nil)
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	beyond := true
	res, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond, Clip: tab.wholePage()})
	if err == nil {
		err = os.WriteFile(path, res.Data, 0o644)
	}
	if err != nil {
		tab.t.Fatalf("picture %s: %v", path, err)
	}
}

// wholePage is the rectangle of the page, at most 6,000 pixels high.
func (tab *Tab) wholePage() *page.Viewport {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	m, err := chromedp.Call(ctx, page.GetLayoutMetrics, cdp.Empty{})
	if err != nil {
		tab.t.Fatalf("size of the page: %v", err)
	}
	return &page.Viewport{
		Width: float64(m.CSSLayoutViewport.ClientWidth), Height: min(max(m.CSSContentSize.Height, 1), 6000), Scale: 1,
	}
}
