package portal_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"primum/grant"
	"primum/internal/catalogue"
	"primum/internal/portal"
)

// offered is a catalogue of one service.
type offered struct {
	doc string
	err error
}

func (o offered) entry() catalogue.Entry {
	s, err := grant.ParseService([]byte(o.doc))
	if err != nil {
		panic(err) // of the test itself
	}
	return catalogue.Entry{Service: s, Raw: []byte(o.doc), SHA256: strings.Repeat("cd", 32), At: begin(), Index: 7}
}

func (o offered) Get(_ context.Context, name string) (catalogue.Entry, error) {
	if o.err != nil {
		return catalogue.Entry{}, o.err
	}
	if e := o.entry(); e.Name == name {
		return e, nil
	}
	return catalogue.Entry{}, catalogue.ErrUnknown
}

func (o offered) List(context.Context, string) ([]catalogue.Entry, string, error) {
	if o.err != nil {
		return nil, "", o.err
	}
	return []catalogue.Entry{o.entry()}, "advice", nil
}

const evilText = `\"><script>alert(1)</script>`

const evilService = `{"v":1,"name":"advice","provider":"ada@h.localhost:8401","page":"https://ada.example/","texts":{"en":{"title":"T` + evilText + `","body":"B` + evilText + `"}},` +
	`"asks":[{"purpose":{"@id":"dpv:OptimisationForConsumer","label":"P` + evilText + `"},"wants":[{"quantity":"Q` + evilText + `","unit":"W","actions":["readproperty","writeproperty"],` +
	`"precision":{"every":"PT15M","stat":"mean","round":10}}],"for":"P28D","retention":"P30D","notices":{"de":"N` + evilText + `"},"conditionality":{"coreFunctionWithoutGrant":false,"price":"C` + evilText + `"}}]}`

func withService(t *testing.T, o offered) *portal.Portal {
	t.Helper()
	return open(t, func(c *portal.Config) { c.Services = o })
}

// What a provider wrote is text on the page, whatever it says, and what it asks
// for is said in full.
func TestServicePageSaysAllAndRunsNothing(t *testing.T) {
	t.Parallel()
	p := withService(t, offered{doc: evilService})
	for path, says := range map[string][]string{
		"/services":        {"T&#34;", "ada@h.localhost", "has a price", "/services/advice", "?after=advice"},
		"/services/advice": {"T&#34;", "B&#34;", "P&#34;", "Q&#34;", "N&#34;", "C&#34;", "every 15 minutes", "the mean of the time, rounded to \u206610 W\u2069", "28 days", "It may switch this", "does not work without", "/.well-known/primum/facts/cdcd", `lang="de"`},
	} {
		w := ask(p.ServicePages(), "GET", path)
		if w.Code != 200 || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: %d", path, w.Code)
		}
		for _, s := range says {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s does not say %s:\n%s", path, s, w.Body)
			}
		}
	}
}

func TestConnectLeadsIntoTheOwnPortal(t *testing.T) {
	t.Parallel()
	p := withService(t, offered{doc: evilService})
	for query, want := range map[string]string{
		"":                         `href="/my#/connect/h.localhost:8401/advice"`,
		"?at=ada@s.localhost:8402": `href="http://s.localhost:8402/my#/connect/h.localhost:8401/advice"`,
		"?at=s.example":            `href="https://s.example/my#/connect/h.localhost:8401/advice"`,
		"?at=bea%40s.example":      `href="https://s.example/my#/connect/h.localhost:8401/advice"`,
		"?at=javascript:alert(1)":  `data-test="at-wrong"`,
		"?at=//evil.example/x":     `data-test="at-wrong"`,
		"?at=a@b@c":                `data-test="at-wrong"`,
	} {
		w := ask(p.ServicePages(), "GET", "/services/advice"+query)
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: no %s in\n%s", query, want, w.Body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self'") || strings.Contains(csp, "script-src") {
			t.Errorf("policy %s", csp)
		}
	}
}

// A link in a mail may name any domain: the page says which, and asks.
func TestForeignDomainIsNamed(t *testing.T) {
	t.Parallel()
	p := withService(t, offered{doc: evilService})
	for lang, says := range map[string][]string{
		"en": {"Connect at evil.example<", "Is your account at evil.example?"},
		"de": {"Verbinden bei evil.example<", "Liegt dein Konto bei evil.example?"},
		"ar": {"صِلها في evil.example<", "هل حسابك في evil.example؟"},
	} {
		w := ask(p.ServicePages(), "GET", "/services/advice?at=eve%40evil.example&lang="+lang)
		for _, s := range append(says, `data-test="at-foreign"`) {
			if !strings.Contains(w.Body.String(), s) {
				t.Errorf("%s: no %s in\n%s", lang, s, w.Body)
			}
		}
		// Another language is that of the same page.
		if other := map[string]string{"en": "de"}[lang] + "en"; !strings.Contains(w.Body.String(), `href="?at=eve%40evil.example&amp;lang=`+other[:2]+`"`) {
			t.Errorf("%s: the way to %s loses the domain:\n%s", lang, other, w.Body)
		}
	}
	for _, query := range []string{"", "?at=bea%40h.localhost:8401", "?at=h.localhost:8401", "?at=%40%40"} {
		w := ask(p.ServicePages(), "GET", "/services/advice"+query)
		if b := w.Body.String(); strings.Contains(b, "at-foreign") || !strings.Contains(b, `href="/my#/connect/h.localhost:8401/advice"`) {
			t.Errorf("%q is taken for another domain:\n%s", query, b)
		}
	}
}

func TestServicesThatFail(t *testing.T) {
	t.Parallel()
	p := withService(t, offered{doc: evilService})
	if w := ask(p.ServicePages(), "GET", "/services/none"); w.Code != 404 {
		t.Errorf("no such service: %d", w.Code)
	}
	w := httptest.NewRecorder()
	if p.ServicePages().ServeHTTP(w, request("GET", "link.h.localhost:8401", "/services", nil)); w.Code != 404 {
		t.Errorf("at the origin of link pages: %d", w.Code)
	}
	if w := ask(open(t).ServicePages(), "GET", "/services"); w.Code != 404 {
		t.Errorf("a portal without a catalogue: %d", w.Code)
	}
	for _, path := range []string{"/services", "/services/advice"} {
		if w := ask(withService(t, offered{err: errors.New("disk")}).ServicePages(), "GET", path); w.Code != 503 || strings.Contains(w.Body.String(), "disk") {
			t.Errorf("%s of a failing store: %d", path, w.Code)
		}
	}
}
