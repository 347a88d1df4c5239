package node

import (
	"errors"
	"testing"

	"primum/internal/directory"
	"primum/internal/linkset"
	openvalues "primum/internal/open"
	"primum/internal/operator"
)

// TestLeftoversOfOpenThingsGo: what a removal left that ended between the files
// is gone after the next start, and nothing else.
func TestLeftoversOfOpenThingsGo(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	if _, err := n.names.values.PutService(t.Context(), openvalues.Service{Name: "air", Title: "Air"}); err != nil {
		t.Fatal(err)
	}
	d, err := openvalues.ReadDescription([]byte(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Square",
		"security":"n","securityDefinitions":{"n":{"scheme":"nosec"}},"properties":{"co2":{"type":"number"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	stays := openvalues.Thing{Service: "air", Name: "stays", Description: d, Key: lampKey + "/21/stays"}
	if _, err := n.names.values.PutThing(t.Context(), stays); err != nil {
		t.Fatal(err)
	}
	left := openvalues.Thing{Service: "air", Name: "left", Description: d, Key: lampKey + "/21/left"}
	if err := n.linkOpen(t.Context(), left, false); err != nil {
		t.Fatal(err)
	}
	hand := linkset.Item{Anchor: left.Key, Description: "By hand", Entries: []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/", Title: "Page"}}}
	if _, err := n.names.links.Put(t.Context(), operator.Console, hand); err != nil {
		t.Fatal(err)
	}
	describeThing(t, n, directory.Viewer{Publisher: true}, lampKey+"/21/other")

	n.sweepOpen(t.Context())
	if it, err := n.names.links.Lookup(t.Context(), left.Key); err != nil || len(it.Entries) != 1 || it.Entries[0].LinkType != "gs1:pip" {
		t.Errorf("links of what is gone: %+v, %v", it, err)
	}
	if it, err := n.names.links.Lookup(t.Context(), stays.Key); err != nil || len(it.Entries) != 2 {
		t.Errorf("links of what is there: %+v, %v", it, err)
	}
	for id, want := range map[string]error{
		n.openPlace() + "air/left": directory.ErrNotFound, n.openPlace() + "air/stays": nil, "https://id.gs1.org/" + lampKey + "/21/other": nil,
	} {
		if _, err := n.names.things.Get(t.Context(), directory.Viewer{}, id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
}

// TestHalfRemovedOpenThing: the last thing that goes is the thing, so that
// whoever removed it may ask again.
func TestHalfRemovedOpenThing(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	d, err := openvalues.ReadDescription([]byte(`{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Square",
		"security":"n","securityDefinitions":{"n":{"scheme":"nosec"}},"properties":{"co2":{"type":"number"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.names.values.PutService(t.Context(), openvalues.Service{Name: "air", Title: "Air"})
	thing := openvalues.Thing{Service: "air", Name: "square", Description: d, Key: lampKey + "/21/7"}
	if _, err2 := n.names.values.PutThing(t.Context(), thing); err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if err := n.names.things.Close(); err != nil { // the removal gets no further than the links
		t.Fatal(err)
	}
	if err := n.names.values.RemoveThing(t.Context(), "air", "square"); err == nil {
		t.Fatal("removed without a directory")
	}
	if _, err := n.names.links.Lookup(t.Context(), thing.Key); !errors.Is(err, linkset.ErrNotFound) {
		t.Errorf("links: %v", err)
	}
	if _, err := n.names.values.Thing(t.Context(), "air", "square"); err != nil {
		t.Errorf("nobody can remove it again: %v", err)
	}
}
