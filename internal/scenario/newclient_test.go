package scenario

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"primum/client"
	"primum/client/keys"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/simulated"
	"primum/internal/engine"
)

// TestANewClientIsInAtOnce: a person opens the account on a further device
// while no other one is on. The thing's end is told by the node, looks for
// itself, and lets the new client in: without a word of an older client, and
// without waiting for the hourly look (L8).
func TestANewClientIsInAtOnce(t *testing.T) {
	n := startNode(t, "h.localhost", filepath.Join(t.TempDir(), "h"), clock.Real())
	v := signUp(t, n, clock.Real(), "owner", identity.Person, "")
	owner := openClient(t, optionsOf(t, v, clock.Real()))
	e, _ := runEdgeBy(t, edge.Config{
		Dir: filepath.Join(t.TempDir(), "edge"), Listen: "127.0.0.1:0", Clock: clock.Real(),
		Zigbee2MQTT: edge.Off, HomeAssistant: edge.Off, Simulated: simulated.New(clock.Real(), 0, 1),
	}, client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: clock.Real()})
	claim(t, owner, e)
	find(t, owner, "water/flow")

	words, err := keys.NewPhrase(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := v.Keep("a phrase", words, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := keep.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Home.PutKeep(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}

	phone := newBrowser(t, t.TempDir(), nil)
	ask[engine.Status](phone, "account.restore", engine.RestoreParams{Account: v.Address(), Client: "phone", Secret: engine.Secret{Phrase: words}})
	eventually(t, "the new client sees the things", func() bool {
		return len(ask[engine.ThingsResult](phone, "things", engine.Empty{}).Things) > 0
	})
}
