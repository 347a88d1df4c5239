package public_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"primum/internal/portal"
	"primum/internal/store"
	"primum/internal/webtest"
	"primum/internal/wire"
)

// documents are an operator's, in memory.
type documents []store.Fact

func (d documents) List(_ context.Context, kind string, _ int64, limit int) (out []store.Fact, err error) {
	for i := len(d) - 1; i >= 0 && len(out) < limit; i-- {
		if f := d[i]; kind == "" || f.Type == kind {
			f.Body = nil
			out = append(out, f)
		}
	}
	return out, nil
}

func (d documents) Newest(_ context.Context, kind, name string) (store.Fact, error) {
	for i := len(d) - 1; i >= 0; i-- {
		if d[i].Type == kind && d[i].Name == name {
			return d[i], nil
		}
	}
	return store.Fact{}, store.ErrNotFound
}

func (d documents) Get(_ context.Context, hash string) (store.Fact, error) {
	for _, f := range d {
		if f.SHA256 == hash {
			return f, nil
		}
	}
	return store.Fact{}, store.ErrNotFound
}

func noon(days int) time.Time {
	return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Duration(days) * 24 * time.Hour)
}

func (d *documents) add(kind, name string, days int, doc any) {
	b, _ := json.MarshalIndent(doc, "", "  ")
	sum := sha256.Sum256(append(b, byte(len(*d)))) // two may be the same in words
	*d = append(*d, store.Fact{
		N: int64(len(*d) + 1), Type: kind, Name: name, Kind: "application/json", SHA256: hex.EncodeToString(sum[:]), Body: b, At: noon(days),
		Index: uint64(7*len(*d) + 3), Placed: true, Newest: true,
	})
}

func said(title, body string) map[string]wire.Text {
	return map[string]wire.Text{"en": {Title: title, Body: body}}
}

// busy is an operator who has published something of everything.
func busy() documents {
	var d documents
	ended := noon(-40).Add(70 * time.Minute)
	d.add("key", "", -200, wire.Keys{V: 1})
	d.add("policy", "node", -200, wire.Policy{V: 1, Name: "node", Texts: said("What this node does with data", "This node carries sealed messages. It can't read values."), Settings: map[string]string{"messages-kept-at-most": "720h0m0s", "usage-kept": "9600h0m0s", "ledger-every": "6h0m0s"}})
	d.add("naming-policy", "naming", -200, wire.Policy{V: 1, Name: "naming", Texts: said("Who gets which name", "A name of an account belongs to who takes it first."), Settings: map[string]string{"accounts": "by-invitation", "closed-names": "never-given-again"}})
	d.add("meter-catalogue", "", -200, wire.MeterCatalogue{V: 1, Meters: []wire.Meter{
		{ID: "requests", Unit: "request", Quota: 250000, Texts: said("Requests", "Signed requests of an organisation's programs.")},
		{ID: "delivered", Unit: "message", Texts: said("Messages delivered", "Sealed messages handed to an organisation's programs.")},
	}})
	d.add("oath", "", -180, map[string]string{"payload": "…"})
	d.add("legal-demand", "2026-01-01", -140, wire.LegalDemand{V: 1, From: "2026-01-01", To: "2026-06-30", Received: 3, Answered: 1, Refused: 2})
	d.add("incident", "outage-3", -39, wire.Incident{V: 1, ID: "outage-3", Began: noon(-40), Ended: &ended, Texts: said("The disk was full for an hour", "Messages were refused from 12:00 to 13:10 UTC. None that was acknowledged was lost. We now watch the space that is left.")})
	d.add("policy", "privacy", -20, wire.Policy{V: 1, Name: "privacy", Review: "2027-11-23", Texts: said("Privacy, in short", "We hold what the node needs to carry messages, and nothing for advertising.\nAsk us: privacy@h.example.")})
	d.add("release", "", -2, wire.Release{V: 1, Version: "1.4.2", Platform: "linux/amd64", Binary: strings.Repeat("3fa9", 16), Assets: strings.Repeat("c07b", 16)})
	return d
}

func oathOf() portal.Oath {
	until := noon(900)
	o := portal.Oath{At: noon(-180), Until: noon(185), Supported: &until}
	for i := 1; i <= 15; i++ {
		id := fmt.Sprintf("O%02d", i)
		if id == "O09" {
			o.NotSworn = append(o.NotSworn, portal.Sworn{ID: id, Reason: "Budgets of exposure do not exist in this version."})
			continue
		}
		o.Clauses = append(o.Clauses, portal.Sworn{
			ID: id, Text: "Without a yes of the person concerned, signed by them and still valid, no value leaves for anybody.",
			Remedy: "We tell every person whose values left, to whom they went and when, within 72 hours.",
		})
	}
	return o
}

