package node

import (
	"testing"

	"primum/internal/directory"
	"primum/internal/linkset"
	"primum/thing/id"
)

// TestPublishedNames: a label would hush these for everybody, so nobody gets one
// for them. A batch or variant makes no difference, because to a hush it makes
// none.
func TestPublishedNames(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	entries := []linkset.Entry{{LinkType: "gs1:pip", Href: "https://shop.example/lamp", Title: "Page", Default: true}}
	for _, anchor := range []string{lampKey, lampKey + "/21/A1", lampKey + "/10/B/21/A2", lampKey + "/22/V/10/B/21/A3", "mac/0024befffe804ff1"} {
		if _, err := n.names.links.Put(t.Context(), "test", linkset.Item{Anchor: anchor, Description: "Lamp", Entries: entries}); err != nil {
			t.Fatal(err)
		}
	}
	describeThing(t, n, directory.Viewer{Publisher: true}, lampKey+"/21/A4")
	describeThing(t, n, directory.Viewer{Account: "ada@" + n.Authority()}, lampKey+"/21/A5")
	own(t, n, "ada@"+n.Authority(), lampKey+"/21/A1x")
	for text, want := range map[string]bool{
		lampKey + "/21/A1": true, lampKey + "/10/C/21/A1": true, lampKey + "/21/A2": true, lampKey + "/21/A3": true, lampKey + "/21/A4": true,
		lampKey + "/21/A5": false, lampKey + "/21/A6": false, lampKey + "/21/A": false, "00:24:be:80:4f:f1": true, "00:24:be:80:4f:f2": false,
		"urn:uuid:3aa8c2c6-5d1c-4c5e-9d0e-2f0a1c7a7b11": false,
	} {
		name, err := id.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := n.published(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
