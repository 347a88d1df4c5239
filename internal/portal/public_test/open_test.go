package public_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	opendoor "primum/internal/door/open"
	"primum/internal/open"
	"primum/internal/portal"
	"primum/internal/webtest"
	"primum/thing/id"
)

const station = `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Market square","titles":{"de":"Marktplatz","ar":"ساحة السوق"},
	"description":"Three metres above the ground, beside the fountain.","descriptions":{"de":"Drei Meter über dem Boden, neben dem Brunnen."},
	"securityDefinitions":{"nosec_sc":{"scheme":"nosec"}},"security":"nosec_sc","properties":{
		"pm10":{"title":"Fine dust","titles":{"de":"Feinstaub","ar":"الغبار الدقيق"},"type":"number","unit":"ug/m3"},
		"temperature":{"title":"Temperature","titles":{"de":"Temperatur"},"type":"number","unit":"celsius"},
		"raining":{"title":"Rain","titles":{"de":"Regen"},"type":"boolean"},
		"position":{"title":"Where it stands","titles":{"de":"Standort"},"type":"object"},
		"note":{"type":"string"}}}`

// square serves a portal and a door with two open things, one with a day of
// values; it gives the address.
func square(t *testing.T) string {
	t.Helper()
	book, err := open.Open(t.Context(), t.TempDir(), open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	url := strings.Replace(s.URL, "127.0.0.1", "h.localhost", 1)
	class := func(_ context.Context, k id.Key, lang string) (c open.Class, err error) {
		c = open.Class{Key: k.Path(), Elements: k.ElementString(), Title: map[string]string{"de": "Luftmessgerät"}[lang]}
		if c.Title == "" {
			c.Title = "Air monitor"
		}
		c.Links = []open.ClassLink{
			{LinkType: "gs1:pip", Title: "Product page", Href: "https://h.example/monitor", Langs: []string{"en"}},
			{LinkType: "gs1:instructions", Title: "Manual", Href: "https://h.example/manual.pdf"},
			{LinkType: "gs1:bad", Title: "Not a link for people", Href: "javascript:alert(1)"},
		}
		c.Things, err = book.OfClass(context.Background(), k.Path(), 10)
		return c, err
	}
	p, err := portal.New(portal.Config{
		Authority: strings.TrimPrefix(url, "http://"), Version: "1.0", Loopback: true, Next: http.NotFoundHandler(), Open: book, Class: class,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	d := opendoor.New(opendoor.Config{Base: url, Book: book, Pages: p.OpenPages(), Class: class})
	t.Cleanup(d.Stop)
	mux := http.NewServeMux()
	for pattern, h := range d.Routes() {
		mux.Handle(pattern, h)
	}
	mux.Handle("/", p)
	handler = mux
	fill(t, book)
	return url
}

func fill(t *testing.T, book *open.Book) {
	t.Helper()
	ctx := t.Context()
	_, err := book.PutService(ctx, open.Service{
		Name: "air", Title: "Air in town", Titles: map[string]string{"de": "Luft in der Stadt"}, Text: "Measured every minute.",
		License: "https://creativecommons.org/licenses/by/4.0/", Contact: "mailto:air@h.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := open.ReadDescription([]byte(station))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]string{"square": "01/04012345999990/21/7", "bridge": ""} {
		if _, err := book.PutThing(ctx, open.Thing{Service: "air", Name: name, Description: d, Key: key, Class: strings.Split(key, "/21/")[0]}); err != nil {
			t.Fatal(err)
		}
	}
	var all []open.Sample
	add := func(property, value string, at time.Time) {
		all = append(all, open.Sample{Thing: "square", Property: property, At: at, Value: json.RawMessage(value)})
	}
	now := time.Now()
	for i := range 280 {
		if i > 60 && i < 80 { // it was off
			continue
		}
		add("pm10", fmt.Sprintf("%.1f", 22+12*math.Sin(float64(i)/40)+3*math.Sin(float64(i))), now.Add(-time.Duration(i)*5*time.Minute))
		add("temperature", fmt.Sprintf("%.1f", -2+5*math.Sin(float64(i)/50)), now.Add(-time.Duration(i)*5*time.Minute))
	}
	add("raining", "true", now)
	add("position", `{"lat":52.51861,"lon":13.37611}`, now)
	add("note", `"<b>hello</b>"`, now)
	if a, err := book.Add(ctx, "air", all); err != nil || a.Kept != len(all) {
		t.Fatal(a, err)
	}
}

func TestOpenPages(t *testing.T) {
	t.Parallel()
	url := square(t)
	for name, page := range map[string]struct{ path, mark string }{
		"open":         {"/open", "@open"},
		"open-service": {"/open/air", "@open"},
		"open-thing":   {"/open/air/square", "@openthing"},
		"class":        {"/class/01/04012345999990", "@class"},
	} {
		for _, lang := range []string{"en", "ar"} {
			tab := webtest.NewTab(t)
			tab.Open(url + page.path + "?lang=" + lang)
			tab.WaitVisible(page.mark)
			tab.Axe()
			tab.Shot(name+"-"+lang, looks()...)
			tab.View(webtest.Phone390)
			var scripts, overflow int
			tab.Eval(`document.scripts.length`, &scripts)
			tab.Eval(`Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)`, &overflow)
			if scripts > 0 || overflow > 0 {
				t.Errorf("%s in %s: %d scripts, %d px too wide", name, lang, scripts, overflow)
			}
		}
	}
}

// TestThingOfAnOpenService: its values in the visitor's language, a chart of what
// is asked for, and a QR code that a phone reads.
func TestThingOfAnOpenService(t *testing.T) {
	t.Parallel()
	url := square(t)
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(url + "/open/air/square?lang=de")
	for _, want := range []string{"Marktplatz", "Feinstaub", "Regen", "ja", "52,519 / 13,376", "<b>hello</b>"} {
		tab.WaitText("@openthing", want)
	}
	tab.WaitText("@chart", "µg/m³")
	var above string // the first card begins with its values
	tab.Eval(`(dl => getComputedStyle(dl).borderBlockStartWidth + " " + (dl.firstElementChild.getBoundingClientRect().top - dl.parentElement.getBoundingClientRect().top))(document.querySelector("[data-test=values] > dl"))`, &above)
	if above != "0px 21" { // its padding and border
		t.Errorf("above the first value: %s", above)
	}
	if n := tab.Count(".chart-line"); n != 1 {
		t.Errorf("%d charts, want one", n)
	}
	if line := tab.Attr(".chart-line", "d"); strings.Count(line, "M") != 2 { // a gap
		t.Errorf("the line has no gap: %.80s", line)
	}
	if got, want := tab.ReadQR("@qr-code"), url+"/01/04012345999990/21/7"; got != want {
		t.Errorf("the QR code says %s, want %s", got, want)
	}
	tab.Click(`.choices a[href*="temperature"]`)
	tab.WaitText("@chart", "°C")
	tab.Click(`.choices a[href*="span=7d"]`)
	tab.WaitText("@chart", "°C")
	tab.Click("@class")
	tab.WaitText("@class", "Luftmessgerät")
	start := webtest.NewTab(t)
	start.Open(url + "/")
	start.Click("@open-services")
	start.WaitText("@open", "Air in town")
	tab.WaitText("@things", "Marktplatz")
	if n := tab.Count("@links a"); n != 2 {
		t.Errorf("%d links, want 2", n)
	}
	other := webtest.NewTab(t)
	other.Open(url + "/open/air/bridge")
	if got, want := other.ReadQR("@qr-code"), url+"/open/air/bridge"; got != want {
		t.Errorf("the QR code says %s, want %s", got, want)
	}
	missing := webtest.NewTab(t)
	missing.MayLog("404")
	missing.Open(url + "/class/01/04012345999990/21/7") // a serial has no class page
	missing.WaitVisible("@missing")
}
