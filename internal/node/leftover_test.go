package node

import (
	"errors"
	"strings"
	"testing"

	"primum/internal/directory"
	"primum/internal/linkset"
	openvalues "primum/internal/open"
	"primum/internal/operator"
	"primum/thing"
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

// TestOpenThingsTakeNoIDs: an id that another thing has is not given again, and
// what another has stays when an open thing goes.
func TestOpenThingsTakeNoIDs(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	token, err := AddToken(t.Context(), c.DataDir, "town", begin())
	if err != nil {
		t.Fatal(err)
	}
	td := func(id string) string {
		return `{"@context":"https://www.w3.org/2022/wot/td/v1.1","id":"` + id + `","title":"Square","security":"n","securityDefinitions":{"n":{"scheme":"nosec"}},"properties":{"co2":{"type":"number","forms":[{"href":"https://lan.example/co2"}]}}}`
	}
	for _, c := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/things/urn:example:own", td("urn:example:own"), 201, ""},
		{"/v1/open/air", `{"title":"Air"}`, 201, ""},
		{"/v1/open/air/square", td("urn:example:own"), 409, n.BaseURL() + "/things/urn:example:own"},
		{"/v1/open/air/square", td("urn:example:square"), 201, ""},
		{"/v1/open/air/square", td("urn:example:square"), 204, ""},
		{"/v1/open/air/square", td("urn:example:own"), 409, `"pointer":"/id"`},
		{"/v1/open/air/other", td("urn:example:square"), 409, n.openPlace() + "air/square"},
		{"/v1/open/air/square", td("urn:example:new"), 204, ""},
		{"/v1/open/air/other", td("urn:example:square"), 201, ""},
	} {
		if w := n.publish("PUT", c.path, token, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	same := openvalues.Thing{Service: "air", Name: "older", Description: &thing.Description{ID: "urn:example:own"}}
	if err := n.linkOpen(t.Context(), same, true); err != nil {
		t.Error(err)
	}
	if w := n.publish("DELETE", "/v1/open/air/square", token, ""); w.Code != 204 {
		t.Errorf("delete: %d %s", w.Code, w.Body)
	}
	for path, status := range map[string]int{"/things/urn:example:new": 404, "/things/urn:example:own": 200, "/things/urn:example:square": 200} {
		if w := n.ask(path, ""); w.Code != status {
			t.Errorf("%s: %d", path, w.Code)
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
