package node

import (
	"net/http"
	"strings"
	"testing"

	openvalues "primum/internal/open"
	"primum/thing"
)

// TestOpenThingsAreFoundByCoRELinks goes from the links of RFC 6690 to the
// description of a thing, as W3C WoT Discovery introduces it.
func TestOpenThingsAreFoundByCoRELinks(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	if _, err := n.names.values.PutService(t.Context(), openvalues.Service{Name: "air", Title: "Air"}); err != nil {
		t.Fatal(err)
	}
	d, err := thing.Parse([]byte(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Mast","security":"n","securityDefinitions":{"n":{"scheme":"nosec"}},
		"properties":{"co2":{"type":"number","readOnly":true,"forms":[{"href":"x"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.names.values.PutThing(t.Context(), openvalues.Thing{Service: "air", Name: "mast", Description: d}); err != nil {
		t.Fatal(err)
	}
	w := n.ask("/.well-known/core?rt=wot.thing", "")
	if w.Code != http.StatusOK || w.Body.String() != `</open/air/mast>;rt="wot.thing";ct=432;title="Mast"` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := n.ask("/open/air/mast", "application/td+json"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"Mast"`) {
		t.Errorf("its description: %d %s", w.Code, w.Body)
	}
	if w := n.ask("/.well-known/core?rt=wot.directory", ""); w.Body.String() != `</.well-known/wot>;rt="wot.directory";ct=432` {
		t.Errorf("the directory: %s", w.Body)
	}
}