// measured are thirty days of results: numbers, a clause that can't be shown,
// and one that was broken once.
func measured(d documents) wire.Measurements {
	number := func(v float64) *float64 { return &v }
	m := wire.Measurements{}
	for i := 1; i <= 15; i++ {
		c := wire.ClauseSeen{Clause: fmt.Sprintf("O%02d", i)}
		for day := range 30 {
			one := wire.Measurement{
				Clause: c.Clause, At: noon(-day), Checker: "check.example (ed25519:9b1c4e…)", Verdict: wire.VerdictNoBreach, Unshown: []string{"copies on the operator's disks and backups: no outside check sees them"}, SHA256: d[0].SHA256, Ref: wire.FactPath(d[0].SHA256), Index: uint64(400 - 3*day),
			}
			switch {
			case i == 4:
				one.Value, one.Unit, one.Bound = number(180+float64((day*37)%140)), "ms", number(1000)
			case i == 9 || i == 14 && day > 3:
				one.Verdict, one.Reason = wire.VerdictNotShown, "Budgets of exposure do not exist in this version."
			case i == 10:
				one.Value, one.Bound = number(1.1+float64((day*13)%60)/100), number(2)
			case i == 12 && day == 11:
				one.Verdict, one.Reason = wire.VerdictBroken, "security.txt had expired for two days."
			}
			c.Measurements = append(c.Measurements, one)
		}
		if i != 2 { // one that nobody has measured
			m.Clauses = append(m.Clauses, c)
		}
	}
	return m
}

func withFacts(d documents) func(*portal.Config) {
	return func(c *portal.Config) {
		c.Facts = d
		c.Sworn = func([]byte) (portal.Oath, error) { return oathOf(), nil }
		c.Measurements = func(context.Context) (wire.Measurements, error) { return measured(d), nil }
		c.LogState = func() portal.LogState {
			return portal.LogState{Size: 1043, Witnesses: []string{"s.example/witness", "dorf.example/witness"}, Checkpoint: "/ledger/public/checkpoint"}
		}
	}
}

func bareFacts(c *portal.Config) {
	var d documents
	d.add("release", "", 0, wire.Release{V: 1, Version: "dev", Platform: "linux/amd64", Assets: strings.Repeat("c07b", 16)})
	c.Facts = d
	c.LogState = func() portal.LogState { return portal.LogState{Size: 1, Checkpoint: "/ledger/public/checkpoint"} }
}

// TestFactsPage looks at an operator with a history, at a new one and at a
// document, in a browser.
func TestFactsPage(t *testing.T) {
	t.Parallel()
	d := busy()
	full, p := serve(t, withFacts(d))
	bare, _ := serve(t, bareFacts)
	for name, page := range map[string]struct{ url, mark string }{
		"facts":    {full + wire.NodePath, "@facts"},
		"facts-no": {bare + wire.NodePath, "@facts"},
		"document": {full + wire.FactPath(d[7].SHA256), "@document"},
	} {
		for _, lang := range []string{"en", "de", "ar"} {
			tab := webtest.NewTab(t)
			tab.Open(page.url + "?lang=" + lang)
			tab.WaitVisible(page.mark)
			tab.Axe()
			tab.Shot("public-"+name+"-"+lang, looks()...)
			var scripts, overflow, unsaid int
			tab.Eval(`document.scripts.length`, &scripts)
			tab.Eval(`Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)`, &overflow)
			tab.Eval(`(document.body.textContent.match(/\[(facts|meter|portal)\./g) || []).length`, &unsaid)
			if scripts > 0 || overflow > 0 || unsaid > 0 {
				t.Errorf("%s in %s: %d scripts, %d px too wide, %d sentences missing", name, lang, scripts, overflow, unsaid)
			}
		}
	}
	if p.Reports() != 0 {
		t.Errorf("%d reports of a violated policy", p.Reports())
	}
}

// TestEveryFigureLeadsToItsEvidence: each part of the page has a link to a
// document or to the log.
func TestEveryFigureLeadsToItsEvidence(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, withFacts(busy()))
	tab := webtest.NewTab(t)
	tab.Open(url + wire.NodePath)
	tab.WaitVisible("@facts")
	var without []string
	tab.Eval(`[...document.querySelectorAll("[data-test^=clause-], [data-test=incident], [data-test=policy], [data-test=naming], [data-test=changes] li")]
		.filter((e) => !e.querySelector("a.evidence") && !e.querySelector(".pill.never")).map((e) => e.textContent.trim())`, &without)
	if len(without) > 0 {
		t.Errorf("without evidence: %q", without)
	}
	var marks, open int
	tab.Eval(`document.querySelectorAll("[data-test=clause-O04] svg rect").length`, &marks)
	tab.Eval(`document.querySelectorAll("[data-test=clause-O12] svg rect.mark-broken").length`, &open)
	if marks != 30 || open != 1 {
		t.Errorf("the sparklines have %d marks, %d of them broken", marks, open)
	}
	tab.WaitText("@clause-O12", "no breach seen")
	tab.WaitText("@clause-O09", "not shown")
	tab.WaitText("@clause-O02", "not measured yet")
	tab.WaitText("@demands", "3")
	tab.Click("@clause-O04 summary")
	tab.WaitText("@clause-O04", "--clause O04")
}
