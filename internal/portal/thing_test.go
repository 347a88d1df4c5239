package portal_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"primum/internal/portal"
	"primum/internal/store"
	"primum/internal/wire"
)

// withNotice opens a portal with one notice.
func withNotice(t *testing.T, n wire.Notice, change ...func(*portal.Config)) *portal.Portal {
	t.Helper()
	return open(t, append([]func(*portal.Config){func(c *portal.Config) {
		c.Notice = func(_ context.Context, id string) (wire.Notice, error) {
			switch id {
			case n.ID:
				return n, nil
			case "broken-one":
				return n, errors.New("disk")
			}
			return n, store.ErrNotFound
		}
	}}, change...)...)
}

func air() wire.Notice {
	return wire.Notice{
		ID: "room-4-air", Title: "Luft in Raum 4", Language: "de", About: "Warum wir messen.", Contact: "mailto:luft@h.example?subject=Raum%204",
		Items: []wire.NoticeItem{
			{What: "Kohlendioxid", Every: "15m", Fine: "auf 50 ppm", Kept: "13 Monate", Purpose: "Lüften", Inner: []string{"Haustechnik", "Schule"}, Outer: []string{"Alle im Haus"}},
			{What: "Bewegung", Every: "change"},
		},
	}
}

func TestThingPageSaysItAll(t *testing.T) {
	t.Parallel()
	p := withNotice(t, air(), func(c *portal.Config) { c.Contact = "https://h.example/abuse" })
	w := ask(p, "GET", "/thing/room-4-air", "Accept", "text/html")
	page := w.Body.String()
	for _, want := range []string{
		`<p class="soft"><a href="/"><bdi dir="ltr">h.localhost:8401</bdi></a> · `,
		`<h1><bdi lang="de">Luft in Raum 4</bdi></h1>`, "Kohlendioxid", "every 15 minutes", "auf 50 ppm", "13 Monate", "Lüften", "Haustechnik", "Alle im Haus",
		"whenever it changes", "not stated", "The operator of this node: ciphertext only", `href="mailto:luft@h.example?subject=Raum%204"`, "<bdi>luft@h.example</bdi>",
		`href="https://h.example/abuse"`, `href="/my#/notices/room-4-air"`, "http://h.localhost:8401/thing/room-4-air", "<svg", "You need no account",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(page, `class="ring-dot"`) != 3 {
		t.Errorf("the rings show %d parties, want 3", strings.Count(page, `class="ring-dot"`))
	}
	if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(page, "<script") || strings.Contains(csp, "script-src") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the page may run scripts: %s", csp)
	}
	for _, path := range []string{"/thing/none-such", "/thing/%2e%2e"} {
		if w := ask(p, "GET", path, "Accept", "text/html"); w.Code != 404 || !strings.Contains(w.Body.String(), "There is nothing here") {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
	if w := ask(p, "GET", "/thing/broken-one", "Accept", "text/html"); w.Code != 503 || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("a failing store: status %d: %s", w.Code, w.Body)
	}
	if w := ask(open(t), "GET", "/thing/room-4-air", "Accept", "text/html"); w.Code != 404 {
		t.Errorf("a portal without notices: status %d", w.Code)
	}
}

// Programs get what the page says as JSON, and no page where there is none.
func TestThingForPrograms(t *testing.T) {
	t.Parallel()
	p := withNotice(t, air())
	for path, c := range map[string]struct {
		status     int
		kind, says string
	}{
		"/thing/room-4-air": {200, "application/json", `"title":"Luft in Raum 4"`},
		"/thing/zzz":        {404, "application/problem+json", `"status":404`},
		"/thing/broken-one": {500, "application/problem+json", `"status":500`},
	} {
		w := ask(p, "GET", path, "Accept", "*/*")
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.says) || w.Header().Get("Vary") != "Accept" || strings.Contains(w.Body.String(), "disk") {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
}

func TestThingPageSpeaksTheVisitorsLanguage(t *testing.T) {
	t.Parallel()
	p := withNotice(t, air())
	for lang, wants := range map[string][]string{
		"de": {`lang="de" dir="ltr"`, "alle 15 Minuten", "Der Betreiber dieses Knotens: nur Verschlüsseltes"},
		"ar": {`lang="ar" dir="rtl"`, "كل 15 دقيقة", "مشغّل هذه العقدة: نص مشفّر فقط"},
	} {
		page := ask(p, "GET", "/thing/room-4-air", "Accept", "text/html", "Accept-Language", lang).Body.String()
		for _, want := range append(wants, "Kohlendioxid") { // the owner's words stay
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q", lang, want)
			}
		}
	}
}

// TestHostileNotice shows a notice that the store would refuse: the page does
// not rely on that.
func TestHostileNotice(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script>`
	n := wire.Notice{
		ID: "evil-evil", Title: evil + "\u202egpj.exe", Language: `de" onload="x`, About: "a\u2066b\x00c", Contact: "javascript:alert(1)",
		Items: []wire.NoticeItem{{What: evil, Every: evil, Fine: evil, Kept: evil, Purpose: evil, Inner: []string{evil, "\u200f"}, Outer: make([]string, 500)}},
	}
	p := withNotice(t, n, func(c *portal.Config) { c.Contact = "javascript:alert(2)" })
	page := ask(p, "GET", "/thing/evil-evil", "Accept", "text/html").Body.String()
	for _, never := range []string{"<script", "javascript:", `onload="`, "\u202e", "\u2066", "\x00", "\u200f"} {
		if strings.Contains(page, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the title was not shown as text")
	}
	if dots := strings.Count(page, `class="ring-dot"`); dots > 41 {
		t.Errorf("%d dots", dots)
	}
}

func TestReportGoesToTheDomain(t *testing.T) {
	t.Parallel()
	page := func(change func(*portal.Config)) string {
		return ask(withNotice(t, air(), change), "GET", "/thing/room-4-air", "Accept", "text/html").Body.String()
	}
	if s := page(func(c *portal.Config) { c.Authority = "h.example" }); !strings.Contains(s, `href="mailto:abuse@h.example"`) {
		t.Error("no address to report to")
	}
	if s := page(func(c *portal.Config) { c.Loopback = true }); strings.Contains(s, "abuse@") || !strings.Contains(s, "for trying out") {
		t.Error("a node under .localhost names a mailbox")
	}
}

func FuzzThing(f *testing.F) {
	f.Add("Air", "15m", "mailto:a@b.example", "de")
	f.Add("<b>", "change", "https://x.example/?q=\"", "ar-EG")
	var n wire.Notice
	p, err := portal.New(portal.Config{
		Authority: "h.localhost:8401", Assets: built(), Next: http.NotFoundHandler(),
		Notice: func(context.Context, string) (wire.Notice, error) { return n, nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, every, contact, lang string) {
		n = wire.Notice{ID: "fuzzfuzz", Title: text, Language: lang, Contact: contact, Items: []wire.NoticeItem{{What: text, Every: every, Inner: []string{text}}}}
		page := ask(p, "GET", "/thing/fuzzfuzz", "Accept", "text/html").Body.String()
		tags := strings.Count(page, "<script") + strings.Count(page, "<iframe") + strings.Count(page, "<img") + strings.Count(strings.ToLower(page), `href="javascript:`)
		if tags > 0 || strings.ContainsRune(page, '\u202e') || !strings.HasSuffix(page, "</html>\n") {
			t.Errorf("the page became\n%s", page)
		}
	})
}
