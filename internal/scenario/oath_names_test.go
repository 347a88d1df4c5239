package scenario

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/node"
	"primum/oath"
)

const oathLinks = `{"linkset":[{"anchor":"/01/04012345999990","itemDescription":"A heater",` +
	`"https://ref.gs1.org/voc/pip":[{"href":"https://maker.example/heater","title":"Product page"}],` +
	`"https://ref.gs1.org/voc/serviceInfo":[{"href":"https://repair.example/heater","title":"Another operator's service"}]}]}`

const oathThing = `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Hall","securityDefinitions":{"n":{"scheme":"nosec"}},"security":"n",` +
	`"properties":{"presence":{"type":"boolean","forms":[{"href":"https://h.example/x"}]}}LINKS}`

// What a node's oath says of names and notices has something to be checked on:
// the link set of a product, open values whose own page is their notice. A
// thing that is described in public and named nowhere breaks O02.
func TestOathFindsLinkSetsAndThings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, cfg := swornIn(t, dir)
	token, err := node.AddToken(t.Context(), dir, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	way := wayTo(t, n, cfg)
	send := func(method, path, kind, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, n.BaseURL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", kind)
		resp, err := way.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if b, _ := io.ReadAll(resp.Body); resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, b)
		}
	}
	cfg.Clauses = slices.DeleteFunc(cfg.Clauses, func(c oath.Clause) bool { return c.ID != "O01" && c.ID != "O02" })
	look := func() map[string]oath.Seen {
		report, _, err := oath.Check(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		steps := map[string]oath.Seen{}
		for _, r := range report.Results {
			logResult(t, r)
			for _, s := range r.Steps {
				steps[s.Probe] = s
			}
		}
		return steps
	}
	send("POST", "/v1/linkset", "application/linkset+json", oathLinks)
	send("PUT", "/v1/open/air", "application/json", `{"title":"Air in the square"}`)
	send("PUT", "/v1/open/air/square", "application/td+json", strings.Replace(strings.Replace(oathThing, "LINKS", "", 1), "presence", "dust", 1))
	send("POST", "/things", "application/td+json", strings.Replace(strings.Replace(oathThing, "LINKS", `,"links":[{"rel":"privacy-policy","href":"https://h.example/open/air/square"}]`, 1), "presence", "dust", 1))
	steps := look()
	for _, probe := range []string{"open-front-page", "read-entrance", "read-notice", "read-public-things"} {
		if s := steps[probe]; s.Verdict != oath.NoBreach {
			t.Errorf("%s: %s (%s)", probe, s.Verdict, s.Reason)
		}
	}
	said := func(probe, text string) bool {
		return slices.ContainsFunc(steps[probe].Evidence, func(e oath.Evidence) bool { return strings.Contains(e.What+e.Replay, text) })
	}
	if !said("read-entrance", "link set of a product") || !said("read-public-things", "thing's own notice") {
		t.Errorf("evidence %+v", steps)
	}
	send("POST", "/things", "application/td+json", strings.Replace(oathThing, "LINKS", "", 1))
	if s := look()["read-public-things"]; s.Verdict != oath.Broken || !strings.Contains(s.Reason, "presence of Hall") {
		t.Errorf("a thing that no notice names: %s (%s)", s.Verdict, s.Reason)
	}
}
