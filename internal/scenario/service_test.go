package scenario

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/engine"
	"primum/internal/node"
	"primum/internal/store"
)

const thermometerAdvice = `{"v":1,"name":"warmth","provider":"ben@AUTHORITY","texts":{"en":{"title":"Warm rooms","body":"We say when to heat."},"de":{"title":"Warme Zimmer","body":"Wir sagen, wann."}},` +
	`"asks":[{"purpose":{"@id":"dpv:OptimisationForConsumer","label":"energy advice"},"wants":[{"quantity":"temperature","unit":"°C","actions":["readproperty","observeproperty"],` +
	`"precision":{"every":"PT10S","stat":"mean","round":0.5}}],"for":"P7D","retention":"P9D","deletesWithin":"P2D","notices":{"en":"Means of ten seconds.","de":"Mittel über zehn Sekunden."},` +
	`"conditionality":{"coreFunctionWithoutGrant":true,"price":"2 EUR a month","benefit":"a plan for the winter"}},` +
	`{"purpose":{"@id":"dpv:ScientificResearch"},"wants":[{"quantity":"temperature","unit":"°C","actions":["readproperty"],"precision":{"every":"P1D","stat":"mean"}}],` +
	`"for":"P30D","notices":{"en":"For a study."}}]}`

// A service of another domain is read in the person's own portal as requests
// that nobody has sent; a yes to one of them is a grant with exactly the terms
// that were shown, and the provider's values flow. The other purpose is not
// given with it, and a service that lies about its provider is refused.
func TestServiceIsConnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "p")
	provider := startNode(t, "p.localhost", dir, w.clock)
	owner, ben := w.signUp(t, w.h, "ada", "Ada"), w.signUp(t, provider, "ben", "Ben & Co")
	call[engine.HomeResult](t, owner, "sandbox.start", engine.Empty{})
	_, temperature := owner.affordance(t, "thermometer/temperature", anyState)
	publishService(t, dir, "warmth", strings.Replace(thermometerAdvice, "AUTHORITY", provider.Authority(), 1), w)
	publishService(t, dir, "lies", strings.NewReplacer("AUTHORITY", w.s.Authority(), "warmth", "lies").Replace(thermometerAdvice), w)
	ask := engine.ServiceParams{Node: provider.Authority(), Name: "warmth", Language: "de"}
	var s engine.ServiceInfo
	eventually(t, "the service is shown", func() (ok bool) {
		w.clock.Advance(time.Second)
		var err error
		s, err = try[engine.ServiceInfo](t, owner, "service", ask)
		return err == nil
	})
	if s.Title != "Warme Zimmer" || s.Language != "de" || len(s.Asks) != 2 {
		t.Fatalf("%+v", s)
	}
	q := s.Asks[0]
	if q.ID != "" || q.From != "ben@"+provider.Authority() || q.Name != "Ben & Co" || q.Price != "2 EUR a month" || q.Notice != "Mittel über zehn Sekunden." || q.Language != "de" {
		t.Errorf("shown: %+v", q)
	}
	if len(q.Wants) != 1 || len(q.Wants[0].Fits) != 1 || q.Wants[0].Fits[0] != temperature.Ref {
		t.Errorf("what fits: %+v", q.Wants)
	}
	params := engine.GiveParams{
		Service: &engine.ServiceRef{Node: s.Node, Name: s.Name, Ask: 0}, Until: w.clock.Now().Add(7 * 24 * time.Hour),
		Share: []engine.Share{{Ref: temperature.Ref, Ops: q.Wants[0].Ops, Precision: q.Wants[0].Precision}},
	}
	given := call[engine.Given](t, owner, "give", params)
	grants := call[[]engine.GrantInfo](t, owner, "grants", engine.Empty{})
	if len(grants) != 1 || grants[0].ID != given.Grant || grants[0].Purpose != "energy advice" || grants[0].Price != "2 EUR a month" || grants[0].Deletes != "2d" || grants[0].Retention != "9d" {
		t.Errorf("given: %+v", grants)
	}
	ben.affordance(t, "thermometer-to-try/temperature", func(_ engine.ThingInfo, a engine.Affordance) bool {
		w.clock.Advance(time.Second)
		return a.Latest != nil
	})
	for code, bad := range map[string]func(*engine.GiveParams){
		"no-service": func(p *engine.GiveParams) { p.Service = &engine.ServiceRef{Node: s.Node, Name: s.Name, Ask: 2} },
		"params":     func(p *engine.GiveParams) { p.Account = "ada@" + w.h.Authority() },
	} {
		p := params
		bad(&p)
		if got := refusal(t, owner, "give", p); got != code {
			t.Errorf("%s, want %s", got, code)
		}
	}
	for _, name := range []string{"lies", "none", "../x"} {
		if got := refusal(t, owner, "service", engine.ServiceParams{Node: provider.Authority(), Name: name}); got != "no-service" {
			t.Errorf("the service %s: %s", name, got)
		}
	}
}

// publishService adds a document as an operator who wrote past the door's
// checks could, and waits until the log has it.
func publishService(t *testing.T, dir, name, doc string, w *world) {
	t.Helper()
	sum, _, err := node.AddFact(t.Context(), dir, store.Fact{Type: "service", Name: name, Kind: "application/json", Body: []byte(doc)}, w.clock.Now())
	if err != nil || len(sum) != 64 {
		t.Fatal(err)
	}
}
