package public_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"primum/grant"
	"primum/internal/catalogue"
	"primum/internal/portal"
	"primum/internal/webtest"
)

const leakAdvice = `{"v":1,"name":"leaks","provider":"advice@AUTHORITY","page":"https://water.example/leaks","texts":{
"en":{"title":"Leak watch","body":"We tell you when water runs that should not.\nYou hear from us once a month, or at once."},
"ar":{"title":"مراقبة التسرّب","body":"نخبرك حين يجري ماء لا ينبغي أن يجري."}},
"asks":[{"purpose":{"@id":"dpv:OptimisationForConsumer","label":"water advice"},
"wants":[{"quantity":"flow","unit":"m3/h","actions":["readproperty","observeproperty"],"precision":{"every":"PT1H","stat":"mean","round":0.01}},
{"quantity":"valve","actions":["writeproperty"]}],
"for":"P28D","retention":"P30D","deletesWithin":"P7D","notices":{"en":"We look at hourly means of your water meter to find leaks. Nobody else sees them."},
"conditionality":{"coreFunctionWithoutGrant":false,"price":"5 EUR a month","benefit":"a letter with advice"}},
{"purpose":{"@id":"dpv:ScientificResearch","label":"research"},"wants":[{"quantity":"flow","unit":"m3/h","actions":["readproperty"],"precision":{"every":"P1D","stat":"sum"}}],
"for":"P90D","notices":{"en":"Daily sums for a study of the university."}}]}`

// leaks is a catalogue with one service.
type leaks struct{ doc string }

func (l leaks) Get(_ context.Context, name string) (catalogue.Entry, error) {
	s, err := grant.ParseService([]byte(l.doc))
	if err != nil || s.Name != name {
		return catalogue.Entry{}, catalogue.ErrUnknown
	}
	return catalogue.Entry{Service: s, Raw: []byte(l.doc), SHA256: strings.Repeat("ab", 32), At: time.Now(), Index: 4}, nil
}

func (l leaks) List(ctx context.Context, _ string) ([]catalogue.Entry, string, error) {
	e, err := l.Get(ctx, "leaks")
	return []catalogue.Entry{e}, "", err
}

// The catalogue and a service, as a stranger reads them on a phone; the code
// and the button lead into the portal of whoever's address was typed.
func TestServicePages(t *testing.T) {
	t.Parallel()
	url, p := serve(t, func(c *portal.Config) { c.Services = leaks{strings.Replace(leakAdvice, "AUTHORITY", c.Authority, 1)} })
	empty, _ := serve(t, func(c *portal.Config) { c.Services = none{} })
	for name, page := range map[string]struct{ url, mark string }{
		"services":      {url + "/services", "@services"},
		"services-none": {empty + "/services", "@no-services"},
		"service":       {url + "/services/leaks", "@service"},
		"service-wrong": {url + "/services/leaks?at=nowhere@@", "@at-wrong"},
	} {
		for _, lang := range []string{"en", "ar"} {
			tab := webtest.NewTab(t)
			at := "?lang=" + lang
			if strings.Contains(page.url, "?") {
				at = "&lang=" + lang
			}
			tab.Open(page.url + at)
			tab.WaitVisible(page.mark)
			tab.Axe()
			tab.Shot("public-"+name+"-"+lang, looks()...)
			tab.View(webtest.Phone390)
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

func TestConnectByTypedAddress(t *testing.T) {
	t.Parallel()
	url, p := serve(t, func(c *portal.Config) { c.Services = leaks{strings.Replace(leakAdvice, "AUTHORITY", c.Authority, 1)} })
	host := strings.TrimPrefix(url, "http://")
	tab := webtest.NewTab(t)
	tab.View(webtest.Phone390)
	tab.Open(url + "/services/leaks")
	if got := tab.ReadQR("@qr"); got != url+"/services/leaks" {
		t.Errorf("the code says %s", got)
	}
	tab.Type("#at", "ada@s.example")
	tab.Click("@elsewhere-go")
	tab.WaitText("@connect", "s.example")
	want := "https://s.example/my#/connect/" + strings.ReplaceAll(host, ":", "%3A") + "/leaks"
	if got := tab.Attr("@connect", "href"); got != want && got != strings.ReplaceAll(want, "%3A", ":") {
		t.Errorf("the button leads to %s, want %s", got, want)
	}
	if got := tab.ReadQR("@qr"); got != tab.Attr("@connect", "href") {
		t.Errorf("the code says %s", got)
	}
	if p.Reports() != 0 {
		t.Errorf("%d reports of a violated policy", p.Reports())
	}
}

// none is an empty catalogue.
type none struct{}

func (none) Get(context.Context, string) (catalogue.Entry, error) {
	return catalogue.Entry{}, catalogue.ErrUnknown
}

func (none) List(context.Context, string) ([]catalogue.Entry, string, error) { return nil, "", nil }
